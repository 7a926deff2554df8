// People in control, through the real gateway: what repeated violations lead to, stopped sessions,
// minors, reminders, signals, appeals; and that none of it is lost with a process.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as up from './lib/upstream.mjs';
import { startProduct, takeDown } from './lib/product.mjs';
import { ask, chat } from './lib/client.mjs';
import { CALM, HARM, name } from './lib/cases.mjs';

const SECRET = 'a secret that only the login knows, 32+';
const hour = (h) => String((h + 24) % 24).padStart(2, '0') + ':00';
const NOW = new Date().getUTCHours();

// The shipped pack with times that a test can wait for.
const PEOPLE = `strikes:
  window: {value: 1h, tag: P, source: own}
  steps:
    - {at: 1, do: remind, tag: P, source: own, zh: 请守规则, en: "Mind the rules."}
    - {at: 3, do: cool_off, for: 3s, tag: P, source: own, zh: 请稍候, en: "Take a break."}
    - {at: 4, do: suspend, tag: P, source: own, zh: 已暂停, en: "You are suspended."}
    - {at: 4, do: report, tag: P, source: own}
session: {gap: {value: 2s, tag: P, source: own}, remind_every: {value: 1s, tag: P, source: own}, zh: 请休息, en: "Have a rest."}
night: {from: "00:00", to: "00:00", offset: "+00:00", tag: P, source: own}
dependence:
  requests_per_day: {value: 8, tag: P, source: own}
  nights_of_seven: {value: 7, tag: P, source: own}
  zh: 我是人工智能
  en: I am an AI.
crisis: {categories: [pii.email], tag: P, source: own}
minors:
  hours: {from: "${hour(NOW + 5)}", to: "${hour(NOW + 6)}", tag: P, source: own}
  daily: {value: 1h, tag: P, source: own}
  remind_every: {value: 1h, tag: P, source: own}
  zh: 请休息吧
  en: Not at this time.
`;
const POLICY = `policy: people
version: 1
packs: [lexicon-starter]
detectors: [pii.email, pii.cn_mobile]
people: test-people
routes:
  default:
    input:
      - {category: "harm.*", min_severity: 2, action: block}
      - {category: pii.cn_mobile, action: stop_session}
      - {category: "*", action: log}
    output: [{category: "harm.*", min_severity: 2, action: block}]
    label: {explicit: true, zh: 内容由AI生成, en: AI生成 · AI-generated content}
    answers: {default: {zh: 不能回答, en: "not answered"}}
`;

let model, product;
before(async () => {
  model = await up.startUpstream();
  product = await startProduct({
    upstream: model,
    configure(dir) {
      const pack = path.join(dir, 'packs/test-people');
      fs.mkdirSync(pack, { recursive: true });
      fs.writeFileSync(path.join(pack, 'people.yaml'), PEOPLE);
      fs.writeFileSync(path.join(pack, 'pack.yaml'), `id: test-people
version: "1"
kind: people
jurisdiction: any
legal_weight: none
in_force: {from: "2026-01-01", to: null}
title: {zh: 测试, en: Test}
licence: Apache-2.0
sources: [{id: own, title: test, evidence: P, date: "2026-01-01"}]
`);
      fs.writeFileSync(path.join(dir, 'policy/default.yaml'), POLICY);
      fs.mkdirSync(path.join(dir, 'nginx/gateway.d'), { recursive: true });
      fs.writeFileSync(path.join(dir, 'nginx/login.key'), SECRET, { mode: 0o600 });
      fs.writeFileSync(path.join(dir, 'nginx/gateway.d/people.conf'), `plumbline_jwt_key ${dir}/nginx/login.key;
set $who $http_x_user;
if ($plumbline_jwt_sub) { set $who $plumbline_jwt_sub; }
plumbline_subject $who;
plumbline_subject_body on;
plumbline_session $http_x_session;
plumbline_minor $http_x_minor;
`);
    },
  });
});
after(() => takeDown(product, model));

const send = (text, user, headers = {}, extra = {}) =>
  chat(product.gateway, ask(name('p'), text, extra), { headers: { ...(user ? { 'x-user': user } : {}), ...headers } });
const eventOf = async (r) => (await product.receipt(r.headers['x-plumbline-request-id'])).event;
const settled = (what, fn) => product.until(what, fn, 3000);
const find = async (value) => (await product.api('POST', '/api/v1/guard/subjects/find', { value })).json;
const textOf = (r) => r.json().choices[0].message.content;

