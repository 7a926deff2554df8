// Accuracy of structured personal and secret data through `plumbline scan`: a synthetic set, the
// structured part of the Presidio sets, and false findings in natural text. An item is found when
// kind and both ends agree. Prints tables, and which targets of the
// synthetic set are missed.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { structuredTexts } from './lib/structured-data.mjs';

const ROOT = new URL('../..', import.meta.url).pathname;
const DATA = path.resolve(ROOT, process.env.DATA ?? '../shared/data');
const BINARY = process.env.PLUMBLINE ?? path.join(ROOT, 'build/stage/bin/plumbline');
const SEED = Number(process.env.ACCURACY_SEED ?? 20261125);
const TARGET = 0.97;

// What a text cannot lend to the next one: more blanks than the context has bytes.
const GAP = `\n${' '.repeat(80)}\n`;

const POLICY = `policy: accuracy
version: 1
packs: [lexicon-starter]
detectors: all
routes:
  default:
    input: [{category: "*", action: log}]
    output: [{category: "*", action: log}]
    label: {explicit: false}
    answers: {default: {zh: 无, en: none}}
`;

function scan(file) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'pl-accuracy-'));
  try {
    fs.writeFileSync(path.join(dir, 'policy.yaml'), POLICY);
    let out;
    try {
      out = execFileSync(BINARY, ['scan', file, '--policy', path.join(dir, 'policy.yaml'), '--only', 'structured', '--max-findings', '0', '--json', '--packs', path.join(ROOT, 'packs')], { maxBuffer: 1 << 30, encoding: 'utf8' });
    } catch (e) {
      if (e.status !== 1) throw e;
      out = e.stdout; // 1: something was found
    }
    return JSON.parse(out.trim().split('\n')[0]).findings;
  } finally {
    fs.rmSync(dir, { recursive: true, force: true });
  }
}

/** One scan over all texts; gives the findings of each, with offsets of its own. */
function scanTexts(texts) {
  const file = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'pl-accuracy-')), 'texts.txt');
  const starts = [];
  let at = 0;
  const parts = texts.map((t) => {
    starts.push(at);
    at += Buffer.byteLength(t) + GAP.length;
    return t + GAP;
  });
  fs.writeFileSync(file, parts.join(''));
  const found = texts.map(() => []);
  let i = 0;
  for (const f of scan(file).sort((a, b) => a.start - b.start)) {
    while (i + 1 < starts.length && starts[i + 1] <= f.start) i++;
    found[i].push({ kind: f.category, start: f.start - starts[i], end: f.end - starts[i], score: f.score });
  }
  fs.rmSync(path.dirname(file), { recursive: true });
  return found;
}

class Tally {
  constructor() { this.rows = new Map(); this.misses = []; }
  row(kind) { if (!this.rows.has(kind)) this.rows.set(kind, { tp: 0, fp: 0, fn: 0 }); return this.rows.get(kind); }
  add(item, found, kinds) {
    const key = (x) => `${x.kind} ${x.start} ${x.end}`;
    const truth = new Set(item.truth.map(key)), got = new Set(found.map(key));
    const text = Buffer.from(item.text);
    const show = (x) => `${x.kind}: ${text.subarray(x.start, x.end)} | ${text.subarray(Math.max(0, x.start - 30), x.end + 20)}`.replaceAll('\n', '⏎');
    for (const t of item.truth) {
      if (got.has(key(t))) this.row(t.kind).tp++;
      else { this.row(t.kind).fn++; this.misses.push(`missed ${show(t)}`); }
    }
    for (const f of found)
      if ((!kinds || kinds.has(f.kind)) && !truth.has(key(f))) { this.row(f.kind).fp++; this.misses.push(`false  ${show(f)}`); }
  }
  table(title) {
    const lines = [];
    const sum = { tp: 0, fp: 0, fn: 0 };
    const score = ({ tp, fp, fn }) => { const p = tp / (tp + fp || 1), q = tp / (tp + fn || 1); return { p, r: q, f1: (2 * p * q) / (p + q || 1) }; };
    for (const [kind, row] of [...this.rows].sort()) {
      for (const k of Object.keys(sum)) sum[k] += row[k];
      lines.push([kind, row, score(row)]);
    }
    lines.push(['all', sum, score(sum)]);
    console.log(`\n${title}\n${'kind'.padEnd(24)}    n    tp    fp    fn  precision recall     F1`);
    for (const [kind, x, s] of lines) console.log(`${kind.padEnd(24)}${String(x.tp + x.fn).padStart(5)} ${String(x.tp).padStart(5)} ${String(x.fp).padStart(5)} ${String(x.fn).padStart(5)}     ${s.p.toFixed(4)} ${s.r.toFixed(4)} ${s.f1.toFixed(4)}`);
    if (process.env.ACCURACY_SHOW) for (const m of this.misses.slice(0, Number(process.env.ACCURACY_SHOW))) console.log(`  ${m}`);
    return lines.map(([kind, , s]) => [kind, s.f1]);
  }
}

