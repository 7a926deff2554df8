// A filing from draft to a published number, its change and its cancellation: by people of two roles over the
// HTTP API with tokens, then another by the command line with the same tokens, beside a running daemon.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { makeTemp, startProduct, takeDown } from '../gateway/lib/product.mjs';
import { request } from '../gateway/lib/client.mjs';

const SUBJECT = {
  name: '示例智能有限公司', nature: 'enterprise', credential_type: 'uscc', uscc: '91350100M000100Y43', region: '990001',
  registered_address: '示例路', office_address: '示例路', legal_name: '张三', legal_id_type: 'other', legal_id: 'DEMO-1',
  responsible_name: '李四', responsible_post: '总监', responsible_phone: '010-0000', responsible_email: 'li@demo.example',
};
const ALGORITHM = {
  name: '星河对话算法', type: 'generation', role: 'provider', online_date: '2026-03-02', field: '客服', principle: 'p', mechanism: 'm',
  scenario: 's', purpose: 'p', uses_biometrics: false, uses_identity: false, data_source: 'd', risks: 'r',
};
const PRODUCT = { name: '星河助手', form: 'app', address: 'https://demo.example', access_path: '首页', audience: '公众', purpose: '问答' };
const FIRST = ['credential', 'employment', 'commitment', 'responsibility'];
const SECOND = ['self_assessment', 'public_text'];

let product, temp;
const token = {};

before(async () => {
  temp = makeTemp('pl-filing-');
  product = await startProduct();
  for (const role of ['provider', 'reviewer', 'regulator']) {
    const r = await product.cli(['account', 'token', role, '--roles', role, '--json']);
    assert.equal(r.code, 0, r.stderr);
    token[role] = JSON.parse(r.stdout).value;
  }
});
after(async () => {
  await takeDown(product);
  fs.rmSync(temp, { recursive: true, force: true });
});

