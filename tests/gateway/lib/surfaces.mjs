// A model that speaks every surface of the gateway: whole answers, streams and tool calls, in the
// bytes that each API's own server sends. Used with the scripted upstream of upstream.mjs:
//
//     model.on(m, answers.messages({ pieces: ['he', 'llo'] }));
//
// Each takes { pieces, tool: {name, args: [pieces]}, cut, gap } and looks at what was asked.
import * as up from './upstream.mjs';

const CREATED = 1_760_000_000;
const AT = '2026-01-02T03:04:05.678901Z';
const USAGE = { prompt_tokens: 7, completion_tokens: 11, total_tokens: 18 };

const named = (events) => Buffer.from(events.map((e) => `event: ${e.type}\ndata: ${JSON.stringify(e)}\n\n`).join(''));
const lines = (events) => Buffer.from(events.map((e) => `${JSON.stringify(e)}\n`).join(''));
const send = (bytes, options, type) => up.sseRaw(bytes, { ...options, ...(type ? { type } : {}) });

/** One behaviour from what is said whole and what is streamed. */
const answer = (whole, streamed, { byDefault = false, type } = {}) => (options) => async (call) => {
  const o = { pieces: [], ...options, model: call.model, asked: call.json };
  const wants = call.json?.stream ?? byDefault;
  await (wants ? send(streamed(o), options, type) : up.json(whole(o), options))(call);
};

// --- OpenAI -------------------------------------------------------------------------------

const chatTool = ({ name, args }) => ({ id: 'call_1', type: 'function', function: { name, arguments: args.join('') } });

const chat = answer(
  (o) => up.completion(o.model, [{
    message: { content: o.tool ? null : o.pieces.join(''), ...(o.tool ? { tool_calls: [chatTool(o.tool)] } : {}) },
    finish_reason: o.tool ? 'tool_calls' : 'stop',
  }]),
  (o) => up.sseBytes(o.tool
    ? [up.chunk(o.model, { delta: { role: 'assistant', content: null, tool_calls: [{ index: 0, id: 'call_1', type: 'function', function: { name: o.tool.name, arguments: '' } }] } }),
      ...o.tool.args.map((a) => up.chunk(o.model, { delta: { tool_calls: [{ index: 0, function: { arguments: a } }] } })),
      up.chunk(o.model, { finish: 'tool_calls' })]
    : up.chunksOf(o.model, o.pieces), o),
);

const completion = (o, text, finish) => ({ id: 'cmpl-1', object: 'text_completion', created: CREATED, model: o.model, choices: [{ index: 0, text, logprobs: null, finish_reason: finish }] });
const completions = answer(
  (o) => ({ ...completion(o, o.pieces.join(''), 'stop'), usage: USAGE }),
  (o) => up.sseBytes([...o.pieces.map((p) => completion(o, p, null)), completion(o, '', 'stop')], o),
);

const textPart = (text) => ({ type: 'output_text', text, annotations: [], logprobs: [] });
const messageItem = (text, status) => ({ id: 'msg_1', type: 'message', status, role: 'assistant', content: text === null ? [] : [textPart(text)] });
const callItem = (tool, args, status) => ({ id: 'fc_1', type: 'function_call', status, call_id: 'call_1', name: tool.name, arguments: args });
const response = (o, status, output) => ({
  id: 'resp_1', object: 'response', created_at: CREATED, status, background: false, error: null, incomplete_details: null,
  instructions: null, max_output_tokens: null, model: o.model, output, parallel_tool_calls: true, previous_response_id: null,
  reasoning: { effort: null, summary: null }, store: true, temperature: 1, text: { format: { type: 'text' } }, tool_choice: 'auto',
  tools: o.asked.tools ?? [], top_p: 1, truncation: 'disabled', usage: null, user: null, metadata: {},
});
const finalItem = (o) => (o.tool ? callItem(o.tool, o.tool.args.join(''), 'completed') : messageItem(o.pieces.join(''), 'completed'));

