// Files made to deceive or to exhaust: two formats in one, bombs, metadata without end. What we say
// about them is clear, in bounded memory and time, and no copy is made of them.
// PROVES: GB45438-2025/6.1(c)
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { BIN, makeTemp, run } from '../gateway/lib/product.mjs';

const PRODUCER = '001191110102MAD55U9H0F10002';
const MEMORY_KIB = 256 << 10; // of one run: a scan may hold 96 MiB, the rest is program and libraries
const SECONDS = 10;
const dir = makeTemp('pl-label-hostile-');
const at = (...p) => path.join(dir, ...p);

const MAKE = `
import io, os, struct, sys, zipfile, zlib
os.chdir(sys.argv[1])

def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
ihdr = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
idat, iend = chunk(b"IDAT", zlib.compress(b"\\0\\0")), chunk(b"IEND", b"")
png = b"\\x89PNG\\r\\n\\x1a\\n" + ihdr + idat + iend
jpeg = open("a.jpg", "rb").read()
pdf = open("a.pdf", "rb").read()

def archive(prefix=b"", comment=b"", **parts):
    b = io.BytesIO()
    with zipfile.ZipFile(b, "w", zipfile.ZIP_DEFLATED) as z:
        for n, t in parts.items():
            z.writestr(n, t)
        z.comment = comment
    return prefix + b.getvalue()

def write(name, data):
    open(name, "wb").write(data)

# Two formats in one.
write("zip.png", archive(png, x="hidden"))
write("zip.jpg", archive(jpeg, x="hidden"))
write("zip.pdf", archive(pdf, x="hidden"))
write("comment.png", archive(png, b"c" * 60000, x="hidden"))
com = b"%PDF-1.4\\n1 0 obj\\n<<>>\\nendobj\\n"
tail = b"\\nxref\\n0 1\\n0000000000 65535 f \\ntrailer\\n<</Size 1>>\\nstartxref\\n9\\n%%EOF\\n"
write("pdf.jpg", jpeg[:2] + b"\\xff\\xfe" + struct.pack(">H", len(com) + 2) + com + jpeg[2:] + tail)
write("gif.png", png + b"GIF89a" + b"\\1\\0\\1\\0\\0\\0\\0;")
write("html.jpg", jpeg + b"<html><body><script>alert(1)</script></body></html>")
write("video.jpg", jpeg + struct.pack(">I", 16) + b"ftypisom\\0\\0\\0\\0")
# Not two formats: further views, notes, a moving picture that says so, an archive's name in text.
write("plain-views.jpg", jpeg + jpeg)
write("plain-note.png", png + b"made in Hangzhou, PK\\5\\6 and nothing else in these bytes")
xmp = b"http://ns.adobe.com/xap/1.0/\\0" + b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" xmlns:GCamera="http://ns.google.com/photos/1.0/camera/" GCamera:MotionPhoto="1"/></rdf:RDF></x:xmpmeta>'
write("plain-moving.jpg", jpeg[:2] + b"\\xff\\xe1" + struct.pack(">H", len(xmp) + 2) + xmp + jpeg[2:] + struct.pack(">I", 16) + b"ftypisom\\0\\0\\0\\0")

# Documents that unpack to too much, or nest without end.
OOX = "http://schemas.openxmlformats.org/"
def docx(name, custom):
    with zipfile.ZipFile(name, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("[Content_Types].xml", '<?xml version="1.0"?><Types xmlns="%spackage/2006/content-types"/>' % OOX)
        z.writestr("_rels/.rels", '<?xml version="1.0"?><Relationships xmlns="%spackage/2006/relationships"/>' % OOX)
        z.writestr("word/document.xml", "<w/>")
        with z.open("docProps/custom.xml", "w", force_zip64=False) as f:
            for piece in custom:
                f.write(piece)
docx("bomb.docx", (b"\\0" * (1 << 20) for _ in range(200)))
docx("long.docx", [b"<Properties>", b"".join(b"<property name='p%d'/>" % i for i in range(500000)), b"</Properties>"])
docx("deep.docx", [b"<a>" * 300, b"</a>" * 300])
write("lie.docx", open("bomb.docx", "rb").read().replace(struct.pack("<I", 200 << 20), struct.pack("<I", 1000)))
docx("laugh.docx", [b'<!DOCTYPE a [<!ENTITY b "x"><!ENTITY c "&b;&b;">]><a>&c;</a>'])

# 100 MB and more of metadata: sparse, so that the disk holds next to nothing.
N = 100 << 20
def sparse(name, head, tail, size=N):
    with open(name, "wb") as f:
        f.write(head)
        f.seek(len(head) + size)
        f.write(tail)
key = b"XML:com.adobe.xmp\\0\\0\\0\\0\\0"
sparse("xmp.png", png[:33] + struct.pack(">I", N + len(key)) + b"iTXt" + key, b"\\0\\0\\0\\0" + idat + iend)
sparse("xmp.webp", b"RIFF" + struct.pack("<I", N + 40) + b"WEBPVP8X" + struct.pack("<I", 10) + b"\\4" + b"\\0" * 9 + b"XMP " + struct.pack("<I", N), b"VP8 " + struct.pack("<I", 2) + b"\\0\\0")
sparse("xmp.tiff", b"II*\\0" + struct.pack("<IH", 8, 1) + struct.pack("<HHII", 700, 7, N, 26) + b"\\0" * 4, b"\\0")
sparse("xmp.mp4", struct.pack(">I", 16) + b"ftypisom\\0\\0\\0\\0" + struct.pack(">I", N + 24) + b"uuid" + bytes.fromhex("BE7ACFCB97A942E89C71999491E3AFAC"), struct.pack(">I", 8) + b"moov" + struct.pack(">I", 8) + b"mdat")
sparse("xmp.svg", b'<svg xmlns="http://www.w3.org/2000/svg"><metadata>' + b" " * 8192, b"</metadata></svg>")
write("deep.svg", b'<svg xmlns="http://www.w3.org/2000/svg">' + b"<g>" * 200000 + b"</g>" * 200000 + b"</svg>")
deep = b'<x:xmpmeta xmlns:x="adobe:ns:meta/">' + b"<a>" * 100000 + b"</a>" * 100000 + b"</x:xmpmeta>"
write("deep.png", png[:33] + chunk(b"iTXt", key + deep) + idat + iend)
packed = zlib.compress(b" " * (64 << 20), 9)
write("bomb.png", png[:33] + chunk(b"iTXt", b"XML:com.adobe.xmp\\0\\1\\0\\0\\0" + packed) + idat + iend)
`;

