// Starts the real product on free ports in a fresh directory, and takes it down again whatever
// happens to the test: stop() from after(), the parent-death signal when this process dies.
import { spawn, execFile } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import assert from 'node:assert/strict';
import { request } from './client.mjs';

export const ROOT = process.env.PL_ROOT ?? fileURLToPath(new URL('../../..', import.meta.url));
export const STAGE = process.env.PL_STAGE ?? path.join(ROOT, 'build/stage');
export const BIN = path.join(STAGE, 'bin/plumbline');
/** As `plumbline up` finds it; the runner names another one under sanitizers. */
export const NGINX = process.env.PLUMBLINE_NGINX ?? '/usr/sbin/nginx';

const START_MS = 30_000;
const STOP_MS = 15_000;

/** Environment without what a developer's shell may have set. */
export function cleanEnv(extra = {}) {
  const env = { ...process.env, LC_ALL: 'C.UTF-8', NO_COLOR: '1', PLUMBLINE_NO_INSTALL: '1', ...extra };
  for (const name of ['PLUMBLINE_DIR', 'PLUMBLINE_DATADIR', 'PLUMBLINE_UPSTREAM_KEY', 'LANG', 'LANGUAGE'])
    if (!(name in extra)) delete env[name];
  return env;
}

export function makeTemp(prefix = 'pl-gw-') {
  return fs.mkdtempSync(path.join(os.tmpdir(), prefix));
}

/** n different ports that were free a moment ago: all are held until the last is known. */
export async function freePorts(n) {
  const held = [];
  for (let i = 0; i < n; i++) {
    const s = net.createServer().listen(0, '127.0.0.1');
    await once(s, 'listening');
    held.push(s);
  }
  const ports = held.map((s) => s.address().port);
  await Promise.all(held.map((s) => new Promise((r) => { s.close(r); })));
  return ports;
}

/** Runs a program to its end. Never throws for an exit status. */
export function run(file, args, { env = {}, input, cwd, timeout = 60_000 } = {}) {
  return new Promise((resolve) => {
    const child = execFile(file, args, { env: cleanEnv(env), cwd, timeout, maxBuffer: 64 << 20 }, (error, stdout, stderr) => {
      resolve({ code: error ? error.code ?? 128 : 0, signal: error?.signal, stdout, stderr });
    });
    child.stdin.on('error', () => {});
    child.stdin.end(input ?? '');
  });
}

// --- processes ------------------------------------------------------------------------------

function readStat(pid) {
  try {
    const text = fs.readFileSync(`/proc/${pid}/stat`, 'latin1');
    const rest = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const command = fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
    return { pid, ppid: Number(rest[1]), state: rest[0], command, start: Number(rest[19]), cpu: Number(rest[11]) + Number(rest[12]) };
  } catch {
    return null;
  }
}

/** Everything below a process, itself first. */
export function descendants(root) {
  const all = fs.readdirSync('/proc').filter((n) => /^[0-9]+$/.test(n)).map((n) => readStat(Number(n))).filter(Boolean);
  const out = all.filter((p) => p.pid === root);
  for (let i = 0; i < out.length; i++) out.push(...all.filter((p) => p.ppid === out[i].pid));
  return out.filter((p) => p.state !== 'Z');
}

/** A process that is still the one we saw: pids are reused. */
export function stillThere(p) {
  const now = readStat(p.pid);
  return now !== null && now.start === p.start && now.state !== 'Z';
}

// --- the product ------------------------------------------------------------------------------

const running = new Set();
process.on('exit', () => {
  for (const p of running) p.killAll();
});

/**
 * Options: upstream (URL or an upstream of startUpstream), args, env, dir (kept when given),
 * configure(dir): called once with a finished instance directory before the real start.
 */
export async function startProduct({ upstream, args = [], env = {}, dir, configure, wait = true, selftest = false } = {}) {
  assert.ok(fs.existsSync(BIN), `${BIN} is missing: build the product first (make)`);
  const own = dir ? null : makeTemp();
  const product = new Product({
    dir: dir ?? path.join(own, 'data'), own, env, args, selftest,
    upstream: typeof upstream === 'string' ? upstream : upstream?.url,
  });
  try {
    if (configure) {
      await product.init();
      await configure(product.dir);
    }
    await product.start({ wait });
  } catch (e) {
    await product.stop({ mayCrash: true }).catch(() => {});
    product.remove();
    throw e;
  }
  return product;
}

