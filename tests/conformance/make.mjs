// Writes the corpus: tools/node tests/conformance/make.mjs [--check]. What the cases mean: README.md.
// The files are the corpus; this program only keeps them regular.
import fs from 'node:fs';

const HERE = new URL('.', import.meta.url).pathname;

// --- what each surface says ------------------------------------------------------------------

const chunk = (delta, finish = null) => ({ id: 'c1', object: 'chat.completion.chunk', created: 7, model: 'm', choices: [{ index: 0, delta, finish_reason: finish }] });
const part = (text, finish = null) => ({ id: 'c1', object: 'text_completion', created: 7, model: 'm', choices: [{ index: 0, text, finish_reason: finish }] });
const item = (text) => ({ id: 'i1', type: 'message', role: 'assistant', status: 'completed', content: [{ type: 'output_text', text, annotations: [] }] });
const at = { item_id: 'i1', output_index: 0, content_index: 0 };

// [A, B] are two halves of a text. `whole` holds both in one string.
const surfaces = {
  'chat.completions': {
    path: '/v1/chat/completions', framing: 'sse', done: '[DONE]',
    ask: (t, extra) => ({ model: 'm', messages: [{ role: 'user', content: t }], ...extra }),
    whole: (t) => ({ id: 'c1', object: 'chat.completion', created: 7, model: 'm', choices: [{ index: 0, message: { role: 'assistant', content: t }, finish_reason: 'stop' }] }),
    events: (a, b) => [chunk({ role: 'assistant', content: '' }), chunk({ content: a }), chunk({ content: b }), chunk({}, 'stop')],
    places: {
      'system message': (t) => ({ messages: [{ role: 'system', content: t }, { role: 'user', content: 'x' }] }),
      'text part': (t) => ({ messages: [{ role: 'user', content: [{ type: 'text', text: t }] }] }),
      'two text parts': (t, a, b) => ({ messages: [{ role: 'user', content: [{ type: 'text', text: a }, { type: 'text', text: b }] }] }),
      'tool-call arguments': (t) => ({ messages: [{ role: 'assistant', tool_calls: [{ id: 't', type: 'function', function: { name: 'f', arguments: JSON.stringify({ q: t }) } }] }, { role: 'user', content: 'x' }] }),
      'tool result': (t) => ({ messages: [{ role: 'tool', tool_call_id: 't', content: t }] }),
      'tool description': (t) => ({ messages: [{ role: 'user', content: 'x' }], tools: [{ type: 'function', function: { name: 'f', description: t } }] }),
      'unknown member': (t) => ({ messages: [{ role: 'user', content: 'x' }], note: [{ deep: t }] }),
      'key of a schema': (t) => ({ messages: [{ role: 'user', content: 'x' }], tools: [{ type: 'function', function: { name: 'f', parameters: { properties: { [t]: {} } } } }] }),
    },
    answers: {
      'tool-call arguments': (a, b) => [chunk({ tool_calls: [{ index: 0, id: 't', type: 'function', function: { name: 'f', arguments: `{"q":"${a}` } }] }), chunk({ tool_calls: [{ index: 0, function: { arguments: `${b}"}` } }] }), chunk({}, 'tool_calls')],
      reasoning: (a, b) => [chunk({ reasoning_content: a }), chunk({ reasoning_content: b }), chunk({}, 'stop')],
      refusal: (a, b) => [chunk({ refusal: a }), chunk({ refusal: b }), chunk({}, 'stop')],
      'unknown member': (a, b) => [chunk({ remark: a }), chunk({ remark: b }), chunk({}, 'stop')],
      'second choice': (a, b) => [chunk({ content: 'x' }), ...[a, b].map((content) => ({ ...chunk({}), choices: [{ index: 1, delta: { content } }] })), chunk({}, 'stop')],
    },
  },
  completions: {
    path: '/v1/completions', framing: 'sse', done: '[DONE]',
    ask: (t, extra) => ({ model: 'm', prompt: t, ...extra }),
    whole: (t) => ({ ...part(t, 'stop') }),
    events: (a, b) => [part(a), part(b), part('', 'stop')],
    places: { 'one of several prompts': (t) => ({ prompt: ['x', t] }), suffix: (t) => ({ prompt: 'x', suffix: t }) },
    answers: { 'second choice': (a, b) => [part('x'), ...[a, b].map((text) => ({ ...part(''), choices: [{ index: 1, text, finish_reason: null }] })), part('', 'stop')] },
  },
  responses: {
    path: '/v1/responses', framing: 'named', done: null,
    ask: (t, extra) => ({ model: 'm', input: t, ...extra }),
    whole: (t) => ({ id: 'r1', object: 'response', created_at: 7, status: 'completed', model: 'm', output: [item(t)] }),
    events: (a, b) => [
      { type: 'response.created', response: { id: 'r1', object: 'response', created_at: 7, model: 'm', status: 'in_progress', output: [] } },
      { type: 'response.output_item.added', output_index: 0, item: { id: 'i1', type: 'message', role: 'assistant', status: 'in_progress', content: [] } },
      { type: 'response.content_part.added', ...at, part: { type: 'output_text', text: '', annotations: [] } },
      { type: 'response.output_text.delta', ...at, delta: a }, { type: 'response.output_text.delta', ...at, delta: b },
      { type: 'response.output_text.done', ...at, text: a + b },
      { type: 'response.output_item.done', output_index: 0, item: item(a + b) },
      { type: 'response.completed', response: { id: 'r1', object: 'response', created_at: 7, model: 'm', status: 'completed', output: [item(a + b)] } },
    ].map((e, i) => ({ ...e, sequence_number: i })),
    places: {
      instructions: (t) => ({ input: 'x', instructions: t }),
      'text part': (t) => ({ input: [{ role: 'user', content: [{ type: 'input_text', text: t }] }] }),
      'two text parts': (t, a, b) => ({ input: [{ role: 'user', content: [{ type: 'input_text', text: a }, { type: 'input_text', text: b }] }] }),
      'function result': (t) => ({ input: [{ type: 'function_call_output', call_id: 'c', output: t }] }),
    },
    answers: {
      'function arguments': (a, b) => [{ type: 'response.function_call_arguments.delta', ...at, delta: `{"q":"${a}` }, { type: 'response.function_call_arguments.delta', ...at, delta: `${b}"}` }, { type: 'response.completed', response: { id: 'r1', output: [] } }],
      'reasoning summary': (a, b) => [{ type: 'response.reasoning_summary_text.delta', output_index: 0, summary_index: 0, delta: a }, { type: 'response.reasoning_summary_text.delta', output_index: 0, summary_index: 0, delta: b }, { type: 'response.completed', response: { id: 'r1', output: [] } }],
      'only in the repetition': (a, b) => [{ type: 'response.output_text.delta', ...at, delta: 'x' }, { type: 'response.output_text.done', ...at, text: a + b }, { type: 'response.completed', response: { id: 'r1', output: [] } }],
      'only at the end': (a, b) => [{ type: 'response.output_text.delta', ...at, delta: 'x' }, { type: 'response.completed', response: { id: 'r1', output: [item(a + b)] } }],
      'a delta of a kind nobody knows': (a, b) => [{ type: 'response.new.delta', ...at, delta: a }, { type: 'response.new.delta', ...at, delta: b }, { type: 'response.completed', response: { id: 'r1', output: [] } }],
    },
  },
  messages: {
    path: '/v1/messages', framing: 'named', done: null,
    ask: (t, extra) => ({ model: 'm', max_tokens: 9, messages: [{ role: 'user', content: t }], ...extra }),
    whole: (t) => ({ id: 'm1', type: 'message', role: 'assistant', model: 'm', content: [{ type: 'text', text: t }], stop_reason: 'end_turn', stop_sequence: null, usage: { input_tokens: 1, output_tokens: 1 } }),
    events: (a, b) => [
      { type: 'message_start', message: { id: 'm1', type: 'message', role: 'assistant', model: 'm', content: [], stop_reason: null, usage: { input_tokens: 1, output_tokens: 1 } } },
      { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
      ...[a, b].map((text) => ({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } })),
      { type: 'content_block_stop', index: 0 },
      { type: 'message_delta', delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: { output_tokens: 2 } },
      { type: 'message_stop' },
    ],
    places: {
      system: (t) => ({ system: t }), 'system blocks': (t) => ({ system: [{ type: 'text', text: t }] }),
      'tool result': (t) => ({ messages: [{ role: 'user', content: [{ type: 'tool_result', tool_use_id: 't', content: t }] }] }),
      'tool result blocks': (t) => ({ messages: [{ role: 'user', content: [{ type: 'tool_result', tool_use_id: 't', content: [{ type: 'text', text: t }] }] }] }),
      'tool input': (t) => ({ messages: [{ role: 'assistant', content: [{ type: 'tool_use', id: 't', name: 'f', input: { a: [t] } }] }] }),
    },
    answers: {
      'tool input': (a, b) => [{ type: 'message_start', message: { id: 'm1', content: [] } }, { type: 'content_block_start', index: 0, content_block: { type: 'tool_use', id: 't', name: 'f', input: {} } }, ...[`{"q":"${a}`, `${b}"}`].map((partial_json) => ({ type: 'content_block_delta', index: 0, delta: { type: 'input_json_delta', partial_json } })), { type: 'content_block_stop', index: 0 }, { type: 'message_delta', delta: { stop_reason: 'tool_use' } }, { type: 'message_stop' }],
      thinking: (a, b) => [{ type: 'message_start', message: { id: 'm1', content: [] } }, { type: 'content_block_start', index: 0, content_block: { type: 'thinking', thinking: '' } }, ...[a, b].map((thinking) => ({ type: 'content_block_delta', index: 0, delta: { type: 'thinking_delta', thinking } })), { type: 'content_block_stop', index: 0 }, { type: 'message_delta', delta: { stop_reason: 'end_turn' } }, { type: 'message_stop' }],
    },
  },
  'ollama.chat': {
    path: '/api/chat', framing: 'lines', done: null,
    ask: (t, extra) => ({ model: 'm', messages: [{ role: 'user', content: t }], ...extra }),
    whole: (t) => ({ model: 'm', created_at: '2026-01-02T03:04:05Z', message: { role: 'assistant', content: t }, done: true, done_reason: 'stop' }),
    events: (a, b) => [a, b, ''].map((content, i) => ({ model: 'm', created_at: '2026-01-02T03:04:05Z', message: { role: 'assistant', content }, done: i === 2 })),
    places: { 'system message': (t) => ({ messages: [{ role: 'system', content: t }] }), 'tool arguments': (t) => ({ messages: [{ role: 'assistant', content: '', tool_calls: [{ function: { name: 'f', arguments: { q: t } } }] }] }) },
    answers: {
      thinking: (a, b) => [a, b, ''].map((thinking, i) => ({ model: 'm', message: { role: 'assistant', content: '', thinking }, done: i === 2 })),
      'tool arguments': (a, b) => [{ model: 'm', message: { role: 'assistant', content: '', tool_calls: [{ function: { name: 'f', arguments: { q: a + b } } }] }, done: false }, { model: 'm', message: { role: 'assistant', content: '' }, done: true }],
    },
  },
  'ollama.generate': {
    path: '/api/generate', framing: 'lines', done: null,
    ask: (t, extra) => ({ model: 'm', prompt: t, ...extra }),
    whole: (t) => ({ model: 'm', created_at: '2026-01-02T03:04:05Z', response: t, done: true, done_reason: 'stop' }),
    events: (a, b) => [a, b, ''].map((response, i) => ({ model: 'm', created_at: '2026-01-02T03:04:05Z', response, done: i === 2 })),
    places: { system: (t) => ({ prompt: 'x', system: t }) },
    answers: { thinking: (a, b) => [a, b, ''].map((thinking, i) => ({ model: 'm', response: '', thinking, done: i === 2 })) },
  },
  embeddings: { path: '/v1/embeddings', ask: (t, extra) => ({ model: 'm', input: t, ...extra }), whole: () => ({ object: 'list', model: 'm', data: [{ object: 'embedding', index: 0, embedding: [0.5] }] }), places: { 'one of several inputs': (t) => ({ input: ['x', t] }) } },
  'images.generations': { path: '/v1/images/generations', ask: (t, extra) => ({ model: 'm', prompt: t, ...extra }), whole: (t) => ({ created: 7, data: [{ b64_json: 'AAAA', revised_prompt: t }] }), places: {} },
  'audio.speech': { path: '/v1/audio/speech', ask: (t, extra) => ({ model: 'm', voice: 'v', input: t, ...extra }), places: { instructions: (t) => ({ input: 'x', instructions: t }) } },
};

