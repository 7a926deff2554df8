// A guard model that is asked about answers, through the real gateway: what waits, what goes on, and what
// happens when the guard model, the upstream or the client does not play along.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import OpenAI from 'openai';
import fs from 'node:fs';
import path from 'node:path';
import * as up from './lib/upstream.mjs';
import { answers } from './lib/surfaces.mjs';
import { startProduct, takeDown } from './lib/product.mjs';
import { askGuardModel } from './lib/guard-model.mjs';
import { overHttp2 } from './lib/http2.mjs';
import { ask, chat, readStream, request } from './lib/client.mjs';
import { CALM, name } from './lib/cases.mjs';

const GUARD = 'guard-model';
const SOURCE = `policy: opinions
version: 1
packs: [lexicon-starter]
detectors: [pii.email, pii.cn_mobile]
routes:
  default:
    second_opinion: {model: ${GUARD}, prompt: "request: {text}", answer_prompt: "answer: {text}"}
    input: [{category: pii.email, action: log}]
    output:
      - {category: "harm.*", min_severity: 2, action: block}
      - {category: pii.email, action: second_opinion}
      - {category: pii.cn_mobile, action: second_opinion, fail: open}
    label: {explicit: false}
    answers: {default: {zh: 不能回答, en: "not answered"}}
`;
const MAIL = 'someone@example.org';
const PIECES = ['Here ', 'is it: ', 'some', 'one@', 'example', '.org', ' for you', '. Bye', '.'];
const TEXT = PIECES.join('');
const MOBILE = ['Call ', '138001', '38000', ' please', '.'];

let model, product;
before(async () => {
  model = await up.startUpstream();
  product = await startProduct({
    upstream: model,
    configure(dir) {
      fs.writeFileSync(path.join(dir, 'policy/default.yaml'), SOURCE);
      askGuardModel(dir, model.url, '1500ms');
    },
  });
});
after(() => takeDown(product, model));

const guardSays = (text, options = {}) => model.on(GUARD, up.json(up.completion(GUARD, [text]), options));
const eventOf = async (r) => (await product.receipt(r.headers['x-plumbline-request-id'])).event;
const questions = () => model.callsFor(GUARD).map((c) => c.json.messages[0].content);
const send = async (pieces, { stream = false, behaviour, ...options } = {}) => {
  const m = name('o');
  model.on(m, behaviour ?? answers.chat({ pieces, cut: up.bytes(17) }));
  const r = await chat(product.gateway, ask(m, CALM.en, { stream }), options);
  return { r, m, event: await eventOf(r), text: stream ? readStream(r.buf).choices[0]?.text : r.status === 200 ? r.json().choices[0].message.content : null };
};

