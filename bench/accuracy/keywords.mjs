// Keywords in disguise: every entry of the starter lexicon in every transformation below, and in
// pairs of them, and what ordinary text is taken for a keyword in disguise. Prints a table, writes it
// into docs/accuracy/keywords.md, appends JSON to bench/out/accuracy.jsonl. Exit status: 0 both aims
// met, 1 not, 5 could not run. The program it drives: ninja -C build bench/accuracy-keywords.
//
// The transformations know nothing of the product's tables: traditional characters come from the
// dictionary of OpenCC and look-alikes from the confusables of the test data.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const ROOT = path.resolve(path.dirname(new URL(import.meta.url).pathname), '../..');
const DATA = path.resolve(process.env.DATA ?? path.join(ROOT, '..', 'shared', 'data'));
const RECALL = 0.98;
const FALSE_PER_MB = 1;

if (!fs.existsSync(path.join(DATA, 'corpora'))) {
  console.error('accuracy: keywords: no data (DATA)');
  process.exit(5);
}

// --- data -----------------------------------------------------------------------------------

const jsonl = (file) => {
  const p = path.join(DATA, file);
  const text = file.endsWith('.zst')
    ? spawnSync('zstd', ['-dcq', p], { maxBuffer: 1 << 28 }).stdout.toString()
    : fs.readFileSync(p, 'utf8');
  return text.split('\n').filter(Boolean).map((l) => JSON.parse(l));
};

function lexicon() {
  const dir = process.env.ACCURACY_LEXICON ?? path.join(ROOT, 'packs/lexicon-starter');
  const files = fs.readdirSync(dir, { recursive: true }).filter((f) => f.endsWith('.tsv')).sort();
  const seen = new Set();
  const entries = [];
  for (const f of files) {
    const [head, ...lines] = fs.readFileSync(path.join(dir, f), 'utf8').split('\n').filter((l) => l && !l.startsWith('#'));
    const at = Object.fromEntries(head.split('\t').map((name, i) => [name, i]));
    for (const l of lines) {
      const c = l.split('\t');
      if (!c[at.text] || seen.has(c[at.id])) continue;
      seen.add(c[at.id]);
      entries.push({ id: c[at.id], text: c[at.text], word: (c[at.flags] ?? '').split(',').includes('word') });
    }
  }
  return entries;
}

const traditional = new Map(fs.readFileSync(path.join(DATA, 'json-unicode/opencc-dictionary/STCharacters.txt'), 'utf8')
  .split('\n').map((l) => l.split(/[\t ]/)).filter((c) => c.length > 1));

/** Code points of a script that look like an ASCII letter. */
function lookalikes(script) {
  const map = JSON.parse(fs.readFileSync(path.join(DATA, 'json-unicode/confusables/unicode-confusables-map.json'), 'utf8'));
  const to = new Map();
  for (const [from, like] of Object.entries(map))
    if (new RegExp(`^\\p{Script=${script}}$`, 'u').test(from) && /^[a-z]$/i.test(like) && !to.has(like)) to.set(like, from);
  return to;
}
const cyrillic = lookalikes('Cyrillic');
const greek = lookalikes('Greek');

// Ordinary text of several kinds. Sets about harm are left out: their hits are true.
function corpus() {
  const texts = [];
  for (const f of ['zh-laws.jsonl.zst', 'zh-csl-lines.jsonl', 'zh-en-chatterbot.jsonl', 'zh-poetry.jsonl.zst', 'zh-techdocs-tidb.jsonl.zst',
    'zh-techdocs-vue.jsonl', 'en-nltk-texts.jsonl.zst', 'en-techdocs-curl.jsonl', 'en-techdocs-git.jsonl.zst'])
    texts.push(...jsonl(`corpora/${f}`).map((r) => r.text));
  return texts.filter(Boolean).join('\n\n');
}

// --- transformations --------------------------------------------------------------------------

// A small generator with a seed, so that every run judges the same cases.
function random(seed) {
  let s = seed >>> 0;
  return () => {
    s = (Math.imul(s, 1664525) + 1013904223) >>> 0;
    return s / 2 ** 32;
  };
}
const rnd = random(20260101);

const chars = (s) => [...s];
const isLetter = (c) => /[\p{L}\p{N}]/u.test(c);
/** Puts `sep` between neighbours that are letters. */
const between = (sep) => (s) => {
  const c = chars(s);
  return c.map((x, i) => (i && isLetter(x) && isLetter(c[i - 1]) ? (typeof sep === 'function' ? sep() : sep) : '') + x).join('');
};
const each = (f) => (s) => chars(s).map((c) => f(c) ?? c).join('');
const shift = (upper, lower) => each((c) => (/[A-Z]/.test(c) ? String.fromCodePoint(upper + c.codePointAt(0) - 65)
  : /[a-z]/.test(c) ? String.fromCodePoint(lower + c.codePointAt(0) - 97) : c));
