// Human review through the real gateway: by lot and by escalation, two people who decide for themselves, and
// content that is nowhere readable, whenever a process dies, and gone when its time is over.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import * as up from './lib/upstream.mjs';
import { startProduct, takeDown } from './lib/product.mjs';
import { ask, chat, request } from './lib/client.mjs';
import { CALM, HARM, name } from './lib/cases.mjs';

const policy = (review, mild = 'escalate, then: allow') => `policy: reviews
version: 1
packs: [lexicon-starter]
detectors: [pii.email]
review: ${review}
routes:
  default:
    input:
      - {category: "harm.*", min_severity: 2, action: escalate}
      - {category: pii.email, action: ${mild}}
    output: [{category: "harm.*", min_severity: 2, action: escalate}]
    label: {explicit: true, zh: 内容由AI生成, en: AI生成 · AI-generated content}
    answers: {default: {zh: 不能回答, en: "not answered"}}
`;
const edit = (dir, text) => fs.writeFileSync(path.join(dir, 'policy/default.yaml'), text);

let model, product;
before(async () => {
  model = await up.startUpstream();
  product = await startProduct({ upstream: model, configure: (dir) => edit(dir, policy('{keep: 1h}')) });
});
after(() => takeDown(product, model));

const send = async (text, extra) => chat(product.gateway, ask(name('p'), text, extra));
const idOf = (r) => r.headers['x-plumbline-request-id'];
const caseOf = async (id, as = product) => {
  await product.receipt(id);
  const r = await as.api('GET', `/api/v1/reviews/${id}`);
  return r.status === 200 ? r.json : null;
};
/** An account with a role, as a browser uses the API. */
async function login(user, roles) {
  const password = crypto.randomBytes(12).toString('hex');
  assert.equal((await product.api('POST', '/api/v1/accounts', { name: user, password, roles })).status, 201);
  let cookie = '', csrf = '';
  const api = async (method, route, value) => {
    const body = value === undefined ? undefined : JSON.stringify(value);
    const r = await request(`${product.console}${route}`, { method, body, headers: {
      ...(body === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
      ...(cookie ? { cookie } : {}), ...(csrf ? { 'x-csrf-token': csrf } : {}) } });
    return { status: r.status, headers: r.headers, json: r.text ? r.json() : null };
  };
  const r = await api('POST', '/api/v1/session', { name: user, password });
  assert.equal(r.status, 200, JSON.stringify(r.json));
  cookie = [r.headers['set-cookie']].flat().map((c) => c.split(';')[0]).join('; ');
  csrf = r.json.csrf;
  return { api };
}
/** Every file of the installation, what stands behind commitments included. */
function filesWith(needle) {
  const found = [];
  const walk = (dir) => {
    for (const e of fs.readdirSync(dir, { withFileTypes: true })) {
      const file = path.join(dir, e.name);
      if (e.isDirectory()) walk(file);
      else if (e.isFile() && fs.readFileSync(file).includes(needle)) found.push(path.relative(product.dir, file));
    }
  };
  walk(product.dir);
  return found;
}

test('a blocked request is there with its text, and nowhere readable in a file', async () => {
  const mark = name('mark');
  const r = await send(`${HARM.en} ${mark}`);
  assert.match(r.text, /not answered/);
  const c = await caseOf(idOf(r));
  assert.equal(c.state, 'open');
  assert.equal(c.why, 'escalated');
  assert.equal(c.content_state, 'kept');
  assert.match(c.content.request.text, new RegExp(mark));
  assert.deepEqual(c.content.answers, []);
  const { event } = await product.receipt(idOf(r));
  assert.deepEqual(event.review, { why: 'escalated', commitment: c.commitment });
  assert.deepEqual(filesWith(mark), []);
});

test('an answer that was withheld in a stream is there as the model said it', async () => {
  const mark = name('said');
  const model_ = name('p');
  model.on(model_, up.stream([`Well, ${mark}: `, 'how to make', ' a bomb', ' is easy']));
  const r = await chat(product.gateway, ask(model_, CALM.en, { stream: true }));
  assert.doesNotMatch(r.text, /bomb/);
  const c = await caseOf(idOf(r));
  assert.match(c.content.answers[0].text, new RegExp(`Well, ${mark}: how to make a bomb`));
  assert.deepEqual(filesWith(mark), []);
});

test('what passes is looked at when the rule says so, and only then', async () => {
  const r = await send('write to someone@example.org please');
  assert.equal(r.status, 200);
  const c = await caseOf(idOf(r));
  assert.equal(c.why, 'escalated');
  assert.equal(c.content.answers.length, 1);
  assert.ok(c.content.answers[0].bytes > 0);
  const calm = await send(CALM.en);
  assert.equal(await caseOf(idOf(calm)), null);
  assert.equal((await product.receipt(idOf(calm))).event.review, undefined);
});

test('long content is cut, and says so', async () => {
  const r = await send(`someone@example.org ${'好'.repeat(60_000)}`);
  const { request: q } = (await caseOf(idOf(r))).content;
  assert.ok(q.bytes > 180_000);
  assert.ok(q.kept <= 65_536 && q.kept > 65_530);
  assert.equal(Buffer.byteLength(q.text), q.kept);
});

// PROVES: GUARD/four-eyes
test('two people decide for themselves; who may not read gets nothing; a token decides nothing', async () => {
  const ann = await login(name('ann'), ['reviewer']);
  const bob = await login(name('bob'), ['reviewer']);
  const eve = await login(name('eve'), ['provider']);
  const id = idOf(await send(HARM.zh));
  await caseOf(id);
  assert.equal((await eve.api('GET', `/api/v1/reviews/${id}`)).status, 403);
  assert.equal((await eve.api('GET', '/api/v1/reviews')).status, 403);
  const waiting = (await ann.api('GET', '/api/v1/reviews?state=waiting')).json.reviews;
  assert.ok(waiting.some((c) => c.id === id && c.content === undefined));
  const first = await ann.api('POST', `/api/v1/reviews/${id}/decisions`, { verdict: 'violation', category: 'harm.weapons', note: 'plain enough' });
  assert.equal(first.status, 200, JSON.stringify(first.json));
  assert.equal((await ann.api('POST', `/api/v1/reviews/${id}/decisions`, { verdict: 'unclear' })).status, 409);
  const seen = (await bob.api('GET', `/api/v1/reviews/${id}`)).json;
  assert.equal(seen.decided, 1);
  assert.deepEqual(seen.decisions, []);
  const token = (await product.api('POST', '/api/v1/tokens', { label: 'robot', roles: ['reviewer'] })).json.value;
  const robot = await request(`${product.console}/api/v1/reviews/${id}/decisions`, { method: 'POST', body: '{"verdict":"violation"}',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'content-length': 23 } });
  assert.equal(robot.status, 403);
  const second = (await bob.api('POST', `/api/v1/reviews/${id}/decisions`, { verdict: 'violation' })).json;
  assert.equal(second.state, 'settled');
  assert.equal(second.outcome, 'violation');
  assert.equal(second.decisions[0].note, 'plain enough');
  const { agreement } = (await bob.api('GET', '/api/v1/reviews/stats')).json;
  assert.equal(agreement.pairs, 1);
  assert.ok(agreement.low > 0.2 && agreement.high === 1);
  const cli = await product.cli(['review', 'show', id]);
  assert.equal(cli.code, 0, cli.stderr);
  assert.match(cli.stdout, /settled/);
  assert.match((await product.cli(['review', 'stats'])).stdout, /1 of 1/);
  const list = await product.cli(['review', 'list', '--state', 'settled', '--json']);
  assert.ok(JSON.parse(list.stdout).reviews.some((c) => c.id === id));
  assert.equal((await product.cli(['review', 'decide', id, '--verdict', 'violation'])).code, 5, 'settled already');
});

