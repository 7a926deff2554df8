// `plumbline label add --c2pa` against the validators people use: the reference implementation
// (c2pa-rs as WebAssembly) for every format, and an independent one in TypeScript for those it knows.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { createRequire } from 'node:module';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { initSync, WasmBuilder, WasmReader } from '@contentauth/c2pa-wasm';
import { BMFF, JPEG, PNG } from '@trustnxt/c2pa-ts/asset';
import { SuperBox } from '@trustnxt/c2pa-ts/jumbf';
import { ManifestStore } from '@trustnxt/c2pa-ts/manifest';
import { request } from '../gateway/lib/client.mjs';
import { BIN, makeTemp, run, startProduct } from '../gateway/lib/product.mjs';

const LABEL = ['--producer', '001191110102MAD55U9H0F10002', '--content-id', 'journey-1'];
const require = createRequire(import.meta.url);
let temp;

const at = (name) => path.join(temp, name);

async function ok(file, args) {
  const r = await run(file, args, { cwd: temp });
  assert.equal(r.code, 0, `${file} ${args.join(' ')}\n${r.stdout}${r.stderr}`);
  return r.stdout;
}

// --- who signs --------------------------------------------------------------------------------

const LEAF = 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=emailProtection\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n';
const KINDS = {
  es256: ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  es384: ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384'],
  ps256: ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'],
  ed25519: ['-algorithm', 'ED25519'],
};

