// Trouble behind the gateway: whatever the upstream does, the client gets a faithful answer or
// a clear error, and never a byte that was not screened.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import OpenAI from 'openai';
import * as up from './lib/upstream.mjs';
import { freePorts, startProduct, takeDown } from './lib/product.mjs';
import { ask, chat, readStream } from './lib/client.mjs';
import { HARM, CALM, expectAbsent, expectError, expectHeaders, labelOf, name } from './lib/cases.mjs';

let model, product;
before(async () => {
  model = await up.startUpstream();
  product = await startProduct({ upstream: model });
});
after(() => takeDown(product, model));

const JSON_BODY = (m, text = 'fine words') => Buffer.from(JSON.stringify(up.completion(m, [text])));

async function call(behaviour, extra = {}, options = {}) {
  const m = name('up');
  model.on(m, typeof behaviour === 'function' && behaviour.length === 0 ? behaviour() : behaviour);
  return chat(product.gateway, ask(m, CALM.en, extra), options);
}

// --- whole answers -----------------------------------------------------------------------

const errors = {
  400: { error: { message: 'bad', type: 'invalid_request_error', param: 'temperature', code: null } },
  401: { error: { message: 'no key', type: 'authentication_error', param: null, code: 'invalid_api_key' } },
  404: { error: { message: 'no such model', type: 'invalid_request_error', param: null, code: 'model_not_found' } },
  429: { error: { message: 'slow down', type: 'rate_limit_error', param: null, code: 'rate_limit_exceeded' } },
  500: { error: { message: 'oops', type: 'server_error', param: null, code: null } },
  503: { error: { message: 'overloaded', type: 'server_error', param: null, code: null } },
};
for (const [status, body] of Object.entries(errors)) {
  for (const stream of [false, true]) {
    test(`${status} with JSON passes as it is${stream ? ', stream asked' : ''}`, async () => {
      const r = await call(up.json(body, { status: Number(status), headers: { 'retry-after': '7', 'x-request-id': 'up-1' } }), { stream });
      assert.equal(r.status, Number(status));
      assert.deepEqual(r.json(), body);
      assert.equal(r.headers['retry-after'], '7');
      assert.equal(r.headers['x-should-retry'], undefined, 'whether to try again is the upstream\'s word');
      expectHeaders(r, { verdict: 'error' });
      assert.notEqual(r.headers['x-plumbline-label'], 'text');
    });
  }
}

test('an HTML error page passes as it is and is no model answer', async () => {
  const html = '<html><body><h1>502 Bad Gateway</h1></body></html>';
  const r = await call(up.body(Buffer.from(html), { status: 502, headers: { 'content-type': 'text/html' } }));
  assert.equal(r.status, 502);
  assert.equal(r.text, html);
  assert.match(r.headers['content-type'], /^text\/html/);
});

test('an error page is screened as well', async () => {
  for (const [type, body] of [['text/html', `<p>${HARM.en}</p>`], ['application/json', JSON.stringify({ error: { message: HARM.zh } })], ['text/plain', HARM.zh]]) {
    const r = await call(up.body(Buffer.from(body), { status: 500, headers: { 'content-type': type } }));
    expectAbsent(r.buf, HARM.en);
    expectAbsent(r.buf, HARM.zh);
    expectError(r, 502);
  }
});

test('an upstream that is down is a 502 in the words of the API', async () => {
  const [port] = await freePorts(1);
  const down = await startProduct({ upstream: `http://127.0.0.1:${port}` });
  try {
    const r = await chat(down.gateway, ask('m', CALM.en));
    expectError(r, 502, { type: 'server_error' });
    expectHeaders(r, { verdict: 'error' });
    const receipt = await down.receipt(r.headers['x-plumbline-request-id']);
    assert.equal(receipt.event.verdict, 'error');
    expectError(await chat(down.gateway, ask('m', CALM.en, { stream: true })), 502);
    assert.equal((await chat(down.gateway, ask('m', HARM.en))).status, 200, 'a block needs no upstream');
  } finally {
    await down.stop();
  }
});

