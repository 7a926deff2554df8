// Official clients, unchanged but for their base URL: what they make of an answer that is allowed,
// refused before the model, refused inside, and of tool calls; whole and as a stream.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import OpenAI from 'openai';
import Anthropic from '@anthropic-ai/sdk';
import { Ollama } from 'ollama';
import { generateText, streamText, tool as aiTool, jsonSchema } from 'ai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { ChatOpenAI } from '@langchain/openai';
import * as up from './lib/upstream.mjs';
import { answers, AUDIO, PNG } from './lib/surfaces.mjs';
import { startProduct, takeDown } from './lib/product.mjs';
import { CALM, HARM, LABEL, labelOf, name } from './lib/cases.mjs';

let model, product;
before(async () => {
  model = await up.startUpstream();
  product = await startProduct({ upstream: model });
});
after(() => takeDown(product, model));

const openai = () => new OpenAI({ baseURL: `${product.gateway}/v1`, apiKey: 'k', maxRetries: 2 });
const anthropic = () => new Anthropic({ baseURL: product.gateway, apiKey: 'k', maxRetries: 2 });
const ollama = () => new Ollama({ host: product.gateway });
const compatible = () => createOpenAICompatible({ name: 'gw', baseURL: `${product.gateway}/v1`, apiKey: 'k' });
const langchain = (m, extra = {}) => new ChatOpenAI({ model: m, apiKey: 'k', maxRetries: 1, configuration: { baseURL: `${product.gateway}/v1` }, ...extra });

const SCHEMA = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
const FUNCTION = { name: 'weather', description: 'Tells the weather', parameters: SCHEMA };

async function all(stream) {
  const out = [];
  for await (const e of stream) out.push(e);
  return out;
}

const toolsOf = (chunks) => {
  const calls = [];
  for (const c of chunks)
    for (const t of c.choices[0]?.delta.tool_calls ?? []) {
      const slot = (calls[t.index] ??= { name: '', args: '' });
      slot.name += t.function.name ?? '';
      slot.args += t.function.arguments ?? '';
    }
  return calls;
};

