// What a policy can do beyond block and log, through the real gateway: tenants, a guard model
// that is asked first, escalation.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import OpenAI from 'openai';
import fs from 'node:fs';
import path from 'node:path';
import * as up from './lib/upstream.mjs';
import { startProduct, takeDown } from './lib/product.mjs';
import { askGuardModel } from './lib/guard-model.mjs';
import { ask, chat } from './lib/client.mjs';
import { CALM, HARM, name } from './lib/cases.mjs';

// Calm words that the policy below wants an opinion about.
const SOURCE = (guard) => `policy: actions
version: 1
packs: [lexicon-starter]
detectors: [pii.email, pii.cn_mobile]
routes:
  default:
    receipt_comment: on
    second_opinion: {model: ${guard}, prompt: "{text}"}
    input:
      - {category: "harm.*", min_severity: 2, action: block}
      - {category: pii.email, action: second_opinion}
      - {category: pii.cn_mobile, action: second_opinion, fail: open}
    output:
      - {category: "harm.*", min_severity: 2, action: escalate}
    label: {explicit: true, zh: 内容由AI生成, en: AI生成 · AI-generated content}
    answers: {default: {zh: 不能回答, en: "not answered"}}
tenants:
  loose:
    default: {mode: shadow}
  strict:
    default:
      input: [{category: pii.email, action: block}]
      answers: {pii.email: {zh: 本租户不允许, en: "not for this tenant"}}
`;
const MAIL = 'Write to someone@example.org please.';
const MOBILE = 'Call 13800138000 please.';
const GUARD = 'guard-model';

let model, product;
before(async () => {
  model = await up.startUpstream();
  product = await startProduct({
    upstream: model,
    configure(dir) {
      fs.writeFileSync(path.join(dir, 'policy/default.yaml'), SOURCE(GUARD));
      askGuardModel(dir, model.url, '500ms', 'plumbline_tenant $http_x_tenant;\n');
    },
  });
});
after(() => takeDown(product, model));

const send = async (text, { headers, stream } = {}) => {
  const m = name('p');
  const r = await chat(product.gateway, ask(m, text, { stream }), { headers });
  const receipt = await product.receipt(r.headers['x-plumbline-request-id']);
  return { r, m, event: receipt.event };
};
const guardSays = (text, options = {}) => model.on(GUARD, up.json(up.completion(GUARD, [text]), options));

test('a guard model is asked, and its word decides', async () => {
  guardSays('safe');
  const before = model.callsFor(GUARD).length;
  const ok = await send(MAIL);
  assert.equal(ok.r.status, 200);
  assert.equal(ok.event.verdict, 'allow');
  assert.equal(ok.event.second_opinion, 'safe');
  assert.equal(model.callsFor(ok.m).length, 1, 'the request went on');
  const question = JSON.parse(model.callsFor(GUARD)[before].body);
  assert.equal(question.model, GUARD);
  assert.equal(question.messages[0].content.trim(), MAIL);
  assert.equal(model.callsFor(GUARD)[before].headers.authorization, undefined, 'headers of the client stay here');

  guardSays('unsafe\nS7');
  for (const stream of [false, true]) {
    const no = await send(MAIL, { stream });
    assert.equal(no.event.verdict, 'block');
    assert.equal(no.event.second_opinion, 'unsafe');
    assert.equal(model.callsFor(no.m).length, 0, 'the model never saw it');
    assert.match(no.r.text, /not answered/);
  }
});

test('calm requests ask nobody', async () => {
  const before = model.callsFor(GUARD).length;
  const { event } = await send(CALM.en);
  assert.equal(event.second_opinion, undefined);
  assert.equal(model.callsFor(GUARD).length, before);
});