const squared = each((c) => (/[a-z]/i.test(c) ? String.fromCodePoint(0x1f170 + c.toUpperCase().codePointAt(0) - 65) : c));
const onePlace = (s, put) => {
  const c = chars(s);
  const places = c.map((x, i) => i).filter((i) => i > 0 && isLetter(c[i]) && isLetter(c[i - 1]));
  if (!places.length) return s;
  const i = places[Math.floor(places.length / 2)];
  return c.slice(0, i).join('') + put(c[i - 1]) + c.slice(i).join('');
};
const like = (map) => each((c) => map.get(c) ?? map.get(c.toUpperCase()) ?? c);
const leet = { a: '4', e: '3', i: '1', o: '0', s: '5', t: '7', b: '8', g: '9', l: '1' };
const signs = { a: '@', s: '$' };
const emoji = ['😀', '🔥', '💣', '⭐️', '👨‍👩‍👧', '❤'];

const kinds = [
  ['upper case', (s) => s.toUpperCase()],
  ['mixed case', (s) => chars(s).map((c, i) => (i % 2 ? c.toUpperCase() : c.toLowerCase())).join('')],
  ['full width', each((c) => (c > ' ' && c <= '~' ? String.fromCodePoint(c.codePointAt(0) + 0xfee0) : c === ' ' ? '\u3000' : c))],
  ['traditional', each((c) => traditional.get(c))],
  ['math letters', shift(0x1d400, 0x1d41a)],
  ['script letters', shift(0x1d4d0, 0x1d4ea)],
  ['circled letters', shift(0x24b6, 0x24d0)],
  ['squared letters', squared],
  ['zero width', between('\u200b')],
  ['bidi controls', between('\u202e')],
  ['soft hyphens', between('\u00ad')],
  ['combining marks', each((c) => (isLetter(c) ? `${c}\u0336` : c))],
  ['spaces', between(' ')],
  ['wide spaces', between('\u3000')],
  ['dashes', between('-')],
  ['dots', between('.')],
  ['middle dots', between('·')],
  ['stars', between('*')],
  ['slashes', between('/')],
  ['underscores', between('_')],
  ['commas', between(',')],
  ['full stops', between('。')],
  ['bars', between('|')],
  ['mixed signs', between(() => '-_.*~/|+'[Math.floor(rnd() * 8)])],
  ['emoji', between(() => emoji[Math.floor(rnd() * emoji.length)])],
  ['line ends', between('\n')],
  ['one line end', (s) => onePlace(s, () => '\n')],
  ['one dash', (s) => onePlace(s, () => '-')],
  ['one space', (s) => onePlace(s, () => ' ')],
  ['doubled', each((c) => (isLetter(c) ? c + c : c))],
  ['one drawn out', (s) => onePlace(s, (c) => c.repeat(3))],
  ['one doubled', (s) => onePlace(s, (c) => c)],
  ['Cyrillic', like(cyrillic)],
  ['Greek', like(greek)],
  ['digits for letters', each((c) => leet[c.toLowerCase()])],
  ['some digits', (s) => { let n = 0; return each((c) => (leet[c.toLowerCase()] && n++ % 2 === 0 ? leet[c.toLowerCase()] : c))(s); }],
  ['signs for letters', each((c) => signs[c.toLowerCase()])],
  ['blanks left out', (s) => s.replaceAll(' ', '')],
  ['HTML decimal', each((c) => `&#${c.codePointAt(0)};`)],
  ['HTML hexadecimal', each((c) => `&#x${c.codePointAt(0).toString(16)};`)],
  ['percent', (s) => [...Buffer.from(s)].map((b) => `%${b.toString(16).toUpperCase().padStart(2, '0')}`).join('')],
  ['URI component', (s) => encodeURIComponent(s)],
  ['base64', (s) => Buffer.from(s).toString('base64')],
  ['base64 in a sentence', (s) => Buffer.from(`please tell me: ${s}`).toString('base64')],
  ['\\u escapes', (s) => Array.from({ length: s.length }, (_, i) => `\\u${s.charCodeAt(i).toString(16).padStart(4, '0')}`).join('')],
  ['\\x escapes', (s) => [...Buffer.from(s)].map((b) => `\\x${b.toString(16).padStart(2, '0')}`).join('')],
];
const PAIRS = 250;
const PLAIN = 0;
const PAIR_TOGETHER = 255;
/** Groups in which two transformations undo or destroy one another. */
const decoded = (i) => i >= kinds.findIndex(([name]) => name === 'HTML decimal');

// --- the run ------------------------------------------------------------------------------------

function record(entry, kind, text) {
  const body = Buffer.from(text);
  const head = Buffer.alloc(12);
  head.writeUInt32LE(entry, 0);
  head.writeUInt32LE(kind, 4);
  head.writeUInt32LE(body.length, 8);
  return Buffer.concat([head, body]);
}

const frames = [['', ''], ['请问', '是什么'], ['tell me ', ' now'], ['（', '）'], ['“', '”。']];
/** Most texts say more than the keyword. */
const frame = (i, s) => frames[i % frames.length][0] + s + frames[i % frames.length][1];