/** Each gives {text, reason, tools: [{name, args}]} for a question to a model. */
const clients = {
  'openai chat': {
    answer: answers.chat, refused: 'content_filter', calls: 'tool_calls',
    async whole(m, content, tools) {
      const { choices: [c] } = await openai().chat.completions.create({ model: m, messages: [{ role: 'user', content }], ...(tools ? { tools: [{ type: 'function', function: FUNCTION }] } : {}) });
      return { text: c.message.content, reason: c.finish_reason, tools: (c.message.tool_calls ?? []).map((t) => ({ name: t.function.name, args: t.function.arguments })) };
    },
    async stream(m, content, tools) {
      const chunks = await all(await openai().chat.completions.create({ model: m, stream: true, messages: [{ role: 'user', content }], ...(tools ? { tools: [{ type: 'function', function: FUNCTION }] } : {}) }));
      return { text: chunks.map((c) => c.choices[0]?.delta.content ?? '').join(''), reason: chunks.map((c) => c.choices[0]?.finish_reason).filter(Boolean).at(-1), tools: toolsOf(chunks) };
    },
  },
  'openai chat helper': {
    answer: answers.chat, refused: 'content_filter', calls: 'tool_calls',
    async stream(m, content, tools) {
      const { choices: [c] } = await openai().chat.completions.stream({ model: m, messages: [{ role: 'user', content }], ...(tools ? { tools: [{ type: 'function', function: FUNCTION }] } : {}) }).finalChatCompletion()
        .catch((e) => (e.constructor.name === 'ContentFilterFinishReasonError' ? { choices: [{ message: { content: null }, finish_reason: 'content_filter' }] } : Promise.reject(e)));
      return { text: c.message.content, reason: c.finish_reason, tools: (c.message.tool_calls ?? []).map((t) => ({ name: t.function.name, args: t.function.arguments })) };
    },
  },
  'openai completions': {
    answer: answers.completions, refused: 'content_filter',
    async whole(m, prompt) {
      const { choices: [c] } = await openai().completions.create({ model: m, prompt });
      return { text: c.text, reason: c.finish_reason };
    },
    async stream(m, prompt) {
      const chunks = await all(await openai().completions.create({ model: m, prompt, stream: true }));
      return { text: chunks.map((c) => c.choices[0].text).join(''), reason: chunks.at(-1).choices[0].finish_reason };
    },
  },
  'openai responses': {
    answer: answers.responses, refused: 'content_filter',
    async whole(m, input, tools) {
      const r = await openai().responses.create({ model: m, input, ...(tools ? { tools: [{ type: 'function', ...FUNCTION }] } : {}) });
      return { text: r.output_text, reason: r.incomplete_details?.reason, tools: r.output.filter((o) => o.type === 'function_call').map((o) => ({ name: o.name, args: o.arguments })) };
    },
    async stream(m, input, tools) {
      const s = openai().responses.stream({ model: m, input, ...(tools ? { tools: [{ type: 'function', ...FUNCTION }] } : {}) });
      let text = '';
      let args = '';
      let last = -1;
      for await (const e of s) {
        assert.equal(e.sequence_number, last + 1, 'numbers follow each other');
        last = e.sequence_number;
        if (e.type === 'response.output_text.delta') text += e.delta;
        if (e.type === 'response.function_call_arguments.delta') args += e.delta;
      }
      const r = await s.finalResponse();
      if (!tools && !r.incomplete_details) assert.equal(r.output_text, text, 'what was streamed and what is repeated at the end');
      return { text, reason: r.incomplete_details?.reason, tools: r.output.filter((o) => o.type === 'function_call').map((o) => ({ name: o.name, args })) };
    },
  },
  anthropic: {
    answer: answers.messages, refused: 'refusal', calls: 'tool_use',
    async whole(m, content, tools) {
      const r = await anthropic().messages.create({ model: m, max_tokens: 100, messages: [{ role: 'user', content }], ...(tools ? { tools: [{ name: FUNCTION.name, input_schema: SCHEMA }] } : {}) });
      return { text: r.content.filter((b) => b.type === 'text').map((b) => b.text).join(''), reason: r.stop_reason, tools: r.content.filter((b) => b.type === 'tool_use').map((b) => ({ name: b.name, args: JSON.stringify(b.input) })) };
    },
    async stream(m, content, tools) {
      const s = anthropic().messages.stream({ model: m, max_tokens: 100, messages: [{ role: 'user', content }], ...(tools ? { tools: [{ name: FUNCTION.name, input_schema: SCHEMA }] } : {}) });
      let text = '';
      s.on('text', (t) => { text += t; });
      const r = await s.finalMessage();
      assert.equal(r.content.filter((b) => b.type === 'text').map((b) => b.text).join(''), text);
      return { text, reason: r.stop_reason, tools: r.content.filter((b) => b.type === 'tool_use').map((b) => ({ name: b.name, args: JSON.stringify(b.input) })) };
    },
  },
  ai: {
    answer: answers.chat, refused: 'content-filter', calls: 'tool-calls',
    tools: () => ({ weather: aiTool({ description: 'x', inputSchema: jsonSchema(SCHEMA) }) }),
    async whole(m, prompt, tools) {
      const r = await generateText({ model: compatible()(m), prompt, maxRetries: 0, ...(tools ? { tools: this.tools() } : {}) });
      return { text: r.text, reason: r.finishReason, tools: r.toolCalls.map((t) => ({ name: t.toolName, args: JSON.stringify(t.input) })) };
    },
    async stream(m, prompt, tools) {
      const r = streamText({ model: compatible()(m), prompt, maxRetries: 0, ...(tools ? { tools: this.tools() } : {}) });
      let text = '';
      for await (const t of r.textStream) text += t;
      return { text, reason: await r.finishReason, tools: (await r.toolCalls).map((t) => ({ name: t.toolName, args: JSON.stringify(t.input) })) };
    },
  },
  langchain: {
    answer: answers.chat, refused: 'content_filter', calls: 'tool_calls',
    of: (r) => ({ text: r.content, reason: r.response_metadata.finish_reason, tools: (r.tool_calls ?? []).map((t) => ({ name: t.name, args: JSON.stringify(t.args) })) }),
    async whole(m, content, tools) {
      const chat = langchain(m);
      return this.of(await (tools ? chat.bindTools([{ type: 'function', function: FUNCTION }]) : chat).invoke(content));
    },
    async stream(m, content, tools) {
      const chat = langchain(m);
      const chunks = await all(await (tools ? chat.bindTools([{ type: 'function', function: FUNCTION }]) : chat).stream(content));
      return this.of(chunks.reduce((a, b) => a.concat(b)));
    },
  },
  'ollama chat': {
    answer: answers.ollamaChat, refused: 'content_filter', calls: 'stop',
    of: (parts) => ({ text: parts.map((p) => p.message.content).join(''), reason: parts.at(-1).done_reason, tools: parts.flatMap((p) => p.message.tool_calls ?? []).map((t) => ({ name: t.function.name, args: JSON.stringify(t.function.arguments) })) }),
    async whole(m, content, tools) {
      return this.of([await ollama().chat({ model: m, messages: [{ role: 'user', content }], ...(tools ? { tools: [{ type: 'function', function: FUNCTION }] } : {}) })]);
    },
    async stream(m, content, tools) {
      return this.of(await all(await ollama().chat({ model: m, stream: true, messages: [{ role: 'user', content }], ...(tools ? { tools: [{ type: 'function', function: FUNCTION }] } : {}) })));
    },
  },
  'ollama generate': {
    answer: answers.ollamaGenerate, refused: 'content_filter',
    of: (parts) => ({ text: parts.map((p) => p.response).join(''), reason: parts.at(-1).done_reason }),
    async whole(m, prompt) {
      return this.of([await ollama().generate({ model: m, prompt, stream: false })]);
    },
    async stream(m, prompt) {
      return this.of(await all(await ollama().generate({ model: m, prompt, stream: true })));
    },
  },
};

