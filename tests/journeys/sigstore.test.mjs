// `plumbline evidence bundle` against the verifier of the Sigstore project for JavaScript. The
// keys come from the ledger's vkey file, read here, and not from what the command wrote.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { bundleFromJSON } from '@sigstore/bundle';
import { dsse } from '@sigstore/core';
import { TrustedRoot } from '@sigstore/protobuf-specs';
import { Verifier, toSignedEntity, toTrustMaterial } from '@sigstore/verify';
import { BIN, makeTemp, run, startProduct } from '../gateway/lib/product.mjs';
import { openEnvelope, parseVkey, sha256 } from '../gateway/lib/verify.mjs';

const ENTRIES = 7; // a path of several hashes on both sides
let temp, dir, key, bundle, root;

const cli = (args) => run(BIN, [...args, '--dir', dir]);

async function ok(args) {
  const r = await cli(args);
  assert.equal(r.code, 0, `${args.join(' ')}\n${r.stdout}${r.stderr}`);
  return r.stdout;
}

async function makeBundle(index, name = 'bundle.json') {
  const file = path.join(temp, name);
  const said = JSON.parse(await ok(['evidence', 'bundle', String(index), '-o', file, '--trusted-root', path.join(temp, 'root.json'), '--json']));
  return { said, json: JSON.parse(fs.readFileSync(file, 'utf8')) };
}

before(async () => {
  temp = makeTemp('pl-sigstore-');
  dir = path.join(temp, 'data');
  assert.equal((await run(BIN, ['init', '--dir', dir])).code, 0);
  const statement = path.join(temp, 'statement.json');
  for (let i = 0; i < ENTRIES; i++) {
    fs.writeFileSync(statement, JSON.stringify({
      _type: 'https://in-toto.io/Statement/v1',
      subject: [{ name: `model:m${i}`, digest: { sha256: sha256(`model:m${i}`).toString('hex') } }],
      predicateType: 'https://example.org/tested/v1', predicate: { 结果: '通过', i },
    }));
    await ok(['ledger', 'append', statement, '--any-type']);
  }
  key = parseVkey(fs.readFileSync(path.join(dir, 'ledger/vkey'), 'utf8'));
  bundle = (await makeBundle(4)).json;
  root = JSON.parse(fs.readFileSync(path.join(temp, 'root.json'), 'utf8'));
});

after(() => fs.rmSync(temp, { recursive: true, force: true }));

/** What a relying party does who knows the log's key. */
function verify(json, trusted = root, spki = key.key.export({ type: 'spki', format: 'der' })) {
  const hint = bundle.verificationMaterial.publicKey.hint;
  const material = toTrustMaterial(TrustedRoot.fromJSON(trusted), { [hint]: { rawBytes: spki } });
  const verifier = new Verifier(material, { tlogThreshold: 1, ctlogThreshold: 0, timestampThreshold: 0 });
  verifier.verify(toSignedEntity(bundleFromJSON(json)));
}

const flip = (base64, at = 0) => {
  const b = Buffer.from(base64, 'base64');
  b[at < 0 ? b.length + at : at] ^= 1;
  return b.toString('base64');
};
const entry = (json) => json.verificationMaterial.tlogEntries[0];
const body = (json) => JSON.parse(Buffer.from(entry(json).canonicalizedBody, 'base64').toString('utf8'));

function fails(code, change) {
  const json = structuredClone(bundle);
  change(json);
  assert.throws(() => verify(json), (e) => e.code === code, String(change));
}

test('@sigstore/verify accepts the bundle', () => verify(bundle));

test('the trusted root says what the verifier key file says', () => {
  const [tlog] = root.tlogs;
  assert.deepEqual(Buffer.from(tlog.publicKey.rawBytes, 'base64'), key.key.export({ type: 'spki', format: 'der' }));
  assert.deepEqual(Buffer.from(tlog.checkpointKeyId.keyId, 'base64').subarray(0, 4), key.id);
  assert.equal(tlog.baseUrl, `https://${key.name}`);
});

test('the bundle shows the entry that was asked for, and its record is in the ledger', async () => {
  const asked = Buffer.from(JSON.parse(await ok(['ledger', 'prove', '4', '--json'])).entry, 'base64');
  const envelope = JSON.parse(asked);
  assert.equal(bundle.dsseEnvelope.payload, envelope.payload);
  assert.equal(bundle.dsseEnvelope.signatures[0].sig, envelope.signatures[0].sig);
  const record = Buffer.from(JSON.parse(await ok(['ledger', 'prove', entry(bundle).logIndex, '--json'])).entry, 'base64');
  assert.equal(record.toString('base64'), entry(bundle).canonicalizedBody);
  const statement = openEnvelope(record, key);
  assert.match(statement.predicateType, /\/sigstore-entry\/v1$/);
  assert.deepEqual(statement.predicate, { entry: 4, leaf: sha256(Buffer.from([0]), asked).toString('hex') });
  await ok(['ledger', 'verify']);
});

