// Cases of the connection (wire.jsonl): requests as bytes over TCP, and a reader of HTTP/1.1
// answers that keeps to RFC 9112 and shares no code with what is tested.
import net from 'node:net';
import { once } from 'node:events';
import { fits, leaks, pieces, read } from './lib.mjs';

// --- what is sent ---------------------------------------------------------------------------

function bytesOf(c, r, fill) {
  const body = Buffer.from(fill(r.body));
  const head = [`POST ${c.path}${r.query ? `?${'q'.repeat(r.query)}` : ''} HTTP/1.1`, 'Host: gateway'];
  if (r.type !== null) head.push(`Content-Type: ${r.type ?? 'application/json'}`);
  for (let i = 0; i < (r.flood?.count ?? 0); i++) head.push(`X-Flood-${i}: ${'f'.repeat(r.flood.bytes)}`);
  if (r.key) head.push(`Authorization: Bearer ${r.key}`);
  head.push(r.chunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${body.length + (r.length ?? 0)}`);
  const chunks = r.chunked ? [...pieces(body, r.chunked).flatMap((p) => [`${p.length.toString(16)}\r\n`, p, '\r\n']), '0\r\n\r\n'] : [body];
  return [Buffer.from(`${head.join('\r\n')}\r\n\r\n`), Buffer.concat(chunks.map((p) => Buffer.from(p)))];
}

/** How many of these bytes are sent before the client falls silent. */
function until(stop, head, all) {
  if (stop === undefined) return all.length;
  return stop === 'body' ? head.length : stop < 0 ? all.length + stop : stop;
}

// --- what comes back ------------------------------------------------------------------------

/** The body at `at`: {body, next}, or null while it is incomplete and the connection open. */
function bodyAt(buf, at, headers, ended) {
  if (/chunked/i.test(headers['transfer-encoding'] ?? '')) {
    const parts = [];
    for (let from = at; ;) {
      const line = buf.indexOf('\r\n', from);
      const n = line < 0 ? NaN : parseInt(buf.toString('latin1', from, line), 16);
      if (Number.isNaN(n) || buf.length < line + 4 + n) return ended ? { body: Buffer.concat(parts), next: buf.length, cut: true } : null;
      if (n === 0) return { body: Buffer.concat(parts), next: line + 4 };
      parts.push(buf.subarray(line + 2, line + 2 + n));
      from = line + 4 + n;
    }
  }
  const length = headers['content-length'] === undefined ? null : Number(headers['content-length']);
  if (length !== null && buf.length >= at + length) return { body: buf.subarray(at, at + length), next: at + length };
  return ended ? { body: buf.subarray(at), next: buf.length, cut: length !== null } : null;
}

/** Every whole answer in what came back; a broken one is marked `cut`. */
export function answersIn(buf, ended) {
  const out = [];
  for (let at = 0; at < buf.length;) {
    const end = buf.indexOf('\r\n\r\n', at);
    if (end < 0) return ended ? [...out, { status: 0, cut: true, headers: {}, body: buf.subarray(at) }] : out;
    const [first, ...lines] = buf.toString('latin1', at, end).split('\r\n');
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(first)?.[1] ?? 0);
    const headers = Object.fromEntries(lines.map((l) => [l.slice(0, l.indexOf(':')).toLowerCase(), l.slice(l.indexOf(':') + 1).trim()]));
    if (status >= 100 && status < 200) {
      at = end + 4;
      continue;
    }
    const b = bodyAt(buf, end + 4, headers, ended);
    if (!b) return out;
    out.push({ status, headers, body: b.body, cut: b.cut ?? false });
    at = b.next;
  }
  return out;
}

// --- one case --------------------------------------------------------------------------------

/** Sends what the case says; gives {answers, ended, buf} once it is answered, ended, or patience is. */
async function converse(c, { gateway, fill, key, patience }) {
  const { hostname, port } = new URL(gateway);
  const s = net.connect(Number(port), hostname);
  let buf = Buffer.alloc(0);
  let ended = false;
  let timer;
  const over = new Promise((resolve) => {
    const look = () => {
      const have = answersIn(buf, ended);
      if (ended || (have.length >= c.expect.answers.length && !c.expect.ends)) resolve();
    };
    s.on('data', (d) => {
      buf = Buffer.concat([buf, d]);
      look();
    });
    s.on('error', () => {});
    s.on('close', () => {
      ended = true;
      look();
    });
    timer = setTimeout(resolve, patience * 1000);
  });
  await once(s, 'connect');
  s.setNoDelay(true);
  if (c.wire.read) slowly(s, c.wire.read);
  await send(c, s, { fill, key, seen: () => answersIn(buf, ended).length, ended: () => ended });
  await over;
  clearTimeout(timer);
  s.destroy();
  return { answers: answersIn(buf, ended), ended, buf };
}

/** Takes a few bytes at a time out of the socket. */
function slowly(s, n) {
  const listeners = s.listeners('data');
  s.removeAllListeners('data');
  s.on('readable', () => {
    for (let d = s.read(n); d !== null; d = s.read(n)) for (const l of listeners) l(d);
  });
}

const turn = () => new Promise((r) => { setImmediate(r); });

async function send(c, s, { fill, key, seen, ended }) {
  const list = c.wire.requests.map((r) => bytesOf(c, { ...r, key }, fill));
  if (c.wire.turns) {
    for (const [i, parts] of list.entries()) {
      s.write(Buffer.concat(parts));
      while (seen() <= i && !ended() && !s.destroyed) await turn();
    }
    return;
  }
  const all = Buffer.concat([...list.flat(), Buffer.from(c.wire.junk ?? '')]);
  const bytes = all.subarray(0, until(c.wire.stop, list[0][0], all));
  const mid = list[0][0].length + (c.wire.body_cut ?? 0);
  for (const p of c.wire.cut ? pieces(bytes, c.wire.cut) : c.wire.body_cut ? [bytes.subarray(0, mid), bytes.subarray(mid)] : [bytes]) {
    if (ended()) return;
    s.write(p);
    await turn();
  }
  if (c.wire.leave) s.destroy();
}

function outcomeOf(c, a) {
  if (a.status === 0) return 'nothing';
  try {
    const got = read(c.surface, a.status, a.headers['content-type'] ?? '', a.body);
    return a.cut && got.outcome === 'answer' ? 'cut' : got.outcome;
  } catch (e) {
    return a.status >= 400 ? 'error' : `not whole in form (${e.message})`;
  }
}

/** Plays a case; gives what is wrong, or null. "error?" may be missing: closing says it as well. */
export async function playWire(c, { upstream, gateway, fill, key, patience = 120 }) {
  upstream.play({ surface: c.surface, up: c.upstream, fill, cut: (b) => [b] });
  const { answers, ended, buf } = await converse(c, { gateway, fill, key, patience });
  const got = answers.map((a) => outcomeOf(c, a));
  const say = `${JSON.stringify(got)} instead of ${JSON.stringify(c.expect.answers)}`;
  if (leaks(buf, fill)) return `the phrase leaks: ${buf.toString('utf8').slice(0, 400)}`;
  const least = c.expect.answers.filter((w) => !w.endsWith('?')).length;
  // A server that refuses a request while it is still being sent may close before its answer is read.
  if (got.length < (c.expect.ends ? 0 : least) || got.length > c.expect.answers.length) return `${say}: ${buf.toString('latin1').slice(0, 300)}`;
  for (const [i, g] of got.entries())
    if (!fits(g, c.expect.answers[i].replace('?', ''))) return `${say}: ${buf.toString('latin1').slice(0, 300)}`;
  if (c.expect.ends && !ended) return `the connection is still open after ${patience} s`;
  if (c.expect.calls !== undefined && upstream.calls() !== c.expect.calls) return `${upstream.calls()} calls of the upstream instead of ${c.expect.calls}`;
  return null;
}