for (const [what, behaviour] of Object.entries({
  'answers with an error': () => guardSays('safe', { status: 500 }),
  'answers nonsense': () => guardSays('perhaps'),
  'answers no JSON': () => model.on(GUARD, up.body(Buffer.from('safe'), { headers: { 'content-type': 'text/plain' } })),
  'closes the connection': () => model.on(GUARD, up.hangup({ reset: true })),
  'does not answer in time': () => model.on(GUARD, up.json(up.completion(GUARD, ['safe']), { delay: 3000 })),
}))
  test(`a guard model that ${what}: each rule fails as it says`, async () => {
    behaviour();
    const closed = await send(MAIL);
    assert.equal(closed.event.verdict, 'block');
    assert.equal(closed.event.second_opinion, 'none');
    assert.equal(closed.event.bypasses, undefined);
    const open = await send(MOBILE);
    assert.equal(open.event.verdict, 'allow');
    assert.deepEqual(open.event.bypasses, ['second_opinion']);
    assert.equal(model.callsFor(open.m).length, 1);
  });

test('a tenant has rules and texts of its own', async () => {
  guardSays('safe');
  const strict = await send(MAIL, { headers: { 'x-tenant': 'strict' } });
  assert.equal(strict.event.verdict, 'block');
  assert.equal(strict.event.tenant, 'strict');
  assert.match(strict.r.text, /not for this tenant/);
  const loose = await send(HARM.en, { headers: { 'x-tenant': 'loose' } });
  assert.equal(loose.event.mode, 'shadow');
  assert.equal(model.callsFor(loose.m).length, 1);
  const other = await send(HARM.en, { headers: { 'x-tenant': 'nobody' } });
  assert.equal(other.event.verdict, 'block');
  assert.equal(other.event.tenant, 'nobody');
});

test('what is escalated is withheld and marked', async () => {
  const m = name('e');
  model.on(m, up.json(up.completion(m, [HARM.en])));
  const r = await chat(product.gateway, ask(m, CALM.en));
  const { event } = await product.receipt(r.headers['x-plumbline-request-id']);
  assert.equal(event.verdict, 'block');
  assert.equal(event.output.findings[0].action, 'escalate');
  assert.ok(!r.text.includes(HARM.en));
});

test('many at once, each with its own opinion', async () => {
  model.on(GUARD, (call) => up.json(up.completion(GUARD, [call.json.messages[0].content.includes('odd') ? 'unsafe' : 'safe']))(call));
  const jobs = Array.from({ length: 60 }, (_, i) => send(`${i % 2 ? 'odd' : 'even'} ${i}: ${MAIL}`));
  for (const [i, { event }] of (await Promise.all(jobs)).entries()) assert.equal(event.verdict, i % 2 ? 'block' : 'allow', `request ${i}`);
});

// --- stops of a part -----------------------------------------------------------------------

const turn = async (verb, option, value) => {
  const r = await product.cli(['guard', verb, '--reason', 'drill', option, value, '--json']);
  assert.equal(r.code, 0, r.stderr);
  return JSON.parse(r.stdout);
};
const within = async (what, fn) => {
  const from = Date.now();
  await product.until(what, fn, 1000);
  return Date.now() - from;
};

test('a model, a tenant, a service: only that part is stopped, within a second', async () => {
  const m = name('part');
  const asks = (text, headers) => chat(product.gateway, ask(text, CALM.en), { headers });
  const cases = [
    ['--model', m, () => asks(m), () => asks(name('other'))],
    ['--tenant', 'strict', () => asks(name('t'), { 'x-tenant': 'strict' }), () => asks(name('t'))],
    ['--service', 'default', () => asks(name('s')), null],
  ];
  for (const [option, value, hit, free] of cases) {
    assert.equal((await hit()).status, 200);
    const said = await turn('stop', option, value);
    assert.equal(said.name, value);
    const took = await within(`${option} is stopped`, async () => (await hit()).status === 503);
    await sleep(1000 - took); // by now every worker knows
    for (let i = 0; i < 8; i++) assert.equal((await hit()).status, 503);
    const r = await hit();
    assert.equal(r.json().error.code, 'stopped');
    const { event } = await product.receipt(r.headers['x-plumbline-request-id']);
    assert.deepEqual([event.verdict, event.reason], ['refuse', 'stopped']);
    if (free) assert.equal((await free()).status, 200, 'the rest goes on');
    const state = (await product.api('GET', '/api/v1/guard')).json;
    assert.deepEqual(state.parts.map((p) => [p.scope, p.name, p.reason]), [[option.slice(2), value, 'drill']]);
    assert.equal(state.stop.stopped, false);
    const entry = (await product.api('GET', `/api/v1/ledger/entries/${said.ledger_index}`)).text;
    assert.ok(entry.includes('guard-stop') || Buffer.from(entry, 'base64').length > 0);
    const again = await product.cli(['guard', 'stop', '--reason', 'x', option, value]);
    assert.notEqual(again.code, 0);
    await turn('resume', option, value);
    await within(`${option} runs again`, async () => (await hit()).status === 200);
  }
});

