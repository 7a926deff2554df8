// Time stamps from end to end: a local authority made with `openssl ts` behind a small server,
// the real daemon and the verbs. The authority is also slow, away, and telling nonsense.
// PROVES: RFC3161/2.4.1 PROVES: RFC3161/2.4.2
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { BIN, makeTemp, run, startProduct } from '../gateway/lib/product.mjs';

let temp, server, url;
/** What the authority does with a request: answer(query) gives status and body, or never. */
let answer;
let asked = 0;

const openssl = (...args) => execFileSync('openssl', args, { cwd: temp, stdio: ['ignore', 'ignore', 'pipe'] });

function makeAuthority() {
  openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '3650', '-subj', '/CN=Test Root');
  openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'tsa.key', '-out', 'tsa.csr', '-subj', '/CN=Test TSA');
  fs.writeFileSync(path.join(temp, 'ext'), 'extendedKeyUsage=critical,timeStamping\nbasicConstraints=CA:FALSE\n');
  openssl('x509', '-req', '-in', 'tsa.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '3650', '-extfile', 'ext', '-out', 'tsa.pem');
  fs.writeFileSync(path.join(temp, 'tsa.cnf'), `[tsa]
default_tsa = one
[one]
serial = serial
signer_cert = tsa.pem
certs = tsa.pem
signer_key = tsa.key
signer_digest = sha256
default_policy = 1.2.3.4
digests = sha256
accuracy = secs:1
ess_cert_id_alg = sha256
`);
  fs.writeFileSync(path.join(temp, 'serial'), '01\n');
}

function reply(query) {
  fs.writeFileSync(path.join(temp, 'q.tsq'), query);
  openssl('ts', '-reply', '-config', 'tsa.cnf', '-queryfile', 'q.tsq', '-out', 'r.tsr');
  return fs.readFileSync(path.join(temp, 'r.tsr'));
}

