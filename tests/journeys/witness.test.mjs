// Witnesses from end to end: real daemon, real witnesses as other parties would run them.
// PROVES: evidence-ledger/7.11 PROVES: evidence-ledger/7.18
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { BIN, STAGE, freePorts, makeTemp, run, startProduct } from '../gateway/lib/product.mjs';

const WITNESS = path.join(STAGE, 'sbin/plumbline-witness');
let temp;
const children = new Set();

before(() => { temp = makeTemp('pl-witness-'); });
after(async () => {
  for (const c of children) c.kill('SIGKILL');
  fs.rmSync(temp, { recursive: true, force: true });
});

/** A witness of another party, in a folder of its own. */
async function makeWitness(name, port) {
  const dir = path.join(temp, name);
  const r = await run(WITNESS, ['init', '--dir', dir, '--name', `${name}.example/w`]);
  assert.equal(r.code, 0, r.stderr);
  return { name, dir, vkey: r.stdout.trim(), port, url: `http://127.0.0.1:${port}` };
}

async function trust(w, instance) {
  const vkey = fs.readFileSync(path.join(instance, 'ledger/vkey'), 'utf8').trim();
  const r = await run(WITNESS, ['trust', '--dir', w.dir, vkey]);
  assert.equal(r.code, 0, r.stderr);
}

async function serve(w) {
  w.child = spawn('setpriv', ['--pdeathsig', 'KILL', WITNESS, 'serve', '--dir', w.dir, '--listen', `127.0.0.1:${w.port}`],
    { stdio: ['ignore', 'ignore', 'pipe'] });
  children.add(w.child);
  let log = '';
  w.child.stderr.setEncoding('utf8').on('data', (d) => { log += d; });
  for (let i = 0; !log.includes('"ready"'); i++) {
    assert.ok(i < 200 && w.child.exitCode === null, log);
    await sleep(25);
  }
}

async function halt(w) {
  w.child.kill('SIGTERM');
  await once(w.child, 'close');
  children.delete(w.child);
}

/** Said to be of other hosts: a loopback address alone would make them local. */
function configure(instance, witnesses, quorum) {
  const file = path.join(instance, 'plumbline.yaml');
  const text = fs.readFileSync(file, 'utf8').replace(/^ledger:[\s\S]*?(?=^gateway:)/m, '');
  const list = witnesses.map((w) => `    - name: ${w.name}\n      vkey: "${w.vkey}"\n      url: "${w.url}"\n      local: false\n`);
  fs.writeFileSync(file, text.replace(/^gateway:/m, `ledger:\n  quorum: ${quorum}\n  witnesses:\n${list.join('')}\ngateway:`));
}

const head = (note) => Number(note.split('\n')[1]);
const lines = (note) => note.split('\n\n').pop().trim().split('\n').map((l) => l.split(' ')[1]);
const ledgerFile = (p, name) => fs.readFileSync(path.join(p.dir, 'ledger', name), 'utf8');

/** Puts one more statement into the ledger. */
async function state(p, reason) {
  const r = await p.api('POST', '/api/v1/guard/stop', { reason });
  assert.equal(r.status, 200, JSON.stringify(r.json));
  await p.api('POST', '/api/v1/guard/resume', { reason: 'on' });
}

/** A ledger that is frozen makes the service degraded, for which start() would wait in vain. */
async function startFrozen(p) {
  await p.start({ wait: false });
  await until('the daemon answers', async () => (await p.api('GET', '/api/v1/ledger').catch(() => null))?.status === 200)
    .catch((e) => { throw new Error(`${e.message}\n${p.logs()}`); });
  p.pids();
}

async function until(what, fn, ms = 15_000) {
  const end = Date.now() + ms;
  for (;;) {
    const got = await fn();
    if (got) return got;
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await sleep(100);
  }
}

