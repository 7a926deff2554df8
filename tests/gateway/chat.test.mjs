// The main path: SDK → nginx with the module → upstream and back, with the default policy.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import OpenAI from 'openai';
import * as up from './lib/upstream.mjs';
import { startProduct, takeDown } from './lib/product.mjs';
import { ask, chat, readStream } from './lib/client.mjs';
import { HARM, CALM, LABEL, expectAbsent, expectHeaders, labelOf, lexiconTexts, name } from './lib/cases.mjs';

let model, product, sdk;
before(async () => {
  model = await up.startUpstream();
  product = await startProduct({ upstream: model });
  sdk = new OpenAI({ baseURL: `${product.gateway}/v1`, apiKey: 'sk-client', maxRetries: 0 });
});
after(() => takeDown(product, model));

const LANGUAGES = ['zh', 'en'];
const hasHan = (s) => /\p{Script=Han}/u.test(s);

test('the phrases of these tests are in the packs of the default policy', () => {
  const texts = lexiconTexts().flat();
  for (const lang of LANGUAGES) assert.ok(texts.includes(HARM[lang]), `'${HARM[lang]}' is a lexicon entry`);
});

for (const lang of LANGUAGES) {
  test(`benign, ${lang}: the answer is the upstream's plus the label`, async () => {
    const m = name('benign');
    model.on(m, up.plain(CALM[lang]));
    const { data, response } = await sdk.chat.completions.create(ask(m, CALM[lang])).withResponse();
    const label = labelOf(data.choices[0].message.content, CALM[lang]);
    assert.equal(/generated/.test(label), lang === 'en', 'the label is in the language of the question');
    assert.equal(data.choices[0].finish_reason, 'stop');
    assert.deepEqual(data.usage, up.completion(m, ['x']).usage);
    const h = expectHeaders(response, { verdict: 'allow', label: 'text', 'ai-generated': '1' });
    assert.match(h['x-plumbline-event-digest'], /^[0-9a-f]{64}$/);
  });

  test(`benign stream, ${lang}: chunks are the upstream's plus the label`, async () => {
    const m = name('benign-stream');
    const pieces = [...CALM[lang]];
    model.on(m, up.stream(pieces));
    const { data, response } = await sdk.chat.completions.create(ask(m, CALM[lang], { stream: true })).withResponse();
    let text = '';
    let finish;
    for await (const c of data) {
      text += c.choices[0]?.delta?.content ?? '';
      finish = c.choices[0]?.finish_reason ?? finish;
    }
    labelOf(text, CALM[lang]);
    assert.equal(finish, 'stop');
    expectHeaders(response, { verdict: 'allow', 'ai-generated': '1' });
    assert.match(response.headers.get('content-type'), /^text\/event-stream/);
  });

  test(`harmful input, ${lang}: a safe answer in the asker's language, the upstream never asked`, async () => {
    const m = name('harm');
    const { data, response } = await sdk.chat.completions.create(ask(m, HARM[lang])).withResponse();
    assert.equal(response.status, 200);
    assert.equal(data.object, 'chat.completion');
    assert.equal(data.model, m);
    assert.equal(data.choices[0].finish_reason, 'content_filter');
    assert.equal(data.choices[0].message.role, 'assistant');
    assert.equal(hasHan(data.choices[0].message.content), lang === 'zh');
    assert.ok(!data.choices[0].message.content.includes(HARM[lang]));
    expectHeaders(response, { verdict: 'block' });
    assert.equal(model.callsFor(m).length, 0);
  });

  test(`harmful input, stream, ${lang}: a whole stream that ends with [DONE]`, async () => {
    const m = name('harm-stream');
    const r = await chat(product.gateway, ask(m, HARM[lang], { stream: true }));
    assert.equal(r.status, 200);
    expectHeaders(r, { verdict: 'block' });
    const s = readStream(r.buf);
    assert.equal(s.choices[0].finish, 'content_filter');
    assert.equal(s.done, true);
    assert.equal(hasHan(s.text), lang === 'zh');
    assert.equal(model.callsFor(m).length, 0);
    // and the SDK takes it as a normal end
    let finish;
    for await (const c of await sdk.chat.completions.create(ask(m, HARM[lang], { stream: true }))) finish = c.choices[0]?.finish_reason ?? finish;
    assert.equal(finish, 'content_filter');
  });

  test(`harmful output, ${lang}: withheld whole`, async () => {
    const m = name('harm-out');
    model.on(m, up.plain(`${CALM[lang]}${HARM[lang]}。${CALM[lang]}`));
    const r = await chat(product.gateway, ask(m, CALM[lang]));
    assert.equal(r.status, 200);
    expectHeaders(r, { verdict: 'block' });
    assert.equal(r.json().choices[0].finish_reason, 'content_filter');
    assert.equal(hasHan(r.json().choices[0].message.content), lang === 'zh');
    expectAbsent(r.buf, HARM[lang]);
    assert.equal(model.callsFor(m).length, 1);
  });
}