before(async () => {
  temp = makeTemp('pl-tsa-');
  makeAuthority();
  server = http.createServer(async (req, res) => {
    const parts = [];
    for await (const p of req) parts.push(p);
    asked++;
    assert.equal(req.headers['content-type'], 'application/timestamp-query');
    const got = await answer(Buffer.concat(parts));
    if (got) res.writeHead(got.status ?? 200, { 'content-type': 'application/timestamp-reply' }).end(got.body);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${server.address().port}/`;
});
after(async () => {
  server.closeAllConnections();
  server.close();
  fs.rmSync(temp, { recursive: true, force: true });
});

async function until(what, fn, ms = 15_000) {
  const end = Date.now() + ms;
  for (;;) {
    const got = await fn();
    if (got) return got;
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await sleep(50);
  }
}

function configure(dir, roots) {
  const file = path.join(dir, 'plumbline.yaml');
  const text = fs.readFileSync(file, 'utf8');
  fs.writeFileSync(file, text.replace(/^gateway:/m, `ledger:\n  timestamp:\n    url: "${url}"\n    interval_minutes: 1\n    roots: "${roots}"\n\ngateway:`));
}

const stamps = (dir) => {
  const at = path.join(dir, 'ledger/timestamp');
  return fs.existsSync(at) ? fs.readdirSync(at).filter((f) => f.endsWith('.tsr')).map((f) => Number(f.slice(0, -4))).sort((a, b) => a - b) : [];
};
const verify = async (dir) => JSON.parse((await run(BIN, ['ledger', 'verify', '--dir', dir, '--json'])).stdout);
const stamp = (dir, ...more) => run(BIN, ['ledger', 'timestamp', '--dir', dir, '--url', url, '--json', ...more]);

test('the daemon has the head dated, and a package carries it', async () => {
  answer = (q) => ({ body: reply(q) });
  const p = await startProduct({ configure: (dir) => configure(dir, path.join(temp, 'ca.pem')) });
  try {
    const [size] = await until('a head is dated', () => stamps(p.dir).length > 0 && stamps(p.dir));
    assert.match((await (await fetch(`${p.console}/ledger/timestamp/${size}.note`)).text()), new RegExp(`^[^\\n]+\\n${size}\\n`));
    const page = await fetch(`${p.console}/verify.html`);
    assert.match(await page.text(), /check an evidence package/);
    assert.match(page.headers.get('content-security-policy'), /default-src 'none'/);
    const pkg = path.join(temp, 'p.tar');
    const r = await run(BIN, ['evidence', 'export', '--dir', p.dir, '--entry', '0', '--to', 'x', '--reason', 'y', '-o', pkg, '--json']);
    assert.equal(r.code, 0, r.stderr);
    assert.match(JSON.parse(r.stdout).timestamp, /^20/);
    const v = await run(BIN, ['evidence', 'verify', pkg, '--key', path.join(p.dir, 'ledger/vkey'), '--tsa-roots', path.join(temp, 'ca.pem'), '--json']);
    assert.equal(v.code, 0, v.stdout);
    assert.equal(JSON.parse(v.stdout).latest_time_from, 'CN=Test TSA');
    // The newest head, when asked for, has no stamp yet: the record of the export is in it.
    const n = await run(BIN, ['evidence', 'export', '--dir', p.dir, '--entry', '0', '--to', 'x', '--reason', 'y', '--newest', '-o', pkg, '--json']);
    assert.equal(JSON.parse(n.stdout).timestamp, null);
  } finally {
    await p.stop();
    p.remove();
  }
});

test('trouble with the authority never delays the log, and nothing that does not hold is kept', async () => {
  const held = [];
  answer = () => new Promise((r) => { held.push(r); }); // takes the request and never answers
  asked = 0;
  const p = await startProduct({ dir: path.join(temp, 'data'), configure: (dir) => configure(dir, path.join(temp, 'ca.pem')) });
  try {
    await until('the authority is asked', () => asked > 0);
    const t = Date.now();
    const r = await p.api('POST', '/api/v1/guard/stop', { reason: 'while the authority hangs' });
    assert.equal(r.status, 200);
    assert.ok(Date.now() - t < 3000, `an append took ${Date.now() - t} ms`);
    await until('it is published', async () => {
      const { json } = await p.api('GET', '/api/v1/ledger');
      return json.size > r.json.ledger_index && json.size;
    });
    assert.deepEqual(stamps(p.dir), []);
  } finally {
    for (const r of held) r(null);
    server.closeAllConnections();
    await p.stop();
  }
  try {
    const other = reply.bind(null, execFileSync('openssl', ['ts', '-query', '-data', 'ext', '-sha256', '-cert'], { cwd: temp }));
    const bad = [
      ['an error', () => ({ status: 500, body: 'no' }), /status 500/],
      ['text', () => ({ body: 'no' }), /not an answer/],
      ['nothing', () => ({ body: '' }), /not an answer/],
      ['a stamp of something else', () => ({ body: other() }), /something else/],
      ['a refusal', () => ({ body: reply(Buffer.from('3000', 'hex')) }), /did not grant/],
      ['an old answer', (q) => { const b = Buffer.from(q); b[b.length - 4] ^= 1; return { body: reply(b) }; }, /another request/],
      ['more than anybody needs', () => ({ body: Buffer.alloc(2 << 20) }), /larger|more than|limit/i],
    ];
    for (const [what, fn, says] of bad) {
      answer = fn;
      const r = await stamp(p.dir);
      assert.notEqual(r.code, 0, what);
      assert.match(r.stdout + r.stderr, says, what);
      assert.deepEqual(stamps(p.dir), [], what);
    }
    answer = (q) => ({ body: reply(q) });
    fs.copyFileSync(path.join(temp, 'ca.pem'), path.join(temp, 'right.pem'));
    openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'x.key', '-out', 'other.pem', '-days', '3650', '-subj', '/CN=Other Root');
    const r = await stamp(p.dir, '--tsa-roots', path.join(temp, 'other.pem'));
    assert.match(r.stdout + r.stderr, /leads to none of the roots/);
    assert.deepEqual(stamps(p.dir), []);

    // In the end it works, once for a head; what is kept is checked with the log.
    const ok = await stamp(p.dir, '--tsa-roots', path.join(temp, 'ca.pem'));
    assert.equal(ok.code, 0, ok.stdout + ok.stderr);
    assert.equal(JSON.parse(ok.stdout).signer, 'CN=Test TSA');
    assert.notEqual((await stamp(p.dir)).code, 0);
    const [size] = stamps(p.dir);
    assert.deepEqual((await verify(p.dir)).problems, []);
    const file = path.join(p.dir, `ledger/timestamp/${size}.tsr`);
    const bytes = fs.readFileSync(file);
    bytes[bytes.length - 1] ^= 1;
    fs.writeFileSync(file, bytes);
    const { ok: sound, problems } = await verify(p.dir);
    assert.equal(sound, false);
    assert.match(problems.join(), new RegExp(`timestamp/${size}.tsr`));
    fs.rmSync(path.join(p.dir, `ledger/timestamp/${size}.note`));
    assert.match((await verify(p.dir)).problems.join(), new RegExp(`timestamp/${size}.tsr`));
  } finally {
    p.remove();
  }
});
