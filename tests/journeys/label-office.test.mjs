// Office documents as the office reads them: LibreOffice opens what we labelled, shows the label people
// read, keeps the one in the metadata when it saves, and shows everything else as before.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { BIN, makeTemp, run } from '../gateway/lib/product.mjs';

const skip = !fs.existsSync('/usr/bin/soffice') && 'LibreOffice is not installed';
const PRODUCER = '001191110102MAD55U9H0F10002';
const dir = makeTemp('pl-label-office-');
const at = (...p) => path.join(dir, ...p);
const slide = (text) => `<?xml version="1.0" encoding="UTF-8"?>
<office:document xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0" xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" xmlns:svg="urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0" office:version="1.3" office:mimetype="application/vnd.oasis.opendocument.presentation"><office:body><office:presentation><draw:page draw:name="p"><draw:frame svg:x="1cm" svg:y="1cm" svg:width="10cm" svg:height="3cm"><draw:text-box><text:p>${text}</text:p></draw:text-box></draw:frame></draw:page></office:presentation></office:body></office:document>`;

async function convert(to, file, out) {
  const r = await run('soffice', [`-env:UserInstallation=file://${at('profile')}`, '--headless', '--convert-to', to, '--outdir', at(out), file], { timeout: 120_000 });
  assert.equal(r.code, 0, r.stderr);
  return at(out, `${path.basename(file).replace(/\.[^.]+$/, '')}.${to.split(':')[0]}`);
}
const unzip = async (file, part) => (await run('python3', ['-c', 'import sys, zipfile; sys.stdout.buffer.write(zipfile.ZipFile(sys.argv[1]).read(sys.argv[2]))', file, part])).stdout;
const texts = async (file) => {
  const flat = await unzip(file, 'content.xml');
  return [...flat.matchAll(/<text:p[^>]*>(.*?)<\/text:p>/g)].map((m) => m[1].replace(/<[^>]*>/g, '')).filter(Boolean);
};

before(async () => {
  if (skip) return;
  for (const d of ['in', 'out', 'shown', 'back']) fs.mkdirSync(at(d));
  fs.writeFileSync(at('a.txt'), '第一段\nsecond paragraph\n');
  fs.writeFileSync(at('b.csv'), '名称,数\n甲,1\n乙,2\n');
  fs.writeFileSync(at('c.fodp'), slide('幻灯片 one'));
  await convert('docx', at('a.txt'), 'in');
  await convert('xlsx', at('b.csv'), 'in');
  await convert('pptx', at('c.fodp'), 'in');
});
after(() => fs.rmSync(dir, { recursive: true, force: true }));

const ODF = { docx: 'odt', xlsx: 'ods', pptx: 'odp' };

test('each kind opens, says what it said, and carries the label into another format', { skip }, async () => {
  const r = await run(BIN, ['label', 'add', at('in'), '-o', at('out'), '--producer', PRODUCER, '--content-id', 'o-{n}', '--json']);
  assert.equal(r.code, 0, r.stdout + r.stderr);
  for (const [name, x] of [['a', 'docx'], ['b', 'xlsx'], ['c', 'pptx']]) {
    const plain = await texts(await convert(ODF[x], at('in', `${name}.${x}`), 'back'));
    const file = await convert(ODF[x], at('out', `${name}.${x}`), 'back');
    assert.deepEqual(await texts(file), plain, x);
    assert.ok(plain.length > 0, x);
    const meta = await unzip(file, 'meta.xml');
    const m = /<meta:user-defined meta:name="AIGC"[^>]*>([^<]*)</.exec(meta);
    assert.ok(m, `${x}: ${meta}`);
    assert.equal(JSON.parse(m[1].replaceAll('&quot;', '"')).ContentProducer, PRODUCER, x);
    // Saved again by LibreOffice in its own format the label is still one that we read.
    const again = await convert(x, file, 'shown');
    const i = JSON.parse((await run(BIN, ['inspect', again, '--json'])).stdout);
    assert.equal(i.labels.length, 1, x);
    assert.equal(i.labels[0].conforms, true, JSON.stringify(i.labels[0]));
  }
});

test('the notice in a Word document is a paragraph that people read, at its end or its start', { skip }, async () => {
  for (const place of ['start', 'end']) {
    const to = at('out', `${place}.docx`);
    const r = await run(BIN, ['label', 'add', at('in/a.docx'), '-o', to, '--explicit', '--text', '本文由人工智能生成', '--position', place]);
    assert.equal(r.code, 0, r.stderr);
    const seen = await texts(await convert('odt', to, 'back'));
    assert.equal(seen.length, 3, seen.join('|'));
    assert.equal(seen.at(place === 'start' ? 0 : -1), '本文由人工智能生成');
    const pdf = await convert('pdf', to, 'back');
    assert.ok(fs.statSync(pdf).size > 1000);
  }
});
