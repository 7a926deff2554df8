// Formats without a place for a label: refused, or labelled beside the copy when asked.
// PROVES: GB45438-2025/6.1(c)
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { BIN, makeTemp, run } from '../gateway/lib/product.mjs';

const PRODUCER = '001191110102MAD55U9H0F10002';
const NAMES = ['a.bmp', 'a.txt'];
const dir = makeTemp('pl-label-side-');
const at = (...p) => path.join(dir, ...p);
const add = (from, to, id, ...more) => run(BIN, ['label', 'add', from, '-o', to, '--producer', PRODUCER, '--content-id', id, '--json', ...more]);
const read = (f) => JSON.parse(fs.readFileSync(f, 'utf8'));
const inspect = async (f, ...more) => {
  const r = await run(BIN, ['inspect', f, '--json', ...more]);
  return { code: r.code, ...JSON.parse(r.stdout) };
};

before(async () => {
  fs.mkdirSync(at('in'));
  const r = await run('ffmpeg', ['-loglevel', 'error', '-nostdin', '-f', 'lavfi', '-i', 'testsrc=d=1:s=16x16:r=1', '-frames:v', '1', at('in', 'a.bmp')]);
  assert.equal(r.code, 0, r.stderr);
  fs.writeFileSync(at('in', 'a.txt'), '一段文字。\n');
});
after(() => fs.rmSync(dir, { recursive: true, force: true }));

test('without being asked they are refused, and the way out is named', async () => {
  for (const name of NAMES) {
    const r = await add(at('in', name), at(name), 's-1');
    assert.equal(r.code, 4, name);
    assert.match(r.stdout, /have no place for a label; --sidecar/);
    assert.deepEqual(fs.readdirSync(dir), ['in']);
  }
});

test('beside the copy: the very bytes, and a label that says whose it is', async () => {
  const r = await add(at('in'), at('out'), 's-{sha256}', '--sidecar');
  assert.equal(r.code, 0, r.stdout + r.stderr);
  assert.deepEqual(fs.readdirSync(at('out')).sort(), ['a.bmp', 'a.bmp.aigc.json', 'a.txt', 'a.txt.aigc.json']);
  for (const name of NAMES) {
    const bytes = fs.readFileSync(at('out', name));
    assert.ok(bytes.equals(fs.readFileSync(at('in', name))), name);
    const beside = read(at('out', `${name}.aigc.json`));
    assert.deepEqual([beside.file, beside.sha256], [name, crypto.createHash('sha256').update(bytes).digest('hex')]);
    assert.deepEqual([beside.AIGC.Label, beside.AIGC.ContentProducer], ['1', PRODUCER]);
    for (const quick of [[], ['--quick']]) {
      const i = await inspect(at('out', name), ...quick);
      assert.deepEqual([i.code, i.verdict.state, i.labels.length, i.labels[0].carrier, i.labels[0].conforms], [0, 'generated', 1, 'sidecar', true], name);
      assert.ok(i.labels[0].details.some((d) => d.code === 'label.beside'));
    }
    const lint = await run(BIN, ['label', 'lint', at('out', name), '--lang', 'zh-CN']);
    assert.deepEqual([lint.code, /附属文件/.test(lint.stdout)], [0, true], lint.stdout);
  }
});

test('the same command again has nothing to do; a folder shows each file once', async () => {
  const r = await add(at('in'), at('out'), 's-{sha256}', '--sidecar');
  assert.equal(r.code, 0, r.stdout);
  assert.ok(r.stdout.trim().split('\n').every((l) => JSON.parse(l).status === 'skipped'), r.stdout);
  const seen = await run(BIN, ['inspect', at('out'), '--json']);
  assert.equal(seen.stdout.trim().split('\n').length, NAMES.length);
});

test('a label that was made for other bytes does not count', async () => {
  const file = at('out', 'a.txt');
  fs.appendFileSync(file, '改过\n');
  const i = await inspect(file);
  assert.deepEqual([i.code, i.verdict.state, i.verdict.rule], [1, 'suspected', 'label.unverifiable']);
  assert.ok(i.labels[0].details.some((d) => d.code === 'label.beside-other'));
});

test('one beside the input gives way only when asked, and stays beside the input', async () => {
  const input = at('out', 'a.bmp');
  const before = fs.readFileSync(`${input}.aigc.json`, 'utf8');
  assert.equal((await add(input, at('b.bmp'), 's-2', '--sidecar')).code, 4);
  assert.ok(!fs.existsSync(at('b.bmp')) && !fs.existsSync(at('b.bmp.aigc.json')));
  const r = await add(input, at('b.bmp'), 's-2', '--sidecar', '--replace');
  assert.equal(r.code, 0, r.stderr);
  assert.equal(JSON.parse(r.stdout).replaced[0].carrier, 'sidecar');
  assert.equal(read(at('b.bmp.aigc.json')).AIGC.ProduceID, 's-2');
  assert.equal(fs.readFileSync(`${input}.aigc.json`, 'utf8'), before);
});

test('formats that have a place keep the label inside, and a broken file beside is said to be one', async () => {
  fs.writeFileSync(at('a.md'), '# T\n');
  assert.equal((await add(at('a.md'), at('b.md'), 's-3', '--sidecar')).code, 0);
  assert.ok(!fs.existsSync(at('b.md.aigc.json')));
  fs.writeFileSync(at('c.txt'), 'x\n');
  fs.writeFileSync(at('c.txt.aigc.json'), '{"AIGC": {"Label"');
  const i = await inspect(at('c.txt'));
  assert.equal(i.code, 1);
  assert.equal(i.labels[0].conforms, false);
});
