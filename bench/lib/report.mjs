// Numbers of a benchmark: one committed table of targets, one line of JSON per number.
import fs from 'node:fs';
import os from 'node:os';

const HERE = new URL('..', import.meta.url);
const targets = JSON.parse(fs.readFileSync(new URL('targets.json', HERE), 'utf8'));
const OUT = new URL('out/results.jsonl', HERE);

export const median = (xs) => {
  const s = [...xs].sort((a, b) => a - b);
  const m = s.length >> 1;
  return s.length % 2 ? s[m] : (s[m - 1] + s[m]) / 2;
};

const round = (x) => Number(x.toPrecision(4));

function machine() {
  const cpu = os.cpus()[0];
  return `${cpu.model.trim()}, ${os.availableParallelism()} cores, ${Math.round(os.totalmem() / 2 ** 30)} GiB, ${os.type()} ${os.release()}`;
}

/** Collects results and writes them; a ratio is ours by theirs. */
export class Report {
  constructor(rival, version) {
    Object.assign(this, { rival, version, rows: [], machine: machine() });
  }

  /** A target is a ratio, or (`most`) a limit to our own number. */
  add(bench, unit, better, ours, theirs, rival = this.rival, version = this.version) {
    const { ratio: target = null, most = null } = targets[bench] ?? {};
    const [a, b] = [median(ours), median(theirs)];
    const ratio = a / b;
    const met = most !== null ? a <= most : target === null ? null : better === 'lower' ? ratio <= target : ratio >= target;
    this.rows.push({
      bench, unit, better, ours: round(a), ours_runs: ours.map(round), rival, rival_version: version,
      theirs: round(b), theirs_runs: theirs.map(round), ratio: round(ratio), target, most, met, machine: this.machine,
    });
  }

  /** Appends the lines, prints the table; gives the exit status. */
  finish() {
    fs.mkdirSync(new URL('.', OUT), { recursive: true });
    fs.appendFileSync(OUT, this.rows.map((r) => `${JSON.stringify(r)}\n`).join(''));
    const several = this.rows.some((r) => r.rival !== this.rival);
    const head = ['bench', 'unit', 'ours', this.rival, 'ratio', 'target', '', ...(several ? ['rival'] : [])];
    const goal = (r) => (r.most !== null ? `ours <= ${r.most}` : r.target === null ? '-' : `${r.better === 'lower' ? '<=' : '>='} ${r.target}`);
    const lines = this.rows.map((r) => [r.bench, r.unit, r.ours, r.theirs, r.ratio.toFixed(2), goal(r),
      r.met === null ? '' : r.met ? 'met' : 'MISSED', ...(several ? [`${r.rival} ${r.rival_version}`] : [])].map(String));
    const width = head.map((h, i) => Math.max(h.length, ...lines.map((l) => l[i].length)));
    for (const l of [head, ...lines]) console.log(l.map((c, i) => (i < 2 || i > 4 ? c.padEnd(width[i]) : c.padStart(width[i]))).join('  ').trimEnd());
    console.log(several ? this.machine : `${this.rival} ${this.version}; ${this.machine}`);
    return this.rows.some((r) => r.met === false) ? 1 : 0;
  }
}
