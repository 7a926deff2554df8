// What one prompt of 1 KB costs: the whole default set of `plumbline scan` (listed phrases in every
// disguise, personal and secret data, encoded text, classifier), and each part by itself. At least
// 10,000 distinct prompts from the corpora of PL_TEST_DATA, CPU time of the scanning thread, median
// of 5 runs of the median prompt; and names and addresses by themselves in text full of them. There is no rival to set beside it: the target is a limit.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Report } from './lib/report.mjs';

const ROOT = new URL('..', import.meta.url).pathname;
const DATA = path.join(process.env.PL_TEST_DATA ?? path.join(ROOT, '../shared/data'), 'corpora');
const STAGE = path.join(ROOT, 'build/stage');
const RUNS = process.env.BENCH_ROUNDS ?? '5';
const BYTES = 13 << 20;
const PARTS = { all: 31, keywords: 1, structured: 2, names: 4, decoded: 8, model: 16 };

/** Text of one language, each document once. */
function textOf(prefix) {
  const parts = [];
  let n = 0;
  for (const f of fs.readdirSync(DATA).filter((f) => f.startsWith(prefix)).sort()) {
    const file = path.join(DATA, f);
    const raw = f.endsWith('.zst') ? execFileSync('zstd', ['-dc', file], { maxBuffer: 1 << 30 }) : fs.readFileSync(file);
    for (const l of raw.toString('utf8').trim().split('\n')) {
      const r = JSON.parse(l);
      const b = Buffer.from(`${r.text ?? r.line ?? ''}\n`);
      parts.push(b);
      if ((n += b.length) > BYTES) return Buffer.concat(parts);
    }
  }
  return Buffer.concat(parts);
}

/** Sentences of which nearly every one holds a name or an address. */
function dense(files, column) {
  return Buffer.from(files.flatMap((f) => fs.readFileSync(path.join(DATA, '../pii', f), 'utf8').trim().split('\n').map((l) => JSON.parse(l)[column])).join('\n'));
}

function main() {
  if (!fs.existsSync(DATA)) {
    console.error('bench: the corpora of PL_TEST_DATA are needed');
    return 5;
  }
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'pl-bench-'));
  try {
    const db = path.join(dir, 'scan.db');
    execFileSync('ninja', ['-C', path.join(ROOT, 'build'), 'bench/prompt_scan'], { stdio: ['ignore', 'ignore', 'inherit'] });
    execFileSync(path.join(STAGE, 'bin/plumbline'), ['policy', 'compile', path.join(STAGE, 'share/plumbline/defaults/scan.yaml'), '-o', db], { stdio: 'ignore' });
    const report = new Report('none', '-');
    for (const lang of ['zh', 'en']) {
      const text = path.join(dir, lang);
      fs.writeFileSync(text, textOf(lang));
      for (const [part, bits] of Object.entries(PARTS)) {
        const lines = execFileSync(path.join(ROOT, 'build/bench/prompt_scan'), [db, text, RUNS, String(bits)], { encoding: 'utf8' });
        const runs = lines.trim().split('\n').map((l) => JSON.parse(l));
        const us = (key) => runs.map((r) => r[key] / 1000);
        console.error(`bench: prompt ${lang} ${part}: ${runs[0].prompts} prompts, ${runs[0].findings} findings`);
        report.add(`prompt.${part}.${lang}`, 'us', 'lower', us('median'), us('median'));
        if (part === 'all') report.add(`prompt.p99.${lang}`, 'us', 'lower', us('p99'), us('p99'));
      }
    }
    for (const [lang, files, column] of [['zh', ['resume-ner-zh.jsonl'], 'text'], ['en', ['presidio-synth-v2.jsonl', 'presidio-generated-large.jsonl'], 'full_text']]) {
      const text = path.join(dir, lang);
      fs.writeFileSync(text, dense(files, column));
      const lines = execFileSync(path.join(ROOT, 'build/bench/prompt_scan'), [db, text, RUNS, String(PARTS.names)], { encoding: 'utf8' });
      const us = lines.trim().split('\n').map((l) => JSON.parse(l).median / 1000);
      report.add(`prompt.names_dense.${lang}`, 'us', 'lower', us, us);
    }
    return report.finish();
  } finally {
    fs.rmSync(dir, { recursive: true, force: true });
  }
}

process.exitCode = main();
