// Where a label goes and where it must not: prose carries it, data for programs never does.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import * as up from './lib/upstream.mjs';
import { startProduct, takeDown } from './lib/product.mjs';
import { ask, chat, readStream } from './lib/client.mjs';
import { CALM, LABEL, labelOf, name } from './lib/cases.mjs';

let model, product;
before(async () => {
  model = await up.startUpstream();
  product = await startProduct({ upstream: model });
});
after(() => takeDown(product, model));

const SCHEMA = { type: 'json_schema', json_schema: { name: 'city', strict: true, schema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] } } };
const DATA = '{"city": "Suzhou"}';
const TOOL = { role: 'assistant', content: null, tool_calls: [{ id: 'c1', type: 'function', function: { name: 'weather', arguments: '{"city":"Suzhou"}' } }] };
const LOGPROBS = { content: [{ token: 'ok', logprob: -0.1, bytes: [111, 107], top_logprobs: [] }], refusal: null };

// what is asked, what is answered, what must arrive
const quiet = {
  'json_object': [{ response_format: { type: 'json_object' } }, { message: { content: DATA } }],
  'json_schema': [{ response_format: SCHEMA }, { message: { content: DATA } }],
  'guided_json': [{ guided_json: SCHEMA.json_schema.schema }, { message: { content: DATA } }],
  'tool call': [{ tools: [{ type: 'function', function: { name: 'weather' } }] }, { message: TOOL, finish_reason: 'tool_calls' }],
  'tool call with text': [{}, { message: { ...TOOL, content: 'Let me look.' }, finish_reason: 'tool_calls' }],
  'logprobs asked for': [{ logprobs: true }, { message: { content: 'ok' }, logprobs: LOGPROBS }],
  'logprobs unasked': [{}, { message: { content: 'ok' }, logprobs: LOGPROBS }],
  'an answer that is a JSON object': [{}, { message: { content: ` ${DATA}\n` } }],
  'an answer that is a JSON array': [{}, { message: { content: '[1, {"a": "]"}, "x"]' } }],
};

for (const [what, [extra, choice]] of Object.entries(quiet)) {
  test(`no label inside: ${what}`, async () => {
    const m = name('quiet');
    const body = Buffer.from(JSON.stringify(up.completion(m, [choice])));
    model.on(m, up.json(body));
    const r = await chat(product.gateway, ask(m, CALM.en, extra));
    assert.ok(r.buf.equals(body), `passes byte for byte: ${r.text}`);
    assert.equal(r.headers['x-plumbline-label'], 'header');
    assert.equal(r.headers['x-plumbline-ai-generated'], '1');
    const receipt = await product.receipt(r.headers['x-plumbline-request-id']);
    assert.equal(receipt.event.label, 'header', 'the event carries it');
  });

  test(`no label inside, stream: ${what}`, async () => {
    const m = name('quiet-s');
    const { content, tool_calls: calls } = choice.message;
    const deltas = [
      ...(content ? [...content].map((c) => ({ content: c })) : []),
      ...(calls ? [{ tool_calls: [{ index: 0, ...calls[0], function: { name: 'weather', arguments: '' } }] },
        ...[...calls[0].function.arguments].map((a) => ({ tool_calls: [{ index: 0, function: { arguments: a } }] }))] : []),
    ];
    const events = [up.chunk(m, { delta: { role: 'assistant', content: '' } }),
      ...deltas.map((delta) => up.chunk(m, { delta, ...(choice.logprobs ? { logprobs: choice.logprobs } : {}) })),
      up.chunk(m, { finish: choice.finish_reason ?? 'stop' })];
    model.on(m, up.sse(events));
    const r = await chat(product.gateway, ask(m, CALM.en, { ...extra, stream: true }));
    const s = readStream(r.buf);
    if (choice.logprobs) assert.deepEqual(s.chunks, events, 'exactly the events of the upstream');
    const held = s.chunks.length - events.length; // what waited for its end is said in a copy of its event
    assert.ok(held >= 0 && held <= 2, `${held} events more`);
    assert.equal(s.text, content ?? '');
    assert.equal(s.choices[0].finish, choice.finish_reason ?? 'stop');
    if (calls) assert.deepEqual(s.choices[0].tools[0], { name: 'weather', arguments: calls[0].function.arguments });
    assert.equal(r.headers['x-plumbline-ai-generated'], '1');
    const receipt = await product.receipt(s.event);
    assert.equal(receipt.event.label, 'header');
    assert.equal(receipt.digest, s.digest);
  });
}

