// Finding keywords: our literal scanner next to Vectorscan's literal interface, Debian's Rust
// aho-corasick and ripgrep, on the same text with the same keywords. Every engine has to find the
// same matches (number, and sum of the offsets where they end; ripgrep: number of lines).
//
// Speed is text by CPU time of the scanning thread, median of the runs; of ripgrep, of the whole
// process. Other groups of rows belong here too: add them to main.
import { spawnSync } from 'node:child_process';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { Report, median } from './lib/report.mjs';
import { WordMaker, frequent, lines, writeCorpus } from './lib/text-data.mjs';

const ROOT = new URL('..', import.meta.url).pathname;
const OUT = path.join(ROOT, 'bench/out/text');
const DATA = process.env.PL_TEST_DATA ?? path.join(ROOT, '../shared/data');
const RUNS = Number(process.env.BENCH_RUNS ?? 5);
const MIB = Number(process.env.BENCH_MIB ?? 128);
const SETS = (process.env.BENCH_SETS ?? '1k,10k,65k,100k,dense,1m').split(',');
const MOST_HITS = 10;
const LIMIT_MS = 600e3; // of one engine with one set: building a million takes Vectorscan a minute

const note = (text) => console.error(`bench: text: ${text}`);

function run(command, args, options = {}) {
  const r = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 28, timeout: LIMIT_MS, ...options });
  if (r.error || r.status !== 0) throw new Error(`${path.basename(command)}: ${r.error?.message ?? r.stderr.trim().split('\n').pop()}`);
  return r.stdout;
}

// --- engines ----------------------------------------------------------------------------------

const CRATES = '/usr/share/cargo/registry';

/** Debian ships the crates as source; gives the driver's path. */
function buildRust() {
  const lib = (name) => path.join(OUT, `lib${name}.rlib`);
  const source = (name) => path.join(CRATES, fs.readdirSync(CRATES).filter((d) => d.startsWith(`${name}-`)).sort().pop(), 'src/lib.rs');
  const rustc = (args) => run('/usr/bin/rustc', ['--edition', '2018', '--cap-lints', 'allow', '-C', 'opt-level=3', '-C', 'target-cpu=native', ...args]);
  const cfg = ['runtime_simd', 'runtime_sse2', 'runtime_sse42', 'runtime_avx'].flatMap((c) => ['--cfg', `memchr_${c}`]);
  const std = ['--cfg', 'feature="std"'];
  rustc(['--crate-name', 'memchr', '--crate-type', 'rlib', ...std, ...cfg, source('memchr'), '-o', lib('memchr')]);
  rustc(['--crate-name', 'aho_corasick', '--crate-type', 'rlib', ...std, '-L', OUT, '--extern', `memchr=${lib('memchr')}`, source('aho-corasick'), '-o', lib('aho_corasick')]);
  const driver = path.join(OUT, 'text_aho_corasick');
  rustc(['-L', OUT, '--extern', `aho_corasick=${lib('aho_corasick')}`, path.join(ROOT, 'bench/text_aho_corasick.rs'), '-o', driver]);
  return driver;
}

/** Engines that can run here, ours first. */
function engines() {
  const build = path.join(ROOT, 'build');
  const list = [];
  for (const [name, target] of [['plumbline', 'text_lits'], ['vectorscan', 'text_vectorscan']]) {
    try {
      run('ninja', ['-C', build, `bench/${target}`]);
      list.push({ name, path: path.join(build, 'bench', target) });
    } catch (e) {
      note(`${name} is left out: ${e.message}`);
    }
  }
  try {
    list.push({ name: 'aho-corasick', path: buildRust() });
  } catch (e) {
    note(`aho-corasick is left out: ${e.message}`);
  }
  return list;
}

const scan = (engine, set, { runs = RUNS, threads = 1, env = {} } = {}) =>
  JSON.parse(run(engine.path, [set, path.join(OUT, 'corpus.txt'), String(runs), String(threads)], { env: { ...process.env, ...env } }));

/** Several scans, RUNS times by turns: a machine that is slower for a while is so for all of them. Each gives
 * its result when asked, or throws what kept it from running. */
