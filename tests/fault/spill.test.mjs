// The daemon stands still: requests never wait for it. Events go to the ring, then to the spill;
// when both are full the route's fail mode decides, and nothing that was promised is lost.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import * as up from '../gateway/lib/upstream.mjs';
import { startProduct } from '../gateway/lib/product.mjs';
import { ask, chat } from '../gateway/lib/client.mjs';
import { CALM, expectError, inParallel } from '../gateway/lib/cases.mjs';
import { startLoad, verifyLedger, verifyPromises } from '../gateway/lib/load.mjs';

let model, product;
before(async () => {
  model = await up.startUpstream();
  product = await startProduct({ upstream: model });
});
after(async () => {
  // A stopped process cannot obey SIGTERM.
  const { daemon } = product?.child ? product.pids() : {};
  if (daemon) process.kill(daemon, 'SIGCONT');
  await product?.stop();
  await model?.close();
});

const counters = async () => (await product.api('GET', '/api/v1/overview')).json.counters;

async function promise(count, promised, statuses = new Map()) {
  await inParallel(16, Array.from({ length: count }, (_, i) => async () => {
    const r = await chat(product.gateway, ask('fill', `${CALM.en} ${i}`));
    statuses.set(r.status, (statuses.get(r.status) ?? 0) + 1);
    if (r.status === 200) promised.set(r.headers['x-plumbline-request-id'], r.headers['x-plumbline-event-digest']);
  }));
  return statuses;
}

test('requests go on while the daemon stands still, and all their events arrive later', async () => {
  const { daemon } = product.pids();
  const load = startLoad(product.gateway, { width: 4 });
  await product.until('load', () => load.served() > 20);
  process.kill(daemon, 'SIGSTOP');
  const during = load.served();
  await product.until('service goes on', () => load.served() > during + 800, 30_000);
  await load.stop();
  assert.deepEqual(load.failures, []);
  assert.deepEqual([...load.statuses.keys()], [200]);
  process.kill(daemon, 'SIGCONT');
  await product.until('everything is drained', async () => (await product.api('GET', '/api/v1/overview')).json.events_pending === 0, 15_000);
  assert.ok((await counters()).spilled > 0, 'the spill was used');
  assert.equal((await counters()).lost, 0);
  await verifyPromises(product, load.promised);
  await verifyLedger(product);
});

test('full rings: closed refuses, and service returns by itself', async () => {
  const { daemon, workers } = product.pids();
  const promised = new Map();
  const statuses = new Map();
  process.kill(daemon, 'SIGSTOP');
  for (let i = 0; i < 60 && !statuses.get(503); i++) await promise(200, promised, statuses);
  assert.ok(statuses.get(503) > 0, `the rings of ${workers.length} workers never filled: ${[...statuses]}`);
  const refused = await product.until('a refusal', async () => {
    const r = await chat(product.gateway, ask('x', CALM.en));
    return r.status === 503 && r;
  });
  expectError(refused, 503, { code: 'event_log_full' });
  assert.equal(refused.headers['x-should-retry'], 'false');
  assert.deepEqual([...statuses.keys()].sort(), [200, 503], 'nothing but yes and no');
  process.kill(daemon, 'SIGCONT');
  await product.until('service returns', async () => {
    await promise(16, promised);
    return (await product.api('GET', '/api/v1/overview')).json.events_pending === 0;
  }, 15_000);
  const c = await counters();
  assert.ok(c.fail_closed > 0);
  assert.equal(c.lost, 0);
  // a sample of each end and the middle: the counts below cover the rest
  const ids = [...promised];
  const sample = new Map([...ids.slice(0, 60), ...ids.slice(ids.length / 2, ids.length / 2 + 60), ...ids.slice(-60)]);
  await verifyPromises(product, sample);
  await verifyLedger(product);
});

test('full rings: open serves on and counts what was not recorded', async () => {
  const file = path.join(product.dir, 'policy/default.yaml');
  fs.writeFileSync(file, fs.readFileSync(file, 'utf8').replace('fail: closed', 'fail: open').replace(/^version: 1$/m, 'version: 2'));
  assert.equal((await product.api('POST', '/api/v1/policy/activate', {})).status, 200);
  await product.until('in force', async () => /@2;/.test((await chat(product.gateway, ask('x', CALM.en))).headers['x-plumbline-policy']));
  const { daemon } = product.pids();
  const promised = new Map();
  const statuses = new Map();
  process.kill(daemon, 'SIGSTOP');
  const recorded = (await fs.promises.stat(path.join(product.dir, 'gateway'))).isDirectory();
  assert.ok(recorded);
  for (let i = 0; i < 25; i++) await promise(200, promised, statuses);
  assert.deepEqual([...statuses.keys()], [200]);
  process.kill(daemon, 'SIGCONT');
  await product.until('everything is drained', async () => (await product.api('GET', '/api/v1/overview')).json.events_pending === 0, 15_000);
  const c = await counters();
  assert.ok(c.fail_open > 0, 'counted as let through');
  assert.equal(c.lost, c.fail_open);
  // what could not be recorded is not claimed either: either the event is there or no id was given
  const metrics = await product.api('GET', '/metrics');
  assert.match(metrics.text, /lost/);
});
