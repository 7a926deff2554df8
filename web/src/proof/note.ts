// C2SP signed-note, tlog-checkpoint and tlog-proof.
import { sha256 } from '@noble/hashes/sha2.js'
import { base64, equal, text, toHex, utf8 } from './bytes.ts'
import { checkName, verifies, type Key } from './vkey.ts'

const NOTE_MAX = 1 << 20
const SIGS_MAX = 100
const PROOF_MAX = 63
const PROOF_BYTES_MAX = 128 << 10
const PROOF_MAGIC = 'c2sp.org/tlog-proof@v1\n'
const LIMIT = 1n << 63n

export interface NoteSignature {
  name: string
  id: Uint8Array
  sig: Uint8Array
}
export interface Note {
  text: string
  sigs: NoteSignature[]
}
export interface Checkpoint {
  origin: string
  size: bigint
  root: Uint8Array
}
/** A note that a key did not sign at all, in contrast to one whose signature is wrong. */
export class NotSigned extends Error {}

/** A decimal number below 2^64 in its one spelling. */
export function decimal(s: string): bigint {
  if (!/^(?:0|[1-9][0-9]{0,19})$/.test(s) || BigInt(s) >= 1n << 64n) throw new Error('not a decimal number')
  return BigInt(s)
}

function parseLine(line: string): NoteSignature {
  if (!line.startsWith('\u2014 ')) throw new Error('signature line does not start with an em dash')
  const gap = line.indexOf(' ', 2)
  if (gap < 0 || gap + 1 === line.length) throw new Error('signature line has no signature')
  const name = line.slice(2, gap)
  checkName(name)
  const bytes = base64(line.slice(gap + 1))
  if (bytes.length < 5) throw new Error('signature is shorter than 5 bytes')
  return { name, id: bytes.slice(0, 4), sig: bytes.slice(4) }
}

/** The text ends at the last blank line: it may hold blank lines itself. */
export function parseNote(note: string): Note {
  if (utf8(note).length > NOTE_MAX) throw new Error(`note is larger than ${NOTE_MAX} bytes`)
  // eslint-disable-next-line no-control-regex
  if (/[\u0000-\u0009\u000b-\u001f]/.test(note)) throw new Error('note holds a control character')
  if (!note.endsWith('\n')) throw new Error('note does not end with a newline')
  const split = note.lastIndexOf('\n\n')
  if (split < 0) throw new Error('note has no blank line before its signatures')
  if (split + 2 === note.length) throw new Error('note has no signature lines')
  const lines = note.slice(split + 2, -1).split('\n')
  if (lines.length > SIGS_MAX) throw new Error(`note has more than ${SIGS_MAX} signatures`)
  return { text: note.slice(0, split + 1), sigs: lines.map(parseLine) }
}

export function signaturesOf(note: Note, key: Key): NoteSignature[] {
  return note.sigs.filter((s) => s.name === key.name && equal(s.id, key.id))
}

/** Lines of other keys are ignored, a failing line of this key rejects the note. */
export function verifyNote(note: Note, key: Key): void {
  const own = signaturesOf(note, key)
  for (const s of own)
    if (!verifies(key, utf8(note.text), s.sig)) throw new Error(`signature of '${key.name}' does not verify`)
  if (own.length === 0) throw new NotSigned(`no signature of '${key.name}' with key id ${toHex(key.id)}`)
}

/** The signed text of a note; throws unless the key signed it. */
export function openNote(note: string, key: Key): string {
  const parsed = parseNote(note)
  verifyNote(parsed, key)
  return parsed.text
}

export function parseCheckpoint(body: string): Checkpoint {
  const lines = body.split('\n')
  if (lines.at(-1) === '') lines.pop()
  const [origin, size, root] = lines
  if (!origin) throw new Error('checkpoint has no origin line')
  if (!size) throw new Error('checkpoint has no size line')
  if (!root) throw new Error('checkpoint has no root line')
  if (lines.includes('')) throw new Error('checkpoint has an empty line')
  if (utf8(origin).length > 255) throw new Error('checkpoint origin is longer than 255 bytes')
  const hash = base64(root)
  if (hash.length !== 32) throw new Error('checkpoint root is not 32 bytes')
  return { origin, size: decimal(size), root: hash }
}

function checkCheckpoint(c: Checkpoint): void {
  if (c.size >= LIMIT) throw new Error('checkpoint size is 2^63 or more')
  if (c.size === 0n && !equal(c.root, sha256(new Uint8Array())))
    throw new Error('checkpoint of size 0 has a root that is not the empty one')
}

/** Signed by any of the keys; a failing line of one of them rejects it. */
export function openCheckpointAny(note: string, keys: readonly Key[]): Checkpoint {
  const parsed = parseNote(note)
  const signed = keys.filter((key) => {
    try {
      verifyNote(parsed, key)
      return true
    } catch (e) {
      if (e instanceof NotSigned) return false
      throw e
    }
  })
  const [only] = keys
  if (signed.length === 0 && keys.length === 1 && only)
    throw new Error(`checkpoint is not signed by '${only.name}' with key id ${toHex(only.id)}`)
  if (signed.length === 0) throw new Error(`checkpoint is not signed by any of ${keys.length} known keys`)
  const c = parseCheckpoint(parsed.text)
  checkCheckpoint(c)
  const other = keys.find((key) => key.name !== c.origin)
  if (other) throw new Error(`checkpoint of '${c.origin}' is signed by '${other.name}', not its origin's key`)
  return c
}
export function openCheckpoint(note: string, key: Key): Checkpoint {
  return openCheckpointAny(note, [key])
}

export interface TlogProof {
  index: bigint
  hashes: Uint8Array[]
  note: string
}

function hashLine(line: string): Uint8Array {
  try {
    const hash = base64(line)
    if (hash.length === 32) return hash
  } catch {
    // said below
  }
  throw new Error('a line of the proof is not a hash of 32 bytes in base64')
}

/** C2SP tlog-proof: extra, index, hashes, blank line, checkpoint. */
export function parseProof(bytes: Uint8Array): TlogProof {
  if (bytes.length > PROOF_BYTES_MAX) throw new Error(`proof is larger than ${PROOF_BYTES_MAX} bytes`)
  const s = text(bytes)
  if (!s.startsWith(PROOF_MAGIC)) throw new Error('not a tlog-proof: its first line is another')
  let rest = s.slice(PROOF_MAGIC.length)
  if (rest.startsWith('extra ')) rest = rest.slice(rest.indexOf('\n') + 1)
  const [line, number] = /^index ([^\n]+)\n/.exec(rest) ?? []
  if (line === undefined || number === undefined) throw new Error("line 'index <number>' is missing")
  const index = decimal(number)
  if (index >= LIMIT) throw new Error("line 'index' has no decimal number below 2^63")
  const body = `\n${rest.slice(line.length)}`
  const end = body.indexOf('\n\n')
  if (end < 0) throw new Error('no empty line after the proof')
  const lines = body.slice(1, Math.max(1, end)).split('\n')
  const hashes = end === 0 ? [] : lines.map(hashLine)
  if (hashes.length > PROOF_MAX) throw new Error(`proof has more than ${PROOF_MAX} hashes`)
  return { index, hashes, note: body.slice(end + 2) }
}
