// A run that is killed in the middle: no output is half written, the same command goes on, and
// nothing of the killed run stays behind.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { BIN, cleanEnv, makeTemp, run } from '../gateway/lib/product.mjs';

const FILES = 40;
const dir = makeTemp('pl-label-kill-');
const at = (...p) => path.join(dir, ...p);
const args = (to) => ['label', 'add', at('in'), '-o', to, '--producer', '001191110102MAD55U9H0F10002',
  '--content-id', 'k-{sha256}', '--jobs', '2', '--json'];
const parts = (d) => fs.readdirSync(d).filter((n) => n.includes('.pl-part'));
const digest = (f) => crypto.createHash('sha256').update(fs.readFileSync(f)).digest('hex');
const digests = (d) => Object.fromEntries(fs.readdirSync(d).filter((n) => !n.includes('.pl-part')).map((n) => [n, digest(path.join(d, n))]));

let whole;

/** Killed as soon as `lines` files were reported. */
async function killed(to, lines) {
  const child = spawn(BIN, args(to), { env: cleanEnv(), stdio: ['ignore', 'pipe', 'ignore'] });
  const gone = once(child, 'exit');
  let seen = 0;
  child.stdout.on('data', (d) => {
    seen += d.toString().split('\n').length - 1;
    if (seen >= lines) child.kill('SIGKILL');
  });
  return (await gone)[1];
}

before(async () => {
  fs.mkdirSync(at('in'));
  // WAV of 2 MB, all different: a copy takes long enough to be hit by the signal.
  for (let i = 0; i < FILES; i++) {
    const data = Buffer.alloc(2 << 20, i + 1);
    const head = Buffer.alloc(44);
    head.write('RIFF', 0);
    head.writeUInt32LE(36 + data.length, 4);
    head.write('WAVEfmt ', 8);
    head.writeUInt32LE(16, 16);
    head.writeUInt16LE(1, 20);
    head.writeUInt16LE(1, 22);
    head.writeUInt32LE(8000, 24);
    head.writeUInt32LE(8000, 28);
    head.writeUInt16LE(1, 32);
    head.writeUInt16LE(8, 34);
    head.write('data', 36);
    head.writeUInt32LE(data.length, 40);
    fs.writeFileSync(at('in', `${String(i).padStart(3, '0')}.wav`), Buffer.concat([head, data]));
  }
  const r = await run(BIN, args(at('whole')));
  assert.equal(r.code, 0, r.stderr);
  whole = digests(at('whole'));
  assert.equal(Object.keys(whole).length, FILES);
});
after(() => fs.rmSync(dir, { recursive: true, force: true }));

test('killed at several moments, then resumed: outputs are whole or absent, and then complete', async () => {
  const to = at('killed');
  let stopped = 0;
  for (const lines of [1, 4, 8, 12]) {
    stopped += await killed(to, lines) === 'SIGKILL';
    for (const [name, sum] of Object.entries(digests(to))) assert.equal(sum, whole[name], name);
  }
  assert.ok(stopped > 0, 'no run was killed before its end');
  const r = await run(BIN, args(to));
  assert.equal(r.code, 0, r.stdout);
  assert.deepEqual(digests(to), whole);
  assert.deepEqual(parts(to), []);
  assert.ok(r.stdout.includes('"skipped"'), 'what was done was made again');
});

test('what a killed run left of an output goes when that output is made again, or is complete', async () => {
  const to = at('left');
  fs.mkdirSync(to);
  fs.writeFileSync(path.join(to, '000.wav.pl-part'), 'half');
  fs.mkdirSync(path.join(to, '001.wav.pl-part.d'));
  fs.writeFileSync(path.join(to, '001.wav.pl-part.d', 'labelled'), 'half');
  assert.equal((await run(BIN, args(to))).code, 0);
  assert.deepEqual(parts(to), []);
  fs.writeFileSync(path.join(to, '002.wav.pl-part'), 'half');
  const again = await run(BIN, args(to));
  assert.equal(again.code, 0);
  assert.deepEqual([parts(to), digests(to)], [[], whole]);
});

test('a part that another run holds, or that is not ours, stays', async () => {
  const out = at('one.wav');
  const part = `${out}.pl-part`;
  const one = ['label', 'add', at('in', '000.wav'), '-o', out, '--producer', '001191110102MAD55U9H0F10002', '--content-id', 'x'];
  fs.writeFileSync(part, 'being written');
  const held = await run('flock', ['--nonblock', part, BIN, ...one]);
  assert.equal(held.code, 4, held.stderr);
  assert.match(held.stderr, /another run is writing/);
  assert.equal(fs.readFileSync(part, 'utf8'), 'being written');
  assert.ok(!fs.existsSync(out));
  fs.rmSync(part);
  fs.writeFileSync(at('precious'), 'mine');
  fs.symlinkSync(at('precious'), part);
  const link = await run(BIN, one);
  assert.equal(link.code, 4);
  assert.match(link.stderr, /in the way/);
  assert.equal(fs.readFileSync(at('precious'), 'utf8'), 'mine');
  fs.rmSync(part);
  assert.equal((await run(BIN, one)).code, 0);
  assert.ok(fs.existsSync(out));
});
