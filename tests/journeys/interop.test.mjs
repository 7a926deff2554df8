// What we publish, checked by implementations that are not ours: a Go program on
// golang.org/x/mod/sumdb (tests/interop). Each check must also fail on a single defect.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BIN, ROOT, STAGE, freePorts, makeTemp, run, startProduct } from '../gateway/lib/product.mjs';

const WITNESS = path.join(STAGE, 'sbin/plumbline-witness');
const ENTRIES = 260; // at least: one full tile and a partial one, and a tile of the next level
let temp, go, product, dir, log, size, vkey, witness, child, saved;

/** In memory when there is such a place: hundreds of durable appends are not the subject. */
const inMemory = () => (fs.existsSync('/dev/shm') ? { TMPDIR: '/dev/shm' } : {});

async function ok(args, options) {
  const r = await run(BIN, args, options);
  assert.equal(r.code, 0, `${args.join(' ')}\n${r.stdout}${r.stderr}`);
  return r.stdout;
}

before(async () => {
  Object.assign(process.env, inMemory());
  temp = makeTemp('pl-interop-');
  go = path.join(temp, 'tlogverify');
  const built = await run('go', ['build', '-o', go, path.join(ROOT, 'tests/interop/tlogverify.go')], {
    env: { GO111MODULE: 'off', GOPATH: '/usr/share/gocode', GOFLAGS: '', GOCACHE: path.join(temp, 'go-cache'), GOPROXY: 'off', HOME: temp },
    timeout: 180_000,
  });
  assert.equal(built.code, 0, built.stderr);

  // A witness of another party, and an instance that asks it.
  const wdir = path.join(temp, 'witness');
  witness = (await run(WITNESS, ['init', '--dir', wdir, '--name', 'witness.example/w1'])).stdout.trim();
  const [port] = await freePorts(1);
  product = await startProduct({
    configure: async (made) => {
      log = path.join(made, 'ledger');
      vkey = fs.readFileSync(path.join(log, 'vkey'), 'utf8').trim();
      assert.equal((await run(WITNESS, ['trust', '--dir', wdir, vkey])).code, 0);
      child = spawn('setpriv', ['--pdeathsig', 'KILL', WITNESS, 'serve', '--dir', wdir, '--listen', `127.0.0.1:${port}`], { stdio: 'ignore' });
      const yaml = path.join(made, 'plumbline.yaml');
      fs.writeFileSync(yaml, fs.readFileSync(yaml, 'utf8').replace(/^gateway:/m,
        `ledger:\n  quorum: 1\n  witnesses:\n    - {name: w1, vkey: "${witness}", url: "http://127.0.0.1:${port}", local: false}\n\ngateway:`));
    },
  });
  dir = product.dir;
  const head = async () => (await product.api('GET', '/api/v1/ledger')).json;
  for (let h = await head(); h.appended < ENTRIES; h = await head()) {
    if (saved === undefined && h.appended > 60) {
      if (h.size <= 50) { // not published yet
        await sleep(50);
        continue;
      }
      saved = path.join(temp, 'saved.checkpoint');
      fs.writeFileSync(saved, h.checkpoint);
    }
    for (const act of ['stop', 'resume']) await product.api('POST', `/api/v1/guard/${act}`, { reason: `after ${h.appended}` });
  }
  for (let i = 0; ; i++) {
    const h = await head();
    if (h.size === h.appended && h.quorum.size === h.size) break;
    assert.ok(i < 200, JSON.stringify(h));
    await sleep(100);
  }
  await product.stop({ keep: true });
  size = Number(fs.readFileSync(path.join(log, 'checkpoint'), 'utf8').split('\n')[1]);
  assert.ok(size >= ENTRIES && size < 500);
});

after(() => {
  child?.kill('SIGKILL');
  product?.remove();
  fs.rmSync(temp, { recursive: true, force: true });
});

const tlog = (...args) => run(go, args);

async function holds(...args) {
  const r = await tlog(...args);
  assert.equal(r.code, 0, `${args.join(' ')}\n${r.stderr}`);
}

/** Runs with one byte of a file changed. */
async function failsWith(file, at, ...args) {
  const bytes = fs.readFileSync(file);
  const changed = Buffer.from(bytes);
  changed[at] ^= 0x01;
  fs.writeFileSync(file, changed);
  const r = await tlog(...args);
  fs.writeFileSync(file, bytes);
  assert.equal(r.code, 1, `byte ${at} of ${path.basename(file)} does not matter`);
}

