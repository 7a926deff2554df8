// Labels as a provider, a platform and a reader use them: what we write is read by programs that
// share no code with us, pictures and sound stay what they were, and the API does the same in a box.
// PROVES: GB45438-2025/6.1(a)
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { BIN, makeTemp, run, startProduct } from '../gateway/lib/product.mjs';
import { request } from '../gateway/lib/client.mjs';

const PRODUCER = '001191110102MAD55U9H0F10002';
const PLATFORM = '001191440300708461136T20000';
const dir = makeTemp('pl-label-');
const at = (...p) => path.join(dir, ...p);

const PDF = `%PDF-1.4
1 0 obj
<< /Type /Catalog /Pages 2 0 R >>
endobj
2 0 obj
<< /Type /Pages /Kids [3 0 R] /Count 1 >>
endobj
3 0 obj
<< /Type /Page /Parent 2 0 R /MediaBox [0 0 72 72] >>
endobj
`;
function pdf() {
  const offsets = [...PDF.matchAll(/\d 0 obj/g)].map((m) => m.index);
  const rows = offsets.map((o) => `${String(o).padStart(10, '0')} 00000 n \n`).join('');
  return `${PDF}xref\n0 4\n0000000000 65535 f \n${rows}trailer\n<< /Size 4 /Root 1 0 R >>\nstartxref\n${PDF.length}\n%%EOF\n`;
}

const DOCX = `
import zipfile, sys
z = zipfile.ZipFile(sys.argv[1], "w", zipfile.ZIP_DEFLATED)
z.writestr("[Content_Types].xml", '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>')
z.writestr("_rels/.rels", '<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/></Relationships>')
z.writestr("word/document.xml", '<?xml version="1.0"?><w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body><w:p/></w:body></w:document>')
`;
const DOCX_CHECK = `
import zipfile, sys, xml.dom.minidom as x
a, b = zipfile.ZipFile(sys.argv[1]), zipfile.ZipFile(sys.argv[2])
assert b.testzip() is None
assert a.read("word/document.xml") == b.read("word/document.xml")
p = x.parseString(b.read("docProps/custom.xml")).getElementsByTagName("property")
assert [e.getAttribute("name") for e in p] == ["AIGC"]
print(p[0].firstChild.firstChild.data)
`;

const AV = ['mp4', 'mov', 'm4a', 'mkv', 'webm', 'flv', 'avi', 'wav', 'mp3', 'flac', 'ogg', 'opus'];
const PICTURES = ['jpg', 'png', 'webp', 'gif', 'tiff'];
const PHONE = ['heic', 'avif'];

async function ffmpeg(...args) {
  const r = await run('ffmpeg', ['-loglevel', 'error', '-nostdin', '-y', ...args]);
  assert.equal(r.code, 0, r.stderr);
  return r.stdout;
}

before(async () => {
  fs.mkdirSync(at('in'));
  const source = at('source.mkv');
  await ffmpeg('-f', 'lavfi', '-i', 'testsrc=d=1:s=160x120:r=10', '-f', 'lavfi', '-i', 'sine=d=1', '-pix_fmt', 'yuv420p', source);
  for (const x of AV) {
    await ffmpeg('-i', source, ...(['wav', 'mp3', 'flac', 'ogg', 'opus', 'm4a'].includes(x) ? ['-vn'] : []),
      ...(x === 'flv' ? ['-c:v', 'flv'] : x === 'mp4' ? ['-movflags', 'faststart'] : []), at('in', `a.${x}`));
  }
  for (const x of PICTURES) await ffmpeg('-i', source, ...(x === 'gif' ? [] : ['-frames:v', '1']), at('in', `a.${x}`));
  for (const x of PHONE) {
    const r = await run('heif-enc', [...(x === 'avif' ? ['-A'] : []), at('in', 'a.png'), '-o', at('in', `a.${x}`)]);
    assert.equal(r.code, 0, r.stderr);
  }
  fs.writeFileSync(at('in', 'a.pdf'), pdf());
  fs.writeFileSync(at('in', 'a.md'), '# Title\n\ntext\n');
  fs.writeFileSync(at('in', 'a.html'), '<!doctype html><html><head><meta charset="utf-8"></head><body>x</body></html>');
  fs.writeFileSync(at('in', 'a.json'), '{"a": 1}');
  fs.writeFileSync(at('in', 'a.svg'), '<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0"/></svg>');
  assert.equal((await run('python3', ['-c', DOCX, at('in', 'a.docx')])).code, 0);
});
after(() => fs.rmSync(dir, { recursive: true, force: true }));