function evaluate(title, items, kinds) {
  const found = scanTexts(items.map((x) => x.text));
  const tally = new Tally();
  items.forEach((item, i) => tally.add(item, found[i], kinds));
  return tally.table(title);
}

// --- Presidio -----------------------------------------------------------------------------------------

const PRESIDIO = { CREDIT_CARD: 'pii.bank_card', PHONE_NUMBER: 'pii.phone', EMAIL_ADDRESS: 'pii.email', IBAN_CODE: 'pii.iban', IP_ADDRESS: 'pii.ip', DOMAIN_NAME: 'pii.url', US_SSN: 'pii.us_ssn' };

function presidio(file) {
  return fs.readFileSync(file, 'utf8').trim().split('\n').map((line) => {
    const r = JSON.parse(line);
    const chars = [...r.full_text];
    const byte = (n) => Buffer.byteLength(chars.slice(0, n).join(''));
    return { text: r.full_text, truth: r.spans.filter((s) => PRESIDIO[s.entity_type]).map((s) => ({ kind: PRESIDIO[s.entity_type], start: byte(s.start_position), end: byte(s.end_position) })) };
  });
}

// --- natural text -------------------------------------------------------------------------------------------

function naturalFalse(name) {
  const file = path.join(DATA, 'corpora', name);
  if (!fs.existsSync(file)) return;
  const raw = name.endsWith('.zst') ? execFileSync('zstd', ['-dc', file], { maxBuffer: 1 << 30 }) : fs.readFileSync(file);
  const texts = raw.toString('utf8').trim().split('\n').map((l) => JSON.parse(l)).map((r) => r.text ?? r.line ?? '');
  const counts = {};
  let total = 0;
  const shown = [];
  scanTexts(texts).forEach((found, i) => found.forEach((f) => {
    counts[f.kind] = (counts[f.kind] ?? 0) + 1;
    total++;
    if (!['pii.url', 'pii.email'].includes(f.kind)) shown.push(`${f.kind} ${Buffer.from(texts[i]).subarray(Math.max(0, f.start - 25), f.end + 15)}`.replaceAll('\n', '⏎'));
  }));
  const mb = texts.reduce((n, t) => n + Buffer.byteLength(t), 0) / 1e6;
  console.log(`${name.padEnd(32)} ${mb.toFixed(2)} MB  ${Object.entries(counts).sort().map(([k, n]) => `${k} ${n}`).join(', ') || 'nothing'}`);
  if (process.env.ACCURACY_SHOW) for (const s of shown.slice(0, Number(process.env.ACCURACY_SHOW))) console.log(`  ${s}`);
}

const scores = evaluate(`synthetic, seed ${SEED}`, structuredTexts(SEED, 400, 3000));
for (const name of ['presidio-generated-large.jsonl', 'presidio-generated-small.jsonl', 'presidio-synth-v2.jsonl']) {
  const file = path.join(DATA, 'pii', name);
  if (fs.existsSync(file)) evaluate(name, presidio(file), new Set(Object.values(PRESIDIO)));
  else console.log(`# skip: ${name} needs DATA`);
}
console.log('\nfindings in natural text (real ones and false ones are not told apart)');
for (const name of ['zh-laws.jsonl.zst', 'zh-csl-lines.jsonl', 'zh-techdocs-tidb.jsonl.zst', 'zh-techdocs-vue.jsonl', 'zh-poetry.jsonl.zst', 'en-nltk-texts.jsonl.zst', 'en-techdocs-git.jsonl.zst', 'en-techdocs-curl.jsonl', 'udhr-multilingual.jsonl']) naturalFalse(name);
const missed = scores.filter(([, f1]) => f1 < TARGET);
for (const [kind, f1] of missed) console.log(`target missed: ${kind} F1 ${f1.toFixed(4)} < ${TARGET}`);
