// Bad requests: each gives a clear OpenAI-style error or passes faithfully; none crashes,
// hangs, or brings an unscreened byte to the upstream.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import net from 'node:net';
import zlib from 'node:zlib';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import * as up from './lib/upstream.mjs';
import { startProduct, takeDown } from './lib/product.mjs';
import { ask, chat, request, tcp } from './lib/client.mjs';
import { HARM, CALM, expectError, expectHeaders, labelOf, name } from './lib/cases.mjs';

let model, product;
before(async () => {
  model = await up.startUpstream();
  product = await startProduct({ upstream: model });
});
after(() => takeDown(product, model));

const good = (m = name('ok'), extra) => JSON.stringify(ask(m, CALM.en, extra));

// Refused with 400 before the upstream hears of them.
const refused = {
  'nothing': '',
  'not JSON': 'hello',
  'cut JSON': good().slice(0, -2),
  'something after the JSON': `${good()} {}`,
  'a byte order mark': `\ufeff${good()}`,
  'an array': '[]',
  'a string': '"x"',
  'null': 'null',
  'a NUL byte': good().replace('Tulips', 'Tu\0lips'),
  'a raw line feed in a string': good().replace('Tulips', 'Tu\nlips'),
  'single quotes': "{'model':'x'}",
  'a comment': `/* x */${good()}`,
  'a trailing comma': good().replace(/\}$/, ',}'),
  'NaN': good().replace(/\}$/, ',"temperature":NaN}'),
  'a lone surrogate': good().replace('Tulips', '\\ud800'),
  'an unknown escape': good().replace('Tulips', '\\x41'),
  'no messages': JSON.stringify({ model: 'm' }),
  'messages of the wrong type': JSON.stringify({ model: 'm', messages: 'hi' }),
  'empty messages': JSON.stringify({ model: 'm', messages: [] }),
  'a message that is no object': JSON.stringify({ model: 'm', messages: ['hi'] }),
  'a message without a role': JSON.stringify({ model: 'm', messages: [{ content: 'hi' }] }),
  'content of the wrong type': JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 7 }] }),
  'stream of the wrong type': good('m', { stream: 'yes' }),
  'n below one': good('m', { n: 0 }),
  'n far above what anybody allows': good('m', { n: 100000 }),
  'messages twice': good().replace(/\}$/, ',"messages":[{"role":"user","content":"x"}]}'),
  'messages twice, once escaped': good().replace(/\}$/, ',"mess\\u0061ges":[{"role":"user","content":"x"}]}'),
  'content twice': '{"model":"m","messages":[{"role":"user","content":"a","content":"b"}]}',
  'stream twice': good().replace(/\}$/, ',"stream":true,"stream":false}'),
  'nesting without end': `{"model":"m","messages":[{"role":"user","content":"x"}],"x":${'['.repeat(5000)}${']'.repeat(5000)}}`,
};
const invalidUtf8 = {
  'a lone continuation byte': [0x80], 'an overlong form': [0xc0, 0xaf], 'an encoded surrogate': [0xed, 0xa0, 0x80],
  'a code point beyond the last': [0xf4, 0x90, 0x80, 0x80], 'a cut sequence': [0xe4, 0xbd], 'GB 18030 text': [0xc4, 0xe3, 0xba, 0xc3],
};

for (const [what, body] of Object.entries(refused)) {
  test(`refused: ${what}`, async () => {
    const calls = model.calls.length;
    const r = await chat(product.gateway, body);
    expectError(r, 400, { type: 'invalid_request_error' });
    expectHeaders(r, { verdict: 'refuse' });
    assert.equal(r.headers['x-plumbline-ai-generated'], undefined, 'nothing here was generated');
    assert.equal(model.calls.length, calls);
  });
}

for (const [what, bytes] of Object.entries(invalidUtf8)) {
  test(`refused: not UTF-8, ${what}`, async () => {
    const [head, tail] = good().split('Tulips');
    const calls = model.calls.length;
    expectError(await chat(product.gateway, Buffer.concat([Buffer.from(head), Buffer.from(bytes), Buffer.from(tail)])), 400, { type: 'invalid_request_error' });
    assert.equal(model.calls.length, calls);
  });
}

test('a refused request is an event like any other', async () => {
  const r = await chat(product.gateway, 'nonsense');
  const receipt = await product.receipt(r.headers['x-plumbline-request-id']);
  assert.equal(receipt.event.verdict, 'refuse');
  assert.equal(receipt.event.status, 400);
  assert.equal(receipt.event.upstream_status, 0);
});