test('the head is cosigned, a quorum makes it witnessed, and the own witness does not count', async () => {
  const ports = await freePorts(2);
  const w = [await makeWitness('assessor', ports[0]), await makeWitness('regulator', ports[1])];
  const p = await startProduct({
    configure: async (dir) => {
      configure(dir, w, 2);
      for (const x of w) {
        await trust(x, dir);
        await serve(x);
      }
    },
  });
  try {
    await state(p, 'witnessed');
    const size = await until('the newest head is witnessed', async () => {
      const { json } = await p.api('GET', '/api/v1/ledger');
      return json.quorum.have === 2 && json.quorum.size === json.size && json.appended === json.size && json.size;
    });
    const note = ledgerFile(p, 'witnessed');
    assert.equal(head(note), size);
    assert.deepEqual(new Set(lines(note).slice(1)), new Set(['assessor.example/w', 'regulator.example/w',
      ...lines(note).filter((n) => n.endsWith('/witness'))]));
    const { json } = await p.api('GET', '/api/v1/ledger');
    assert.deepEqual(json.witnesses.map((x) => [x.name, x.local, x.state]),
      [['assessor', false, 'cosigned'], ['regulator', false, 'cosigned'], ['own', true, 'cosigned']]);
    assert.equal(json.frozen, null);
    // The file that anybody can fetch is the same, and others can read what it says.
    const r = await run(BIN, ['ledger', 'verify', '--dir', p.dir, '--json']);
    assert.equal(r.code, 0, r.stdout + r.stderr);
    const verified = JSON.parse(r.stdout);
    assert.deepEqual(verified.quorum, { need: 2, have: 2, met: true });
    assert.deepEqual(verified.witnesses.map((x) => [x.name, x.local]), [['assessor', false], ['regulator', false], ['own', true]]);
    assert.equal((await fetch(`${p.console}/ledger/witnessed`)).status, 200);

    // Row 18: one of two is gone. Appends go on at once; the quorum waits; it comes back.
    await halt(w[1]);
    const t = Date.now();
    await state(p, 'without a quorum');
    assert.ok(Date.now() - t < 3000, `an append took ${Date.now() - t} ms with a dead witness`);
    await until('health says so', async () => (await p.api('GET', '/healthz')).json.problems.some((x) => x.includes('the quorum of 2 is not reached')));
    assert.ok(head(ledgerFile(p, 'checkpoint')) > head(ledgerFile(p, 'witnessed')));
    // A witness that takes the call and never answers.
    const hole = net.createServer((s) => { s.on('error', () => {}); }).listen(w[1].port, '127.0.0.1');
    await once(hole, 'listening');
    await sleep(500);
    const t2 = Date.now();
    await state(p, 'into a hole');
    assert.ok(Date.now() - t2 < 3000, `an append took ${Date.now() - t2} ms with a silent witness`);
    hole.close();
    hole.unref();
    await sleep(5500); // the call that hangs runs into its limit
    await serve(w[1]);
    await until('the quorum is back', async () => {
      const j = (await p.api('GET', '/api/v1/ledger')).json;
      return j.quorum.have === 2 && j.quorum.size === j.appended;
    }, 70_000);
  } finally {
    await p.stop();
    p.remove();
    for (const x of w) if (children.has(x.child)) await halt(x);
  }
});

