// Runs the corpus against any gateway: README.md.
import http from 'node:http';
import { parseArgs } from 'node:util';
import { cases, filler, play, startUpstream } from './lib.mjs';
import { playWire } from './wire.mjs';

const { values } = parseArgs({ options: { gateway: { type: 'string' }, port: { type: 'string' }, phrase: { type: 'string' }, only: { type: 'string' }, key: { type: 'string' }, patience: { type: 'string', default: '120' } } });
if (!values.gateway || !values.port || !values.phrase) {
  console.error('usage: run.mjs --gateway URL --port PORT --phrase TEXT [--only PART-OF-ID] [--key KEY] [--patience SECONDS]');
  process.exit(2);
}

const request = (path, body) => new Promise((resolve, reject) => {
  const headers = { 'content-type': 'application/json', 'content-length': body.length, ...(values.key ? { authorization: `Bearer ${values.key}` } : {}) };
  const req = http.request(new URL(path, values.gateway), { method: 'POST', headers }, (res) => {
    const parts = [];
    const done = () => {
      const buf = Buffer.concat(parts);
      resolve({ status: res.statusCode, headers: res.headers, buf, text: buf.toString('utf8') });
    };
    res.on('data', (d) => parts.push(d)).on('end', done).on('error', done);
  });
  req.on('error', reject).end(body);
});

const upstream = await startUpstream(Number(values.port));
const fill = filler(values.phrase);
const list = cases(['requests', 'answers', 'streams', 'wire']).filter((c) => !values.only || c.id.includes(values.only));
let failed = 0;
for (const c of list) {
  const how = { upstream, request, fill, gateway: values.gateway, key: values.key, patience: Number(values.patience) };
  const wrong = await (c.wire ? playWire : play)(c, how).catch((e) => e.message);
  if (wrong) {
    failed += 1;
    console.log(`${c.id}: ${wrong.replace(/\s+/g, ' ')}`);
  }
}
console.log(`${list.length} cases, ${failed} differ`);
await upstream.close();
process.exitCode = failed ? 1 : 0;
