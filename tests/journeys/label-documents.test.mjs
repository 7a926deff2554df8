// Labels in documents that are zip archives: spreadsheet, slides, e-book, fixed layout. Python's
// zipfile and XML parser and ExifTool read what we wrote; every other part stays byte for byte.
// PROVES: TC260-PG-20258A/6.1
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { BIN, makeTemp, run } from '../gateway/lib/product.mjs';

const PRODUCER = '001191110102MAD55U9H0F10002';
const OFFICE = ['xlsx', 'pptx'];
const DOCUMENTS = [...OFFICE, 'epub', 'ofd'];
const dir = makeTemp('pl-label-doc-');
const at = (...p) => path.join(dir, ...p);

const MAKE = `
import os, sys, zipfile
OOX = "http://schemas.openxmlformats.org/"
CT, REL = OOX + "package/2006/content-types", OOX + "package/2006/relationships"
DOC = OOX + "officeDocument/2006/relationships"
APP = "application/vnd.openxmlformats-"

def archive(name, parts, stored=()):
    with zipfile.ZipFile(os.path.join(sys.argv[1], name), "w", zipfile.ZIP_DEFLATED) as z:
        for part, text in parts.items():
            info = zipfile.ZipInfo(part, (2026, 1, 2, 3, 4, 6))
            z.writestr(info, text, zipfile.ZIP_STORED if part in stored else zipfile.ZIP_DEFLATED)

def types(**overrides):
    rows = "".join('<Override PartName="%s" ContentType="%s%s+xml"/>' % (p, APP, t) for p, t in overrides["parts"])
    return '<?xml version="1.0"?><Types xmlns="%s"><Default Extension="rels" ContentType="%spackage.relationships+xml"/>%s</Types>' % (CT, APP, rows)

def rels(*rows):
    return '<?xml version="1.0"?><Relationships xmlns="%s">%s</Relationships>' % (REL, "".join(
        '<Relationship Id="r%d" Type="%s/%s" Target="%s"/>' % (i + 1, DOC, t, f) for i, (t, f) in enumerate(rows)))

sheet = OOX + "spreadsheetml/2006/main"
# A property of the user's own stands there already and has to stay.
archive("a.xlsx", {
    "[Content_Types].xml": types(parts=[("/xl/workbook.xml", "officedocument.spreadsheetml.sheet.main"),
        ("/xl/worksheets/sheet1.xml", "officedocument.spreadsheetml.worksheet"), ("/docProps/custom.xml", "officedocument.custom-properties")]),
    "_rels/.rels": rels(("officeDocument", "xl/workbook.xml"), ("custom-properties", "docProps/custom.xml")),
    "xl/workbook.xml": '<?xml version="1.0"?><workbook xmlns="%s" xmlns:r="%s"><sheets><sheet name="a" sheetId="1" r:id="r1"/></sheets></workbook>' % (sheet, DOC),
    "xl/_rels/workbook.xml.rels": rels(("worksheet", "worksheets/sheet1.xml")),
    "xl/worksheets/sheet1.xml": '<?xml version="1.0"?><worksheet xmlns="%s"><sheetData><row r="1"><c r="A1"><v>1</v></c></row></sheetData></worksheet>' % sheet,
    "docProps/custom.xml": '<?xml version="1.0"?><Properties xmlns="%sofficeDocument/2006/custom-properties" xmlns:vt="%sofficeDocument/2006/docPropsVTypes"><property fmtid="{D5CDD505-2E9C-101B-9397-08002B2CF9AE}" pid="7" name="Project"><vt:lpwstr>kept</vt:lpwstr></property></Properties>' % (OOX, OOX),
})
slides = OOX + "presentationml/2006/main"
archive("a.pptx", {
    "[Content_Types].xml": types(parts=[("/ppt/presentation.xml", "officedocument.presentationml.presentation.main")]),
    "_rels/.rels": rels(("officeDocument", "ppt/presentation.xml")),
    "ppt/presentation.xml": '<?xml version="1.0"?><p:presentation xmlns:p="%s"><p:sldSz cx="9144000" cy="6858000"/><p:notesSz cx="6858000" cy="9144000"/></p:presentation>' % slides,
})
archive("a.epub", {
    "mimetype": "application/epub+zip",
    "META-INF/container.xml": '<?xml version="1.0"?><container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles><rootfile full-path="OEBPS/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>',
    "OEBPS/book.opf": '<?xml version="1.0"?><package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:identifier id="id">urn:x:1</dc:identifier><dc:title>T</dc:title><dc:language>zh</dc:language><meta property="dcterms:modified">2026-01-01T00:00:00Z</meta></metadata><manifest><item id="n" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/></manifest><spine><itemref idref="n"/></spine></package>',
    "OEBPS/nav.xhtml": '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops"><head><title>T</title></head><body><nav epub:type="toc"><ol><li><a href="nav.xhtml">T</a></li></ol></nav></body></html>',
}, stored=("mimetype",))
ofd = "http://www.ofdspec.org/2016"
archive("a.ofd", {
    "OFD.xml": '<?xml version="1.0" encoding="UTF-8"?><ofd:OFD xmlns:ofd="%s" Version="1.1" DocType="OFD"><ofd:DocBody><ofd:DocInfo><ofd:DocID>1</ofd:DocID><ofd:Title>T</ofd:Title></ofd:DocInfo><ofd:DocRoot>Doc_0/Document.xml</ofd:DocRoot></ofd:DocBody></ofd:OFD>' % ofd,
    "Doc_0/Document.xml": '<?xml version="1.0" encoding="UTF-8"?><ofd:Document xmlns:ofd="%s"><ofd:CommonData><ofd:MaxUnitID>1</ofd:MaxUnitID><ofd:PageArea><ofd:PhysicalBox>0 0 210 297</ofd:PhysicalBox></ofd:PageArea></ofd:CommonData><ofd:Pages/></ofd:Document>' % ofd,
})
`;