test('a folder is labelled, and again nothing is left to do', async () => {
  const args = ['label', 'add', at('in'), '-o', at('out'), '--producer', PRODUCER, '--content-id', 'c-{sha256}', '--json'];
  const first = await run(BIN, args);
  assert.equal(first.code, 0, first.stdout + first.stderr);
  const lines = first.stdout.trim().split('\n').map((l) => JSON.parse(l));
  assert.equal(lines.length, AV.length + PICTURES.length + PHONE.length + 6);
  assert.ok(lines.every((l) => l.status === 'labelled' && l.labels[0].value.includes(l.content_id)));
  const second = await run(BIN, args);
  assert.equal(second.code, 0);
  assert.ok(second.stdout.trim().split('\n').every((l) => JSON.parse(l).status === 'skipped'));
});

test('our own reader finds exactly one label that conforms in each', async () => {
  const r = await run(BIN, ['inspect', at('out'), '--json']);
  assert.equal(r.code, 0, r.stdout);
  for (const i of r.stdout.trim().split('\n').map((l) => JSON.parse(l))) {
    assert.equal(i.labels.length, 1, i.file);
    assert.equal(i.labels[0].conforms, true, JSON.stringify(i.labels));
    assert.deepEqual([i.verdict.state, i.container], ['generated', 'whole']);
  }
});

test('pictures and sound are what they were', async () => {
  for (const x of [...AV, ...PICTURES]) {
    const [a, b] = [await ffmpeg('-i', at('in', `a.${x}`), '-f', 'hash', '-'), await ffmpeg('-i', at('out', `a.${x}`), '-f', 'hash', '-')];
    assert.equal(a, b, x);
    assert.match(a, /SHA256=/);
  }
});

test('pictures of phones decode to what they were', async () => {
  for (const x of PHONE) {
    const pixels = [];
    for (const d of ['in', 'out']) {
      const r = await run('heif-convert', [at(d, `a.${x}`), at(`${d}-${x}.png`)]);
      assert.equal(r.code, 0, r.stderr);
      pixels.push(await ffmpeg('-i', at(`${d}-${x}.png`), '-f', 'hash', '-'));
    }
    assert.equal(pixels[0], pixels[1], x);
  }
});

test('ExifTool reads every one without a warning', async () => {
  for (const x of [...AV, ...PICTURES, ...PHONE, 'pdf', 'docx']) {
    const r = await run('exiftool', ['-a', '-u', '-G1', '-s', '-b', '-j', at('out', `a.${x}`)]);
    const tags = JSON.parse(r.stdout)[0];
    const before = JSON.parse((await run('exiftool', ['-a', '-u', '-G1', '-s', '-j', at('in', `a.${x}`)])).stdout)[0];
    assert.equal(Object.keys(tags).filter((k) => /Warning|Error/.test(k)).length,
      Object.keys(before).filter((k) => /Warning|Error/.test(k)).length, x);
    const label = Object.entries(tags).find(([k, v]) => /aigc/i.test(k) || /AIGC/.test(String(v)));
    assert.ok(label, `${x}: ${Object.keys(tags)}`);
  }
});

test('ffprobe, mediainfo and exiv2 read the label where they know its carrier', async () => {
  for (const x of AV.filter((k) => k !== 'wav')) {
    const p = await run('ffprobe', ['-v', 'error', '-show_format', '-show_streams', at('out', `a.${x}`)]);
    assert.match(p.stdout, new RegExp(`AIGC=.*${PRODUCER}`), x);
    const m = await run('mediainfo', [at('out', `a.${x}`)]);
    assert.match(m.stdout, /AIGC/, x);
  }
  for (const x of PICTURES.filter((k) => k !== 'gif')) {
    const e = await run('exiv2', ['-PX', at('out', `a.${x}`)]);
    assert.match(e.stdout, /Xmp\.TC260\.AIGC/, x);
  }
});

test('documents stay sound', async () => {
  const q = await run('qpdf', ['--check', at('out', 'a.pdf')]);
  assert.equal(q.code, 0, q.stdout + q.stderr);
  const d = await run('python3', ['-c', DOCX_CHECK, at('in', 'a.docx'), at('out', 'a.docx')]);
  assert.equal(d.code, 0, d.stderr);
  assert.equal(JSON.parse(d.stdout).ContentProducer, PRODUCER);
  assert.equal(JSON.parse(fs.readFileSync(at('out', 'a.json'), 'utf8')).AIGC.Label, '1');
  assert.ok(fs.readFileSync(at('out', 'a.md'), 'utf8').startsWith('---\nAIGC:\n  Label: \'1\'\n'));
});

