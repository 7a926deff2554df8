// A full disk: the daemon says so, the gateway keeps its fail mode, nothing is corrupted, and
// everything goes on by itself when there is room again.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import * as up from '../gateway/lib/upstream.mjs';
import { makeTemp, run, startProduct, takeDown } from '../gateway/lib/product.mjs';
import { ask, chat, request } from '../gateway/lib/client.mjs';
import { CALM, expectError } from '../gateway/lib/cases.mjs';
import { fat, fillRings, sampleOf, verifyLedger, verifyPromises } from '../gateway/lib/load.mjs';

const SIZE_MIB = 400; // two event rings of 16 MiB, and what their events become

async function mount(dir) {
  if (process.getuid() !== 0) return 'mounting a small file system needs root';
  const r = await run('mount', ['-t', 'tmpfs', '-o', `size=${SIZE_MIB}m`, 'pl-fault', dir]);
  return r.code === 0 ? null : 'this machine does not let us mount a file system';
}

/** Fills the file system to the last block. */
function fill(dir) {
  const fd = fs.openSync(path.join(dir, 'filler'), 'w');
  for (const size of [1 << 20, 4096, 1]) {
    const block = Buffer.alloc(size, 1);
    try {
      for (;;) if (fs.writeSync(fd, block) < size) break;
    } catch (e) {
      assert.equal(e.code, 'ENOSPC');
    }
  }
  fs.closeSync(fd);
}

test('full disk', async (t) => {
  const dir = makeTemp('pl-disk-');
  const why = await mount(dir);
  if (why) {
    fs.rmdirSync(dir);
    t.skip(why);
    return;
  }
  const model = await up.startUpstream();
  model.on('fat', fat);
  let product;
  try {
    product = await startProduct({ upstream: model, dir: path.join(dir, 'data') });
    const promised = new Map();
    const serve = (most, until) => fillRings(product.gateway, promised, { most, until });
    await serve(50);
    assert.equal((await request(`${product.console}/healthz`)).status, 200);

    fill(dir);
    await serve(300);
    const sick = await product.until('the daemon says so', async () => {
      await serve(20);
      const r = await request(`${product.console}/healthz`);
      return r.status === 503 && r;
    }, 15_000);
    assert.equal(sick.json().status, 'degraded');
    assert.match(JSON.stringify(sick.json().problems), /space|disk|full/i);
    assert.ok((await serve(30_000)).get(503) > 0, 'closed means closed once nothing more can be recorded');
    await serve(30_000, 200);
    expectError(await product.until('a refusal', async () => {
      const r = await chat(product.gateway, ask('fat', CALM.en));
      return r.status === 503 && r;
    }), 503, { code: 'event_log_full' });
    assert.ok(product.pids().daemon, 'the daemon lives');

    fs.rmSync(path.join(dir, 'filler'));
    await product.until('healthy again', async () => (await request(`${product.console}/healthz`)).status === 200, 20_000);
    await product.until('all is drained', async () => (await product.api('GET', '/api/v1/overview')).json.events_pending === 0, 20_000);
    assert.deepEqual([...(await serve(50)).keys()], [200]);
    await verifyPromises(product, sampleOf(promised, 100), { within: 20_000 });
    await verifyLedger(product);
    await product.stop({ keep: true });
    await product.start();
    await verifyPromises(product, sampleOf(promised, 10));
    await verifyLedger(product);
  } finally {
    const failure = await takeDown(product, model).catch((e) => e);
    const r = await run('umount', [dir]);
    if (r.code !== 0) await run('umount', ['-l', dir]);
    fs.rmdirSync(dir);
    if (failure) throw failure;
  }
});