// The label as a stranger's XML parser sees it, all else compared with the input: names, order,
// compression, dates and the packed bytes themselves.
const CHECK = `
import sys, zipfile, xml.etree.ElementTree as E
a, b, kind = zipfile.ZipFile(sys.argv[1]), zipfile.ZipFile(sys.argv[2]), sys.argv[3]
may_change = {"xlsx": {"docProps/custom.xml"}, "pptx": {"[Content_Types].xml", "_rels/.rels"},
              "epub": {"OEBPS/book.opf"}, "ofd": {"OFD.xml"}}[kind]
added = {"pptx": {"docProps/custom.xml"}}.get(kind, set())
assert b.testzip() is None
assert set(b.namelist()) == set(a.namelist()) | added and len(b.namelist()) == len(set(b.namelist())), b.namelist()

def packed(z, i):
    z.fp.seek(i.header_offset)
    head = z.fp.read(30)
    skip = int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")
    return head + z.fp.read(skip + i.compress_size)

for i in a.infolist():
    if i.filename not in may_change:
        assert packed(a, i) == packed(b, b.getinfo(i.filename)), i.filename
kept = [n for n in a.namelist() if n not in may_change]
assert [n for n in b.namelist() if n in kept] == kept, b.namelist()
for n in b.namelist():
    if n.endswith((".xml", ".rels", ".opf", ".xhtml")):
        E.fromstring(b.read(n))

local = lambda e: e.tag.split("}")[-1]
every = lambda n: list(E.fromstring(b.read(n)).iter())
if kind in ("xlsx", "pptx"):
    props = [e for e in every("docProps/custom.xml") if local(e) == "property"]
    assert len({p.get("pid") for p in props}) == len(props) and all(int(p.get("pid")) > 1 for p in props)
    assert [p.get("name") for p in props] == (["Project", "AIGC"] if kind == "xlsx" else ["AIGC"])
    assert kind == "pptx" or props[0][0].text == "kept"
    assert sum("custom-properties" in e.get("Type", "") for e in every("_rels/.rels")) == 1
    assert sum(e.get("PartName") == "/docProps/custom.xml" for e in every("[Content_Types].xml")) == 1
    label = props[-1][0].text
elif kind == "epub":
    first = b.infolist()[0]
    assert (first.filename, first.header_offset, first.compress_type, first.extra) == ("mimetype", 0, 0, b"")
    assert open(sys.argv[2], "rb").read(58)[38:] == b"application/epub+zip"
    label, = [e.get("content") for e in every("OEBPS/book.opf") if local(e) == "meta" and e.get("name") == "AIGC"]
    assert [e.text for e in every("OEBPS/book.opf") if local(e) == "title"] == ["T"]
else:
    label, = [e.text for e in every("OFD.xml") if local(e) == "CustomData" and e.get("Name") == "AIGC"]
    assert "{http://www.ofdspec.org/2016}CustomDatas" in [e.tag for e in every("OFD.xml")]
print(label)
`;

