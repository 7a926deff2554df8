// Labels beside one long-running ExifTool on the same photographs: what a file says about itself, and
// writing a label into a copy of each. The photographs are made here: camera-like JPEG, PNG and WebP of
// 2 to 8 MB whose pixels are noise. PHOTOS=200 for a quick look.
//
// Reading: `inspect --quick --json` over the folder, against ExifTool (-stay_open, -fast, -j -G1 -a -u) asked
// for one file after the other. Writing: `label add` of the folder into another one, against ExifTool writing
// one XMP property of the same value with -o; each with one syncfs at its end. Every file must carry the label
// after both. JPEG and PNG only: Debian's ExifTool does not write WebP.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import crypto from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import zlib from 'node:zlib';
import { Report } from './lib/report.mjs';

const ROOT = new URL('..', import.meta.url).pathname;
const BIN = path.join(process.env.PL_STAGE ?? path.join(ROOT, 'build/stage'), 'bin/plumbline');
const PHOTOS = Number(process.env.PHOTOS ?? '2000');
const RUNS = Number(process.env.RUNS ?? '3');
const PRODUCER = '001191110102MAD55U9H0F10002';
const CONFIG = `%Image::ExifTool::UserDefined = ('Image::ExifTool::XMP::Main' => { TC260 => { SubDirectory => { TagTable => 'Image::ExifTool::UserDefined::TC260' } } });
%Image::ExifTool::UserDefined::TC260 = (GROUPS => { 0 => 'XMP', 1 => 'XMP-TC260', 2 => 'Other' }, NAMESPACE => { 'TC260' => 'http://www.tc260.org.cn/ns/AIGC/1.0/' }, WRITABLE => 'string', AIGC => { });
1;
`;

const be32 = (n) => { const b = Buffer.alloc(4); b.writeUInt32BE(n >>> 0); return b; };
const le32 = (n) => { const b = Buffer.alloc(4); b.writeUInt32LE(n >>> 0); return b; };
const be16 = (n) => { const b = Buffer.alloc(2); b.writeUInt16BE(n); return b; };

/** EXIF as cameras write it: make, model, software, and 20 kB of maker's notes. */
function exif() {
  const text = (s) => Buffer.from(`${s}\0`);
  const fields = [[0x010f, text('Camera Works')], [0x0110, text('Field 4')], [0x0131, text('Firmware 1.20')], [0x927c, Buffer.alloc(20000, 7)]];
  let at = 8 + 2 + fields.length * 12 + 4;
  const rows = [], values = [];
  for (const [tag, v] of fields) {
    const e = Buffer.alloc(12);
    e.writeUInt16LE(tag, 0);
    e.writeUInt16LE(tag === 0x927c ? 7 : 2, 2);
    e.writeUInt32LE(v.length, 4);
    e.writeUInt32LE(at, 8);
    rows.push(e);
    values.push(v);
    at += v.length;
  }
  return Buffer.concat([Buffer.from('II*\0\x08\0\0\0', 'latin1'), Buffer.from([fields.length, 0]), ...rows, Buffer.alloc(4), ...values]);
}

const noise = crypto.randomBytes(9 << 20);
const scan = Buffer.from(noise); // entropy-coded data of a JPEG: FF is followed by 00, so there is none here
for (let k = 0; k < scan.length; k++) if (scan[k] === 0xff) scan[k] = 0xfe;
/** n bytes of noise, other ones for each photograph. */
const entropy = (n, i, from = noise) => from.subarray((i * 7919) % (from.length - n)).subarray(0, n);

/** The tables and headers of a small real JPEG around entropy-coded noise. */
function jpeg(n, nth, seed) {
  const i = seed.indexOf(Buffer.from([0xff, 0xda]));
  const header = seed.subarray(i, i + 2 + seed.readUInt16BE(i + 2));
  const data = entropy(n, nth, scan);
  const app1 = Buffer.concat([Buffer.from('Exif\0\0', 'latin1'), exif()]);
  return Buffer.concat([seed.subarray(0, 2), Buffer.from([0xff, 0xe1]), be16(app1.length + 2), app1, seed.subarray(2, i), header, data, Buffer.from([0xff, 0xd9])]);
}

function png(n, nth) {
  const chunk = (type, data) => {
    const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
    return Buffer.concat([be32(data.length), body, be32(zlib.crc32 ? zlib.crc32(body) : crc(body))]);
  };
  const width = 1000, rows = Math.floor(n / (3 * width + 1));
  const raw = Buffer.from(entropy(rows * (3 * width + 1), nth));
  for (let r = 0; r < rows; r++) raw[r * (3 * width + 1)] = 0;
  const packed = zlib.deflateSync(raw, { level: 0 });
  const idat = [];
  for (let at = 0; at < packed.length; at += 65536) idat.push(chunk('IDAT', packed.subarray(at, at + 65536)));
  return Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), chunk('IHDR', Buffer.concat([be32(width), be32(rows), Buffer.from([8, 2, 0, 0, 0])])),
    chunk('eXIf', exif()), ...idat, chunk('IEND', Buffer.alloc(0))]);
}
const table = Int32Array.from({ length: 256 }, (_, n) => { let c = n; for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1; return c; });
function crc(b) { let c = -1; for (const x of b) c = table[(c ^ x) & 255] ^ (c >>> 8); return (c ^ -1) >>> 0; }

