// What the gateway costs: CPU per request of our processes (nginx workers with the module, and
// the daemon that stores their events) next to a plain nginx that proxies to the same upstream.
// Rounds alternate, so that whatever else the machine does hits both alike.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import assert from 'node:assert/strict';
import { cleanEnv, descendants, freePorts, makeTemp, run, startProduct } from '../tests/gateway/lib/product.mjs';
import { chat, readStream } from '../tests/gateway/lib/client.mjs';
import { labelOf } from '../tests/gateway/lib/cases.mjs';
import { Report } from './lib/report.mjs';

const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 5);
const SECONDS = Number(process.env.BENCH_SECONDS ?? 4);
const CONNECTIONS = 16;
const TOKENS = 200; // of a streamed answer
const LUA = new URL('lib/chat.lua', import.meta.url).pathname;

// --- the upstream and the rival ---------------------------------------------------------------

const words = Array.from({ length: TOKENS }, (_, i) => `word${i} and more `);
const answer = JSON.stringify({
  id: 'chatcmpl-bench', object: 'chat.completion', created: 1760000000, model: 'bench',
  choices: [{ index: 0, message: { role: 'assistant', content: 'A fixed answer of a kilobyte. '.repeat(26).trim() }, logprobs: null, finish_reason: 'stop' }],
  usage: { prompt_tokens: 200, completion_tokens: 200, total_tokens: 400 },
});
const events = [...words.map((content) => ({ index: 0, delta: { content }, finish_reason: null })), { index: 0, delta: {}, finish_reason: 'stop' }]
  .map((c) => `data: ${JSON.stringify({ id: 'chatcmpl-bench', object: 'chat.completion.chunk', created: 1760000000, model: 'bench', choices: [c] })}\n\n`)
  .join('');

const common = (dir, log) => `
daemon off;
pid ${dir}/nginx.pid;
error_log ${dir}/error.log warn;
worker_processes auto;
events { worker_connections 4096; }
http {
  client_body_temp_path ${dir}/body; proxy_temp_path ${dir}/proxy; fastcgi_temp_path ${dir}/f; uwsgi_temp_path ${dir}/u; scgi_temp_path ${dir}/s;
  access_log ${log};
  keepalive_timeout 75s; keepalive_requests 1000000; sendfile on; tcp_nopush on; server_tokens off;
`;

const upstreamConf = (dir, port) => `${common(dir, 'off')}
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / {
      if ($http_x_bench = sse) { rewrite ^ /sse last; }
      default_type application/json;
      return 200 '${answer}';
    }
    # a file, because a string of nginx.conf ends at 4 KB; the 405 is what files say to a POST
    location = /sse { internal; types { } default_type text/event-stream; alias ${dir}/answer.sse; error_page 405 =200 /sse; }
  }
}`;

// The same proxy settings as the gateway's own configuration, without the module.
const rivalConf = (dir, port, upstream) => `${common(dir, `${dir}/access.log`)}
  upstream model { server 127.0.0.1:${upstream}; keepalive 64; }
  server {
    listen 127.0.0.1:${port};
    location = /v1/chat/completions {
      proxy_pass http://model; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Accept-Encoding "";
      proxy_buffering off; proxy_request_buffering on; client_max_body_size 4m; client_body_buffer_size 4m;
    }
  }
}`;

async function startNginx(dir, conf, url) {
  const file = path.join(dir, 'nginx.conf');
  fs.writeFileSync(file, conf);
  const child = spawn('setpriv', ['--pdeathsig', 'TERM', 'nginx', '-p', dir, '-c', file], { env: cleanEnv(), stdio: ['ignore', 'inherit', 'inherit'] });
  for (let i = 0; i < 100; i++) {
    try {
      await chat(url, {});
      return child;
    } catch {
      await sleep(50);
    }
  }
  child.kill();
  throw new Error(`nginx in ${dir} does not answer`);
}

// --- measuring ------------------------------------------------------------------------------------

/** Nanoseconds on a CPU, all threads of all given processes. */
function cpu(pids) {
  let ns = 0;
  for (const pid of pids)
    for (const tid of fs.readdirSync(`/proc/${pid}/task`))
      ns += Number(fs.readFileSync(`/proc/${pid}/task/${tid}/schedstat`, 'utf8').split(' ')[0]);
  return ns;
}

