// Verifier keys and single signatures, of every algorithm: docs/formats/keys.md.
import { p256 } from '@noble/curves/nist.js'
import * as ed from '@noble/ed25519'
import { sha256, sha512 } from '@noble/hashes/sha2.js'
import { base64, concat, equal, fromHex, text, toBase64, toHex, utf8 } from './bytes.ts'
import { sm2Point, sm2Verify } from './sm.ts'

// A hash in JavaScript: crypto.subtle is missing where the console is served over plain
// HTTP from another host, and a receipt must be checkable there too.
ed.hashes.sha512 = sha512

export type Algorithm = 'ed25519' | 'p256' | 'sm2' | 'cosigner'
export interface Key {
  name: string
  alg: Algorithm
  id: Uint8Array
  pub: Uint8Array
}

const SPKI = fromHex('3059301306072a8648ce3d020106082a8648ce3d030107034200')
const TYPES: Record<Algorithm, { prefix: Uint8Array; length: number }> = {
  ed25519: { prefix: Uint8Array.of(1), length: 32 },
  p256: { prefix: concat(Uint8Array.of(2), SPKI), length: 65 },
  sm2: { prefix: concat(Uint8Array.of(255), utf8('plumbline-sm2-sm3-v1')), length: 65 },
  cosigner: { prefix: Uint8Array.of(4), length: 32 },
}
const NAME_MAX = 255
// White_Space of Unicode, as C2SP signed-note means it.
const SPACE = /[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/

export function checkName(name: string): void {
  if (name === '') throw new Error('key name is empty')
  // eslint-disable-next-line no-control-regex
  if (/[\u0000-\u001f+]/.test(name) || SPACE.test(name))
    throw new Error("key name holds a space, a control character or '+'")
}

/** An uncompressed point only: a key has one spelling. */
function checkPoint(alg: Algorithm, pub: Uint8Array): void {
  try {
    if (alg === 'p256' && pub[0] === 4) p256.Point.fromBytes(pub)
    else if (alg === 'sm2' && pub[0] === 4) sm2Point(pub)
    else if (pub.length === 65) throw new Error()
  } catch {
    throw new Error(`not a public key of algorithm '${alg}'`)
  }
}

function keyId(alg: Algorithm, name: string, typed: Uint8Array): Uint8Array {
  const hashed = alg === 'p256' ? typed.subarray(1) : concat(utf8(name), Uint8Array.of(10), typed)
  return sha256(hashed).slice(0, 4)
}

/** "name+hex8+base64(typed key)", split at the first two "+" only. */
export function parseAnyKey(vkey: string): Key {
  const [, name = '', hex, rest] = /^([^+]*)\+([^+]*)\+([^]+)$/.exec(vkey) ?? []
  if (hex === undefined || rest === undefined) throw new Error('verifier key is not name+id+key')
  if (hex.length !== 8) throw new Error('key id is not eight hex digits')
  if (!/^[0-9a-f]{8}$/.test(hex)) throw new Error('key id is not eight lower-case hex digits')
  const typed = base64(rest)
  const found = (Object.entries(TYPES) as [Algorithm, (typeof TYPES)[Algorithm]][]).find(
    ([, t]) => typed.length === t.prefix.length + t.length && equal(typed.subarray(0, t.prefix.length), t.prefix),
  )
  if (!found) throw new Error('verifier key is of no known algorithm')
  const [alg, type] = found
  checkName(name)
  if (utf8(name).length > NAME_MAX) throw new Error(`key name is longer than ${NAME_MAX} bytes`)
  const pub = typed.slice(type.prefix.length)
  checkPoint(alg, pub)
  const id = keyId(alg, name, typed)
  if (toHex(id) !== hex) throw new Error(`key id ${hex} does not belong to the key of '${name}'`)
  return { name, alg, id, pub }
}

/** The key of a log or of a signer of statements. */
export function parseKey(vkey: string): Key {
  const key = parseAnyKey(vkey)
  if (key.alg === 'cosigner')
    throw new Error(`'${key.name}' is the key of a witness: it makes cosignatures only`)
  return key
}
export function parseCosigner(vkey: string): Key {
  const key = parseAnyKey(vkey)
  if (key.alg !== 'cosigner') throw new Error('not the key of a witness (type 04)')
  return key
}

export function formatKey(key: Key): string {
  return `${key.name}+${toHex(key.id)}+${toBase64(concat(TYPES[key.alg].prefix, key.pub))}`
}
export function fingerprint(key: Key): string {
  return toHex(sha256(key.pub))
}
export function sameKey(a: Key, b: Key): boolean {
  return a.alg === b.alg && equal(a.pub, b.pub)
}

export function verifies(key: Key, message: Uint8Array, signature: Uint8Array): boolean {
  try {
    if (key.alg === 'p256')
      return signature.length <= 72 && p256.verify(signature, message, key.pub, { format: 'der', lowS: false })
    if (key.alg === 'sm2') return sm2Verify(signature, message, key.pub)
    return signature.length === 64 && ed.verify(signature, message, key.pub, { zip215: false })
  } catch {
    return false
  }
}

/** A verifier key as people hand it over: the text, or a file that holds it. */
export function readKey(bytes: Uint8Array): Key {
  return parseKey(text(bytes).trim())
}
