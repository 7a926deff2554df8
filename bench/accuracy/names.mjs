// Person names and postal addresses through `plumbline scan`: docs/accuracy/names.md.
//
// Of sets the shipped model learnt from, only texts of groups it did not see are measured (the same split as
// `plumbline model train`: the first eight bytes of the SHA-256 of the group, or of the text, modulo ten).
import { execFileSync } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const ROOT = new URL('../..', import.meta.url).pathname;
const DATA = path.resolve(ROOT, process.env.DATA ?? '../shared/data');
const BIN = process.env.PLUMBLINE ?? path.join(ROOT, 'build/stage/bin/plumbline');
const PAGE = path.join(ROOT, 'docs/accuracy/names.md');
const ROUNDS = 400;
const LEVELS = [0.5, 0.6, 0.7, 0.8];
const SHOWN = 0.6; // what `plumbline scan` reports when no policy is given

const tmp = fs.mkdtempSync(path.join(os.tmpdir(), 'plumbline-accuracy-'));
process.on('exit', () => fs.rmSync(tmp, { recursive: true, force: true }));

const POLICY = `policy: accuracy
version: 1
packs: [lexicon-starter]
detectors: [pii.name, pii.address]
names: {confidence: 0.5}
routes:
  default:
    input: [{category: "*", action: log}]
    output: [{category: "*", action: log}]
    label: {explicit: false}
    answers: {default: {zh: 无, en: none}}
`;
fs.writeFileSync(path.join(tmp, 'policy.yaml'), POLICY);
const DB = path.join(tmp, 'policy.db');
execFileSync(BIN, ['policy', 'compile', path.join(tmp, 'policy.yaml'), '-o', DB], { stdio: 'ignore' });

/** Findings of each text: [{kind, start, end, score}], in bytes. */
function scan(texts) {
  const dir = fs.mkdtempSync(path.join(tmp, 'texts-'));
  texts.forEach((t, i) => fs.writeFileSync(path.join(dir, `${i}.txt`), t));
  let out;
  try {
    out = execFileSync(BIN, ['scan', dir, '--policy', DB, '--only', 'names', '--max-findings', '0', '--json'], { encoding: 'utf8', maxBuffer: 1 << 30 });
  } catch (e) {
    if (e.status !== 1) throw e;
    out = e.stdout; // 1: something was found
  }
  const found = texts.map(() => []);
  for (const line of out.trim().split('\n').filter(Boolean)) {
    const r = JSON.parse(line);
    found[Number(path.basename(r.file, '.txt'))] = r.findings.map((f) => ({ kind: f.category, start: f.start, end: f.end, score: f.score }));
  }
  fs.rmSync(dir, { recursive: true });
  return found;
}

// --- sets --------------------------------------------------------------------------------------------

const fold = (key) => Number(crypto.createHash('sha256').update(key).digest().readBigUInt64LE(0) % 10n);

/** Byte offset of a code point offset. */
function byteOffsets(text) {
  const at = [0];
  for (const c of text) at.push(at.at(-1) + Buffer.byteLength(c));
  return at;
}

/** Gold spans side by side that are one address, with blanks or a line end between, are joined. */
function joined(spans, bytes) {
  const out = [];
  for (const s of [...spans].sort((a, b) => a.start - b.start || b.end - a.end)) {
    const last = out.at(-1);
    if (last && s.start < last.end) continue;
    if (last && /^[ \n]*$/.test(bytes.subarray(last.end, s.start).toString())) last.end = Math.max(last.end, s.end);
    else out.push({ ...s });
  }
  return out;
}

function load({ file, text, type, start, end, names, addresses, group, learnt }) {
  const rows = fs.readFileSync(path.join(DATA, file), 'utf8').trim().split('\n').map((l) => JSON.parse(l));
  return rows.filter((r) => !learnt || [1, 2].includes(fold(group ? JSON.stringify(r[group]) : r[text]))).map((r) => {
    const at = byteOffsets(r[text]);
    const of = (types) => r.spans.filter((s) => types.includes(s[type])).map((s) => ({ start: at[s[start]], end: at[s[end]] }));
    return { text: r[text], 'pii.name': of(names), 'pii.address': joined(of(addresses), Buffer.from(r[text])), parts: of(addresses) };
  });
}

