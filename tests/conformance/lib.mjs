// Runs the corpus: an upstream that plays one case at a time, and readers of every surface that
// share no code with what is tested.
import fs from 'node:fs';
import http from 'node:http';
import zlib from 'node:zlib';
import { once } from 'node:events';

const HERE = new URL('.', import.meta.url).pathname;

export function cases(files = ['requests', 'answers', 'streams']) {
  return files.flatMap((f) => fs.readFileSync(`${HERE}${f}.jsonl`, 'utf8').split('\n').filter(Boolean).map((l) => JSON.parse(l)));
}

const escaped = (s) => [...s].flatMap((c) => [...Array(c.length).keys()].map((i) => `\\u${c.charCodeAt(i).toString(16).padStart(4, '0')}`)).join('');

/** A function that puts the phrase into a text of the corpus. */
export function filler(phrase) {
  const half = Math.ceil(phrase.length / 2);
  const [a, b] = [phrase.slice(0, half), phrase.slice(half)];
  const fill = (s) => s.replaceAll('{{A}}', a).replaceAll('{{B}}', b).replaceAll('{{A:u}}', escaped(a)).replaceAll('{{B:u}}', escaped(b)).replaceAll('{{10MB}}', 'letters '.repeat(1_250_000));
  return Object.assign(fill, { a, b, phrase });
}

// --- upstream -----------------------------------------------------------------------------------

const CALM = {
  'chat.completions': (stream) => (stream ? 'data: {"choices":[{"index":0,"delta":{"content":"fine"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n' : '{"choices":[{"index":0,"message":{"role":"assistant","content":"fine"},"finish_reason":"stop"}]}'),
  completions: (stream) => (stream ? 'data: {"choices":[{"index":0,"text":"fine","finish_reason":"stop"}]}\n\ndata: [DONE]\n\n' : '{"choices":[{"index":0,"text":"fine","finish_reason":"stop"}]}'),
  responses: (stream) => (stream ? 'event: response.completed\ndata: {"type":"response.completed","response":{"id":"r","output":[]}}\n\n' : '{"id":"r","object":"response","output":[]}'),
  messages: (stream) => (stream ? 'event: message_stop\ndata: {"type":"message_stop"}\n\n' : '{"id":"m","type":"message","content":[{"type":"text","text":"fine"}],"stop_reason":"end_turn"}'),
  'ollama.chat': () => '{"message":{"role":"assistant","content":"fine"},"done":true}\n',
  'ollama.generate': () => '{"response":"fine","done":true}\n',
  embeddings: () => '{"object":"list","data":[{"object":"embedding","index":0,"embedding":[1]}]}',
  'images.generations': () => '{"created":1,"data":[{"b64_json":"AAAA"}]}',
  'audio.speech': () => 'sound',
};

/** Starts an upstream that answers with what `play` was last called with. */
export async function startUpstream(port = 0) {
  let now = null;
  let calls = 0;
  const server = http.createServer(async (req, res) => {
    const parts = [];
    for await (const p of req) parts.push(p);
    calls += 1;
    if (!now) return res.destroy();
    await answer(now, JSON.parse(Buffer.concat(parts).toString('utf8') || '{}'), req, res).catch(() => req.socket.destroy());
  });
  server.on('connection', (s) => s.setNoDelay(true).on('error', () => {}));
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return { port: server.address().port, url: `http://127.0.0.1:${server.address().port}`, play(c) { now = c; calls = 0; }, calls: () => calls, close: () => new Promise((r) => { server.closeAllConnections(); server.close(r); }) };
}

/** A buffer in pieces of n bytes. */
export const pieces = (buf, n) => Array.from({ length: Math.ceil(buf.length / n) }, (_, i) => buf.subarray(i * n, (i + 1) * n));

async function answer({ surface, up, fill, cut }, asked, req, res) {
  const stream = asked.stream ?? surface.startsWith('ollama');
  if (up.kind === 'calm') {
    const type = surface === 'audio.speech' ? 'audio/mpeg' : !stream || !CALM[surface](true).includes('\n') ? 'application/json' : surface.startsWith('ollama') ? 'application/x-ndjson' : 'text/event-stream';
    res.writeHead(200, { 'content-type': type });
    return res.end(CALM[surface](stream));
  }
  if (up.end === 'silent' && up.sent < 0) return once(req.socket, 'close');
  let body = Buffer.from(fill(up.body));
  if (up.encoding === 'gzip') body = zlib.gzipSync(body);
  const head = { ...(up.type ? { 'content-type': up.type } : {}), ...(up.encoding ? { 'content-encoding': up.encoding } : {}), ...(up.length !== undefined ? { 'content-length': up.length + body.length } : {}) };
  for (let i = 0; i < (up.flood?.count ?? 0); i++) head[`x-flood-${i}`] = 'f'.repeat(up.flood.bytes);
  if (up.end === 'reset' && up.sent < 0) return req.socket.resetAndDestroy();
  res.writeHead(up.status ?? 200, head);
  res.flushHeaders();
  if (up.end === 'silent') {
    res.write(body.subarray(0, up.sent));
    return once(req.socket, 'close');
  }
  if (up.junk) {
    req.socket.write(Buffer.concat([body, Buffer.from(fill(up.junk))]));
    return once(req.socket, 'close');
  }
  if (up.end === 'reset') {
    res.write(body.subarray(0, up.sent));
    await new Promise((r) => { setTimeout(r, 20); });
    return req.socket.resetAndDestroy();
  }
  if (up.length) {
    res.write(body);
    await new Promise((r) => { setTimeout(r, 20); });
    return req.socket.end();
  }
  for (const piece of up.drip ? pieces(body, up.drip) : cut(body)) {
    if (res.destroyed) return undefined;
    res.write(piece);
    await new Promise((r) => { setImmediate(r); });
  }
  return res.end();
}

