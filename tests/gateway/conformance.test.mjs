// The conformance corpus through nginx: every case, its streams also a byte a packet. Every split is
// tried in-process (test_conformance.c), where it costs microseconds.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cases, filler, play, startUpstream } from '../conformance/lib.mjs';
import { request } from './lib/client.mjs';
import { startProduct, takeDown } from './lib/product.mjs';
import { HARM } from './lib/cases.mjs';
import { bytes, randomly, whole } from './lib/upstream.mjs';

let upstream, product;
before(async () => {
  upstream = await startUpstream();
  product = await startProduct({ upstream: upstream.url });
});
after(() => takeDown(product, upstream));

const post = (path, body) => request(`${product.gateway}${path}`, { method: 'POST', body, headers: { 'content-type': 'application/json', 'content-length': body.length } });

async function run(list, phrase, cut) {
  const wrong = [];
  for (const c of list) {
    const what = await play(c, { upstream, request: post, fill: filler(phrase), cut }).catch((e) => e.message);
    if (what) wrong.push(`${c.id}: ${what}`);
  }
  assert.deepEqual(wrong.slice(0, 20), [], `${wrong.length} of ${list.length} cases differ`);
}

test('the files are what make.mjs writes', () => {
  execFileSync(process.execPath, [new URL('../conformance/make.mjs', import.meta.url).pathname, '--check']);
});

for (const surface of [...new Set(cases().map((c) => c.surface))])
  for (const [lang, phrase] of Object.entries(HARM))
    test(`${surface}, ${lang}`, () => run(cases().filter((c) => c.surface === surface), phrase, whole));

test('streams, a byte a packet', () => run(cases().filter((c) => c.splits && !c.upstream.end), HARM.zh, bytes(1)));
test('streams, cut anywhere', () => run(cases().filter((c) => c.splits && !c.upstream.end), HARM.en, randomly(5)));