const broken = {
  'closes without a byte': () => up.hangup(),
  'resets the connection': () => up.hangup({ reset: true }),
  'promises more than it sends': (c) => up.short(JSON_BODY(c.model), 500)(c),
  'sends half of its JSON': (c) => up.short(JSON_BODY(c.model).subarray(0, 60), 500)(c),
  'cuts a chunked answer': (c) => up.wire(up.chunkedBytes([JSON_BODY(c.model)], { type: 'application/json', end: false }))(c),
  'resets in the middle': (c) => up.wire(up.chunkedBytes([JSON_BODY(c.model).subarray(0, 50)], { type: 'application/json', end: false }), { reset: true, gap: 30 })(c),
  'is no HTTP server': (c) => up.wire(Buffer.from('SSH-2.0-OpenSSH_9.2\r\n'))(c),
  'breaks the chunk framing': (c) => up.wire(Buffer.from('HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{"a":1}\r\n0\r\n\r\n'))(c),
  'answers with invalid JSON': () => up.json('{"choices": [}'),
  'answers with nothing': () => up.json(''),
  'answers with invalid UTF-8': () => up.json(Buffer.concat([Buffer.from('{"choices":[{"index":0,"message":{"role":"assistant","content":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}}]}')])),
  'answers with two JSON values': (c) => up.json(Buffer.concat([JSON_BODY(c.model), JSON_BODY(c.model)]))(c),
  'answers with a list': () => up.json('[]'),
  'answers with HTML and status 200': () => up.body(Buffer.from('<html>login</html>'), { headers: { 'content-type': 'text/html' } }),
  'answers without a content type': () => up.body(Buffer.from('hello')),
  'sends a response head without end': (c) => up.wire(Buffer.from(`HTTP/1.1 200 OK\r\nX-Long: ${'x'.repeat(200_000)}\r\n`))(c),
};
for (const [what, behaviour] of Object.entries(broken)) {
  test(`an upstream that ${what} is a 502`, async () => {
    const r = await call(behaviour);
    expectError(r, 502, { type: 'server_error' });
    expectHeaders(r, { verdict: 'error' });
    assert.equal(r.cut, false);
    assert.equal(r.headers['x-plumbline-label'], 'none');
  });
}

test('a compressed answer is opened or refused, never passed unread', async () => {
  for (const text of ['fine words', HARM.en]) {
    const r = await call((c) => up.gzipped(JSON_BODY(c.model, text))(c));
    assert.notDeepEqual([...r.buf.subarray(0, 2)], [0x1f, 0x8b]);
    expectAbsent(r.buf, HARM.en);
    if (r.status === 200) assert.equal(r.headers['content-encoding'], undefined);
    else expectError(r, 502);
    const s = await call((c) => up.gzipped(up.sseBytes(up.chunksOf(c.model, [text])), 'text/event-stream')(c), { stream: true });
    assert.notDeepEqual([...s.buf.subarray(0, 2)], [0x1f, 0x8b]);
    expectAbsent(s.buf, HARM.en);
  }
});

test('an upstream cannot lead an answer around the guard', async () => {
  const ways = {
    'a tunnel by 101': (c) => up.wire(Buffer.from(`HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: ${HARM.en.length}\r\n\r\n${HARM.en}`))(c),
    'a 100 before the answer': (c) => up.wire(Buffer.concat([Buffer.from('HTTP/1.1 100 Continue\r\n\r\n'), Buffer.from(`HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${JSON_BODY(c.model, HARM.en).length}\r\n\r\n`), JSON_BODY(c.model, HARM.en)]))(c),
    'a redirect inside': (c) => up.body(JSON_BODY(c.model, HARM.en), { headers: { 'content-type': 'application/json', 'x-accel-redirect': '/v1/models' } })(c),
  };
  for (const [what, behaviour] of Object.entries(ways)) {
    const r = await call(behaviour, {}, { headers: { connection: 'upgrade', upgrade: 'x' } });
    expectAbsent(r.buf, HARM.en);
    assert.ok(r.headers['x-plumbline-verdict'], what);
  }
});

test('an answer beyond the limit is refused', async () => {
  expectError(await call(up.huge(12 << 20)), 502, { type: 'server_error' });
});

test('a large answer below the limit arrives whole', async () => {
  const r = await call(up.huge(2_000_000));
  labelOf(r.json().choices[0].message.content, 'lorem ipsum '.repeat(Math.ceil(2_000_000 / 12)));
});