class Product {
  constructor({ dir, own, env, args, upstream, selftest }) {
    Object.assign(this, { dir, own, env, args, upstream, selftest, out: '', err: '', child: null, ports: null, adminPassword: null });
  }

  /** Makes the instance without starting anything. */
  async init() {
    const r = await run(BIN, ['init', '--dir', this.dir, ...(this.upstream ? ['--upstream', this.upstream] : [])], { env: this.env });
    assert.equal(r.code, 0, r.stdout + r.stderr);
    this.adminPassword = findPassword(r.stdout);
  }

  async start({ wait = true } = {}) {
    this.ports ??= await freePorts(2);
    const [console_, gateway] = this.ports;
    this.console = `http://127.0.0.1:${console_}`;
    this.gateway = `http://127.0.0.1:${gateway}`;
    const argv = ['up', '--dir', this.dir, '--listen', `127.0.0.1:${console_}`, '--gateway', `127.0.0.1:${gateway}`,
      ...(this.selftest ? [] : ['--no-selftest']), ...(this.upstream ? ['--upstream', this.upstream] : []), ...this.args];
    // Dies with this process even when no cleanup runs.
    this.child = spawn('setpriv', ['--pdeathsig', 'TERM', BIN, ...argv], { env: cleanEnv(this.env), stdio: ['ignore', 'pipe', 'pipe'] });
    this.seen = new Map();
    running.add(this);
    this.child.stdout.setEncoding('utf8').on('data', (d) => {
      this.out += d;
      this.adminPassword ??= findPassword(this.out);
    });
    this.child.stderr.setEncoding('utf8').on('data', (d) => { this.err += d; });
    this.exited = once(this.child, 'close').then(([code, signal]) => ({ code, signal }));
    if (wait) await this.ready();
    return this;
  }

  async ready() {
    const end = Date.now() + START_MS;
    let ended = null;
    void this.exited.then((e) => { ended = e; });
    for (;;) {
      if (ended) throw new Error(`plumbline up ended with ${JSON.stringify(ended)}\n${this.logs()}`);
      const [a, b] = await Promise.all([answers(`${this.console}/healthz`, [200]), answers(`${this.gateway}/healthz`, [200])]);
      if (a && b) break;
      if (Date.now() > end) throw new Error(`not ready within ${START_MS} ms\n${this.logs()}`);
      await sleep(50);
    }
    this.pids();
  }

  logs() {
    return `--- stdout\n${this.out.slice(-8000)}\n--- stderr\n${this.err.slice(-8000)}\n${this.childLogs().slice(-8000)}`;
  }

  /** What runs now, by role. */
  pids() {
    const all = descendants(this.child.pid);
    for (const p of all) this.seen.set(p.pid, p);
    const nginx = all.filter((p) => /\bnginx: /.test(p.command));
    return {
      up: this.child.pid,
      all: all.map((p) => p.pid),
      daemon: all.find((p) => /(^|\/)plumblined( |$)/.test(p.command))?.pid,
      nginx: nginx.find((p) => /nginx: master/.test(p.command))?.pid,
      workers: nginx.filter((p) => /nginx: worker process(?! is shutting)/.test(p.command)).map((p) => p.pid),
      leaving: nginx.filter((p) => /nginx: worker process is shutting/.test(p.command)).map((p) => p.pid),
    };
  }

  /** SIGKILL to what is left of the processes we started; used when an orderly end failed. */
  killAll() {
    if (!this.child) return;
    for (const p of descendants(this.child.pid)) this.seen.set(p.pid, p);
    for (const p of this.seen.values())
      if (stillThere(p)) {
        try {
          process.kill(p.pid, 'SIGKILL');
        } catch {
          // gone in the meantime
        }
      }
  }

