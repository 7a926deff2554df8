// Checks a receipt with nothing but node:crypto and the published formats: RFC 6962 hashes,
// DSSE, C2SP signed notes. No code of the product is used.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';

export const sha256 = (...parts) => {
  const h = crypto.createHash('sha256');
  for (const p of parts) h.update(p);
  return h.digest();
};
export const leafHash = (entry) => sha256(Buffer.from([0]), entry);
const nodeHash = (l, r) => sha256(Buffer.from([1]), l, r);

/** Hashes travel as 64 hex digits or base64. */
const hash = (s) => {
  const b = /^[0-9a-f]{64}$/.test(s) ? Buffer.from(s, 'hex') : Buffer.from(s, 'base64');
  assert.equal(b.length, 32, `'${s}' is a hash`);
  return b;
};

/** RFC 9162 §2.1.3.2. Sizes of tests fit a double. */
export function rootFromInclusion(index, size, leaf, proof) {
  assert.ok(index < size, `index ${index} below size ${size}`);
  let fn = index;
  let sn = size - 1;
  let r = leaf;
  for (const p of proof) {
    assert.notEqual(sn, 0, 'proof is not too long');
    if (fn % 2 === 1 || fn === sn) {
      r = nodeHash(p, r);
      while (fn % 2 === 0 && fn !== 0) {
        fn = Math.floor(fn / 2);
        sn = Math.floor(sn / 2);
      }
    } else {
      r = nodeHash(r, p);
    }
    fn = Math.floor(fn / 2);
    sn = Math.floor(sn / 2);
  }
  assert.equal(sn, 0, 'proof is not too short');
  return r;
}

/** "name+hex8+base64" → {name, id, key}. */
export function parseVkey(text) {
  const m = /^([^+\s]+)\+([0-9a-f]{8})\+(.+)$/.exec(text.trim());
  assert.ok(m, `'${text}' is a verifier key`);
  const raw = Buffer.from(m[3], 'base64');
  assert.equal(raw[0], 1, 'Ed25519');
  const id = sha256(`${m[1]}\n`, raw).subarray(0, 4);
  assert.equal(id.toString('hex'), m[2], 'key id belongs to the key');
  const key = crypto.createPublicKey({
    key: Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), raw.subarray(1)]), format: 'der', type: 'spki',
  });
  return { name: m[1], id, key };
}

/** Verifies a checkpoint note; gives {origin, size, root}. */
export function openCheckpoint(note, vkey) {
  const cut = note.lastIndexOf('\n\n');
  assert.ok(cut > 0, 'a note has a blank line');
  const text = note.slice(0, cut + 1);
  const lines = text.split('\n');
  const signature = note.slice(cut + 2).split('\n')
    .map((l) => /^\u2014 (\S+) (\S+)$/.exec(l))
    .find((m) => m && m[1] === vkey.name && Buffer.from(m[2], 'base64').subarray(0, 4).equals(vkey.id));
  assert.ok(signature, 'the log signed its checkpoint');
  assert.ok(crypto.verify(null, Buffer.from(text), vkey.key, Buffer.from(signature[2], 'base64').subarray(4)), 'checkpoint signature');
  assert.equal(lines[0], vkey.name, 'origin is the key name');
  assert.match(lines[1], /^(0|[1-9][0-9]*)$/);
  return { origin: lines[0], size: Number(lines[1]), root: hash(lines[2]) };
}

/** Verifies a DSSE envelope; gives the statement. */
export function openEnvelope(bytes, vkey) {
  const e = JSON.parse(bytes.toString('utf8'));
  assert.equal(e.payloadType, 'application/vnd.in-toto+json');
  const payload = Buffer.from(e.payload, 'base64');
  const pae = Buffer.concat([Buffer.from(`DSSEv1 ${e.payloadType.length} ${e.payloadType} ${payload.length} `), payload]);
  assert.ok(e.signatures.some((s) => crypto.verify(null, pae, vkey.key, Buffer.from(s.sig, 'base64'))), 'DSSE signature');
  return JSON.parse(payload.toString('utf8'));
}

/** Everything a holder of a response can check. Throws at the first thing that is wrong. */
export function verifyReceipt(receipt, { vkey, digest } = {}) {
  assert.equal(receipt.state, 'logged');
  const leaf = Buffer.from(receipt.leaf, 'base64');
  const own = leafHash(leaf);
  assert.equal(own.toString('hex'), receipt.digest, 'digest of the leaf');
  if (digest) assert.equal(receipt.digest, digest, 'digest that came with the answer');
  const event = JSON.parse(leaf.toString('utf8'));
  assert.deepEqual(event, receipt.event, 'the event is the leaf');
  assert.equal(event.id, receipt.id);

  const batchRoot = rootFromInclusion(receipt.batch.index, receipt.batch.count, own, receipt.batch.proof.map(hash));
  assert.deepEqual(batchRoot, hash(receipt.batch.root), 'event is in its batch');

  const key = parseVkey(vkey ?? receipt.vkey);
  const entry = Buffer.from(receipt.ledger.entry, 'base64');
  const statement = openEnvelope(entry, key);
  assert.match(statement.predicateType, /\/guard-event-batch\/v1$/);
  assert.equal(statement._type, 'https://in-toto.io/Statement/v1');
  assert.deepEqual(hash(statement.predicate.root), batchRoot, 'the statement signs this root');
  assert.equal(statement.predicate.count, receipt.batch.count);

  const head = openCheckpoint(receipt.ledger.checkpoint, key);
  assert.equal(head.size, receipt.ledger.size);
  assert.deepEqual(rootFromInclusion(receipt.ledger.index, head.size, leafHash(entry), receipt.ledger.proof.map(hash)), head.root,
    'the statement is in the ledger');
  return { event, statement, head };
}
