// The scripted model and the readers of these tests, tested by themselves: a harness that does
// not do what a script says would make every other test here worthless.
import { test, after } from 'node:test';
import assert from 'node:assert/strict';
import zlib from 'node:zlib';
import OpenAI from 'openai';
import * as up from './lib/upstream.mjs';
import { ask, chat, parseSse, readStream } from './lib/client.mjs';
import { assertNoCrash } from './lib/product.mjs';
import { leafHash, rootFromInclusion, openCheckpoint, parseVkey } from './lib/verify.mjs';

const model = await up.startUpstream();
after(() => model.close());
const sdk = new OpenAI({ baseURL: `${model.url}/v1`, apiKey: 'sk-test', maxRetries: 0 });

test('a plain answer is what the SDK reads', async () => {
  model.on('plain', up.plain('你好, world'));
  const r = await sdk.chat.completions.create(ask('plain', 'hi'));
  assert.equal(r.choices[0].message.content, '你好, world');
  assert.equal(model.callsFor('plain')[0].headers.authorization, 'Bearer sk-test');
});

for (const [name, cut] of Object.entries({ whole: up.whole, byte: up.bytes(1), random: up.randomly(7) })) {
  for (const eol of ['\n', '\r\n', '\r']) {
    test(`a stream cut by ${name} with ${JSON.stringify(eol)} reads the same`, async () => {
      const id = `s-${name}-${eol.length}${eol.charCodeAt(0)}`;
      model.on(id, up.stream(['你', '好', ', wor', 'ld\n"', '\\'], { cut, eol, gap: 0, comments: true, bom: eol === '\n', ascii: eol === '\r' }));
      const r = await chat(model.url, ask(id, 'hi', { stream: true }));
      const s = readStream(r.buf);
      assert.equal(s.text, '你好, world\n"\\');
      assert.equal(s.choices[0].finish, 'stop');
      assert.equal(s.done, true);
      assert.equal(s.unfinished, false);
    });
  }
}

test('the SDK reads a stream that is cut at every byte', async () => {
  model.on('sdk-bytes', up.stream(['甲', '乙', '丙'], { cut: up.bytes(1), gap: 0 }));
  let text = '';
  for await (const c of await sdk.chat.completions.create(ask('sdk-bytes', 'x', { stream: true }))) text += c.choices[0]?.delta?.content ?? '';
  assert.equal(text, '甲乙丙');
});

test('multi-line data is one event', () => {
  const { events } = parseSse(up.sseBytes([up.chunk('m', { delta: { content: 'a' } })], { multiline: true }));
  assert.equal(events.length, 2);
  assert.equal(JSON.parse(events[0]).choices[0].delta.content, 'a');
  assert.ok(events[0].includes('\n'));
});

test('an event without its blank line is not an event', () => {
  const r = parseSse(Buffer.from('data: {"a":1}\n\ndata: {"b":2}\n'));
  assert.deepEqual(r.events, ['{"a":1}']);
  assert.equal(r.unfinished, true);
});

test('short, cut and reset answers break where the script says', async () => {
  model.on('short', up.short(Buffer.from('{"a":'), 100));
  const short = await chat(model.url, ask('short', 'x'));
  assert.deepEqual([short.text, short.cut], ['{"a":', true]);
  const bytes = up.sseBytes(up.chunksOf('m', ['a']), { done: false });
  model.on('cut', up.sseRaw(bytes, { end: 'cut' }));
  const cut = await chat(model.url, ask('cut', 'x'));
  assert.deepEqual([cut.buf.equals(bytes), cut.cut], [true, true]);
  model.on('reset', up.sseRaw(bytes, { end: 'reset', gap: 30, cut: (b) => [b, Buffer.alloc(0)] }));
  assert.equal((await chat(model.url, ask('reset', 'x'))).cut, true);
  model.on('hangup', up.hangup({ reset: true }));
  await assert.rejects(chat(model.url, ask('hangup', 'x')), /ECONNRESET|hang up/);
});

test('gzip that nobody asked for is gzip', async () => {
  model.on('gzip', up.gzipped(Buffer.from('{"a":1}')));
  const r = await chat(model.url, ask('gzip', 'x'), { headers: { 'accept-encoding': 'identity' } });
  assert.equal(r.headers['content-encoding'], 'gzip');
  assert.equal(zlib.gunzipSync(r.buf).toString(), '{"a":1}');
});

test('raw wire bytes may split the chunk framing', async () => {
  const sse = up.sseBytes(up.chunksOf('m', ['x', 'y']));
  model.on('wire', up.wire(up.chunkedBytes(up.bytes(9)(sse)), { cut: up.bytes(3), gap: 0 }));
  const r = await chat(model.url, ask('wire', 'x'));
  assert.deepEqual([r.buf.equals(sse), r.cut], [true, false]);
});

test('cuts lose and invent nothing', () => {
  const b = Buffer.from('0123456789');
  for (const cut of [up.whole, up.bytes(1), up.bytes(3), up.at(4, 9), up.at(0, 10), up.randomly(3, 4)])
    assert.equal(Buffer.concat(cut(b)).toString(), '0123456789');
  assert.deepEqual(up.at(4, 9)(b).map(String), ['0123', '45678', '9']);
});

// Published vectors: C2SP signed-note example key, and an RFC 6962 tree built by hand.
test('the verifier accepts a published note and refuses a changed one', () => {
  const key = parseVkey('plumbline.example/ledger+3d396d79+AdBKsjJ0K7SrOhNovUYV5ObQIkq3GgFrr4UgozLJd4c3');
  const note = 'plumbline.example/ledger\n300\nW9pKalB5BzkmRG3RkxWkyw1FLGPhJcJMgPDg6P7wyJc=\n\n'
    + '\u2014 plumbline.example/ledger PTltecQf3JOeYL9ozNRlhdcrIShboWrepRP+N7FiIm+dgy+YLkjCIT7kh32AaDX6zarwc3mkRWipGyaQ4541SBQrUQE=\n';
  assert.equal(openCheckpoint(note, key).size, 300);
  assert.throws(() => openCheckpoint(note.replace('300', '301'), key), /checkpoint signature/);
});

test('the verifier follows an inclusion proof and refuses a wrong one', () => {
  const L = ['a', 'b', 'c'].map((s) => leafHash(Buffer.from(s)));
  const root = rootFromInclusion(2, 3, L[2], [rootFromInclusion(0, 2, L[0], [L[1]])]);
  assert.deepEqual(rootFromInclusion(0, 3, L[0], [L[1], L[2]]), root);
  assert.notDeepEqual(rootFromInclusion(1, 3, L[0], [L[1], L[2]]), root);
  assert.throws(() => rootFromInclusion(0, 3, L[0], [L[1]]), /too short/);
  assert.throws(() => rootFromInclusion(2, 3, L[2], [L[0], L[1]]), /too long/);
});

test('a crash or a sanitizer in the logs of the product fails a test', () => {
  for (const bad of ['worker process 12 exited on signal 11 (core dumped)', 'worker process 12 exited on signal 6', '==3==ERROR: AddressSanitizer: heap-use-after-free',
    'x.c:1:2: runtime error: null pointer', "plumblined: x.c:3: f: Assertion `a' failed."])
    assert.throws(() => assertNoCrash(`before\n${bad}\nafter`), /a process crashed/, bad);
  for (const fine of ['worker process 12 exited on signal 9', 'worker process 12 exited with code 0', 'SIGHUP received']) assertNoCrash(fine);
});