/** pids: what serves; behind: processes that do the rest of the work for it. */
async function round(url, kind, pids, behind = []) {
  const before = [cpu(pids), cpu(behind)];
  const r = await run('wrk', ['-t', '1', '-c', String(CONNECTIONS), '-d', `${SECONDS}s`, '-s', LUA, `${url}/v1/chat/completions`], { env: { BENCH: kind } });
  await sleep(1000); // what a request leaves to the daemon belongs to its cost
  const after = [cpu(pids), cpu(behind)];
  const m = /^RESULT (\d+) (\d+) (\d+) (\d+)$/m.exec(r.stdout);
  assert.ok(m, r.stdout + r.stderr);
  const [requests, us, errors, p99] = m.slice(1).map(Number);
  assert.equal(errors, 0, `${errors} of ${requests} requests failed at ${url}: a number over failures means nothing`);
  const [front, back] = after.map((ns, i) => (ns - before[i]) / 1000 / requests);
  return { cpuUs: front + back, frontUs: front, backUs: back, perSecond: requests / (us / 1e6), p99Ms: p99 / 1000 };
}

async function sameResult(ours, theirs) {
  const value = { model: 'bench', messages: [{ role: 'user', content: 'hello' }] };
  const [a, b] = [await chat(ours, value), await chat(theirs, value)];
  labelOf(a.json().choices[0].message.content, b.json().choices[0].message.content);
  const headers = { 'x-bench': 'sse' };
  const [s, t] = [await chat(ours, { ...value, stream: true }, { headers }), await chat(theirs, { ...value, stream: true }, { headers })];
  assert.equal(readStream(t.buf).text, words.join(''));
  labelOf(readStream(s.buf).text, words.join(''));
}

async function main() {
  const version = /nginx\/(\S+)/.exec((await run('nginx', ['-v'])).stderr)?.[1];
  if ((await run('wrk', ['-v'])).code === 'ENOENT' || !version) {
    console.error('bench: nginx and wrk are needed: tools/install-deps bench');
    return 5;
  }
  const dir = makeTemp('pl-bench-');
  const children = [];
  let product;
  try {
    const [up, plain] = await freePorts(2);
    for (const d of ['up', 'plain']) fs.mkdirSync(path.join(dir, d));
    // workers of an nginx that is started as root change to an account that must get in
    fs.chmodSync(dir, 0o755);
    fs.writeFileSync(path.join(dir, 'up/answer.sse'), `${events}data: [DONE]\n\n`);
    children.push(await startNginx(path.join(dir, 'up'), upstreamConf(path.join(dir, 'up'), up), `http://127.0.0.1:${up}`));
    const theirs = `http://127.0.0.1:${plain}`;
    children.push(await startNginx(path.join(dir, 'plain'), rivalConf(path.join(dir, 'plain'), plain, up), theirs));
    product = await startProduct({ upstream: `http://127.0.0.1:${up}` });
    const ours = product.gateway;
    await sameResult(ours, theirs);

    const rival = descendants(children[1].pid).map((p) => p.pid);
    const { workers, daemon, nginx } = product.pids();
    const own = [...workers, nginx];
    const report = new Report('nginx', version);
    for (const [kind, name] of [['json', 'chat_1k'], ['sse', 'stream_200']]) {
      const [a, b] = [[], []];
      await round(theirs, kind, rival);
      await round(ours, kind, own, [daemon]);
      for (let i = 0; i < ROUNDS; i++) {
        b.push(await round(theirs, kind, rival));
        a.push(await round(ours, kind, own, [daemon]));
        console.error(`bench: gateway ${kind}, round ${i + 1} of ${ROUNDS}: ours ${a[i].cpuUs.toFixed(1)} us (${a[i].frontUs.toFixed(1)} workers, ${a[i].backUs.toFixed(1)} daemon), nginx ${b[i].cpuUs.toFixed(1)} us`);
      }
      const of = (rows, key) => rows.map((r) => r[key]);
      report.add(`gateway.cpu.${name}`, 'us/request', 'lower', of(a, 'cpuUs'), of(b, 'cpuUs'));
      report.add(`gateway.throughput.${name}`, 'requests/s', 'higher', of(a, 'perSecond'), of(b, 'perSecond'));
      if (kind === 'sse') {
        const events = TOKENS + 2; // the finish and [DONE]
        report.add('gateway.cpu.event', 'us/event', 'lower', of(a, 'cpuUs').map((us) => us / events), of(b, 'cpuUs').map((us) => us / events));
      }
      report.add(`gateway.p99.${name}`, 'ms', 'lower', of(a, 'p99Ms'), of(b, 'p99Ms'));
    }
    const { json } = await product.api('GET', '/api/v1/overview');
    assert.equal(json.counters.lost, 0, 'every request left its event');
    return report.finish();
  } finally {
    await product?.stop();
    for (const c of children) c.kill('SIGTERM');
    await sleep(300);
    fs.rmSync(dir, { recursive: true, force: true });
  }
}

process.exitCode = await main();
