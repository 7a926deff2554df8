// The starter lexicon on whole prompts: how many of those that ask for harm it hits, listed phrases
// and combinations together, and how many of those that do not. Writes the table of
// docs/accuracy/prompts.md and appends JSON to bench/out/accuracy.jsonl. Exit status: 0, or 5 could
// not run. Keywords only: no classifier. The sets are for checking; nothing of them is in the lexicon.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const ROOT = path.resolve(path.dirname(new URL(import.meta.url).pathname), '../..');
const DATA = path.resolve(process.env.DATA ?? path.join(ROOT, '..', 'shared', 'data'));
const STAGE = path.join(ROOT, process.env.ACCURACY_BUILD ?? 'build', 'stage');
const HAN = /[\u4e00-\u9fff]/;

/** Who has a row: file, which of its records, and what they are. */
const SETS = [
  ['AdvBench', 'advbench-behaviors.jsonl', () => true, 'unsafe'],
  ['HarmBench', 'harmbench-prompts.jsonl', () => true, 'unsafe'],
  ['GPTFuzz questions', 'gptfuzz-questions.jsonl', () => true, 'unsafe'],
  ['Do-Not-Answer', 'donotanswer.jsonl', () => true, 'unsafe'],
  ['AILuminate demo', 'ailuminate-demo.jsonl', () => true, 'unsafe'],
  ['XSTest unsafe', 'xstest-prompts.jsonl', (r) => r.label === 'unsafe', 'unsafe'],
  ['JADE', 'jade-prompts.jsonl', () => true, 'unsafe'],
  ['AISafetyLab', 'aisafetylab-icl-zh.jsonl', () => true, 'unsafe'],
  ['XSafety', 'xsafety.jsonl', () => true, 'unsafe'],
  ['S-Eval base en', 's-eval-base-en.jsonl.zst', () => true, 'unsafe'],
  ['S-Eval base zh', 's-eval-base-zh.jsonl', () => true, 'unsafe'],
  ['XSTest safe', 'xstest-prompts.jsonl', (r) => r.label === 'safe', 'benign'],
  ['AlpacaEval', 'benign-alpaca-eval.jsonl', () => true, 'benign'],
  ['BELLE eval', 'benign-belle-eval.jsonl', () => true, 'benign'],
  ['CValues', 'cvalues-responsibility.jsonl', () => true, 'delicate'],
];

function prompts(file, pick) {
  const p = path.join(DATA, 'safety-prompts', file);
  const text = file.endsWith('.zst')
    ? spawnSync('zstd', ['-dcq', p], { maxBuffer: 1 << 28 }).stdout.toString()
    : fs.readFileSync(p, 'utf8');
  const all = text.split('\n').filter(Boolean).map((l) => JSON.parse(l)).filter(pick).map((r) => r.prompt);
  return [...new Set(all.filter(Boolean))];
}

/** Numbers of the prompts with a finding. One file; between prompts more than any rule reaches over. */
function hits(list, db, dir) {
  const between = Buffer.from(`\n${'qz'.repeat(200)}\n`);
  const starts = [];
  const parts = [];
  let at = 0;
  for (const p of list) {
    const b = Buffer.from(p);
    starts.push(at);
    parts.push(b, between);
    at += b.length + between.length;
  }
  const file = path.join(dir, 'prompts.txt');
  fs.writeFileSync(file, Buffer.concat(parts));
  const run = spawnSync(path.join(STAGE, 'bin/plumbline'),
    ['scan', file, '--policy', db, '--only', 'keywords', '--min-severity', '1', '--max-findings', '0', '--json'],
    { encoding: 'utf8', maxBuffer: 1 << 28 });
  if (run.status !== 0 && run.status !== 1) throw new Error(run.stderr || `plumbline scan: status ${run.status}`);
  const found = new Set();
  for (const f of JSON.parse(run.stdout.trim().split('\n')[0]).findings) {
    let i = starts.length - 1;
    while (starts[i] > f.start) i--;
    if (f.category.startsWith('harm.')) found.add(i);
  }
  return found;
}

const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'pl-accuracy-'));
try {
  if (!fs.existsSync(path.join(DATA, 'safety-prompts'))) throw new Error('no data (DATA)');
  const db = path.join(dir, 'words.db');
  const made = spawnSync(path.join(STAGE, 'bin/plumbline'),
    ['policy', 'compile', path.join(STAGE, 'share/plumbline/defaults/scan.yaml'), '-o', db], { encoding: 'utf8' });
  if (made.status !== 0) throw new Error(made.stderr);
  const rows = [];
  for (const [name, file, pick, kind] of SETS)
    for (const lang of ['en', 'zh']) {
      const list = prompts(file, pick).filter((p) => HAN.test(p) === (lang === 'zh'));
      if (list.length < 20) continue;
      const n = hits(list, db, dir).size;
      rows.push({ name, lang, kind, prompts: list.length, hits: n, rate: n / list.length });
      console.log(`${name.padEnd(20)} ${lang} ${kind.padEnd(9)} ${String(n).padStart(5)} of ${String(list.length).padStart(5)}  ${((100 * n) / list.length).toFixed(1)} %`);
    }
  const table = ['| set | language | prompts are | prompts | hit | rate |', '|---|---|---|---:|---:|---:|',
    ...rows.map((r) => `| ${r.name} | ${r.lang} | ${r.kind} | ${r.prompts} | ${r.hits} | ${(100 * r.rate).toFixed(1)} % |`)].join('\n');
  const page = path.join(ROOT, 'docs/accuracy/prompts.md');
  fs.writeFileSync(page, fs.readFileSync(page, 'utf8').replace(/(<!-- figures -->\n)[^]*(<!-- end -->)/, (_, a, b) => `${a}${table}\n${b}`));
  fs.mkdirSync(path.join(ROOT, 'bench/out'), { recursive: true });
  fs.appendFileSync(path.join(ROOT, 'bench/out/accuracy.jsonl'), `${JSON.stringify({ accuracy: 'prompts', rows })}\n`);
} catch (e) {
  console.error(`accuracy: prompts: ${e.message}`);
  process.exitCode = 5;
} finally {
  fs.rmSync(dir, { recursive: true, force: true });
}
