// Budgets of requests and tokens, through the real gateway with several workers: who is refused, how it is
// said in every surface's form, when it ends, what is counted, and that no process takes it with it.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import OpenAI from 'openai';
import Anthropic from '@anthropic-ai/sdk';
import * as up from './lib/upstream.mjs';
import { answers } from './lib/surfaces.mjs';
import { startProduct, takeDown } from './lib/product.mjs';
import { ask, chat, request } from './lib/client.mjs';
import { CALM, HARM, name } from './lib/cases.mjs';

const POLICY = `policy: budgets
version: 1
packs: [lexicon-starter]
routes:
  default:
    budgets:
      - {per: key, window: 1d, requests: 5}
    input: [{category: "harm.*", min_severity: 2, action: block}]
    output: [{category: "harm.*", min_severity: 2, action: block}]
    label: {explicit: false}
    answers: {default: {zh: 不能回答, en: "not answered"}}
tenants:
  tokens:
    default: {budgets: [{per: subject, window: 1d, tokens: 100}]}
  short:
    default: {budgets: [{per: all, window: 3s, requests: 1}]}
  free:
    default: {budgets: [{per: tenant, window: 1d, tokens: 1000000}]}
  shadow:
    default: {mode: shadow, budgets: [{per: tenant, window: 1d, requests: 1}]}
`;
const DAY = 86400;

let model, product, from;
before(async () => {
  model = await up.startUpstream();
  product = await startProduct({
    upstream: model,
    configure(dir) {
      fs.writeFileSync(path.join(dir, 'policy/default.yaml'), POLICY);
      fs.mkdirSync(path.join(dir, 'nginx/gateway.d'), { recursive: true });
      fs.writeFileSync(path.join(dir, 'nginx/gateway.d/who.conf'),
        'plumbline_tenant $http_x_tenant;\nplumbline_subject $http_x_user;\nplumbline_subject_body on;\n');
    },
  });
  from = new Date(Date.now() - 1).toISOString();
});
after(() => takeDown(product, model));

const leafOf = async (r) => (await product.receipt(r.headers['x-plumbline-request-id'])).event;
const as = (headers) => ({ headers });
const key = (k) => as({ authorization: `Bearer ${k}` });
const untilMidnight = () => DAY - (Math.floor(Date.now() / 1000) % DAY);

test('exactly as many requests pass as the budget has, however many come at once', async () => {
  const m = name('crowd');
  model.on(m, up.plain('fine'));
  const all = await Promise.all(Array.from({ length: 20 }, () => chat(product.gateway, ask(m, CALM.en), key('crowd'))));
  const refused = all.filter((r) => r.status === 429);
  assert.equal(all.filter((r) => r.status === 200).length, 5);
  assert.equal(refused.length, 15);
  assert.equal(model.callsFor(m).length, 5, 'the upstream hears of no more');
  assert.equal((await product.api('GET', '/api/v1/overview')).json.counters.limited, 15);
  const r = refused[0];
  assert.deepEqual([r.json().error.type, r.json().error.code], ['rate_limit_error', 'rate_limit_exceeded']);
  assert.ok(Math.abs(Number(r.headers['retry-after']) - untilMidnight()) <= 5, r.headers['retry-after']);
  assert.equal(r.headers['x-should-retry'], 'false', 'nobody waits until midnight');
  const leaf = await leafOf(r);
  assert.deepEqual([leaf.verdict, leaf.reason], ['refuse', 'rate_limit_exceeded']);
  assert.deepEqual([leaf.budget.per, leaf.budget.window_s, leaf.budget.spent], ['key', DAY, 'requests']);
  assert.equal((await chat(product.gateway, ask(m, CALM.en), key('another'))).status, 200, 'of each key');
});

