// The evidence ledger: hashing against one-at-a-time OpenSSL, durable appends against SQLite, and
// what a large log costs. The driver is bench/ledger_bench.c.
//
// BENCH_ENTRIES: size of the large log (1,000,000; the full measurement is 10,000,000 and needs
// 6 GB). BENCH_SUSTAINED: seconds of the long run of appends (60). BENCH_SECONDS, BENCH_ROUNDS: of
// the short ones beside SQLite. All of it takes under five minutes. Everything lies below TMPDIR
// and is removed at the end: removing files between the runs would slow down the next one, since
// ext4 passes over inodes that were used a moment ago.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import assert from 'node:assert/strict';
import { Report } from './lib/report.mjs';

const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 3);
const SECONDS = Number(process.env.BENCH_SECONDS ?? 6);
const SUSTAINED = Number(process.env.BENCH_SUSTAINED ?? 60);
const ENTRIES = Number(process.env.BENCH_ENTRIES ?? 1_000_000);
const ENTRY_BYTES = 512;
const STATEMENTS = 20_000;
const ROOT = new URL('..', import.meta.url).pathname;
const DRIVER = path.join(ROOT, 'build/bench/ledger_bench');
// OpenSSL without SHA instructions, as on the machines that have none.
const NO_SHA = { OPENSSL_ia32cap: ':~0x20000000' };

const driver = (args, env = {}) => JSON.parse(execFileSync(DRIVER, args.map(String), { encoding: 'utf8', env: { ...process.env, ...env } }));

/** Bytes of all files below a folder. */
function bytesOf(dir) {
  let n = 0;
  for (const e of fs.readdirSync(dir, { withFileTypes: true, recursive: true }))
    if (e.isFile()) n += fs.statSync(path.join(e.parentPath ?? e.path, e.name)).size;
  return n;
}

function hashing(report) {
  for (const [bytes, name] of [[ENTRY_BYTES, 'leaf_512'], [64, 'node']]) {
    const ours = [], plain = [], sha = [];
    for (let i = 0; i < ROUNDS * 3; i++) {
      ours.push(driver(['hash', 'best', bytes]).ns);
      plain.push(driver(['hash', 'single', bytes], NO_SHA).ns);
      sha.push(driver(['hash', 'single', bytes]).ns);
    }
    const rate = (xs) => xs.map((ns) => 1e9 / ns);
    report.rival = 'OpenSSL without SHA instructions';
    report.add(`ledger.hash.${name}`, 'hashes/s', 'higher', rate(ours), rate(plain));
    report.rival = 'OpenSSL';
    report.add(`ledger.hash.${name}.native`, 'hashes/s', 'higher', rate(ours), rate(sha));
  }
}

function appending(report, dir) {
  const rows = { ours: [], each: [], batch: [] };
  for (let i = 0; i < ROUNDS; i++) {
    const at = path.join(dir, `append-${i}`);
    fs.mkdirSync(at);
    rows.each.push(driver(['sqlite', at, SECONDS, 1]));
    fs.renameSync(path.join(at, 'rival.db'), path.join(at, 'rival-each.db'));
    const ours = driver(['append', path.join(at, 'log'), SECONDS]);
    rows.ours.push(ours);
    // as many rows as a frame of ours held at most: all that were on their way
    rows.batch.push(driver(['sqlite', at, SECONDS, 64 * 16]));
    console.error(`bench: ledger append, round ${i + 1} of ${ROUNDS}: ${ours.per_second}/s, p99 ${ours.p99_ms} ms; SQLite ${rows.each[i].per_second}/s each, ${rows.batch[i].per_second}/s in batches`);
  }
  const of = (kind, key) => rows[kind].map((r) => r[key]);
  report.rival = 'SQLite, a commit each';
  report.add('ledger.append.per_second', 'entries/s', 'higher', of('ours', 'per_second'), of('each', 'per_second'));
  report.add('ledger.append.p99', 'ms', 'lower', of('ours', 'p99_ms'), of('each', 'p99_ms'));
  report.rival = 'SQLite, the same batches';
  report.add('ledger.append.per_second.batched', 'entries/s', 'higher', of('ours', 'per_second'), of('batch', 'per_second'));
}

/** One long run: what is accepted must be published meanwhile, and memory does not grow. */
function sustaining(report, dir) {
  const r = driver(['append', path.join(dir, 'sustained'), SUSTAINED]);
  console.error(`bench: ledger append, ${SUSTAINED} s: ${r.per_second}/s, p50 ${r.p50_ms} ms, p99 ${r.p99_ms} ms, longest ${r.max_ms} ms, RSS ${r.rss_kib} KiB; ${r.publications} publications, longest ${r.longest_publication_ms} ms`);
  report.rival = 'target';
  report.add('ledger.sustained.per_second', 'entries/s', 'higher', [r.per_second], [20_000]);
  report.add('ledger.sustained.p99', 'ms', 'lower', [r.p99_ms], [50]);
}

function large(report, dir) {
  const sizes = [ENTRIES / 10, ENTRIES];
  const rss = [];
  for (const size of sizes) {
    const at = path.join(dir, `log-${size}`);
    const build = driver(['build', at, size]);
    assert.equal(build.size, size);
    const prove = driver(['prove', at, 2000]); // each proof is verified by the driver
    rss.push({ build: build.rss_kib, prove: prove.rss_kib });
    if (size === ENTRIES) {
      report.rival = 'target';
      report.add('ledger.prove.p50', 'ms', 'lower', [prove.p50_us / 1e3], [1]);
      report.add('ledger.prove.p99', 'ms', 'lower', [prove.p99_us / 1e3], [1]);
      report.add('ledger.prove.cpu', 'ms', 'lower', [prove.cpu_us / 1e3], [1]);
      report.add('ledger.bytes', 'bytes/entry', 'lower', [bytesOf(path.join(at, 'tile')) / size], [ENTRY_BYTES]);
    }
    console.error(`bench: ledger of ${size}: built in ${build.seconds} s, proof ${prove.p50_us} us (CPU ${prove.cpu_us}), RSS ${build.rss_kib} KiB writing, ${prove.rss_kib} KiB proving`);
  }
  report.rival = 'a log of a tenth';
  report.add('ledger.memory.write', 'KiB', 'lower', [rss[1].build], [rss[0].build]);
  report.add('ledger.memory.prove', 'KiB', 'lower', [rss[1].prove], [rss[0].prove]);
}

/** The whole log, offline: entries, signatures, tiles, checkpoint. */
function verifying(report, dir) {
  const at = path.join(dir, 'statements');
  driver(['statements', at, STATEMENTS]);
  const runs = Array.from({ length: ROUNDS }, () => driver(['verify', at]));
  for (const r of runs) assert.deepEqual([r.size, r.problems], [STATEMENTS, 0]);
  report.rival = 'Ed25519 alone';
  report.add('ledger.verify.per_second', 'entries/s', 'higher', runs.map((r) => r.per_second), [3000]);
}

function main() {
  execFileSync('ninja', ['-C', path.join(ROOT, 'build'), 'bench/ledger_bench'], { stdio: ['ignore', 'ignore', 'inherit'] });
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'pl-bench-'));
  const report = new Report('', '');
  try {
    hashing(report);
    appending(report, dir);
    sustaining(report, dir);
    large(report, dir);
    verifying(report, dir);
    return report.finish();
  } finally {
    fs.rmSync(dir, { recursive: true, force: true });
  }
}

process.exitCode = main();