// Runs a program within limits and says what it took.
const WITHIN = `
import json, resource, subprocess, sys
kib, seconds = int(sys.argv[1]), int(sys.argv[2])
p = subprocess.run(sys.argv[3:], capture_output=True, text=True, timeout=seconds)
print(json.dumps({"code": p.returncode, "out": p.stdout, "err": p.stderr, "kib": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss}))
`;

async function within(...args) {
  const r = await run('python3', ['-c', WITHIN, String(MEMORY_KIB), String(SECONDS), BIN, ...args]);
  assert.equal(r.code, 0, `${args.join(' ')}: ${r.stderr}`);
  const seen = JSON.parse(r.stdout);
  assert.ok(seen.kib < MEMORY_KIB, `${args.join(' ')}: ${seen.kib} KiB`);
  return seen;
}

async function inspect(name, ...more) {
  const r = await within('inspect', at(name), '--json', ...more);
  return { code: r.code, err: r.err, ...JSON.parse(r.out || '{}') };
}

const add = (name) => within('label', 'add', at(name), '-o', at(`out-${name}`), '--producer', PRODUCER, '--content-id', 'h-1');

/** Refused in words, and nothing was written. */
async function refused(name, why) {
  const r = await add(name);
  assert.equal(r.code, 4, `${name}: ${r.out}${r.err}`);
  assert.match(r.err, why, name);
  assert.deepEqual(fs.readdirSync(dir).filter((n) => n.startsWith(`out-${name}`)), []);
}

