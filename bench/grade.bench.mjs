// Grading: one system by every pack that ships, with reasons and open questions, and 100,000 systems by one pack.
// No rival does the same work; the second column is the goal.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Report } from './lib/report.mjs';

const ROOT = new URL('..', import.meta.url).pathname;
const SYSTEMS = process.env.SYSTEMS ?? '100000';

const FULL = {
  role: ['provider'], 'sys.is_ai_system': true, 'org.size': 'large', 'org.turnover_eur': 1e9, 'a3.point': '4(a)', 'a3.profiling': true,
  't.interacts': true, 't.synth': ['text'], 'm.is_model': false, 'us.frontier_ops': 2e26, 'org.revenue_usd': 6e8,
  'cn.public': true, 'cn.opinion_attr': true, 'cn.own_model': 'self', 'cn.anthro_sustained': false, 'cn.ethics_item': '6',
};

const ask = (...args) => JSON.parse(execFileSync(path.join(ROOT, 'build/bench/grade_bench'), args, {
  encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, PLUMBLINE_DATADIR: process.env.PLUMBLINE_DATADIR ?? path.join(ROOT, 'build/stage/share/plumbline') },
}));

function main() {
  execFileSync('ninja', ['-C', path.join(ROOT, 'build'), 'bench/grade_bench'], { stdio: ['ignore', 'ignore', 'inherit'] });
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'pl-bench-'));
  const report = new Report('goal', '-');
  try {
    for (const [name, facts] of [['known', FULL], ['unknown', {}]]) {
      const file = path.join(dir, `${name}.json`);
      fs.writeFileSync(file, JSON.stringify(facts));
      const runs = [1, 2, 3, 4, 5].map(() => ask('one', file, '100'));
      console.error(`bench: ${runs[0].packs} packs, facts ${name}`);
      report.add(`grade.all_packs.${name}`, 'ms', 'lower', runs.map((r) => r.ms), [5]);
    }
    for (const pack of ['us-ca-sb53', 'cn-genai', ...(fs.existsSync(path.join(ROOT, 'packs/eu-ai-act@2026-07-27')) ? ['eu-ai-act@2026-07-27'] : [])])
      report.add(`grade.many.${pack}`, 's', 'lower', [1, 2, 3].map(() => ask('many', pack, SYSTEMS, '2').seconds), [30]);
  } finally {
    fs.rmSync(dir, { recursive: true, force: true });
  }
  return report.finish();
}

process.exit(main());
