// DSSE v1.0.2 envelopes. The payload that was verified is the payload handed out.
import { concat, fromBase64, utf8 } from './bytes.ts'
import { getString, isObject, member, parseJson, type Json } from './strictjson.ts'
import { fingerprint, sameKey, verifies, type Key } from './vkey.ts'

const SIGS_MAX = 16
export const INTOTO = 'application/vnd.in-toto+json'

export interface Envelope {
  type: string
  payload: Uint8Array
  signatures: Json | undefined
}
export interface Opened extends Envelope {
  /** Whose signatures verify, in the order of the signatures. */
  signers: Key[]
}

export function readEnvelope(bytes: Uint8Array): Envelope {
  const j = parseJson(bytes, 'envelope')
  if (!isObject(j)) throw new Error('envelope is not a JSON object')
  const type = getString(j, 'payloadType')
  if (type === '') throw new Error('payload type is empty or holds a NUL')
  return { type, payload: fromBase64(getString(j, 'payload')), signatures: j.get('signatures') }
}

function preAuthentication(type: string, payload: Uint8Array): Uint8Array {
  const name = utf8(type)
  return concat(utf8(`DSSEv1 ${name.length} `), name, utf8(` ${payload.length} `), payload)
}

/** keyid is a hint that anybody could have written, so every key is tried; but a signature
 * that says it is a known key's and is not has been spoilt. */
function signerOf(signature: Json, message: Uint8Array, keys: readonly Key[]): Key | undefined {
  if (!isObject(signature)) throw new Error('signature is not an object')
  const sig = fromBase64(getString(signature, 'sig'))
  const named = keys.find((k) => fingerprint(k) === signature.get('keyid'))
  if (!named) return keys.find((k) => verifies(k, message, sig))
  if (!verifies(named, message, sig)) throw new Error(`signature of '${named.name}' does not verify`)
  return named
}

export function openEnvelopeAny(bytes: Uint8Array, keys: readonly Key[]): Opened {
  const e = readEnvelope(bytes)
  if (!Array.isArray(e.signatures) || e.signatures.length === 0) throw new Error('envelope has no signatures')
  if (e.signatures.length > SIGS_MAX) throw new Error(`envelope has more than ${SIGS_MAX} signatures`)
  const message = preAuthentication(e.type, e.payload)
  const signers: Key[] = []
  for (const s of e.signatures) {
    const key = signerOf(s, message, keys)
    if (key && !signers.some((k) => sameKey(k, key))) signers.push(key)
  }
  if (signers.length === 0) throw new Error('no signature of a known key verifies')
  return { ...e, signers }
}

/** The payload of an envelope; throws unless one of its signatures is the key's. */
export function openEnvelope(bytes: Uint8Array, key: Key): unknown {
  const { payload } = openEnvelopeAny(bytes, [key])
  parseJson(payload, 'statement')
  return JSON.parse(new TextDecoder().decode(payload))
}

/** The key ids that an envelope's signatures name; those of another length are none. */
export function keyIds(e: Envelope): string[] {
  const list = Array.isArray(e.signatures) ? e.signatures : []
  return list.map((s) => member(s, 'keyid')).filter((id): id is string => typeof id === 'string' && utf8(id).length === 64)
}
