// How much a route takes: what is over a limit is refused, blocked or passes unread, as the policy
// says, in every surface's form; receipts and the audit name it.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import OpenAI from 'openai';
import Anthropic from '@anthropic-ai/sdk';
import * as up from './lib/upstream.mjs';
import { startProduct, takeDown } from './lib/product.mjs';
import { ask, chat, readStream, request } from './lib/client.mjs';
import { CALM, HARM, name } from './lib/cases.mjs';

const POLICY = `policy: limits
version: 1
packs: [lexicon-starter]
routes:
  default:
    limits:
      request: {bytes: 4KiB, over: refuse}
      answer: {bytes: 2KiB, over: block}
    input: [{category: "harm.*", min_severity: 2, action: block}]
    output: [{category: "harm.*", min_severity: 2, action: block}]
    label: {explicit: true, zh: 内容由AI生成, en: AI生成 · AI-generated content}
    answers: {default: {zh: 不能回答, en: "not answered"}, limit.answer: {zh: 太长了, en: "that was too long"}}
tenants:
  roomy:
    default:
      limits: {request: {bytes: 4KiB, over: pass}, answer: {bytes: 2KiB, over: pass}}
`;
const LONG = 'tulips open in spring. '.repeat(300);
const ROOMY = { headers: { 'x-tenant': 'roomy' } };

let model, product, from;
before(async () => {
  model = await up.startUpstream();
  product = await startProduct({
    upstream: model,
    configure(dir) {
      fs.writeFileSync(path.join(dir, 'policy/default.yaml'), POLICY);
      fs.mkdirSync(path.join(dir, 'nginx/gateway.d'), { recursive: true });
      fs.writeFileSync(path.join(dir, 'nginx/gateway.d/tenant.conf'), 'plumbline_tenant $http_x_tenant;\n');
    },
  });
  from = new Date(Date.now() - 1).toISOString();
});
after(() => takeDown(product, model));

const leafOf = async (r) => (await product.receipt(r.headers['x-plumbline-request-id'])).event;

test('a long request is refused with 413, and the upstream hears nothing of it', async () => {
  const m = name('long-in');
  model.on(m, up.plain('never'));
  const r = await chat(product.gateway, ask(m, LONG));
  assert.equal(r.status, 413);
  assert.equal(r.json().error.code, 'request_too_large');
  assert.equal(r.headers['x-plumbline-verdict'], 'refuse');
  assert.equal(model.callsFor(m).length, 0);
  const leaf = await leafOf(r);
  assert.deepEqual([leaf.verdict, leaf.reason, leaf.input.scanned], ['refuse', 'request_too_large', 0]);
  const claude = new Anthropic({ baseURL: product.gateway, apiKey: 'k', maxRetries: 2 });
  await assert.rejects(claude.messages.create({ model: m, max_tokens: 9, messages: [{ role: 'user', content: LONG }] }),
    (e) => e.status === 413 && e.error.error.type === 'request_too_large');
  const ollama = await request(`${product.gateway}/api/chat`, { method: 'POST', body: JSON.stringify(ask(m, LONG)) });
  assert.equal(ollama.status, 413);
  assert.equal(typeof ollama.json().error, 'string');
  const openai = new OpenAI({ baseURL: `${product.gateway}/v1`, apiKey: 'k', maxRetries: 2 });
  await assert.rejects(openai.chat.completions.create(ask(m, LONG)), (e) => e.status === 413);
  const fits = await chat(product.gateway, ask(m, CALM.en));
  assert.equal(fits.status, 200);
});

test('a long answer is blocked, whole and in a stream', async () => {
  const m = name('long-out');
  model.on(m, up.plain(LONG));
  const whole = await chat(product.gateway, ask(m, CALM.en));
  assert.equal(whole.json().choices[0].message.content, 'that was too long');
  assert.equal(whole.json().choices[0].finish_reason, 'content_filter');
  assert.deepEqual([(await leafOf(whole)).verdict, (await leafOf(whole)).reason], ['block', 'answer_too_large']);
  const s = name('long-stream');
  model.on(s, up.stream(Array.from({ length: 60 }, (_, i) => `word ${i} `)));
  const streamed = await chat(product.gateway, ask(s, CALM.en, { stream: true }));
  assert.match(streamed.text, /"1 word "/);
  assert.match(streamed.text, /that was too long/);
  assert.doesNotMatch(streamed.text, /"40 word "/);
  assert.match(streamed.text, /"content_filter"/);
  assert.equal((await leafOf(streamed)).reason, 'answer_too_large');
});

test('where the policy lets it pass it goes unread and is said to be a bypass', async () => {
  const m = name('roomy');
  model.on(m, up.plain(LONG + HARM.en));
  const r = await chat(product.gateway, ask(m, LONG + HARM.en), ROOMY);
  assert.equal(r.status, 200);
  assert.ok(r.json().choices[0].message.content.startsWith(LONG + HARM.en), 'unread');
  assert.match(r.json().choices[0].message.content, /AI/, 'labelled all the same');
  const leaf = await leafOf(r);
  assert.deepEqual(leaf.bypasses, ['oversize_input', 'oversize_output']);
  assert.deepEqual([leaf.verdict, leaf.model, leaf.input.scanned, leaf.input.ranges.length], ['allow', m, 0, 0]);
  assert.deepEqual(leaf.outputs[0].ranges, []);
  const small = await chat(product.gateway, ask(m, HARM.en), ROOMY);
  assert.equal((await leafOf(small)).verdict, 'block', 'what is not over the limit is judged');
});

test('the audit counts refusals by reason and what passed over the limit', async () => {
  const r = await product.cli(['guard', 'audit', '--from', from, '--to', new Date().toISOString(), '--json']);
  const audit = JSON.parse(r.stdout);
  assert.equal(audit.refusals.request_too_large, 4);
  assert.equal(audit.bypasses.oversize, 1);
  assert.equal(audit.uncovered, 0);
});