test('a slow upstream is waited for', async () => {
  const r = await call(up.plain('late', { delay: 2500 }));
  labelOf(r.json().choices[0].message.content, 'late');
});

test('a client that gives up on a silent upstream frees it', async () => {
  const m = name('silent');
  let gone = false;
  model.on(m, async (c) => {
    await up.silent()(c);
    gone = true;
  });
  await assert.rejects(chat(product.gateway, ask(m, CALM.en), { timeout: 500 }), /no answer within/);
  await product.until('the upstream call ends', () => gone, 3000);
});

test('a stream asked for, a whole answer given: it is judged and labelled as one', async () => {
  const r = await call((c) => up.json(up.completion(c.model, ['fine words']))(c), { stream: true });
  labelOf(r.json().choices[0].message.content, 'fine words');
  const h = await call((c) => up.json(up.completion(c.model, [HARM.en]))(c), { stream: true });
  expectAbsent(h.buf, HARM.en);
});

test('a whole answer asked for, a stream given: it is judged as a stream', async () => {
  const r = await call((c) => up.stream(['fine ', 'words'])(c));
  labelOf(readStream(r.buf).text, 'fine words');
  const h = await call((c) => up.stream([HARM.en.slice(0, 8), HARM.en.slice(8)])(c));
  expectAbsent(h.buf, HARM.en);
});

test('unusual but valid shapes pass', async () => {
  const shapes = [
    { id: 'x', object: 'chat.completion', choices: [] },
    { choices: [{ index: 0, message: { role: 'assistant', content: null }, finish_reason: 'stop' }] },
    { choices: [{ index: 0, message: null, finish_reason: 'stop' }] },
    { object: 'error', message: 'a vLLM error with status 200', code: 400 },
  ];
  for (const shape of shapes) {
    const r = await call(up.json(shape));
    assert.equal(r.status, 200);
    assert.deepEqual(r.json(), shape);
  }
});

// --- streams -------------------------------------------------------------------------------

const sseOf = (...parts) => Buffer.concat(parts.map((p) => (Buffer.isBuffer(p) ? p : Buffer.from(p))));
const event = (o) => up.sseBytes([o], { done: false });
const first = (m) => event(up.chunk(m, { delta: { role: 'assistant', content: 'fine words' } }));

// After text has gone out the end must be visible: an error event, which SDKs throw.
const brokenStreams = {
  'closes early': (c) => up.sseRaw(first(c.model), { end: 'finish' })(c),
  'is cut': (c) => up.sseRaw(first(c.model), { end: 'cut', gap: 20 })(c),
  'is reset': (c) => up.sseRaw(first(c.model), { end: 'reset', gap: 30, cut: (b) => [b, Buffer.alloc(0)] })(c),
  'ends inside an event': (c) => up.sseRaw(sseOf(first(c.model), 'data: {"id":"x","choi'), { end: 'finish' })(c),
  'ends inside a character': (c) => up.sseRaw(sseOf(first(c.model), Buffer.from('data: {"choices":[{"index":0,"delta":{"content":"你').subarray(0, -1)), { end: 'finish' })(c),
  'sends invalid JSON': (c) => up.sseRaw(sseOf(first(c.model), 'data: {"choices":[}\n\n', first(c.model), 'data: [DONE]\n\n'))(c),
  'sends invalid UTF-8': (c) => up.sseRaw(sseOf(first(c.model), 'data: {"choices":[{"index":0,"delta":{"content":"', Buffer.from([0xff]), '"}}]}\n\ndata: [DONE]\n\n'))(c),
  'breaks the chunk framing': (c) => up.wire(sseOf('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n', first(c.model).length.toString(16), '\r\n', first(c.model), '\r\nzz\r\n'), { gap: 20 })(c),
};
for (const [what, behaviour] of Object.entries(brokenStreams)) {
  test(`a stream that ${what} ends with an error, not silently`, async () => {
    const m = name('broken');
    model.on(m, behaviour);
    const r = await chat(product.gateway, ask(m, CALM.en, { stream: true }));
    const s = readStream(r.buf);
    assert.ok(s.error, `an error event: ${r.text}`);
    assert.equal(typeof s.error.message, 'string');
    assert.equal(s.choices[0]?.finish ?? null, null, 'no made-up finish reason');
    assert.ok(!r.text.includes('{"id":"x","choi'), 'no broken event');
    assert.equal(s.unfinished, false);
    assert.match(s.event ?? '', /^[0-9a-z]{26}$/);
    const sdk = new OpenAI({ baseURL: `${product.gateway}/v1`, apiKey: 'k', maxRetries: 0 });
    await assert.rejects(async () => {
      for await (const c of await sdk.chat.completions.create(ask(m, CALM.en, { stream: true }))) void c;
    }, OpenAI.APIError);
    const { event: e } = await product.receipt(s.event);
    assert.equal(e.verdict, 'error');
  });
}

