// What the gateway costs, side by side in one run and with one upstream: CPU per request of our
// processes (nginx workers with the module, and the daemon that stores their events), of a plain
// nginx and of the rivals; the delay it adds at half load; the memory of an open stream. Rounds
// alternate, so that whatever else the machine does hits all alike.
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import assert from 'node:assert/strict';
import { makeTemp, run } from '../tests/gateway/lib/product.mjs';
import { chat, readStream } from '../tests/gateway/lib/client.mjs';
import { labelOf } from '../tests/gateway/lib/cases.mjs';
import { FULL, memory, REQUESTS, startModSecurity, startOpenStreams, startOurs, startPlain, startPortkey, startUpstream, TOKENS, words } from './lib/gateway-servers.mjs';
import { median, Report } from './lib/report.mjs';

const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 5);
const SECONDS = Number(process.env.BENCH_SECONDS ?? 4);
const STREAMS = Number(process.env.BENCH_STREAMS ?? 2000);
const ONLY = process.env.BENCH_ONLY?.split(','); // parts: json, large, sse, latency, memory
const CONNECTIONS = 16;
const LUA = new URL('lib/chat.lua', import.meta.url).pathname;
const of = (rows, key) => rows.map((r) => r[key]);

// --- measuring ------------------------------------------------------------------------------------

/** Nanoseconds on a CPU, all threads of all given processes. */
function cpu(pids) {
  let ns = 0;
  for (const pid of pids)
    for (const tid of fs.readdirSync(`/proc/${pid}/task`))
      ns += Number(fs.readFileSync(`/proc/${pid}/task/${tid}/schedstat`, 'utf8').split(' ')[0]);
  return ns;
}

async function load(c, env, connections = CONNECTIONS) {
  const r = await run('wrk', ['-t', '1', '-c', String(connections), '-d', `${SECONDS}s`, '-s', LUA, `${c.url}/v1/chat/completions`],
    { env: { ...env, ...(c.host ? { BENCH_HOST: c.host } : {}) } });
  const m = /^RESULT (\d+) (\d+) (\d+) (\d+) (\d+)$/m.exec(r.stdout);
  assert.ok(m, r.stdout + r.stderr);
  const [requests, us, errors, p50Us, p99Us] = m.slice(1).map(Number);
  assert.equal(errors, 0, `${errors} of ${requests} requests failed at ${c.name}: a number over failures means nothing`);
  return { requests, perSecond: requests / (us / 1e6), p50Us, p99Us, p99Ms: p99Us / 1000 };
}

async function round(c, env) {
  const before = [cpu(c.pids()), cpu(c.behind())];
  const r = await load(c, env);
  await sleep(1000); // what a request leaves to the daemon belongs to its cost
  const [frontUs, backUs] = [cpu(c.pids()) - before[0], cpu(c.behind()) - before[1]].map((ns) => ns / 1000 / r.requests);
  return { ...r, cpuUs: frontUs + backUs, frontUs, backUs };
}