function responseEvents(o) {
  const place = { item_id: o.tool ? 'fc_1' : 'msg_1', output_index: 0 };
  const inner = o.tool
    ? [...o.tool.args.map((delta) => ({ type: 'response.function_call_arguments.delta', ...place, delta })),
      { type: 'response.function_call_arguments.done', ...place, arguments: o.tool.args.join('') }]
    : [{ type: 'response.content_part.added', ...place, content_index: 0, part: textPart('') },
      ...o.pieces.map((delta) => ({ type: 'response.output_text.delta', ...place, content_index: 0, delta, logprobs: [], obfuscation: 'x7Qd' })),
      { type: 'response.output_text.done', ...place, content_index: 0, text: o.pieces.join(''), logprobs: [] },
      { type: 'response.content_part.done', ...place, content_index: 0, part: textPart(o.pieces.join('')) }];
  return [
    { type: 'response.created', response: response(o, 'in_progress', []) },
    { type: 'response.in_progress', response: response(o, 'in_progress', []) },
    { type: 'response.output_item.added', output_index: 0, item: o.tool ? callItem(o.tool, '', 'in_progress') : messageItem(null, 'in_progress') },
    ...inner,
    { type: 'response.output_item.done', output_index: 0, item: finalItem(o) },
    { type: 'response.completed', response: response(o, 'completed', [finalItem(o)]) },
  ].map((e, i) => ({ ...e, sequence_number: i }));
}
const responses = answer((o) => response(o, 'completed', [finalItem(o)]), (o) => named(responseEvents(o)));

/** Floats, or their bytes in base64 as SDKs ask for. */
const embeddings = (options) => async (call) => {
  const vector = new Float32Array([0.25, -0.5, 1]);
  const inputs = [call.json.input].flat().length;
  const embedding = call.json.encoding_format === 'base64' ? Buffer.from(vector.buffer).toString('base64') : [...vector];
  await up.json({ object: 'list', model: call.model, usage: { prompt_tokens: 1, total_tokens: 1 }, data: Array.from({ length: inputs }, (_, index) => ({ object: 'embedding', index, embedding })) }, options)(call);
};

export const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
const images = (options) => up.json({ created: CREATED, data: [{ b64_json: PNG, revised_prompt: options?.pieces?.join('') ?? 'a kite' }] }, options);

export const AUDIO = Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * 37) & 255));
const speech = (options) => up.body(AUDIO, { headers: { 'content-type': 'audio/mpeg' }, cut: up.bytes(700), ...options });

// --- Anthropic ------------------------------------------------------------------------------

const messageOf = (o, content, stop) => ({ id: 'msg_1', type: 'message', role: 'assistant', model: o.model, content, stop_reason: stop, stop_sequence: null, usage: { input_tokens: 7, output_tokens: 11 } });
const messages = answer(
  (o) => messageOf(o, o.tool ? [{ type: 'tool_use', id: 'toolu_1', name: o.tool.name, input: JSON.parse(o.tool.args.join('')) }] : [{ type: 'text', text: o.pieces.join('') }], o.tool ? 'tool_use' : 'end_turn'),
  (o) => named([
    { type: 'message_start', message: messageOf(o, [], null) },
    { type: 'content_block_start', index: 0, content_block: o.tool ? { type: 'tool_use', id: 'toolu_1', name: o.tool.name, input: {} } : { type: 'text', text: '' } },
    { type: 'ping' },
    ...(o.tool ? o.tool.args.map((partial_json) => ({ type: 'content_block_delta', index: 0, delta: { type: 'input_json_delta', partial_json } }))
      : o.pieces.map((text) => ({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } }))),
    { type: 'content_block_stop', index: 0 },
    { type: 'message_delta', delta: { stop_reason: o.tool ? 'tool_use' : 'end_turn', stop_sequence: null }, usage: { output_tokens: 11 } },
    { type: 'message_stop' },
  ]),
);

// --- Ollama ---------------------------------------------------------------------------------

const NDJSON = { byDefault: true, type: 'application/x-ndjson' };
const END = { done: true, done_reason: 'stop', total_duration: 5, load_duration: 1, prompt_eval_count: 7, prompt_eval_duration: 2, eval_count: 11, eval_duration: 2 };
const ollamaMessage = (o, message, end) => ({ model: o.model, created_at: AT, message: { role: 'assistant', ...message }, ...(end ? END : { done: false }) });
const ollamaCall = (tool) => ({ content: '', tool_calls: [{ function: { name: tool.name, arguments: JSON.parse(tool.args.join('')) } }] });
const ollamaChat = answer(
  (o) => ollamaMessage(o, o.tool ? ollamaCall(o.tool) : { content: o.pieces.join('') }, true),
  (o) => lines([...(o.tool ? [ollamaMessage(o, ollamaCall(o.tool))] : o.pieces.map((content) => ollamaMessage(o, { content }))), ollamaMessage(o, { content: '' }, true)]),
  NDJSON,
);
const ollamaPart = (o, text, end) => ({ model: o.model, created_at: AT, response: text, ...(end ? { ...END, context: [1, 2, 3] } : { done: false }) });
const ollamaGenerate = answer(
  (o) => ollamaPart(o, o.pieces.join(''), true),
  (o) => lines([...o.pieces.map((p) => ollamaPart(o, p)), ollamaPart(o, '', true)]),
  NDJSON,
);

export const answers = { chat, completions, responses, embeddings, images, speech, messages, ollamaChat, ollamaGenerate };
