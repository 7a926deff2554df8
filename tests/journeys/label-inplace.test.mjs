// Files labelled in place: the very file, media as it was, and a file of 4 GiB without a copy of it.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { BIN, makeTemp, run } from '../gateway/lib/product.mjs';

const dir = makeTemp('pl-label-inplace-');
const at = (...p) => path.join(dir, ...p);
const args = ['label', 'add', '--in-place', '--producer', '001191110102MAD55U9H0F10002', '--content-id', 'i-{n}', '--json'];
const TYPES = ['mp4', 'mov', 'm4a', 'mkv', 'avi', 'wav', 'mp3', 'flac', 'ogg', 'jpg', 'png', 'tiff'];
const GIB = 2 ** 30;

async function ffmpeg(...a) {
  const r = await run('ffmpeg', ['-loglevel', 'error', '-nostdin', '-y', ...a]);
  assert.equal(r.code, 0, r.stderr);
  return r.stdout;
}
const hash = (f) => ffmpeg('-i', f, '-f', 'hash', '-');

before(async () => {
  fs.mkdirSync(at('in'));
  await ffmpeg('-f', 'lavfi', '-i', 'testsrc=d=1:s=160x120:r=10', '-f', 'lavfi', '-i', 'sine=d=1', '-pix_fmt', 'yuv420p', at('s.mkv'));
  for (const x of TYPES) {
    await ffmpeg('-i', at('s.mkv'), ...(['wav', 'mp3', 'flac', 'ogg', 'm4a'].includes(x) ? ['-vn'] : []),
      ...(['jpg', 'png', 'tiff'].includes(x) ? ['-frames:v', '1'] : []), at('in', `a.${x}`));
  }
});
after(() => fs.rmSync(dir, { recursive: true, force: true }));

test('a folder in place: the same files, media unchanged, one label each, and again nothing to do', async () => {
  const before = {};
  for (const x of TYPES) before[x] = [fs.statSync(at('in', `a.${x}`)).ino, await hash(at('in', `a.${x}`))];
  const r = await run(BIN, [...args, at('in')]);
  assert.equal(r.code, 0, r.stdout + r.stderr);
  for (const x of TYPES) assert.deepEqual([fs.statSync(at('in', `a.${x}`)).ino, await hash(at('in', `a.${x}`))], before[x], x);
  assert.deepEqual(fs.readdirSync(at('in')).sort(), TYPES.map((x) => `a.${x}`).sort(), 'nothing stays beside them');
  const i = await run(BIN, ['inspect', at('in'), '--json']);
  assert.ok(i.stdout.trim().split('\n').map((l) => JSON.parse(l)).every((l) => l.labels.length === 1 && l.labels[0].conforms && l.container === 'whole'));
  const again = await run(BIN, [...args, at('in')]);
  assert.equal(again.code, 0, again.stdout);
  assert.ok(again.stdout.trim().split('\n').every((l) => JSON.parse(l).status === 'skipped'));
});

test('a video of 4 GiB: metadata in front with room, or at the end, in bounded memory and without a copy', async () => {
  const boxes = {};
  const one = fs.readFileSync((await ffmpeg('-i', at('s.mkv'), at('one.mp4')), at('one.mp4')));
  for (let o = 0; o < one.length; o += one.readUInt32BE(o)) boxes[one.toString('latin1', o + 4, o + 8)] = one.subarray(o, o + one.readUInt32BE(o));
  const head = Buffer.alloc(16);
  head.writeUInt32BE(1, 0);
  head.write('mdat', 4);
  head.writeBigUInt64BE(BigInt(4 * GIB + 4096), 8);
  const free = Buffer.alloc(4096);
  free.writeUInt32BE(4096, 0);
  free.write('free', 4);
  const make = (name, front, end) => {
    const fd = fs.openSync(at(name), 'w');
    fs.writeSync(fd, front);
    const size = front.length + 4 * GIB + 4096 - 16;
    fs.ftruncateSync(fd, size);
    if (end) fs.writeSync(fd, end, 0, end.length, size);
    fs.closeSync(fd);
    return at(name);
  };
  const files = [make('end.mp4', Buffer.concat([boxes.ftyp, head]), boxes.moov), make('room.mp4', Buffer.concat([boxes.ftyp, boxes.moov, free, head]))];
  if (fs.statSync(files[0]).blocks * 512 > 64 << 20) return; // a file system without holes
  for (const f of files) {
    const r = await run('/usr/bin/time', ['-f', 'peak %M', BIN, ...args, f]);
    assert.equal(r.code, 0, r.stdout + r.stderr);
    assert.ok(Number(/peak (\d+)/.exec(r.stderr)[1]) < 64 * 1024, r.stderr);
    assert.ok(fs.statSync(f).blocks * 512 < 1 << 20, 'the media data was written');
    const i = await run(BIN, ['inspect', f, '--quick', '--json']);
    assert.equal(JSON.parse(i.stdout).labels[0].conforms, true);
  }
  const none = make('full.mp4', Buffer.concat([boxes.ftyp, boxes.moov, head]));
  const refused = await run(BIN, [...args, none]);
  assert.equal(refused.code, 4, refused.stdout);
  assert.match(refused.stdout, /no room for it in place/);
  assert.ok(!fs.existsSync(`${none}.pl-undo`));
});

test('what changes the content, or says where a copy goes, is not done in place', async () => {
  for (const more of [['-o', at('x')], ['--explicit'], ['--tar']]) assert.equal((await run(BIN, [...args, at('in', 'a.png'), ...more])).code, 4);
});