const resume = { file: 'pii/resume-ner-zh.jsonl', text: 'text', type: 'type', start: 'start', end: 'end', names: ['NAME'], addresses: [] };
const presidio = (file, address, extra) => ({ file: `pii/${file}`, text: 'full_text', type: 'entity_type', start: 'start_position', end: 'end_position', names: ['PERSON'], addresses: [address], group: 'template_id', ...extra });
const SETS = [
  ['Resume NER, texts not learnt from', { ...resume, learnt: true }],
  ['Weibo NER, PER.NAM', { ...resume, file: 'pii/weibo-ner-zh.jsonl', names: ['PER.NAM'] }],
  ['Presidio synth v2, templates not learnt from', presidio('presidio-synth-v2.jsonl', 'STREET_ADDRESS', { learnt: true })],
  ['Presidio large, templates not learnt from', presidio('presidio-generated-large.jsonl', 'ADDRESS', { learnt: true })],
  ['Presidio small', presidio('presidio-generated-small.jsonl', 'ADDRESS')],
  ['*Resume NER, all of the development part*', resume],
  ['*Presidio synth v2, all of the development part*', presidio('presidio-synth-v2.jsonl', 'STREET_ADDRESS')],
  ['*Presidio large, all of the development part*', presidio('presidio-generated-large.jsonl', 'ADDRESS')],
];

// --- figures --------------------------------------------------------------------------------------------

const same = (a, b) => a.start === b.start && a.end === b.end;
const touches = (a, b) => a.start < b.end && b.start < a.end;

/** tp, fp, fn of one text; `hit` says when a finding is the item. */
function counts(gold, found, hit) {
  const tp = gold.filter((g) => found.some((f) => hit(f, g))).length;
  return [tp, found.filter((f) => !gold.some((g) => hit(f, g))).length, gold.length - tp];
}

const f1 = ([tp, fp, fn]) => (tp > 0 ? (2 * tp) / (2 * tp + fp + fn) : 0);
const sum = (rows) => rows.reduce((a, r) => a.map((v, i) => v + r[i]), [0, 0, 0]);