before(async () => {
  const jpg = await run('ffmpeg', ['-loglevel', 'error', '-nostdin', '-f', 'lavfi', '-i', 'testsrc=d=1:s=64x48:r=1', '-frames:v', '1', at('a.jpg')]);
  assert.equal(jpg.code, 0, jpg.stderr);
  const text = '%PDF-1.4\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n2 0 obj\n<< /Type /Pages /Kids [] /Count 0 >>\nendobj\n';
  const rows = [...text.matchAll(/\d 0 obj/g)].map((m) => `${String(m.index).padStart(10, '0')} 00000 n \n`).join('');
  fs.writeFileSync(at('a.pdf'), `${text}xref\n0 3\n0000000000 65535 f \n${rows}trailer\n<< /Size 3 /Root 1 0 R >>\nstartxref\n${text.length}\n%%EOF\n`);
  const r = await run('python3', ['-c', MAKE, dir]);
  assert.equal(r.code, 0, r.stderr);
});
after(() => fs.rmSync(dir, { recursive: true, force: true }));

test('two formats in one file are ambiguous, with the reason, and are not labelled', async () => {
  const codes = { 'zip.png': 'zip', 'zip.jpg': 'zip', 'zip.pdf': 'zip', 'comment.png': 'zip', 'pdf.jpg': 'pdf',
    'gif.png': 'behind', 'html.jpg': 'behind', 'video.jpg': 'behind' };
  for (const [name, code] of Object.entries(codes)) {
    const i = await inspect(name);
    assert.deepEqual([i.code, i.container, i.verdict.state, i.verdict.rule], [3, 'ambiguous', 'inconclusive', 'file-ambiguous'], name);
    assert.ok(i.notes.some((n) => n.code === `polyglot.${code}` && n.text.length > 30), `${name}: ${JSON.stringify(i.notes)}`);
  }
  for (const name of ['zip.png', 'zip.jpg', 'zip.pdf', 'comment.png', 'pdf.jpg']) await refused(name, /ambiguous: .* as well/);
});

test('the archives among them are archives to others', async () => {
  for (const name of ['zip.png', 'zip.jpg', 'zip.pdf', 'comment.png']) {
    const r = await run('python3', ['-c', 'import sys, zipfile; print(zipfile.ZipFile(sys.argv[1]).read("x"))', at(name)]);
    assert.match(r.stdout, /hidden/, name);
  }
});

test('a quick look sees them, but for an archive hidden by a long comment', async () => {
  for (const name of ['zip.png', 'zip.jpg', 'zip.pdf', 'pdf.jpg']) assert.equal((await inspect(name, '--quick')).container, 'ambiguous', name);
  assert.equal((await inspect('comment.png', '--quick')).container, 'whole');
});

test('further views, notes and moving pictures are not two formats', async () => {
  for (const name of ['plain-views.jpg', 'plain-note.png', 'plain-moving.jpg']) {
    const i = await inspect(name);
    assert.equal(i.container, 'whole', `${name}: ${JSON.stringify(i.notes)}`);
    assert.equal((await add(name)).code, 0, name);
  }
});

test('documents that unpack to too much or nest without end are refused in bounded memory', async () => {
  const notes = { 'bomb.docx': /too long/, 'lie.docx': /unpacks to too much/, 'long.docx': /too long/, 'deep.docx': /nested/, 'laugh.docx': /DTD/ };
  for (const [name, why] of Object.entries(notes)) {
    const i = await inspect(name);
    assert.equal(i.verdict.state, 'inconclusive', name);
    assert.ok(i.notes.some((n) => why.test(n.text)), `${name}: ${JSON.stringify(i.notes)}`);
    assert.deepEqual([i.container, i.verdict.rule], ['limited', 'file-unreadable'], name);
    await refused(name, /limited/);
  }
});

test('100 MB of metadata is passed over or refused, never held', async () => {
  for (const kind of ['png', 'webp', 'tiff', 'mp4', 'svg']) {
    const name = `xmp.${kind}`;
    const i = await inspect(name);
    assert.equal(i.verdict.state, 'inconclusive', name);
    assert.deepEqual([i.container, i.verdict.rule], ['limited', 'file-unreadable'], `${name}: ${JSON.stringify(i.notes)}`);
    await refused(name, /limited: .*too long/);
  }
});

test('XML that nests without end, and metadata that unpacks without end, stop early', async () => {
  for (const name of ['deep.svg', 'deep.png', 'bomb.png']) {
    const i = await inspect(name);
    assert.equal(i.verdict.state, 'inconclusive', name);
    assert.ok(i.notes.length > 0, `${name}: silent about what it did not read`);
    await refused(name, /malformed|limited|not well-formed/);
  }
});