test('escaped NUL, deep but allowed nesting and unknown roles pass unchanged', async () => {
  const bodies = [
    (m) => `{"model":"${m}","messages":[{"role":"user","content":"a\\u0000b"}]}`,
    (m) => `{"model":"${m}","messages":[{"role":"user","content":"x"}],"x":${'['.repeat(40)}1${']'.repeat(40)}}`,
    (m) => JSON.stringify({ model: m, messages: [{ role: 'oracle', content: 'x' }, { role: 'developer', content: 'y' }] }),
    (m) => JSON.stringify({ model: m, messages: [{ role: 'user', content: [{ type: 'text', text: 'what is this' }, { type: 'image_url', image_url: { url: 'https://example.com/a.png' } }, { type: 'input_audio', input_audio: { data: 'AAAA', format: 'wav' } }] }] }),
    (m) => JSON.stringify({ model: m, messages: [{ role: 'assistant', content: null }, { role: 'user', content: 'x' }] }),
  ];
  for (const make of bodies) {
    const m = name('pass');
    const body = make(m);
    const r = await chat(product.gateway, body);
    assert.equal(r.status, 200, `${body.slice(0, 120)} → ${r.text}`);
    assert.equal(model.callsFor(m)[0].body.toString(), body);
  }
});

test('parts that were not read are counted in the event', async () => {
  const m = name('image');
  const r = await chat(product.gateway, { model: m, messages: [{ role: 'user', content: [{ type: 'text', text: 'x' }, { type: 'image_url', image_url: { url: 'data:,' } }] }] });
  assert.equal((await product.receipt(r.headers['x-plumbline-request-id'])).event.unscreened, 1);
});

test('a body over the limit is refused, announced or not', async () => {
  const calls = model.calls.length;
  const big = Buffer.from(good(name('big')).replace('Tulips', 'x'.repeat(6 << 20)));
  const r = await chat(product.gateway, big).catch((e) => e);
  if (!(r instanceof Error)) expectError(r, 413); // the server may close while we still send
  const head = 'POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';
  const announced = await tcp(product.gateway, `${head}Content-Length: 99999999999\r\n\r\n{`);
  assert.match(announced, /^HTTP\/1\.1 413 /);
  assert.match(announced, /"error":\{/);
  assert.equal(model.calls.length, calls);
});

test('a large body below the limit goes through memory or file alike', async () => {
  for (const n of [10_000, 100_000, 3_000_000]) {
    const m = name('large');
    const text = `${'plain words and '.repeat(n / 16)}${CALM.zh}`;
    const r = await chat(product.gateway, ask(m, text));
    assert.equal(r.status, 200);
    assert.equal(model.callsFor(m)[0].json.messages[0].content, text);
    const h = name('large-harm');
    assert.equal((await chat(product.gateway, ask(h, `${text}${HARM.zh}`))).headers['x-plumbline-verdict'], 'block');
    assert.equal(model.callsFor(h).length, 0);
  }
});

test('chunked request bodies are screened too', async () => {
  for (const [text, verdict] of [[CALM.en, 'allow'], [HARM.en, 'block']]) {
    const m = name('chunked');
    const body = Buffer.from(JSON.stringify(ask(m, text)));
    const r = await request(`${product.gateway}/v1/chat/completions`, { method: 'POST', headers: { 'content-type': 'application/json', 'transfer-encoding': 'chunked' }, body });
    assert.equal(r.headers['x-plumbline-verdict'], verdict);
    assert.equal(model.callsFor(m).length, verdict === 'allow' ? 1 : 0);
  }
});

test('compressed request bodies are refused, not passed unread', async () => {
  const calls = model.calls.length;
  for (const [encoding, pack] of [['gzip', zlib.gzipSync], ['deflate', zlib.deflateSync], ['br', zlib.brotliCompressSync]]) {
    const r = await chat(product.gateway, pack(Buffer.from(good())), { headers: { 'content-encoding': encoding } });
    assert.ok([400, 415].includes(r.status), `${encoding}: ${r.status}`);
    expectError(r, r.status);
  }
  assert.equal(model.calls.length, calls);
});

test('the content type does not decide whether a body is screened', async () => {
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'application/octet-stream']) {
    const m = name('type');
    const r = await chat(product.gateway, ask(m, HARM.en), { headers: { 'content-type': type } });
    assert.ok(r.headers['x-plumbline-verdict'] === 'block' || r.status >= 400, type);
    assert.equal(model.callsFor(m).length, 0);
  }
});

test('headers of the client cannot pose as ours and secrets of hops do not travel', async () => {
  const m = name('headers');
  const r = await chat(product.gateway, ask(m, CALM.en), { headers: {
    'x-plumbline-request-id': 'forged', 'x-plumbline-verdict': 'allow', 'accept-encoding': 'gzip, br', connection: 'keep-alive, x-hop', 'x-hop': '1', te: 'trailers',
    'openai-organization': 'org-1', 'x-stainless-lang': 'js',
  } });
  assert.notEqual(expectHeaders(r, { verdict: 'allow' })['x-plumbline-request-id'], 'forged');
  const { headers } = model.callsFor(m)[0];
  assert.ok(!headers['accept-encoding'] || headers['accept-encoding'] === 'identity', 'no compression is asked of the upstream');
  assert.equal(headers['openai-organization'], 'org-1', 'what the API defines passes');
});