test('an administrator who restores yesterday\'s ledger is caught before anything is signed', async () => {
  const [port] = await freePorts(1);
  const w = await makeWitness('notary', port);
  const p = await startProduct({
    configure: async (dir) => {
      configure(dir, [w], 1);
      await trust(w, dir);
      await serve(w);
    },
  });
  try {
    await state(p, 'yesterday');
    await until('yesterday is witnessed', async () => {
      const j = (await p.api('GET', '/api/v1/ledger')).json;
      return j.quorum.size === j.appended && j.witnesses.every((x) => x.size === j.size);
    });
    await p.stop({ keep: true });
    const dir = path.join(p.dir, 'ledger');
    const backup = path.join(temp, 'yesterday');
    fs.cpSync(dir, backup, { recursive: true });
    const state_db = fs.readFileSync(path.join(p.dir, 'state.db'));

    await p.start();
    await state(p, 'today');
    const today = await until('today is witnessed', async () => {
      const j = (await p.api('GET', '/api/v1/ledger')).json;
      return j.quorum.size === j.appended && j.size;
    });
    await p.stop({ keep: true });

    // Ledger, database and the witness on this host go back; the notary's memory does not.
    const kept = path.join(temp, 'today');
    fs.cpSync(dir, kept, { recursive: true });
    fs.rmSync(dir, { recursive: true });
    fs.cpSync(backup, dir, { recursive: true });
    for (const f of ['state.db-wal', 'state.db-shm']) fs.rmSync(path.join(p.dir, f), { force: true });
    fs.writeFileSync(path.join(p.dir, 'state.db'), state_db);
    fs.rmSync(path.join(p.dir, 'witness'), { recursive: true });
    const before = ledgerFile(p, 'checkpoint');
    await startFrozen(p);
    const j = (await p.api('GET', '/api/v1/ledger')).json;
    assert.match(j.frozen, /set back: a witness has seen \d+ entries signed/);
    assert.equal(j.witnesses.find((x) => x.name === 'notary').state, 'ahead');
    const r = await p.api('POST', '/api/v1/guard/stop', { reason: 'another today' });
    assert.ok(r.status >= 400, `accepted with ${r.status}`);
    assert.ok((await p.api('GET', '/healthz')).json.problems.some((x) => x.includes('set back')));
    await sleep(1500);
    assert.equal(head(ledgerFile(p, 'checkpoint')), head(before), 'it signed another head');
    assert.equal(head(ledgerFile(p, 'frozen')), today, 'the head that proves it is not kept');
    await p.stop({ keep: true });

    // Not even with the witness out of reach does a restart make it sign.
    await halt(w);
    await startFrozen(p);
    assert.match((await p.api('GET', '/api/v1/ledger')).json.frozen, /set back/);
    await p.stop({ keep: true });

    // A tail written anew is refused by the witness, which keeps both heads.
    fs.rmSync(path.join(dir, 'frozen'));
    fs.rmSync(path.join(p.dir, 'witness'), { recursive: true });
    const forged = JSON.stringify({
      _type: 'https://in-toto.io/Statement/v1', subject: [{ name: 'x', digest: { sha256: '00'.repeat(32) } }],
      predicateType: 'https://plumbline.example/predicate/guard-stop/v1', predicate: { scope: 'installation', reason: 'forged', by: 'x', at: '2026-11-25T00:00:00.000Z' },
    });
    while (head(ledgerFile(p, 'checkpoint')) < today + 1) {
      const a = await run(BIN, ['ledger', 'append', '-', '--dir', p.dir], { input: forged });
      assert.equal(a.code, 0, a.stderr);
    }
    await serve(w);
    const ask = await run(BIN, ['ledger', 'cosign', '--dir', p.dir, '--json']);
    assert.equal(ask.code, 1, ask.stdout + ask.stderr);
    assert.equal(JSON.parse(ask.stdout).witnesses.find((x) => x.name === 'notary').state, 'forked');
    await startFrozen(p);
    assert.match((await p.api('GET', '/api/v1/ledger')).json.frozen, /rewritten: a witness has seen another head/);
    await p.stop({ keep: true });

    // Set right, it goes on by itself. The witness on this host had believed the forgery.
    fs.rmSync(path.join(p.dir, 'witness'), { recursive: true });
    fs.rmSync(dir, { recursive: true });
    fs.cpSync(kept, dir, { recursive: true });
    await p.start();
    assert.equal((await p.api('GET', '/api/v1/ledger')).json.frozen, null);
    // The stop switch had acted although it could not be recorded; that is still so.
    assert.equal((await p.api('POST', '/api/v1/guard/resume', { reason: 'tomorrow' })).status, 200);
    await until('tomorrow is witnessed', async () => {
      const now = (await p.api('GET', '/api/v1/ledger')).json;
      return now.quorum.size === now.appended && now.size > today;
    });
  } finally {
    await p.stop({ mayCrash: true });
    p.remove();
    if (children.has(w.child)) await halt(w);
  }
});
