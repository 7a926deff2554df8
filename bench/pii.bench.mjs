// Structured personal data next to a set of Vectorscan patterns (bench/pii_scan.c): natural text,
// one item in 2,000 bytes, one in 200. CPU time of the scanning thread, rounds alternate, 128 MB of
// zh and en text in turn from the corpora of PL_TEST_DATA.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Report } from './lib/report.mjs';

const ROOT = new URL('..', import.meta.url).pathname;
const DATA = path.join(process.env.PL_TEST_DATA ?? path.join(ROOT, '../shared/data'), 'corpora');
const BYTES = Number(process.env.BENCH_BYTES ?? 128 << 20);
const ROUNDS = process.env.BENCH_ROUNDS ?? '5';
const RUN = 4096;

/** Whole lines in runs of about RUN bytes. */
function runs(prefix) {
  const texts = fs.readdirSync(DATA).filter((f) => f.startsWith(prefix)).sort().flatMap((f) => {
    const file = path.join(DATA, f);
    const raw = f.endsWith('.zst') ? execFileSync('zstd', ['-dc', file], { maxBuffer: 1 << 30 }) : fs.readFileSync(file);
    return raw.toString('utf8').trim().split('\n').map((l) => JSON.parse(l)).map((r) => r.text ?? r.line ?? '');
  });
  const out = [];
  let part = '';
  for (const line of texts.join('\n').split('\n')) {
    part += `${line}\n`;
    if (part.length > RUN) {
      out.push(Buffer.from(part));
      part = '';
    }
  }
  return out;
}

function writeText(file) {
  const [zh, en] = [runs('zh'), runs('en')];
  const fd = fs.openSync(file, 'w');
  for (let n = 0, i = 0; n < BYTES; i++)
    for (const part of [zh[i % zh.length], en[i % en.length]]) n += fs.writeSync(fd, part);
  fs.closeSync(fd);
}

function main() {
  if (!fs.existsSync(DATA)) {
    console.error('bench: the corpora of PL_TEST_DATA are needed');
    return 5;
  }
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'pl-bench-'));
  try {
    const program = path.join(dir, 'pii_scan'), text = path.join(dir, 'text');
    execFileSync('cc', ['-std=gnu17', '-D_GNU_SOURCE', '-O2', '-Isrc', '-Iinclude', 'bench/pii_scan.c', 'build/libplengine.a', 'build/libplbase.a', '-lhs', '-lcrypto', '-o', program], { cwd: ROOT, stdio: 'inherit' });
    writeText(text);
    let report;
    for (const [name, density] of [['natural', 0], ['per_2000', 2000], ['per_200', 200]]) {
      const r = JSON.parse(execFileSync(program, [text, String(density), ROUNDS], { encoding: 'utf8' }));
      report ??= new Report('vectorscan', r.version.trim());
      console.error(`bench: pii ${name}: ${r.items} right items put in; ours found ${r.ours_found} (missing ${r.ours_missing}), theirs ${r.theirs_found} (missing ${r.theirs_missing})`);
      if (r.ours_missing > 0) console.error('bench: ours is not equal: the figure does not count');
      report.add(`pii.scan.${name}`, 'GB/s', 'higher', r.ours, r.theirs);
    }
    return report.finish();
  } finally {
    fs.rmSync(dir, { recursive: true, force: true });
  }
}

process.exitCode = main();
