// The classifier beside keywords and fastText on the texts it holds out: docs/accuracy/model.md.
//
// Trains again from $DATA (the same bytes must come out), lets fastText learn from the same texts
// label by label, and counts keyword findings of the starter lexicon. All three are judged on the same
// held-out texts.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const ROOT = new URL('../..', import.meta.url).pathname;
const BIN = path.join(ROOT, 'build/stage/bin/plumbline');
const PACK = path.join(ROOT, 'packs/model-default');
const PAGE = path.join(ROOT, 'docs/accuracy/model.md');
const { DATA } = process.env;
const ROUNDS = 200;
const FEW = 15; // positives below which a comparison says nothing

const tmp = fs.mkdtempSync(path.join(os.tmpdir(), 'plumbline-accuracy-'));
process.on('exit', () => fs.rmSync(tmp, { recursive: true, force: true }));

const run = (cmd, args, opts = {}) => execFileSync(cmd, args, { encoding: 'utf8', maxBuffer: 1 << 30, stdio: ['ignore', 'pipe', 'pipe'], ...opts });
const lines = (file) => fs.readFileSync(file, 'utf8').trim().split('\n').map((l) => JSON.parse(l));

// --- figures -----------------------------------------------------------------------------------

/** AUC and recall at 1 % false positives of points [{s, y}] sorted from high to low, with weights. */
function figures(p, w) {
  let [pos, neg] = [0, 0];
  p.forEach((x, i) => { if (x.y) pos += w[i]; else neg += w[i]; });
  let [above, wrong, ranked, found, within] = [0, 0, 0, 0, true];
  for (let i = 0, j; i < p.length; i = j) {
    let [tp, fp] = [0, 0];
    for (j = i; j < p.length && p[j].s === p[i].s; j++) if (p[j].y) tp += w[j]; else fp += w[j];
    ranked += fp * (above + tp / 2);
    above += tp;
    wrong += fp;
    within &&= wrong <= 0.01 * neg;
    if (within) found = above;
  }
  return { auc: ranked / (pos * neg), recall: found / pos };
}

