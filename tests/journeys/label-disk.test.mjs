// Disks that fill up or may not be written, files that are none, names that lead elsewhere: what was
// there stays, what is new is whole or absent, and the message says what happened.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { spawnSync } from 'node:child_process';
import { BIN, makeTemp, run } from '../gateway/lib/product.mjs';

const PRODUCER = '001191110102MAD55U9H0F10002';
const ID = ['--producer', PRODUCER, '--content-id', 'd-1'];
const dir = makeTemp('pl-label-disk-');
const at = (...p) => path.join(dir, ...p);
const sha = (f) => crypto.createHash('sha256').update(fs.readFileSync(f)).digest('hex');
const sh = (script, env = {}) => run('sh', ['-c', script], { env: { BIN, DIR: dir, P: PRODUCER, ...env } });
const mounts = spawnSync('unshare', ['-rm', 'sh', '-c', 'mount -t tmpfs none /mnt']).status === 0
  ? ['unshare', '-rm'] : spawnSync('unshare', ['-m', 'sh', '-c', 'mount -t tmpfs none /mnt']).status === 0 ? ['unshare', '-m'] : null;
const noMounts = !mounts && 'no file systems may be mounted here';

before(async () => {
  const f = await run('ffmpeg', ['-v', 'error', '-nostdin', '-f', 'lavfi', '-i', 'testsrc=d=2:s=320x240', '-f', 'lavfi', '-i', 'sine=d=2:r=48000', '-pix_fmt', 'yuv420p', at('a.mp4'),
    '-map', '1:a', '-ar', '96000', at('a.wav'), '-map', '0:v', '-frames:v', '1', '-q:v', '1', at('a.jpg')]);
  assert.equal(f.code, 0, f.stderr);
  fs.writeFileSync(at('a.md'), `# x\n\n${'text '.repeat(40000)}\n`);
  fs.writeFileSync(at('a.html'), '<!doctype html><title>x</title>');
});
after(() => fs.rmSync(dir, { recursive: true, force: true }));

test('a limit on the size of files: refused in words, input and older output as they were', async () => {
  fs.mkdirSync(at('limit'));
  for (const x of ['wav', 'md']) {
    const sum = sha(at(`a.${x}`));
    fs.writeFileSync(at('limit', `old.${x}`), 'older output');
    const kib = Math.floor(fs.statSync(at(`a.${x}`)).size / 2048);
    const r = await sh(`ulimit -f $((${kib})); exec "$BIN" label add "$DIR/a.${x}" -o "$DIR/limit/old.${x}" --force --producer $P --content-id d-1`);
    assert.equal(r.code, 5, `${x} ${r.signal ?? ''} ${r.stderr}`);
    assert.match(r.stderr, /cannot write|too large/i);
    assert.equal(fs.readFileSync(at('limit', `old.${x}`), 'utf8'), 'older output');
    assert.equal(sha(at(`a.${x}`)), sum);
    assert.deepEqual(fs.readdirSync(at('limit')).filter((n) => n.includes('pl-part')), []);
  }
});

test('a disk that is full in the middle, for copies, in place and for an archive', { skip: noMounts }, async () => {
  const script = `
set -e
mount -t tmpfs -o size=600k none "$DIR/disk"
cp "$DIR/a.wav" "$DIR/disk/in.wav"
before=$(sha256sum < "$DIR/disk/in.wav")
"$BIN" label add "$DIR/disk/in.wav" -o "$DIR/disk/out.wav" --producer $P --content-id d-1 2>"$DIR/copy.err" && exit 91
[ "$(sha256sum < "$DIR/disk/in.wav")" = "$before" ] || exit 92
[ "$(ls -A "$DIR/disk")" = in.wav ] || exit 93
dd if=/dev/zero of="$DIR/disk/fill" bs=1k 2>/dev/null || true
"$BIN" label add --in-place "$DIR/disk/in.wav" --producer $P --content-id d-1 2>"$DIR/place.err" && exit 94
rm "$DIR/disk/fill"
[ -e "$DIR/disk/in.wav.pl-undo" ] || [ "$(sha256sum < "$DIR/disk/in.wav")" = "$before" ] || exit 95
"$BIN" label add --in-place "$DIR/disk/in.wav" --producer $P --content-id d-1 >/dev/null || exit 96
"$BIN" inspect "$DIR/disk/in.wav" >/dev/null || exit 97
tar -C "$DIR" -cf "$DIR/one.tar" a.wav
"$BIN" label add --tar "$DIR/one.tar" -o "$DIR/disk/o.tar" --producer $P --content-id d-1 2>"$DIR/tar.err" && exit 98
[ ! -e "$DIR/disk/o.tar" ] && [ ! -e "$DIR/disk/o.tar.pl-part" ] || exit 99
`;
  fs.mkdirSync(at('disk'));
  assert.ok(fs.statSync(at('a.wav')).size > 320 << 10 && fs.statSync(at('a.wav')).size < 500 << 10, 'of a size that fits once');
  const r = await run(mounts[0], [...mounts.slice(1), 'sh', '-c', script], { env: { BIN, DIR: dir, P: PRODUCER } });
  assert.equal(r.code, 0, r.stdout + r.stderr);
  for (const f of ['copy.err', 'place.err', 'tar.err']) assert.match(fs.readFileSync(at(f), 'utf8'), /No space left|space/i, f);
});