test('violations lead from a reminder over a pause to a suspension, of that person only', async () => {
  const user = name('eve');
  const first = await send(HARM.en, user);
  assert.match(textOf(first), /not answered\n\nMind the rules\./);
  await settled('the first is counted', async () => (await find(user)).strikes === 1);
  await send(HARM.en, user);
  await settled('the second is counted', async () => (await find(user)).strikes === 2);
  assert.match(textOf(await send(HARM.en, user)), /Take a break\./);
  await settled('a pause', async () => (await send(CALM.en, user)).status === 429);
  const paused = await send(CALM.en, user);
  assert.equal(paused.json().error.code, 'cooling_off');
  assert.match(paused.json().error.message, /Take a break\./);
  assert.ok(Number(paused.headers['retry-after']) >= 1 && Number(paused.headers['retry-after']) <= 3);
  assert.equal(paused.headers['x-should-retry'], 'false');
  assert.equal((await eventOf(paused)).reason, 'cooling_off');
  assert.equal((await send(CALM.en, name('bob'))).status, 200, 'others are not held');
  assert.equal((await send(CALM.en)).status, 200, 'nor is who says no name');
  await product.until('the pause ends', async () => (await send(CALM.en, user)).status === 200, 5000);
  await send(HARM.en, user);
  await settled('a suspension', async () => (await send(CALM.en, user)).status === 403);
  const off = await send(CALM.zh, user);
  assert.equal(off.json().error.code, 'suspended');
  assert.match(off.json().error.message, /已暂停/);
  assert.equal(off.headers['retry-after'], undefined, 'it has no end');

  const state = await find(user);
  assert.equal(state.sanction, 'suspended');
  assert.ok(!JSON.stringify(state).includes(user), 'nobody is named');
  const held = (await product.api('GET', '/api/v1/guard/subjects')).json.subjects;
  assert.ok(held.some((s) => s.subject === state.subject));
  const kinds = (await product.api('GET', '/api/v1/guard/signals?open=1')).json.signals.filter((s) => s.subject === state.subject).map((s) => s.kind);
  assert.ok(kinds.includes('report') && kinds.includes('sanction'), kinds.join());
});

test('a suspension survives the death of the daemon and of every worker', async () => {
  const user = name('mallory');
  for (let i = 1; i <= 4; i++) {
    await product.until('not in a pause', async () => (await send(HARM.en, user)).status === 200, 6000);
    await settled(`violation ${i}`, async () => (await find(user)).strikes === i);
  }
  assert.equal((await send(CALM.en, user)).status, 403);
  const { daemon, workers } = product.pids();
  for (const w of workers) process.kill(w, 'SIGKILL');
  await product.until('new workers', async () => product.pids().workers.length && product.pids().workers.every((w) => !workers.includes(w)), 5000);
  await settled('still suspended without those workers', async () => (await send(CALM.en, user).catch(() => ({}))).status === 403);
  process.kill(daemon, 'SIGKILL');
  await product.until('a new daemon', async () => { const d = product.pids().daemon; return d && d !== daemon && (await find(user).catch(() => null))?.sanction === 'suspended'; }, 15_000);
  assert.equal((await send(CALM.en, user)).status, 403);
});

test('an appeal is recorded, and a person lifts what holds', async () => {
  const user = name('carol');
  for (let i = 1; i <= 3; i++) {
    await send(HARM.en, user);
    await settled(`violation ${i}`, async () => (await find(user)).strikes === i);
  }
  const id = (await find(user)).subject;
  const appeal = await product.cli(['subject', 'appeal', id, '--reason', 'it was a quotation', '--json']);
  assert.equal(appeal.code, 0, appeal.stderr);
  const said = JSON.parse(appeal.stdout);
  assert.ok(said.ledger_index > 0);
  const lift = await product.cli(['subject', 'lift', id, '--reason', 'granted', '--json']);
  assert.equal(lift.code, 0, lift.stderr);
  assert.equal(JSON.parse(lift.stdout).sanction, 'none');
  await settled('free again', async () => (await send(CALM.en, user)).status === 200);
  assert.equal((await find(user)).strikes, 0);
  const closed = await product.cli(['signal', 'close', said.signal, '--note', 'granted']);
  assert.equal(closed.code, 0, closed.stderr);
  assert.notEqual((await product.cli(['signal', 'close', said.signal, '--note', 'twice'])).code, 0);
});