test('golang.org/x/mod/sumdb accepts a whole log: checkpoint, cosignature, entries, tiles, envelopes', async () => {
  await holds('log', log, vkey);
  await holds('log', log, vkey, witness);
  const r = await tlog('log', log, vkey, witness);
  assert.equal(r.stdout.trim(), `${size} entries`);
  // Ours says the same, and names the witness.
  const own = JSON.parse(await ok(['ledger', 'verify', '--dir', dir, '--json']));
  assert.equal(own.ok, true);
  assert.deepEqual(own.quorum, { need: 1, have: 1, met: true });
});

test('it accepts no log with a single defect, and neither do we', async () => {
  const defects = [
    ['checkpoint', (n, text) => [3, 100, text.indexOf('witness.example/w1') + 40, text.indexOf('witness.example/w1') + 90]],
    ['tile/0/000', (n) => [0, 4000, n - 1]],
    [`tile/0/001.p/${size - 256}`, (n) => [0, n - 1]],
    ['tile/1/000.p/1', () => [0, 31]],
    ['tile/entries/000', (n) => [0, 1, 300, 5000, n - 3]],
    [`tile/entries/001.p/${size - 256}`, (n) => [0, n - 3]],
  ];
  for (const [name, places] of defects) {
    const file = path.join(log, name);
    for (const at of places(fs.statSync(file).size, fs.readFileSync(file))) {
      await failsWith(file, at, 'log', log, vkey, witness);
      const bytes = fs.readFileSync(file);
      const changed = Buffer.from(bytes);
      changed[at] ^= 0x01;
      fs.writeFileSync(file, changed);
      const own = await run(BIN, ['ledger', 'verify', '--dir', dir, '--key', vkey]);
      fs.writeFileSync(file, bytes);
      assert.notEqual(own.code, 0, `we accept byte ${at} of ${name} changed`);
    }
  }
  await holds('log', log, vkey, witness);
});

test('it wants the witness that was asked for', async () => {
  const other = vkey.replace(/^[^+]*\+[^+]*\+/, '');
  assert.equal((await tlog('log', log, vkey, `witness.example/w1+00000000+${other}`)).code, 1);
  const bare = path.join(temp, 'bare');
  fs.cpSync(log, bare, { recursive: true });
  fs.writeFileSync(path.join(bare, 'checkpoint'), fs.readFileSync(path.join(log, 'checkpoint'), 'utf8').replace(/^\u2014 witness\.example.*\n/m, ''));
  await holds('log', bare, vkey);
  assert.equal((await tlog('log', bare, vkey, witness)).code, 1);
});

test('it accepts our inclusion proofs, and none with a single defect', async () => {
  for (const index of [0, 1, 127, 255, 256, size - 1]) {
    const proof = path.join(temp, 'entry.tlog-proof');
    const entry = path.join(temp, 'entry');
    fs.writeFileSync(proof, await ok(['ledger', 'prove', String(index), '--dir', dir]));
    fs.writeFileSync(entry, Buffer.from(JSON.parse(await ok(['ledger', 'prove', String(index), '--dir', dir, '--json'])).entry, 'base64'));
    await holds('proof', proof, entry, vkey, witness);
    await failsWith(entry, 0, 'proof', proof, entry, vkey, witness);
    const text = fs.readFileSync(proof, 'utf8');
    const lines = text.split('\n');
    const hashes = lines.indexOf('') - 2;
    for (const changed of [
      text.replace(`index ${index}`, `index ${index === 0 ? 1 : index - 1}`),
      ...Array.from({ length: hashes }, (_, i) => lines.filter((_, n) => n !== 2 + i).join('\n')),
      lines.toSpliced(2, 0, lines[2]).join('\n'),
    ]) {
      fs.writeFileSync(proof, changed);
      assert.equal((await tlog('proof', proof, entry, vkey, witness)).code, 1, changed);
    }
  }
});

test('it accepts our consistency proofs, and none with a single defect', async () => {
  const { hashes } = JSON.parse(await ok(['ledger', 'consistency', saved, '--dir', dir, '--json']));
  const now = path.join(log, 'checkpoint');
  assert.ok(hashes.length > 3);
  await holds('consistency', saved, now, vkey, ...hashes);
  for (let i = 0; i < hashes.length; i++) {
    const flipped = (Number.parseInt(hashes[i][0], 16) ^ 1).toString(16) + hashes[i].slice(1);
    assert.equal((await tlog('consistency', saved, now, vkey, ...hashes.with(i, flipped))).code, 1);
    assert.equal((await tlog('consistency', saved, now, vkey, ...hashes.toSpliced(i, 1))).code, 1);
  }
  assert.equal((await tlog('consistency', saved, now, vkey, ...hashes, hashes[0])).code, 1);
  assert.equal((await tlog('consistency', now, saved, vkey, ...hashes)).code, 1);
});
