// Upstreams over HTTPS are verified; keys and paths go where they should.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import * as up from './lib/upstream.mjs';
import { makeTemp, run, startProduct, takeDown } from './lib/product.mjs';
import { ask, chat, readStream, request } from './lib/client.mjs';
import { CALM, expectError, labelOf, name } from './lib/cases.mjs';

let dir, ca;
const certificates = {};

async function openssl(...args) {
  const r = await run('openssl', args, { cwd: dir });
  assert.equal(r.code, 0, r.stderr);
}

/** A CA, and a server certificate of it for the given names. */
async function makeCa(file) {
  await openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', `${file}.key`, '-out', `${file}.pem`, '-days', '2',
    '-subj', `/CN=${file}`, '-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=keyCertSign');
  return path.join(dir, `${file}.pem`);
}

async function makeCertificate(file, by, san) {
  fs.writeFileSync(path.join(dir, `${file}.ext`), `subjectAltName=${san}\nextendedKeyUsage=serverAuth\n`);
  await openssl('req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', `${file}.key`, '-out', `${file}.csr`, '-subj', '/CN=server');
  await openssl('x509', '-req', '-in', `${file}.csr`, '-CA', `${by}.pem`, '-CAkey', `${by}.key`, '-CAcreateserial', '-out', `${file}.pem`, '-days', '2', '-extfile', `${file}.ext`);
  return { key: fs.readFileSync(path.join(dir, `${file}.key`)), cert: fs.readFileSync(path.join(dir, `${file}.pem`)) };
}

before(async () => {
  dir = makeTemp('pl-tls-');
  ca = await makeCa('ca');
  await makeCa('other');
  certificates.good = await makeCertificate('good', 'ca', 'DNS:localhost,IP:127.0.0.1');
  certificates.wrongName = await makeCertificate('wrong', 'ca', 'DNS:model.example,IP:127.0.0.1');
  certificates.unknownCa = await makeCertificate('unknown', 'other', 'DNS:localhost,IP:127.0.0.1');
});
after(() => fs.rmSync(dir, { recursive: true, force: true }));

/** Sets upstream_ca in a made instance. */
const trust = (file) => (instance) => {
  const config = path.join(instance, 'plumbline.yaml');
  const text = fs.readFileSync(config, 'utf8');
  assert.match(text, /^ {2}upstream_ca: ""$/m);
  fs.writeFileSync(config, text.replace(/^ {2}upstream_ca: ""$/m, `  upstream_ca: ${JSON.stringify(file)}`));
};

async function withUpstream({ tls, scheme = tls ? 'https' : 'http', suffix = '', ...options }, body) {
  const model = await up.startUpstream({ tls });
  let product;
  try {
    product = await startProduct({ upstream: `${scheme}://localhost:${model.port}${suffix}`, ...options });
    await body(product, model);
  } finally {
    await takeDown(product, model);
  }
}

test('a verified upstream is used, with SNI and its own name in Host', async () => {
  await withUpstream({ tls: certificates.good, configure: trust(ca) }, async (product, model) => {
    const m = name('tls');
    let servername;
    model.on(m, async (c) => {
      servername = c.req.socket.servername;
      await up.plain('over TLS')(c);
    });
    labelOf((await chat(product.gateway, ask(m, CALM.en))).json().choices[0].message.content, 'over TLS');
    labelOf(readStream((await chat(product.gateway, ask(m, CALM.en, { stream: true }))).buf).text, 'over TLS');
    assert.equal(servername, 'localhost');
    assert.equal(model.callsFor(m)[0].headers.host, `localhost:${model.port}`);
  });
});

test('an address instead of a name cannot be verified and is refused at once', async () => {
  await assert.rejects(startProduct({ upstream: 'https://127.0.0.1:1' }), /needs a host name/);
});

const refused = {
  'a wrong name': () => ({ tls: certificates.wrongName, configure: trust(ca) }),
  'an unknown authority': () => ({ tls: certificates.unknownCa, configure: trust(ca) }),
  'an authority the system does not know': () => ({ tls: certificates.good }),
};
for (const [what, options] of Object.entries(refused)) {
  test(`refused: ${what}`, async () => {
    await withUpstream(options(), async (product, model) => {
      expectError(await chat(product.gateway, ask('m', CALM.en)), 502, { type: 'server_error' });
      assert.equal(model.calls.length, 0, 'no request was sent');
    });
  });
}

test('an HTTPS address that speaks plain HTTP is refused', async () => {
  await withUpstream({ scheme: 'https', configure: trust(ca) }, async (product, model) => {
    expectError(await chat(product.gateway, ask('m', CALM.en)), 502);
    assert.equal(model.calls.length, 0);
  });
});

test('path prefixes are kept', async () => {
  for (const [suffix, want] of [['', '/v1/chat/completions'], ['/', '/v1/chat/completions'], ['/v1', '/v1/chat/completions'], ['/v1/', '/v1/chat/completions'],
    ['/api/paas/v4', '/api/paas/v4/chat/completions'], ['/tenant/a', '/tenant/a/v1/chat/completions']]) {
    await withUpstream({ suffix }, async (product, model) => {
      assert.equal((await chat(product.gateway, ask('prefix', CALM.en))).status, 200);
      assert.equal(model.calls[0].path, want, suffix);
      const body = JSON.stringify({ ...ask('prefix', CALM.en), stream: false });
      await request(`${product.gateway}/api/chat`, { method: 'POST', body, headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) } });
      assert.equal(model.calls[1].path, want.replace(/\/v\d\/chat\/completions$/, '/api/chat'), 'what is not below /v1 stands beside it');
    });
  }
});

test('the upstream key of the environment goes upstream, the client\'s does not', async () => {
  await withUpstream({ env: { PLUMBLINE_UPSTREAM_KEY: 'sk-upstream-secret' } }, async (product, model) => {
    await chat(product.gateway, ask('key', CALM.en), { headers: { authorization: 'Bearer sk-client', 'api-key': 'sk-client', 'x-api-key': 'sk-client' } });
    const { headers } = model.calls[0];
    assert.equal(headers.authorization, 'Bearer sk-upstream-secret');
    assert.equal(headers['x-api-key'], undefined);
    assert.ok(!JSON.stringify(headers).includes('sk-client'), JSON.stringify(headers));
    // Anthropic's API takes the key in a header of its own
    const body = JSON.stringify({ max_tokens: 9, ...ask('key', CALM.en) });
    await request(`${product.gateway}/v1/messages`, { method: 'POST', body, headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), 'x-api-key': 'sk-client' } });
    assert.equal(model.calls[1].headers['x-api-key'], 'sk-upstream-secret');
    assert.ok(!JSON.stringify(model.calls[1].headers).includes('sk-client'));
    // the secret is in no file of the instance and in no command line
    const found = await run('grep', ['-rlF', 'sk-upstream-secret', product.dir]);
    assert.equal(found.stdout, '');
    for (const pid of product.pids().all) assert.ok(!fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('sk-upstream-secret'));
    assert.ok(!product.logs().includes('sk-upstream-secret'));
  });
});

test('without one the client\'s key passes through', async () => {
  await withUpstream({}, async (product, model) => {
    await chat(product.gateway, ask('key', CALM.en), { headers: { authorization: 'Bearer sk-client' } });
    assert.equal(model.calls[0].headers.authorization, 'Bearer sk-client');
    await chat(product.gateway, ask('key', CALM.en));
    assert.equal(model.calls[1].headers.authorization, undefined);
    assert.ok(!product.logs().includes('sk-client') && !product.childLogs().includes('sk-client'));
  });
});
