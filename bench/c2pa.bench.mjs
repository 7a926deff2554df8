// Full validation of signed files (hash of the file, signature, time stamp, trust, ingredients) next
// to the reference implementation as WebAssembly, in one process each, the files read anew every
// time. CPU time of a pass over all files; rounds alternate. What both say of a file must be equal.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { initSync, WasmReader } from '@contentauth/c2pa-wasm';
import { Report, median } from './lib/report.mjs';

const ROOT = new URL('..', import.meta.url).pathname;
const DATA = path.join(process.env.PL_TEST_DATA ?? path.join(ROOT, '../shared/data'), 'media');
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 5);
const REPEATS = 10; // of ours in a round: one pass is too short to measure
const ANCHORS = path.join(DATA, 'c2pa-trust-anchors/test_cert_root_bundle.pem');
const EKUS = path.join(DATA, 'c2pa-trust-anchors/store.cfg');
const PACKAGE = path.join(ROOT, 'node_modules/@contentauth/c2pa-wasm');

// Signed files; C_with_CAWG_data has an identity assertion of another standard, which only theirs judges.
const files = ['c2pa-public-testfiles', 'c2pa-rs-fixtures'].flatMap((d) => (fs.existsSync(path.join(DATA, d)) ? fs.readdirSync(path.join(DATA, d)) : [])
  .filter((f) => /\.jpe?g$/.test(f) && !/-A\.jpg|CAWG|earth|no_manifest/.test(f)).sort().map((f) => path.join(DATA, d, f)));

const context = () => JSON.stringify({
  trust: { trust_anchors: fs.readFileSync(ANCHORS, 'utf8'), trust_config: fs.readFileSync(EKUS, 'utf8') },
  verify: { verify_trust: true, remote_manifest_fetch: false },
});

async function theirPass(settings) {
  const states = [];
  const before = process.cpuUsage();
  for (const file of files) {
    const reader = await WasmReader.fromBytes('image/jpeg', new Uint8Array(fs.readFileSync(file)), settings);
    states.push(JSON.parse(reader.json()).validation_state);
    reader.free();
  }
  const used = process.cpuUsage(before);
  return { seconds: (used.user + used.system) / 1e6, states };
}

async function main() {
  if (files.length === 0) {
    console.error('bench: the media samples of PL_TEST_DATA are needed');
    return 5;
  }
  execFileSync('ninja', ['-C', 'build', 'bench/c2pa_check'], { cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit'] });
  initSync({ module: fs.readFileSync(path.join(PACKAGE, 'pkg/c2pa_bg.wasm')) });
  const settings = context();
  const ours = [], theirs = [];
  await theirPass(settings); // compiled once, as a long-running service would be
  for (let i = 0; i < ROUNDS; i++) {
    const a = JSON.parse(execFileSync('build/bench/c2pa_check', [ANCHORS, EKUS, String(REPEATS), ...files], { cwd: ROOT, encoding: 'utf8' }));
    const b = await theirPass(settings);
    files.forEach((f, k) => {
      if (a.states[k] !== b.states[k]) throw new Error(`${f}: ours says ${a.states[k]}, theirs ${b.states[k]}`);
    });
    ours.push(files.length / a.seconds);
    theirs.push(files.length / b.seconds);
  }
  console.error(`bench: ${files.length} files, ${(1000 / median(ours)).toFixed(2)} ms each; theirs ${(1000 / median(theirs)).toFixed(2)} ms`);
  const report = new Report('c2pa-wasm', JSON.parse(fs.readFileSync(path.join(PACKAGE, 'package.json'), 'utf8')).version);
  report.add('label.c2pa.validate', 'files/s', 'higher', ours, theirs);
  return report.finish();
}

process.exitCode = await main();