function webp(n, nth) {
  const vp8 = Buffer.concat([Buffer.from([0x10, 0, 0, 0x9d, 0x01, 0x2a, 0xe8, 0x03, 0xe8, 0x03]), entropy(n & ~1, nth)]);
  const chunk = (id, d) => Buffer.concat([Buffer.from(id), le32(d.length), d, Buffer.alloc(d.length & 1)]);
  const x = Buffer.alloc(10);
  x[0] = 0x08;
  x.writeUIntLE(999, 4, 3);
  x.writeUIntLE(999, 7, 3);
  const body = Buffer.concat([Buffer.from('WEBP'), chunk('VP8X', x), chunk('VP8 ', vp8), chunk('EXIF', exif())]);
  return Buffer.concat([Buffer.from('RIFF'), le32(body.length), body]);
}

function make(dir) {
  const seed = path.join(dir, 'seed.jpg');
  execFileSync('ffmpeg', ['-loglevel', 'error', '-nostdin', '-f', 'lavfi', '-i', 'testsrc=s=640x480', '-frames:v', '1', seed]);
  const bytes = fs.readFileSync(seed);
  fs.mkdirSync(path.join(dir, 'in'));
  const kinds = [['jpg', (n, i) => jpeg(n, i, bytes)], ['png', png], ['webp', webp]];
  for (let i = 0; i < PHOTOS; i++) {
    const [x, of] = kinds[i % kinds.length];
    const size = 2e6 + Math.floor(6e6 * ((i * 0.6180339887) % 1)); // evenly over 2 to 8 MB, in no order
    fs.writeFileSync(path.join(dir, 'in', `p${String(i).padStart(5, '0')}.${x}`), of(size, i));
  }
}

class ExifTool {
  constructor(dir) {
    fs.writeFileSync(path.join(dir, 'config'), CONFIG);
    this.p = spawn('exiftool', ['-config', path.join(dir, 'config'), '-stay_open', 'True', '-@', '-'], { stdio: ['pipe', 'pipe', 'ignore'] });
    this.out = '';
    this.p.stdout.setEncoding('utf8');
    this.p.stdout.on('data', (d) => { this.out += d; this.wake?.(); });
  }
  async ask(args) {
    this.p.stdin.write(`${args.join('\n')}\n-execute\n`);
    while (!this.out.includes('{ready}')) await new Promise((ok) => { this.wake = ok; });
    const text = this.out.slice(0, this.out.indexOf('{ready}'));
    this.out = this.out.slice(this.out.indexOf('{ready}') + 7);
    return text;
  }
  async close() { this.p.stdin.write('-stay_open\nFalse\n'); this.p.stdin.end(); await once(this.p, 'exit'); }
}

const seconds = async (f) => { const a = process.hrtime.bigint(); await f(); return Number(process.hrtime.bigint() - a) / 1e9; };
const sync = (dir) => execFileSync('sync', ['-f', dir]);

async function main() {
  const dir = fs.mkdtempSync(path.join(process.env.BENCH_DIR ?? os.tmpdir(), 'pl-bench-'));
  const report = new Report('ExifTool', execFileSync('exiftool', ['-ver'], { encoding: 'utf8' }).trim());
  const big = { maxBuffer: 1 << 30, encoding: 'utf8' };
  try {
    make(dir);
    const names = fs.readdirSync(path.join(dir, 'in'));
    const written = names.filter((n) => !n.endsWith('.webp'));
    fs.mkdirSync(path.join(dir, 'w'));
    for (const n of written) fs.linkSync(path.join(dir, 'in', n), path.join(dir, 'w', n));
    const value = JSON.stringify({ Label: '1', ContentProducer: PRODUCER, ProduceID: 'n', ReservedCode1: '', ContentPropagator: PRODUCER, PropagateID: 'n', ReservedCode2: '' });
    const [read, readThey, write, writeThey] = [[], [], [], []];
    const tool = new ExifTool(dir);
    for (let run = 0; run < RUNS; run++) {
      for (const n of names) fs.readFileSync(path.join(dir, 'in', n)); // in the page cache, for both; the writing of the run before pushed some out
      let lines = 0;
      read.push(names.length / await seconds(() => {
        try { lines = execFileSync(BIN, ['inspect', '--quick', '--json', path.join(dir, 'in')], big).trim().split('\n').length; } catch (e) { lines = e.stdout.trim().split('\n').length; }
      }));
      if (lines !== names.length) throw new Error(`inspect: ${lines} of ${names.length}`);
      readThey.push(names.length / await seconds(async () => {
        for (const n of names) if (!(await tool.ask(['-fast', '-j', '-G1', '-a', '-u', path.join(dir, 'in', n)])).includes('SourceFile')) throw new Error(n);
      }));
      const [a, b] = [path.join(dir, 'a'), path.join(dir, 'b')];
      write.push(written.length / await seconds(() => execFileSync(BIN, ['label', 'add', path.join(dir, 'w'), '-o', a, '--producer', PRODUCER, '--content-id', 'c-{n}', '--json'], big)));
      if (run === 0) {
        const ok = execFileSync(BIN, ['inspect', '--quick', '--json', a], big).trim().split('\n').filter((l) => JSON.parse(l).labels[0]?.conforms).length;
        if (ok !== written.length) throw new Error(`label add: ${ok} of ${written.length}`);
      }
      fs.rmSync(a, { recursive: true });
      fs.mkdirSync(b);
      writeThey.push(written.length / await seconds(async () => {
        for (const n of written) {
          const said = await tool.ask(['-o', path.join(b, n), `-XMP-TC260:AIGC=${value}`, path.join(dir, 'w', n)]);
          if (!said.includes('1 image files created')) throw new Error(`${n}: ${said}`);
        }
        sync(b);
      }));
      fs.rmSync(b, { recursive: true });
    }
    await tool.close();
    report.add('label.inspect_quick', 'files/s', 'higher', read, readThey);
    report.add('label.add', 'files/s', 'higher', write, writeThey);
  } finally {
    fs.rmSync(dir, { recursive: true, force: true });
  }
  return report.finish();
}

process.exit(await main());
