// The main job as a newcomer does it: start with one command, copy what is printed, look around,
// prove an answer, stop the service, end with Ctrl-C. Everything used here is printed or in the
// README.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { once } from 'node:events';
import OpenAI from 'openai';
import { BIN, freePorts, makeTemp, run, startProduct } from '../gateway/lib/product.mjs';
import { ask, chat, request } from '../gateway/lib/client.mjs';
import { HARM, LABEL } from '../gateway/lib/cases.mjs';
import { verifyReceipt } from '../gateway/lib/verify.mjs';

let product, password, cookie, csrf;
before(async () => {
  product = await startProduct({ selftest: true });
});
after(async () => {
  await product?.stop();
});

const hasHan = (s) => /\p{Script=Han}/u.test(s);

/** The console's API as a browser uses it. */
async function api(method, route, value) {
  const body = value === undefined ? undefined : JSON.stringify(value);
  const r = await request(`${product.console}${route}`, {
    method, body, headers: {
      ...(body === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
      ...(cookie ? { cookie } : {}), ...(csrf && method !== 'GET' ? { 'x-csrf-token': csrf } : {}),
    },
  });
  return { status: r.status, headers: r.headers, json: r.text ? r.json() : null };
}

test('the start prints the URLs, a curl to copy, the password once, and both test requests', async () => {
  await product.until('the self-test is printed', () => /curl/.test(product.out) && (product.out.match(/block|content_filter|拦截/gi) ?? []).length > 0);
  assert.ok(product.out.includes(product.console), 'the console');
  assert.ok(product.out.includes(product.gateway), 'the gateway');
  assert.match(product.out, /demo/i, 'it says that the upstream is a demo');
  password = product.adminPassword;
  assert.ok(password, `a password is shown: ${product.out}`);
  assert.equal(product.out.split(password).length, 2, 'once');
  const files = await run('grep', ['-rlF', '--', password, product.dir]);
  assert.equal(files.stdout, '', 'and kept nowhere');
});

test('the printed curl works as it is printed', async () => {
  const text = product.out.replace(/\\\n\s*/g, ' ');
  const command = /^\s*(curl .*)$/m.exec(text)?.[1];
  assert.ok(command, product.out);
  const r = await run('bash', ['-c', command]);
  assert.equal(r.code, 0, r.stderr);
  const json = r.stdout.slice(r.stdout.indexOf('{'), r.stdout.lastIndexOf('}') + 1);
  assert.match(JSON.parse(json).choices[0].message.content, LABEL);
});

test('the official SDK works with only the base URL changed', async () => {
  const sdk = new OpenAI({ baseURL: `${product.gateway}/v1`, apiKey: 'any' });
  const calm = await sdk.chat.completions.create(ask('gpt-4o-mini', 'What is a plumb line?'));
  assert.match(calm.choices[0].message.content, LABEL);
  let text = '';
  for await (const c of await sdk.chat.completions.create(ask('gpt-4o-mini', '什么是准绳？', { stream: true }))) text += c.choices[0]?.delta?.content ?? '';
  assert.match(text, LABEL);
  assert.ok(hasHan(text));
  for (const lang of ['zh', 'en']) {
    const r = await sdk.chat.completions.create(ask('gpt-4o-mini', HARM[lang]));
    assert.equal(r.choices[0].finish_reason, 'content_filter');
    assert.equal(hasHan(r.choices[0].message.content), lang === 'zh');
  }
});

test('the console opens and its login takes the printed password', async () => {
  const page = await request(`${product.console}/`);
  assert.equal(page.status, 200);
  assert.match(page.headers['content-type'], /^text\/html/);
  assert.equal((await api('GET', '/api/v1/overview')).status, 401);
  assert.equal((await api('POST', '/api/v1/session', { name: 'admin', password: 'wrong password' })).status, 403);
  const r = await api('POST', '/api/v1/session', { name: 'admin', password });
  assert.equal(r.status, 200, JSON.stringify(r.json));
  assert.ok(r.json.roles.includes('admin'));
  const set = r.headers['set-cookie'][0];
  assert.match(set, /HttpOnly/i);
  assert.match(set, /SameSite=Strict/i);
  cookie = set.split(';')[0];
  csrf = r.json.csrf;
});

test('the first page has something to show', async () => {
  const { json } = await api('GET', '/api/v1/overview');
  assert.equal(json.stop.stopped, false);
  assert.ok(json.counters.requests >= 6);
  assert.ok(json.counters.blocked_input >= 3);
  assert.ok(json.ledger.size > 0);
  assert.equal(json.rate.length, 60);
  const events = (await api('GET', '/api/v1/events?limit=10')).json.events;
  assert.ok(events.length >= 6);
  assert.ok(events.some((e) => e.verdict === 'block' && e.categories.includes('harm.weapons')));
  for (let i = 1; i < events.length; i++) assert.ok(events[i - 1].id > events[i].id, 'newest first');
  const blocks = (await api('GET', '/api/v1/events?limit=10&verdict=block')).json.events;
  assert.ok(blocks.length > 0 && blocks.every((e) => e.verdict === 'block'));
});

test('a saved answer leads back to its request', async () => {
  const r = await chat(product.gateway, ask('m', 'What is a plumb line?'));
  const file = path.join(path.dirname(product.dir), 'answer.txt');
  fs.writeFileSync(file, `${r.json().choices[0].message.content}\n`);
  const receipt = await product.receipt(r.headers['x-plumbline-request-id']);
  verifyReceipt(receipt, { digest: r.headers['x-plumbline-event-digest'] });
  const found = await product.cli(['trace', file]);
  assert.equal(found.code, 0, found.stderr);
  assert.ok(/inclusion proof verified/.test(found.stdout), found.stdout);
  const ledger = await product.cli(['ledger', 'verify']);
  assert.equal(ledger.code, 0, ledger.stderr);
  fs.writeFileSync(file, 'I wrote this myself.\n');
  assert.equal((await product.cli(['trace', file])).code, 3);
});

test('a label on a file is added, found and checked', async () => {
  const [plain, labelled, bad] = ['plain.txt', 'labelled.txt', 'bad.md'].map((f) => path.join(path.dirname(product.dir), f));
  fs.writeFileSync(plain, '春天的花园里开满了郁金香。\n');
  assert.equal((await run(BIN, ['inspect', plain])).code, 3);
  const added = await run(BIN, ['label', 'add', plain, '-o', labelled, '--explicit']);
  assert.equal(added.code, 0, added.stderr);
  const found = await run(BIN, ['inspect', labelled, '--json']);
  assert.equal(found.code, 0, found.stdout);
  assert.equal(JSON.parse(found.stdout).labels[0].conforms, true);
  fs.writeFileSync(bad, '正文。\n\n【AI创作】\n');
  const wrong = await run(BIN, ['inspect', bad, '--json']);
  assert.equal(wrong.code, 1);
  assert.match(JSON.parse(wrong.stdout).labels[0].problems[0], /生成/);
  assert.equal((await run(BIN, ['label', 'add', plain, '-o', labelled, '--explicit', '--text', 'AI创作'])).code, 4);
  assert.equal((await run(BIN, ['label', 'add', plain, '-o', labelled])).code, 4);
  assert.equal((await run(BIN, ['label', 'add', plain, '--explicit'])).code, 2);
  fs.writeFileSync(path.join(path.dirname(product.dir), 'x.png'), Buffer.from([0x89, 0x50, 0x4e, 0x47, 0]));
  const png = await run(BIN, ['inspect', path.join(path.dirname(product.dir), 'x.png')]);
  assert.equal(png.code, 4);
  assert.match(png.stderr, /not supported yet/);
});

test('the stop switch of the console', async () => {
  const off = await api('POST', '/api/v1/guard/stop', { reason: 'a drill' });
  assert.equal(off.status, 200, JSON.stringify(off.json));
  await product.until('stopped', async () => (await chat(product.gateway, ask('m', 'hi'))).status === 503, 1000);
  assert.equal((await api('GET', '/api/v1/overview')).json.stop.reason, 'a drill');
  csrf = `${csrf.slice(0, -1)}x`;
  assert.equal((await api('POST', '/api/v1/guard/resume', { reason: 'x' })).status, 403, 'a forged request is refused');
  const again = await api('GET', '/api/v1/session');
  csrf = again.json.csrf;
  assert.equal((await api('POST', '/api/v1/guard/resume', { reason: 'over' })).status, 200);
  await product.until('resumed', async () => (await chat(product.gateway, ask('m', 'hi'))).status === 200, 1000);
});

test('the API describes itself', async () => {
  const { json } = await api('GET', '/api/v1/openapi.json');
  assert.match(json.openapi, /^3\.1/);
  for (const p of ['/api/v1/overview', '/api/v1/events', '/api/v1/receipts/{id}', '/api/v1/guard/stop', '/api/v1/trace', '/api/v1/session']) assert.ok(json.paths[p], p);
  const metrics = await request(`${product.console}/metrics`, { headers: { cookie } });
  assert.equal(metrics.status, 200);
  assert.match(metrics.text, /^plumbline_\w+.* \d/m);
});

test('Ctrl-C ends everything; the second start is quick and shows no password', async () => {
  const all = product.pids().all;
  product.child.kill('SIGINT');
  const { code, signal } = await product.exited;
  assert.ok(code === 0 || code === 130 || signal === 'SIGINT', `${code} ${signal}`);
  for (const pid of all) assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
  await product.stop({ keep: true });
  const start = Date.now();
  product.out = '';
  product.adminPassword = null;
  await product.start();
  assert.ok(Date.now() - start < 10_000);
  assert.equal(product.adminPassword, null);
  assert.equal((await chat(product.gateway, ask('m', 'hi'))).status, 200);
});

// --- things that go wrong on the first day ---------------------------------------------------

async function addresses() {
  const [a, b] = await freePorts(2);
  return ['--listen', `127.0.0.1:${a}`, '--gateway', `127.0.0.1:${b}`];
}

async function up(args, options) {
  return run(BIN, ['up', ...args], { timeout: 20_000, ...options });
}

test('a busy port is named, with what to do', async () => {
  const busy = net.createServer().listen(0, '127.0.0.1');
  await once(busy, 'listening');
  const dir = path.join(makeTemp(), 'data');
  const { port } = busy.address();
  try {
    for (const flag of ['--listen', '--gateway']) {
      const other = flag === '--listen' ? '--gateway' : '--listen';
      const [spare] = await freePorts(1);
      const r = await up(['--dir', dir, flag, `127.0.0.1:${port}`, other, `127.0.0.1:${spare}`]);
      assert.notEqual(r.code, 0);
      assert.ok(!r.signal, 'it ends by itself');
      assert.ok(r.stderr.includes(String(port)), r.stderr);
      assert.ok(r.stderr.includes(flag), `it names the option: ${r.stderr}`);
    }
  } finally {
    busy.close();
    fs.rmSync(path.dirname(dir), { recursive: true, force: true });
  }
});

test('a directory that is something else is left alone', async () => {
  const dir = makeTemp();
  fs.writeFileSync(path.join(dir, 'thesis.txt'), 'precious');
  const r = await up(['--dir', dir]);
  assert.notEqual(r.code, 0);
  assert.ok(r.stderr.includes(dir), r.stderr);
  assert.deepEqual(fs.readdirSync(dir), ['thesis.txt']);
  fs.rmSync(dir, { recursive: true });
});

test('a half-made instance says what is missing', async () => {
  const dir = path.join(makeTemp(), 'data');
  fs.cpSync(product.dir, dir, { recursive: true, filter: (f) => !f.endsWith('.sock') });
  fs.rmSync(path.join(dir, 'keys/ledger.key'));
  const r = await up(['--dir', dir, ...await addresses()]);
  assert.notEqual(r.code, 0);
  assert.match(r.stderr, /ledger\.key/);
  fs.rmSync(path.dirname(dir), { recursive: true });
});

test('the same directory cannot be run twice', async () => {
  const r = await up(['--dir', product.dir, ...await addresses()]);
  assert.notEqual(r.code, 0);
  assert.match(r.stderr, /already|running|locked|use/i);
  assert.equal((await chat(product.gateway, ask('m', 'hi'))).status, 200, 'the first one does not mind');
});

test('help and wrong usage', async () => {
  for (const args of [['--help'], ['up', '--help'], ['trace', '--help'], ['label', 'add', '--help'], ['guard', 'stop', '--help']]) {
    const r = await run(BIN, args);
    assert.equal(r.code, 0, args.join(' '));
    assert.match(r.stdout, /plumbline/);
  }
  const zh = await run(BIN, ['trace', '--help', '--lang', 'zh-CN']);
  assert.ok(hasHan(zh.stdout));
  for (const args of [['no-such-noun'], ['trace', '--no-such-option', 'x'], ['guard', 'no-such-verb'], []]) assert.equal((await run(BIN, args)).code, 2, args.join(' '));
  assert.match((await run(BIN, ['--version'])).stdout, /\d+\.\d+\.\d+/);
});