test('an error event of the upstream passes and the SDK throws it', async () => {
  const m = name('sse-error');
  model.on(m, (c) => up.sseRaw(sseOf(first(c.model), 'data: {"error":{"message":"context too long","type":"invalid_request_error","code":"context_length_exceeded","param":null}}\n\n', 'data: [DONE]\n\n'))(c));
  const s = readStream((await chat(product.gateway, ask(m, CALM.en, { stream: true }))).buf);
  assert.equal(s.error.code, 'context_length_exceeded');
  assert.equal(s.done, true);
});

test('what follows [DONE] is not passed', async () => {
  const m = name('after-done');
  model.on(m, (c) => up.sseRaw(sseOf(up.sseBytes(up.chunksOf(c.model, ['fine words'])), event(up.chunk(c.model, { delta: { content: HARM.en } }))))(c));
  const r = await chat(product.gateway, ask(m, CALM.en, { stream: true }));
  expectAbsent(r.buf, HARM.en);
  labelOf(readStream(r.buf).text, 'fine words');
});

test('other fields and event names of the stream pass', async () => {
  const m = name('fields');
  model.on(m, (c) => up.sseRaw(sseOf('id: 7\nevent: message\nretry: 100\n', first(c.model), up.sseBytes([up.chunk(c.model, { finish: 'stop' })])))(c));
  const r = await chat(product.gateway, ask(m, CALM.en, { stream: true }));
  labelOf(readStream(r.buf).text, 'fine words');
  assert.match(r.text, /^event: message$/m);
});

test('harm in comments, names and fields of a stream does not pass', async () => {
  for (const line of [`: ${HARM.en}\n\n`, `event: ${HARM.en}\n`, `id: ${HARM.zh}\n`, `note: ${HARM.zh}\n`, `data: ${HARM.en}\n\n`]) {
    const m = name('sse-fields');
    model.on(m, (c) => up.sseRaw(sseOf(first(c.model), line, first(c.model), up.sseBytes([up.chunk(c.model, { finish: 'stop' })])))(c));
    const r = await chat(product.gateway, ask(m, CALM.en, { stream: true }));
    expectAbsent(r.buf, HARM.en);
    expectAbsent(r.buf, HARM.zh);
  }
});

test('an event beyond the limit ends the stream with an error', async () => {
  const m = name('huge-event');
  model.on(m, (c) => up.sseRaw(sseOf(first(c.model), event(up.chunk(c.model, { delta: { content: 'x'.repeat(12 << 20) } }))))(c));
  const r = await chat(product.gateway, ask(m, CALM.en, { stream: true }));
  assert.ok(readStream(r.buf).error);
});

test('a stream of ten thousand events arrives whole', async () => {
  const m = name('long');
  const pieces = Array.from({ length: 10_000 }, (_, i) => `${i},`);
  model.on(m, up.stream(pieces, { cut: up.bytes(16_384), gap: 0 }));
  const s = readStream((await chat(product.gateway, ask(m, CALM.en, { stream: true }), { timeout: 60_000 })).buf);
  labelOf(s.text, pieces.join(''));
});

test('after all that the product still serves and no slot leaked', async () => {
  const r = await call((c) => up.plain('still here')(c));
  labelOf(r.json().choices[0].message.content, 'still here');
  await product.until('all events are stored', async () => (await product.api('GET', '/api/v1/overview')).json.events_pending === 0, 5000);
});
