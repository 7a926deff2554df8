// The verification that runs in the browser, against published vectors and against trees made
// by an independent recursive definition.
import assert from 'node:assert/strict'
import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import { test } from 'node:test'
import { fromBase64, fromHex, toHex } from '../../web/src/proof/bytes.ts'
import { openEntry } from '../../web/src/proof/entry.ts'
import { includes, leafHash, nodeHash } from '../../web/src/proof/merkle.ts'
import { openEnvelope } from '../../web/src/proof/dsse.ts'
import { openCheckpoint, openNote } from '../../web/src/proof/note.ts'
import { verifyReceipt } from '../../web/src/proof/receipt.ts'
import { sm2Verify, sm3 } from '../../web/src/proof/sm.ts'
import { parseJson } from '../../web/src/proof/strictjson.ts'
import { formatKey, parseKey, verifies } from '../../web/src/proof/vkey.ts'

const sha = (...parts) => createHash('sha256').update(Buffer.concat(parts)).digest()
const leaf = (b) => sha(Buffer.of(0), b)
const split = (n) => 2 ** (Math.ceil(Math.log2(n)) - 1)
function tree(h) {
  if (h.length === 0) return sha()
  return h.length === 1 ? h[0] : sha(Buffer.of(1), tree(h.slice(0, split(h.length))), tree(h.slice(split(h.length))))
}
function path(m, h) {
  if (h.length === 1) return []
  const k = split(h.length)
  return m < k ? [...path(m, h.slice(0, k)), tree(h.slice(k))] : [...path(m - k, h.slice(k)), tree(h.slice(0, k))]
}
const flipped = (hash) => Uint8Array.from(hash, (b, i) => (i === 7 ? b ^ 1 : b))

test('the leaves and roots of the certificate transparency test tree', () => {
  const entries = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f']
  const leaves = entries.map((e) => leafHash(fromHex(e)))
  assert.equal(toHex(leaves[0]), '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d')
  assert.equal(toHex(leaves[5]), '4271a26be0d8a84f0bd54c8c302e7cb3a3b5d1fa6780a40bcce2873477dab658')
  assert.equal(toHex(nodeHash(leaves[2], leaves[3])), '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e')
  // Inclusion of entry 5 in the tree of 8, RFC 6962 test data.
  const proof = [
    toHex(leaves[4]),
    'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
    'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  ].map(fromHex)
  const root = fromHex('5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328')
  assert.equal(includes(5, 8, leaves[5], proof, root), true)
})

test('every proof of every tree up to 40 leaves holds, and no changed one does', () => {
  for (let n = 1; n <= 40; n++) {
    const hashes = Array.from({ length: n }, (_, i) => leaf(Buffer.from(`plumbline-${i}`)))
    const root = tree(hashes)
    for (let i = 0; i < n; i++) {
      const proof = path(i, hashes)
      const at = `${i} of ${n}`
      assert.equal(includes(i, n, hashes[i], proof, root), true, at)
      assert.equal(includes(i, n, flipped(hashes[i]), proof, root), false, at)
      assert.equal(includes(i, n, hashes[i], proof, flipped(root)), false, at)
      assert.equal(includes(i, n, hashes[i], [...proof, root], root), false, `${at}, one hash too many`)
      assert.equal(includes(n, n, hashes[i], proof, root), false, `${at}, index out of range`)
      if (n > 1) {
        assert.equal(includes(i, n, hashes[i], proof.slice(1), root), false, `${at}, one hash missing`)
        assert.equal(includes(i === 0 ? 1 : i - 1, n, hashes[i], proof, root), false, `${at}, wrong index`)
      }
      proof.forEach((_, j) => {
        const bad = proof.map((h, k) => (k === j ? flipped(h) : h))
        assert.equal(includes(i, n, hashes[i], bad, root), false, `${at}, hash ${j} changed`)
      })
    }
  }
})

test('indexes above 32 bits are not cut', () => {
  const h = leaf(Buffer.from('x'))
  let root = h
  const proof = []
  for (let level = 0; level < 40; level++) {
    const sibling = leaf(Buffer.from(String(level)))
    proof.push(sibling)
    root = level === 33 ? sha(Buffer.of(1), sibling, root) : sha(Buffer.of(1), root, sibling)
  }
  assert.equal(includes(2 ** 33, 2 ** 40, h, proof, root), true)
  assert.equal(includes(0, 2 ** 40, h, proof, root), false)
})

test('the published example of a signed note verifies', () => {
  // C2SP signed-note.md
  const key = parseKey('example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k')
  const note =
    'This is an example message.\n\n' +
    '\u2014 example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n'
  assert.equal(openNote(note, key), 'This is an example message.\n')
  assert.throws(() => openNote(note.replace('example message', 'exemple message'), key), /does not verify/)
  assert.throws(() => openNote(note.replace('\u2014', '-'), key), /em dash/)
  assert.throws(() => openNote(note.slice(0, -1), key), /end with a newline/)
  assert.throws(() => parseKey('example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k'), /key id/)
})

test('base64 has one spelling', () => {
  assert.deepEqual([...fromBase64('AQI=')], [1, 2])
  for (const bad of ['AQI', 'AQJ=', 'AQI=\n', 'A===', 'AQ I=']) assert.throws(() => fromBase64(bad), undefined, bad)
})

test('SM3 gives the digests of its standard', () => {
  // GB/T 32905-2016 annex A
  assert.equal(toHex(sm3(Buffer.from('abc'))), '66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0')
  assert.equal(toHex(sm3(Buffer.from('abcd'.repeat(16)))), 'debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732')
  for (const n of [0, 1, 55, 56, 63, 64, 65, 119, 120, 1000]) {
    const b = Buffer.alloc(n, n)
    assert.equal(toHex(sm3(b)), createHash('sm3').update(b).digest('hex'), `${n} bytes`)
  }
})

test('an SM2 signature of its standard verifies, and no changed one', () => {
  // GB/T 32918.5-2017 annex A, as docs/formats/keys.md has it
  const text = 'sm2.example/k+605c7a09+/3BsdW1ibGluZS1zbTItc20zLXYxBAn53zEeVCGhUN19Fh5LxcZyF5+tGDP8B2uwj/NW81AgzOpJDOJndaUtxupxjMGqYArtBfvzXghKZjL2By2prRM='
  const key = parseKey(text)
  const sig = fromHex(
    'f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa',
  )
  const message = Buffer.from('message digest')
  assert.equal(formatKey(key), text)
  assert.equal(sm2Verify(sig, message, key.pub), true)
  assert.equal(sm2Verify(flipped(sig), message, key.pub), false)
  assert.equal(sm2Verify(sig, Buffer.from('message digesT'), key.pub), false)
  assert.equal(sm2Verify(new Uint8Array(64), message, key.pub), false)
})

test('ECDSA signatures of another implementation verify, with high s too', () => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const spki = publicKey.export({ format: 'der', type: 'spki' })
  const id = sha(spki).subarray(0, 4).toString('hex')
  const key = parseKey(`p256.test+${id}+${Buffer.concat([Buffer.of(2), spki]).toString('base64')}`)
  for (let i = 0; i < 16; i++) {
    const message = Buffer.from(`message ${i}`)
    const sig = sign('sha256', message, privateKey)
    assert.equal(verifies(key, message, sig), true)
    assert.equal(verifies(key, Buffer.from('other'), sig), false)
  }
})

