-- A chat request of about 1 KB; BENCH=sse asks for a stream.
local sse = os.getenv("BENCH") == "sse"
local text = string.rep("Tulips open in spring, and children fly their kites on the lawn. ", 13)
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer sk-bench"
wrk.headers["X-Bench"] = sse and "sse" or "json"
wrk.body = '{"model":"bench","messages":[{"role":"system","content":"You are helpful."},'
    .. '{"role":"user","content":"' .. text .. '"}]' .. (sse and ',"stream":true' or '') .. '}'

local bad = 0
function response(status, headers, body)
    if status ~= 200 then bad = bad + 1 end
end

function done(summary, latency, requests)
    io.write(string.format("RESULT %d %d %d %d\n", summary.requests, summary.duration,
        summary.errors.status + summary.errors.read + summary.errors.timeout + summary.errors.connect,
        latency:percentile(99)))
end