test('a block carries as many choices as were asked for', async () => {
  const r = await chat(product.gateway, ask(name('n'), HARM.en, { n: 3 }));
  assert.deepEqual(r.json().choices.map((c) => [c.index, c.finish_reason]), [[0, 'content_filter'], [1, 'content_filter'], [2, 'content_filter']]);
  const s = readStream((await chat(product.gateway, ask(name('n'), HARM.en, { n: 2, stream: true, stream_options: { include_usage: true } }))).buf);
  assert.deepEqual(s.choices.map((c) => c.finish), ['content_filter', 'content_filter']);
  assert.ok(s.usage, 'usage was asked for');
});

test('harm anywhere in the request is found', async () => {
  const calm = { role: 'user', content: CALM.en };
  const [head, tail] = [HARM.en.slice(0, 9), HARM.en.slice(9)];
  const bodies = {
    'system message': { messages: [{ role: 'system', content: HARM.en }, calm] },
    'earlier turn': { messages: [{ role: 'user', content: HARM.en }, { role: 'assistant', content: 'no' }, calm] },
    'assistant turn': { messages: [calm, { role: 'assistant', content: HARM.en }, calm] },
    'text part': { messages: [{ role: 'user', content: [{ type: 'text', text: HARM.en }] }] },
    'two text parts': { messages: [{ role: 'user', content: [{ type: 'text', text: head }, { type: 'text', text: tail }] }] },
    'text beside an image': { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }, { type: 'text', text: HARM.en }] }] },
    'tool result': { messages: [calm, { role: 'tool', tool_call_id: 'c', content: HARM.en }] },
    'tool call arguments': { messages: [calm, { role: 'assistant', content: null, tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: JSON.stringify({ q: HARM.zh }) } }] }] },
    'tool description': { messages: [calm], tools: [{ type: 'function', function: { name: 'f', description: HARM.en } }] },
    'schema': { messages: [calm], response_format: { type: 'json_schema', json_schema: { name: 'x', schema: { type: 'object', description: HARM.en } } } },
    'message name': { messages: [{ ...calm, name: HARM.en }] },
    'unknown member': { messages: [calm], metadata: { note: HARM.en } },
    'unknown role': { messages: [{ role: 'oracle', content: HARM.en }] },
  };
  for (const [what, extra] of Object.entries(bodies)) {
    const m = name('where');
    const r = await chat(product.gateway, { model: m, ...extra });
    assert.equal(r.headers['x-plumbline-verdict'], 'block', what);
    assert.equal(model.callsFor(m).length, 0, what);
  }
});

