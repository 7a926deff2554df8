// From an answer to its proof: event, receipt, ledger, trace; every link is checked by code
// that is not the product's (lib/verify.mjs).
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import zlib from 'node:zlib';
import path from 'node:path';
import OpenAI from 'openai';
import * as up from './lib/upstream.mjs';
import { startProduct, takeDown } from './lib/product.mjs';
import { ask, chat, readStream, request, tcp } from './lib/client.mjs';
import { HARM, CALM, inParallel, name } from './lib/cases.mjs';
import { leafHash, openCheckpoint, parseVkey, sha256, verifyReceipt } from './lib/verify.mjs';

let model, product;
before(async () => {
  model = await up.startUpstream();
  product = await startProduct({ upstream: model });
});
after(() => takeDown(product, model));

const id = (r) => r.headers['x-plumbline-request-id'];

test('a whole answer is proved within two seconds', async () => {
  const m = name('proved');
  model.on(m, up.plain(CALM.zh));
  const r = await chat(product.gateway, ask(m, CALM.zh));
  const receipt = await product.receipt(id(r), { within: 2000 });
  const { event, statement } = verifyReceipt(receipt, { digest: r.headers['x-plumbline-event-digest'], vkey: product.vkey() });
  assert.equal(event.verdict, 'allow');
  assert.equal(event.stream, false);
  assert.equal(event.status, 200);
  assert.equal(event.label, 'text');
  assert.equal(event.end, 'complete');
  assert.equal(event.surface, 'chat.completions');
  assert.equal(event.input.bytes, model.callsFor(m)[0].body.length);
  assert.equal(event.outputs.length, 1);
  assert.equal(event.outputs[0].bytes, Buffer.byteLength(CALM.zh));
  assert.match(r.headers['x-plumbline-policy'], new RegExp(`^${event.policy};sha256=${event.policy_sha256.slice(0, 16)}$`));
  assert.equal(statement.subject[0].name, `service:${event.service}`);
  assert.equal(statement.subject[0].digest.sha256, sha256(`service:${event.service}`).toString('hex'));
  assert.ok(Math.abs(Date.parse(event.time) - Date.now()) < 10_000);
});

test('a stream is proved by the comment at its end', async () => {
  const m = name('proved-s');
  model.on(m, up.stream([...CALM.en]));
  const r = await chat(product.gateway, ask(m, CALM.en, { stream: true }));
  const s = readStream(r.buf);
  assert.equal(s.event, id(r));
  assert.ok(r.text.indexOf(`digest=${s.digest}`) < r.text.indexOf('data: [DONE]'), 'before [DONE]');
  const { event } = verifyReceipt(await product.receipt(s.event), { digest: s.digest });
  assert.equal(event.stream, true);
  assert.equal(event.output.bytes, Buffer.byteLength(CALM.en));
});

test('blocks name the rule and the direction, not the text', async () => {
  const m = name('blocked');
  model.on(m, up.plain(`well: ${HARM.en}`));
  const input = await product.receipt(id(await chat(product.gateway, ask(m, HARM.zh))));
  assert.equal(input.event.verdict, 'block');
  assert.equal(input.event.direction, 'input');
  assert.equal(input.event.upstream_status, 0);
  assert.deepEqual(input.event.outputs, []);
  const [f] = input.event.input.findings;
  assert.equal(f.category, 'harm.weapons');
  assert.equal(f.action, 'block');
  const output = await product.receipt(id(await chat(product.gateway, ask(m, CALM.en))));
  assert.equal(output.event.direction, 'output');
  assert.equal(output.event.output.findings[0].category, 'harm.weapons');
  for (const r of [input, output]) {
    verifyReceipt(r);
    const all = JSON.stringify(r) + Buffer.from(r.leaf, 'base64') + Buffer.from(r.ledger.entry, 'base64');
    for (const text of [HARM.zh, HARM.en, CALM.en]) assert.ok(!all.includes(text), 'no content in evidence');
  }
});

test('a commitment opens with the salt and only with it', async () => {
  const m = name('salt');
  const body = Buffer.from(JSON.stringify(ask(m, CALM.en)));
  const { event } = await product.receipt(id(await chat(product.gateway, body)));
  assert.match(event.input.commitment, /^[0-9a-f]{64}$/);
  assert.notEqual(event.input.commitment, sha256(body).toString('hex'), 'not a plain hash of the content');
  const again = await product.receipt(id(await chat(product.gateway, body)));
  assert.notEqual(again.event.input.commitment, event.input.commitment, 'equal requests cannot be recognised');
});