test('JSON is read strictly', () => {
  const read = (s) => parseJson(Buffer.from(s), 'x')
  assert.deepEqual(read('[1,1.0,-2e1,"\\u4e2d\\n",null,true,{"a":{}}]').slice(0, 5), [1n, 1, -20, '中\n', null])
  const deep = (n) => '['.repeat(n) + ']'.repeat(n)
  assert.ok(read(deep(64)))
  for (const bad of ['', '{"a":1,"a":2}', '[1,]', '01', '1 2', '"\\u0000"', '"\\ud800"', '"\t"', '9223372036854775808', 'nul', '\ufeff1', '1e999', deep(65)])
    assert.throws(() => read(bad), undefined, bad)
})

// --- whole receipts ---------------------------------------------------------------------------

const origin = 'plumbline.test/log'
function makeKey() {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const typed = Buffer.concat([Buffer.of(1), Buffer.from(publicKey.export({ format: 'jwk' }).x, 'base64url')])
  const id = sha(Buffer.from(origin), Buffer.of(10), typed).subarray(0, 4)
  return { id, vkey: `${origin}+${id.toString('hex')}+${typed.toString('base64')}`, sign: (b) => sign(null, b, privateKey) }
}
function envelope(key, statement) {
  const payload = Buffer.from(JSON.stringify(statement))
  const type = 'application/vnd.in-toto+json'
  const message = Buffer.concat([Buffer.from(`DSSEv1 ${type.length} ${type} ${payload.length} `), payload])
  return Buffer.from(
    JSON.stringify({ payload: payload.toString('base64'), payloadType: type, signatures: [{ keyid: '', sig: key.sign(message).toString('base64') }] }),
  )
}
function makeReceipt(key = makeKey(), kind = 'guard-event-batch') {
  const leaves = Array.from({ length: 5 }, (_, i) => Buffer.from(JSON.stringify({ v: 1, id: `id${i}`, verdict: 'allow' })))
  const hashes = leaves.map(leaf)
  const statement = {
    _type: 'https://in-toto.io/Statement/v1',
    predicateType: `https://plumbline.example/predicate/${kind}/v1`,
    predicate: { count: 5, root: tree(hashes).toString('hex') },
  }
  const entries = [Buffer.from('a'), Buffer.from('b'), envelope(key, statement), Buffer.from('c')]
  const head = `${origin}\n4\n${tree(entries.map(leaf)).toString('base64')}\n`
  const sig = Buffer.concat([key.id, key.sign(Buffer.from(head))]).toString('base64')
  return {
    id: 'id3',
    state: 'logged',
    event: {},
    leaf: leaves[3].toString('base64'),
    digest: hashes[3].toString('hex'),
    batch: { index: 3, count: 5, root: tree(hashes).toString('hex'), proof: path(3, hashes).map((h) => h.toString('hex')) },
    ledger: {
      index: 2, size: 4, proof: path(2, entries.map(leaf)).map((h) => h.toString('hex')),
      checkpoint: `${head}\n\u2014 ${origin} ${sig}\n`, entry: entries[2].toString('base64'),
    },
    vkey: key.vkey,
  }
}
const failed = (r) => verifyReceipt(r).checks.filter((c) => !c.ok).map((c) => c.step)