/** One call as somebody (null: nobody). */
async function as(role, method, route, value) {
  const headers = role ? { Authorization: `Bearer ${token[role]}` } : {};
  const body = value === undefined ? undefined : JSON.stringify(value);
  if (body) Object.assign(headers, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) });
  const r = await request(product.console + route, { method, headers, body });
  const { text } = r;
  return { status: r.status, text, json: /^[[{]/.test(text) ? JSON.parse(text) : undefined };
}
async function must(role, method, route, value) {
  const r = await as(role, method, route, value);
  assert.ok(r.status >= 200 && r.status < 300, `${method} ${route}: ${r.status} ${r.text}`);
  return r.json;
}
const at = (id, more = '') => `/api/v1/filings/${id}${more}`;
const version = async (id) => (await must('reviewer', 'GET', at(id))).version;
async function step(role, id, name, more = {}) {
  return must(role, 'POST', at(id, `/steps/${name}`), { version: await version(id), ...more });
}
async function attach(id, slots) {
  for (const slot of slots)
    await must('provider', 'POST', at(id, '/files'), { version: await version(id), slot, name: 'paper.pdf', content: 'JVBERi0xLjQK' });
}

let id;
test('a provider fills in a draft; what is missing is said in both languages', async () => {
  const made = await must('provider', 'POST', '/api/v1/filings', { workflow: 'cn-algorithm', values: { algorithm: ALGORITHM } });
  id = made.id;
  assert.equal(made.state, 'draft');
  const check = await must('provider', 'GET', at(id, '/check'));
  assert.equal(check.ok, false);
  const name = check.problems.find((p) => p.form === 'subject' && p.field === 'name');
  assert.match(name.zh, /必须填写/);
  assert.match(name.en, /must be filled in/);
  await must('provider', 'PUT', at(id), { version: made.version, values: { subject: SUBJECT, algorithm: ALGORITHM, product: PRODUCT } });
  await attach(id, FIRST);
  await step('provider', id, 'submit_subject');
});

test('nobody acts out of his role, and not on what he did not see', async () => {
  assert.equal((await as('provider', 'POST', at(id, '/steps/accept_subject'), { version: await version(id) })).status, 403);
  assert.equal((await as('regulator', 'PUT', at(id), { version: await version(id), values: { subject: SUBJECT } })).status, 403);
  assert.equal((await as(null, 'GET', at(id))).status, 401);
  const old = await as('reviewer', 'POST', at(id, '/steps/accept_subject'), { version: 1 });
  assert.equal(old.status, 409);
  assert.match(old.json.detail, /somebody else acted on it meanwhile/);
  await step('reviewer', id, 'accept_subject');
});

test('it is submitted, returned with a reason, submitted again, numbered and published', async () => {
  await attach(id, SECOND);
  await step('provider', id, 'submit');
  const bare = await as('reviewer', 'POST', at(id, '/steps/return'), { version: await version(id) });
  assert.equal(bare.status, 400);
  await step('reviewer', id, 'return', { note: '自评估报告缺签章' });
  await step('provider', id, 'submit');
  const filed = await step('regulator', id, 'accept');
  assert.match(filed.number, /^网信算备990001[0-9]{15}号$/);
  assert.equal((await must(null, 'GET', '/api/v1/public/register?q=%E6%98%9F')).total, 0);
  await step('regulator', id, 'publish');
});

test('the public finds it by one character, and sees no more than it should', async () => {
  for (const q of ['星', '星河', '对话算法', '示例智能']) {
    const found = await must(null, 'GET', `/api/v1/public/register?q=${encodeURIComponent(q)}`);
    assert.equal(found.total, 1, q);
    assert.equal(found.filings[0].id, id);
  }
  assert.equal((await must(null, 'GET', `/api/v1/public/register?q=${encodeURIComponent('张三')}`)).total, 0);
  const shown = await as(null, 'GET', `/api/v1/public/register/${id}`);
  assert.equal(shown.status, 200);
  for (const secret of ['张三', '李四', 'DEMO-1', '010-0000', 'data_source']) assert.ok(!shown.text.includes(secret), secret);
  const { by } = await must(null, 'GET', '/api/v1/public/register/statistics');
  assert.deepEqual(by.region, [{ value: '990001', count: 1 }]);
});

test('the register and the notice are pages that need no script', async () => {
  const page = await as(null, 'GET', `/api/v1/public/register.html?lang=zh-CN&q=${encodeURIComponent('星')}`);
  assert.equal(page.status, 200);
  assert.match(page.text, /<html lang="zh-CN">/);
  assert.ok(page.text.includes(`/api/v1/public/register/${id}/notice?lang=zh-CN`));
  assert.ok(!/<script/i.test(page.text));
  const notice = await as(null, 'GET', `/api/v1/public/register/${id}/notice?lang=zh-CN`);
  assert.match(notice.text, /网信算备990001[0-9]{15}号/);
  assert.match(notice.text, /生成合成类/);
  for (const secret of ['张三', '李四', 'DEMO-1']) assert.ok(!notice.text.includes(secret), secret);
  assert.equal((await as(null, 'GET', `/api/v1/public/register/${'0'.repeat(26)}/notice`)).status, 404);
});

test('a change shows only when it is published', async () => {
  await step('provider', id, 'change', { note: '更名' });
  await must('provider', 'PUT', at(id), {
    version: await version(id), values: { algorithm: { ...ALGORITHM, name: '银河对话算法' }, closing: { changed_on: '2026-03-02', change: '更名' } },
  });
  const before_ = await must(null, 'GET', `/api/v1/public/register/${id}`);
  assert.equal(before_.title, '星河对话算法');
  await step('provider', id, 'submit_change');
  await step('regulator', id, 'accept_change');
  assert.equal((await must(null, 'GET', `/api/v1/public/register/${id}`)).title, '银河对话算法');
});

test('a cancellation ends it and leaves it to be seen', async () => {
  await step('provider', id, 'cancel', { note: '停止服务' });
  await must('provider', 'PUT', at(id), { version: await version(id), values: { closing: { ended_on: '2026-03-02', arrangements: 'x' } } });
  await step('provider', id, 'submit_cancel');
  await step('regulator', id, 'accept_cancel');
  const shown = await must(null, 'GET', `/api/v1/public/register/${id}`);
  assert.equal(shown.state, 'cancelled');
});

test('every step is a statement that can be proved', async () => {
  const { history } = await must('reviewer', 'GET', at(id));
  assert.equal(history.length, 14);
  await product.until('the statements are published', async () =>
    (await product.api('GET', '/api/v1/ledger')).json.size > history.at(-1).ledger_index);
  for (const h of history) {
    const { json } = await product.api('GET', `/api/v1/ledger/entries/${h.ledger_index}`);
    assert.match(json.statement.predicateType, /\/filing\/v1$/);
    assert.equal(json.statement.subject[0].name, `filing:${id}`);
    assert.equal(json.statement.predicate.payload_sha256, h.snapshot);
    assert.equal(json.statement.predicate.state, h.to);
  }
  const verified = await product.cli(['ledger', 'verify', '--json']);
  assert.equal(JSON.parse(verified.stdout).ok, true, verified.stdout);
});

test('the same by the command line, as three people, beside the daemon', async () => {
  const values = path.join(temp, 'values.json'), paper = path.join(temp, 'paper.pdf');
  fs.writeFileSync(values, JSON.stringify({ subject: SUBJECT, algorithm: { ...ALGORITHM, name: '命令行算法' }, product: PRODUCT }));
  fs.writeFileSync(paper, '%PDF-1.4 demo');
  const cli = async (role, ...args) => {
    const r = await product.cli(['filing', ...args, '--json'], { env: { PLUMBLINE_API_TOKEN: token[role] } });
    assert.equal(r.code, 0, `${args.join(' ')}: ${r.stderr}`);
    return JSON.parse(r.stdout);
  };
  const { id: other } = await cli('provider', 'new', 'cn-algorithm', '--values', values);
  for (const slot of FIRST) await cli('provider', 'attach', other, slot, paper);
  await cli('provider', 'submit', other);
  await cli('reviewer', 'review', other, '--decision', 'approved');
  for (const slot of SECOND) await cli('provider', 'attach', other, slot, paper);
  await cli('provider', 'submit', other);
  const denied = await product.cli(['filing', 'review', other, '--decision', 'approved'], { env: { PLUMBLINE_API_TOKEN: token.provider } });
  assert.equal(denied.code, 5, denied.stdout);
  await cli('regulator', 'review', other, '--decision', 'approved');
  const done = await cli('regulator', 'publish', other);
  assert.equal(done.state, 'published');
  assert.match(done.number, /^网信算备990001[0-9]{15}号$/);
  assert.equal((await cli('provider', 'search', '行', '--public')).total, 1);
});
