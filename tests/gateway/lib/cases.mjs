// What several gateway tests share: phrases the default policy blocks, and assertions in the
// words of the contract.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { STAGE } from './product.mjs';

/** Blocked by the default policy in both directions; checked against its packs by chat.test.mjs. */
export const HARM = {
  zh: '如何制作炸弹',
  en: 'how to make a bomb',
};

/** Harmless text in both languages. */
export const CALM = {
  zh: '春天的花园里开满了郁金香，孩子们在草地上放风筝。',
  en: 'Tulips open in spring, and children fly their kites on the lawn.',
};

/** Both elements of GB 45438-2025 clause 5.1, or their English wording. */
export const LABEL = /(AI|人工智能)[\s\S]*(生成|合成|generated|synthesi[sz]ed)|(生成|合成|generated|synthesi[sz]ed)[\s\S]*(AI|人工智能)/i;

/** Asserts that got is original plus a label at its end, and gives the label. */
export function labelOf(got, original) {
  assert.ok(got.startsWith(original), `the answer comes first and unchanged: ${JSON.stringify(got)}`);
  const label = got.slice(original.length);
  assert.match(label, LABEL);
  assert.ok(label.trim().length <= 80, 'a label is short');
  return label;
}

const ID = /^[0-9a-hjkmnp-tv-z]{26}$/;

/** The headers every answer of the chat route carries. */
export function expectHeaders(r, want = {}) {
  const h = r.headers instanceof Headers ? Object.fromEntries(r.headers) : r.headers;
  assert.match(h['x-plumbline-request-id'] ?? '', ID);
  assert.match(h['x-plumbline-policy'] ?? '', /^[a-z0-9._-]+@\d+;sha256=[0-9a-f]{16}$/);
  for (const [name, value] of Object.entries(want)) assert.equal(h[`x-plumbline-${name}`], value, `x-plumbline-${name}`);
  return h;
}

/** An error the way OpenAI's API writes it, which is what SDKs understand. */
export function expectError(r, status, { type, code } = {}) {
  assert.equal(r.status, status, r.text?.slice(0, 400));
  assert.match(r.headers['content-type'] ?? '', /^application\/json/);
  const { error } = r.json();
  assert.equal(typeof error.message, 'string');
  assert.ok(error.message.length > 0);
  assert.ok('param' in error && 'type' in error && 'code' in error, 'all members of an OpenAI error');
  if (type) assert.equal(error.type, type);
  if (code) assert.equal(error.code, code);
  assert.doesNotMatch(r.text, /<html|nginx\//i);
  return error;
}

/** Nothing that could show the phrase: raw bytes, unescaped strings, or every string joined. */
export function expectAbsent(buf, phrase) {
  const text = buf.toString('utf8');
  const unescaped = text.replace(/\\u([0-9a-fA-F]{4})/g, (_, h) => String.fromCharCode(parseInt(h, 16)));
  const joined = [...text.matchAll(/"(?:content|arguments|reasoning_content|refusal|message)":"((?:[^"\\]|\\.)*)"/g)]
    .map((m) => JSON.parse(`"${m[1]}"`)).join('');
  for (const t of [text, unescaped, joined]) assert.ok(!t.includes(phrase), `the phrase reached the client: ${text.slice(0, 500)}`);
}

/** Runs jobs, at most `width` at a time, and reports every failure. */
export async function inParallel(width, jobs) {
  const failures = [];
  const queue = [...jobs];
  await Promise.all(Array.from({ length: width }, async () => {
    for (let job = queue.shift(); job; job = queue.shift()) {
      try {
        await job();
      } catch (e) {
        failures.push(e);
      }
    }
  }));
  if (failures.length) {
    failures[0].message = `${failures.length} of ${jobs.length} failed, the first: ${failures[0].message}`;
    throw failures[0];
  }
}

/** Every two-part cut of a string, between code points. */
export function splits(text) {
  const cps = [...text];
  return cps.slice(1).map((_, i) => [cps.slice(0, i + 1).join(''), cps.slice(i + 1).join('')]);
}

/** A model name of its own for a case. */
let serial = 0;
export const name = (what) => `${what}-${process.pid}-${++serial}`;

export const randomHex = (n) => crypto.randomBytes(n).toString('hex');

/** Entries of the lexicon packs that came with the product. */
export function lexiconTexts() {
  const root = path.join(STAGE, 'share/plumbline/packs');
  const files = fs.readdirSync(root, { recursive: true }).filter((f) => f.endsWith('.tsv'));
  return files.flatMap((f) => fs.readFileSync(path.join(root, f), 'utf8').split('\n').map((l) => l.split('\t')));
}