// --- what a client reads ---------------------------------------------------------------------------

function sse(text) {
  const events = [];
  let data = null;
  for (const line of text.replace(/^\uFEFF/, '').split(/\r\n|\n|\r/)) {
    if (line === '') {
      if (data !== null) events.push(data);
      data = null;
    } else if (line.startsWith('data:')) {
      const v = line.slice(5).replace(/^ /, '');
      data = data === null ? v : `${data}\n${v}`;
    }
  }
  return events;
}

const textOf = {
  'chat.completions': (o) => o.choices?.filter((c) => (c.index ?? 0) === 0).map((c) => (c.delta ?? c.message)?.content ?? '').join('') ?? '',
  completions: (o) => o.choices?.map((c) => c.text ?? '').join('') ?? '',
  responses: (o) => (o.type === 'response.output_text.delta' ? o.delta : o.object === 'response' ? o.output.flatMap((i) => i.content ?? []).map((p) => p.text ?? '').join('') : ''),
  messages: (o) => (o.type === 'content_block_delta' ? o.delta.text ?? '' : o.type === 'message' ? o.content.map((b) => b.text ?? '').join('') : ''),
  'ollama.chat': (o) => o.message?.content ?? '',
  'ollama.generate': (o) => o.response ?? '',
};
const isRefusal = {
  'chat.completions': (o) => o.choices?.some((c) => c.finish_reason === 'content_filter'),
  completions: (o) => o.choices?.some((c) => c.finish_reason === 'content_filter'),
  responses: (o) => (o.response ?? o).incomplete_details?.reason === 'content_filter',
  messages: (o) => (o.delta ?? o).stop_reason === 'refusal',
  'ollama.chat': (o) => o.done_reason === 'content_filter',
  'ollama.generate': (o) => o.done_reason === 'content_filter',
};

/** {outcome, text} of an answer as a client of the surface sees it. Throws when it is not whole in form. */
export function read(surface, status, type, buf) {
  const text = new TextDecoder('utf-8', { fatal: !type.startsWith('audio/') }).decode(buf);
  if (type.startsWith('audio/')) return { outcome: 'answer', text: '' };
  const objects = type.startsWith('text/event-stream') ? sse(text).filter((d) => d.trim() !== '[DONE]' && d !== '').map((d) => JSON.parse(d))
    : type.startsWith('application/x-ndjson') ? text.split('\n').filter((l) => l.trim()).map((l) => JSON.parse(l.replace(/^\uFEFF/, '')))
      : type.startsWith('application/json') ? [JSON.parse(text)] : [];
  if (status >= 400 && objects[0]?.error) {
    const { code } = typeof objects[0].error === 'object' ? objects[0].error : objects[0];
    return { outcome: status === 400 && /^content_(policy_violation|filter)$/.test(code ?? '') ? 'refused' : 'error', text: '' };
  }
  if (status >= 400 || objects.some((o) => o.error || o.type === 'error')) return { outcome: 'error', text: '' };
  return { outcome: objects.some((o) => isRefusal[surface]?.(o)) ? 'refused' : 'answer', text: objects.map((o) => textOf[surface]?.(o) ?? '').join('') };
}

/** Everything in which the phrase could hide, as texts to search. */
export function views(buf) {
  const raw = buf.toString('utf8');
  const unescape = (s) => s.replace(/\\u([0-9a-fA-F]{4})/g, (_, h) => String.fromCharCode(parseInt(h, 16)));
  const strings = [...raw.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map((m) => m[1]);
  return [raw, unescape(raw), unescape(unescape(raw.replaceAll('\\\\', '\\'))), strings.join(''), unescape(strings.join(''))];
}

// --- one case ---------------------------------------------------------------------------------------

const LABEL = /^\s*.{0,100}(AI|人工智能).{0,100}$/s;

/** Whether one outcome is what another asks for. */
export const fits = (got, want) => want === 'any' || got === want || (want === 'withheld' && (got === 'refused' || got === 'error'));

/** Whether bytes that must not hold the phrase hold it, or its second half. */
export const leaks = (buf, fill) => views(buf).some((v) => v.includes(fill.phrase) || v.includes(fill.b));

/** Plays a case with one cut of the upstream's bytes; gives what is wrong, or null. */
export async function play(c, { upstream, request, fill, cut = (b) => [b] }) {
  const up = c.upstream ?? { kind: 'calm' };
  upstream.play({ surface: c.surface, up, fill, cut });
  const r = await request(c.path, Buffer.from(fill(c.request.body)));
  const secret = ['refused', 'error', 'withheld'].includes(c.expect.outcome) && (c.upstream?.body ?? c.request.body).includes('{{B');
  if (secret && leaks(r.buf, fill)) return `the phrase leaks: ${r.text.slice(0, 400)}`;
  let got;
  try {
    got = read(c.surface, r.status, r.headers['content-type'] ?? '', r.buf);
  } catch (e) {
    return `not whole in form (${e.message}): ${r.text.slice(0, 400)}`;
  }
  if (!fits(got.outcome, c.expect.outcome)) return `${got.outcome} instead of ${c.expect.outcome}: ${r.status} ${r.text.slice(0, 400)}`;
  if (c.expect.status && r.status !== c.expect.status) return `status ${r.status}`;
  if (!c.upstream && upstream.calls() > 0) return 'reached the upstream';
  if (c.expect.text !== undefined) {
    const want = fill(c.expect.text);
    if (!got.text.startsWith(want) || (got.text.length > want.length && !LABEL.test(got.text.slice(want.length)))) return `text is ${JSON.stringify(got.text)}`;
  }
  return null;
}