function random(seed) {
  let s = BigInt(seed);
  return (n) => {
    s = (s * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn;
    return Number((s >> 33n) % BigInt(n));
  };
}

function withInterval(rows) {
  const draw = random(4242);
  const values = Array.from({ length: ROUNDS }, () => f1(sum(rows.map(() => rows[draw(rows.length)])))).sort((a, b) => a - b);
  return `${f1(sum(rows)).toFixed(3)} (${values[ROUNDS / 40].toFixed(3)}–${values[ROUNDS - 1 - ROUNDS / 40].toFixed(3)})`;
}

const atLeast = (found, kind, level) => found.filter((f) => f.kind === kind && f.score >= level);

function mainRow(name, rows, found, kind) {
  const items = rows.reduce((n, r) => n + r[kind].length, 0);
  if (items === 0) return null;
  const of = (hit, key = kind) => rows.map((r, i) => counts(r[key], atLeast(found[i], kind, SHOWN), hit));
  const exact = sum(of(same));
  const p = exact[0] / (exact[0] + exact[1] || 1);
  const overlap = withInterval(of(touches, kind === 'pii.address' ? 'parts' : kind));
  return `| ${name} | ${kind} | ${rows.length} | ${items} | ${p.toFixed(3)} | ${(exact[0] / items).toFixed(3)} | ${withInterval(of(same))} | ${overlap} |`;
}

function levelRow(name, rows, found, kind) {
  if (!rows.some((r) => r[kind].length)) return null;
  const cells = LEVELS.map((level) => f1(sum(rows.map((r, i) => counts(r[kind], atLeast(found[i], kind, level), same)))).toFixed(3));
  return `| ${name} | ${kind} | ${cells.join(' | ')} |`;
}

/** Of the findings with such a score, how many are right. */
function scoreRow(name, rows, found, kind) {
  if (!rows.some((r) => r[kind].length)) return null;
  const cells = LEVELS.map((low, i) => {
    const high = LEVELS[i + 1] ?? 1.01;
    const list = found.flatMap((fs_, k) => fs_.filter((f) => f.kind === kind && f.score >= low && f.score < high).map((f) => rows[k][kind].some((g) => same(f, g))));
    return list.length < 15 ? '–' : `${(list.filter(Boolean).length / list.length).toFixed(2)} of ${list.length}`;
  });
  return `| ${name} | ${kind} | ${cells.join(' | ')} |`;
}

function naturalRow([name, file]) {
  const full = path.join(DATA, file);
  const raw = file.endsWith('.zst') ? execFileSync('zstd', ['-dc', full], { maxBuffer: 1 << 30 }) : fs.readFileSync(full);
  const texts = raw.toString('utf8').trim().split('\n').map((l) => JSON.parse(l)).map((r) => r.text ?? r.line ?? '');
  const bytes = texts.reduce((n, t) => n + Buffer.byteLength(t), 0);
  const found = scan([texts.join('\n\n')])[0];
  const rate = (kind) => ((atLeast(found, kind, SHOWN).length / bytes) * 1e6).toFixed(1);
  return `| ${name} | ${(bytes / 1e6).toFixed(1)} | ${rate('pii.name')} | ${rate('pii.address')} |`;
}

const NATURAL = [
  ['statutes (zh): no names, few addresses', 'corpora/zh-laws.jsonl.zst'],
  ['abstracts (zh): authors and sources named', 'corpora/zh-csl-lines.jsonl'],
  ['handbook of TiDB (zh): some user names', 'corpora/zh-techdocs-tidb.jsonl.zst'],
  ['handbook of Git (en): authors named', 'corpora/en-techdocs-git.jsonl.zst'],
  ['literature and speeches (en): full of names', 'corpora/en-nltk-texts.jsonl.zst'],
];

function fill(page, name, rows) {
  const [a, b] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  return `${page.slice(0, page.indexOf(a) + a.length)}\n${rows.join('\n')}\n${page.slice(page.indexOf(b))}`;
}

const tables = { figures: [], levels: [], scores: [] };
for (const [name, set] of SETS) {
  const rows = load(set);
  const found = scan(rows.map((r) => r.text));
  for (const kind of ['pii.name', 'pii.address']) {
    tables.figures.push(mainRow(name, rows, found, kind));
    tables.levels.push(levelRow(name, rows, found, kind));
    if (!name.startsWith('*')) tables.scores.push(scoreRow(name, rows, found, kind));
  }
  console.error(tables.figures.filter(Boolean).at(-1));
}
let page = fs.readFileSync(PAGE, 'utf8');
const heads = {
  figures: '| set | kind | texts | items | precision | recall | F1, both ends agree | F1, found in part |\n|---|---|---|---|---|---|---|---|',
  levels: `| set | kind | ${LEVELS.join(' | ')} |\n|---|---|${LEVELS.map(() => '---|').join('')}`,
  scores: `| set | kind | ${LEVELS.map((l, i) => `${l} to ${LEVELS[i + 1] ?? 1}`).join(' | ')} |\n|---|---|${LEVELS.map(() => '---|').join('')}`,
};
for (const [name, rows] of Object.entries(tables)) page = fill(page, name, [heads[name], ...rows.filter(Boolean)]);
page = fill(page, 'natural', ['| text | MB | names per MB | addresses per MB |\n|---|---|---|---|', ...NATURAL.map(naturalRow)]);
fs.writeFileSync(PAGE, page);
console.log(`accuracy: ${PAGE}`);