const PIECES = { zh: ['春天的花园', '里开满了', '郁金香。'], en: ['Tulips open in spring, ', 'how to make', ' a kite is easy', '.'] };
const TOOL = { name: 'weather', args: ['{"ci', 'ty":"how to ma', 'ke a kite, 北', '京"}'] };

for (const [who, client] of Object.entries(clients))
  for (const mode of ['whole', 'stream'].filter((k) => client[k])) {
    for (const lang of ['zh', 'en']) {
      test(`${who}, ${mode}, ${lang}: an answer comes complete, with its label`, async () => {
        const m = name('sdk');
        model.on(m, client.answer({ pieces: PIECES[lang] }));
        const r = await client[mode](m, CALM[lang]);
        labelOf(r.text, PIECES[lang].join(''));
        assert.notEqual(r.reason, client.refused);
        assert.equal(model.callsFor(m).length, 1);
      });

      test(`${who}, ${mode}, ${lang}: a refused question never reaches the model`, async () => {
        const m = name('sdk');
        model.on(m, client.answer({ pieces: PIECES[lang] }));
        const r = await client[mode](m, `${CALM[lang]} ${HARM[lang]}`);
        assert.equal(r.reason, client.refused);
        if (r.text !== null) assert.match(r.text, lang === 'zh' ? /抱歉/ : /Sorry/);
        assert.equal(model.callsFor(m).length, 0);
      });

      test(`${who}, ${mode}, ${lang}: a refused answer is replaced`, async () => {
        const m = name('sdk');
        const cut = Math.floor(HARM[lang].length / 2);
        model.on(m, client.answer({ pieces: [CALM[lang], ` ${HARM[lang].slice(0, cut)}`, HARM[lang].slice(cut), '. And more.'] }));
        const r = await client[mode](m, CALM[lang]);
        assert.equal(r.reason, client.refused);
        if (r.text === null) return;
        assert.match(r.text, lang === 'zh' ? /抱歉/ : /Sorry/);
        assert.ok(!r.text.includes(HARM[lang].slice(0, cut)), r.text);
        assert.ok(!r.text.includes('And more'), r.text);
        if (mode === 'stream') assert.ok(r.text.startsWith(CALM[lang].slice(0, -1)), 'what was safe before it came');
      });
    }
    if (!client.calls && who !== 'openai responses') continue;
    test(`${who}, ${mode}: a tool call arrives as it was made`, async () => {
      const m = name('sdk');
      model.on(m, client.answer({ tool: TOOL }));
      const r = await client[mode](m, CALM.en, true);
      assert.equal(r.tools.length, 1);
      assert.equal(r.tools[0].name, 'weather');
      assert.deepEqual(JSON.parse(r.tools[0].args), JSON.parse(TOOL.args.join('')));
      if (client.calls) assert.equal(r.reason, client.calls);
    });

    test(`${who}, ${mode}: a tool call with refused arguments is not made`, async () => {
      const m = name('sdk');
      model.on(m, client.answer({ tool: { name: 'weather', args: ['{"city":"', HARM.en.slice(0, 9), `${HARM.en.slice(9)}"}`] } }));
      const r = await client[mode](m, CALM.en, true).catch((e) => ({ reason: client.refused, tools: [], error: e }));
      assert.equal(r.reason, client.refused);
      assert.ok(!JSON.stringify(r.tools).includes(HARM.en), JSON.stringify(r.tools));
    });
  }

