// Several servers behind one gateway: shares by weight, a dead one is left alone and comes back,
// and whatever fails, a request is sent to a model once at most and leaves one event.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as up from './lib/upstream.mjs';
import { freePorts, startProduct, takeDown } from './lib/product.mjs';
import { ask, chat } from './lib/client.mjs';
import { CALM, HARM, expectError, expectHeaders, name } from './lib/cases.mjs';

const FAIL_MS = 10_000; // fail_timeout of nginx.conf

let a, b, spare, product;
before(async () => {
  [a, b, spare] = await Promise.all([up.startUpstream(), up.startUpstream(), up.startUpstream()]);
  product = await startProduct({ upstream: `${a.url};weight=3,${b.url},${spare.url};backup` });
});
after(() => takeDown(product, a, b, spare));

const served = (m) => [a, b, spare].map((s) => s.callsFor(m).length);

async function askMany(m, n) {
  const all = [];
  for (let i = 0; i < n; i++) all.push(await chat(product.gateway, ask(m, CALM.en)));
  return all;
}

async function eventsOf(answers) {
  const ids = answers.map((r) => r.headers['x-plumbline-request-id']);
  assert.equal(new Set(ids).size, ids.length);
  return Promise.all(ids.map(async (id) => (await product.receipt(id)).event));
}

test('each server gets its share; the backup gets none', async () => {
  const m = name('share');
  const answers = await askMany(m, 40);
  assert.ok(answers.every((r) => r.status === 200));
  const [x, y, z] = served(m);
  assert.deepEqual([x, y, z], [30, 10, 0]);
});

test('the one with fewer open requests gets the next', async () => {
  const slow = name('slow');
  const m = name('quick');
  for (const s of [a, b, spare]) s.on(slow, up.slowly(['one ', 'two'], 1500));
  const open = Array.from({ length: 3 }, () => chat(product.gateway, ask(slow, CALM.en, { stream: true })));
  await sleep(300);
  const held = served(slow);
  assert.equal(held.reduce((x, y) => x + y), 3);
  assert.equal((await chat(product.gateway, ask(m, CALM.en))).status, 200);
  const least = held[0] / 3 <= held[1] ? 0 : 1;
  assert.equal(served(m)[least], 1, `open: ${held}, went to: ${served(m)}`);
  assert.ok((await Promise.all(open)).every((r) => r.status === 200));
});

test('a dead server costs no request, is left alone and comes back', async () => {
  const m = name('dead');
  const { port } = a;
  await a.close();
  const answers = await askMany(m, 12);
  assert.ok(answers.every((r) => r.status === 200), answers.map((r) => r.status).join());
  assert.deepEqual(served(m), [0, 12, 0]);
  const ids = new Set(answers.map((r) => r.headers['x-plumbline-request-id']));
  const log = await product.until('the access log', () => {
    const lines = fs.readFileSync(path.join(product.dir, 'log/access.log'), 'utf8').split('\n').filter(Boolean);
    const ours = lines.map((l) => JSON.parse(l)).filter((l) => ids.has(l.request_id));
    return ours.length === 12 && ours;
  });
  const tried = log.filter((l) => l.upstream.includes(`:${port}`)).length;
  assert.equal(tried, 2, 'two failures, then it is not asked again');
  for (const e of await eventsOf(answers)) {
    assert.equal(e.verdict, 'allow');
    assert.equal(e.upstream_status, 200);
  }

  a = await up.startUpstream({ port });
  const again = name('back');
  const until = Date.now() + 2 * FAIL_MS;
  while (a.callsFor(again).length === 0 && Date.now() < until) {
    assert.equal((await chat(product.gateway, ask(again, CALM.en))).status, 200);
    await sleep(500);
  }
  assert.ok(a.callsFor(again).length > 0, 'it did not come back');
});

test('what was sent is not sent to another', async () => {
  for (const [what, behaviour] of [['closed', up.hangup()], ['reset', up.hangup({ reset: true })]]) {
    const m = name(what);
    for (const s of [a, b, spare]) s.on(m, behaviour);
    const r = await chat(product.gateway, ask(m, CALM.en));
    expectError(r, 502, { type: 'server_error' });
    expectHeaders(r, { verdict: 'error' });
    assert.equal(served(m).reduce((x, y) => x + y), 1, what);
    const [event] = await eventsOf([r]);
    assert.equal(event.verdict, 'error');
  }
  await sleep(FAIL_MS + 500);
});

test('an answer that says it is overloaded passes; it is no failure of the server', async () => {
  const m = name('full');
  for (const s of [a, b, spare]) s.on(m, up.json({ error: { message: 'full', type: 'server_error', param: null, code: null } }, { status: 503 }));
  const answers = await askMany(m, 8);
  assert.ok(answers.every((r) => r.status === 503));
  const [x, y, z] = served(m);
  assert.equal(z, 0);
  assert.deepEqual([x, y], [6, 2]);
});

test('with all others down the backup answers; with it down too, one error and one event', async () => {
  const m = name('last');
  await Promise.all([a.close(), b.close()]);
  const answers = await askMany(m, 6);
  assert.ok(answers.every((r) => r.status === 200));
  assert.equal(spare.callsFor(m).length, 6);
  await spare.close();
  const none = await askMany(m, 3);
  for (const r of none) {
    expectError(r, 502, { type: 'server_error' });
    expectHeaders(r, { verdict: 'error' });
  }
  for (const e of await eventsOf(none)) assert.equal(e.verdict, 'error');
  assert.equal((await chat(product.gateway, ask(m, HARM.en))).status, 200, 'a block needs no upstream');
});

test('servers that are no one service are refused before anything is made', async () => {
  const [p, q] = await freePorts(2);
  for (const list of [`http://127.0.0.1:${p},https://h.example:${q}`, `http://127.0.0.1:${p}/v1,http://127.0.0.1:${q}/v2`,
    `http://127.0.0.1:${p};weight=0`, `http://127.0.0.1:${p};backup`])
    await assert.rejects(startProduct({ upstream: list }), /upstream/);
});
