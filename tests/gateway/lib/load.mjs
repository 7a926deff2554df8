// Load that remembers what it was promised: every event id and digest that reached a client.
import { Agent } from 'node:http';
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { ask, chat, readStream } from './client.mjs';
import { completion, json } from './upstream.mjs';
import { CALM, HARM, inParallel } from './cases.mjs';
import { verifyReceipt } from './verify.mjs';

/** Mixed requests on `width` kept-alive connections until stop() is called. */
export function startLoad(gateway, { width = 8, model = 'load', pause = 0 } = {}) {
  const promised = new Map(); // id → digest
  const statuses = new Map();
  const failures = [];
  let running = true;
  let n = 0;
  const worker = async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    while (running) {
      const i = ++n;
      const stream = i % 3 === 0;
      try {
        const r = await chat(gateway, ask(model, i % 7 === 0 ? HARM.en : `${CALM.en} ${i}`, { stream }), { agent, timeout: 10_000 });
        statuses.set(r.status, (statuses.get(r.status) ?? 0) + 1);
        if (r.cut) failures.push('cut');
        else if (r.headers['x-plumbline-event-digest']) promised.set(r.headers['x-plumbline-request-id'], r.headers['x-plumbline-event-digest']);
        else if (r.status === 200) {
          const s = readStream(r.buf);
          assert.ok(s.digest, 'a finished stream names its event');
          promised.set(s.event, s.digest);
        }
      } catch (e) {
        failures.push(e.message);
        await sleep(20);
      }
      if (pause) await sleep(pause);
    }
    agent.destroy();
  };
  const workers = Array.from({ length: width }, worker);
  return {
    promised, statuses, failures,
    count: () => n,
    served: () => statuses.get(200) ?? 0,
    async stop() {
      running = false;
      await Promise.all(workers);
    },
  };
}

/** Every promise kept: a receipt that verifies for each id. */
export async function verifyPromises(product, promised, { within = 15_000 } = {}) {
  const vkey = product.vkey();
  const end = Date.now() + within;
  await inParallel(8, [...promised].map(([id, digest]) => async () => {
    verifyReceipt(await product.receipt(id, { within: Math.max(2000, end - Date.now()) }), { digest, vkey });
  }));
}

/** `plumbline ledger verify` finds nothing wrong. */
export async function verifyLedger(product) {
  const r = await product.cli(['ledger', 'verify', '--json']);
  assert.equal(r.code, 0, r.stdout + r.stderr);
  const report = JSON.parse(r.stdout);
  assert.equal(report.ok, true, r.stdout);
  return report;
}

/** A model whose every answer makes a large event: sixteen choices, each committed and indexed. */
export const fat = json((call) => completion(call.model, Array.from({ length: 16 }, (_, i) => `answer ${i}`)));

/**
 * Sends requests in rounds until one is refused with 503 or `most` were sent. Remembers what was
 * promised; anything but 200 and 503 is a failure of the test.
 */
export async function fillRings(gateway, promised, { model = 'fat', most = 30_000, until = 503 } = {}) {
  const statuses = new Map();
  const agents = Array.from({ length: 24 }, () => new Agent({ keepAlive: true, maxSockets: 1 }));
  let sent = 0;
  await Promise.all(agents.map(async (agent) => {
    while (sent < most && !statuses.get(until)) {
      sent++;
      const r = await chat(gateway, ask(model, CALM.en, { n: 16 }), { agent });
      statuses.set(r.status, (statuses.get(r.status) ?? 0) + 1);
      if (r.status === 200) promised.set(r.headers['x-plumbline-request-id'], r.headers['x-plumbline-event-digest']);
    }
    agent.destroy();
  }));
  assert.deepEqual([...statuses.keys()].filter((k) => k !== 200 && k !== 503), [], 'nothing but yes and no');
  return statuses;
}

/** The first, the middle and the last promises. */
export function sampleOf(promised, n = 60) {
  const all = [...promised];
  const mid = Math.max(0, (all.length >> 1) - (n >> 1));
  return new Map([...all.slice(0, n), ...all.slice(mid, mid + n), ...all.slice(-n)]);
}
