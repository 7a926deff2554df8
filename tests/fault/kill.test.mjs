// SIGKILL to any process under load: service goes on or comes back, every event a client was
// told about is in the ledger, and the ledger verifies.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import * as up from '../gateway/lib/upstream.mjs';
import { startProduct } from '../gateway/lib/product.mjs';
import { ask, chat } from '../gateway/lib/client.mjs';
import { CALM, name } from '../gateway/lib/cases.mjs';
import { startLoad, verifyLedger, verifyPromises } from '../gateway/lib/load.mjs';

async function withProduct(body) {
  const model = await up.startUpstream();
  const product = await startProduct({ upstream: model });
  try {
    await body(product, model);
    await product.stop({ mayCrash: true });
  } finally {
    await product.stop({ mayCrash: true }).catch(() => {});
    await model.close();
  }
}

/** Starts the product again when `up` ended with the process that was killed. */
async function backUp(product) {
  const ended = await Promise.race([product.exited, sleep(1500, null)]);
  if (ended) {
    assert.notEqual(ended.code, 0, 'an end by accident is not reported as success');
    assert.match(product.out + product.err, /plumblined|nginx/, 'it says which child died');
    await product.stop({ keep: true, mayCrash: true }).catch(() => {});
    await product.start();
  }
  await product.ready();
}

test('nginx worker, five times under load', async () => {
  await withProduct(async (product) => {
    const load = startLoad(product.gateway, { width: 8 });
    for (let i = 0; i < 5; i++) {
      const served = load.served();
      await product.until('load', () => load.served() > served + 30);
      const { workers } = product.pids();
      process.kill(workers[i % workers.length], 'SIGKILL');
      await product.until('a new worker', () => product.pids().workers.length >= workers.length && !product.pids().workers.includes(workers[i % workers.length]), 5000);
    }
    const served = load.served();
    await product.until('service goes on', () => load.served() > served + 50, 10_000);
    await load.stop();
    assert.deepEqual([...load.statuses.keys()], [200]);
    assert.ok(load.failures.length <= 5 * 8, `only the requests of the killed worker broke: ${load.failures.length}`);
    await verifyPromises(product, load.promised);
    const { json } = await product.api('GET', '/api/v1/overview');
    assert.equal(json.workers, product.pids().workers.length, 'slots of the dead are free');
    await verifyLedger(product);
  });
});

// PROVES: GUARD/crash-receipt
test('a worker killed in the middle of streams: each has a receipt that says so, and the audit counts them', async () => {
  await withProduct(async (product, model) => {
    const m = name();
    model.on(m, up.slowly(Array.from({ length: 400 }, (_, i) => `word${i} `), 50));
    const open = Array.from({ length: 6 }, () => {
      const s = {};
      s.done = chat(product.gateway, ask(m, 'tell me', { stream: true }), {
        onData: (d, req) => { s.id ??= req.res.headers['x-plumbline-request-id']; },
      }).catch(() => null);
      return s;
    });
    await product.until('streams', () => open.every((s) => s.id), 10_000);
    for (const pid of product.pids().workers) process.kill(pid, 'SIGKILL');
    await Promise.all(open.map((s) => s.done));
    await product.until('new workers', () => product.pids().workers.length > 0, 5000);
    for (const s of open) {
      const r = await product.receipt(s.id);
      assert.equal(r.event.reason, 'worker_lost');
      assert.equal(r.event.end, 'lost');
      assert.equal(r.event.stream, true);
    }
    const { json } = await product.api('GET', `/api/v1/guard/audit?from=${new Date(Date.now() - 60_000).toISOString()}&to=${new Date(Date.now() + 1000).toISOString()}`);
    assert.equal(json.bypasses.worker_lost, open.length);
    assert.equal(json.uncovered, 0);
    await verifyLedger(product);
  });
});

test('daemon, three times under load', async () => {
  await withProduct(async (product) => {
    const promised = new Map();
    for (let i = 0; i < 3; i++) {
      const load = startLoad(product.gateway, { width: 8 });
      await product.until('load', () => load.served() > 100);
      process.kill(product.pids().daemon, 'SIGKILL');
      await sleep(i * 70);
      await load.stop();
      for (const [id, digest] of load.promised) promised.set(id, digest);
      await backUp(product);
      const m = name('again');
      assert.equal((await chat(product.gateway, ask(m, CALM.en))).status, 200);
    }
    await verifyPromises(product, promised);
    await verifyLedger(product);
  });
});

test('everything at once, as a power cut of the processes', async () => {
  await withProduct(async (product) => {
    const promised = new Map();
    for (let i = 0; i < 3; i++) {
      const load = startLoad(product.gateway, { width: 8 });
      await product.until('load', () => load.served() > 80);
      product.killAll();
      await load.stop();
      for (const [id, digest] of load.promised) promised.set(id, digest);
      await product.stop({ keep: true, mayCrash: true }).catch(() => {});
      await product.start();
    }
    await verifyPromises(product, promised);
    await verifyLedger(product);
  });
});

test('plumbline up alone: no child outlives it', async () => {
  await withProduct(async (product) => {
    const all = product.pids().all.filter((p) => p !== product.child.pid);
    assert.ok(all.length >= 3);
    process.kill(product.child.pid, 'SIGKILL');
    await product.exited;
    const alive = () => all.filter((pid) => {
      try {
        process.kill(pid, 0);
        return true;
      } catch {
        return false;
      }
    });
    const end = Date.now() + 10_000;
    while (alive().length && Date.now() < end) await sleep(50);
    const left = alive();
    product.killAll();
    assert.deepEqual(left, []);
    await product.stop({ keep: true, mayCrash: true }).catch(() => {});
    await product.start();
    assert.equal((await chat(product.gateway, ask('m', CALM.en))).status, 200);
  });
});