test('spelling tricks of the folded form do not hide a phrase', async () => {
  const wide = [...HARM.en].map((c) => (c === ' ' ? c : String.fromCodePoint(c.codePointAt(0) + 0xfee0))).join('');
  for (const text of [HARM.en.toUpperCase(), wide, [...HARM.zh].join('\u200b'), HARM.en.replace('b', '\u00adb')]) {
    const m = name('fold');
    const r = await chat(product.gateway, ask(m, text));
    assert.equal(r.headers['x-plumbline-verdict'], 'block', JSON.stringify(text));
    assert.equal(model.callsFor(m).length, 0);
  }
  const escaped = JSON.stringify(ask(name('esc'), HARM.zh)).replace(/[\u0080-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16)}`);
  assert.equal((await chat(product.gateway, escaped)).headers['x-plumbline-verdict'], 'block');
});

test('the request reaches the upstream byte for byte', async () => {
  const m = name('bytes');
  const body = Buffer.from(`{ "model" : "${m}",\n "messages":[{"role":"user","content":"\\u4f60好 \\/ \\"q\\""}], "x":1.50e3 }`);
  await chat(product.gateway, body);
  const [call] = model.callsFor(m);
  assert.ok(call.body.equals(body));
  assert.equal(call.path, '/v1/chat/completions');
  assert.equal(call.headers['content-length'], String(body.length));
});

test('a whole answer keeps every byte outside the label', async () => {
  const m = name('answer-bytes');
  const bytes = Buffer.from(`{"id":"x","object":"chat.completion","created":1,"model":"${m}",\n\t"choices":[{"index":0,"message":{"role":"assistant","content":"caf\\u00e9 \\ud83d\\ude00 \\/"},"finish_reason":"stop","future_member":[1.0,2e1]}],"usage":null,"system_fingerprint":"fp"}`);
  model.on(m, up.json(bytes));
  const r = await chat(product.gateway, ask(m, CALM.en));
  const at = bytes.indexOf('\\/"}') + 2;
  assert.ok(r.buf.subarray(0, at).equals(bytes.subarray(0, at)), 'everything before the label');
  assert.ok(r.buf.subarray(r.buf.length - (bytes.length - at)).equals(bytes.subarray(at)), 'everything after it');
  assert.match(JSON.parse(r.text).choices[0].message.content, LABEL);
});

test('a stream keeps every event', async () => {
  const m = name('stream-bytes');
  const events = up.chunksOf(m, ['a', ' b', ' c']);
  events.at(-1).usage = { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 };
  model.on(m, up.sse(events, { comments: true }));
  const s = readStream((await chat(product.gateway, ask(m, CALM.en, { stream: true }))).buf);
  // Text that waits for the next may come an event later; everything else is as it was.
  const shape = (c) => JSON.stringify({ ...c, choices: c.choices.map((o) => ({ ...o, delta: Object.keys(o.delta) })) });
  labelOf(s.text, 'a b c');
  const shapes = s.chunks.map(shape);
  for (const e of events) assert.ok(shapes.includes(shape(e)), `arrives: ${shape(e)}`);
  assert.deepEqual(s.chunks.at(-1).usage, events.at(-1).usage);
  assert.ok(s.chunks.length <= events.length + 2, 'one more for the label, one for what waited');
  for (const c of s.chunks)
    for (const k of ['id', 'model', 'created', 'object']) assert.equal(c[k], events[0][k], `our chunks continue the stream: ${k}`);
  assert.ok(s.comments.some((c) => c.startsWith('keep-alive')), 'comments of the upstream pass');
});

test('a stream flows: the first token does not wait for the last', async () => {
  const m = name('flow');
  model.on(m, up.slowly(['one ', 'two ', 'three ', 'four ', 'five '], 150));
  const start = Date.now();
  const seen = [];
  const r = await chat(product.gateway, ask(m, CALM.en, { stream: true }), { onData: (d) => seen.push([Date.now() - start, d.toString()]) });
  const total = Date.now() - start;
  const first = seen.find(([, d]) => /"content":"[^"]*o/.test(d))[0];
  assert.ok(first < total - 400, `first token after ${first} ms of ${total} ms`);
  labelOf(readStream(r.buf).text, 'one two three four five ');
});

test('n choices are labelled each', async () => {
  const m = name('n-label');
  model.on(m, up.json(up.completion(m, ['first', 'second', 'third'])));
  const r = (await chat(product.gateway, ask(m, CALM.en, { n: 3 }))).json();
  for (const [i, t] of ['first', 'second', 'third'].entries()) labelOf(r.choices[i].message.content, t);
  const s = name('n-stream');
  model.on(s, up.sse([
    ...up.chunksOf(s, ['fir', 'st'], { index: 0 }).slice(0, 2), ...up.chunksOf(s, ['sec', 'ond'], { index: 1 }).slice(0, 2),
    up.chunk(s, { index: 0, delta: { content: 'st' } }), up.chunk(s, { index: 1, delta: { content: 'ond' } }),
    up.chunk(s, { index: 1, finish: 'stop' }), up.chunk(s, { index: 0, finish: 'length' }),
  ]));
  const t = readStream((await chat(product.gateway, ask(s, CALM.en, { n: 2, stream: true }))).buf);
  labelOf(t.choices[0].text, 'first');
  labelOf(t.choices[1].text, 'second');
  assert.deepEqual(t.choices.map((c) => c.finish), ['length', 'stop']);
});

test('one harmful choice withholds its text without harming the form', async () => {
  const m = name('n-harm');
  model.on(m, up.json(up.completion(m, ['fine', HARM.en])));
  const r = await chat(product.gateway, ask(m, CALM.en, { n: 2 }));
  expectAbsent(r.buf, HARM.en);
  assert.equal(r.json().choices.length, 2);
  assert.ok(r.json().choices.every((c) => c.finish_reason === 'content_filter'));
});

test('harm in every channel of an answer is withheld', async () => {
  const channels = {
    content: { content: HARM.en }, reasoning_content: { content: 'ok', reasoning_content: HARM.en },
    refusal: { content: null, refusal: HARM.en },
    arguments: { content: null, tool_calls: [{ index: 0, id: 'c', type: 'function', function: { name: 'f', arguments: JSON.stringify({ q: HARM.zh }) } }] },
    escaped: { content: null, tool_calls: [{ index: 0, id: 'c', type: 'function', function: { name: 'f', arguments: up.escapeAscii(JSON.stringify({ q: HARM.zh })) } }] },
    name: { content: null, tool_calls: [{ index: 0, id: 'c', type: 'function', function: { name: HARM.en, arguments: '{}' } }] },
    future: { content: 'ok', annotations: [{ note: HARM.en }] },
  };
  for (const [what, message] of Object.entries(channels)) {
    const phrase = JSON.stringify(message).includes(HARM.en) ? HARM.en : HARM.zh;
    const m = name(`ch-${what}`);
    model.on(m, up.json(up.completion(m, [{ message }])));
    const r = await chat(product.gateway, ask(m, CALM.en));
    assert.equal(r.headers['x-plumbline-verdict'], 'block', what);
    expectAbsent(r.buf, phrase);
    const s = name(`ch-s-${what}`);
    model.on(s, up.sse([up.chunk(s, { delta: { role: 'assistant', ...message } }), up.chunk(s, { finish: 'stop' })]));
    const t = await chat(product.gateway, ask(s, CALM.en, { stream: true }));
    expectAbsent(t.buf, phrase);
    assert.equal(readStream(t.buf).choices[0].finish, 'content_filter', what);
    assert.equal(readStream(t.buf).done, true, what);
  }
});

test('keep-alive: many requests on one connection each get their own verdict', async () => {
  const { Agent } = await import('node:http');
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const m = name('keep');
  for (let i = 0; i < 12; i++) {
    const harmful = i % 3 === 1;
    const stream = i % 2 === 1;
    model.on(m, up.plain(`answer ${i}`));
    const r = await chat(product.gateway, ask(m, harmful ? HARM.en : CALM.en, { stream }), { agent });
    assert.equal(r.headers['x-plumbline-verdict'], harmful ? 'block' : 'allow', `request ${i}`);
    const text = stream ? readStream(r.buf).text : r.json().choices[0].message.content;
    assert.equal(text.startsWith(`answer ${i}`), !harmful);
  }
  agent.destroy();
});

test('the list of models passes; nothing else does under its name', async () => {
  const { request } = await import('./lib/client.mjs');
  const { expectError } = await import('./lib/cases.mjs');
  const r = await request(`${product.gateway}/v1/models`, { headers: { authorization: 'Bearer k' } });
  assert.equal(r.status, 200);
  assert.deepEqual([model.calls.at(-1).method, model.calls.at(-1).path], ['GET', '/v1/models']);
  const before_ = model.calls.length;
  for (const method of ['POST', 'PUT', 'DELETE'])
    expectError(await request(`${product.gateway}/v1/models`, { method, body: HARM.en }), 405);
  assert.equal(model.calls.length, before_);
});

test('other paths are refused as JSON and never forwarded', async () => {
  const { request } = await import('./lib/client.mjs');
  const { expectError } = await import('./lib/cases.mjs');
  const before_ = model.calls.length;
  for (const path of ['/', '/v1', '/v1/models/x', '/v1/files', '/v1/moderations', '/v1/chat/completions/', '/v1/chat/completions/x', '/V1/chat/completions',
    '/v1/chat/completions.json', '/v1/chat%2fcompletionsx', '/v1/../v1/files', '/api/tags', '/metrics', '/v2/chat/completions'])
    expectError(await request(`${product.gateway}${path}`, { method: 'POST', body: JSON.stringify(ask('x', HARM.en)), headers: { 'content-type': 'application/json' } }), 404);
  for (const method of ['GET', 'PUT', 'DELETE', 'PATCH', 'HEAD']) {
    const r = await request(`${product.gateway}/v1/chat/completions`, { method });
    if (method === 'HEAD') assert.equal(r.status, 405);
    else expectError(r, 405);
  }
  assert.equal(model.calls.length, before_);
});
