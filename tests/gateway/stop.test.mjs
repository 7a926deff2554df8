// The stop switch: every worker refuses within a second, SDKs do not hammer on, running streams
// end, and both turns of the switch are in the ledger.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { Agent } from 'node:http';
import OpenAI from 'openai';
import * as up from './lib/upstream.mjs';
import { startProduct, takeDown } from './lib/product.mjs';
import { ask, chat, readStream } from './lib/client.mjs';
import { CALM, expectError, expectHeaders, labelOf, name } from './lib/cases.mjs';
import { openEnvelope, parseVkey } from './lib/verify.mjs';

let model, product;
before(async () => {
  model = await up.startUpstream();
  product = await startProduct({ upstream: model });
});
after(() => takeDown(product, model));

const WAYS = {
  cli: async (verb, reason) => {
    const r = await product.cli(['guard', verb, '--reason', reason, '--json']);
    assert.equal(r.code, 0, r.stderr);
    return JSON.parse(r.stdout);
  },
  api: async (verb, reason) => {
    const r = await product.api('POST', `/api/v1/guard/${verb}`, { reason });
    assert.equal(r.status, 200, r.text);
    return r.json;
  },
};

for (const [way, turn] of Object.entries(WAYS)) {
  test(`stop by ${way}: all connections of all workers are refused within a second`, async () => {
    // kept-alive connections, spread over the workers by the kernel
    const agents = Array.from({ length: 32 }, () => new Agent({ keepAlive: true, maxSockets: 1 }));
    const all = () => Promise.all(agents.map((agent) => chat(product.gateway, ask(name('s'), CALM.en), { agent })));
    assert.ok((await all()).every((r) => r.status === 200));
    assert.ok(product.pids().workers.length >= 1);

    const calls = model.calls.length;
    await turn('stop', 'drill 演练');
    const stopped = Date.now();
    while (Date.now() - stopped < 1000 && (await all()).some((r) => r.status !== 503));
    const seen = model.calls.length;
    const refused = await all();
    for (const r of refused) {
      expectError(r, 503, { code: 'stopped' });
      assert.equal(r.headers['x-should-retry'], 'false');
      expectHeaders(r, { verdict: 'refuse' });
    }
    assert.equal(model.calls.length, seen, 'nothing goes upstream any more');
    void calls;

    const state = (await product.api('GET', '/api/v1/guard')).json;
    assert.equal(state.stopped ?? state.stop?.stopped, true);
    assert.ok(JSON.stringify(state).includes('drill 演练'));
    expectError(await chat(product.gateway, ask('m', CALM.en, { stream: true })), 503, { code: 'stopped' });

    await turn('resume', 'over');
    const resumed = Date.now();
    while (Date.now() - resumed < 1000 && (await all()).some((r) => r.status !== 200));
    assert.ok((await all()).every((r) => r.status === 200));
    for (const a of agents) a.destroy();
  });
}

test('the official SDK makes exactly one attempt', async () => {
  await WAYS.api('stop', 'sdk');
  let attempts = 0;
  const sdk = new OpenAI({ baseURL: `${product.gateway}/v1`, apiKey: 'k', maxRetries: 3, fetch: (...a) => {
    attempts++;
    return fetch(...a);
  } });
  await product.until('stopped', async () => (await chat(product.gateway, ask('m', 'x'))).status === 503, 1000);
  await assert.rejects(sdk.chat.completions.create(ask('m', CALM.en)), (e) => e.status === 503 && e.code === 'stopped');
  assert.equal(attempts, 1);
  await WAYS.api('resume', 'sdk');
});

test('a running stream is ended with an error event', async () => {
  const m = name('running');
  let gone = false;
  model.on(m, async (c) => {
    c.req.socket.on('close', () => { gone = true; });
    await up.slowly(Array.from({ length: 300 }, (_, i) => `t${i} `), 30)(c);
  });
  const running = chat(product.gateway, ask(m, CALM.en, { stream: true }));
  await product.until('the stream runs', () => model.callsFor(m).length === 1);
  await new Promise((r) => { setTimeout(r, 300); });
  await WAYS.api('stop', 'mid-stream');
  const stopped = Date.now();
  const s = readStream((await running).buf);
  assert.ok(Date.now() - stopped < 1500, 'within a second and a bit');
  assert.equal(s.error.code, 'stopped');
  assert.equal(s.unfinished, false);
  await product.until('the upstream is let go', () => gone, 2000);
  await WAYS.api('resume', 'mid-stream');
  const receipt = await product.receipt(s.event);
  assert.equal(receipt.event.end, 'stopped');
});

test('both turns are signed statements of the ledger', async () => {
  const stop = await WAYS.cli('stop', 'for the record 立此存照');
  const resume = await WAYS.cli('resume', 'record kept');
  const key = parseVkey(product.vkey());
  const statements = [];
  for (const [r, reason] of [[stop, 'for the record 立此存照'], [resume, 'record kept']]) {
    assert.equal(typeof r.ledger_index, 'number');
    const entry = await product.until('the entry is published', async () => {
      const e = await product.api('GET', `/api/v1/ledger/entries/${r.ledger_index}`);
      return e.status === 200 && e.json;
    }, 3000);
    const statement = openEnvelope(Buffer.from(entry.entry, 'base64'), key);
    assert.equal(statement._type, 'https://in-toto.io/Statement/v1');
    assert.ok(JSON.stringify(statement.predicate).includes(reason));
    statements.push(statement);
  }
  assert.match(statements[0].predicateType, /stop/);
  assert.notDeepEqual(statements[0].predicate, statements[1].predicate);
  assert.ok(resume.ledger_index > stop.ledger_index);
});

test('a stop survives the end of the daemon and of the whole product', async () => {
  await WAYS.cli('stop', 'stay');
  await product.stop({ keep: true });
  await product.start();
  expectError(await chat(product.gateway, ask('m', CALM.en)), 503, { code: 'stopped' });
  await WAYS.cli('resume', 'go');
  const m = name('again');
  model.on(m, up.plain('hello'));
  await product.until('resumed', async () => (await chat(product.gateway, ask(m, CALM.en))).status === 200, 1000);
  labelOf((await chat(product.gateway, ask(m, CALM.en))).json().choices[0].message.content, 'hello');
});

test('strangers cannot turn the switch', async () => {
  const { request } = await import('./lib/client.mjs');
  for (const path of ['/api/v1/guard/stop', '/api/v1/guard/resume', '/api/v1/policy/activate']) {
    const r = await request(`${product.console}${path}`, { method: 'POST', body: '{"reason":"x"}', headers: { 'content-type': 'application/json' } });
    assert.ok([401, 403].includes(r.status), `${path}: ${r.status}`);
    assert.match(r.headers['content-type'], /^application\/problem\+json/);
  }
  assert.equal((await chat(product.gateway, ask('m', CALM.en))).status, 200);
});

test('a reason is required', async () => {
  assert.equal((await product.cli(['guard', 'stop'])).code, 2);
  assert.equal((await product.api('POST', '/api/v1/guard/stop', {})).status, 400);
  assert.equal((await chat(product.gateway, ask('m', CALM.en))).status, 200);
});
