// Archives labelled on their way through: the members come out in order, with their attributes; what
// cannot be labelled comes out as it went in, and a line says so. Other programs read the result.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { BIN, cleanEnv, makeTemp, run } from '../gateway/lib/product.mjs';

const PRODUCER = '001191110102MAD55U9H0F10002';
const dir = makeTemp('pl-label-tar-');
const at = (...p) => path.join(dir, ...p);
const args = ['label', 'add', '--tar', '--producer', PRODUCER, '--content-id', 't-{n}'];
const LONG = `${'d'.repeat(90)}/${'e'.repeat(90)}/页面.html`;

/** Runs with standard input from a file and standard output into one. */
function pipe(argv, from, to) {
  return new Promise((resolve) => {
    const child = spawn(BIN, argv, { env: { ...cleanEnv(), TMPDIR: at('tmp') }, stdio: [fs.openSync(from, 'r'), fs.openSync(to, 'w'), 'pipe'] });
    let err = '';
    child.stderr.on('data', (d) => { err += d; });
    child.on('close', (code) => resolve({ code, err, lines: err.split('\n').filter((l) => l.startsWith('{')).map((l) => JSON.parse(l)) }));
  });
}
const sha = (f) => crypto.createHash('sha256').update(fs.readFileSync(f)).digest('hex');
const unpack = async (tar, to) => {
  fs.mkdirSync(to);
  const r = await run('tar', ['-xf', tar, '-C', to]);
  assert.equal(r.code, 0, r.stderr);
};

before(async () => {
  fs.mkdirSync(at('tmp'));
  fs.mkdirSync(path.dirname(at('in', LONG)), { recursive: true });
  const f = await run('ffmpeg', ['-loglevel', 'error', '-nostdin', '-f', 'lavfi', '-i', 'testsrc=d=1:s=64x48:r=1', '-frames:v', '1',
    at('in', 'b.png'), '-f', 'lavfi', '-i', 'testsrc=d=1:s=64x48:r=1', '-frames:v', '1', at('in', 'a.jpg')]);
  assert.equal(f.code, 0, f.stderr);
  fs.writeFileSync(at('in', LONG), '<!doctype html><title>x</title>');
  fs.writeFileSync(at('in', 'notes.txt'), '今天天气很好。\n');
  fs.writeFileSync(at('in', 'data.bin'), Buffer.from([0, 1, 2, 3]));
  fs.writeFileSync(at('in', 'empty.png'), '');
  fs.writeFileSync(at('in', 'broken.png'), fs.readFileSync(at('in', 'b.png')).subarray(0, 60));
  fs.writeFileSync(at('in', 'run.svg'), '<svg xmlns="http://www.w3.org/2000/svg"/>');
  fs.chmodSync(at('in', 'run.svg'), 0o750);
  fs.utimesSync(at('in', 'a.jpg'), 1000000000, 1000000000);
  fs.symlinkSync('a.jpg', at('in', 'link'));
  const t = await run('tar', ['-C', at('in'), '--sort=name', '-cf', at('in.tar'), '.']);
  assert.equal(t.code, 0, t.stderr);
});
after(() => fs.rmSync(dir, { recursive: true, force: true }));

test('members are labelled, or passed on with a reason; names, order and attributes stay', async () => {
  const r = await pipe(args, at('in.tar'), at('out.tar'));
  assert.equal(r.code, 4, r.err); // broken.png
  const by = Object.fromEntries(r.lines.map((l) => [l.file.replace('./', ''), l]));
  assert.deepEqual(['a.jpg', 'b.png', 'run.svg', LONG].map((n) => by[n].status), Array(4).fill('labelled'));
  assert.deepEqual(['notes.txt', 'data.bin', 'empty.png', 'link'].map((n) => by[n].status), Array(4).fill('copied'));
  assert.ok(['notes.txt', 'data.bin'].every((n) => by[n].reason.length > 5));
  assert.deepEqual([by['broken.png'].status, by['broken.png'].copied], ['refused', true]);
  const names = async (f) => (await run('tar', ['-tf', f])).stdout;
  assert.equal(await names(at('out.tar')), await names(at('in.tar')));
  await unpack(at('out.tar'), at('out'));
  for (const n of ['notes.txt', 'data.bin', 'empty.png', 'broken.png']) assert.equal(sha(at('out', n)), sha(at('in', n)), n);
  assert.equal(fs.readlinkSync(at('out', 'link')), 'a.jpg');
  assert.equal(fs.statSync(at('out', 'run.svg')).mode & 0o777, 0o750);
  assert.equal(fs.statSync(at('out', 'a.jpg')).mtimeMs, 1e12);
  const i = await run(BIN, ['inspect', at('out', 'a.jpg'), at('out', 'b.png'), at('out', LONG), at('out', 'run.svg'), '--json']);
  assert.equal(i.code, 0, i.stdout);
  const ids = i.stdout.trim().split('\n').map((l) => JSON.parse(l).labels[0].members.ProduceID);
  assert.equal(new Set(ids).size, 4);
  assert.deepEqual(fs.readdirSync(at('tmp')), [], 'nothing stays behind');
});