test('a stopped session is refused, the person\'s other sessions are not', async () => {
  const user = name('dave');
  const r = await send('Call 13800138000 now', user, { 'x-session': 'one' });
  assert.equal((await eventOf(r)).input.findings[0].action, 'stop_session');
  await settled('the session is over', async () => (await send(CALM.en, user, { 'x-session': 'one' })).status === 403);
  assert.equal((await send(CALM.en, user, { 'x-session': 'one' })).json().error.code, 'session_stopped');
  assert.equal((await send(CALM.en, user, { 'x-session': 'two' })).status, 200);
  await sleep(2500);
  assert.equal((await send(CALM.en, user, { 'x-session': 'one' })).status, 200, 'after a pause');
});

test('who asks may be said by the body or by a verified token', async () => {
  const sign = (claims, secret = SECRET) => {
    const part = (o) => Buffer.from(JSON.stringify(o)).toString('base64url');
    const head = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`;
    return `Bearer ${head}.${crypto.createHmac('sha256', secret).update(head).digest('base64url')}`;
  };
  const user = name('frank');
  await send(CALM.en, user);
  await settled('known', async () => (await find(user)).subject);
  const { subject } = await find(user);
  assert.equal((await eventOf(await send(CALM.en, null, {}, { user }))).subject, subject);
  assert.equal((await eventOf(await send(CALM.en, 'header', { authorization: sign({ sub: user }) }))).subject, subject);
  for (const forged of [sign({ sub: user }, 'another secret of thirty-two bytes!'), sign({ sub: user, exp: 1 }), 'Bearer x.y.z'])
    assert.notEqual((await eventOf(await send(CALM.en, 'header', { authorization: forged }))).subject, subject);
  const log = fs.readFileSync(path.join(product.dir, 'log/access.log'), 'utf8');
  assert.ok(!log.includes(user), 'names are in no log');
});

test('minors: not outside of their hours', async () => {
  const r = await send(CALM.en, name('kid'), { 'x-minor': '1' });
  assert.equal(r.status, 403);
  assert.equal(r.json().error.code, 'minor_hours');
  assert.match(r.json().error.message, /Not at this time\./);
  const event = await eventOf(r);
  assert.equal(event.minor, true);
  assert.equal((await send(CALM.en, name('kid'), { 'x-minor': '0' })).status, 200);
});

test('continuous use is answered with a reminder behind the label, and the answer is still traced', async () => {
  const user = name('grace');
  const from = Date.now();
  let r = await send(CALM.en, user);
  assert.equal(r.headers['x-plumbline-reminder'], undefined);
  while (!r.headers['x-plumbline-reminder'] && Date.now() - from < 6000) {
    await sleep(400);
    r = await send(CALM.en, user);
  }
  assert.equal(r.headers['x-plumbline-reminder'], 'session');
  assert.ok(Date.now() - from >= 1000);
  assert.match(textOf(r), /AI生成 · AI-generated content\nHave a rest\.$/);
  const event = await eventOf(r);
  assert.deepEqual(event.reminders, ['session']);
  const trace = await product.api('POST', '/api/v1/trace', { text: textOf(r) });
  assert.equal(trace.json.found, true, trace.text);
  assert.equal(trace.json.request_id, r.headers['x-plumbline-request-id']);
});

test('signs of dependence and of crisis reach people', async () => {
  const user = name('heidi');
  for (let i = 0; i < 9; i++) await send(i === 3 ? 'my mail is someone@example.org' : CALM.en, user);
  await settled('signals', async () => {
    const s = await find(user);
    const kinds = (await product.api('GET', '/api/v1/guard/signals?open=1&limit=200')).json.signals.filter((x) => x.subject === s.subject).map((x) => x.kind);
    return s.dependent && kinds.includes('dependence') && kinds.filter((k) => k === 'crisis').length === 1;
  });
  const r = await send(CALM.en, user);
  assert.match(r.headers['x-plumbline-reminder'], /dependence/);
  assert.match(textOf(r), /I am an AI\./);
  await settled('said once a day', async () => !(await send(CALM.en, user)).headers['x-plumbline-reminder']?.includes('dependence'));
});
