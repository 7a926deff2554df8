// The client side of gateway tests: requests whose bytes the test controls, and a strict reader
// of event streams that shares no code with what it checks.
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import { once } from 'node:events';
import assert from 'node:assert/strict';

/**
 * One HTTP exchange. Never throws on a broken answer: `cut` says that the connection ended
 * before the answer was complete. `onData` sees every piece as it arrives.
 */
export function request(url, { method = 'GET', headers = {}, body, socketPath, timeout = 15_000, onData, agent } = {}) {
  const u = new URL(url);
  const lib = u.protocol === 'https:' ? https : http;
  return new Promise((resolve, reject) => {
    const parts = [];
    let done = null;
    const req = lib.request({
      method, headers, socketPath, agent: agent ?? false, host: u.hostname, port: u.port, path: u.pathname + u.search,
    }, (res) => {
      done = (cut) => {
        const buf = Buffer.concat(parts);
        resolve({ status: res.statusCode, headers: res.headers, buf, text: buf.toString('utf8'), cut,
          json: () => JSON.parse(buf.toString('utf8')) });
      };
      res.on('data', (d) => {
        parts.push(d);
        onData?.(d, req);
      });
      res.on('end', () => done(!res.complete));
      res.on('error', () => done(true));
      res.on('aborted', () => done(true));
    });
    req.setTimeout(timeout, () => req.destroy(new Error(`no answer within ${timeout} ms`)));
    req.on('error', (e) => (done && !/no answer within/.test(e.message) ? done(true) : reject(e)));
    if (body !== undefined) req.write(body);
    req.end();
  });
}

/** POST of a JSON value (or exact bytes) to the chat route. */
export function chat(gateway, value, options = {}) {
  const body = Buffer.isBuffer(value) ? value : Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
  return request(`${gateway}/v1/chat/completions`, {
    method: 'POST', body, ...options,
    headers: { 'content-type': 'application/json', 'content-length': body.length, ...options.headers },
  });
}

/** The smallest chat request. */
export const ask = (model, content, extra = {}) => ({ model, messages: [{ role: 'user', content }], ...extra });

/** Exact bytes over TCP; gives everything that came back until the other side closed. */
export async function tcp(gateway, bytes, { wait = 3000, end = false } = {}) {
  const { hostname, port } = new URL(gateway);
  const s = net.connect(Number(port), hostname);
  const parts = [];
  s.on('data', (d) => parts.push(d));
  s.on('error', () => {});
  await once(s, 'connect');
  for (const b of Array.isArray(bytes) ? bytes : [bytes]) s.write(b);
  if (end) s.end();
  const timer = setTimeout(() => s.destroy(), wait);
  await once(s, 'close');
  clearTimeout(timer);
  return Buffer.concat(parts).toString('utf8');
}

/**
 * Reads an event stream as the HTML standard says: CR, LF or CRLF end a line, a blank line
 * dispatches, a BOM at the start is ignored, an event without a final blank line is dropped.
 */
export function parseSse(buf) {
  let text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(buf);
  if (text.startsWith('\uFEFF')) text = text.slice(1);
  const events = [];
  const comments = [];
  let data = null;
  const lines = text.split(/\r\n|\n|\r/);
  const rest = lines.pop();
  for (const line of lines) {
    if (line === '') {
      if (data !== null) events.push(data);
      data = null;
    } else if (line.startsWith(':')) {
      comments.push(line.slice(1).trim());
    } else if (line.startsWith('data:')) {
      const v = line.slice(5).replace(/^ /, '');
      data = data === null ? v : `${data}\n${v}`;
    }
  }
  return { events, comments, unfinished: rest !== '' || data !== null };
}

/** What a client makes of a chat stream: text, reasons, tool calls, per choice. */
export function readStream(buf) {
  const { events, comments, unfinished } = parseSse(buf);
  const choices = [];
  const chunks = [];
  let done = false;
  let error = null;
  let usage = null;
  for (const e of events) {
    assert.equal(done, false, 'nothing follows [DONE]');
    if (e === '[DONE]') {
      done = true;
      continue;
    }
    const o = JSON.parse(e);
    chunks.push(o);
    if (o.error) error = o.error;
    if (o.usage) usage = o.usage;
    for (const c of o.choices ?? []) {
      const t = (choices[c.index] ??= { text: '', reasoning: '', refusal: '', tools: [], finish: null, logprobs: [] });
      t.text += c.delta?.content ?? '';
      t.reasoning += c.delta?.reasoning_content ?? '';
      t.refusal += c.delta?.refusal ?? '';
      for (const call of c.delta?.tool_calls ?? []) {
        const slot = (t.tools[call.index] ??= { name: '', arguments: '' });
        slot.name += call.function?.name ?? '';
        slot.arguments += call.function?.arguments ?? '';
      }
      if (c.logprobs) t.logprobs.push(...(c.logprobs.content ?? []));
      if (c.finish_reason) t.finish = c.finish_reason;
    }
  }
  const mark = comments.map((c) => /^plumbline event=([0-9a-z]{26}) digest=([0-9a-f]{64})$/.exec(c)).find(Boolean);
  return { choices, chunks, comments, done, error, usage, unfinished, event: mark?.[1], digest: mark?.[2], text: choices[0]?.text ?? '' };
}