function byTurns(scans) {
  const all = scans.map(() => ({ cpu: [] }));
  for (let i = 0; i < RUNS; i++)
    scans.forEach(([engine, set, options], k) => {
      try {
        if (all[k].error) return;
        const one = scan(engine, set, { ...options, runs: 1 });
        all[k] = { ...one, ...all[k], cpu: [...all[k].cpu, ...one.cpu] };
      } catch (error) {
        all[k].error = error;
      }
    });
  return all.map(({ error, ...result }) => () => {
    if (error) throw error;
    return result;
  });
}

/** CPU seconds of the whole process, and lines. */
function ripgrep(set) {
  const out = run('sh', ['-c', 'LC_ALL=C rg --no-config -F -f "$1" -c -j1 -a "$2"; times', 'sh', set, path.join(OUT, 'corpus.txt')]);
  const [count, , children] = out.trim().split('\n');
  const cpu = [...children.matchAll(/(\d+)m([\d.]+)s/g)].reduce((sum, m) => sum + Number(m[1]) * 60 + Number(m[2]), 0);
  return { lines: Number(count), cpu };
}

// --- text and keywords -------------------------------------------------------------------------

/** Keywords that occur at most MOST_HITS times in the corpus. */
function rare(ours, words, n) {
  const file = path.join(OUT, 'candidates');
  fs.writeFileSync(file, `${words.join('\n')}\n`);
  const counts = run(ours.path, [file, path.join(OUT, 'corpus.txt'), '1', '1'], { env: { ...process.env, PL_BENCH_COUNT: '1' } }).split('\n');
  fs.rmSync(file);
  const kept = words.filter((_, i) => Number(counts[i]) <= MOST_HITS).slice(0, n);
  assert.equal(kept.length, n, 'enough rare keywords');
  return kept;
}

function prepare(ours) {
  const done = path.join(OUT, `made-${MIB}`);
  if (fs.existsSync(done)) return;
  note(`making ${MIB} MiB of text and the keywords in bench/out/text`);
  const text = lines(DATA);
  writeCorpus(text, MIB * 2 ** 20, path.join(OUT, 'corpus.txt'));
  const often = frequent(text);
  const maker = new WordMaker(text, 7);
  const save = (name, words) => fs.writeFileSync(path.join(OUT, `${name}.txt`), `${[...new Set(words)].join('\n')}\n`);
  // Most rare words are pieces of the text; of a million only so many can be, without being dense.
  for (const [name, n, share] of [['1k', 1000, 0.7], ['10k', 10000, 0.7], ['65k', 64800, 0.7], ['100k', 100000, 0.7], ['1m', 1000000, 0.2]]) {
    const words = rare(ours, maker.many(Math.round(n * 1.7), share), n);
    save(name, name === '65k' ? [...words, ...often.slice(150, 350).map(([w]) => w)] : words);
    if (name !== '10k') continue;
    let perKb = 0;
    save('dense', [...words.slice(0, 9000), ...often.slice(20).filter(([, f]) => (perKb += f) < 76).map(([w]) => w)]);
  }
  fs.writeFileSync(done, '');
}

// --- rows ----------------------------------------------------------------------------------------

const gbps = (seconds, bytes) => seconds.map((s) => bytes / s / 1e9);

