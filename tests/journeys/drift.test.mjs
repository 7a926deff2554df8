// What was filed beside what the gateway really does: a registered application whose gateway is asked for another
// model than the one that was filed. The finding opens, is a statement, and closes when the change is filed.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { startProduct, takeDown } from '../gateway/lib/product.mjs';
import { ask, chat, request } from '../gateway/lib/client.mjs';
import { json, startUpstream } from '../gateway/lib/upstream.mjs';

const SUBJECT = {
  name: '示例智能有限公司', region: 'Demo', contact_name: 'a', contact_phone: '1', emergency_name: 'b', emergency_phone: '2',
};
const APP = {
  name: '示例问答', form: 'web', model_name: 'demo-model', model_number: 'Demo-Model-202601010001', unchanged: true, purpose: '问答',
  audience: '公众',
};
let product, upstream, id;
const token = {};

before(async () => {
  upstream = await startUpstream();
  upstream.on('no-such-model', json(() => ({ error: { message: 'no such model' } }), { status: 404 }));
  product = await startProduct({ upstream });
  for (const role of ['provider', 'regulator']) {
    const r = await product.cli(['account', 'token', role, '--roles', role, '--json']);
    token[role] = JSON.parse(r.stdout).value;
  }
});
after(async () => {
  await takeDown(product);
  await upstream?.close();
});

async function must(role, method, route, value) {
  const body = value === undefined ? undefined : JSON.stringify(value);
  const headers = { Authorization: `Bearer ${token[role]}` };
  if (body) Object.assign(headers, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) });
  const r = await request(product.console + route, { method, headers, body });
  assert.ok(r.status >= 200 && r.status < 300, `${method} ${route}: ${r.status} ${r.text}`);
  return JSON.parse(r.text);
}
const at = (more = '') => `/api/v1/filings/${id}${more}`;
const version = async () => (await must('provider', 'GET', at())).version;
const step = async (role, name, more = {}) => must(role, 'POST', at(`/steps/${name}`), { version: await version(), ...more });
const row = (answer, name) => answer.rows.find((r) => r.id === name);
const cli = (...args) => product.cli(['filing', 'drift', id, ...args]);
async function say(model) {
  const r = await chat(product.gateway, ask(model, '你好'));
  assert.equal(r.status, 200, r.text);
}
const seen = (n) => product.until(`${n} models are seen`, async () =>
  (row(await must('provider', 'GET', at('/drift')), 'models').seen ?? []).length === n);

test('before anybody used it nothing can be told, and the exit status says so', async () => {
  id = (await must('provider', 'POST', '/api/v1/filings', { workflow: 'cn-genai-registration', values: { subject: SUBJECT, app: APP } })).id;
  await must('provider', 'POST', at('/files'), { version: await version(), slot: 'agreement', name: 'paper.pdf', content: 'JVBERi0xLjQK' });
  await step('provider', 'submit');
  await step('regulator', 'accept');
  await step('regulator', 'publish');
  const r = await cli('--json');
  assert.equal(r.code, 3, r.stderr);
  const answer = JSON.parse(r.stdout);
  assert.equal(answer.state, 'undetermined');
  assert.equal(row(answer, 'models').reason.en, 'nothing was seen in this time');
});

test('the model that was filed is the one that is used: they match', async () => {
  await say('demo-model');
  await seen(1);
  const r = await cli('--json');
  assert.equal(r.code, 0, r.stdout);
  assert.deepEqual(row(JSON.parse(r.stdout), 'models').seen, ['demo-model']);
  assert.equal(row(JSON.parse(r.stdout), 'labels').state, 'match');
});

test('another model: drift, named in both languages, and a finding that is in the ledger', async () => {
  await say('other "model" 二');
  await seen(2);
  const en = await cli(), zh = await cli('--lang', 'zh-CN');
  assert.equal(en.code, 1, en.stdout);
  assert.match(en.stdout, /! Models that are called: something was seen that was not filed/);
  assert.match(en.stdout, /not filed: other "model" 二/);
  assert.match(zh.stdout, /实际调用的模型：?.*出现了未备案的内容/);
  assert.equal((await must('provider', 'GET', at('/drift'))).findings.length, 0, 'looking records nothing');
  const recorded = await cli('--record', '--json');
  assert.equal(recorded.code, 1, recorded.stderr);
  assert.equal((await cli('--record')).code, 1);
  const { findings } = await must('provider', 'GET', at('/drift'));
  assert.equal(findings.length, 1, 'one finding, however often it is looked');
  assert.deepEqual([findings[0].item, findings[0].seen, findings[0].closed], ['models', ['other "model" 二'], null]);
  await product.until('the statement is published', async () => (await product.api('GET', '/api/v1/ledger')).json.size > findings[0].opened_index);
  const { statement } = (await product.api('GET', `/api/v1/ledger/entries/${findings[0].opened_index}`)).json;
  assert.match(statement.predicateType, /\/filing-drift\/v1$/);
  assert.deepEqual([statement.predicate.finding, statement.predicate.others], ['opened', ['other "model" 二']]);
  const { notices } = await must('provider', 'GET', '/api/v1/filings/due');
  assert.ok(notices.some((n) => n.kind === 'drift' && n.filing === id && n.role === 'provider'), JSON.stringify(notices));
});

test('a model that the upstream does not know is not one of the service', async () => {
  const before_ = await must('provider', 'GET', at('/drift'));
  const r = await chat(product.gateway, ask('no-such-model', '你好'));
  assert.equal(r.status, 404, r.text);
  await say('demo-model');
  await product.until('both are recorded', async () => (await product.api('GET', '/api/v1/events?limit=100')).json.events.length === 4);
  const after_ = await must('provider', 'GET', at('/drift'));
  assert.deepEqual(row(after_, 'models').seen, row(before_, 'models').seen);
});

test('the change is filed: the finding closes', async () => {
  await step('provider', 'change', { note: '增加模型' });
  await must('provider', 'PUT', at(), { version: await version(), values: { app: { ...APP, api_names: ['other "model" 二'] } } });
  await step('provider', 'submit_change');
  await step('regulator', 'accept_change');
  const r = await cli('--record', '--json');
  assert.equal(r.code, 0, r.stdout);
  const { findings } = JSON.parse(r.stdout);
  assert.equal(findings.length, 1);
  assert.ok(findings[0].closed && findings[0].closed_index > findings[0].opened_index);
});

test('a filing of nobody here, or not in force, has no findings', async () => {
  const draft = await must('provider', 'POST', '/api/v1/filings', { workflow: 'cn-genai-registration', values: {} });
  const r = await product.cli(['filing', 'drift', draft.id, '--record']);
  assert.equal(r.code, 5, r.stdout);
  assert.match(r.stderr, /in force/);
  assert.equal((await product.cli(['filing', 'drift', draft.id])).code, 3);
});