/** Rows of numbers per contender, rounds alternating, after one that does not count. */
async function rounds(what, contenders, measure) {
  const rows = new Map(contenders.map((c) => [c, []]));
  for (const c of contenders) await measure(c);
  for (let i = 0; i < ROUNDS; i++) {
    const said = [];
    for (const c of contenders) {
      const r = await measure(c);
      rows.get(c).push(r);
      said.push(`${c.name} ${r.cpuUs === undefined ? `p50 ${r.p50Us} p99 ${r.p99Us} us` : `${r.cpuUs.toFixed(1)} us${r.backUs ? ` (${r.frontUs.toFixed(1)} workers, ${r.backUs.toFixed(1)} daemon)` : ''}`}`);
    }
    console.error(`bench: gateway ${what}, round ${i + 1} of ${ROUNDS}: ${said.join('; ')}`);
  }
  return rows;
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

// --- parts -----------------------------------------------------------------------------------------

/** What a rival adds to a plain nginx beside what we add. */
function additions(report, name, rows, full, plain, rivals) {
  const added = (c) => rows.get(c).map((r, i) => r.cpuUs - rows.get(plain)[i].cpuUs);

  for (const c of rivals) {
    report.add(`gateway.cpu.${name}.${c.name}`, 'us/request', 'lower', of(rows.get(full), 'cpuUs'), of(rows.get(c), 'cpuUs'), c.name, c.version);
    report.add(`gateway.added.${name}.${c.name}`, 'us/request', 'lower', added(full), added(c), c.name, c.version);
  }
}

async function json(report, s) {
  const rows = await rounds('1 KB', [s.plain, s.full, s.shipped, s.requests, ...s.rivals], (c) => round(c, { BENCH: 'json' }));
  const theirs = rows.get(s.plain);

  report.add('gateway.cpu.chat_1k', 'us/request', 'lower', of(rows.get(s.shipped), 'cpuUs'), of(theirs, 'cpuUs'));
  report.add('gateway.cpu.chat_1k.full', 'us/request', 'lower', of(rows.get(s.full), 'cpuUs'), of(theirs, 'cpuUs'));
  report.add('gateway.cpu.chat_1k.requests', 'us/request', 'lower', of(rows.get(s.requests), 'cpuUs'), of(theirs, 'cpuUs'));
  report.add('gateway.cpu.chat_1k.workers', 'us/request', 'lower', of(rows.get(s.full), 'frontUs'), of(theirs, 'cpuUs'));
  report.add('gateway.throughput.chat_1k', 'requests/s', 'higher', of(rows.get(s.full), 'perSecond'), of(theirs, 'perSecond'));
  report.add('gateway.p99.chat_1k', 'ms', 'lower', of(rows.get(s.full), 'p99Ms'), of(theirs, 'p99Ms'));
  additions(report, 'chat_1k', rows, s.full, s.plain, s.rivals);
  return median(of(rows.get(s.full), 'perSecond'));
}

async function large(report, s) {
  const rows = await rounds('32 KB', [s.plain, s.full, ...s.rivals], (c) => round(c, { BENCH: 'json', BENCH_BYTES: '32768' }));

  report.add('gateway.cpu.chat_32k', 'us/request', 'lower', of(rows.get(s.full), 'cpuUs'), of(rows.get(s.plain), 'cpuUs'));
  additions(report, 'chat_32k', rows, s.full, s.plain, s.rivals);
}

async function sse(report, s) {
  const rows = await rounds('stream', [s.plain, s.full], (c) => round(c, { BENCH: 'sse' }));
  const [a, b] = [rows.get(s.full), rows.get(s.plain)];
  const count = TOKENS + 2; // the finish and [DONE]

  report.add('gateway.cpu.stream_200', 'us/request', 'lower', of(a, 'cpuUs'), of(b, 'cpuUs'));
  report.add('gateway.cpu.event', 'us/event', 'lower', of(a, 'cpuUs').map((us) => us / count), of(b, 'cpuUs').map((us) => us / count));
  report.add('gateway.throughput.stream_200', 'requests/s', 'higher', of(a, 'perSecond'), of(b, 'perSecond'));
  report.add('gateway.p99.stream_200', 'ms', 'lower', of(a, 'p99Ms'), of(b, 'p99Ms'));
}

/** One request at a time, as it comes: about half of what we serve on two cores. A pace kept by
 *  timers would send in bursts, a millisecond apart, and measure the queue. */
async function latency(report, s, perSecond) {
  const rows = await rounds('half load', [s.plain, s.full], (c) => load(c, { BENCH: 'json' }, 1));
  const [a, b] = [rows.get(s.full), rows.get(s.plain)];

  if (perSecond) console.error(`bench: gateway half load is ${((median(of(a, 'perSecond')) / perSecond) * 100).toFixed(0)} % of ${perSecond.toFixed(0)} requests/s`);
  report.add('gateway.delay.p50_added', 'us', 'lower', a.map((r, i) => r.p50Us - b[i].p50Us), of(b, 'p50Us'));
  report.add('gateway.delay.p50', 'us', 'lower', of(a, 'p50Us'), of(b, 'p50Us'));
  report.add('gateway.delay.p99', 'us', 'lower', of(a, 'p99Us'), of(b, 'p99Us'));
}

async function streamMemory(c, up) {
  const agent = new http.Agent({ maxSockets: Infinity });
  const body = JSON.stringify({ model: 'bench', stream: true, messages: [{ role: 'user', content: 'hello' }] });
  const requests = [];
  const before = memory(c.pids());

  for (let i = 0; i < STREAMS; i++) {
    const r = http.request(`${c.url}/v1/chat/completions`, { agent, method: 'POST', headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) } }, (res) => res.resume());
    r.on('error', () => {});
    r.end(body);
    requests.push(r);
    if (i % 50 === 49) await sleep(20);
  }
  for (let i = 0; i < 200 && up.open.size < STREAMS; i++) await sleep(50);
  assert.equal(up.open.size, STREAMS, `${up.open.size} of ${STREAMS} streams are open through ${c.name}`);
  await sleep(1000);
  const kib = (memory(c.pids()) - before) / STREAMS / 1024;
  for (const r of requests) r.destroy();
  for (let i = 0; i < 200 && up.open.size > 0; i++) await sleep(50);
  return kib;
}

