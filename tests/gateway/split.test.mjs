// A phrase in the making never gets out: whatever way the upstream cuts text, events, lines or
// packets, no event that holds a piece of a blocked phrase reaches the client.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import * as up from './lib/upstream.mjs';
import { startProduct, takeDown } from './lib/product.mjs';
import { ask, chat, readStream } from './lib/client.mjs';
import { HARM, CALM, expectAbsent, inParallel, labelOf, name, splits } from './lib/cases.mjs';

let model, product;
before(async () => {
  model = await up.startUpstream();
  product = await startProduct({ upstream: model });
});
after(() => takeDown(product, model));

const WIDTH = 12;
const BEFORE = { zh: '先说一句。', en: 'First of all, ' };
const AFTER = { zh: `。${CALM.zh}`, en: `. ${CALM.en}` }; // English entries end at a word border

/** The stream must be blocked, whole in form, and free of every piece of the phrase. */
async function blocked(events, phrase, lead, options = {}) {
  const m = name('split');
  model.on(m, up.sse(events(m), { gap: 0, ...options }));
  const r = await chat(product.gateway, ask(m, CALM.en, { stream: true }));
  const s = readStream(r.buf);
  assert.equal(r.status, 200);
  expectAbsent(r.buf, phrase);
  assert.equal(s.choices[0].finish, 'content_filter');
  assert.equal(s.done, true);
  assert.equal(s.unfinished, false);
  assert.match(s.digest ?? '', /^[0-9a-f]{64}$/);
  if (lead) assert.ok(!s.text.includes(lead + [...phrase][0]), `not even its first character: ${s.text}`);
  return s;
}

const textEvents = (...pieces) => (m) => up.chunksOf(m, pieces);

for (const lang of ['zh', 'en']) {
  const phrase = HARM[lang];
  const lead = BEFORE[lang];

  test(`${lang}: every cut of the phrase between two chunks`, async () => {
    await inParallel(WIDTH, splits(phrase).flatMap(([a, b]) => [
      () => blocked(textEvents(lead, a, b, AFTER[lang]), phrase, lead),
      () => blocked(textEvents(lead + a, b + AFTER[lang]), phrase, lead),
      () => blocked(textEvents(a, '', b), phrase, lead),
    ]));
  });

  test(`${lang}: one character a chunk`, async () => {
    const s = await blocked(textEvents(lead, ...phrase, ...AFTER[lang]), phrase, lead);
    assert.ok(s.text.startsWith(lead), 'what was safe before it did get out');
  });

  test(`${lang}: every byte of the stream as a packet border`, async () => {
    const events = up.chunksOf('m', [lead, ...splits(phrase)[2], AFTER[lang]]);
    const from = up.sseBytes(events.slice(0, 2), { done: false }).length; // the events that hold it
    const to = up.sseBytes(events.slice(0, 4), { done: false }).length;
    await inParallel(WIDTH, Array.from({ length: to - from }, (_, i) => () =>
      blocked(() => events, phrase, lead, { cut: up.at(from + i + 1), gap: 1 })));
  });

  test(`${lang}: escapes, line ends, comments, multi-line data, a byte a packet`, async () => {
    const events = textEvents(lead, ...splits(phrase)[1], AFTER[lang]);
    const jobs = [];
    for (const ascii of [false, true])
      for (const eol of ['\n', '\r\n', '\r'])
        for (const extra of [{}, { comments: true }, { multiline: true }, { bom: true }])
          for (const cut of [up.whole, up.bytes(1), up.randomly(11)])
            jobs.push(() => blocked(events, phrase, lead, { ascii, eol, cut, ...extra }));
    await inParallel(WIDTH, jobs);
  });
}

test('every byte of an escaped stream as a packet border', async () => {
  const events = up.chunksOf('m', [HARM.zh.slice(0, 3), HARM.zh.slice(3)]);
  const from = up.sseBytes(events.slice(0, 1), { done: false }).length;
  const to = up.sseBytes(events.slice(0, 3), { ascii: true, done: false }).length;
  await inParallel(WIDTH, Array.from({ length: to - from }, (_, i) => () =>
    blocked(() => events, HARM.zh, '', { ascii: true, cut: up.at(from + i + 1), gap: 1 })));
});