test('answers and refusals say what is left of the asker\'s own budgets, and nothing of the operator\'s', async () => {
  const m = name('left');
  model.on(m, up.json(up.completion(m, ['fine']), { headers: { 'x-ratelimit-remaining-requests': '77777', 'x-ratelimit-limit-project': '9' } }));
  const left = (r) => ['limit', 'remaining', 'reset'].map((k) => r.headers[`x-ratelimit-${k}-requests`]);
  for (let i = 0; i < 6; i++) {
    const r = await chat(product.gateway, ask(m, CALM.en, { stream: false }), key('left'));
    assert.equal(r.status, i < 5 ? 200 : 429);
    const [limit, remaining, reset] = left(r);
    assert.deepEqual([limit, remaining], ['5', String(Math.max(0, 4 - i))]);
    assert.ok(Math.abs(Number(reset.slice(0, -1)) - untilMidnight()) <= 5 && reset.endsWith('s'), reset);
    assert.equal(r.headers['x-ratelimit-limit-project'], undefined);
  }
  const n = name('left');
  model.on(n, up.json({ ...up.completion(n, ['fine']), usage: { prompt_tokens: 20, completion_tokens: 10, total_tokens: 30 } }));
  const tokens = await chat(product.gateway, ask(n, CALM.en), as({ 'x-tenant': 'tokens', 'x-user': 'left' }));
  assert.equal(tokens.headers['x-ratelimit-limit-tokens'], '100');
  assert.equal(tokens.headers['x-ratelimit-remaining-tokens'], '70');
  assert.equal(tokens.headers['x-ratelimit-limit-requests'], undefined);
  const r = await chat(product.gateway, ask(m, CALM.en), as({ 'x-tenant': 'free' }));
  assert.equal(r.headers['x-ratelimit-limit-tokens'], undefined, 'what all use together is nobody\'s to read');
  assert.equal(r.headers['x-ratelimit-remaining-requests'], '77777', 'without budgets of the asker the upstream\'s pass');
});

test('each surface says it as its clients expect', async () => {
  const m = name('forms');
  model.on(m, up.plain('fine'));
  for (let i = 0; i < 5; i++) await chat(product.gateway, ask(m, CALM.en), key('forms'));
  const openai = new OpenAI({ baseURL: `${product.gateway}/v1`, apiKey: 'forms', maxRetries: 2 });
  await assert.rejects(openai.chat.completions.create(ask(m, CALM.en)), (e) => {
    assert.ok(e instanceof OpenAI.RateLimitError);
    assert.equal(e.code, 'rate_limit_exceeded');
    return true;
  });
  const claude = new Anthropic({ baseURL: product.gateway, authToken: 'forms', apiKey: null, maxRetries: 2 });
  await assert.rejects(claude.messages.create({ model: m, max_tokens: 9, messages: [{ role: 'user', content: CALM.en }] }), (e) => {
    assert.ok(e instanceof Anthropic.RateLimitError);
    assert.equal(e.error.error.type, 'rate_limit_error');
    return true;
  });
  const ollama = await request(`${product.gateway}/api/chat`, { method: 'POST', body: JSON.stringify(ask(m, CALM.en)), ...key('forms') });
  assert.equal(ollama.status, 429);
  assert.match(ollama.json().error, /budget of 5 requests/);
  for (let i = 0; i < 5; i++)
    assert.equal((await chat(product.gateway, ask(m, CALM.en), as({ 'x-api-key': 'forms-2' }))).status, 200);
  assert.equal((await chat(product.gateway, ask(m, CALM.en), as({ 'x-api-key': 'forms-2' }))).status, 429);
});

test('a stock client waits as long as it is told and is then served', async () => {
  const m = name('waits');
  model.on(m, answers.chat(['fine']));
  const openai = new OpenAI({ baseURL: `${product.gateway}/v1`, apiKey: 'k', maxRetries: 2, defaultHeaders: { 'x-tenant': 'short' } });
  await sleep(3000 - (Date.now() % 3000) + 20); // the beginning of a window
  await openai.chat.completions.create(ask(m, CALM.en));
  const begun = Date.now();
  await openai.chat.completions.create(ask(m, CALM.en));
  const waited = Date.now() - begun;
  assert.ok(waited > 1500 && waited < 4500, `waited ${waited} ms`);
  assert.equal(model.callsFor(m).length, 2);
});

test('tokens are what the upstream says, or else estimated, which the receipt says', async () => {
  const who = (user) => as({ 'x-tenant': 'tokens', ...(user ? { 'x-user': user } : {}) });
  const m = name('said');
  model.on(m, up.json((call) => up.completion(call.model, ['fine'], { usage: { prompt_tokens: 60, completion_tokens: 39, total_tokens: 99 } })));
  const first = await chat(product.gateway, ask(m, CALM.en), who('ann'));
  assert.deepEqual((await leafOf(first)).tokens, { input: 60, output: 39, source: 'upstream' });
  assert.equal((await chat(product.gateway, ask(m, 'x'), who('ann'))).status, 200, 'one was left');
  const over = await chat(product.gateway, ask(m, 'x'), who('ann'));
  assert.equal(over.status, 429);
  assert.equal((await leafOf(over)).budget.spent, 'tokens');
  assert.equal((await chat(product.gateway, ask(m, 'x', { user: 'ann' }), who())).status, 429, 'however they are named');
  assert.equal((await chat(product.gateway, ask(m, 'x', { user: 'bob' }), who())).status, 200);

  const s = name('guessed');
  model.on(s, up.stream(['郁金香', '春天开花 ', 'abcd'.repeat(25)]));
  const streamed = await chat(product.gateway, ask(s, 'x', { stream: true }), who('cat'));
  const { tokens } = await leafOf(streamed);
  assert.equal(tokens.source, 'estimated');
  assert.equal(tokens.output, Math.ceil((7 * 4 + 1 + 100) / 4));
  assert.equal((await chat(product.gateway, ask(s, 'x'), who('cat'))).status, 200, 'a few are left');
  const blocked = await chat(product.gateway, ask(s, HARM.en), who('dan'));
  assert.deepEqual((await leafOf(blocked)).tokens, { input: 0, output: 0, source: 'upstream' }, 'no model was asked');
});