test('a folder that may not be written', { skip: noMounts }, async () => {
  const script = `
set -e
mount -t tmpfs -o size=4m none "$DIR/ro"
cp "$DIR/a.jpg" "$DIR/ro/a.jpg"
mount -o remount,ro "$DIR/ro"
"$BIN" label add "$DIR/a.jpg" -o "$DIR/ro/b.jpg" --producer $P --content-id d-1 2>"$DIR/ro.err" && exit 91
"$BIN" label add --in-place "$DIR/ro/a.jpg" --producer $P --content-id d-1 2>>"$DIR/ro.err" && exit 92
"$BIN" label add "$DIR/ro/a.jpg" -o "$DIR/from-ro.jpg" --producer $P --content-id d-1 >/dev/null || exit 93
`;
  fs.mkdirSync(at('ro'));
  const r = await run(mounts[0], [...mounts.slice(1), 'sh', '-c', script], { env: { BIN, DIR: dir, P: PRODUCER } });
  assert.equal(r.code, 0, r.stdout + r.stderr);
  assert.equal(fs.readFileSync(at('ro.err'), 'utf8').match(/Read-only file system/g).length, 2);
});

test('folders, devices, pipes and empty files are no media; links are followed for reading only', async () => {
  await run('mkfifo', [at('pipe.jpg')]);
  fs.writeFileSync(at('empty.png'), '');
  fs.symlinkSync('/dev/zero', at('zero.mp4'));
  fs.symlinkSync('loop', at('loop'));
  for (const f of ['/dev/zero', '/dev/null', at('pipe.jpg'), at('empty.png'), at('zero.mp4'), at('loop'), at('missing')]) {
    for (const args of [['inspect', f, '--json'], ['label', 'add', f, '-o', at('never.jpg'), ...ID]]) {
      const r = await run(BIN, args, { timeout: 10_000 });
      assert.ok(r.code === 4 || r.code === 5, `${args.slice(0, 2)} ${f}: ${r.code} ${r.signal}`);
      assert.ok((r.stderr + r.stdout).length > 20);
    }
  }
  assert.ok(!fs.existsSync(at('never.jpg')));
  // A link as output is not written through, and a link in a folder is not labelled as a file.
  fs.writeFileSync(at('victim'), 'keep me');
  fs.symlinkSync(at('victim'), at('out-link.jpg'));
  await run(BIN, ['label', 'add', at('a.jpg'), '-o', at('out-link.jpg'), '--force', ...ID]);
  assert.equal(fs.readFileSync(at('victim'), 'utf8'), 'keep me');
  fs.mkdirSync(at('folder'));
  fs.symlinkSync(at('a.jpg'), at('folder/link.jpg'));
  fs.copyFileSync(at('a.html'), at('folder/b.html'));
  const r = await run(BIN, ['label', 'add', at('folder'), '-o', at('folder-out'), '--producer', PRODUCER, '--content-id', 'f-{n}']);
  assert.equal(r.code, 0, r.stderr);
  assert.deepEqual(fs.readdirSync(at('folder-out')), ['b.html']);
});

test('an empty shell, JSON that is not UTF-8, a label against a manifest of a camera: nothing counts as clean', async () => {
  const member = (label, producer) => `{"Label":"${label}","ContentProducer":"${producer}","ProduceID":"x","ReservedCode1":"","ContentPropagator":"","PropagateID":"","ReservedCode2":""}`;
  const html = (value) => `<!doctype html><meta name="AIGC" content='${value}'><title>x</title>`;
  const cases = { 'shell.html': html(''), 'blank.html': html('   '), 'zeros.html': html('{}'), 'empty.html': html(member('', '')) };
  for (const [name, text] of Object.entries(cases)) {
    fs.writeFileSync(at(name), text);
    const i = JSON.parse((await run(BIN, ['inspect', at(name), '--json'])).stdout);
    assert.equal(i.labels.length, 1, name);
    assert.equal(i.labels[0].conforms, false, name);
    assert.equal(i.verdict.state, 'suspected', name);
  }
  fs.writeFileSync(at('bytes.html'), Buffer.concat([Buffer.from(html('X').split('X')[0]), Buffer.from(member('1', PRODUCER).replace('"x"', '"\\u00')), Buffer.from([0xff, 0xfe, 0xc0, 0x80]), Buffer.from(html('X').split('X')[1])]));
  assert.equal((await run(BIN, ['inspect', at('bytes.html'), '--json'])).code, 4, 'of no text that is read');
});