for (const stream of [false, true]) {
  const kind = stream ? 'stream' : 'whole answer';

  test(`${kind}: what the guard model finds safe goes on unchanged`, async () => {
    guardSays('safe', { delay: 50 });
    const before = questions().length;
    const { text, event, r } = await send(PIECES, { stream });
    assert.equal(text, TEXT);
    assert.equal(event.verdict, 'allow');
    assert.equal(event.second_opinion_output, 'safe');
    assert.equal(event.second_opinion, undefined);
    assert.equal(event.bypasses, undefined);
    assert.match(questions()[before], /^answer: /);
    assert.ok(questions()[before].includes(MAIL));
    assert.equal(questions().length, before + 1);
    if (stream) assert.ok(readStream(r.buf).done);
  });

  test(`${kind}: what it finds unsafe is withheld`, async () => {
    guardSays('unsafe\nS7', { delay: 20 });
    const { text, event, r } = await send(PIECES, { stream });
    assert.ok(!r.text.includes('someone') && !r.text.includes('example'));
    assert.match(text, /not answered/);
    assert.equal(event.verdict, 'block');
    assert.equal(event.direction, 'output');
    assert.equal(event.second_opinion_output, 'unsafe');
    if (stream) assert.equal(readStream(r.buf).choices[0].finish, 'content_filter');
  });

  test(`${kind}: nobody is asked about calm words, or what is blocked anyway`, async () => {
    const before = questions().length;
    const { event } = await send(['all ', 'is ', 'well'], { stream });
    assert.equal(event.verdict, 'allow');
    assert.equal(event.second_opinion_output, undefined);
    assert.equal(questions().length, before);
  });

  for (const [what, behaviour] of Object.entries({
    'answers with an error': () => guardSays('safe', { status: 500 }),
    'answers nonsense': () => guardSays('perhaps'),
    'closes the connection': () => model.on(GUARD, up.hangup({ reset: true })),
    'does not answer in time': () => model.on(GUARD, up.json(up.completion(GUARD, ['safe']), { delay: 4000 })),
  }))
    test(`${kind}: a guard model that ${what}: each rule fails as it says`, async () => {
      behaviour();
      const [closed, open] = await Promise.all([send(PIECES, { stream }), send(MOBILE, { stream })]);
      assert.equal(closed.event.verdict, 'block');
      assert.equal(closed.event.second_opinion_output, 'none');
      assert.ok(!closed.r.text.includes('someone'));
      assert.equal(open.text, MOBILE.join(''));
      assert.equal(open.event.verdict, 'allow');
      assert.deepEqual(open.event.bypasses, ['second_opinion']);
    });

  test(`${kind}: many at once, each with its own word`, async () => {
    model.on(GUARD, async (call) => {
      await sleep(Math.random() * 60);
      await up.json(up.completion(GUARD, [call.json.messages[0].content.includes('odd') ? 'unsafe' : 'safe']))(call);
    });
    const jobs = Array.from({ length: 60 }, (_, i) => send([i % 2 ? 'odd ' : 'even ', `${i}: `, ...PIECES], { stream }));
    for (const [i, { event, text }] of (await Promise.all(jobs)).entries()) {
      assert.equal(event.verdict, i % 2 ? 'block' : 'allow', `request ${i}`);
      if (i % 2 === 0) assert.equal(text, `even ${i}: ${TEXT}`);
    }
  });
}

test('what was said before is read while the guard model thinks', async () => {
  guardSays('safe', { delay: 900 });
  const seen = [];
  const begun = Date.now();
  const { text } = await send(PIECES, {
    stream: true, behaviour: up.slowly(PIECES, 5), onData: (d) => seen.push([Date.now() - begun, d]),
  });
  assert.equal(text, TEXT);
  const early = readStream(Buffer.concat(seen.filter(([t]) => t < 700).map(([, d]) => d)));
  assert.equal(early.choices[0].text, 'Here is it: ', 'calm words came at once, and no more');
});

test('the word comes after the upstream has ended', async () => {
  guardSays('safe', { delay: 400 });
  for (const pieces of [PIECES, ['at the very end: ', MAIL]])
    for (const stream of [true, false]) {
      const { text, event } = await send(pieces, { stream });
      assert.equal(text, pieces.join(''));
      assert.equal(event.end, 'complete');
    }
});

test('an answer much longer than the buffers waits whole', async () => {
  guardSays('safe', { delay: 300 });
  const long = [MAIL, ...Array.from({ length: 6000 }, (_, i) => ` word ${i}`)];
  const { text } = await send(long, { stream: true, behaviour: up.stream(long, { cut: up.bytes(4096), gap: 0 }) });
  assert.equal(text, long.join(''));
});

test('every surface waits for the word', async () => {
  guardSays('safe', { delay: 30 });
  const routes = {
    completions: ['/v1/completions', { prompt: 'x' }], responses: ['/v1/responses', { input: 'x' }],
    messages: ['/v1/messages', { max_tokens: 99, messages: [{ role: 'user', content: 'x' }] }],
    ollamaChat: ['/api/chat', { messages: [{ role: 'user', content: 'x' }] }], ollamaGenerate: ['/api/generate', { prompt: 'x' }],
  };
  for (const word of ['safe', 'unsafe'])
    for (const [surface, [route, body]] of Object.entries(routes))
      for (const stream of [true, false]) {
        guardSays(word, { delay: 30 });
        const m = name('s');
        model.on(m, answers[surface]({ pieces: PIECES }));
        const before = questions().length;
        const r = await request(product.gateway + route, {
          method: 'POST', body: JSON.stringify({ model: m, stream, ...body }), headers: { 'content-type': 'application/json' },
        });
        const event = await eventOf(r);
        assert.equal(r.cut, false, `${surface} ${stream}`);
        assert.equal(event.verdict, word === 'safe' ? 'allow' : 'block', `${surface} ${stream}`);
        assert.equal(r.text.includes('one@'), word === 'safe', `${surface} ${stream} ${word}`);
        assert.ok(questions().length - before <= 2, `${surface} ${stream}: ${questions().length - before} questions`);
      }
});