test('a compressed archive by name, with a report, labels beside and a dry run', async () => {
  const gz = await run('tar', ['-C', at('in'), '-czf', at('in.tgz'), 'a.jpg', 'notes.txt']);
  assert.equal(gz.code, 0);
  const dry = await run(BIN, [...args, at('in.tgz'), '-o', at('dry.tar'), '--dry-run', '--report', at('dry.jsonl')]);
  assert.equal(dry.code, 0, dry.stderr);
  assert.ok(!fs.existsSync(at('dry.tar')));
  assert.match(fs.readFileSync(at('dry.jsonl'), 'utf8'), /would-label/);
  const r = await run(BIN, [...args, at('in.tgz'), '-o', at('beside.tar'), '--sidecar', '--report', at('r.jsonl')]);
  assert.equal(r.code, 0, r.stderr);
  assert.equal(fs.readFileSync(at('r.jsonl'), 'utf8').trim().split('\n').length, 2);
  assert.equal((await run('tar', ['-tf', at('beside.tar')])).stdout, 'a.jpg\nnotes.txt\nnotes.txt.aigc.json\n');
  const again = await run(BIN, [...args, at('in.tgz'), '-o', at('beside.tar'), '--sidecar']);
  assert.equal(again.code, 5, 'an output that is there stays');
  const labelled = await run(BIN, [...args, at('beside.tar'), '-o', at('again.tar'), '--sidecar', '--report', at('again.jsonl')]);
  assert.equal(labelled.code, 4);
  assert.match(fs.readFileSync(at('again.jsonl'), 'utf8'), /carries a label already/);
});

test('what is no archive, or ends too early, is refused and no file appears', async () => {
  fs.writeFileSync(at('cut.tar'), fs.readFileSync(at('in.tar')).subarray(0, 4000));
  for (const f of ['cut.tar', 'in/b.png']) {
    const r = await run(BIN, [...args, at(f), '-o', at('no.tar')]);
    assert.equal(r.code, 4, f + r.stderr);
    assert.ok(!fs.existsSync(at('no.tar')) && !fs.existsSync(at('no.tar.pl-part')));
  }
});

test('members of an archive are inspected by their own names', async () => {
  const r = await pipe(['inspect', '--tar', '--json'], at('out.tar'), at('seen.jsonl'));
  const seen = Object.fromEntries(fs.readFileSync(at('seen.jsonl'), 'utf8').trim().split('\n').map((l) => JSON.parse(l)).filter((l) => l.file).map((l) => [l.file.replace('./', ''), l.verdict.state]));
  assert.deepEqual(['a.jpg', 'b.png', 'run.svg', LONG].map((n) => seen[n]), Array(4).fill('generated'));
  assert.equal(seen['notes.txt'], 'inconclusive');
  assert.equal(r.code, 4, 'some members are of no format that is read, or broken');
  const named = await run(BIN, ['inspect', '--tar', at('beside.tar'), '--json']);
  assert.equal(named.stdout.trim().split('\n').length, 3);
  assert.equal((await run(BIN, ['inspect', '--tar', at('in', 'b.png')])).code, 4);
  assert.equal((await run(BIN, ['inspect'])).code, 2);
  assert.deepEqual(fs.readdirSync(at('tmp')), []);
});

test('memory does not grow with the archive', { skip: !fs.existsSync('/usr/bin/time') && 'GNU time is not installed' }, async () => {
  const big = at('big');
  fs.mkdirSync(big);
  const wav = Buffer.alloc(44 + (48 << 20));
  wav.write('RIFF', 0); wav.writeUInt32LE(wav.length - 8, 4); wav.write('WAVEfmt ', 8); wav.writeUInt32LE(16, 16);
  wav.writeUInt16LE(1, 20); wav.writeUInt16LE(1, 22); wav.writeUInt32LE(8000, 24); wav.writeUInt32LE(8000, 28);
  wav.writeUInt16LE(1, 32); wav.writeUInt16LE(8, 34); wav.write('data', 36); wav.writeUInt32LE(wav.length - 44, 40);
  for (const n of [1, 2, 3, 4]) fs.writeFileSync(path.join(big, `${n}.wav`), wav);
  assert.equal((await run('tar', ['-C', big, '-cf', at('big.tar'), '.'])).code, 0);
  const r = await run('/usr/bin/time', ['-f', 'peak %M', BIN, ...args, at('big.tar'), '-o', at('big-out.tar')]);
  assert.equal(r.code, 0, r.stderr);
  const peak = Number(/peak (\d+)/.exec(r.stderr)[1]);
  assert.ok(peak < 100 * 1024, `${peak} KiB`);
  for (const f of ['big.tar', 'big-out.tar']) fs.rmSync(at(f));
});
