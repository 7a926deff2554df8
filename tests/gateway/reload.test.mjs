// Changes while serving: nginx reloads, policy swaps, bad policies.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as up from './lib/upstream.mjs';
import { NGINX, run, startProduct, takeDown } from './lib/product.mjs';
import { ask, chat, readStream } from './lib/client.mjs';
import { CALM, HARM, labelOf, name } from './lib/cases.mjs';
import { verifyReceipt } from './lib/verify.mjs';

let model, product;
before(async () => {
  model = await up.startUpstream();
  product = await startProduct({ upstream: model });
});
after(() => takeDown(product, model));

const policyFile = () => path.join(product.dir, 'policy/default.yaml');
const policyDb = () => path.join(product.dir, 'gateway/policy.db');

/** nginx -t on the configuration the product made. */
function nginxTest() {
  const folder = path.join(product.dir, 'nginx');
  const conf = fs.readdirSync(folder).find((f) => f.endsWith('.conf'));
  return run(NGINX, ['-t', '-p', `${folder}/`, '-c', path.join(folder, conf), '-g', '']);
}

function edit(change) {
  const old = fs.readFileSync(policyFile(), 'utf8');
  const next = change(old).replace(/^version: (\d+)$/m, (_, n) => `version: ${Number(n) + 1}`);
  assert.notEqual(next, old);
  fs.writeFileSync(policyFile(), next);
}

async function policyInForce() {
  const r = await chat(product.gateway, ask('m', CALM.en));
  return r.headers['x-plumbline-policy'];
}

/** Each worker takes a new policy over by itself: asks until all connections see the same one. */
function settled(not) {
  return product.until('the new policy is in force everywhere', async () => {
    const seen = new Set(await Promise.all(Array.from({ length: 24 }, policyInForce)));
    return seen.size === 1 && !seen.has(not) && [...seen][0];
  }, 1500);
}

async function activate(change) {
  const old = await policyInForce();
  edit(change);
  const r = await product.api('POST', '/api/v1/policy/activate', {});
  assert.equal(r.status, 200, r.text);
  return settled(old);
}

test('a reload swaps the workers and an open stream ends as if nothing happened', async () => {
  const m = name('reload');
  const pieces = Array.from({ length: 40 }, (_, i) => `word${i} `);
  model.on(m, up.slowly(pieces, 50));
  const old = product.pids();
  const streams = Array.from({ length: 4 }, () => chat(product.gateway, ask(m, CALM.en, { stream: true })));
  await product.until('the streams run', () => model.callsFor(m).length === 4);
  await sleep(300);
  process.kill(old.nginx, 'SIGHUP');
  await product.until('new workers serve', () => product.pids().workers.some((p) => !old.workers.includes(p)));
  const r = await chat(product.gateway, ask(name('during'), CALM.en));
  assert.equal(r.status, 200);
  for (const s of (await Promise.all(streams)).map((x) => readStream(x.buf))) {
    labelOf(s.text, pieces.join(''));
    assert.equal(s.done, true);
    verifyReceipt(await product.receipt(s.event), { digest: s.digest });
  }
  await product.until('the old workers are gone', () => !product.pids().all.some((p) => old.workers.includes(p)), 10_000);
  assert.equal(product.pids().nginx, old.nginx);
});

test('many reloads in a row do not run out of event rings', async () => {
  for (let i = 0; i < 8; i++) {
    process.kill(product.pids().nginx, 'SIGHUP');
    await sleep(250);
    const r = await chat(product.gateway, ask(name('many'), CALM.en));
    assert.equal(r.status, 200);
    assert.match(r.headers['x-plumbline-event-digest'], /^[0-9a-f]{64}$/);
  }
  await product.until('workers settle', () => product.pids().leaving.length === 0, 15_000);
  const { json } = await product.api('GET', '/api/v1/overview');
  assert.equal(json.workers, product.pids().workers.length);
});

test('a policy is swapped without a reload and without losing a request', async () => {
  const workers = product.pids().workers;
  let served = 0;
  let running = true;
  const load = (async () => {
    while (running) {
      const r = await chat(product.gateway, ask('load', CALM.en));
      assert.equal(r.status, 200);
      served++;
    }
  })();
  const after_ = await activate((s) => s.replace('内容由AI生成', '本回答由AI生成'));
  for (const end = Date.now() + 10_000; served < 4 && Date.now() < end;) await sleep(5);
  running = false;
  await load;
  assert.ok(served > 3, 'requests were served during and after the swap');
  assert.match(after_, /^default@2;/);
  const m = name('new-label');
  model.on(m, up.plain(CALM.zh));
  assert.match(labelOf((await chat(product.gateway, ask(m, CALM.zh))).json().choices[0].message.content, CALM.zh), /本回答由AI生成/);
  assert.deepEqual(product.pids().workers, workers, 'the same workers');
});

