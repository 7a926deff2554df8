// What a stream holds back where nothing is found: answers of real models, a token every 20 ms,
// through the gateway under each detector. Just before the next token is sent, what was sent and
// has not arrived is held back; when it arrives later, that is its delay. Upstream and client are
// this process, so that one clock times both.
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import assert from 'node:assert/strict';
import { startProduct } from '../tests/gateway/lib/product.mjs';
import { ACTS, STRUCTURED } from './lib/gateway-servers.mjs';
import { Report } from './lib/report.mjs';

const DATA = process.env.PL_TEST_DATA ?? new URL('../../shared/data', import.meta.url).pathname;
const PACE_MS = 20;
const TOKENS = 200;
const STREAMS = Number(process.env.BENCH_STREAMS ?? 60); // of each language
const policy = (parts) => `policy: holding\nversion: 1\npacks: [lexicon-starter]\n${parts}routes: {default: {input: [{category: "*", action: allow}], output: ${ACTS}, label: {explicit: false}, answers: {default: {zh: 不能回答, en: "not answered"}}}}\n`;
const DETECTORS = {
  keywords: policy(''),
  structured: policy(`detectors: ${STRUCTURED}\n`).replace(ACTS, '[{category: "harm.*", action: allow}, {category: "*", action: log}]'),
  all: policy('detectors: all\nmodel: {pack: model-default, severity: 1}\n'),
};

/** Pieces as tokenizers cut text: words and their beginnings, up to three digits, one or two Han. */
const tokensOf = (text) => text.match(/ ?[A-Za-z]{1,6}|\d{1,3}|\p{sc=Han}{1,2}|\s+|./gu).slice(0, TOKENS);

function answers() {
  const file = path.join(DATA, 'ai-text-detection/llmzoo-answers-zh-en.jsonl');
  const rows = fs.readFileSync(file, 'utf8').trim().split('\n').map((l) => JSON.parse(l).text);
  const han = (t) => (t.match(/\p{sc=Han}/gu)?.length ?? 0) / t.length;
  const long = rows.map((text) => ({ text, tokens: tokensOf(text) })).filter((r) => r.tokens.length === TOKENS);
  const step = (list) => list.filter((_, i) => i % Math.max(1, Math.floor(list.length / STREAMS)) === 0).slice(0, STREAMS);
  return { zh: step(long.filter((r) => han(r.text) > 0.5)), en: step(long.filter((r) => han(r.text) < 0.01)) };
}

const chunk = (content, finish = null) => `data: ${JSON.stringify({ id: 'chatcmpl-hold', object: 'chat.completion.chunk', created: 1760000000, model: 'bench', choices: [{ index: 0, delta: content === null ? {} : { content }, finish_reason: finish }] })}\n\n`;

/** A model that says run `n` of the list a token at a time; calls back before each token and at its end. */
async function startModel(runs) {
  const server = http.createServer(async (req, res) => {
    let body = '';
    for await (const part of req) body += part;
    const run = runs.get(JSON.parse(body).user);
    res.writeHead(200, { 'content-type': 'text/event-stream' });
    const start = performance.now();
    for (let i = 0; i < run.tokens.length; i++) {
      const wait = start + i * PACE_MS - performance.now();
      if (wait > 0) await sleep(wait);
      run.before(i);
      res.write(chunk(run.tokens[i]));
      run.sent.push(performance.now());
    }
    await sleep(PACE_MS);
    run.before(run.tokens.length);
    res.end(`${chunk(null, 'stop')}data: [DONE]\n\n`);
  }).listen({ port: 0, host: '127.0.0.1', backlog: 1024 });
  await once(server, 'listening');
  return { url: `http://127.0.0.1:${server.address().port}`, stop: () => server.close() };
}

function runOf({ tokens }) {
  const ends = [];
  for (const t of tokens) ends.push((ends.at(-1) ?? 0) + t.length);
  const run = { tokens, ends, sent: [], arrived: [], got: 0, heldChars: [], heldTokens: [], text: '' };
  run.before = (i) => {
    if (i === 0) return;
    let n = 0;
    while (n < i && run.ends[i - 1 - n] > run.got) n++;
    run.heldTokens.push(n);
    run.heldChars.push(run.ends[i - 1] - run.got);
  };
  run.take = (text) => {
    run.got += text.length;
    run.text += text;
    while (run.arrived.length < ends.length && ends[run.arrived.length] <= run.got) run.arrived.push(performance.now());
  };
  return run;
}

function ask(gateway, user, run) {
  return new Promise((resolve, reject) => {
    const body = JSON.stringify({ model: 'bench', stream: true, user, messages: [{ role: 'user', content: 'go on' }] });
    const r = http.request(`${gateway}/v1/chat/completions`, { method: 'POST', agent: false, headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) } }, (res) => {
      let rest = '';
      res.setEncoding('utf8');
      res.on('data', (part) => {
        rest += part;
        for (let at; (at = rest.indexOf('\n\n')) >= 0; rest = rest.slice(at + 2)) {
          const e = rest.slice(0, at);
          if (e.startsWith('data: {')) run.take(JSON.parse(e.slice(6)).choices[0]?.delta?.content ?? '');
        }
      });
      res.on('end', resolve);
    });
    r.on('error', reject);
    r.end(body);
  });
}

const at = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))];

function report(r, name, runs) {
  const all = (key) => runs.flatMap((x) => x[key]).sort((a, b) => a - b);
  const [tokens, chars] = [all('heldTokens'), all('heldChars')];
  const delay = runs.flatMap((x) => x.arrived.map((t, i) => t - x.sent[i])).sort((a, b) => a - b);
  const first = runs.filter((x) => x.heldTokens[0] === 0).length / runs.length;
  const put = (what, unit, better, v) => r.add(`holding.${name}.${what}`, unit, better, [v], [v]);

  put('tokens_p50', 'tokens', 'lower', at(tokens, 0.5));
  put('tokens_p99', 'tokens', 'lower', at(tokens, 0.99));
  put('chars_p50', 'chars', 'lower', at(chars, 0.5));
  put('chars_p99', 'chars', 'lower', at(chars, 0.99));
  put('delay_p50', 'ms', 'lower', at(delay, 0.5));
  put('delay_p99', 'ms', 'lower', at(delay, 0.99));
  put('first_at_once', 'share', 'higher', first);
}

async function main() {
  if (!fs.existsSync(DATA)) {
    console.error('bench: the answers of PL_TEST_DATA are needed');
    return 5;
  }
  const texts = answers();
  const r = new Report('none', '-');
  for (const [detector, source] of Object.entries(DETECTORS)) {
    const runs = new Map();
    const model = await startModel(runs);
    const product = await startProduct({ upstream: model.url, configure: (dir) => fs.writeFileSync(path.join(dir, 'policy/default.yaml'), source) });
    try {
      for (const lang of ['zh', 'en']) {
        const some = texts[lang].map(runOf);
        some.forEach((run, i) => runs.set(`${lang}-${i}`, run));
        await Promise.all(some.map(async (run, i) => {
          await sleep((i * PACE_MS * 7) % 400); // not all in step
          await ask(product.gateway, `${lang}-${i}`, run);
        }));
        const clean = some.filter((run) => run.text === run.tokens.join(''));
        assert.ok(clean.length > some.length * 0.8, `${clean.length} of ${some.length} answers came through`);
        console.error(`bench: holding ${detector} ${lang}: ${clean.length} of ${some.length} answers passed unchanged`);
        report(r, `${detector}.${lang}`, clean);
      }
    } finally {
      await product.stop();
      model.stop();
    }
  }
  return r.finish();
}

process.exitCode = await main();