// --- how bytes may look ------------------------------------------------------------------------

const ascii = (s) => s.replace(/\{\{([AB])\}\}/g, '{{$1:u}}').replace(/[\u0080-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
const nested = (n) => '['.repeat(n) + ']'.repeat(n);

/** An object's text with one more member in front. */
const with_ = (text, member) => text.replace('{', `{${member},`);

const bodies = {
  plain: [(t) => t, 'ok'],
  'blanks everywhere': [(t, o) => `\r\n\t ${JSON.stringify(o, null, 2)} \n`, 'ok'],
  'escaped': [(t) => ascii(t).replaceAll('/', '\\/'), 'ok'],
  'unknown members': [(t) => with_(t, '"zz":{"a":[1,true,null,{"b":"c"}]}'), 'ok'],
  'numbers beyond double': [(t) => with_(t, `"zz":[1e999,-1e-999,${'9'.repeat(60)},0.${'3'.repeat(60)}]`), 'ok'],
  'nested sixty deep': [(t) => with_(t, `"zz":${nested(60)}`), 'ok'],
  'nested a thousand deep': [(t) => with_(t, `"zz":${nested(1000)}`), 'error'],
  'byte order mark': [(t) => `\uFEFF${t}`, 'error'],
  'trailing garbage': [(t) => `${t} {}`, 'error'],
  'truncated': [(t) => t.slice(0, -2), 'error'],
  'empty': [() => '', 'error'],
  'an array': [(t) => `[${t}]`, 'error'],
  'half a surrogate pair': [(t) => with_(t, '"zz":"\\ud800"'), 'error'],
  'a control character': [(t) => with_(t, '"zz":"\u0001"'), 'error'],
  'a leading zero': [(t) => with_(t, '"zz":01'), 'error'],
  'single quotes': [(t) => with_(t, "'zz':1"), 'error'],
};

const A = '{{A}}';
const B = '{{B}}';
const CALM = ['Good ', 'day, 早上好 😀'];

function frame(s, events, { eol = '\n', comments = false, multiline = false, bom = false, esc = false, space = ' ', fields = false } = {}) {
  const say = (e) => {
    const t = typeof e === 'string' ? e : JSON.stringify(e, null, multiline ? 1 : 0);
    return esc ? ascii(t) : t;
  };
  if (s.framing === 'lines') return (bom ? '\uFEFF' : '') + events.map((e) => say(e) + eol).join('');
  const out = events.map((e, i) => (comments ? `: keep-alive ${i}${eol}${eol}` : '') + (s.framing === 'named' ? `event: ${e.type}${eol}` : '') + (fields ? `id: ${i}${eol}retry: 10${eol}` : '')
    + say(e).split('\n').map((l) => `data:${space}${l}${eol}`).join('') + eol);
  return (bom ? '\uFEFF' : '') + out.join('') + (s.done ? `data: ${s.done}${eol}${eol}` : '');
}

const frames = {
  plain: {}, crlf: { eol: '\r\n' }, cr: { eol: '\r' }, comments: { comments: true }, 'multi-line data': { multiline: true }, 'byte order mark': { bom: true },
  escaped: { esc: true }, 'no space after the colon': { space: '' }, 'id and retry fields': { fields: true },
};
const linesFrames = { plain: {}, crlf: { eol: '\r\n' }, escaped: { esc: true } };

// --- cases ---------------------------------------------------------------------------------------

function* requestCases(name, s) {
  const to = (id, body, expect, extra = {}) => ({ id: `${name}/request/${id}`, surface: name, path: s.path, request: { body, ...extra }, ...(expect === 'ok' ? { upstream: { kind: 'calm' } } : {}), expect: { outcome: expect === 'ok' ? 'answer' : expect } });
  for (const stream of s.events ? [false, true] : [false])
    for (const [what, [write, expect]] of Object.entries(bodies))
      for (const [tag, text] of [['calm', CALM.join('')], ['harm', `${A}${B}`]]) {
        const o = s.ask(text, s.events ? { stream } : {});
        yield to(`${stream ? 'stream ' : ''}${what}/${tag}`, write(JSON.stringify(o), o), tag === 'harm' && expect === 'ok' ? 'refused' : expect);
      }
  for (const [place, make] of Object.entries(s.places)) {
    const o = { ...s.ask('x', {}), ...make(`${A}${B}`, A, B) };
    yield to(`in ${place}`, JSON.stringify(o), 'refused');
    yield to(`in ${place}, escaped`, ascii(JSON.stringify(o)), 'refused');
  }
  const [key] = Object.keys(s.ask('x', {})).filter((k) => k === 'messages' || k === 'prompt' || k === 'input');
  const twice = JSON.stringify(s.ask(`${A}${B}`, {})).replace(`"${key}":`, `"${key}":${JSON.stringify(s.ask('x', {})[key])},"${key}":`);
  yield to('a member twice', twice, 'error');
  yield to('a member twice, once escaped', twice.replace(`"${key}"`, `"\\u${key.charCodeAt(0).toString(16).padStart(4, '0')}${key.slice(1)}"`), 'error');
  for (const [tag, text] of [['calm', CALM.join('')], ['harm', `${A}${B}`]])
    yield { ...to(`escaped, in two packets/${tag}`, ascii(JSON.stringify(s.ask(text, {}))), tag === 'harm' ? 'refused' : 'ok'), splits: 'every' };
  yield to('stream is no boolean', JSON.stringify(s.ask('x', { stream: 'yes' })), s.events || name === 'images.generations' ? 'error' : 'ok');
}

function* wholeCases(name, s) {
  if (!s.whole) return;
  const to = (id, body, expect, extra = {}) => ({ id: `${name}/whole/${id}`, surface: name, path: s.path, request: { body: JSON.stringify(s.ask('x', s.events ? { stream: false } : {})) }, upstream: { type: 'application/json', body, ...extra }, expect });
  for (const [what, [write, expect]] of Object.entries(bodies))
    for (const [tag, a, b] of [['calm', ...CALM], ['harm', A, B]]) {
      if (tag === 'harm' && name === 'embeddings') continue; // its answers hold no text
      const o = s.whole(a + b);
      yield to(`${what}/${tag}`, write(JSON.stringify(o), o), expect === 'error' ? { outcome: 'error' } : tag === 'harm' ? { outcome: 'refused' } : { outcome: 'answer', ...(s.events ? { text: a + b } : {}) });
    }
  const body = JSON.stringify(s.whole(s.events ? `${A}${B}` : 'x'));
  yield to('wrong content type', body, { outcome: 'error' }, { type: 'text/html' });
  yield to('no content type', body, { outcome: 'error' }, { type: null });
  yield to('compressed though nobody asked', body, { outcome: 'error' }, { encoding: 'gzip' });
  yield to('reset before the head', body, { outcome: 'error' }, { end: 'reset', sent: -1 });
  yield to('reset after the head', body, { outcome: 'error' }, { end: 'reset', sent: 0 });
  for (const [where, sent] of [['inside', 40], ['in the middle', Math.floor(Buffer.byteLength(body) / 2)], ['a byte before the end', Buffer.byteLength(body) - 1]])
    yield to(`reset ${where}`, body, { outcome: 'error' }, { end: 'reset', sent });
  yield to('reset between the last byte and the end', body, { outcome: 'error' }, { end: 'reset', sent: Buffer.byteLength(body) });
  const [key] = Object.keys(s.whole('x')).filter((k) => ['choices', 'output', 'content', 'message', 'response', 'data'].includes(k));
  for (const [tag, first, second] of [['harm first', A + B, 'x'], ['harm last', 'x', A + B]]) {
    const [one, two] = [first, second].map((t) => JSON.stringify(s.whole(t)[key]));
    if (name !== 'embeddings') yield to(`a member twice, ${tag}`, JSON.stringify(s.whole(second)).replace(`"${key}":${two}`, `"${key}":${one},"${key}":${two}`), { outcome: 'error' });
  }
  yield to('shorter than announced', body, { outcome: 'error' }, { length: Buffer.byteLength(body) + 400 });
  yield to('an error of the upstream passes', JSON.stringify({ error: { message: 'busy', type: 'server_error' } }), { outcome: 'error', status: 503 }, { status: 503 });
  yield to('an error of the upstream that says it', JSON.stringify({ error: { message: `${A}${B}`, type: 'x' } }), { outcome: 'error' }, { status: 500 });
  if (s.events) yield to('ten megabytes', JSON.stringify(s.whole('{{10MB}}')), { outcome: 'error' });
}

function* streamCases(name, s) {
  if (!s.events) return;
  const type = s.framing === 'lines' ? 'application/x-ndjson' : 'text/event-stream';
  const to = (id, body, expect, extra = {}) => ({ id: `${name}/stream/${id}`, surface: name, path: s.path, request: { body: JSON.stringify(s.ask('x', { stream: true })) }, upstream: { type, body, ...extra }, splits: 'every', expect });
  for (const [what, how] of Object.entries(s.framing === 'lines' ? linesFrames : frames)) {
    yield to(`${what}/calm`, frame(s, s.events(...CALM), how), { outcome: 'answer', text: CALM.join('') });
    yield to(`${what}/harm in one event`, frame(s, s.events('So: ', `${A}${B}. `), how), { outcome: 'refused' });
    yield to(`${what}/harm in two events`, frame(s, s.events(`So: ${A}`, `${B}. `), how), { outcome: 'refused' });
    yield to(`${what}/half of it`, frame(s, s.events(A, 'x y'), how), { outcome: 'answer', text: `${A}x y` });
    yield to(`${what}/half of it at the end`, frame(s, s.events('So: ', A), how), { outcome: 'answer', text: `So: ${A}` });
  }
  for (const [place, make] of Object.entries(s.answers)) yield to(`harm in ${place}`, frame(s, make(A, B)), { outcome: 'refused' });
  for (const [what, [write, expect]] of Object.entries(bodies)) {
    if (s.framing === 'lines' && (what === 'blanks everywhere' || what === 'empty')) continue;
    if (what === 'empty' || what === 'blanks everywhere' || (what === 'byte order mark' && s.framing !== 'lines')) continue;
    const events = s.events('So: ', `${A}${B}. `);
    const where = events.findIndex((e) => JSON.stringify(e).includes(B));
    const odd = events.map((e, i) => (i === where ? write(JSON.stringify(e), e) : e));
    const text = s.framing === 'named' ? odd.map((e, i) => `event: ${events[i].type}\ndata: ${typeof e === 'string' ? e : JSON.stringify(e)}\n\n`).join('') : frame(s, odd);
    yield to(`an event with ${what}`, text, { outcome: expect === 'error' ? 'error' : 'refused' });
  }
  const calm = frame(s, s.events(...CALM));
  const middle = Math.floor(calm.length / 2);
  yield to('ends without its end', frame({ ...s, done: null }, s.events(...CALM).slice(0, 2)), { outcome: 'error' });
  yield to('cut inside an event', calm.slice(0, middle), { outcome: 'error' });
  yield to('reset after the head', calm, { outcome: 'error' }, { end: 'reset', sent: 0 });
  yield to('reset inside', calm, { outcome: 'error' }, { end: 'reset', sent: Buffer.byteLength(calm.slice(0, middle)) });
  const events = s.events(...CALM);
  const lastEvent = s.done ? events.length : events.length - 1; // from here on the answer is complete
  for (let k = 1; k <= lastEvent; k++) {
    const sent = Buffer.byteLength(frame({ ...s, done: null }, events.slice(0, k)));
    yield { ...to(`reset after event ${k}`, calm, { outcome: 'error' }, { end: 'reset', sent }), splits: undefined };
    yield { ...to(`reset ten bytes into event ${k + 1}`, calm, { outcome: 'error' }, { end: 'reset', sent: sent + 10 }), splits: undefined };
  }
  yield to('reset after its end', calm, { outcome: 'answer', text: CALM.join('') }, { end: 'reset', sent: Buffer.byteLength(calm) });
  for (const [what, first, second] of [['half a surrogate pair in each of two events', '\\ud83d', '\\ude00'], ['surrogates the wrong way round', '\\ude00\\ud83d', 'x']])
    yield to(what, frame(s, s.events('{{1}}', '{{2}}')).replaceAll('{{1}}', first).replaceAll('{{2}}', second), { outcome: 'error' });
  const twice = s.events('So: ', `${A}${B}. `).map((e) => JSON.stringify(e)).map((t) => (t.includes(B) ? with_(t, `${t.slice(1, t.indexOf(':'))}:"x"`) : t));
  yield to('an event with a member twice', s.framing === 'named' ? twice.map((t, i) => `event: ${s.events('So: ', 'x')[i].type}\ndata: ${t}\n\n`).join('') : frame(s, twice), { outcome: 'error' });
  yield { ...to('ten megabytes in one event', frame(s, s.events('So: ', '{{10MB}}')), { outcome: 'error' }), splits: undefined };
  for (const wrong of ['text/html', 'text/plain', null]) {
    yield { ...to(`harm under ${wrong ?? 'no content type'}`, frame(s, s.events('So: ', `${A}${B}. `)), { outcome: 'withheld' }, { type: wrong }), splits: undefined };
  }
  yield to('more after the end', calm + frame(s, s.events(A, B)), { outcome: 'answer', text: CALM.join('') });
  yield to('text after its end', frame({ ...s, done: null }, s.events('So: ', 'yes').slice(0, -1)) + frame(s, s.events(A, B)), { outcome: 'any' });
  if (s.framing !== 'lines') {
    yield to('harm in a comment', `: ${A}${B}\n\n${calm}`, { outcome: 'refused' });
    yield to('harm in a field', `note: ${A}${B}\n${calm}`, { outcome: 'refused' });
    yield to('no blank line at the end', calm.replace(/\n+$/, ''), { outcome: 'answer', text: CALM.join('') });
    yield to('empty events', `\n\ndata:\n\n${calm}`, { outcome: 'answer', text: CALM.join('') });
  } else {
    yield to('empty lines', `\n\n${calm}`, { outcome: 'answer', text: CALM.join('') });
    yield to('no line feed at the end', calm.replace(/\n$/, ''), { outcome: 'answer', text: CALM.join('') });
  }
}

// Cases of the connection: what is sent, how fast, and where it stops.
function* wireCases(name, s) {
  const ask = (t, extra = {}) => JSON.stringify(s.ask(t, extra));
  const [calm, harm] = [ask(CALM.join('')), ask(`${A}${B}`)];
  const body = (b, more = {}) => ({ body: b, ...more });
  const to = (id, wire, answers, more = {}) => ({ id: `${name}/wire/${id}`, surface: name, path: s.path, wire, upstream: { kind: 'calm' }, expect: { answers, ...more } });
  for (const [tag, b, says] of [['calm', calm, 'answer'], ['harm', harm, 'refused']]) {
    const calls = says === 'answer' ? 1 : 0;
    yield to(`a byte a packet/${tag}`, { requests: [body(b)], cut: 1 }, [says], { calls });
    yield to(`a byte a chunk/${tag}`, { requests: [body(b, { chunked: 1 })] }, [says], { calls });
    yield to(`chunks of seven, a byte a packet/${tag}`, { requests: [body(b, { chunked: 7 })], cut: 1 }, [says], { calls });
    yield to(`read a byte at a time/${tag}`, { requests: [body(b)], read: 1 }, [says], { calls });
  }
  yield to('three in one packet', { requests: [calm, harm, calm].map((b) => body(b)) }, ['answer', 'refused', 'answer'], { calls: 2 });
  yield to('three, a byte a packet', { requests: [harm, calm, harm].map((b) => body(b)), cut: 1 }, ['refused', 'answer', 'refused'], { calls: 1 });
  yield to('garbage behind a request', { requests: [body(calm)], junk: '\u0001\u0002garbage\r\n\r\n' }, ['answer', 'error'], { calls: 1 });
  yield to('a body longer than announced', { requests: [body(calm, { length: -1 })] }, ['error', 'error?'], { calls: 0, ends: true });
  for (const [what, type] of [['text/plain', 'text/plain'], ['a form', 'application/x-www-form-urlencoded'], ['multipart', 'multipart/form-data; boundary=x'], ['nothing', null]])
    yield to(`content type ${what}`, { requests: [body(harm, { type })] }, ['withheld'], { calls: 0 });
  yield to('a thousand headers', { requests: [body(calm, { flood: { count: 1000, bytes: 100 } })] }, ['error'], { calls: 0, ends: true });
  yield to('a header of 64 KB', { requests: [body(calm, { flood: { count: 1, bytes: 65_536 } })] }, ['error'], { calls: 0, ends: true });
  yield to('an address of 64 KB', { requests: [body(calm, { query: 65_536 })] }, ['error'], { calls: 0, ends: true });
  yield to('ten megabytes in one string', { requests: [body(ask('{{10MB}}'))] }, ['error'], { calls: 0, ends: true });
  yield to('stops inside the head', { requests: [body(calm)], stop: 30 }, [], { calls: 0, ends: true });
  yield to('stops before the body', { requests: [body(calm)], stop: 'body' }, ['error?'], { calls: 0, ends: true });
  yield to('stops inside the body', { requests: [body(calm)], stop: -5 }, ['error?'], { calls: 0, ends: true });
  yield to('leaves inside the body', { requests: [body(calm)], stop: -5, leave: true }, [], { calls: 0, ends: true });
  const answers = s.whole ? [[s.events ? { stream: false } : {}, JSON.stringify(s.whole('x')), 'application/json']] : [];
  if (s.events) answers.push([{ stream: true }, frame(s, s.events(...CALM)), s.framing === 'lines' ? 'application/x-ndjson' : 'text/event-stream']);
  for (const [extra, text, type] of answers) {
    const of = (id, up, says, more = {}) => ({ ...to(`${extra.stream ? 'stream' : 'whole'} ${id}`, { requests: [body(ask('x', extra))] }, says, more), upstream: { type, body: text, ...up } });
    yield of('a byte a packet', { drip: 1 }, ['answer']);
    yield of('under a thousand headers', { flood: { count: 1000, bytes: 100 } }, ['error']);
    yield of('that never begins', { end: 'silent', sent: -1 }, ['error']);
    yield of('that stops behind its head', { end: 'silent', sent: 0 }, ['error']);
    yield of('that stops inside', { end: 'silent', sent: Math.floor(Buffer.byteLength(text) / 2) }, ['error']);
    const second = { ...of('with another answer behind it', { length: 0, junk: `HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\nContent-Length: 12\r\n\r\n"${A}${B}"` }, ['answer', 'answer']) };
    second.wire = { requests: [body(ask('x', extra)), body(ask('x', extra))], turns: true };
    yield second;
  }
}

const files = { requests: requestCases, answers: wholeCases, streams: streamCases, wire: wireCases };
let differ = 0;
for (const [file, make] of Object.entries(files)) {
  const text = Object.entries(surfaces).flatMap(([n, s]) => [...make(n, s)]).map((c) => `${JSON.stringify(c)}\n`).join('');
  const path = `${HERE}${file}.jsonl`;
  if (process.argv.includes('--check')) differ += fs.readFileSync(path, 'utf8') !== text ? 1 : 0;
  else fs.writeFileSync(path, text);
}
if (differ) {
  console.error(`conformance: ${differ} files are not what make.mjs writes`);
  process.exitCode = 1;
}