function makeCases(entries) {
  const out = [];
  entries.forEach((e, i) => {
    out.push(record(i, PLAIN, frame(i, e.text)));
    kinds.forEach(([, f], k) => {
      const t = f(e.text);
      if (t !== e.text) out.push(record(i, k + 1, decoded(k) ? `see ${t} here` : frame(i + k, t)));
    });
    for (let n = 0; n < PAIRS / 50; n++) {
      const a = Math.floor(rnd() * kinds.length);
      const b = Math.floor(rnd() * kinds.length);
      if (a === b || (decoded(a) && !decoded(b))) continue;
      const once = kinds[a][1](e.text);
      const twice = kinds[b][1](once);
      if (once !== e.text && twice !== once) out.push(record(i, PAIR_TOGETHER, decoded(b) ? `see ${twice} here` : frame(i + n, twice)));
    }
  });
  return Buffer.concat(out);
}

/** The table of the page stands between two marks. */
function writePage(rows, summary) {
  const page = path.join(ROOT, 'docs/accuracy/keywords.md');
  const table = ['| transformation | found | of | recall |', '|---|---:|---:|---:|',
    ...rows.map((x) => `| ${x.name.replaceAll('\\', '\\\\')} | ${x.found} | ${x.cases} | ${x.recall.toFixed(4)} |`)].join('\n');
  const text = fs.readFileSync(page, 'utf8');
  fs.writeFileSync(page, text.replace(/(<!-- figures -->\n)[^]*(<!-- end -->)/, (_, a, b) => `${a}${summary}\n\n${table}\n${b}`));
}

const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'pl-accuracy-'));
try {
  const entries = lexicon();
  fs.writeFileSync(path.join(dir, 'lexicon'), entries.map((e) => `${e.id}\t${e.text}\t${e.word ? 'word' : ''}\n`).join(''));
  fs.writeFileSync(path.join(dir, 'cases'), makeCases(entries));
  fs.writeFileSync(path.join(dir, 'corpus'), corpus());
  const samples = process.env.ACCURACY_SAMPLES ? [process.env.ACCURACY_SAMPLES] : [];
  const run = spawnSync(path.join(ROOT, process.env.ACCURACY_BUILD ?? 'build', 'bench/accuracy-keywords'),
    [path.join(dir, 'lexicon'), path.join(dir, 'cases'), path.join(dir, 'corpus'), ...samples], { encoding: 'utf8', maxBuffer: 1 << 26 });
  if (run.status !== 0) {
    console.error(run.stderr || run.error);
    process.exit(5);
  }
  const r = JSON.parse(run.stdout);
  const name = (k) => (k === PLAIN ? 'as listed' : k === PAIR_TOGETHER ? 'two of them' : kinds[k - 1][0]);
  const rows = r.kinds.map((k) => ({ name: name(k.kind), cases: k.cases, found: k.found, recall: k.found / k.cases }));
  const singles = rows.filter((x, i) => r.kinds[i].kind !== PLAIN && r.kinds[i].kind !== PAIR_TOGETHER);
  const sum = (xs, key) => xs.reduce((n, x) => n + x[key], 0);
  const recall = sum(singles, 'found') / sum(singles, 'cases');
  const pairs = rows.find((x) => x.name === 'two of them');
  const perMb = r.disguised / (r.corpus / 1e6);
  for (const x of rows) console.log(`${x.name.padEnd(22)} ${String(x.found).padStart(6)} of ${String(x.cases).padStart(6)}  ${x.recall.toFixed(4)}`);
  console.log(`\n${entries.length} entries; single transformations ${recall.toFixed(4)}, pairs ${pairs.recall.toFixed(4)} (aim ${RECALL})`);
  console.log(`ordinary text ${(r.corpus / 1e6).toFixed(1)} MB: ${r.plain} plain hits, ${r.disguised} in disguise, ${perMb.toFixed(2)} per MB (aim below ${FALSE_PER_MB})`);
  writePage(rows, `${entries.length} entries; single transformations ${recall.toFixed(4)}, pairs of them ${pairs.recall.toFixed(4)}. `
    + `${(r.corpus / 1e6).toFixed(1)} MB of ordinary text: ${r.plain} hits as listed, ${r.disguised} in disguise (${perMb.toFixed(2)} per MB).`);
  const met = recall >= RECALL && pairs.recall >= RECALL && perMb < FALSE_PER_MB;
  const out = path.join(ROOT, 'bench/out');
  fs.mkdirSync(out, { recursive: true });
  fs.appendFileSync(path.join(out, 'accuracy.jsonl'), `${JSON.stringify({
    accuracy: 'keywords', entries: entries.length, recall, pairs: pairs.recall, false_per_mb: perMb, corpus_bytes: r.corpus, by_form: r.by_form, rows, met })}\n`);
  process.exitCode = met ? 0 : 1;
} finally {
  fs.rmSync(dir, { recursive: true, force: true });
}
