// What surrounds the surfaces: unknown paths, encodings, Expect, HTTP/2, answers cut short, tenants
// side by side.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import zlib from 'node:zlib';
import * as up from './lib/upstream.mjs';
import { answers, AUDIO } from './lib/surfaces.mjs';
import { startProduct, takeDown } from './lib/product.mjs';
import { overHttp2 } from './lib/http2.mjs';
import { ask, chat, readStream, request, tcp } from './lib/client.mjs';
import { CALM, HARM, expectAbsent, expectError, inParallel, labelOf, name } from './lib/cases.mjs';

let model, product;
before(async () => {
  model = await up.startUpstream();
  product = await startProduct({ upstream: model });
});
after(() => takeDown(product, model));

const post = (route, value, headers = {}) => {
  const body = Buffer.isBuffer(value) ? value : Buffer.from(JSON.stringify(value));
  return request(`${product.gateway}${route}`, { method: 'POST', body, headers: { 'content-type': 'application/json', 'content-length': body.length, ...headers } });
};

test('Expect: 100-continue is answered, and the body judged', async () => {
  const m = name('expect');
  for (const [text, want] of [[CALM.en, /"finish_reason":"stop"/], [HARM.en, /"finish_reason":"content_filter"/]]) {
    const body = JSON.stringify(ask(m, text));
    const head = `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n`;
    const got = await tcp(product.gateway, [head, body]);
    assert.match(got, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 /);
    assert.match(got, want);
  }
  assert.equal(model.callsFor(m).length, 1);
});

test('two requests in one packet are answered one after the other', async () => {
  const m = name('pipe');
  const one = (text, end) => {
    const body = JSON.stringify(ask(m, text));
    return `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n${end ? 'Connection: close\r\n' : ''}\r\n${body}`;
  };
  const got = await tcp(product.gateway, one(HARM.en) + one(CALM.en, true));
  assert.deepEqual([...got.matchAll(/"finish_reason":"(\w+)"/g)].map((x) => x[1]), ['content_filter', 'stop']);
});

test('a compressed request is refused and says why', async () => {
  for (const [encoding, pack] of [['gzip', zlib.gzipSync], ['br', zlib.brotliCompressSync]]) {
    const r = await post('/v1/messages', pack(Buffer.from(JSON.stringify(ask('x', CALM.en)))), { 'content-encoding': encoding });
    assert.equal(expectError(r, 415).code, 'unsupported_encoding');
  }
  assert.equal((await post('/v1/chat/completions', ask(name('id'), CALM.en), { 'content-encoding': 'identity' })).status, 200);
});

test('no compression is asked of the upstream on any surface; what is compressed all the same is refused', async () => {
  for (const [route, body] of [['/v1/responses', { input: 'x' }], ['/v1/messages', { max_tokens: 9, messages: [{ role: 'user', content: 'x' }] }], ['/api/chat', { messages: [{ role: 'user', content: 'x' }] }]]) {
    const m = name('packed');
    model.on(m, up.gzipped(Buffer.from('{"text":"x"}')));
    const r = await post(route, { model: m, ...body }, { 'accept-encoding': 'gzip, br' });
    assert.equal(r.status, 502, r.text);
    assert.match(r.text, /upstream_encoding/);
    assert.ok(!model.callsFor(m)[0].headers['accept-encoding']);
  }
});

test('sound that breaks off is seen to be broken off', async () => {
  for (const end of ['cut', 'reset']) {
    const m = name('sound');
    model.on(m, up.sseRaw(AUDIO, { type: 'audio/mpeg', end }));
    const r = await post('/v1/audio/speech', { model: m, voice: 'v', input: 'hello' }).catch((e) => ({ cut: e.code === 'ECONNRESET' }));
    assert.ok(r.cut, `${end}: the client must not take it for complete`);
  }
});

test('HTTP/2 clients: whole, streamed, refused', () => overHttp2(product, async (send) => {
  const m = name('h2');
  model.on(m, answers.chat({ pieces: ['Tulips ', 'open.'], gap: 0, cut: up.bytes(9) }));
  const [a, b, c, d] = await Promise.all([send(ask(m, CALM.en)), send(ask(m, CALM.en, { stream: true })), send(ask(m, HARM.en)), send(ask(m, HARM.en, { stream: true }))]);
  labelOf(JSON.parse(a.buf).choices[0].message.content, 'Tulips open.');
  labelOf(readStream(b.buf).text, 'Tulips open.');
  assert.equal(JSON.parse(c.buf).choices[0].finish_reason, 'content_filter');
  assert.equal(readStream(d.buf).choices[0].finish, 'content_filter');
  for (const r of [a, b, c, d]) assert.equal(r.status, 200);
}));

