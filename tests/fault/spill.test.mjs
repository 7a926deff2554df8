// The daemon stands still: requests never wait for it. Events go to the ring, then to the spill;
// when both are full the route's fail mode decides, and nothing that was promised is lost.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import * as up from '../gateway/lib/upstream.mjs';
import { startProduct, takeDown } from '../gateway/lib/product.mjs';
import { ask, chat } from '../gateway/lib/client.mjs';
import { CALM, expectError } from '../gateway/lib/cases.mjs';
import { fat, fillRings, sampleOf, startLoad, verifyLedger, verifyPromises } from '../gateway/lib/load.mjs';

let model, product;
before(async () => {
  model = await up.startUpstream();
  model.on('fat', fat);
  product = await startProduct({ upstream: model });
});
after(async () => {
  // A stopped process cannot obey SIGTERM.
  const { daemon } = product?.child ? product.pids() : {};
  if (daemon) process.kill(daemon, 'SIGCONT');
  await takeDown(product, model);
});

const overview = async () => (await product.api('GET', '/api/v1/overview')).json;
const counters = async () => (await overview()).counters;
const drained = () => product.until('everything is drained', async () => (await overview()).events_pending === 0, 30_000);

test('requests go on while the daemon stands still, and all their events arrive later', async () => {
  const { daemon } = product.pids();
  const first = (await counters()).events;
  const load = startLoad(product.gateway, { width: 4 });
  await product.until('load', () => load.served() > 20);
  process.kill(daemon, 'SIGSTOP');
  const during = load.served();
  // more than the rings of two workers hold
  await product.until('service goes on', () => load.served() > during + 20_000, 90_000);
  await load.stop();
  process.kill(daemon, 'SIGCONT');
  assert.deepEqual(load.failures, []);
  assert.deepEqual([...load.statuses.keys()], [200]);
  await drained();
  assert.ok((await counters()).spilled > 0, 'the spill was used');
  assert.equal((await counters()).lost, 0);
  assert.equal((await counters()).events - first, load.promised.size, 'each left its event');
  await verifyPromises(product, sampleOf(load.promised, 600));
  await verifyLedger(product);
});

test('full rings: closed refuses, and service returns by itself', async () => {
  const { daemon } = product.pids();
  const promised = new Map();
  process.kill(daemon, 'SIGSTOP');
  const statuses = await fillRings(product.gateway, promised);
  assert.ok(statuses.get(503) > 0, `the rings never filled: ${[...statuses]}`);
  // the other worker's ring fills too, and then nothing is served any more
  await fillRings(product.gateway, promised, { until: 200 });
  const refused = await product.until('a refusal', async () => {
    const r = await chat(product.gateway, ask('fat', CALM.en));
    return r.status === 503 && r;
  });
  process.kill(daemon, 'SIGCONT');
  expectError(refused, 503, { code: 'event_log_full' });
  assert.equal(refused.headers['x-plumbline-event-digest'], undefined, 'no promise of an event that is not recorded');
  assert.equal(refused.headers['x-should-retry'], 'false');
  await product.until('service returns', async () => (await chat(product.gateway, ask('fat', CALM.en))).status === 200, 15_000);
  await drained();
  const c = await counters();
  assert.ok(c.fail_closed > 0);
  assert.equal(c.lost, 0, 'what was refused was not served, so nothing is lost');
  await verifyPromises(product, sampleOf(promised));
  await verifyLedger(product);
});

test('full rings: open serves on and counts what was not recorded', async () => {
  const file = path.join(product.dir, 'policy/default.yaml');
  fs.writeFileSync(file, fs.readFileSync(file, 'utf8').replace('fail: closed', 'fail: open').replace(/^version: 1$/m, 'version: 2'));
  assert.equal((await product.api('POST', '/api/v1/policy/activate', {})).status, 200);
  await product.until('in force', async () => {
    const all = await Promise.all(Array.from({ length: 24 }, () => chat(product.gateway, ask('x', CALM.en))));
    return all.every((r) => /@2;/.test(r.headers['x-plumbline-policy']));
  });
  await drained();
  const before_ = await counters();
  const { daemon } = product.pids();
  const promised = new Map();
  process.kill(daemon, 'SIGSTOP');
  const statuses = await fillRings(product.gateway, promised, { most: 18_000 });
  process.kill(daemon, 'SIGCONT');
  assert.deepEqual([...statuses.keys()], [200]);
  await drained();
  const c = await counters();
  const lost = c.lost - before_.lost;
  assert.ok(lost > 0, 'counted as not recorded');
  assert.equal(lost, c.fail_open - before_.fail_open, 'and as let through');
  assert.equal(c.requests - before_.requests, 18_000);
  assert.equal(c.events - before_.events, 18_000 - lost, 'every other request left its event');
  const metrics = await product.api('GET', '/metrics');
  assert.match(metrics.text, new RegExp(`lost\\S* ${c.lost}$`, 'm'));
  await verifyLedger(product);
});