test('chunk framing cut anywhere changes nothing', async () => {
  const sse = up.sseBytes(up.chunksOf('m', [...HARM.en]));
  await inParallel(WIDTH, [1, 2, 3, 5, 7, 11, 40].map((n) => async () => {
    const m = name('framing');
    model.on(m, up.wire(up.chunkedBytes(up.bytes(n + 3)(sse)), { cut: up.bytes(n), gap: 0 }));
    const r = await chat(product.gateway, ask(m, CALM.en, { stream: true }));
    expectAbsent(r.buf, HARM.en);
    assert.equal(readStream(r.buf).choices[0].finish, 'content_filter');
  }));
});

test('a phrase that only nearly happens is released whole', async () => {
  const near = HARM.en.slice(0, -1);
  for (const pieces of [[near, 'x rest'], [...near, 'x', ' rest'], [near]]) {
    const m = name('near');
    model.on(m, up.stream(pieces));
    const s = readStream((await chat(product.gateway, ask(m, CALM.en, { stream: true }))).buf);
    labelOf(s.text, pieces.join(''));
    assert.equal(s.choices[0].finish, 'stop');
  }
});

test('a phrase spread over two choices is no phrase', async () => {
  const m = name('two');
  const [a, b] = splits(HARM.en)[7];
  model.on(m, up.sse([
    up.chunk(m, { index: 0, delta: { content: a } }), up.chunk(m, { index: 1, delta: { content: b } }),
    up.chunk(m, { index: 0, finish: 'stop' }), up.chunk(m, { index: 1, finish: 'stop' }),
  ]));
  const s = readStream((await chat(product.gateway, ask(m, CALM.en, { stream: true, n: 2 }))).buf);
  labelOf(s.choices[0].text, a);
  labelOf(s.choices[1].text, b);
});

test('tool call arguments are followed through their own escapes', async () => {
  const args = up.escapeAscii(JSON.stringify({ q: HARM.zh }));
  await inParallel(WIDTH, Array.from({ length: args.length - 1 }, (_, i) => async () => {
    const m = name('tool');
    const call = (part, first) => up.chunk(m, { delta: { tool_calls: [{ index: 0, ...(first ? { id: 'c', type: 'function' } : {}), function: { ...(first ? { name: 'f' } : {}), arguments: part } }] } });
    model.on(m, up.sse([call(args.slice(0, i + 1), true), call(args.slice(i + 1), false), up.chunk(m, { finish: 'tool_calls' })], { gap: 0 }));
    const r = await chat(product.gateway, ask(m, CALM.en, { stream: true }));
    const s = readStream(r.buf);
    assert.equal(s.choices[0].finish, 'content_filter');
    const shown = s.choices[0].tools[0]?.arguments ?? '';
    assert.ok(!shown.replace(/\\u([0-9a-f]{4})/gi, (_, h) => String.fromCharCode(parseInt(h, 16))).includes(HARM.zh));
  }));
});

test('whole answers cut into packets at every byte are judged the same', async () => {
  const m0 = name('whole-cut');
  const body = Buffer.from(JSON.stringify(up.completion(m0, [BEFORE.zh + HARM.zh])));
  const from = body.indexOf(BEFORE.zh);
  await inParallel(WIDTH, Array.from({ length: Buffer.byteLength(BEFORE.zh + HARM.zh) }, (_, i) => async () => {
    const m = name('whole-cut');
    model.on(m, up.body(body, { headers: { 'content-type': 'application/json' }, cut: up.at(from + i) }));
    const r = await chat(product.gateway, ask(m, CALM.zh));
    expectAbsent(r.buf, HARM.zh);
    assert.equal(r.json().choices[0].finish_reason, 'content_filter');
  }));
});

test('after a block the upstream is let go', async () => {
  const m = name('let-go');
  let open = true;
  model.on(m, async (call) => {
    call.req.socket.on('close', () => { open = false; });
    call.res.writeHead(200, { 'content-type': 'text/event-stream' });
    call.res.write(up.sseBytes(up.chunksOf(m, [AFTER.en, `${HARM.en}. `]).slice(0, 3), { done: false }));
    await up.silent()(call);
  });
  const s = readStream((await chat(product.gateway, ask(m, CALM.en, { stream: true }))).buf);
  assert.equal(s.choices[0].finish, 'content_filter');
  await product.until('the upstream connection closes', () => !open, 3000);
});
