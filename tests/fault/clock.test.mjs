// The clock of the machine jumps, forward and back, while streams run and budgets count: nothing
// is lost or said twice, each event bears the time that the clock said, and the ledger verifies.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as up from '../gateway/lib/upstream.mjs';
import { makeTemp, NGINX, startProduct } from '../gateway/lib/product.mjs';
import { ask, chat, readStream } from '../gateway/lib/client.mjs';
import { CALM, name } from '../gateway/lib/cases.mjs';
import { verifyLedger } from '../gateway/lib/load.mjs';

const LIBRARY = '/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1';
const HOUR = 3600_000;
const ENV = ['FAKETIME_TIMESTAMP_FILE', 'FAKETIME_CACHE_DURATION', 'FAKETIME_DONT_FAKE_MONOTONIC'];
const SOURCE = `policy: p
version: 1
packs: [lexicon-starter]
routes:
  default:
    budgets: [{per: all, window: 10m, requests: 40}]
    input: [{category: "*", action: log}]
    output: [{category: "*", action: log}]
    label: {explicit: false}
    answers: {default: {zh: 不能回答, en: "not answered"}}
`;

async function withClock(body) {
  const dir = makeTemp();
  const file = path.join(dir, 'offset');
  const set = (ms) => {
    fs.writeFileSync(`${file}.new`, `${ms >= 0 ? '+' : ''}${ms / 1000}\n`);
    fs.renameSync(`${file}.new`, file);
  };
  set(0);
  // nginx forgets its environment but for what its configuration names
  const nginx = path.join(dir, 'nginx');
  fs.writeFileSync(nginx, `#!/bin/sh\nexec ${NGINX} -g '${ENV.map((e) => `env ${e};`).join(' ')}' "$@"\n`, { mode: 0o755 });
  const model = await up.startUpstream();
  const product = await startProduct({
    upstream: model,
    env: { LD_PRELOAD: LIBRARY, PLUMBLINE_NGINX: nginx, [ENV[0]]: file, [ENV[1]]: '1', [ENV[2]]: '1' },
    configure: (at) => fs.writeFileSync(path.join(at, 'policy/default.yaml'), SOURCE),
  });
  try {
    await body({ product, model, set });
    await product.stop();
  } finally {
    await product.stop({ mayCrash: true }).catch(() => {});
    await model.close();
    fs.rmSync(dir, { recursive: true, force: true });
  }
}

const skip = !fs.existsSync(LIBRARY) && 'libfaketime is not installed';

// PROVES: GUARD/clock-jump
test('an hour forward, two hours back, and right again', { skip }, async () => {
  await withClock(async ({ product, model, set }) => {
    const ids = new Set();
    let streamed, before = 0;
    const one = async (offset) => {
      const r = await chat(product.gateway, ask(name('clock'), CALM.en));
      ids.add(r.headers['x-plumbline-request-id']);
      if (r.status === 200) {
        const { event } = await product.receipt(r.headers['x-plumbline-request-id'], { within: 5000 });
        const off = Date.parse(event.time) - Date.now() - offset;
        assert.ok(Math.abs(off) < 10_000, `the event is ${off} ms off its clock`);
        assert.equal(event.verdict, 'allow');
        assert.equal(event.end, 'complete');
        assert.equal(event.clock_ms, undefined);
      }
      return r;
    };
    const jump = async (offset) => {
      set(offset);
      await product.until(`a clock ${offset} ms ahead`, async () => {
        const r = await chat(product.gateway, ask(name('probe'), CALM.en));
        const id = r.headers['x-plumbline-request-id'];
        ids.add(id);
        const event = (await product.receipt(id, { within: 5000 })).event;
        return Math.abs(Date.parse(event.time) - Date.now() - offset) < 10_000;
      }, 20_000);
    };

    assert.equal((await one(0)).status, 200);
    for (const offset of [HOUR, -HOUR, 0]) {
      const m = name('across');
      model.on(m, up.slowly(Array.from({ length: 20 }, (_, i) => `word${i} `), 200));
      streamed = chat(product.gateway, ask(m, CALM.en, { stream: true }));
      await jump(offset);
      const r = await streamed;
      assert.equal(r.status, 200);
      assert.equal(readStream(r.buf).text, Array.from({ length: 20 }, (_, i) => `word${i} `).join(''));
      const { event } = await product.receipt(r.headers['x-plumbline-request-id'], { within: 5000 });
      assert.equal(event.end, 'complete');
      const jumped = offset - before;
      assert.ok(Math.abs(event.clock_ms - jumped) < 10_000, `clock_ms ${event.clock_ms} after a jump of ${jumped}`);
      assert.ok(event.ms > 3000 && event.ms < 20_000, `${event.ms} ms`);
      before = offset;
      ids.add(r.headers['x-plumbline-request-id']);
      const next = await one(offset);
      assert.ok([200, 429].includes(next.status), `${next.status}`);
      if (next.status === 429) assert.ok(Number(next.headers['retry-after']) <= 600, next.headers['retry-after']);
    }
    await verifyLedger(product);
  });
});

// PROVES: GUARD/clock-jump
test('a clock that is a year ahead destroys nothing for its age', { skip }, async () => {
  await withClock(async ({ product, set }) => {
    const r = await chat(product.gateway, ask(name('old'), CALM.en));
    const id = r.headers['x-plumbline-request-id'];
    await product.receipt(id);
    set(400 * 24 * HOUR);
    const problems = async () => (await product.api('GET', '/healthz')).json?.problems?.join() ?? '';
    await product.until('health says that the clock jumped', async () => /clock jumped by 345\d{5} s/.test(await problems()), 20_000);
    await sleep(3000); // several ticks
    assert.equal((await product.receipt(id)).event.verdict, 'allow');
  });
});