test('no request sees another\'s data: tenants side by side on every surface', async () => {
  const kinds = { '/v1/chat/completions': ['chat', (t) => ({ messages: [{ role: 'user', content: t }] })], '/v1/messages': ['messages', (t) => ({ max_tokens: 9, messages: [{ role: 'user', content: t }] })], '/v1/responses': ['responses', (t) => ({ input: t })], '/api/chat': ['ollamaChat', (t) => ({ messages: [{ role: 'user', content: t }] })] };
  const jobs = [];
  for (let i = 0; i < 200; i++)
    for (const [route, [kind, body]] of Object.entries(kinds))
      jobs.push(async () => {
        const mark = `tenant${i}${kind}`;
        const m = name(mark);
        model.on(m, answers[kind]({ pieces: [`I am `, mark.slice(0, 7), mark.slice(7), ` of forty`], gap: 0 }));
        const r = await post(route, { model: m, stream: i % 2 === 0, ...body(`${mark} asks`) });
        const marks = new Set(r.text.match(/tenant\d+[a-zA-Z]+/g) ?? []);
        for (const found of marks) assert.ok(mark.startsWith(found) || found.startsWith(mark), `${found} in the answer for ${mark}`);
        assert.equal(model.callsFor(m)[0].body.toString().includes(mark), true);
      });
  await inParallel(24, jobs);
});

test('unknown paths: refused, or passed unread and on record, as the route says', async () => {
  const value = { model: name('files'), purpose: HARM.en };
  model.on(value.model, up.json({ ok: true, said: HARM.en }));
  expectError(await post('/v1/files', value), 404);
  assert.equal(model.callsFor(value.model).length, 0);
  const policy = path.join(product.dir, 'policy/default.yaml');
  fs.writeFileSync(policy, fs.readFileSync(policy, 'utf8').replace(/unknown: *refuse/, 'unknown: pass'));
  assert.equal((await product.api('POST', '/api/v1/policy/activate', {})).status, 200);
  const r = await product.until('the new policy is in force', async () => {
    const one = await post('/v1/files?x=1', value);
    return one.status === 200 && one;
  }, 3000);
  assert.equal(r.json().said, HARM.en);
  assert.equal(model.callsFor(value.model).at(-1).path, '/v1/files?x=1');
  assert.equal(r.headers['x-plumbline-ai-generated'], undefined);
  const receipt = await product.receipt(r.headers['x-plumbline-request-id']);
  assert.equal(receipt.event.surface, 'unknown');
  assert.equal(receipt.event.reason, 'unknown_surface');
  await product.until('any method', async () => (await request(`${product.gateway}/api/tags`)).status === 200, 3000);
  expectAbsent((await post('/v1/chat/completions', ask(name('still'), HARM.en))).buf, HARM.en);
});

test('personal data: a pseudonym to the model, the original back to the client', async () => {
  const policy = path.join(product.dir, 'policy/default.yaml');
  fs.writeFileSync(policy, fs.readFileSync(policy, 'utf8').replace('packs: [lexicon-starter]', 'packs: [lexicon-starter]\ndetectors: [pii.email, pii.cn_mobile]')
    .replace(/( +)input:\n/, '$1input:\n$1  - {category: "pii.*", action: redact}\n').replace(/( +)output:\n/, '$1output:\n$1  - {category: "pii.*", action: replace}\n'));
  assert.equal((await product.api('POST', '/api/v1/policy/activate', {})).status, 200);
  const m = name('pii');
  const mail = 'ann.lee@example.org';
  const echo = (call) => {
    const text = call.json.messages.at(-1).content;
    return up.sse(up.chunksOf(m, [...text]), { gap: 0 })(call);
  };
  model.on(m, echo);
  const send = () => chat(product.gateway, ask(m, `Write to ${mail} please`, { stream: true }));
  const r = await product.until('the new policy is in force', async () => {
    const one = await send();
    return !model.callsFor(m).at(-1).body.includes(mail) && one;
  }, 3000);
  labelOf(readStream(r.buf).text, `Write to ${mail} please`);
  const { body } = model.callsFor(m).at(-1);
  assert.match(body.toString(), /Write to EMAIL_[0-9a-f]{12} please/);
  assert.equal(Number(model.callsFor(m).at(-1).headers['content-length']), body.length);
  const masked = name('mask');
  model.on(masked, answers.chat({ pieces: ['Call 1381', '2345678', ' now'] }));
  await product.until('in every worker', async () => readStream((await chat(product.gateway, ask(masked, 'hi', { stream: true }))).buf).text.startsWith('Call 138****5678 now'), 3000);
  const { event } = await product.receipt(readStream(r.buf).event);
  assert.equal(event.input.findings.find((f) => f.category === 'pii.email').action, 'redact');
});
