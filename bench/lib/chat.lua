-- Chat requests for the gateway benchmark.
--   BENCH        json, or sse for a stream
--   BENCH_BYTES  about how long the prompt is (1000)
--   BENCH_HOST   upstream of a gateway that takes it from the request
local sse = os.getenv("BENCH") == "sse"
local bytes = tonumber(os.getenv("BENCH_BYTES") or "1000")
local host = os.getenv("BENCH_HOST")

local sentence = "Tulips open in spring, and children fly their kites on the lawn. "
local text = string.rep(sentence, math.max(1, math.floor(bytes * 0.85 / #sentence)))
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer sk-bench"
wrk.headers["X-Bench"] = sse and "sse" or "json"
if host then
    wrk.headers["x-portkey-provider"] = "openai"
    wrk.headers["x-portkey-custom-host"] = host
    wrk.headers["x-portkey-forward-headers"] = "x-bench"
end
local head = '{"model":"bench","messages":[{"role":"system","content":"You are helpful."},'
    .. '{"role":"user","content":"'
local tail = text .. '"}]' .. (sse and ',"stream":true' or '') .. '}'
wrk.body = head .. tail

-- Prompts differ: what was judged before is of no help.
local n = 0
function request()
    n = n + 1
    return wrk.format(nil, nil, nil, head .. string.format("%08x ", n) .. tail)
end

function done(summary, latency, requests)
    io.write(string.format("RESULT %d %d %d %d %d\n", summary.requests, summary.duration,
        summary.errors.status + summary.errors.read + summary.errors.timeout + summary.errors.connect,
        latency:percentile(50), latency:percentile(99)))
end