test('it accepts no bundle with a single defect', () => {
  const inclusion = 'TLOG_INCLUSION_PROOF_ERROR';
  const proof = (j) => entry(j).inclusionProof;
  assert.ok(proof(bundle).hashes.length >= 1);
  for (let i = 0; i < proof(bundle).hashes.length; i++) {
    fails(inclusion, (j) => { proof(j).hashes[i] = flip(proof(j).hashes[i], 31); });
    fails(inclusion, (j) => { proof(j).hashes.splice(i, 1); });
  }
  fails(inclusion, (j) => { proof(j).logIndex = String(Number(proof(j).logIndex) - 1); });
  fails(inclusion, (j) => { proof(j).logIndex = '99'; });
  // The checkpoint: its size, its root, its signature.
  const note = (change) => fails(inclusion, (j) => {
    const before = proof(j).checkpoint.envelope;
    proof(j).checkpoint.envelope = change(before.split('\n')).join('\n');
    assert.notEqual(proof(j).checkpoint.envelope, before);
  });
  note((l) => l.with(1, String(Number(l[1]) + 1)));
  note((l) => l.with(2, flip(l[2])));
  note((l) => l.with(4, l[4].replace(/\S+$/, (s) => flip(s, 20))));
  note((l) => l.with(4, l[4].replace(/\S+$/, (s) => flip(s, 0))));
  note((l) => l.slice(0, 4).concat(''));
  // The record: another one is not in the log, whatever it says.
  fails(inclusion, (j) => { entry(j).canonicalizedBody = Buffer.from(JSON.stringify({ ...body(j), more: 1 })).toString('base64'); });
  // What is signed.
  fails('TLOG_BODY_ERROR', (j) => { j.dsseEnvelope.payload = flip(j.dsseEnvelope.payload, 40); });
  fails('TLOG_BODY_ERROR', (j) => { j.dsseEnvelope.signatures[0].sig = flip(j.dsseEnvelope.signatures[0].sig, 5); });
  fails('TLOG_BODY_ERROR', (j) => { entry(j).kindVersion.version = '0.0.1'; });
  fails('SIGNATURE_ERROR', (j) => { j.dsseEnvelope.payloadType += '2'; });
});

test('a record cannot be used for another entry', async () => {
  const other = (await makeBundle(5, 'other.json')).json;
  verify(other);
  fails('TLOG_BODY_ERROR', (j) => { j.verificationMaterial.tlogEntries = other.verificationMaterial.tlogEntries; });
});

test('beside a running daemon the record is entered by it', async () => {
  const product = await startProduct({ dir });
  try {
    const { said, json } = await makeBundle(2, 'beside.json');
    verify(json);
    assert.equal(entry(json).logIndex, String(said.ledger_index));
    const again = (await makeBundle(2, 'again.json')).said;
    assert.equal(again.ledger_index, said.ledger_index);
    assert.notEqual((await cli(['evidence', 'bundle', '999999', '-o', path.join(temp, 'none.json')])).code, 0);
    assert.equal(fs.existsSync(path.join(temp, 'none.json')), false);
  } finally {
    await product.stop();
  }
  await ok(['ledger', 'verify']);
});

test('keys of another log are refused', async () => {
  const strange = path.join(temp, 'strange');
  assert.equal((await run(BIN, ['init', '--dir', strange])).code, 0);
  const theirs = parseVkey(fs.readFileSync(path.join(strange, 'ledger/vkey'), 'utf8')).key.export({ type: 'spki', format: 'der' });
  assert.throws(() => verify(bundle, root, theirs), (e) => e.code === 'SIGNATURE_ERROR');
  const trusted = structuredClone(root);
  trusted.tlogs[0].publicKey.rawBytes = theirs.toString('base64');
  assert.throws(() => verify(bundle, trusted), (e) => e.code === 'TLOG_INCLUSION_PROOF_ERROR');
});

test('@sigstore/core encodes what we signed as we did', () => {
  const payload = Buffer.from(bundle.dsseEnvelope.payload, 'base64');
  const type = bundle.dsseEnvelope.payloadType;
  assert.deepEqual(dsse.preAuthEncoding(type, payload), Buffer.concat([Buffer.from(`DSSEv1 ${type.length} ${type} ${payload.length} `), payload]));
});

test('asking again enters nothing new', async () => {
  const size = JSON.parse(await ok(['ledger', 'verify', '--json'])).size;
  const { said, json } = await makeBundle(4, 'again.json');
  assert.equal(String(said.ledger_index), entry(bundle).logIndex);
  assert.equal(JSON.parse(await ok(['ledger', 'verify', '--json'])).size, size);
  verify(json);
});

test('what cannot be shown is refused, and nothing is written', async () => {
  const file = path.join(temp, 'none.json');
  for (const [index, code] of [['99', 4], ['x', 4], ['-1', 2]]) {
    const r = await cli(['evidence', 'bundle', index, '-o', file]);
    assert.equal(r.code, code, `${index}: ${r.stderr}`);
  }
  assert.equal((await cli(['evidence', 'bundle', '0'])).code, 2);
  assert.equal(fs.existsSync(file), false);
});
