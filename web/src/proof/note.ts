// C2SP signed-note and tlog-checkpoint, and DSSE v1.0.2, with Ed25519 keys.
import * as ed from '@noble/ed25519'
import { sha256, sha512 } from '@noble/hashes/sha2.js'
import { concat, equal, fromBase64, hashOf, text, toHex, utf8 } from './bytes.ts'

// A hash in JavaScript: crypto.subtle is missing where the console is served over plain
// HTTP from another host, and a receipt must be checkable there too.
ed.hashes.sha512 = sha512

const ED25519 = 1

export interface Key {
  name: string
  id: Uint8Array
  pub: Uint8Array
}
export interface Checkpoint {
  origin: string
  size: number
  root: Uint8Array
}

/** "name+hex8+base64(type || key)"; the base64 part may contain "+". */
export function parseKey(vkey: string): Key {
  const [, name, hex, base64] = /^([^\s+]+)\+([0-9a-f]{8})\+(\S+)$/.exec(vkey) ?? []
  if (!name || !hex || !base64) throw new Error('not a verifier key')
  const typed = fromBase64(base64)
  if (typed.length !== 33 || typed[0] !== ED25519) throw new Error('not an Ed25519 key')
  const id = sha256(concat(utf8(name), Uint8Array.of(10), typed)).slice(0, 4)
  if (toHex(id) !== hex) throw new Error('key id does not match the key')
  return { name, id, pub: typed.slice(1) }
}

export function fingerprint(key: Key): string {
  return toHex(sha256(key.pub))
}

function verifies(key: Key, message: Uint8Array, signature: Uint8Array): boolean {
  try {
    return signature.length === 64 && ed.verify(signature, message, key.pub, { zip215: false })
  } catch {
    return false
  }
}

/** The signed text of a note; throws unless the key signed it. Lines of other keys are
 * ignored, a failing line of this key rejects the note. */
export function openNote(note: string, key: Key): string {
  const split = note.lastIndexOf('\n\n')
  if (split < 0) throw new Error('note without signatures')
  const signed = note.slice(0, split + 1)
  const lines = note.slice(split + 2).split('\n')
  if (lines.pop() !== '') throw new Error('note without final line feed')

  let count = 0
  for (const line of lines) {
    const [, name, base64] = /^\u2014 (\S+) (\S+)$/.exec(line) ?? []
    if (!name || !base64) throw new Error('malformed signature line')
    const bytes = fromBase64(base64)
    if (name !== key.name || !equal(bytes.slice(0, 4), key.id)) continue
    if (!verifies(key, utf8(signed), bytes.slice(4))) throw new Error('signature does not verify')
    count++
  }
  if (count === 0) throw new Error('not signed by this key')
  return signed
}

export function openCheckpoint(note: string, key: Key): Checkpoint {
  const [origin, size, root] = openNote(note, key).split('\n')
  if (!origin || origin !== key.name) throw new Error('origin is not the name of the key')
  if (!size || !root || !/^(0|[1-9][0-9]{0,15})$/.test(size)) throw new Error('malformed checkpoint')
  return { origin, size: Number(size), root: hashOf(root) }
}

function preAuthentication(type: string, payload: Uint8Array): Uint8Array {
  const name = utf8(type)
  return concat(utf8(`DSSEv1 ${name.length} `), name, utf8(` ${payload.length} `), payload)
}

/** The payload of a DSSE envelope; throws unless one of its signatures is the key's. */
export function openEnvelope(envelope: Uint8Array, key: Key): unknown {
  const { payload, payloadType, signatures } = JSON.parse(text(envelope)) as {
    payload: string
    payloadType: string
    signatures: { sig: string }[]
  }
  const bytes = fromBase64(payload)
  const message = preAuthentication(payloadType, bytes)
  if (!signatures.some((s) => verifies(key, message, fromBase64(s.sig))))
    throw new Error('statement is not signed by this key')
  return JSON.parse(text(bytes))
}