/** Fresh processes: memory that a burst before left behind would hide what a stream takes. */
async function openStreams(report, base) {
  const up = await startOpenStreams();
  const [ours, theirs] = [[], []];
  const fresh = () => {
    const dir = fs.mkdtempSync(path.join(base, 'm-'));
    fs.chmodSync(dir, 0o755);
    return dir;
  };
  try {
    for (let i = 0; i < 2; i++)
      for (const [list, start] of [[theirs, () => startPlain(fresh(), up.address)], [ours, () => startOurs('full', up.url, FULL)]]) {
        const c = await start();
        try {
          list.push(await streamMemory(c, up));
        } finally {
          await c.stop();
        }
      }
  } finally {
    await up.stop();
  }
  report.add('gateway.memory.stream', 'KiB', 'lower', ours, theirs);
}

async function main() {
  if ((await run('wrk', ['-v'])).code === 'ENOENT' || !fs.existsSync('/usr/share/modsecurity-crs')) {
    console.error('bench: nginx, wrk and ModSecurity are needed: tools/install-deps bench');
    return 5;
  }
  const base = makeTemp('pl-bench-');
  const running = [];
  const start = async (c) => (running.push(await c), running.at(-1));
  const does = (part) => !ONLY || ONLY.includes(part);
  // workers of an nginx that is started as root change to an account that must get in
  fs.chmodSync(base, 0o755);
  try {
    const up = await start(startUpstream(base));
    const s = { plain: await start(startPlain(base, up.address)), full: await start(startOurs('ours', up.url, FULL)), rivals: [] };
    const report = new Report('nginx', s.plain.version);
    await sameResult(s.full.url, s.plain.url);
    if (does('json') || does('large'))
      s.rivals = [await start(startModSecurity(base, up.address, false)), await start(startModSecurity(base, up.address, true)), await start(startPortkey(up.url))];
    if (does('json')) {
      s.shipped = await start(startOurs('ours as shipped', up.url));
      s.requests = await start(startOurs('ours, requests only', up.url, REQUESTS));
    }
    const perSecond = does('json') ? await json(report, s) : 0;
    if (does('large')) await large(report, s);
    if (does('sse')) await sse(report, s);
    if (does('latency')) await latency(report, s, perSecond);
    while (running.length) await running.pop().stop();
    if (does('memory')) await openStreams(report, base);
    return report.finish();
  } finally {
    while (running.length) await running.pop().stop().catch((e) => console.error(`bench: ${e.message}`));
    fs.rmSync(base, { recursive: true, force: true });
  }
}

process.exitCode = await main();