async function identities() {
  fs.writeFileSync(at('leaf.cnf'), LEAF);
  await ok('openssl', ['genpkey', ...KINDS.es256, '-out', 'ca.key']);
  await ok('openssl', ['req', '-x509', '-new', '-key', 'ca.key', '-days', '30', '-subj', '/O=Journey/CN=Journey Root', '-addext', 'keyUsage=critical,keyCertSign', '-out', 'ca.pem']);
  for (const [name, how] of Object.entries(KINDS)) {
    await ok('openssl', ['genpkey', ...how, '-out', `${name}.key`]);
    fs.chmodSync(at(`${name}.key`), 0o600);
    await ok('openssl', ['req', '-new', '-key', `${name}.key`, '-subj', `/O=Journey/CN=${name}`, '-out', 'leaf.csr']);
    await ok('openssl', ['x509', '-req', '-in', 'leaf.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '20', '-extfile', 'leaf.cnf', '-out', `${name}.pem`]);
  }
}

// --- what is signed ---------------------------------------------------------------------------

const PDF = `%PDF-1.4
1 0 obj
<< /Type /Catalog /Pages 2 0 R >>
endobj
2 0 obj
<< /Type /Pages /Kids [3 0 R] /Count 1 >>
endobj
3 0 obj
<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 200] >>
endobj
`;

/** With a table that is right. */
function pdf() {
  const offsets = [...PDF.matchAll(/^\d 0 obj/gm)].map((m) => `${String(m.index).padStart(10, '0')} 00000 n \n`);
  return `${PDF}xref\n0 4\n0000000000 65535 f \n${offsets.join('')}trailer\n<< /Size 4 /Root 1 0 R >>\nstartxref\n${PDF.length}\n%%EOF\n`;
}

const FORMATS = {
  'a.jpg': 'image/jpeg', 'a.png': 'image/png', 'a.webp': 'image/webp', 'a.gif': 'image/gif', 'a.avif': 'image/avif', 'a.svg': 'image/svg+xml',
  'a.mp4': 'video/mp4', 'a.wav': 'audio/wav', 'a.mp3': 'audio/mpeg', 'a.flac': 'audio/flac', 'a.pdf': 'application/pdf',
  'a.mov': 'video/quicktime', 'a.m4a': 'audio/mp4', 'a.avi': 'video/avi', 'a.tiff': 'image/tiff', 'a.heic': 'image/heic',
};

async function samples() {
  const ffmpeg = (args) => ok('ffmpeg', ['-v', 'error', '-f', 'lavfi', ...args]);
  for (const f of ['a.jpg', 'a.png', 'a.webp', 'a.gif', 'a.tiff']) await ffmpeg(['-i', 'testsrc=size=320x240:duration=1:rate=1', '-frames:v', '1', f]);
  await ffmpeg(['-i', 'testsrc=size=64x64:duration=1:rate=1', '-frames:v', '1', '-c:v', 'libaom-av1', '-still-picture', '1', '-cpu-used', '8', 'a.avif']);
  await ffmpeg(['-i', 'testsrc=size=160x120:duration=3:rate=10', '-c:v', 'libx264', '-pix_fmt', 'yuv420p', 'a.mp4']);
  for (const f of ['a.mov', 'a.avi']) await ok('ffmpeg', ['-v', 'error', '-i', 'a.mp4', '-c', 'copy', f]);
  for (const f of ['a.wav', 'a.mp3', 'a.flac', 'a.m4a']) await ffmpeg(['-i', 'sine=frequency=300:duration=3', f]);
  await ok('heif-enc', ['a.png', '-o', 'a.heic']);
  fs.writeFileSync(at('a.svg'), '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>\n');
  fs.writeFileSync(at('a.pdf'), pdf());
}

// --- who judges -------------------------------------------------------------------------------

async function reference(file, type) {
  const settings = {
    trust: { trust_anchors: fs.readFileSync(at('ca.pem'), 'utf8'), trust_config: '1.3.6.1.5.5.7.3.4\n' },
    verify: { verify_trust: true, remote_manifest_fetch: false },
  };
  const reader = await WasmReader.fromBytes(type, new Uint8Array(fs.readFileSync(at(file))), JSON.stringify(settings));
  const report = JSON.parse(reader.json());
  reader.free();
  return report;
}

async function assertReference(file, type) {
  const r = await reference(file, type);
  const failures = r.validation_results.activeManifest.failure.map((f) => `${f.code} ${f.explanation}`);
  assert.deepEqual(failures, [], file);
  assert.equal(r.validation_state, 'Trusted', file);
  return r;
}

/** The TypeScript validator knows no trust lists: intact or not. */
async function assertIndependent(file, Asset) {
  const bytes = fs.readFileSync(at(file));
  assert.ok(await Asset.canRead(bytes), file);
  const asset = await Asset.create?.(bytes) ?? new Asset(bytes);
  const store = ManifestStore.read(SuperBox.fromBuffer(await asset.getManifestJUMBF()));
  const result = await store.validate(asset);
  const bad = result.statusEntries.filter((e) => e.success === false && e.code !== 'signingCredential.untrusted').map((e) => e.code);
  assert.deepEqual(bad, [], file);
}

/** A PKCS#11 token with the key of that certificate. */
async function token(kind) {
  const module = ['/usr/lib/softhsm/libsofthsm2.so', '/usr/lib64/pkcs11/libsofthsm2.so'].find((f) => fs.existsSync(f));
  const env = { SOFTHSM2_CONF: at('softhsm2.conf'), PLUMBLINE_TOKEN_PIN: '4711' };
  fs.mkdirSync(at('tokens'), { recursive: true });
  fs.writeFileSync(at('softhsm2.conf'), `directories.tokendir = ${at('tokens')}\nobjectstore.backend = file\n`);
  const hsm = async (args) => {
    const r = await run('softhsm2-util', args, { env });
    assert.equal(r.code, 0, r.stderr);
  };
  if (fs.readdirSync(at('tokens')).length === 0) await hsm(['--init-token', '--free', '--label', 'signers', '--pin', '4711', '--so-pin', '0815']);
  await hsm(['--import', at(`${kind}.key`), '--token', 'signers', '--label', kind, '--id', kind === 'es256' ? '01' : '02', '--pin', '4711']);
  return { env, uri: `pkcs11:token=signers;object=${kind}?module-path=${module}` };
}

// --- the other way round: the reference implementation signs --------------------------------------

/** Read at once, as its builder wants it in a worker. */
class SyncBlob extends Blob {
  constructor(parts, options) {
    super(parts, options);
    this.raw = Buffer.concat(parts.map((p) => Buffer.from(p)));
  }

  slice(from, to, type) {
    return new SyncBlob([this.raw.subarray(from, to)], { type });
  }
}

globalThis.FileReaderSync = class {
  readAsArrayBuffer(blob) {
    return new Uint8Array(blob.raw).buffer;
  }
};

function cborHead(major, n) {
  if (n < 24) return Buffer.from([(major << 5) | n]);
  if (n < 256) return Buffer.from([(major << 5) | 24, n]);
  return Buffer.from([(major << 5) | 25, n >> 8, n & 255]);
}
const bytes = (b) => Buffer.concat([cborHead(2, b.length), b]);
const text = (s) => Buffer.concat([cborHead(3, s.length), Buffer.from(s)]);

/** A COSE_Sign1 of the room kept for it. */
function theirSigner() {
  const reserveSize = 4096;
  const key = crypto.createPrivateKey(fs.readFileSync(at('es256.key')));
  const header = Buffer.concat([Buffer.from([0xa2, 1, 0x26, 0x18, 0x21]), bytes(new crypto.X509Certificate(fs.readFileSync(at('es256.pem'))).raw)]);
  const sign = async (claim) => {
    const signed = Buffer.concat([Buffer.from([0x84]), text('Signature1'), bytes(header), bytes(Buffer.alloc(0)), bytes(Buffer.from(claim))]);
    const sig = crypto.sign('sha256', signed, { key, dsaEncoding: 'ieee-p1363' });
    const message = (pad) => Buffer.concat([Buffer.from([0xd2, 0x84]), bytes(header), Buffer.from([0xa1]), text('pad'), bytes(Buffer.alloc(pad)), Buffer.from([0xf6]), bytes(sig)]);
    return new Uint8Array(message(reserveSize - message(0).length - 2));
  };
  return { alg: 'es256', reserveSize, sign };
}

async function theySign(from, to, type, settings = {}) {
  const definition = { claim_generator_info: [{ name: 'theirs', version: '1' }], title: from,
    assertions: [{ label: 'c2pa.actions', data: { actions: [{ action: 'c2pa.created', digitalSourceType: 'http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture' }] } }] };
  const builder = WasmBuilder.fromJson(JSON.stringify(definition), JSON.stringify({ ...settings, verify: { verify_after_sign: false } }));
  fs.writeFileSync(at(to), await builder.sign(theirSigner(), [], type, new SyncBlob([fs.readFileSync(at(from))], { type })));
}

async function ours(file) {
  const r = await run(BIN, ['inspect', at(file), '--trust', at('ca.pem'), '--json']);
  return JSON.parse(r.stdout).c2pa;
}

// --- a time stamp authority --------------------------------------------------------------------------

const TSA_CONFIG = `[tsa]
default_tsa = here
[here]
serial = tsa.serial
crypto_device = builtin
signer_digest = sha256
default_policy = 1.3.6.1.4.1.4146.2.3
digests = sha256
accuracy = secs:1
ess_cert_id_alg = sha256
`;

async function authority() {
  fs.writeFileSync(at('tsa.cnf'), TSA_CONFIG);
  fs.writeFileSync(at('tsa.serial'), '01\n');
  fs.writeFileSync(at('tsa.ext'), 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=critical,timeStamping\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n');
  await ok('openssl', ['genpkey', ...KINDS.es256, '-out', 'tsa.key']);
  await ok('openssl', ['req', '-new', '-key', 'tsa.key', '-subj', '/O=Journey/CN=Journey Time', '-out', 'tsa.csr']);
  await ok('openssl', ['x509', '-req', '-in', 'tsa.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '20', '-extfile', 'tsa.ext', '-out', 'tsa.pem']);
  const server = http.createServer(async (q, a) => {
    const parts = [];
    for await (const p of q) parts.push(p);
    fs.writeFileSync(at('tsa.tsq'), Buffer.concat(parts));
    const r = await run('openssl', ['ts', '-reply', '-config', 'tsa.cnf', '-queryfile', 'tsa.tsq', '-signer', 'tsa.pem', '-inkey', 'tsa.key', '-out', 'tsa.tsr'], { cwd: temp });
    a.writeHead(r.code === 0 ? 200 : 500, { 'content-type': 'application/timestamp-reply' });
    a.end(r.code === 0 ? fs.readFileSync(at('tsa.tsr')) : r.stderr);
  });
  await new Promise((done) => { server.listen(0, '127.0.0.1', done); });
  return server;
}

before(async () => {
  temp = makeTemp('pl-c2pa-');
  initSync({ module: fs.readFileSync(path.join(path.dirname(require.resolve('@contentauth/c2pa-wasm')), 'c2pa_bg.wasm')) });
  await identities();
  await samples();
});

after(() => {
  if (temp) fs.rmSync(temp, { recursive: true, force: true });
});

const sign = (from, to, kind, more = []) => ok(BIN, ['label', 'add', from, '-o', to, '--c2pa', '--key', `${kind}.key`, '--cert', `${kind}.pem`, ...more]);

// PROVES: C2PA-2.2/10.3.2
for (const [file, type] of Object.entries(FORMATS)) {
  test(`label_add_c2pa__${file.slice(2)}_is_trusted_by_the_reference_implementation`, async () => {
    await sign(file, `1-${file}`, 'es256', LABEL);
    const r = await assertReference(`1-${file}`, type);
    const active = r.manifests[r.active_manifest];
    const actions = active.assertions.find((x) => x.label.startsWith('c2pa.actions')).data.actions;
    assert.equal(actions[0].action, 'c2pa.created');
    assert.match(actions[0].digitalSourceType, /trainedAlgorithmicMedia$/);
    // Ours agrees, and knows the label as well.
    const mine = await ours(`1-${file}`);
    assert.equal(mine.state, 'Trusted');
    assert.equal(mine.integrity, 'intact');
  });
}

for (const kind of Object.keys(KINDS)) {
  test(`label_add_c2pa__signs_with_${kind}`, async () => {
    await sign('a.jpg', `${kind}.jpg`, kind);
    await assertReference(`${kind}.jpg`, 'image/jpeg');
    await assertIndependent(`${kind}.jpg`, JPEG);
  });
}

for (const kind of ['es256', 'ed25519']) {
  test(`label_add_c2pa__signs_with_a_${kind}_key_on_a_token`, async () => {
    const { uri, env } = await token(kind);
    const args = (cert) => ['label', 'add', at('a.jpg'), '-o', at(`token-${kind}.jpg`), '--c2pa', '--key', uri, '--cert', at(`${cert}.pem`)];
    const r = await run(BIN, args(kind), { env });
    assert.equal(r.code, 0, r.stderr);
    await assertReference(`token-${kind}.jpg`, 'image/jpeg');
    fs.writeFileSync(at('token.key'), `${uri}\n`, { mode: 0o600 });
    const named = await run(BIN, ['label', 'add', at('a.png'), '-o', at(`token-${kind}.png`), '--c2pa', '--key', at('token.key'), '--cert', at(`${kind}.pem`)], { env });
    assert.equal(named.code, 0, named.stderr);
    await assertReference(`token-${kind}.png`, 'image/png');
    fs.rmSync(at(`token-${kind}.jpg`));
    const other = await run(BIN, args(kind === 'es256' ? 'es384' : 'es256'), { env });
    assert.notEqual(other.code, 0, 'a certificate of another key');
    assert.notEqual((await run(BIN, args(kind), { env: { ...env, PLUMBLINE_TOKEN_PIN: '0000' } })).code, 0);
    assert.ok(!fs.existsSync(at(`token-${kind}.jpg`)));
  });
}

test('inspect_as_platform__signs_what_it_passes_on', async () => {
  await sign('a.jpg', 'made.jpg', 'es256', LABEL);
  const args = ['inspect', at('made.jpg'), '--as-platform', '001191440300708461136T20000', '--platform-id', 'p-7', '-o'];
  const bare = await run(BIN, [...args, at('passed-bare.jpg')]);
  assert.equal(bare.code, 0, bare.stderr);
  assert.match(bare.stderr, /manifest was made for the file without this label/);
  const r = await run(BIN, [...args, at('passed.jpg'), '--c2pa', '--key', at('ps256.key'), '--cert', at('ps256.pem'), '--json']);
  assert.equal(r.code, 0, r.stderr + r.stdout);
  assert.deepEqual([JSON.parse(r.stdout).platform.signed, JSON.parse(r.stdout).platform.c2pa_broken], [true, false]);
  const report = await assertReference('passed.jpg', 'image/jpeg');
  assert.equal(Object.keys(report.manifests).length, 2);
  const mine = JSON.parse((await run(BIN, ['inspect', at('passed.jpg'), '--json'])).stdout);
  assert.deepEqual([mine.labels.length, mine.labels[0].members.PropagateID, mine.labels[0].members.ProduceID, mine.c2pa.integrity], [1, 'p-7', 'journey-1', 'intact']);
});

test('inspect__shows_where_label_and_manifest_tell_different_stories', async () => {
  const codes = async (f) => JSON.parse((await run(BIN, ['inspect', at(f), '--json'])).stdout).conflicts.map((c) => c.code);
  await sign('a.jpg', 'captured.jpg', 'es256', [...LABEL, '--source-type', 'digitalCapture']);
  assert.deepEqual(await codes('captured.jpg'), ['label.generated-manifest.captured']);
  await sign('a.jpg', 'generated.jpg', 'es256');
  assert.deepEqual(await codes('generated.jpg'), ['manifest.generated-label.missing']);
  await sign('a.jpg', 'both.jpg', 'es256', LABEL);
  assert.deepEqual(await codes('both.jpg'), []);
  await sign('a.jpg', 'photo.jpg', 'es256', ['--source-type', 'digitalCapture']);
  assert.deepEqual(await codes('photo.jpg'), []);
  fs.writeFileSync(at('shown.txt'), '今天天气很好。\n\n内容由AI生成\n');
  assert.deepEqual(await codes('shown.txt'), ['visible-label.implicit-missing']);
  const text = await run(BIN, ['inspect', at('captured.jpg'), '--lang', 'zh-CN']);
  assert.match(text.stdout, /矛盾.*拍摄/);
});

test('label_add_c2pa__in_place_is_trusted_too', async () => {
  for (const [file, type] of Object.entries(FORMATS)) {
    const to = `place-${file}`;
    fs.copyFileSync(at(file), at(to));
    const ino = fs.statSync(at(to)).ino;
    await ok(BIN, ['label', 'add', '--in-place', to, '--c2pa', '--key', 'es256.key', '--cert', 'es256.pem', ...LABEL]);
    assert.equal(fs.statSync(at(to)).ino, ino);
    await assertReference(to, type);
    // Byte by byte what a copy would be, but for what is new each time.
    const i = JSON.parse((await run(BIN, ['inspect', at(to), '--json'])).stdout);
    assert.deepEqual([i.labels.length, i.labels[0].conforms, i.c2pa.integrity], [1, true, 'intact'], file);
  }
});

test('inspect__takes_a_folder_as_a_trust_list', async () => {
  await sign('a.jpg', 'folder.jpg', 'es256');
  fs.mkdirSync(at('anchors'));
  fs.copyFileSync(at('es384.pem'), at('anchors/a-other.pem'));
  const look = async () => JSON.parse((await run(BIN, ['inspect', at('folder.jpg'), '--trust', `${at('anchors')}/`, '--json'])).stdout).c2pa.trust;
  assert.equal((await look()).standing, 'untrusted');
  fs.copyFileSync(at('ca.pem'), at('anchors/root.pem'));
  assert.deepEqual([(await look()).standing, (await look()).list], ['trusted', 'anchors']);
});

test('label_add_c2pa__is_accepted_by_an_independent_validator', async () => {
  for (const [file, Asset] of [['i.png', PNG], ['i.avif', BMFF], ['i.jpg', JPEG]]) {
    await sign(file.replace('i.', 'a.'), file, 'es256', LABEL);
    await assertIndependent(file, Asset);
  }
});

test('label_add_c2pa__keeps_an_earlier_manifest_as_the_parents', async () => {
  await sign('a.jpg', 'first.jpg', 'es256', LABEL);
  await sign('first.jpg', 'second.jpg', 'es384', ['--source-type', 'compositeWithTrainedAlgorithmicMedia']);
  const r = await assertReference('second.jpg', 'image/jpeg');
  assert.equal(Object.keys(r.manifests).length, 2);
  assert.equal(r.manifests[r.active_manifest].ingredients[0].relationship, 'parentOf');
  assert.equal(r.manifests[r.active_manifest].ingredients[0].active_manifest !== undefined, true);
});

test('label_add_c2pa__a_changed_picture_is_found_by_both', async () => {
  await sign('a.jpg', 'whole.jpg', 'es256');
  const bytes = fs.readFileSync(at('whole.jpg'));
  bytes[bytes.length - 40] ^= 1;
  fs.writeFileSync(at('broken.jpg'), bytes);
  const theirs = await reference('broken.jpg', 'image/jpeg');
  assert.equal(theirs.validation_state, 'Invalid');
  assert.ok(theirs.validation_results.activeManifest.failure.some((f) => f.code === 'assertion.dataHash.mismatch'));
  const r = await run(BIN, ['inspect', at('broken.jpg'), '--trust', at('ca.pem'), '--json']);
  assert.equal(r.code, 1);
  const mine = JSON.parse(r.stdout).c2pa;
  assert.equal(mine.integrity, 'broken');
  assert.equal(mine.signer.name, 'es256');
  assert.ok(mine.codes.some((c) => c.code === 'assertion.dataHash.mismatch'));
});

test('label_add__shows_labels_and_signs_what_it_shows', async () => {
  for (const [file, type] of [['a.jpg', 'image/jpeg'], ['a.mp4', 'video/mp4'], ['a.wav', 'audio/wav'], ['a.pdf', 'application/pdf']]) {
    const out = JSON.parse(await sign(file, `e-${file}`, 'es256', [...LABEL, '--explicit', '--json']));
    assert.equal(out.visible, true);
    assert.equal(out.signed, true);
    await assertReference(`e-${file}`, type);
  }
});

test('label_add_c2pa__refuses_what_would_not_verify', async () => {
  const refused = async (args, why) => {
    const r = await run(BIN, ['label', 'add', at('a.jpg'), '-o', at('no.jpg'), ...args], { cwd: temp });
    assert.equal(r.code, 4, r.stderr);
    assert.match(r.stderr, why);
    assert.equal(fs.existsSync(at('no.jpg')), false);
  };
  await refused(['--c2pa', '--key', 'es256.key', '--cert', 'es384.pem'], /is not that of/);
  await refused(['--c2pa', '--key', 'ca.key', '--cert', 'ca.pem'], /cannot sign for C2PA|open to|permission/);
  await refused(['--c2pa'], /--key FILE --cert FILE/);
  await refused(['--c2pa', '--key', 'es256.key', '--cert', 'es256.pem', '--source-type', 'magic'], /no digital source type/);
  await refused(['--explicit', '--size', '2'], /5\.2/);
  await refused(['--explicit', '--text', 'made by a machine'], /5\.2/);
});

for (const [file, type] of Object.entries(FORMATS).filter(([f]) => !/gif|flac/.test(f))) {
  test(`inspect__reads_${file.slice(2)}_signed_by_the_reference_implementation`, async () => {
    await theySign(file, `t-${file}`, type);
    const r = await ours(`t-${file}`);
    assert.deepEqual(r.codes.filter((c) => c.level === 'failure'), [], file);
    assert.equal(r.state, 'Trusted');
    assert.equal(r.integrity, 'intact');
    assert.equal(r.claim.generator, 'theirs');
    assert.equal(r.generated, false);
  });
}

test('inspect__builds_the_trees_over_media_data_anew', async () => {
  await theySign('a.mp4', 'tree.mp4', 'video/mp4', { core: { merkle_tree_chunk_size_in_kb: 1 } });
  const whole = fs.readFileSync(at('tree.mp4'));
  assert.ok(whole.includes('merkle'));
  const r = await ours('tree.mp4');
  assert.deepEqual(r.codes.filter((c) => c.level === 'failure'), []);
  assert.equal(r.integrity, 'intact');
  let mdat = 0;
  while (whole.toString('latin1', mdat + 4, mdat + 8) !== 'mdat') mdat += whole.readUInt32BE(mdat);
  for (const [n, where] of [mdat + 12, mdat + 3000].entries()) {
    const changed = Buffer.from(whole);
    changed[where] ^= 1;
    fs.writeFileSync(at(`tree${n}.mp4`), changed);
    const broken = await ours(`tree${n}.mp4`);
    assert.equal(broken.integrity, 'broken');
    assert.ok(broken.codes.some((c) => c.code === 'assertion.bmffHash.mismatch'));
  }
});

test('label_add_c2pa__dates_the_signature', async () => {
  const server = await authority();
  try {
    const url = `http://127.0.0.1:${server.address().port}/`;
    await sign('a.jpg', 'dated.jpg', 'es256', ['--tsa', url, '--tsa-roots', 'ca.pem']);
    const r = await assertReference('dated.jpg', 'image/jpeg');
    const codes = r.validation_results.activeManifest.success.map((c) => c.code);
    assert.ok(codes.includes('timeStamp.validated') && codes.includes('timeStamp.trusted'), codes.join(' '));
    const mine = await ours('dated.jpg');
    assert.equal(mine.time_stamp.trusted, true);
    assert.match(mine.time_stamp.authority, /Journey Time/);
    assert.ok(Math.abs(Date.parse(mine.time_stamp.time) - Date.now()) < 60_000);
  } finally {
    server.close();
  }
});

test('over_http__the_installation_signs_and_shows_labels', async () => {
  const server = await authority();
  const product = await startProduct({ configure: (dir) => {
    fs.copyFileSync(at('es256.key'), path.join(dir, 'keys/c2pa.key'));
    fs.chmodSync(path.join(dir, 'keys/c2pa.key'), 0o600);
    fs.copyFileSync(at('es256.pem'), path.join(dir, 'keys/c2pa.pem'));
    const file = path.join(dir, 'plumbline.yaml');
    fs.writeFileSync(file, fs.readFileSync(file, 'utf8').replace(/^gateway:/m,
      `ledger:\n  timestamp:\n    url: "http://127.0.0.1:${server.address().port}/"\n    interval_minutes: 60\n    roots: "${at('ca.pem')}"\n\ngateway:`));
  } });
  const send = (query, file) => request(`http://localhost/api/v1/label?name=${file}&producer=001191110102MAD55U9H0F10002&content_id=h-1&${query}`,
    { method: 'POST', socketPath: `${product.dir}/run/control.sock`, body: fs.readFileSync(at(file)), headers: { 'content-type': 'application/octet-stream' } });
  try {
    for (const [file, type] of [['a.jpg', 'image/jpeg'], ['a.png', 'image/png'], ['a.webp', 'image/webp'], ['a.wav', 'audio/wav'], ['a.pdf', 'application/pdf']]) {
      const r = await send('sign=1&explicit=1&record=1&source_type=compositeWithTrainedAlgorithmicMedia', file);
      assert.equal(r.status, 200, r.text);
      fs.writeFileSync(at(`http-${file}`), r.buf);
      const report = await assertReference(`http-${file}`, type);
      const codes = report.validation_results.activeManifest.success.map((c) => c.code);
      assert.ok(codes.includes('timeStamp.trusted'), `${file} ${codes}`);
      assert.match(JSON.stringify(report.manifests[report.active_manifest]), /compositeWithTrainedAlgorithmicMedia/);
    }
    // The label is drawn: pixels differ, and differ from what a smaller one gives.
    const pixels = async (f) => (await run('ffmpeg', ['-v', 'error', '-i', at(f), '-f', 'hash', '-'])).stdout;
    assert.notEqual(await pixels('http-a.png'), await pixels('a.png'));
    fs.writeFileSync(at('http-plain.png'), (await send('sign=1', 'a.png')).buf);
    assert.equal(await pixels('http-plain.png'), await pixels('a.png'));
    await sign('a.png', 'cli.png', 'es256', [...LABEL, '--explicit', '--text', '由AI生成', '--position', 'top-left', '--size', '9']);
    fs.writeFileSync(at('http-big.png'), (await send(`explicit=1&text=${encodeURIComponent('由AI生成')}&position=top-left&size=9`, 'a.png')).buf);
    assert.equal(await pixels('http-big.png'), await pixels('cli.png'), 'the same drawing as on the command line');
    // What would break the standard, or is not for the box.
    for (const q of ['explicit=1&text=hello', 'explicit=1&size=2', 'explicit=1&size=x', 'explicit=1&position=somewhere', 'sign=1&source_type=x'])
      assert.equal((await send(q, 'a.png')).status, 400, q);
    assert.equal((await send('explicit=1', 'a.mp4')).status, 400);
    const list = await run(BIN, ['ledger', 'list', '--type', 'label-issued', '--dir', product.dir, '--json']);
    assert.equal((list.stdout.match(/label-issued/g) ?? []).length, 5);
  } finally {
    server.close();
    await product.stop();
  }
});

/** Whether the memory of a process holds any of these bytes; null: it may not be read. */
function holds(pid, needles) {
  let mem;
  try { mem = fs.openSync(`/proc/${pid}/mem`, 'r'); } catch { return null; }
  try {
    for (const line of fs.readFileSync(`/proc/${pid}/maps`, 'latin1').split('\n')) {
      const m = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line);
      const n = m ? Number(BigInt(`0x${m[2]}`) - BigInt(`0x${m[1]}`)) : 0;
      if (n === 0 || n > 512 << 20) continue;
      const page = Buffer.alloc(n);
      try { fs.readSync(mem, page, 0, n, BigInt(`0x${m[1]}`)); } catch { continue; }
      if (needles.some((x) => page.includes(x))) return true;
    }
    return false;
  } finally {
    fs.closeSync(mem);
  }
}

test('over_http__the_process_that_reads_files_never_had_a_key', async (t) => {
  const product = await startProduct({ configure: (dir) => {
    for (const x of ['key', 'pem']) fs.copyFileSync(at(`es256.${x}`), path.join(dir, `keys/c2pa.${x}`));
    fs.chmodSync(path.join(dir, 'keys/c2pa.key'), 0o600);
  }, env: { PLUMBLINE_TOKEN_PIN: 'a-pin-that-nobody-else-has' } });
  try {
    const d = Buffer.from(crypto.createPrivateKey(fs.readFileSync(at('es256.key'))).export({ format: 'jwk' }).d, 'base64url');
    const needles = [d, Buffer.from(d).reverse(), Buffer.from('a-pin-that-nobody-else-has')];
    const stat = (pid) => fs.readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ');
    const all = fs.readdirSync('/proc').filter((n) => /^\d+$/.test(n));
    const command = (pid) => { try { return fs.readFileSync(`/proc/${pid}/cmdline`, 'latin1'); } catch { return ''; } };
    const ours = all.filter((pid) => command(pid).includes(product.dir) && /plumblined\0/.test(command(pid)));
    const daemon = ours.find((pid) => !ours.includes(stat(pid)[1].split(' ')[1]));
    const workers = ours.filter((pid) => stat(pid)[1].split(' ')[1] === daemon);
    assert.equal(workers.length, 1, ours.map(command).join(' '));
    const inDaemon = holds(daemon, needles);
    if (inDaemon === null) return t.skip('the memory of processes may not be read here');
    assert.ok(inDaemon, 'the daemon has the key, or this test looks for the wrong thing');
    assert.equal(holds(workers[0], needles), false);
  } finally {
    await product.stop();
  }
});

test('over_http__without_a_key_nothing_is_signed_and_a_broken_one_is_reported', async () => {
  const product = await startProduct({ configure: (dir) => {
    fs.copyFileSync(at('es384.key'), path.join(dir, 'keys/c2pa.key'));
    fs.chmodSync(path.join(dir, 'keys/c2pa.key'), 0o600);
    fs.copyFileSync(at('es256.pem'), path.join(dir, 'keys/c2pa.pem'));
  } });
  try {
    const r = await request('http://localhost/api/v1/label?name=a.png&producer=001191110102MAD55U9H0F10002&content_id=h-1&sign=1',
      { method: 'POST', socketPath: `${product.dir}/run/control.sock`, body: fs.readFileSync(at('a.png')), headers: { 'content-type': 'application/octet-stream' } });
    assert.equal(r.status, 409, r.text);
    const health = await request('http://localhost/healthz', { socketPath: `${product.dir}/run/control.sock` });
    assert.match(health.text, /C2PA key of this installation cannot be used/);
  } finally {
    await product.stop();
  }
});