test('an answer with an old label is still traced', async () => {
  const text = `before the change ${process.hrtime.bigint()}`;
  const m = name('old-label');
  model.on(m, up.plain(text));
  const r = await chat(product.gateway, ask(m, CALM.zh));
  await product.receipt(r.headers['x-plumbline-request-id']);
  const saved = r.json().choices[0].message.content;
  await activate((s) => s.replace('本回答由AI生成', '以上内容由人工智能生成'));
  const t = await product.cli(['trace', '-', '--json'], { input: saved });
  assert.equal(t.code, 0, t.stdout + t.stderr);
});

test('a stream keeps the policy it began with', async () => {
  const m = name('begun');
  model.on(m, up.slowly(Array.from({ length: 20 }, (_, i) => `w${i} `), 60));
  const r = chat(product.gateway, ask(m, CALM.en, { stream: true }));
  await product.until('the stream runs', () => model.callsFor(m).length === 1);
  await activate((s) => s.replace('AI-generated content', 'AI-generated text'));
  const s = readStream((await r).buf);
  assert.match(s.text, /AI-generated content$/);
  verifyReceipt(await product.receipt(s.event), { digest: s.digest });
});

test('one call puts the policy before back into force, and another undoes that', async () => {
  const first = await policyInForce();
  const second = await activate((s) => s.replace(/^version: *\d+/m, 'version: 77'));
  assert.notEqual(second, first);
  for (const [want, not] of [[first, second], [second, first]]) {
    const r = await product.cli(['policy', 'rollback', '--json']);
    assert.equal(r.code, 0, r.stderr);
    assert.ok(JSON.parse(r.stdout).ledger_index >= 0, 'it is in the ledger');
    assert.equal(await settled(not), want);
  }
});

test('a policy source with a mistake is refused with its line; the old one stays', async () => {
  const good = fs.readFileSync(policyFile(), 'utf8');
  const before_ = await policyInForce();
  for (const [bad, words] of [[good.replace('action: block', 'action: explode'), /action/], [good.replace('packs: [lexicon-starter]', 'packs: [no-such-pack]'), /no-such-pack/],
    [`${good}\nsurprise: 1\n`, /surprise/], [good.replace('routes:', 'routes: ['), /\d+/], ['', /./]]) {
    fs.writeFileSync(policyFile(), bad);
    const r = await product.api('POST', '/api/v1/policy/activate', {});
    assert.equal(r.status, 400, r.text);
    assert.match(r.json.detail, words);
  }
  fs.writeFileSync(policyFile(), good);
  assert.equal(await policyInForce(), before_);
});

test('a damaged policy database: nginx -t says so, running workers keep the old policy', async () => {
  const good = fs.readFileSync(policyDb());
  const before_ = await policyInForce();
  assert.equal((await nginxTest()).code, 0, 'sound at first');
  const damaged = {
    'one bit': Buffer.from(good).fill(good[good.length >> 1] ^ 1, good.length >> 1, (good.length >> 1) + 1),
    'cut short': good.subarray(0, good.length - 64),
    'something else': Buffer.from('this is not a policy'),
    'nothing': Buffer.alloc(0),
  };
  for (const [what, bytes] of Object.entries(damaged)) {
    fs.writeFileSync(`${policyDb()}.new`, bytes);
    fs.renameSync(`${policyDb()}.new`, policyDb());
    const t = await nginxTest();
    assert.notEqual(t.code, 0, what);
    assert.match(t.stderr, /plumbline.*policy/is, what);
    // a reload is refused as a whole
    process.kill(product.pids().nginx, 'SIGHUP');
    await sleep(300);
    assert.equal(await policyInForce(), before_, what);
    assert.equal((await chat(product.gateway, ask('m', HARM.en))).headers['x-plumbline-verdict'], 'block', what);
  }
  fs.writeFileSync(`${policyDb()}.new`, good);
  fs.renameSync(`${policyDb()}.new`, policyDb());
  assert.equal((await nginxTest()).code, 0);
  process.kill(product.pids().nginx, 'SIGHUP');
  await sleep(300);
  assert.equal(await policyInForce(), before_);
});

test('a route the policy does not have stops nginx -t', async () => {
  const folder = path.join(product.dir, 'nginx');
  const conf = path.join(folder, fs.readdirSync(folder).find((f) => f.endsWith('.conf')));
  const text = fs.readFileSync(conf, 'utf8');
  assert.match(text, /plumbline default;/);
  const other = path.join(folder, 'other.conf');
  fs.writeFileSync(other, text.replace('plumbline default;', 'plumbline nonesuch;'));
  const t = await run(NGINX, ['-t', '-p', `${folder}/`, '-c', other]);
  fs.rmSync(other);
  assert.notEqual(t.code, 0);
  assert.match(t.stderr, /nonesuch/);
});