test('a stopped category blocks what the policy would only record', async () => {
  guardSays('safe');
  assert.equal((await send(MAIL)).event.verdict, 'allow');
  await turn('stop', '--category', 'pii.*');
  await within('the category is stopped', async () => (await send(MAIL)).event.verdict === 'block');
  assert.equal((await send(CALM.en)).event.verdict, 'allow');
  await turn('resume', '--category', 'pii.*');
  await within('the category is judged as before', async () => (await send(MAIL)).event.verdict === 'allow');
});

test('a stream of a model that is stopped ends', async () => {
  const m = name('stream');
  model.on(m, up.slowly(Array.from({ length: 60 }, (_, i) => `word${i} `), 50));
  const running = chat(product.gateway, ask(m, CALM.en, { stream: true }));
  await product.until('the stream runs', () => model.callsFor(m).length === 1, 3000);
  await turn('stop', '--model', m);
  const from = Date.now();
  const r = await running;
  assert.ok(Date.now() - from < 1500, `the stream went on for ${Date.now() - from} ms`);
  assert.ok(!r.text.includes('word59'));
  const { event } = await product.receipt(r.headers['x-plumbline-request-id']);
  assert.equal(event.end, 'stopped');
  await turn('resume', '--model', m);
});

test('a stream ends with its receipt as a comment, which clients pass over', async () => {
  guardSays('safe');
  const r = await chat(product.gateway, ask(name('c'), CALM.en, { stream: true }));
  const line = /\n: plumbline-receipt (\{.*\})\n\n$/.exec(r.text);
  assert.ok(line, r.text.slice(-300));
  const said = JSON.parse(line[1]);
  const receipt = await product.receipt(r.headers['x-plumbline-request-id']);
  assert.deepEqual(said, { id: receipt.id, event: receipt.digest, policy: receipt.event.policy_sha256, verdict: 'allow' });
  assert.ok(r.text.indexOf('[DONE]') < r.text.indexOf('plumbline-receipt'));
  assert.ok(receipt.packs.some((p) => p.id === 'lexicon-starter' && /^[0-9a-f]{64}$/.test(p.sha256)), JSON.stringify(receipt.packs));
  assert.deepEqual(receipt.event.input.ranges, [[0, receipt.event.input.bytes]]);
  assert.deepEqual(receipt.event.outputs[0].ranges, [[0, receipt.event.outputs[0].bytes]]);
  const client = new OpenAI({ baseURL: `${product.gateway}/v1`, apiKey: 'k', maxRetries: 0 });
  let text = '';
  for await (const part of await client.chat.completions.create({ model: name('c'), stream: true, messages: [{ role: 'user', content: CALM.en }] })) text += part.choices[0]?.delta.content ?? '';
  assert.match(text, /AI生成/);
});

// --- plans ---------------------------------------------------------------------------------