test('a client that goes away while the guard model thinks leaves an event and no harm', async () => {
  guardSays('safe', { delay: 600 });
  const m = name('gone');
  model.on(m, answers.chat({ pieces: PIECES }));
  let id;
  await chat(product.gateway, ask(m, CALM.en, { stream: true }), { onData: (_d, req) => setTimeout(() => req.destroy(), 100) }).then((r) => { id = r.headers['x-plumbline-request-id']; });
  const { event } = await product.receipt(id);
  assert.equal(event.end, 'aborted');
  await sleep(700);
  const { text } = await send(PIECES, { stream: true });
  assert.equal(text, TEXT, 'the next one is served');
});

test('an upstream that breaks off meanwhile: nothing is said that was not found safe', async () => {
  guardSays('unsafe', { delay: 500 });
  for (const end of ['cut', 'reset']) {
    const m = name('cut');
    const events = up.chunksOf(m, PIECES).slice(0, -2);
    model.on(m, up.sseRaw(up.sseBytes(events, { done: false }), { end, gap: 5, cut: up.bytes(200) }));
    const r = await chat(product.gateway, ask(m, CALM.en, { stream: true }));
    const event = await eventOf(r);
    assert.ok(!r.text.includes('someone'), end);
    assert.ok(['block', 'error'].includes(event.verdict), `${end}: ${event.verdict}`);
  }
});

test('a stop ends what waits', async () => {
  guardSays('safe', { delay: 800 });
  const m = name('stopped');
  model.on(m, answers.chat({ pieces: PIECES }));
  const waiting = chat(product.gateway, ask(m, CALM.en, { stream: true }));
  await sleep(150);
  assert.equal((await product.cli(['guard', 'stop', '--reason', 'drill'])).code, 0);
  const r = await waiting;
  assert.equal((await product.cli(['guard', 'resume', '--reason', 'drill'])).code, 0);
  assert.ok(!r.text.includes('someone'));
  assert.equal((await eventOf(r)).reason, 'stopped');
});

test('a connection that is kept serves the next request after a wait', async () => {
  guardSays('safe', { delay: 40 });
  const client = new OpenAI({ baseURL: `${product.gateway}/v1`, apiKey: 'k', maxRetries: 0 });
  const m = name('sdk');
  model.on(m, answers.chat({ pieces: PIECES }));
  for (let i = 0; i < 6; i++) {
    if (i % 2) {
      const r = await client.chat.completions.create({ model: m, messages: [{ role: 'user', content: CALM.en }] });
      assert.equal(r.choices[0].message.content, TEXT);
      continue;
    }
    let text = '';
    for await (const c of await client.chat.completions.create({ model: m, stream: true, messages: [{ role: 'user', content: CALM.en }] }))
      text += c.choices[0]?.delta?.content ?? '';
    assert.equal(text, TEXT);
  }
});

test('HTTP/2 clients wait as well, several on one connection', () => overHttp2(product, async (send) => {
  guardSays('safe', { delay: 60 });
  const m = name('h2');
  model.on(m, answers.chat({ pieces: PIECES, gap: 0, cut: up.bytes(60) }));
  const got = await Promise.all(Array.from({ length: 12 }, (_, i) => send(ask(m, CALM.en, { stream: i % 2 === 0 }))));
  for (const [i, r] of got.entries())
    assert.equal(i % 2 ? JSON.parse(r.buf).choices[0].message.content : readStream(r.buf).choices[0].text, TEXT);
}));
