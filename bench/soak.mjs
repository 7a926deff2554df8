// Many requests through one gateway: whether its memory stays flat, and whether events keep up.
//
//   SOAK_REQUESTS=10000000 tools/node bench/soak.mjs
//
// First one minute at about 80 % of what is served at most: no event may go to the spill ring. Then as
// many requests as asked for, at that load, with the workers' and the daemon's own memory looked at
// after every twentieth of them. (At full load for long, the event log of a small machine fills and
// requests are refused, which is what a gateway that fails closed is for.) Room for about 3 KB a request is needed in TMPDIR.
import fs from 'node:fs';
import assert from 'node:assert/strict';
import { makeTemp, run } from '../tests/gateway/lib/product.mjs';
import { memory, startOurs, startUpstream } from './lib/gateway-servers.mjs';

const WANTED = Number(process.env.SOAK_REQUESTS ?? 1_000_000);
const LUA = new URL('lib/chat.lua', import.meta.url).pathname;
const STEPS = 20;

async function load(c, connections, seconds) {
  const r = await run('wrk', ['-t', '1', '-c', String(connections), '-d', `${seconds}s`, '-s', LUA, `${c.url}/v1/chat/completions`], { env: { BENCH: 'json' }, timeout: (seconds + 60) * 1000 });
  const m = /^RESULT (\d+) (\d+) (\d+) (\d+) (\d+)$/m.exec(r.stdout);
  assert.ok(m, r.stdout + r.stderr);
  const [requests, us, errors] = m.slice(1).map(Number);
  assert.equal(errors, 0, `${errors} of ${requests} requests failed`);
  return { requests, perSecond: requests / (us / 1e6) };
}

const mib = (pids) => Number((memory(pids) / 2 ** 20).toFixed(1));
const counters = async (c) => (await c.product.api('GET', '/api/v1/overview')).json.counters;

/** The number of connections whose rate comes nearest to this. */
async function connectionsFor(c, perSecond) {
  let best = { off: Infinity };
  for (const n of [1, 2, 3, 4, 6, 8]) {
    const r = await load(c, n, 3);
    const off = Math.abs(r.perSecond - perSecond);
    if (off < best.off) best = { n, off };
  }
  return best;
}

const base = makeTemp('pl-soak-');
fs.chmodSync(base, 0o755);
const up = await startUpstream(base);
const ours = await startOurs('soak', up.url);
try {
  await load(ours, 16, 2);
  const most = (await load(ours, 16, 5)).perSecond;
  const at = await connectionsFor(ours, most * 0.8);
  const before = await counters(ours);
  const steady = await load(ours, at.n, 60);
  const after = await counters(ours);
  console.log(JSON.stringify({ soak: 'eighty', most: Math.round(most), requests: steady.requests, share: Number((steady.perSecond / most).toFixed(3)), events: after.events - before.events, spilled: after.spilled - before.spilled, lost: after.lost - before.lost, refused: after.fail_closed - before.fail_closed }));
  let done = steady.requests;
  const per = Math.max(5, Math.ceil((WANTED - done) / STEPS / steady.perSecond));
  while (done < WANTED) {
    done += (await load(ours, at.n, per)).requests;
    const c = await counters(ours);
    console.log(JSON.stringify({ soak: 'memory', requests: done, workers_mib: mib(ours.pids()), daemon_mib: mib(ours.behind()), spilled: c.spilled, lost: c.lost, refused: c.fail_closed }));
  }
} finally {
  await ours.stop();
  await up.stop();
  fs.rmSync(base, { recursive: true, force: true });
}