test('fifty events at once are each proved', async () => {
  const m = name('many');
  model.on(m, up.plain(CALM.en));
  const answers = [];
  await inParallel(10, Array.from({ length: 50 }, (_, i) => async () => {
    answers.push(await chat(product.gateway, ask(m, `${CALM.en} ${i}`, { stream: i % 2 === 0 })));
  }));
  const ids = answers.map(id);
  assert.equal(new Set(ids).size, 50);
  await inParallel(5, answers.map((r) => async () => {
    verifyReceipt(await product.receipt(id(r)), { digest: r.headers['x-plumbline-event-digest'] });
  }));
});

test('a receipt that was changed anywhere does not verify', async () => {
  const m = name('forge');
  const good = await product.receipt(id(await chat(product.gateway, ask(m, CALM.en))));
  verifyReceipt(good);
  const flip = (b64) => {
    const b = Buffer.from(b64, 'base64');
    b[b.length >> 1] ^= 1;
    return b.toString('base64');
  };
  const changes = {
    leaf: (r) => { r.leaf = flip(r.leaf); },
    digest: (r) => { r.digest = r.digest.replace(/^./, (c) => (c === '0' ? '1' : '0')); },
    position: (r) => { r.batch.index += r.batch.count; },
    entry: (r) => { r.ledger.entry = flip(r.ledger.entry); },
    'ledger index': (r) => { r.ledger.index = (r.ledger.index + 1) % r.ledger.size || r.ledger.size; },
    checkpoint: (r) => { r.ledger.checkpoint = r.ledger.checkpoint.replace(/\n(\d+)\n/, (_, n) => `\n${Number(n) + 1}\n`); },
  };
  for (const [what, change] of Object.entries(changes)) {
    const bad = structuredClone(good);
    change(bad);
    assert.throws(() => verifyReceipt(bad), undefined, what);
  }
});

test('unknown receipts are 404 problem details', async () => {
  for (const bad of ['01jd0000000000000000000000', 'x', '..%2f..%2fetc', '0'.repeat(300)]) {
    const r = await request(`${product.console}/api/v1/receipts/${bad}`);
    assert.ok([400, 404].includes(r.status), `${bad}: ${r.status}`);
    assert.match(r.headers['content-type'], /^application\/problem\+json/);
  }
});