  /** Orderly end; fails the test when a process crashed or stayed. keep: the directory stays. */
  async stop({ keep = false, mayCrash = false } = {}) {
    if (!this.child) return;
    this.pids();
    const child = this.child;
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
    const ended = await Promise.race([this.exited, sleep(STOP_MS, null, { ref: false })]);
    await sleep(20);
    const left = [...this.seen.values()].filter((p) => stillThere(p));
    this.killAll();
    running.delete(this);
    this.child = null;
    const text = this.out + this.err + this.childLogs();
    if (!keep) this.remove();
    assert.ok(ended, `plumbline up did not end within ${STOP_MS} ms\n${text.slice(-8000)}`);
    assert.deepEqual(left.map((p) => p.command), [], 'every child ended with plumbline up');
    if (!mayCrash) assertNoCrash(text);
    return ended;
  }

  remove() {
    if (this.own) fs.rmSync(this.own, { recursive: true, force: true });
  }

  /** What the children wrote about themselves: DIR/log. The access log is of no use here. */
  childLogs() {
    const folder = path.join(this.dir, 'log');
    let text = '';
    for (const name of fs.existsSync(folder) ? fs.readdirSync(folder) : [])
      if (!name.startsWith('access')) text += `--- ${name}\n${fs.readFileSync(path.join(folder, name), 'utf8')}\n`;
    return text;
  }

  /** The API as the operator of this host. Gives {status, json, headers}. */
  async api(method, route, value) {
    const body = value === undefined ? undefined : JSON.stringify(value);
    const r = await request(`http://control${route}`, {
      method, body, socketPath: path.join(this.dir, 'run/control.sock'),
      headers: body === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
    });
    let parsed = null;
    try {
      parsed = JSON.parse(r.text);
    } catch {
      // 204 and files
    }
    return { status: r.status, headers: r.headers, text: r.text, json: parsed };
  }

  /** The CLI on this instance. */
  cli(args, options = {}) {
    return run(BIN, [...args, '--dir', this.dir], { ...options, env: { ...this.env, ...options.env } });
  }

  /** A receipt as the holder of its id gets it, once it is in the ledger. */
  async receipt(id, { within = 2000 } = {}) {
    const end = Date.now() + within;
    for (;;) {
      const r = await request(`${this.console}/api/v1/receipts/${id}`);
      if (r.status === 200 && r.json().state === 'logged') return r.json();
      if (Date.now() > end) throw new Error(`no receipt for ${id} within ${within} ms: ${r.status} ${r.text.slice(0, 300)}`);
      await sleep(50);
    }
  }

  vkey() {
    return fs.readFileSync(path.join(this.dir, 'ledger/vkey'), 'utf8').trim();
  }

  /** Waits until a condition holds. */
  async until(what, test, within = 10_000) {
    const end = Date.now() + within;
    for (;;) {
      const v = await test();
      if (v) return v;
      if (Date.now() > end) throw new Error(`not within ${within} ms: ${what}\n${this.logs()}`);
      await sleep(25);
    }
  }
}

/** For after(): takes everything down whatever fails, then reports the first failure. */
export async function takeDown(...things) {
  const failures = [];
  for (const t of things.filter(Boolean)) await (t.stop ? t.stop() : t.close()).catch((e) => failures.push(e));
  if (failures.length) throw failures[0];
}

/** Fails on traces that a process of ours died of a bug or a sanitizer spoke up. */
export function assertNoCrash(text) {
  const bad = /exited on signal (?!9\b|15\b)\d+|AddressSanitizer|LeakSanitizer|ThreadSanitizer|runtime error:|core dumped|Assertion .* failed/.exec(text);
  assert.equal(bad?.[0], undefined, `a process crashed\n${bad ? text.slice(Math.max(0, bad.index - 2000), bad.index + 6000) : ''}`);
}

// Shown once, at the first start: "… admin / xxxxxxxx" in either language.
function findPassword(text) {
  return /\badmin \/ (\S{12,64})$/m.exec(text)?.[1] ?? null;
}

async function answers(url, statuses) {
  try {
    const r = await request(url, { timeout: 2000 });
    return !statuses || statuses.includes(r.status);
  } catch {
    return false;
  }
}