function random(seed) {
  let s = BigInt(seed);
  return (n) => {
    s = (s * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn;
    return Number((s >> 33n) % BigInt(n));
  };
}

function withIntervals(points) {
  const p = [...points].sort((a, b) => b.s - a.s);
  const sides = [p.flatMap((x, i) => (x.y ? [] : [i])), p.flatMap((x, i) => (x.y ? [i] : []))];
  const value = figures(p, p.map(() => 1));
  const draw = random(7);
  const rounds = Array.from({ length: ROUNDS }, () => {
    const w = new Uint16Array(p.length);
    for (const side of sides) for (let i = 0; i < side.length; i++) w[side[draw(side.length)]]++;
    return figures(p, w);
  });
  const of = (key) => {
    const s = rounds.map((r) => r[key]).sort((a, b) => a - b);
    return { value: value[key], low: s[ROUNDS / 40], high: s[ROUNDS - 1 - ROUNDS / 40] };
  };
  return { auc: of('auc'), recall: of('recall') };
}

// --- rivals --------------------------------------------------------------------------------------

/** Han characters apart, one line, lower case: what fastText's users do for Chinese. */
const flat = (s) => s.toLowerCase().replace(/[\s]+/g, ' ').replace(/(\p{Script=Han})/gu, ' $1 ');

function fasttext(label, train, test) {
  const file = path.join(tmp, 'ft');
  const known = (r) => (r.yes.includes(label) ? 1 : r.no.includes(label) ? 0 : -1);
  fs.writeFileSync(`${file}.txt`, train.filter((r) => known(r) >= 0).map((r) => `__label__${known(r)} ${flat(r.text)}\n`).join(''));
  run('fasttext', ['supervised', '-input', `${file}.txt`, '-output', file, '-wordNgrams', '2',
    '-dim', '50', '-epoch', '10', '-lr', '0.5', '-bucket', '500000', '-thread', '1', '-seed', '1', '-verbose', '0']);
  fs.writeFileSync(`${file}.test`, test.map((r) => `${flat(r.text)}\n`).join(''));
  return run('fasttext', ['predict-prob', `${file}.bin`, `${file}.test`, '2']).trim().split('\n').map((l) => {
    const m = /__label__1 (\S+)/.exec(l);
    return m ? Number(m[1]) : 0;
  });
}

/** Number of keyword findings of each category per text. */
function keywords(test) {
  const dir = path.join(tmp, 'texts');
  const policy = path.join(tmp, 'policy.yaml');
  fs.mkdirSync(dir);
  test.forEach((r, i) => fs.writeFileSync(path.join(dir, `${i}.txt`), r.text));
  fs.writeFileSync(policy, fs.readFileSync(path.join(ROOT, 'share/defaults/policy/default.yaml')));
  let out;
  try {
    out = run(BIN, ['scan', dir, '--policy', policy, '--only', 'keywords', '--json']);
  } catch (e) {
    if (e.status !== 1) throw e;
    out = e.stdout;
  }
  const counts = test.map(() => ({}));
  for (const line of out.trim().split('\n')) {
    const r = JSON.parse(line);
    const of = counts[Number(path.basename(r.file, '.txt'))];
    for (const f of r.findings) of[f.category] = (of[f.category] ?? 0) + 1;
  }
  return counts;
}

const keywordScore = (count, label) => (label === 'harm.any'
  ? Object.entries(count).filter(([c]) => c.startsWith('harm.')).reduce((n, [, k]) => n + k, 0)
  : count[label] ?? 0);

// --- tables -----------------------------------------------------------------------------------------

const cell = (f) => (f ? `${f.value.toFixed(3)} (${f.low.toFixed(3)}–${f.high.toFixed(3)})` : '–');

function compareTable(card, train, test) {
  const hits = keywords(test);
  const rows = ['| label | language | positive | negative | AUC | AUC fastText | AUC keywords | recall at 1 % FPR | fastText | keywords | calibration error |',
    '|---|---|---|---|---|---|---|---|---|---|---|'];
  for (const label of [...new Set(card.held_out.map((r) => r.label))]) {
    const ours = card.held_out.filter((r) => r.label === label && r.pos >= FEW && r.neg >= FEW);
    if (ours.length === 0) continue;
    const ft = fasttext(label, train, test);
    for (const r of ours) {
      const on = test.map((t, i) => ({ t, i })).filter(({ t }) => (r.lang === 'all' || t.lang === r.lang) && (t.yes.includes(label) || t.no.includes(label)));
      const point = (score) => withIntervals(on.map(({ t, i }) => ({ s: score(i), y: t.yes.includes(label) })));
      const f = point((i) => ft[i]);
      const k = point((i) => keywordScore(hits[i], label));
      rows.push(`| ${label} | ${r.lang} | ${r.pos} | ${r.neg} | ${cell(r.auc)} | ${cell(f.auc)} | ${cell(k.auc)} | ${cell(r.recall_at_1_percent_fpr)} | ${cell(f.recall)} | ${cell(k.recall)} | ${cell(r.ece)} |`);
      console.error(rows.at(-1));
    }
  }
  return rows.join('\n');
}

/** False positives at the model's own thresholds, on sets that hold nothing harmful. */
function controlTable(card) {
  const rows = ['| set | texts held out | harm.any | worst other label |', '|---|---|---|---|'];
  for (const set of [...new Set(card.by_set.map((r) => r.set))]) {
    const of = card.by_set.filter((r) => r.set === set && r.fpr !== null && r.fpr !== undefined && r.neg > 0);
    const any = of.find((r) => r.label === 'harm.any');
    if (!any || any.neg < FEW) continue;
    const worst = of.filter((r) => r.label !== 'harm.any').sort((a, b) => b.fpr - a.fpr)[0];
    rows.push(`| ${set} | ${any.neg} | ${any.fpr.toFixed(3)} | ${worst.label} ${worst.fpr.toFixed(3)} |`);
  }
  return rows.join('\n');
}

/** Sets that were never learnt from, whole. */
function foreignTable() {
  const files = ['safety-prompts/s-eval-base-zh.jsonl', 'safety-prompts/s-eval-base-en.jsonl.zst', 'safety-prompts/donotanswer.jsonl',
    'safety-prompts/s-eval-attack-zh.jsonl.zst', 'safety-prompts/s-eval-attack-en.jsonl.zst', 'safety-prompts/benign-alpaca-eval.jsonl',
    'toxicity-bias/unhealthy-conversations.jsonl'].map((f) => path.join(DATA, f));
  const out = JSON.parse(run(BIN, ['model', 'test', PACK, ...files, '--json']));
  const rows = ['| file | label | language | positive | negative | AUC | recall at threshold | FPR at threshold |', '|---|---|---|---|---|---|---|---|'];
  for (const r of out.results.filter((x) => x.lang !== 'all' && (x.pos >= FEW || (x.label === 'harm.any' && x.neg >= FEW)))) {
    const name = r.file === '*' ? 'all of them' : path.basename(r.file);
    rows.push(`| ${name} | ${r.label} | ${r.lang} | ${r.pos} | ${r.neg} | ${cell(r.auc)} | ${cell(r.recall)} | ${cell(r.fpr)} |`);
  }
  return rows.join('\n');
}

function fill(page, name, table) {
  const [a, b] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const [from, to] = [page.indexOf(a) + a.length, page.indexOf(b)];
  return `${page.slice(0, from)}\n${table}\n${page.slice(to)}`;
}

console.error('accuracy: training');
run(BIN, ['model', 'train', path.join(PACK, 'recipe.yaml'), '--data', DATA, '-o', path.join(tmp, 'model'), '--export', tmp]);
const same = fs.readFileSync(path.join(tmp, 'model/model.plm')).equals(fs.readFileSync(path.join(PACK, 'model.plm')));
if (!same) {
  console.error('accuracy: training gives another model than the committed one');
  process.exitCode = 1;
}
const card = JSON.parse(fs.readFileSync(path.join(tmp, 'model/card.json'), 'utf8'));
let page = fs.readFileSync(PAGE, 'utf8');
page = fill(page, 'compare', compareTable(card, lines(path.join(tmp, 'train.jsonl')), lines(path.join(tmp, 'test.jsonl'))));
page = fill(page, 'controls', controlTable(card));
page = fill(page, 'foreign', foreignTable());
fs.writeFileSync(PAGE, page);
console.log(`accuracy: ${PAGE}`);
