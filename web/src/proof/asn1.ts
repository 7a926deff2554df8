// ASN.1 values as time stamps and certificates need them, over the BER reader of asn1js.
import { fromBER } from 'asn1js'
import { concat, text } from './bytes.ts'

const UNIVERSAL = 1
const CONTEXT = 3
const DEPTH_MAX = 32
/** Universal tags (X.680 8.4). */
export const TAG = {
  BOOLEAN: 1, INTEGER: 2, BITS: 3, OCTETS: 4, NULL: 5, OID: 6, UTF8: 12, SEQUENCE: 16, SET: 17,
  PRINTABLE: 19, T61: 20, IA5: 22, UTC: 23, TIME: 24, VISIBLE: 26, UNIVERSAL_STRING: 28, BMP: 30,
} as const

export interface Value {
  context: boolean
  /** -1 in a class that is neither universal nor context. */
  tag: number
  constructed: boolean
  /** Tag, length and content. */
  raw: Uint8Array
  body: Uint8Array
  kids: Value[]
}

interface Block {
  idBlock: { tagClass: number; tagNumber: number; isConstructed: boolean; blockLength: number }
  lenBlock: { blockLength: number; length: number; isIndefiniteForm: boolean }
  valueBlock: { value?: unknown }
  valueBeforeDecodeView: Uint8Array
}

/** Lengths of content that a primitive value of these types may have. */
const LENGTHS: Record<number, (n: number) => boolean> = {
  [TAG.BOOLEAN]: (n) => n === 1, [TAG.INTEGER]: (n) => n > 0, [TAG.NULL]: (n) => n === 0, [TAG.OID]: (n) => n > 0,
}

/** asn1js forgives lengths that do not fit; nothing that is to be vouched for may rest on that. */
function convert(b: Block, depth: number): Value {
  const { tagClass, tagNumber, isConstructed, blockLength } = b.idBlock
  const { length, isIndefiniteForm } = b.lenBlock
  const raw = b.valueBeforeDecodeView
  const body = raw.subarray(blockLength + b.lenBlock.blockLength)
  const fits = tagClass === UNIVERSAL ? LENGTHS[tagNumber] : undefined
  if (isIndefiniteForm || body.length !== length || depth > DEPTH_MAX) throw new Error('ASN.1: a length does not fit')
  if (fits && (isConstructed || !fits(length))) throw new Error('ASN.1: a length does not fit')
  const kids = isConstructed ? ((b.valueBlock.value ?? []) as Block[]).map((k) => convert(k, depth + 1)) : []
  if (isConstructed && kids.reduce((n, k) => n + k.raw.length, 0) !== length) throw new Error('ASN.1: a length does not fit')
  const known = tagClass === UNIVERSAL || tagClass === CONTEXT
  return { context: tagClass === CONTEXT, tag: known ? tagNumber : -1, constructed: isConstructed, raw, body, kids }
}

function read(bytes: Uint8Array, at: number, depth: number): { value: Value; end: number } {
  const { offset, result } = fromBER(bytes.subarray(at))
  if (offset <= 0) throw new Error('not ASN.1')
  return { value: convert(result as unknown as Block, depth), end: at + offset }
}

/** The one value that these bytes are. */
export function parseAsn1(bytes: Uint8Array): Value {
  const { value, end } = read(bytes, 0, 0)
  if (end !== bytes.length) throw new Error('not ASN.1')
  return value
}

/** The members of a SET OF or SEQUENCE OF, which OpenSSL reads even when it is marked as primitive. */
export function members(v: Value): Value[] {
  const all: Value[] = []
  if (v.constructed) return v.kids
  for (let at = 0; at < v.body.length; ) {
    const { value, end } = read(v.body, at, 1)
    all.push(value)
    at = end
  }
  return all
}

/** What is there must be of this kind. */
export function want(v: Value | undefined, tag: number): Value {
  if (!v || v.context || v.tag !== tag) throw new Error('ASN.1: something else was expected')
  return v
}
export function kids(v: Value | undefined, tag: number = TAG.SEQUENCE): Value[] {
  const all = want(v, tag)
  if (!all.constructed) throw new Error('ASN.1: something else was expected')
  return all.kids
}
/** As many as there must be, of a SEQUENCE or under an explicit tag. */
export function exactly(n: number, all: Value[]): Value[] {
  if (all.length !== n) throw new Error('ASN.1: more or less than expected')
  return all
}
/** Bytes of an octet string, in one piece or several. */
export function octets(v: Value | undefined): Uint8Array {
  const s = want(v, TAG.OCTETS)
  return s.constructed ? concat(...s.kids.map(octets)) : s.body
}
export function bits(v: Value | undefined): Uint8Array {
  const s = want(v, TAG.BITS)
  if (s.constructed || s.body.length === 0 || (s.body[0] ?? 8) > 7) throw new Error('ASN.1: not a bit string')
  return s.body.subarray(1)
}
export function small(v: Value | undefined): number {
  const { body } = want(v, TAG.INTEGER)
  if (body.length === 0 || body.length > 4) throw new Error('ASN.1: number out of range')
  return body.reduce((n, b, i) => n * 256 + (i === 0 && b > 127 ? b - 256 : b), 0)
}
export function oid(v: Value | undefined): string {
  const { body } = want(v, TAG.OID)
  const arcs: number[] = []
  let n = 0
  for (const b of body) {
    n = n * 128 + (b & 127)
    if (b < 128) {
      arcs.push(n)
      n = 0
    }
  }
  const [first = 0, ...rest] = arcs
  const top = Math.min(2, Math.floor(first / 40))
  return [top, first - 40 * top, ...rest].join('.')
}
export function optional(all: Value[], tag: number): Value | undefined {
  return all.find((v) => v.context && v.tag === tag)
}

/** UTCTime or GeneralizedTime in the forms of RFC 5280 4.1.2.5 (and, for RFC 3161 2.4.2, with a
 * fraction, which is dropped): milliseconds. */
export function time(v: Value | undefined): number {
  if (!v || v.context || (v.tag !== TAG.UTC && v.tag !== TAG.TIME)) throw new Error('ASN.1: not a time')
  const s = text(v.body)
  const m = (v.tag === TAG.UTC ? /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/ : /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:\.\d+)?Z$/).exec(s)
  if (!m) throw new Error('ASN.1: not a time')
  const [y = 0, mo = 0, d = 0, h = 0, mi = 0, sec = 0] = m.slice(1).map(Number)
  const year = v.tag === TAG.TIME ? y : y + (y < 50 ? 2000 : 1900)
  const ms = Date.UTC(year, mo - 1, d, h, mi, sec)
  if (new Date(ms).getUTCDate() !== d || mo > 12 || h > 23 || mi > 59 || sec > 59) throw new Error('ASN.1: not a time')
  return ms
}

function codePoints(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  return Array.from({ length: Math.ceil(bytes.length / 4) }, (_, i) => view.getUint32(4 * i))
}

/** Text of a directory string, or null when it is none. */
export function directoryString(v: Value): string | null {
  const latin = () => String.fromCharCode(...v.body)
  if (v.context || v.constructed) return null
  if (v.tag === TAG.UTF8) return text(v.body)
  if (v.tag === TAG.UNIVERSAL_STRING) return String.fromCodePoint(...codePoints(v.body))
  if (v.tag === TAG.BMP && v.body.length % 2 !== 0) throw new Error('ASN.1: not text')
  if (v.tag === TAG.BMP) return new TextDecoder('utf-16be').decode(v.body)
  return [TAG.PRINTABLE, TAG.T61, TAG.IA5, TAG.VISIBLE].includes(v.tag as 19) ? latin() : null
}
