// Search over a million filings beside what the databases have themselves: FTS5 over pairs of characters on
// SQLite, GIN over an array of them on PostgreSQL. The first 20 and the count of the same queries, where both
// count exactly the answers must be equal. Filling takes minutes: FILINGS=50000 for a quick look.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Report } from './lib/report.mjs';

const ROOT = new URL('..', import.meta.url).pathname;
const FILINGS = process.env.FILINGS ?? '1000000';
const QUERIES = process.env.QUERIES ?? '600';

function ask(url) {
  const program = path.join(ROOT, 'build/bench/registry_bench');
  const stdio = ['ignore', 'pipe', 'inherit'];
  const out = url
    ? execFileSync(program, [url, FILINGS, QUERIES], { encoding: 'utf8', stdio })
    : execFileSync(path.join(ROOT, 'tests/with-postgres'), ['sh', '-c', `${program} "$PL_TEST_DB" ${FILINGS} ${QUERIES}`], { encoding: 'utf8', stdio });
  return JSON.parse(out);
}

function main() {
  execFileSync('ninja', ['-C', path.join(ROOT, 'build'), 'bench/registry_bench'], { stdio: ['ignore', 'ignore', 'inherit'] });
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'pl-bench-'));
  const report = new Report('FTS5', execFileSync('pkg-config', ['--modversion', 'sqlite3'], { encoding: 'utf8' }).trim());
  try {
    for (const [name, url, rival, version] of [['sqlite', `sqlite:${dir}/bench.db`], ['postgresql', null, 'GIN', '15']]) {
      const r = ask(url);
      if (r.unequal > 0) console.error(`bench: ${r.unequal} answers are not equal: the figures do not count`);
      report.add(`registry.search.${name}.p95`, 'ms', 'lower', [r.ours_p95], [r.theirs_p95], rival, version);
      report.add(`registry.search.${name}.p50`, 'ms', 'lower', [r.ours_p50], [r.theirs_p50], rival, version);
      console.error(`bench: statistics of all filings by six facets on ${name}: ${r.statistics} ms`);
    }
  } finally {
    fs.rmSync(dir, { recursive: true, force: true });
  }
  return report.finish();
}

process.exit(main());
