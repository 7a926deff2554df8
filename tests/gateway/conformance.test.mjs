// The conformance corpus through nginx: every case, its streams also a byte a packet. Every split is
// tried in-process (test_conformance.c), where it costs microseconds.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { execFileSync } from 'node:child_process';
import { cases, filler, play, startUpstream } from '../conformance/lib.mjs';
import { playWire } from '../conformance/wire.mjs';
import { request } from './lib/client.mjs';
import { startProduct, takeDown } from './lib/product.mjs';
import { HARM } from './lib/cases.mjs';
import { bytes, randomly, whole } from './lib/upstream.mjs';

let upstream, product;
before(async () => {
  upstream = await startUpstream();
  // Low time-outs, so that the cases that end by one end soon.
  const configure = (dir) => {
    fs.mkdirSync(path.join(dir, 'nginx/gateway.d'), { recursive: true });
    fs.writeFileSync(path.join(dir, 'nginx/gateway.d/time.conf'), 'client_header_timeout 1s;\nclient_body_timeout 1s;\nproxy_read_timeout 1s;\n');
  };
  product = await startProduct({ upstream: upstream.url, configure });
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

test('streams, a byte a packet', () => run(cases(['streams']).filter((c) => c.splits && !c.upstream.end), HARM.zh, bytes(1)));
test('streams, cut anywhere', () => run(cases(['streams']).filter((c) => c.splits && !c.upstream.end), HARM.en, randomly(5)));

test('requests in two packets, cut at every byte', async () => {
  const wrong = [];
  for (const c of cases(['requests']).filter((r) => r.splits)) {
    const fill = filler(HARM.zh);
    const n = Buffer.byteLength(fill(c.request.body));
    for (let at = 1; at < n; at++) {
      const what = await playWire({ ...c, wire: { requests: [{ body: c.request.body }], body_cut: at }, upstream: { kind: 'calm' }, expect: { answers: [c.expect.outcome], calls: c.upstream ? 1 : 0 } }, { upstream, gateway: product.gateway, fill, patience: 10 }).catch((e) => e.message);
      if (what) wrong.push(`${c.id} at ${at}: ${what}`);
    }
  }
  assert.deepEqual(wrong.slice(0, 20), []);
});

for (const surface of [...new Set(cases(['wire']).map((c) => c.surface))])
  test(`${surface}, the connection`, async () => {
    const wrong = [];
    for (const c of cases(['wire']).filter((w) => w.surface === surface)) {
      const what = await playWire(c, { upstream, gateway: product.gateway, fill: filler(HARM.en), patience: 15 }).catch((e) => e.message);
      if (what) wrong.push(`${c.id}: ${what}`);
    }
    assert.deepEqual(wrong.slice(0, 20), []);
  });