test('usage is read where each surface says it', async () => {
  const free = as({ 'x-tenant': 'free' });
  const m = name('usage');
  const sse = (events) => up.sseRaw(Buffer.from(events.map((e) => `event: ${e.type}\ndata: ${JSON.stringify(e)}\n\n`).join('')));
  model.on(m, sse([
    { type: 'message_start', message: { id: 'a', type: 'message', role: 'assistant', model: m, content: [], stop_reason: null, usage: { input_tokens: 20, cache_read_input_tokens: 5, output_tokens: 1 } } },
    { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
    { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'fine' } },
    { type: 'content_block_stop', index: 0 },
    { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 17 } },
    { type: 'message_stop' },
  ]));
  const claude = await request(`${product.gateway}/v1/messages`, { method: 'POST', body: JSON.stringify(ask(m, CALM.en, { stream: true, max_tokens: 9 })), ...free });
  assert.deepEqual((await leafOf(claude)).tokens, { input: 25, output: 17, source: 'upstream' });
  const o = name('ollama');
  model.on(o, up.json(() => ({ model: o, created_at: '2026-01-01T00:00:00Z', message: { role: 'assistant', content: 'fine' }, done: true, prompt_eval_count: 8, eval_count: 3 })));
  const ollama = await request(`${product.gateway}/api/chat`, { method: 'POST', body: JSON.stringify(ask(o, CALM.en, { stream: false })), ...free });
  assert.deepEqual((await leafOf(ollama)).tokens, { input: 8, output: 3, source: 'upstream' });
  const bad = name('failing');
  model.on(bad, up.json(() => ({ error: { message: 'no' } }), { status: 500 }));
  assert.deepEqual((await leafOf(await chat(product.gateway, ask(bad, CALM.en), free))).tokens, { input: 0, output: 0, source: 'upstream' });
});

test('a client that goes away before the answer has used its request', async () => {
  const m = name('gone');
  const who = as({ 'x-tenant': 'tokens', 'x-user': 'eve' });
  model.on(m, up.silent());
  const sent = chat(product.gateway, ask(m, 'tulips '.repeat(100)), { ...who, timeout: 300 });
  await assert.rejects(sent, /no answer within/);
  await product.until('the budget is spent', async () => {
    model.on(m, up.plain('fine'));
    return (await chat(product.gateway, ask(m, 'x'), who)).status === 429;
  }, 3000);
});

test('in shadow nothing is refused, and the receipt says what would have been', async () => {
  const m = name('shadow');
  model.on(m, up.plain('fine'));
  const two = [await chat(product.gateway, ask(m, CALM.en), as({ 'x-tenant': 'shadow' })), await chat(product.gateway, ask(m, CALM.en), as({ 'x-tenant': 'shadow' }))];
  assert.deepEqual(two.map((r) => r.status), [200, 200]);
  assert.equal((await leafOf(two[0])).budget, undefined);
  assert.equal((await leafOf(two[1])).budget.spent, 'requests');
});

test('the audit counts what was refused; a restart gives nobody a new budget', async () => {
  const r = await product.cli(['guard', 'audit', '--from', from, '--to', new Date().toISOString(), '--json']);
  assert.ok(JSON.parse(r.stdout).refusals.rate_limit_exceeded >= 18, r.stdout);
  const m = name('restart');
  model.on(m, up.plain('fine'));
  await product.stop({ keep: true });
  await product.start();
  assert.equal((await chat(product.gateway, ask(m, CALM.en), key('crowd'))).status, 429);
  assert.equal((await chat(product.gateway, ask(m, CALM.en), key('fresh'))).status, 200);
});
