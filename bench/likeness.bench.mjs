// Signatures of likeness for documents of about 1 KB, next to the textbook's way in the same program
// (bench/likeness_scan.c): MinHash of 128 permutations, SimHash bit by bit. CPU time of one thread, half
// Chinese and half other text from the corpora of PL_TEST_DATA.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Report } from './lib/report.mjs';
import { lines, writeCorpus } from './lib/text-data.mjs';

const ROOT = new URL('..', import.meta.url).pathname;
const DATA = process.env.PL_TEST_DATA ?? path.join(ROOT, '../shared/data');
const ROUNDS = process.env.BENCH_ROUNDS ?? '5';
const DOCUMENT = 1024;

function main() {
  if (!fs.existsSync(path.join(DATA, 'corpora'))) {
    console.error('bench: the corpora of PL_TEST_DATA are needed');
    return 5;
  }
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'pl-bench-'));
  try {
    const text = path.join(dir, 'text');
    execFileSync('ninja', ['-C', path.join(ROOT, 'build'), 'bench/likeness_scan'], { stdio: ['ignore', 'ignore', 'inherit'] });
    writeCorpus(lines(DATA), 4 << 20, text);
    const r = JSON.parse(execFileSync(path.join(ROOT, 'build/bench/likeness_scan'), [text, String(DOCUMENT), ROUNDS], { encoding: 'utf8' }));
    const report = new Report('textbook', '-');
    console.error(`bench: likeness: the two estimates of similarity differ by ${r.agree} on average`);
    if (Math.abs(r.agree) > 0.03) console.error('bench: ours is not the same estimate: the figure does not count');
    report.add('likeness.minhash', 'MB/s', 'higher', r.minhash, r.minhash_plain);
    report.add('likeness.simhash', 'MB/s', 'higher', r.simhash, r.simhash_plain);
    return report.finish();
  } finally {
    fs.rmSync(dir, { recursive: true, force: true });
  }
}

process.exitCode = main();