test('content is whole or not there, whichever process dies', async () => {
  const sent = [];
  for (let round = 0; round < 4; round++) {
    const { daemon, workers } = product.pids();
    for (let i = 0; i < 10; i++) sent.push(send(`${HARM.en} ${name('k')}`).then(idOf, () => null));
    process.kill(round % 2 ? daemon : workers[0], 'SIGKILL');
    await Promise.all(sent);
    await product.until('all are back', async () => {
      const now = product.pids();
      const gone = round % 2 ? now.daemon !== daemon : !now.workers.includes(workers[0]);
      return gone && now.daemon && now.workers.length >= workers.length && (await product.api('GET', '/api/v1/overview').catch(() => ({}))).status === 200;
    }, 15_000);
  }
  const ids = (await Promise.all(sent)).filter(Boolean);
  assert.ok(ids.length >= 20, `${ids.length} of ${sent.length} were answered`);
  for (const id of ids) {
    const c = await caseOf(id);
    assert.equal(c.content_state, 'kept', id);
    assert.equal(c.content.request.kept, c.content.request.bytes);
  }
});

// PROVES: GUARD/review-retention
test('by lot, for a short time: then key, bytes and notes are gone and the commitment stays', async () => {
  edit(product.dir, policy('{sample: 100%, keep: 4s}', 'log'));
  assert.equal((await product.cli(['policy', 'activate'])).code, 0);
  const mark = name('soon');
  let r;
  await product.until('the workers sample', async () => {
    r = await send(mark);
    return (await product.receipt(idOf(r))).event.review?.why === 'sampled';
  }, 5000);
  const c = await caseOf(idOf(r));
  assert.equal(c.content_state, 'kept');
  assert.ok(Date.parse(c.expires) <= Date.parse(c.time) + 4000 + 1500, `kept no longer than it says: ${JSON.stringify(c)}`);
  assert.equal((await product.cli(['review', 'decide', c.id, '--verdict', 'acceptable', '--note', `about ${mark}`])).code, 0);
  const done = await product.until('destroyed', async () => {
    const now = await caseOf(c.id);
    return now.content_state === 'destroyed' && now;
  }, 10_000);
  assert.equal(done.state, 'lapsed');
  assert.equal(done.commitment, c.commitment);
  assert.equal(done.decisions[0].note, null);
  assert.equal(done.content, null);
  assert.deepEqual(filesWith(mark), []);
  await product.until('the ledger says so', async () => {
    const said = await product.cli(['ledger', 'list', '--type', 'guard-review-destroyed', '--json']);
    return said.code === 0 && said.stdout.includes('guard-review-destroyed');
  }, 5000);
});