function exactRows(report, [ours, ...rivals], bytes) {
  for (const name of SETS) {
    const set = path.join(OUT, `${name}.txt`);
    const isQuick = (e) => e.name !== 'aho-corasick' && name !== '1m'; // the others take minutes
    const quick = rivals.filter(isQuick);
    const [own, ...turns] = quick.length ? byTurns([ours, ...quick].map((e) => [e, set])) : [() => scan(ours, set)];
    const mine = own();
    const speed = gbps(mine.cpu, bytes);
    note(`${name}: plumbline ${median(speed).toFixed(3)} GB/s, ${mine.matches} matches, ${((mine.matches * 1024) / bytes).toFixed(2)} per KB; made in ${mine.build_s} s, opened in ${(mine.load_s * 1e3).toFixed(2)} ms, ${mine.size_mib} MiB, ${mine.peak_mib} MiB more at most`);
    const seen = [];
    for (const rival of rivals) {
      if (name === '1m' && rival.name === 'aho-corasick' && !process.env.BENCH_ALL) continue;
      try {
        const r = turns[quick.indexOf(rival)]?.() ?? scan(rival, set, { runs: 1 });
        assert.deepEqual([r.matches, r.ends], [mine.matches, mine.ends], `${rival.name} finds the same in ${name}`);
        note(`${name}: ${rival.name} ${median(gbps(r.cpu, bytes)).toFixed(3)} GB/s; made in ${r.build_s} s, ${r.size_mib} MiB, ${r.peak_mib} MiB more at most`);
        seen.push({ ...r, name: rival.name, speed: gbps(r.cpu, bytes) });
      } catch (e) {
        if (e instanceof assert.AssertionError) throw e;
        note(`${name}: ${rival.name} is left out: ${e.message}`);
      }
    }
    seen.sort((a, b) => median(b.speed) - median(a.speed));
    seen.forEach((r, i) => report.add(i ? `text.exact.${name}.${r.name}` : `text.exact.${name}`, 'GB/s', 'higher', speed, r.speed, r.name, r.version));
    if (seen.length) report.add(`text.build.${name}`, 's', 'lower', [mine.build_s], [seen[0].build_s], seen[0].name, seen[0].version);
    if (seen.length) report.add(`text.build_memory.${name}`, 'MiB', 'lower', [mine.peak_mib], [seen[0].peak_mib], seen[0].name, seen[0].version);
    if (seen.length) report.add(`text.image.${name}`, 'MiB', 'lower', [mine.size_mib], [seen[0].size_mib], seen[0].name, seen[0].version);
  }
}

function ripgrepRows(report, ours, bytes) {
  const version = run('rg', ['--version']).split('\n')[0].split(' ')[1];
  for (const name of SETS.filter((s) => ['1k', '10k'].includes(s))) {
    const set = path.join(OUT, `${name}.txt`);
    const mine = scan(ours, set, { env: { PL_BENCH_LINES: '1' } });
    const theirs = Array.from({ length: Math.min(RUNS, 3) }, () => ripgrep(set));
    for (const r of theirs) assert.equal(r.lines, mine.matches, `ripgrep counts the same lines in ${name}`);
    report.add(`text.exact.${name}.ripgrep`, 'GB/s', 'higher', gbps(mine.cpu, bytes), gbps(theirs.map((r) => r.cpu), bytes), 'ripgrep', version);
  }
}

/** The text cut in two, by the slower thread, next to one thread. */
function threadRows(report, ours, bytes) {
  const set = path.join(OUT, '10k.txt');
  if (!SETS.includes('10k')) return;
  const [one, two] = byTurns([[ours, set], [ours, set, { threads: 2 }]]).map((result) => result());
  report.add('text.threads.10k', 'GB/s', 'higher', gbps(two.cpu, bytes), gbps(one.cpu, bytes), 'one thread', one.version);
}

/** Every disguise seen through, next to our own exact search with the same keywords. */
function normalisedRows(report, ours, bytes) {
  const driver = { name: 'normalised', path: path.join(ROOT, 'build/bench/text_norm') };
  run('ninja', ['-C', path.join(ROOT, 'build'), 'bench/text_norm']);
  for (const name of SETS.filter((s) => ['1k', '10k'].includes(s))) {
    const set = path.join(OUT, `${name}.txt`);
    const [exact, normalised] = byTurns([[ours, set], [driver, set]]).map((result) => result());
    note(`${name} normalised: ${normalised.matches} matches, of these ${exact.matches} as listed`);
    report.add(`text.normalised.${name}`, 'GB/s', 'higher', gbps(normalised.cpu, bytes), gbps(exact.cpu, bytes), 'exact search', exact.version);
  }
}

function main() {
  if (!fs.existsSync(DATA)) {
    note(`no data set in ${DATA}: set PL_TEST_DATA`);
    return 5;
  }
  fs.mkdirSync(OUT, { recursive: true });
  const list = engines();
  if (list[0]?.name !== 'plumbline' || list.length < 2) {
    note('nothing to compare: tools/install-deps bench');
    return 5;
  }
  prepare(list[0]);
  const { size } = fs.statSync(path.join(OUT, 'corpus.txt'));
  const report = new Report('best rival', '');
  exactRows(report, list, size);
  threadRows(report, list[0], size);
  normalisedRows(report, list[0], size);
  try {
    ripgrepRows(report, list[0], size);
  } catch (e) {
    if (e instanceof assert.AssertionError) throw e;
    note(`ripgrep is left out: ${e.message}`);
  }
  return report.finish();
}

process.exitCode = main();
