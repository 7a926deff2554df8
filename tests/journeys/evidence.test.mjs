// From a blocked request to an evidence package that somebody else checks: the export asks the
// running daemon to record it, and the verifiers have the log's key from elsewhere.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { BIN, STAGE, makeTemp, run, startProduct, takeDown } from '../gateway/lib/product.mjs';
import { ask, chat } from '../gateway/lib/client.mjs';
import { HARM } from '../gateway/lib/cases.mjs';
import { leafHash, sha256 } from '../gateway/lib/verify.mjs';

const VERIFIERS = [
  [BIN, 'evidence', 'verify'],
  [path.join(STAGE, 'bin/plumbline-verify')],
  [path.join(STAGE, 'bin/plumbline-verify-ed25519')],
];
let product, temp, vkey, pkg, answer, said;

before(async () => {
  temp = makeTemp('pl-package-');
  product = await startProduct();
  vkey = path.join(temp, 'log.vkey');
  fs.writeFileSync(vkey, `${product.vkey()}\n`);
  pkg = path.join(temp, 'events.plevidence.tar');
  answer = await chat(product.gateway, ask('m', HARM.zh));
  assert.equal(answer.status, 200);
  assert.equal(answer.json().choices[0].finish_reason, 'content_filter');
  await product.receipt(answer.headers['x-plumbline-request-id']);
  const r = await product.cli(['evidence', 'export', '--type', 'guard-event-batch', '--payloads', '--to', 'Assessor Ltd',
    '--reason', 'annual assessment', '-o', pkg, '--json']);
  assert.equal(r.code, 0, r.stderr);
  said = JSON.parse(r.stdout);
});
after(async () => {
  await takeDown(product);
  fs.rmSync(temp, { recursive: true, force: true });
});

const verify = ([bin, ...args], file, ...more) => run(bin, [...args, file, '--key', vkey, '--json', ...more]);

test('the daemon recorded the export: what, to whom, why', async () => {
  assert.ok(product.pids().daemon, 'the daemon runs');
  assert.ok(Number.isInteger(said.ledger_index));
  const head = async () => (await product.api('GET', '/api/v1/ledger')).json;
  await product.until('the statement is published', async () => (await head()).size > said.ledger_index);
  const proved = await product.cli(['ledger', 'prove', String(said.ledger_index), '--json']);
  assert.equal(proved.code, 0, proved.stderr);
  const envelope = JSON.parse(Buffer.from(JSON.parse(proved.stdout).entry, 'base64'));
  const { predicateType, predicate } = JSON.parse(Buffer.from(envelope.payload, 'base64'));
  assert.match(predicateType, /\/evidence-exported\/v1$/);
  assert.equal(predicate.package_sha256, sha256(fs.readFileSync(pkg)).toString('hex'));
  assert.equal(predicate.package_bytes, fs.statSync(pkg).size);
  assert.equal(predicate.recipient, 'Assessor Ltd');
  assert.equal(predicate.purpose, 'annual assessment');
  assert.equal(predicate.with_payloads, true);
});

test('every verifier says that it holds, and all say the same', async () => {
  const reports = [];
  for (const v of VERIFIERS) {
    const r = await verify(v, pkg);
    assert.equal(r.code, 0, r.stdout + r.stderr);
    reports.push(r.stdout);
  }
  assert.equal(JSON.parse(reports[0]).ok, true);
  assert.deepEqual(new Set(reports).size, 1);
});

test('the package holds the event of the blocked request, and no word of it', async () => {
  const out = path.join(temp, 'out');
  fs.mkdirSync(out);
  assert.equal((await run('tar', ['xf', pkg, '-C', out])).code, 0);
  const payloads = fs.readdirSync(path.join(out, 'payload'));
  assert.equal(payloads.length, said.payloads);
  const leaves = payloads.flatMap((name) => {
    const bytes = fs.readFileSync(path.join(out, 'payload', name));
    assert.equal(sha256(bytes).toString('hex'), name);
    return bytes.toString('utf8').split('\n').filter(Boolean);
  });
  const found = leaves.filter((l) => JSON.parse(l).id === answer.headers['x-plumbline-request-id']);
  assert.equal(found.length, 1);
  assert.equal(JSON.parse(found[0]).verdict, 'block');
  assert.equal(leafHash(Buffer.from(found[0])).toString('hex'), answer.headers['x-plumbline-event-digest']);
  assert.ok(!fs.readFileSync(pkg).includes(HARM.zh));
});

test('a package with one changed byte of an event, a statement or the checkpoint does not hold', async () => {
  const bytes = fs.readFileSync(pkg);
  const bad = path.join(temp, 'bad.tar');
  for (const [what, at] of [
    ['event', bytes.indexOf(answer.headers['x-plumbline-request-id'])],
    ['statement', bytes.indexOf('"payload":"') + 60],
    ['signature', bytes.indexOf('"sig":"') + 30],
    ['checkpoint', bytes.indexOf('\n\n\u2014 ') - 10],
  ]) {
    assert.ok(at > 100, what);
    const changed = Buffer.from(bytes);
    changed[at] = changed[at] === 0x41 ? 0x42 : 0x41;
    fs.writeFileSync(bad, changed);
    for (const v of VERIFIERS) assert.equal((await verify(v, bad)).code, 1, `${what}: ${v.join(' ')}`);
  }
});

test('with the key of another log it does not hold', async () => {
  const other = path.join(temp, 'other');
  assert.equal((await run(BIN, ['init', '--dir', other])).code, 0);
  for (const [bin, ...args] of VERIFIERS)
    assert.equal((await run(bin, [...args, pkg, '--key', path.join(other, 'ledger/vkey')])).code, 1);
});

test('anybody can keep a copy of the log, over HTTP, that verifies by itself', async () => {
  const copy = path.join(temp, 'copy');
  const key = fs.readFileSync(path.join(product.dir, 'ledger/vkey'), 'utf8').split('\n')[0];
  const mirror = () => run(BIN, ['ledger', 'mirror', copy, '--from', `${product.console}/ledger`, '--key', key, '--json']);
  const first = await mirror();
  assert.equal(first.code, 0, first.stdout + first.stderr);
  assert.equal((await product.api('POST', '/api/v1/guard/stop', { reason: 'one more entry' })).status, 200);
  await product.api('POST', '/api/v1/guard/resume', { reason: 'on' });
  for (let i = 0; i < 100; i++) {
    const r = await mirror();
    assert.equal(r.code, 0, r.stdout + r.stderr);
    if (JSON.parse(r.stdout).size > JSON.parse(first.stdout).size) break;
    await new Promise((done) => { setTimeout(done, 100); });
  }
  const r = await run(BIN, ['ledger', 'verify', '--dir', copy, '--key', key, '--json']);
  assert.equal(r.code, 0, r.stdout + r.stderr);
  assert.ok(JSON.parse(r.stdout).size > JSON.parse(first.stdout).size);
});