test('a sound receipt is verified and shows the record that was proved', () => {
  const r = makeReceipt()
  assert.deepEqual(failed(r), [])
  const v = verifyReceipt(r)
  assert.equal(v.state, 'verified')
  assert.equal(v.leaf.id, 'id3')
  assert.equal(v.origin, origin)
})

test('a pending receipt proves its digest and claims no more', () => {
  const { batch, ledger, ...r } = makeReceipt()
  assert.equal(verifyReceipt({ ...r, state: 'pending' }).state, 'pending')
  assert.equal(verifyReceipt({ ...r, state: 'pending', digest: '0'.repeat(64) }).state, 'failed')
})

test('a receipt that claims to be logged without proof fails', () => {
  const { batch, ledger, ...r } = makeReceipt()
  assert.equal(verifyReceipt(r).state, 'failed')
})

test('each forged part is caught by the step that is about it', () => {
  const r = makeReceipt()
  const other = makeReceipt()
  const base64 = (text) => Buffer.from(text).toString('base64')
  const forged = {
    leaf: { ...r, leaf: base64('{"v":1,"id":"id3","verdict":"block"}') },
    'id of another record': { ...r, id: 'id2' },
    batch: { ...r, batch: { ...r.batch, index: 2 } },
    'batch root': { ...r, batch: { ...r.batch, root: other.digest } },
    'batch size': { ...r, batch: { ...r.batch, count: 6 } },
    entry: { ...r, ledger: { ...r.ledger, entry: other.ledger.entry } },
    'ledger index': { ...r, ledger: { ...r.ledger, index: 1 } },
    checkpoint: { ...r, ledger: { ...r.ledger, checkpoint: other.ledger.checkpoint } },
    'checkpoint text': { ...r, ledger: { ...r.ledger, checkpoint: r.ledger.checkpoint.replace('\n4\n', '\n5\n') } },
    'ledger size': { ...r, ledger: { ...r.ledger, size: 5 } },
    key: { ...r, vkey: other.vkey },
    'no key': { ...r, vkey: '' },
    garbage: { ...r, ledger: { ...r.ledger, entry: '!!', proof: ['zz'] } },
  }
  for (const [what, receipt] of Object.entries(forged)) assert.equal(verifyReceipt(receipt).state, 'failed', what)
  assert.deepEqual(failed(forged.leaf), ['leaf', 'batch'])
  assert.deepEqual(failed(forged['ledger index']), ['entry'])
  assert.deepEqual(failed(forged['ledger size']), ['checkpoint'])
  assert.deepEqual(failed(forged.entry), ['statement', 'entry'])
  assert.deepEqual(failed(forged['checkpoint text']), ['checkpoint', 'entry'])
  assert.deepEqual(failed(forged.key), ['statement', 'checkpoint', 'entry'])
})

test('a statement of another kind is no proof of a batch', () => {
  assert.deepEqual(failed(makeReceipt(makeKey(), 'something-else')), ['statement'])
})

test('an envelope is judged by the bytes that were signed', () => {
  const key = makeKey()
  const good = JSON.parse(envelope(key, { a: 1 }))
  assert.deepEqual(openEnvelope(Buffer.from(JSON.stringify(good)), parseKey(key.vkey)), { a: 1 })
  const bad = { ...good, payload: Buffer.from('{"a":2}').toString('base64') }
  assert.throws(() => openEnvelope(Buffer.from(JSON.stringify(bad)), parseKey(key.vkey)), /no signature of a known key/)
})

test('an entry of the ledger is verified with signature, proof and checkpoint', () => {
  const r = makeReceipt()
  const entry = { index: 2, leaf: '', entry: r.ledger.entry, statement: null, proof: { size: 4, root: '', hashes: r.ledger.proof }, checkpoint: r.ledger.checkpoint }
  assert.equal(openEntry(entry, r.vkey).predicate.count, 5)
  const other = makeReceipt()
  assert.throws(() => openEntry({ ...entry, index: 1 }, r.vkey), /not under this checkpoint/)
  assert.throws(() => openEntry({ ...entry, entry: other.ledger.entry }, r.vkey), /no signature of a known key/)
  assert.throws(() => openEntry({ ...entry, checkpoint: other.ledger.checkpoint }, r.vkey))
  assert.throws(() => openEntry(entry, other.vkey))
})

test('a checkpoint of another log is refused', () => {
  const key = makeKey()
  const head = `elsewhere\n1\n${leaf(Buffer.from('x')).toString('base64')}\n`
  const sig = Buffer.concat([key.id, key.sign(Buffer.from(head))]).toString('base64')
  assert.throws(() => openCheckpoint(`${head}\n\u2014 ${origin} ${sig}\n`, parseKey(key.vkey)), /origin/)
})