async function label(from, to, id, ...more) {
  return run(BIN, ['label', 'add', from, '-o', to, '--producer', PRODUCER, '--content-id', id, '--json', ...more]);
}

async function check(kind, file) {
  const r = await run('python3', ['-c', CHECK, at('in', `a.${kind}`), file, kind]);
  assert.equal(r.code, 0, `${kind}: ${r.stderr}`);
  return JSON.parse(r.stdout);
}

before(async () => {
  fs.mkdirSync(at('in'));
  const r = await run('python3', ['-c', MAKE, at('in')]);
  assert.equal(r.code, 0, r.stderr);
});
after(() => fs.rmSync(dir, { recursive: true, force: true }));

test('each is labelled once, in its own carrier, and reads back as conforming', async () => {
  const carriers = { xlsx: 'ooxml.custom', pptx: 'ooxml.custom', epub: 'epub.meta', ofd: 'ofd.custom' };
  const r = await label(at('in'), at('out'), 'd-{sha256}');
  assert.equal(r.code, 0, r.stdout + r.stderr);
  for (const kind of DOCUMENTS) {
    const seen = await run(BIN, ['inspect', at('out', `a.${kind}`), '--json']);
    const i = JSON.parse(seen.stdout);
    assert.equal(seen.code, 0, seen.stdout);
    assert.deepEqual([i.format, i.container, i.verdict.state, i.labels.length], [kind, 'whole', 'generated', 1]);
    assert.deepEqual([i.labels[0].carrier, i.labels[0].conforms], [carriers[kind], true], seen.stdout);
  }
});

test('another zip and XML reader finds the label, and every other part as it was', async () => {
  for (const kind of DOCUMENTS) {
    const found = await check(kind, at('out', `a.${kind}`));
    assert.deepEqual([found.Label, found.ContentProducer], ['1', PRODUCER], kind);
  }
});

test('signs of XML survive in a label that replaces the first', async () => {
  const id = 'no<2>&amp;';
  for (const kind of DOCUMENTS) {
    const again = at(`b.${kind}`);
    assert.equal((await label(at('out', `a.${kind}`), again, id)).code, 4, kind);
    assert.ok(!fs.existsSync(again));
    const r = await label(at('out', `a.${kind}`), again, id, '--replace');
    assert.equal(r.code, 0, kind + r.stdout + r.stderr);
    assert.equal(JSON.parse(r.stdout).replaced.length, 1);
    assert.equal((await check(kind, again)).ProduceID, id, kind);
  }
});

test('the namespace prefix of a fixed-layout document is used as it stands, or none', async () => {
  const make = `
import sys, zipfile
z = zipfile.ZipFile(sys.argv[1], "w")
z.writestr("OFD.xml", '<OFD xmlns="http://www.ofdspec.org/2016"><DocBody><DocInfo id="a:b"><CustomDatas><CustomData Name="x:y">1</CustomData></CustomDatas></DocInfo></DocBody></OFD>')
`;
  const read = `
import sys, zipfile, xml.etree.ElementTree as E
print([(e.tag, e.get("Name")) for e in E.fromstring(zipfile.ZipFile(sys.argv[1]).read("OFD.xml")).iter() if "Data" in e.tag])
`;
  assert.equal((await run('python3', ['-c', make, at('plain.ofd')])).code, 0);
  const r = await label(at('plain.ofd'), at('plain-out.ofd'), 'p-1');
  assert.equal(r.code, 0, r.stdout);
  const seen = await run('python3', ['-c', read, at('plain-out.ofd')]);
  const ns = '{http://www.ofdspec.org/2016}';
  assert.equal(seen.stdout.trim(), `[('${ns}CustomDatas', None), ('${ns}CustomData', 'x:y'), ('${ns}CustomData', 'AIGC')]`, seen.stderr);
});