const edit = (from, to) => {
  const file = path.join(product.dir, 'policy/default.yaml');
  const text = fs.readFileSync(file, 'utf8');
  assert.ok(text.includes(from), from);
  fs.writeFileSync(file, text.replace(from, to));
};
const cliJson = async (...argv) => {
  const r = await product.cli([...argv, '--json']);
  assert.equal(r.code, 0, r.stderr);
  return JSON.parse(r.stdout);
};

test('a policy on trial judges its share, and both are compared', async () => {
  guardSays('safe');
  const before = (await product.api('GET', '/api/v1/policy')).json.digest;
  edit('version: 1', 'version: 2');
  edit('{category: pii.email, action: second_opinion}', '{category: pii.email, action: block}');
  const plan = await cliJson('policy', 'canary', '--share', '40');
  assert.notEqual(plan.digest, before);
  await product.until('somebody is judged by it', async () => (await send(MAIL)).event.policy_sha256 === plan.digest, 3000);
  const events = [];
  for (let i = 0; i < 10; i++) // the guard model answers within its half second only so many at once
    events.push(...(await Promise.all(Array.from({ length: 15 }, () => send(MAIL)))).map((s) => s.event));
  const trial = events.filter((e) => e.policy_sha256 === plan.digest);
  assert.ok(trial.length > 30 && trial.length < 95, `${trial.length} of 150 at 40 %`);
  assert.ok(trial.every((e) => e.policy === 'actions@2' && e.verdict === 'block'));
  assert.ok(events.filter((e) => e.policy_sha256 === before).every((e) => e.verdict === 'allow'));
  // One tenant is always judged by the same policy.
  const of = async (tenant) => new Set((await Promise.all(Array.from({ length: 12 }, () => send(CALM.en, { headers: { 'x-tenant': tenant } })))).map((s) => s.event.policy_sha256));
  for (const tenant of ['t1', 't2', 't3', 't4']) assert.equal((await of(tenant)).size, 1);
  const compared = await cliJson('policy', 'canary');
  assert.equal(compared.on_trial.rate <= 1 && compared.on_trial.low < compared.on_trial.rate, true, JSON.stringify(compared));
  assert.ok(compared.in_force.high < compared.on_trial.low, 'the difference is seen');
  await cliJson('policy', 'canary', '--end');
  await product.until('the trial is over', async () => (await Promise.all(Array.from({ length: 20 }, () => send(MAIL)))).every((s) => s.event.policy_sha256 === before), 5000);
  assert.equal((await cliJson('policy', 'canary')).canary, null);
  assert.notEqual((await product.cli(['policy', 'canary', '--end'])).code, 0);
});

test('a policy comes into force when it was scheduled, also after the daemon was down', async () => {
  const before = (await product.api('GET', '/api/v1/policy')).json.digest;
  assert.notEqual((await product.cli(['policy', 'schedule', '--at', '2020-01-01T00:00:00Z'])).code, 0);
  assert.notEqual((await product.cli(['policy', 'schedule', '--at', 'soon'])).code, 0);
  const later = await cliJson('policy', 'schedule', '--at', new Date(Date.now() + 3_600_000).toISOString());
  assert.equal((await cliJson('policy', 'schedule')).scheduled.digest, later.digest);
  await cliJson('policy', 'schedule', '--cancel');
  assert.equal((await cliJson('policy', 'schedule')).scheduled, null);

  const plan = await cliJson('policy', 'schedule', '--at', new Date(Date.now() + 2500).toISOString());
  edit('version: 2', 'version: 3'); // what was compiled is what comes
  process.kill(product.pids().daemon, 'SIGKILL');
  await product.until('it is in force', async () => (await product.api('GET', '/api/v1/policy').catch(() => null))?.json?.digest === plan.digest, 20_000);
  await product.until('the plan is done', async () => (await cliJson('policy', 'schedule')).scheduled === null, 3000);
  await product.until('workers judge by it', async () => (await send(MAIL)).event.policy_sha256 === plan.digest, 3000);
  await cliJson('policy', 'rollback');
  await product.until('rolled back', async () => (await send(CALM.en)).event.policy_sha256 === before, 3000);
});