test('a label that is there gives way only when asked', async () => {
  const args = ['label', 'add', at('out', 'a.jpg'), '-o', at('b.jpg'), '--producer', PRODUCER, '--content-id', 'other'];
  assert.equal((await run(BIN, args)).code, 4);
  assert.ok(!fs.existsSync(at('b.jpg')));
  const r = await run(BIN, [...args, '--replace', '--json']);
  assert.equal(r.code, 0, r.stderr);
  assert.equal(JSON.parse(r.stdout).replaced[0].carrier, 'jpeg.xmp');
});

test('a platform adds its own members', async () => {
  const r = await run(BIN, ['inspect', at('out', 'a.png'), '--as-platform', PLATFORM, '-o', at('p.png'), '--json']);
  assert.equal(r.code, 0, r.stderr);
  const i = JSON.parse((await run(BIN, ['inspect', at('p.png'), '--json'])).stdout);
  assert.equal(i.labels[0].members.ContentProducer, PRODUCER);
  assert.equal(i.labels[0].members.ContentPropagator, PLATFORM);
});

test('deviations are explained in both languages', async () => {
  const bad = at('bad.md');
  fs.writeFileSync(bad, '---\nAIGC:\n  Lable: \'1\'\n  ContentProducer: \'somebody\'\n---\n');
  const en = await run(BIN, ['label', 'lint', bad]);
  assert.equal(en.code, 1);
  assert.match(en.stdout, /misspelt: Lable \(GB 45438-2025 Annex E\)/);
  assert.match((await run(BIN, ['label', 'lint', bad, '--lang', 'zh-CN'])).stdout, /字段名拼写错误/);
});

test('over HTTP the same happens, and bad files harm nobody', async () => {
  const product = await startProduct({});
  try {
    const send = async (route, body) => {
      const c = `${product.dir}/run/control.sock`;
      return request(`http://localhost${route}`, { method: 'POST', socketPath: c, body,
        headers: { 'content-type': 'application/octet-stream', 'content-length': body.length } });
    };
    const jpg = fs.readFileSync(at('in', 'a.jpg'));
    const labelled = await send(`/api/v1/label?name=a.jpg&producer=${PRODUCER}&content_id=h-1&record=1`, jpg);
    assert.equal(labelled.status, 200, labelled.text);
    assert.equal(labelled.headers['content-type'], 'image/jpeg');
    const seen = await send('/api/v1/inspect?name=a.jpg', labelled.buf);
    assert.equal(seen.status, 200, seen.text);
    assert.equal(seen.json().labels[0].members.ProduceID, 'h-1');
    assert.equal((await send('/api/v1/label?producer=wrong&content_id=x', jpg)).status, 400);
    assert.equal((await send('/api/v1/inspect', Buffer.from([0, 1, 2]))).status, 400);
    const cut = await send('/api/v1/inspect?name=a.mp4', fs.readFileSync(at('in', 'a.mp4')).subarray(0, 900));
    assert.equal(cut.json().verdict.state, 'inconclusive');
    const list = await run(BIN, ['ledger', 'list', '--dir', product.dir, '--json']);
    assert.match(list.stdout, /label-issued/);
  } finally {
    await product.stop();
  }
});

test('beside a running daemon --record goes through it, and without one the command writes itself', async () => {
  const product = await startProduct({});
  const count = async () => {
    const r = await run(BIN, ['ledger', 'list', '--type', 'label-issued', '--dir', product.dir, '--json']);
    assert.equal(r.code, 0, r.stderr);
    return (r.stdout.match(/label-issued/g) ?? []).length;
  };
  const add = (to) => run(BIN, ['label', 'add', at('in'), '-o', at(to), '--producer', PRODUCER, '--content-id', 'r-{n}',
    '--record', '--dir', product.dir, '--json']);
  try {
    const there = await add('recorded');
    assert.equal(there.code, 0, there.stdout + there.stderr);
    const files = there.stdout.trim().split('\n').length;
    assert.equal(await count(), files);
    assert.equal((await run(BIN, ['ledger', 'verify', '--dir', product.dir])).code, 0);
    const bad = await request('http://localhost/api/v1/label/records', { method: 'POST', socketPath: `${product.dir}/run/control.sock`,
      body: JSON.stringify({ statements: [{ producer: PRODUCER }] }), headers: { 'content-type': 'application/json' } });
    assert.equal(bad.status, 400, bad.text);
    assert.equal(await count(), files);
    await product.stop({ keep: true });
    assert.equal((await add('recorded-2')).code, 0);
    assert.equal(await count(), 2 * files);
  } finally {
    await product.stop();
    product.remove();
  }
});