test('ExifTool reads the label of those formats it knows, without a new warning', async () => {
  for (const kind of OFFICE) {
    const tags = async (f) => JSON.parse((await run('exiftool', ['-a', '-u', '-s', '-j', f])).stdout)[0];
    const [a, b] = [await tags(at('in', `a.${kind}`)), await tags(at('out', `a.${kind}`))];
    assert.ok(JSON.stringify(b).includes(PRODUCER), JSON.stringify(b));
    const warnings = (t) => Object.keys(t).filter((k) => /Warning|Error/.test(k)).length;
    assert.equal(warnings(b), warnings(a), kind);
  }
});

test('a document without the place for its label is refused, nothing is written', async () => {
  const script = `
import sys, zipfile
z = zipfile.ZipFile(sys.argv[1], "w")
z.writestr("OFD.xml", '<OFD xmlns="http://www.ofdspec.org/2016"><DocBody/></OFD>')
z = zipfile.ZipFile(sys.argv[2], "w")
z.writestr("[Content_Types].xml", "<Types/>")
z.writestr("xl/workbook.xml", "<workbook/>")
`;
  assert.equal((await run('python3', ['-c', script, at('bare.ofd'), at('bare.xlsx')])).code, 0);
  for (const [kind, why] of [['ofd', /DocInfo/], ['xlsx', /_rels\/\.rels/]]) {
    const r = await label(at(`bare.${kind}`), at(`no.${kind}`), 'x');
    assert.equal(r.code, 4, kind);
    assert.match(r.stdout + r.stderr, why);
    assert.ok(!fs.existsSync(at(`no.${kind}`)));
  }
});

test('pages and texts in GB 18030 are read, pages labelled, and no byte of theirs changes', async () => {
  const gb = (s, f) => run('python3', ['-c', 'import sys; open(sys.argv[2], "wb").write(sys.argv[1].encode("gb18030"))', s, f]);
  const page = '<!doctype html><html><head><meta charset="gb18030"><title>标题</title></head><body><p>正文，一丂𠀀</p><p>内容由AI生成</p></body></html>';
  await gb(page, at('gb.html'));
  await gb('今天天气很好。\n\n内容由AI生成\n', at('gb.txt'));
  await gb('今天天气很好，适合出门散步。\n', at('plain.txt'));
  const look = async (f) => JSON.parse((await run(BIN, ['inspect', at(f), '--json'])).stdout);
  for (const f of ['gb.html', 'gb.txt']) {
    const i = await look(f);
    assert.deepEqual([i.labels[0]?.value, i.verdict.state], ['内容由AI生成', 'suspected'], f);
  }
  assert.equal((await look('plain.txt')).verdict.state, 'inconclusive');
  const r = await run(BIN, ['label', 'add', at('gb.html'), '-o', at('gb-out.html'), '--producer', '001191110102MAD55U9H0F10002', '--content-id', 'g-1']);
  assert.equal(r.code, 0, r.stderr);
  const out = fs.readFileSync(at('gb-out.html'));
  const meta = out.indexOf('<meta name="AIGC"');
  const end = out.indexOf('>', meta) + 1;
  assert.ok(meta > 0);
  assert.equal(Buffer.concat([out.subarray(0, meta), out.subarray(end)]).toString('latin1').replaceAll('\n', ''), fs.readFileSync(at('gb.html')).toString('latin1'));
  assert.equal((await look('gb-out.html')).verdict.state, 'generated');
  const shown = await run(BIN, ['label', 'add', at('gb.html'), '-o', at('no.html'), '--explicit']);
  assert.equal(shown.code, 4, 'a notice in UTF-8 would be unreadable there');
});