test('text that only begins like JSON is prose', async () => {
  for (const text of ['{"a": 1', '[1] is the first footnote.', '{} and more', '```json\n{"a":1}\n```', '"quoted"', '42']) {
    const m = name('prose');
    model.on(m, up.plain(text));
    labelOf((await chat(product.gateway, ask(m, CALM.en))).json().choices[0].message.content, text);
    labelOf(readStream((await chat(product.gateway, ask(m, CALM.en, { stream: true }))).buf).text, text);
  }
});

test('response_format text is prose', async () => {
  const m = name('text-format');
  model.on(m, up.plain('hello'));
  labelOf((await chat(product.gateway, ask(m, CALM.en, { response_format: { type: 'text' } }))).json().choices[0].message.content, 'hello');
});

test('reasoning is not labelled, the answer is', async () => {
  const m = name('reason');
  model.on(m, up.sse([up.chunk(m, { delta: { reasoning_content: 'let me think' } }), up.chunk(m, { delta: { content: 'four' } }), up.chunk(m, { finish: 'stop' })]));
  const s = readStream((await chat(product.gateway, ask(m, CALM.en, { stream: true }))).buf);
  assert.equal(s.choices[0].reasoning, 'let me think');
  labelOf(s.text, 'four');
});

test('a stream that ends with [DONE] but no finish reason is labelled before [DONE]', async () => {
  const m = name('no-finish');
  model.on(m, up.sse(up.chunksOf(m, ['hello']).slice(0, 2)));
  const s = readStream((await chat(product.gateway, ask(m, CALM.en, { stream: true }))).buf);
  labelOf(s.text, 'hello');
  assert.equal(s.done, true);
});

test('the last text and the finish reason may share an event', async () => {
  const m = name('share');
  model.on(m, up.sse([up.chunk(m, { delta: { content: 'hel' } }), up.chunk(m, { delta: { content: 'lo' }, finish: 'stop' })]));
  const s = readStream((await chat(product.gateway, ask(m, CALM.en, { stream: true }))).buf);
  labelOf(s.text, 'hello');
  assert.equal(s.choices[0].finish, 'stop');
});

test('an answer without text carries no label', async () => {
  const m = name('empty');
  model.on(m, up.plain(''));
  const r = await chat(product.gateway, ask(m, CALM.en));
  assert.equal(r.json().choices[0].message.content, '');
  assert.doesNotMatch(r.headers['x-plumbline-label'], /text/);
});

test('a route may switch the label off', async () => {
  const policy = path.join(product.dir, 'policy/default.yaml');
  const source = fs.readFileSync(policy, 'utf8');
  assert.match(source, /explicit: *true/);
  fs.writeFileSync(policy, source.replace(/explicit: *true/g, 'explicit: false'));
  assert.equal((await product.api('POST', '/api/v1/policy/activate', {})).status, 200);
  const m = name('off');
  model.on(m, up.plain('hello'));
  await product.until('the new policy is in force in every worker', async () => {
    const all = await Promise.all(Array.from({ length: 24 }, () => chat(product.gateway, ask(m, CALM.en))));
    return all.every((r) => r.json().choices[0].message.content === 'hello');
  }, 3000);
  const r = await chat(product.gateway, ask(m, CALM.en));
  assert.equal(r.headers['x-plumbline-label'], 'none');
  assert.doesNotMatch(readStream((await chat(product.gateway, ask(m, CALM.en, { stream: true }))).buf).text, LABEL);
});
