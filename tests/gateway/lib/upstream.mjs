// A scripted model on loopback. The name of the model in the request picks the behaviour, so
// that one server serves any number of tests at once and needs no header of its own:
//
//     up.on('m1', plain('hello'));
//     up.on('m2', stream(['he', 'llo'], { cut: bytes(1) }));
//
// Everything received is kept in up.calls; up.callsFor(model) is what a test asks.
import http from 'node:http';
import https from 'node:https';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import zlib from 'node:zlib';

/** Starts a model. `tls` is the options of https.createServer. */
export async function startUpstream({ tls, host = '127.0.0.1', port: wanted = 0 } = {}) {
  const behaviours = new Map();
  const calls = [];
  const sockets = new Set();
  const serve = async (req, res) => {
    const call = await receive(req, res);
    calls.push(call);
    const behaviour = behaviours.get(call.model) ?? plain(`plain answer of ${call.model}`);
    try {
      await behaviour(call);
    } catch (e) {
      // A client that goes away is part of many tests; anything else is a bug of the script.
      if (!req.socket.destroyed && !res.writableEnded) call.error = e;
      req.socket.destroy();
    }
    call.done = true;
  };
  const server = tls ? https.createServer(tls, serve) : http.createServer(serve);
  server.keepAliveTimeout = 60_000;
  server.requestTimeout = 0;
  server.on('connection', (s) => {
    s.setNoDelay(true);
    sockets.add(s);
    s.on('close', () => sockets.delete(s));
    s.on('error', () => {});
  });
  server.on('tlsClientError', () => {});
  server.on('clientError', (_e, s) => s.destroy());
  server.listen(wanted, host);
  await once(server, 'listening');
  const { port } = server.address();
  return {
    port,
    url: `${tls ? 'https' : 'http'}://${host}:${port}`,
    calls,
    on: (model, behaviour) => behaviours.set(model, behaviour),
    callsFor: (model) => calls.filter((c) => c.model === model),
    connections: () => sockets.size,
    async close() {
      for (const s of sockets) s.destroy();
      server.close();
      await once(server, 'close').catch(() => {});
    },
  };
}

async function receive(req, res) {
  const parts = [];
  for await (const part of req) parts.push(part);
  const body = Buffer.concat(parts);
  let json = null;
  try {
    json = JSON.parse(body.toString('utf8'));
  } catch {
    // recorded as it came; tests of malformed requests look at `body`
  }
  return {
    req, res, body, json,
    method: req.method, path: req.url, headers: req.headers, rawHeaders: req.rawHeaders,
    model: json?.model ?? '', at: Date.now(), done: false, error: null,
  };
}

// --- cutting bytes ------------------------------------------------------------------------

/** Cuts every n bytes. */
export const bytes = (n) => (buf) => {
  const out = [];
  for (let i = 0; i < buf.length; i += n) out.push(buf.subarray(i, i + n));
  return out;
};

/** Cuts at the given offsets. */
export const at = (...offsets) => (buf) => {
  const out = [];
  let from = 0;
  for (const o of [...offsets, buf.length]) {
    if (o > from && o <= buf.length) out.push(buf.subarray(from, o));
    from = Math.max(from, o);
  }
  return out;
};

/** Cuts at pseudo-random places; the same seed gives the same cuts. */
export const randomly = (seed, max = 17) => (buf) => {
  let state = seed >>> 0;
  const next = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) >>> 8;
  const out = [];
  for (let i = 0; i < buf.length;) {
    const n = 1 + (next() % max);
    out.push(buf.subarray(i, i + n));
    i += n;
  }
  return out;
};

/** One write for everything. */
export const whole = (buf) => [buf];

// --- bodies -------------------------------------------------------------------------------

const CREATED = 1_760_000_000;

/** A chat.completion object. `choices` are strings or {message, finish_reason, logprobs}. */
export function completion(model, choices, extra = {}) {
  return {
    id: 'chatcmpl-scripted', object: 'chat.completion', created: CREATED, model,
    choices: choices.map((c, index) => ({
      index,
      message: typeof c === 'string' ? { role: 'assistant', content: c } : { role: 'assistant', ...c.message },
      logprobs: c.logprobs ?? null,
      finish_reason: c.finish_reason ?? 'stop',
    })),
    usage: { prompt_tokens: 7, completion_tokens: 11, total_tokens: 18 },
    ...extra,
  };
}

/** A chat.completion.chunk object. */
export function chunk(model, { index = 0, delta = {}, finish = null, logprobs, extra = {} } = {}) {
  const choice = { index, delta, finish_reason: finish };
  if (logprobs !== undefined) choice.logprobs = logprobs;
  return { id: 'chatcmpl-scripted', object: 'chat.completion.chunk', created: CREATED, model, choices: [choice], ...extra };
}

/** The usual chunks of one choice: role, one per piece of text, finish. */
export function chunksOf(model, pieces, { index = 0, finish = 'stop' } = {}) {
  return [
    chunk(model, { index, delta: { role: 'assistant', content: '' } }),
    ...pieces.map((content) => chunk(model, { index, delta: { content } })),
    chunk(model, { index, finish }),
  ];
}

/** SSE bytes of a list of objects (or ready strings) as data events. */
export function sseBytes(events, { eol = '\n', done = true, bom = false, comments = false, multiline = false, ascii = false } = {}) {
  let text = bom ? '\uFEFF' : '';
  const data = (s) => {
    const lines = multiline ? s.split('\n') : [s];
    return lines.map((l) => `data: ${l}${eol}`).join('') + eol;
  };
  for (const [i, e] of events.entries()) {
    if (comments) text += `: keep-alive ${i}${eol}${eol}`;
    let s = typeof e === 'string' ? e : JSON.stringify(e, null, multiline ? 1 : 0);
    if (ascii) s = escapeAscii(s);
    text += data(s);
  }
  if (done) text += `data: [DONE]${eol}${eol}`;
  return Buffer.from(text, 'utf8');
}