test('headers of the upstream cannot pose as ours', async () => {
  const m = name('up-headers');
  model.on(m, up.plain('hi', { headers: { 'x-plumbline-verdict': 'forged', 'x-plumbline-label': 'forged', 'x-plumbline-request-id': 'forged', 'x-ratelimit-remaining-requests': '7', 'set-cookie': 'a=b' } }));
  const r = await chat(product.gateway, ask(m, CALM.en));
  const h = expectHeaders(r, { verdict: 'allow', label: 'text' });
  assert.equal(h['x-ratelimit-remaining-requests'], '7');
  assert.ok(!JSON.stringify(r.headers).includes('forged'));
});

test('Expect: 100-continue is answered', async () => {
  const m = name('expect');
  const body = good(m);
  const text = await tcp(product.gateway, `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`);
  assert.match(text, /HTTP\/1\.1 200 OK/);
});

test('HTTP/1.0 and pipelined requests are answered in order', async () => {
  const m = name('old');
  const body = good(m);
  assert.match(await tcp(product.gateway, `POST /v1/chat/completions HTTP/1.0\r\nContent-Length: ${body.length}\r\n\r\n${body}`), /^HTTP\/1\.[01] 200 [\s\S]*choices/);
  const one = (b, last) => `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(b)}\r\n${last ? 'Connection: close\r\n' : ''}\r\n${b}`;
  const [a, b] = [name('first'), name('second')];
  const text = await tcp(product.gateway, one(good(a), false) + one(JSON.stringify(ask(name('blocked'), HARM.en)), false) + one(good(b), true), { wait: 5000 });
  assert.deepEqual([...text.matchAll(/x-plumbline-verdict: (\w+)/gi)].map((x) => x[1]), ['allow', 'block', 'allow']);
  assert.ok(text.indexOf(`plain answer of ${a}`) < text.indexOf(`plain answer of ${b}`));
});

test('request smuggling shapes are refused', async () => {
  const calls = model.calls.length;
  const head = 'POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';
  for (const extra of ['Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 'Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!', 'Content-Length: -1\r\n\r\n', 'Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n'])
    assert.match(await tcp(product.gateway, head + extra), /^HTTP\/1\.1 (400|501) /, extra);
  assert.equal(model.calls.length, calls);
});

test('a slow client is served', async () => {
  const m = name('slow-client');
  const body = good(m);
  const { hostname, port } = new URL(product.gateway);
  const s = net.connect(Number(port), hostname);
  await once(s, 'connect');
  s.setNoDelay(true);
  let text = '';
  s.on('data', (d) => { text += d; });
  const closed = once(s, 'close');
  s.write(`POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`);
  for (const c of body) {
    s.write(c);
    await sleep(4);
  }
  await closed;
  assert.match(text, /^HTTP\/1\.1 200 /);
});

test('a client that reads slowly gets everything', async () => {
  const m = name('slow-reader');
  const pieces = Array.from({ length: 2000 }, (_, i) => `token ${i} of a long answer, `.repeat(8));
  model.on(m, up.stream(pieces));
  const body = JSON.stringify(ask(m, CALM.en, { stream: true }));
  const { hostname, port } = new URL(product.gateway);
  const s = net.connect(Number(port), hostname);
  await once(s, 'connect');
  s.write(`POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  const parts = [];
  s.on('data', (d) => {
    parts.push(d);
    s.pause();
    setTimeout(() => s.resume(), 2);
  });
  await once(s, 'close');
  const text = Buffer.concat(parts).toString();
  assert.ok(text.includes('token 0 of') && text.includes('token 1999 of') && text.includes('data: [DONE]'));
});

test('a client that leaves while sending is forgotten', async () => {
  const calls = model.calls.length;
  for (let i = 0; i < 20; i++)
    await tcp(product.gateway, `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"model":`, { wait: 20 });
  assert.equal((await chat(product.gateway, good())).status, 200);
  assert.equal(model.calls.length, calls + 1);
});

test('a client that leaves mid-stream ends the upstream call and is an event', async () => {
  const m = name('leaver');
  let closed = false;
  model.on(m, async (call) => {
    call.req.socket.on('close', () => { closed = true; });
    await up.slowly(Array.from({ length: 200 }, (_, i) => `t${i} `), 25)(call);
  });
  const seen = await new Promise((resolve, reject) => {
    let got = '';
    chat(product.gateway, ask(m, CALM.en, { stream: true }), { onData: (d, req) => {
      got += d;
      if (got.includes('t3 ')) {
        resolve(got);
        req.destroy();
      }
    } }).catch((e) => (got ? resolve(got) : reject(e)));
  });
  assert.ok(seen.includes('t3 '));
  await product.until('the upstream call ends', () => closed, 3000);
  const found = await product.until('the event is there', async () => {
    const { json } = await product.api('GET', '/api/v1/events?limit=50');
    for (const e of json?.events ?? []) {
      const r = await request(`${product.console}/api/v1/receipts/${e.id}`);
      if (r.status === 200 && r.json().event.end === 'aborted') return r.json().event;
    }
    return null;
  }, 5000);
  assert.equal(found.stream, true);
});

test('after all that the product still serves', async () => {
  const m = name('alive');
  model.on(m, up.plain('still here'));
  labelOf((await chat(product.gateway, ask(m, CALM.en))).json().choices[0].message.content, 'still here');
  assert.equal((await product.api('GET', '/healthz')).json.status, 'ok');
});
