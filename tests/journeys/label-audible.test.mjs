// Spoken labels: what is heard is what espeak-ng says, at a speed the standard calls normal, at every
// place that was asked for, in formats of our own and of ffmpeg's.
// PROVES: GB45438-2025/5.3
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { spawnSync } from 'node:child_process';
import { BIN, makeTemp, run } from '../gateway/lib/product.mjs';

const skip = !fs.existsSync('/usr/bin/espeak-ng') && 'espeak-ng is not installed';
const dir = makeTemp('pl-label-voice-');
const at = (...p) => path.join(dir, ...p);
const RATE = 8000;
const SECONDS = 16;

/** Loudness of 20 ms pieces. */
function envelope(file, from = 0, to = Infinity) {
  const r = spawnSync('ffmpeg', ['-v', 'error', '-i', file, '-f', 's16le', '-ar', String(RATE), '-ac', '1', '-'], { maxBuffer: 64 << 20 });
  assert.equal(r.status, 0, String(r.stderr));
  const out = [];
  const x = new Int16Array(r.stdout.buffer, r.stdout.byteOffset, r.stdout.length >> 1);
  for (let i = Math.round(from * RATE); i + 160 <= Math.min(x.length, to * RATE); i += 160) {
    let sum = 0;
    for (let k = 0; k < 160; k++) sum += x[i + k] ** 2;
    out.push(Math.sqrt(sum / 160));
  }
  return out;
}
function correlation(a, b) {
  const n = Math.min(a.length, b.length);
  const mean = (v) => v.slice(0, n).reduce((s, q) => s + q, 0) / n;
  const [ma, mb] = [mean(a), mean(b)];
  let ab = 0, aa = 0, bb = 0;
  for (let i = 0; i < n; i++) { ab += (a[i] - ma) * (b[i] - mb); aa += (a[i] - ma) ** 2; bb += (b[i] - mb) ** 2; }
  return ab / Math.sqrt(aa * bb);
}
const best = (a, b) => Math.max(...[...Array(31).keys()].map((s) => correlation(a.slice(s), b)));

before(async () => {
  for (const x of ['wav', 'flac', 'mp3', 'ogg']) {
    const r = await run('ffmpeg', ['-v', 'error', '-nostdin', '-f', 'lavfi', '-i', `anullsrc=r=44100:cl=stereo:d=${SECONDS}`, at(`a.${x}`)]);
    assert.equal(r.code, 0, r.stderr);
  }
});
after(() => fs.rmSync(dir, { recursive: true, force: true }));

test('the words are heard at start, middle and end, as espeak-ng says them', { skip }, async () => {
  const wav = spawnSync('espeak-ng', ['-v', 'cmn', '-s', '160', '--stdout', '内容由人工智能生成']).stdout;
  fs.writeFileSync(at('said.wav'), wav);
  const said = envelope(at('said.wav')).slice(0);
  while (said[0] < 300) said.shift();
  while (said.at(-1) < 300) said.pop();
  const speed = 9 / (said.length * 0.02) * 60;
  assert.ok(speed >= 120 && speed <= 160, `${speed} characters a minute`);
  for (const x of ['wav', 'flac', 'mp3', 'ogg']) {
    const r = await run(BIN, ['label', 'add', at(`a.${x}`), '-o', at(`o.${x}`), '--explicit', '--voice', 'zh', '--position', 'start,middle,end']);
    assert.equal(r.code, 0, r.stderr);
    const length = said.length * 0.02 + 0.4;
    for (const from of [0, (SECONDS - length) / 2, SECONDS - length]) {
      const heard = envelope(at(`o.${x}`), Math.max(0, from - 0.1));
      assert.ok(best(heard, said) > 0.9, `${x} at ${from}: ${best(heard, said)}`);
    }
    assert.ok(Math.max(...envelope(at(`o.${x}`), length + 0.2, length + 0.7)) < 50, `${x}: quiet between`);
  }
});

test('English follows the Chinese; alone it would not satisfy the standard', { skip }, async () => {
  const both = await run(BIN, ['label', 'add', at('a.wav'), '-o', at('both.wav'), '--explicit', '--voice', 'zh,en']);
  assert.equal(both.code, 0, both.stderr);
  const loud = envelope(at('both.wav')).map((v) => v > 200).lastIndexOf(true) * 0.02;
  assert.ok(loud > 5 && loud < 10, `${loud} s`);
  const en = await run(BIN, ['label', 'add', at('a.wav'), '-o', at('en.wav'), '--explicit', '--voice', 'en']);
  assert.equal(en.code, 4);
  assert.match(en.stderr, /5\.3/);
  assert.ok(!fs.existsSync(at('en.wav')));
});

test('a clip of the operator is heard', async () => {
  const c = await run('ffmpeg', ['-v', 'error', '-nostdin', '-f', 'lavfi', '-i', 'sine=f=700:d=2:r=22050', at('clip.wav')]);
  assert.equal(c.code, 0, c.stderr);
  for (const x of ['wav', 'mp3']) {
    const r = await run(BIN, ['label', 'add', at(`a.${x}`), '-o', at(`c.${x}`), '--explicit', '--clip', at('clip.wav')]);
    assert.equal(r.code, 0, r.stderr);
    assert.ok(Math.min(...envelope(at(`c.${x}`), 0.4, 2)) > 5000, x);
  }
  const bad = await run(BIN, ['label', 'add', at('a.wav'), '-o', at('bad.wav'), '--explicit', '--clip', at('a.mp3')]);
  assert.equal(bad.code, 4, bad.stderr);
});

test('the rhythm is heard where it was put, under music, and only there', async () => {
  // Chords that go on and off: what a detector might take for tones of the label.
  const music = await run('ffmpeg', ['-v', 'error', '-nostdin', '-f', 'lavfi', '-i',
    "aevalsrc='0.3*sin(2*PI*t*(220+55*mod(floor(t*2),5)))*gt(mod(t,0.5),0.1)+0.2*sin(2*PI*t*(660+110*mod(floor(t*3),4)))':d=30:s=44100", at('m.wav')]);
  assert.equal(music.code, 0, music.stderr);
  const listen = async (f) => JSON.parse((await run(BIN, ['inspect', '--listen', at(f), '--json'])).stdout);
  for (const x of ['mp3', 'opus', 'm4a']) assert.equal((await run('ffmpeg', ['-v', 'error', '-i', at('m.wav'), at(`m.${x}`)])).code, 0);
  for (const x of ['wav', 'mp3', 'opus', 'm4a']) {
    assert.deepEqual((await listen(`m.${x}`)).labels, [], x);
    for (const place of ['start', 'middle', 'end']) {
      const r = await run(BIN, ['label', 'add', at(`m.${x}`), '-o', at(`h-${place}.${x}`), '--explicit', '--position', place]);
      assert.equal(r.code, 0, r.stderr);
      const i = await listen(`h-${place}.${x}`);
      assert.deepEqual(i.labels.map((l) => [l.carrier, l.position]), [['sound.rhythm', place]], x);
      assert.equal(i.verdict.state, 'suspected');
    }
  }
  assert.deepEqual(JSON.parse((await run(BIN, ['inspect', at('h-start.wav'), '--json'])).stdout).labels, [], 'only when asked to listen');
});