test('openai embeddings: vectors pass, a refused text is an error that is not repeated', async () => {
  const m = name('emb');
  model.on(m, answers.embeddings());
  const ok = await openai().embeddings.create({ model: m, input: [CALM.en, CALM.zh] });
  assert.deepEqual(ok.data.map((d) => [...d.embedding]), [[0.25, -0.5, 1], [0.25, -0.5, 1]]);
  await assert.rejects(openai().embeddings.create({ model: m, input: [CALM.en, HARM.en] }), (e) => e instanceof OpenAI.BadRequestError && e.code === 'content_policy_violation');
  assert.equal(model.callsFor(m).length, 1);
});

test('openai images: pictures pass, a refused prompt is an error, a revised prompt is read', async () => {
  const m = name('img');
  model.on(m, answers.images());
  const ok = await openai().images.generate({ model: m, prompt: CALM.en });
  assert.equal(ok.data[0].b64_json, PNG);
  await assert.rejects(openai().images.generate({ model: m, prompt: HARM.zh }), (e) => e instanceof OpenAI.BadRequestError && e.code === 'content_policy_violation');
  assert.equal(model.callsFor(m).length, 1);
  model.on(m, answers.images({ pieces: [HARM.en] }));
  await assert.rejects(openai().images.generate({ model: m, prompt: CALM.en }), (e) => e.code === 'content_policy_violation');
});

test('openai speech: sound passes byte for byte, a refused text is an error', async () => {
  const m = name('say');
  model.on(m, answers.speech());
  const r = await openai().audio.speech.create({ model: m, voice: 'alloy', input: CALM.en });
  assert.ok(Buffer.from(await r.arrayBuffer()).equals(AUDIO));
  assert.equal(r.headers.get('content-type'), 'audio/mpeg');
  assert.equal(r.headers.get('x-plumbline-ai-generated'), '1');
  await assert.rejects(openai().audio.speech.create({ model: m, voice: 'alloy', input: HARM.en }), (e) => e.code === 'content_policy_violation');
  assert.equal(model.callsFor(m).length, 1);
});

test('anthropic: system prompts, tool results and documents are read', async () => {
  const ask = { model: name('deep'), max_tokens: 9, messages: [{ role: 'user', content: CALM.en }] };
  const result = (content) => [{ role: 'user', content: CALM.en }, { role: 'assistant', content: [{ type: 'tool_use', id: 't', name: 'f', input: {} }] }, { role: 'user', content: [{ type: 'tool_result', tool_use_id: 't', content }] }];
  for (const extra of [
    { system: HARM.en }, { system: [{ type: 'text', text: CALM.en }, { type: 'text', text: HARM.en }] },
    { messages: result(HARM.en) }, { messages: result([{ type: 'text', text: HARM.en }]) },
    { messages: [{ role: 'user', content: [{ type: 'document', source: { type: 'text', media_type: 'text/plain', data: HARM.en } }] }] },
    { tools: [{ name: 'f', description: HARM.en, input_schema: SCHEMA }] },
  ])
    assert.equal((await anthropic().messages.create({ ...ask, ...extra })).stop_reason, 'refusal', JSON.stringify(extra));
  assert.equal(model.callsFor(ask.model).length, 0);
});

test('errors are what each client expects', async () => {
  await assert.rejects(anthropic().messages.create({ model: 'm', max_tokens: 9, messages: [] }), (e) => e instanceof Anthropic.BadRequestError && e.error.error.type === 'invalid_request_error' && /'messages' is empty/.test(e.message));
  await assert.rejects(openai().responses.create({ model: 'm', input: 5 }), (e) => e instanceof OpenAI.BadRequestError && /'input' must be/.test(e.message));
  await assert.rejects(ollama().chat({ model: 'm', messages: [{ content: 'x' }] }), /'role' is missing/);
});

test('the label of a message stream is a block of its own', async () => {
  const m = name('label');
  model.on(m, answers.messages({ pieces: PIECES.en }));
  const r = await anthropic().messages.stream({ model: m, max_tokens: 9, messages: [{ role: 'user', content: CALM.en }] }).finalMessage();
  assert.deepEqual(r.content.map((b) => b.type), ['text', 'text']);
  assert.equal(r.content[0].text, PIECES.en.join(''));
  assert.match(r.content[1].text, LABEL);
});