test('the ledger is served as static files that verify', async () => {
  const m = name('static');
  const receipt = await product.receipt(id(await chat(product.gateway, ask(m, CALM.en))));
  const note = await request(`${product.console}/ledger/checkpoint`);
  assert.equal(note.status, 200);
  const head = openCheckpoint(note.text, parseVkey(product.vkey()));
  assert.ok(head.size > receipt.ledger.index);
  const n = Math.floor(receipt.ledger.index / 256);
  const width = Math.min(256, head.size - n * 256);
  const tile = await request(`${product.console}/ledger/tile/0/${String(n).padStart(3, '0')}${width < 256 ? `.p/${width}` : ''}`);
  assert.equal(tile.status, 200);
  assert.equal(tile.buf.length, width * 32);
  const at = (receipt.ledger.index - n * 256) * 32;
  assert.deepEqual(tile.buf.subarray(at, at + 32), leafHash(Buffer.from(receipt.ledger.entry, 'base64')));
  for (const other of ['payload/', 'wal', 'lock', 'ledger.key', 'tile/../wal']) {
    const r = await tcp(product.console, `GET /ledger/${other} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    assert.match(r, /^HTTP\/1\.1 (400|403|404) /, other);
  }
  const keys = ['ledger.key', 'index.key'].map((f) => fs.readFileSync(path.join(product.dir, 'keys', f), 'latin1').trim());
  for (const way of ['../keys/', '..%2fkeys%2f', 'tile/../../keys/', 'tile/..%2f..%2fkeys/', 'tile//../../keys/', 'tile/%2e%2e/%2e%2e/keys/'])
    for (const [i, file] of ['ledger.key', 'index.key'].entries()) {
      const r = await tcp(product.console, `GET /ledger/${way}${file} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
      assert.ok(!r.includes(keys[i]), way);
    }
});

test('plumbline ledger verify accepts the log and names what is wrong with a changed one', async () => {
  const ok = await product.cli(['ledger', 'verify', '--json']);
  assert.equal(ok.code, 0, ok.stderr);
  const report = JSON.parse(ok.stdout);
  assert.equal(report.ok, true);
  assert.deepEqual(report.problems, []);
  assert.ok(report.size > 0);
  // a copy with one byte changed in the newest entry bundle
  const copy = path.join(path.dirname(product.dir), 'copy');
  fs.cpSync(product.dir, copy, { recursive: true, filter: (f) => !f.endsWith('.sock') });
  const bundles = fs.readdirSync(path.join(copy, 'ledger/tile/entries'), { recursive: true })
    .map((f) => path.join(copy, 'ledger/tile/entries', f)).filter((f) => fs.statSync(f).isFile());
  assert.ok(bundles.length > 0);
  for (const f of bundles) {
    const b = fs.readFileSync(f);
    b[b.length >> 1] ^= 1;
    fs.chmodSync(f, 0o644);
    fs.writeFileSync(f, b);
  }
  const { run, BIN } = await import('./lib/product.mjs');
  const bad = await run(BIN, ['ledger', 'verify', '--dir', copy, '--json']);
  assert.equal(bad.code, 1, bad.stderr);
  assert.equal(JSON.parse(bad.stdout).ok, false);
  assert.ok(JSON.parse(bad.stdout).problems.length > 0);
  fs.rmSync(copy, { recursive: true });
});

// --- trace --------------------------------------------------------------------------------

let files = 0;
function save(content) {
  const file = path.join(path.dirname(product.dir), `answer-${++files}.txt`);
  fs.writeFileSync(file, content);
  return file;
}

test('trace finds a saved answer and proves it', async () => {
  const sdk = new OpenAI({ baseURL: `${product.gateway}/v1`, apiKey: 'k' });
  const m = name('trace');
  const original = `Une réponse, ${crypto.randomUUID()}, 一个回答。`;
  model.on(m, up.plain(original));
  const { data, response } = await sdk.chat.completions.create(ask(m, CALM.zh)).withResponse();
  const text = data.choices[0].message.content;
  assert.notEqual(text, original);
  const request_ = response.headers.get('x-plumbline-request-id');
  await product.receipt(request_);
  const nfd = text.normalize('NFD');
  assert.notEqual(nfd, text);
  const forms = {
    'as it came': text, 'with a line feed': `${text}\n`, 'without the label': original, 'with blanks': `${original}  \n\n`,
    'decomposed': nfd, 'with a byte order mark': `\ufeff${text}`, 'from Windows': text.replaceAll('\n', '\r\n'),
    'the whole response': JSON.stringify(data),
  };
  for (const [what, content] of Object.entries(forms)) {
    const r = await product.cli(['trace', save(content), '--json']);
    assert.equal(r.code, 0, `${what}: ${r.stdout}${r.stderr}`);
    const t = JSON.parse(r.stdout);
    assert.deepEqual([t.found, t.request_id, t.proof, t.how], [true, request_, 'verified', 'exact'], what);
    assert.equal(typeof t.ledger_index, 'number');
    assert.match(t.time, /^\d{4}-\d\d-\d\dT/);
    assert.match(t.policy, /@\d+$/);
    assert.ok(t.service);
  }
  const human = await product.cli(['trace', '-'], { input: text });
  assert.equal(human.code, 0);
  assert.ok(human.stdout.includes(request_) && /inclusion proof verified/.test(human.stdout));
  const zh = await product.cli(['trace', '-', '--lang', 'zh-CN'], { input: text });
  assert.match(zh.stdout, /包含证明验证通过/);
  const api = await product.api('POST', '/api/v1/trace', { text });
  assert.deepEqual(api.json, JSON.parse((await product.cli(['trace', save(text), '--json'])).stdout));
});

test('trace finds a streamed answer', async () => {
  const m = name('trace-s');
  const original = `streamed ${crypto.randomUUID()}`;
  model.on(m, up.stream([...original]));
  const s = readStream((await chat(product.gateway, ask(m, CALM.en, { stream: true }))).buf);
  await product.receipt(s.event);
  const t = JSON.parse((await product.cli(['trace', save(s.text), '--json'])).stdout);
  assert.deepEqual([t.request_id, t.proof], [s.event, 'verified']);
});

test('trace finds each choice, also beside one without text', async () => {
  const m = name('trace-n');
  const texts = [crypto.randomUUID(), crypto.randomUUID()];
  model.on(m, up.json(up.completion(m, [{ message: { content: null, tool_calls: [] } }, texts[0], texts[1]])));
  const r = await chat(product.gateway, ask(m, CALM.en, { n: 3 }));
  await product.receipt(id(r));
  for (const [i, t] of texts.entries()) {
    const found = JSON.parse((await product.cli(['trace', save(t), '--json'])).stdout);
    assert.deepEqual([found.request_id, found.proof, found.choice], [id(r), 'verified', i + 1]);
  }
});

test('trace of changed text is not found', async () => {
  const m = name('changed');
  const original = `The year was 1931, ${crypto.randomUUID()}.`;
  model.on(m, up.plain(original));
  await product.receipt(id(await chat(product.gateway, ask(m, CALM.en))));
  for (const text of [original.replace('1931', '1932'), ` ${original}`, original.slice(0, -1), `${original}x`, original.toUpperCase()]) {
    const r = await product.cli(['trace', save(text), '--json']);
    assert.equal(r.code, 3, text);
    const t = JSON.parse(r.stdout);
    assert.equal(t.found, false);
    assert.equal(t.request_id, null);
  }
});

test('trace refuses what is no text and says when it cannot run', async () => {
  assert.equal((await product.cli(['trace', save(Buffer.from([0xff, 0xfe, 0x00]))])).code, 4);
  assert.equal((await product.cli(['trace', save('  \n')])).code, 4);
  assert.equal((await product.cli(['trace'])).code, 2);
  assert.notEqual((await product.cli(['trace', '/nonexistent/answer.txt'])).code, 0);
  const { run, BIN } = await import('./lib/product.mjs');
  const elsewhere = await run(BIN, ['trace', save('hello'), '--dir', '/nonexistent']);
  assert.equal(elsewhere.code, 5);
  assert.match(elsewhere.stderr, /\/nonexistent/);
  const anonymous = await request(`${product.console}/api/v1/trace`, { method: 'POST', body: '{"text":"x"}', headers: { 'content-type': 'application/json' } });
  assert.ok([401, 403].includes(anonymous.status));
});

test('a withheld answer cannot be traced: nobody ever got it', async () => {
  const m = name('withheld');
  const text = `${HARM.en}. ${crypto.randomUUID()}`;
  model.on(m, up.plain(text));
  await product.receipt(id(await chat(product.gateway, ask(m, CALM.en))));
  assert.equal((await product.cli(['trace', save(text)])).code, 3);
});

test('the same answer given twice is traced to the newest request', async () => {
  const m = name('twice');
  const text = crypto.randomUUID();
  model.on(m, up.plain(text));
  await chat(product.gateway, ask(m, CALM.en));
  const second = id(await chat(product.gateway, ask(m, CALM.en)));
  await product.receipt(second);
  const t = JSON.parse((await product.cli(['trace', save(text), '--json'])).stdout);
  assert.equal(t.request_id, second);
  assert.equal(t.matches, 2);
});

test('what is in the database is not believed: a forged row fails the proof', async () => {
  const m = name('forged-row');
  const text = crypto.randomUUID();
  model.on(m, up.plain(text));
  const r = await chat(product.gateway, ask(m, CALM.en));
  await product.receipt(id(r));
  const copy = path.join(path.dirname(product.dir), 'forged');
  await product.until('the database is at rest', async () => (await product.api('GET', '/api/v1/overview')).json.events_pending === 0);
  fs.cpSync(product.dir, copy, { recursive: true, filter: (f) => !f.endsWith('.sock') });
  const { DatabaseSync } = await import('node:sqlite');
  const db = new DatabaseSync(path.join(copy, 'state.db'));
  const row = db.prepare('SELECT leaf FROM guard_event WHERE id = ?').get(id(r));
  const leaf = Buffer.from(row.leaf).toString('utf8').replace(/"time":"\d{4}/, '"time":"1999');
  assert.equal(db.prepare('UPDATE guard_event SET leaf = ? WHERE id = ?').run(Buffer.from(leaf), id(r)).changes, 1);
  db.close();
  const { run, BIN } = await import('./lib/product.mjs');
  const t = await run(BIN, ['trace', '-', '--json', '--dir', copy], { input: text });
  assert.equal(t.code, 1, t.stderr);
  assert.equal(JSON.parse(t.stdout).proof, 'failed');
  assert.match(JSON.parse(t.stdout).problem, /batch/);
  fs.rmSync(copy, { recursive: true });
});

test('the audit covers every request, and counts what went through unread', async () => {
  const from = new Date(Date.now() - 1).toISOString();
  const m = name('audit');
  model.on(m, up.stream(['Tulips ', 'open.']));
  const image = { role: 'user', content: [{ type: 'text', text: 'what is this' }, { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }] };
  const sent = await Promise.all([
    ...Array.from({ length: 6 }, (_, i) => chat(product.gateway, ask(m, CALM.en, { stream: i % 2 === 0 }))),
    chat(product.gateway, ask(m, HARM.en)), chat(product.gateway, { model: m, messages: [image] }),
  ]);
  for (const r of sent) await product.receipt(r.headers['x-plumbline-request-id']);
  const audit = async (to, extra = []) => product.cli(['guard', 'audit', '--from', from, '--to', to, '--json', ...extra]);
  const report = await product.until('the access log is written', async () => {
    const r = await audit(new Date().toISOString());
    const j = JSON.parse(r.stdout);
    return j.access_log?.requests === 8 && { ...j, code: r.code }; // no log at all until the first write after `from`
  }, 5000);
  assert.equal(report.code, 0);
  assert.equal(report.exchanges, 8);
  assert.deepEqual(report.verdicts, { allow: 7, block: 1 });
  assert.deepEqual(report.surfaces, { 'chat.completions': 8 });
  assert.equal(report.uncovered, 0);
  assert.ok(report.output.scanned >= report.output.bytes && report.output.bytes > 0);
  assert.deepEqual(report.bypasses, { unknown_surface: 0, media: 1, shadow: 0, aborted: 0, not_judged: 0, second_opinion: 0, oversize: 0, worker_lost: 0, without_event: 0 });
  assert.deepEqual(report.refusals, {});
  assert.deepEqual(report.access_log, { files: 1, unreadable: 0, requests: 8, covered: 8, without_event: 0, missing: [] });

  // What logrotate makes of the log, and a file that was cut short.
  const log = path.join(product.dir, 'log/access.log');
  const lines = fs.readFileSync(log, 'utf8').split('\n').filter(Boolean);
  fs.writeFileSync(`${log}.2.gz`, zlib.gzipSync(`${lines.slice(0, 3).join('\n')}\n`));
  fs.writeFileSync(`${log}.1`, `${lines.slice(3, 6).join('\n')}\n`);
  fs.writeFileSync(log, `${lines.slice(6).join('\n')}\n`);
  const rotated = JSON.parse((await audit(new Date().toISOString())).stdout);
  assert.deepEqual([rotated.access_log.files, rotated.access_log.requests, rotated.access_log.covered], [3, 8, 8]);
  fs.writeFileSync(`${log}.3.gz`, zlib.gzipSync(Buffer.alloc(100_000, 'x\n')).subarray(0, 60));
  const cut = await audit(new Date().toISOString());
  assert.equal(JSON.parse(cut.stdout).access_log.unreadable, 1);
  assert.equal(cut.code, 1, 'what cannot be read is no proof');
  fs.rmSync(`${log}.3.gz`);

  // A request in the log that left no event: what a bypass would look like.
  const id = sent[0].headers['x-plumbline-request-id'];
  const forged = `${id.slice(0, 10)}${'0'.repeat(16)}`;
  fs.appendFileSync(path.join(product.dir, 'log/access.log'), `{"request_id":"${forged}","status":200}\n`);
  const found = await audit(new Date().toISOString());
  assert.equal(found.code, 1);
  assert.deepEqual(JSON.parse(found.stdout).access_log.missing, [forged]);
  assert.equal((await product.cli(['guard', 'audit', '--from', 'yesterday'])).code, 4);
});