/** Non-ASCII characters as \uXXXX, the way Python's json.dumps writes them. */
export function escapeAscii(json) {
  return json.replace(/[\u0080-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

// --- behaviours ---------------------------------------------------------------------------

const JSON_TYPE = 'application/json';

/** Answers with a JSON object, or with chunks when the request asked for a stream. */
export const plain = (text, options = {}) => async (call) => {
  if (call.json?.stream) return stream([text], options)(call);
  return json(completion(call.model, [text]), options)(call);
};

/** Any JSON value with a status. `make` may be a function of the call. */
export const json = (make, { status = 200, headers = {}, type = JSON_TYPE, delay = 0 } = {}) => async (call) => {
  const value = typeof make === 'function' ? make(call) : make;
  await body(Buffer.isBuffer(value) ? value : Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)),
    { status, headers: { 'content-type': type, ...headers }, delay })(call);
};

/** Exact bytes with a content length. */
export const body = (buf, { status = 200, headers = {}, delay = 0, cut = whole, gap = 1 } = {}) => async ({ res }) => {
  if (delay) await sleep(delay);
  res.writeHead(status, { 'content-length': buf.length, ...headers });
  await writeAll(res, cut(buf), gap);
  res.end();
};

/** A stream of text pieces. cut: how the bytes are cut into writes; gap: pause in ms. */
export const stream = (pieces, options = {}) => async (call) =>
  sse(chunksOf(call.model, pieces, options), options)(call);

/** A stream of given events. */
export const sse = (events, options = {}) => async (call) => {
  const list = typeof events === 'function' ? events(call) : events;
  await sseRaw(sseBytes(list, options), options)(call);
};

/** A stream of exact bytes. end: 'finish' (default), 'cut' (no last chunk), 'reset' (RST), 'hang'. */
export const sseRaw = (buf, { status = 200, headers = {}, cut = whole, gap = 1, delay = 0, end = 'finish', type = 'text/event-stream; charset=utf-8' } = {}) =>
  async ({ res, req }) => {
    if (delay) await sleep(delay);
    res.writeHead(status, { 'content-type': type, 'cache-control': 'no-cache', ...headers });
    res.flushHeaders();
    await writeAll(res, cut(buf), gap);
    if (end === 'finish') res.end();
    else if (end === 'cut') req.socket.end();
    else if (end === 'reset') req.socket.resetAndDestroy();
    else await once(req.socket, 'close');
  };

/** One event a pause: what a slow model does. Resolves early when the reader goes away. */
export const slowly = (pieces, pause, options = {}) => async (call) => {
  const { res } = call;
  res.writeHead(200, { 'content-type': 'text/event-stream' });
  const events = chunksOf(call.model, pieces, options);
  for (const e of events) {
    if (res.destroyed) return;
    res.write(sseBytes([e], { done: false }));
    await sleep(pause);
  }
  res.end(sseBytes([], { done: true }));
};

/** Promises n bytes and sends fewer. */
export const short = (buf, missing, headers = {}) => async ({ res, req }) => {
  res.writeHead(200, { 'content-type': JSON_TYPE, 'content-length': buf.length + missing, ...headers });
  res.write(buf);
  await sleep(20);
  req.socket.end();
};

/** Bytes put on the wire as they are, status line and chunk framing included. */
export const wire = (buf, { cut = whole, gap = 1, reset = false, keep = false } = {}) => async ({ req }) => {
  const s = req.socket;
  for (const piece of cut(buf)) {
    s.write(piece);
    await pause(gap);
  }
  if (reset) s.resetAndDestroy();
  else if (!keep) s.end();
};

/** HTTP/1.1 bytes of a chunked answer, one HTTP chunk per piece. */
export function chunkedBytes(pieces, { type = 'text/event-stream', status = '200 OK', end = true } = {}) {
  const parts = [Buffer.from(`HTTP/1.1 ${status}\r\nContent-Type: ${type}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n`)];
  for (const p of pieces) parts.push(Buffer.from(`${p.length.toString(16)}\r\n`), p, Buffer.from('\r\n'));
  if (end) parts.push(Buffer.from('0\r\n\r\n'));
  return Buffer.concat(parts);
}

/** Compresses although nobody asked. */
export const gzipped = (buf, type = JSON_TYPE) => body(zlib.gzipSync(buf), {
  headers: { 'content-type': type, 'content-encoding': 'gzip' },
});

/** Never answers; ends when the other side gives up. */
export const silent = () => async ({ req }) => {
  await once(req.socket, 'close');
};

/** Closes without a byte. */
export const hangup = ({ reset = false } = {}) => async ({ req }) => {
  if (reset) req.socket.resetAndDestroy();
  else req.socket.destroy();
};

/** A plain answer of about n bytes of text. */
export const huge = (n) => async (call) => json(completion(call.model, ['lorem ipsum '.repeat(Math.ceil(n / 12))]))(call);

async function writeAll(res, pieces, gap) {
  for (const piece of pieces) {
    if (res.destroyed) return;
    if (!res.write(piece)) await Promise.race([once(res, 'drain'), once(res, 'close')]);
    if (pieces.length > 1) await pause(gap);
  }
}

// Below one millisecond a turn of the event loop is enough for a separate packet.
function pause(ms) {
  return ms >= 1 ? sleep(ms) : new Promise((r) => { setImmediate(r); });
}

