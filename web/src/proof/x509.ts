// Certificates of time stamp authorities: what they say, what they sign, and the chain from one to
// another. Judged as OpenSSL 3.0 judges them for the C verifier (X509_verify_cert with the purpose
// timestampsign), so that two verifiers say the same. Signatures are WebCrypto's.
import { bits, directoryString, exactly, kids, members, octets, oid, optional, parseAsn1, small, TAG, time, want, type Value } from './asn1.ts'
import { base64, equal, text, toHex, utf8 } from './bytes.ts'

/** Nothing is wrong, but this browser or this code cannot check it. */
export class Uncheckable extends Error {}

interface Extension {
  critical: boolean
  value: Value
}

export interface Certificate {
  raw: Uint8Array
  tbs: Uint8Array
  serial: Uint8Array
  issuer: Value
  subject: Value
  /** Milliseconds; NaN for what is no time. */
  from: number
  to: number
  key: Value
  extensions: Map<string, Extension>
  algorithm: string
  signature: Uint8Array
  version: number
  /** What contradicts itself matters only when it is in a chain. */
  once: boolean
  /** One algorithm, named twice, and a signature of whole bytes. */
  wellSigned: boolean
}

const EXT = { KEY_ID: '2.5.29.14', KEY_USAGE: '2.5.29.15', BASIC: '2.5.29.19', AUTHORITY: '2.5.29.35', PURPOSE: '2.5.29.37' }
const ALTERNATIVE = '2.5.29.17'
const TIME_STAMPING = '1.3.6.1.5.5.7.3.8'
/** Critical extensions that OpenSSL knows and that change nothing here. */
const KNOWN = new Set([EXT.KEY_USAGE, EXT.BASIC, EXT.PURPOSE, '2.5.29.17', '2.5.29.31', '2.5.29.32', '2.5.29.33',
  '2.5.29.36', '2.5.29.54', '2.16.840.1.113730.1.1'])
/** Those it obeys and this code does not: name constraints, addresses, AS numbers, proxies. */
const BEYOND = ['2.5.29.30', '1.3.6.1.5.5.7.1.7', '1.3.6.1.5.5.7.1.8', '1.3.6.1.5.5.7.1.14']
const DEPTH_MAX = 100
const ROOTS_MAX = 64

// --- reading ---------------------------------------------------------------------------------

function readTime(v: Value | undefined): number {
  if (!v || v.context || (v.tag !== TAG.UTC && v.tag !== TAG.TIME)) throw new Error('a certificate has no time')
  try {
    return time(v)
  } catch {
    return NaN
  }
}

function readExtensions(v: Value | undefined): { all: Map<string, Extension>; once: boolean } {
  const all = new Map<string, Extension>()
  let once = true
  for (const e of v ? members(want(exactly(1, v.kids)[0], TAG.SEQUENCE)) : []) {
    const [id, ...rest] = kids(e)
    if (rest.length > 2) throw new Error('an extension says too much')
    const flag = rest.length > 1 ? want(rest[0], TAG.BOOLEAN) : null
    once &&= !all.has(oid(id))
    all.set(oid(id), { critical: flag !== null && flag.body[0] !== 0, value: want(rest.at(-1), TAG.OCTETS) })
  }
  return { all, once }
}

/** AlgorithmIdentifier. */
export function algorithmOf(v: Value | undefined): string {
  const [id, , more] = kids(v)
  if (more) throw new Error('not an algorithm')
  return oid(id)
}
/** Types that OpenSSL takes in a name: strings, and those it does not know. */
const NAMED = new Set([3, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 19, 20, 22, 28, 29, 30])
function readName(v: Value | undefined): Value {
  const name = want(v, TAG.SEQUENCE)
  canonical(name)
  return name
}

export function readCertificate(v: Value): Certificate {
  const [tbs, algorithm, signature] = exactly(3, kids(v))
  const fields = kids(tbs)
  const versioned = fields[0]?.context === true && fields[0].tag === 0
  const tail = fields.slice(versioned ? 7 : 6)
  if (!tail.every((f, i) => f.context && f.constructed === (f.tag === 3) && f.tag >= 1 && f.tag <= 3 && (i === 0 || f.tag > (tail[i - 1]?.tag ?? 0))))
    throw new Error('a certificate has a field that it should not have')
  const [serial, inner, issuer, validity, subject, key] = versioned ? fields.slice(1) : fields
  const [from, to] = exactly(2, kids(validity))
  const { all, once } = readExtensions(optional(tail, 3))
  const spki = exactly(2, kids(key))
  algorithmOf(inner)
  algorithmOf(spki[0])
  bits(spki[1])
  return {
    raw: v.raw, tbs: want(tbs, TAG.SEQUENCE).raw, serial: want(serial, TAG.INTEGER).body,
    issuer: readName(issuer), subject: readName(subject), from: readTime(from), to: readTime(to),
    key: want(key, TAG.SEQUENCE), extensions: all,
    algorithm: algorithmOf(algorithm), signature: bits(signature), version: versioned ? small(exactly(1, fields[0]?.kids ?? [])[0]) : 0,
    once, wellSigned: signature?.body[0] === 0 && equal(want(algorithm, TAG.SEQUENCE).raw, want(inner, TAG.SEQUENCE).raw),
  }
}

/** Certificates in PEM, at least one. */
export function readRoots(pem: string): Certificate[] {
  const blocks = [...pem.matchAll(/-----BEGIN CERTIFICATE-----([^-]*)-----END CERTIFICATE-----/g)]
  if (blocks.length === 0 || blocks.length > ROOTS_MAX) throw new Error(`not 1 to ${ROOTS_MAX} certificates in PEM`)
  return blocks.map(([, body = '']) => readCertificate(parseAsn1(base64(body.replace(/\s/g, '')))))
}

// --- names -----------------------------------------------------------------------------------

const SHORT: Record<string, string> = {
  '2.5.4.3': 'CN', '2.5.4.4': 'SN', '2.5.4.5': 'serialNumber', '2.5.4.6': 'C', '2.5.4.7': 'L', '2.5.4.8': 'ST',
  '2.5.4.9': 'street', '2.5.4.10': 'O', '2.5.4.11': 'OU', '2.5.4.12': 'title', '2.5.4.15': 'businessCategory',
  '2.5.4.17': 'postalCode', '2.5.4.42': 'GN', '2.5.4.97': 'organizationIdentifier',
  '1.2.840.113549.1.9.1': 'emailAddress', '0.9.2342.19200300.100.1.1': 'UID', '0.9.2342.19200300.100.1.25': 'DC',
}

/** RFC 5280 7.1: case and blanks do not tell names apart. */
function canonical(name: Value): string {
  return kids(name).map((rdn) => members(want(rdn, TAG.SET)).map((pair) => {
    const [type, value] = exactly(2, kids(pair))
    if (!value || value.context || !NAMED.has(value.tag)) throw new Error('a name lacks a value')
    const s = directoryString(value)
    return `${oid(type)}=${s === null ? `#${toHex(value.raw)}` : JSON.stringify(s.trim().replace(/\s+/g, ' ').toLowerCase())}`
  }).sort().join('+')).join(',')
}
export const sameName = (a: Value, b: Value): boolean => equal(a.raw, b.raw) || canonical(a) === canonical(b)

function escaped(s: string): string {
  return s.replace(/[,+"\\<>;]|^[# ]| $/g, '\\$&')
    .replace(/[\u0000-\u001f\u007f]/g, (c) => `\\${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`)
}
/** RFC 2253, at most 255 bytes, as the C verifier writes it. */
export function nameText(name: Value): string {
  const all = [...name.kids].reverse().map((rdn) => [...kids(rdn, TAG.SET)].reverse().map((pair) => {
    const [type, value] = kids(pair)
    const id = oid(type)
    const s = value && SHORT[id] ? directoryString(value) : null
    return s === null ? `${SHORT[id] ?? id}=#${toHex(value?.raw ?? new Uint8Array()).toUpperCase()}` : `${SHORT[id]}=${escaped(s)}`
  }).join('+')).join(',')
  return all === '' ? '?' : text(utf8(all).length > 255 ? utf8(all).subarray(0, 255) : utf8(all))
}

// --- signatures ------------------------------------------------------------------------------

export type Digest = 'SHA-1' | 'SHA-256' | 'SHA-384' | 'SHA-512'
const RSA = '1.2.840.113549.1.1.1'
const EC = '1.2.840.10045.2.1'
const CURVES: Record<string, [string, number]> = {
  '1.2.840.10045.3.1.7': ['P-256', 32], '1.3.132.0.34': ['P-384', 48], '1.3.132.0.35': ['P-521', 66],
}
const SIGNATURES: Record<string, [string, Digest]> = {
  '1.2.840.113549.1.1.5': [RSA, 'SHA-1'], '1.2.840.113549.1.1.11': [RSA, 'SHA-256'],
  '1.2.840.113549.1.1.12': [RSA, 'SHA-384'], '1.2.840.113549.1.1.13': [RSA, 'SHA-512'],
  '1.2.840.10045.4.1': [EC, 'SHA-1'], '1.2.840.10045.4.3.2': [EC, 'SHA-256'],
  '1.2.840.10045.4.3.3': [EC, 'SHA-384'], '1.2.840.10045.4.3.4': [EC, 'SHA-512'],
}
/** Kinds of keys, curves and signatures that the C verifier may know and browsers do not. */
const FOREIGN = /^(?:1\.2\.840\.113549\.1\.1\.(?:4|10|14|15|16)|1\.2\.840\.10045\.(?:3\.[01]|4\.3)\.\d+|1\.3\.132\.0\.\d+|1\.3\.36\.3\.3\.2\.8\.1\.1\.\d+|1\.2\.156\.10197\.1\.(?:301|501)|1\.3\.101\.11[0-3]|2\.16\.840\.1\.101\.3\.4\.3\.\d+|1\.2\.840\.10040\.4\.\d+)$/
function unknown(id: string, what: string): false {
  if (FOREIGN.test(id)) throw new Uncheckable(`${what} (${id}) is of a kind that browsers do not know`)
  return false
}
const own = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => Uint8Array.from(bytes)

export function subtle(): SubtleCrypto {
  const s = (globalThis.crypto as Crypto | undefined)?.subtle
  if (!s) throw new Uncheckable('this browser lends this page no cryptography')
  return s
}
export async function digest(how: Digest, bytes: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await subtle().digest(how, own(bytes)))
}

/** r and s of an ECDSA signature, which must be DER, as WebCrypto wants them. */
function plainSignature(der: Uint8Array, size: number): Uint8Array<ArrayBuffer> | null {
  const out = new Uint8Array(2 * size)
  try {
    const numbers = kids(parseAsn1(der))
    if (numbers.length !== 2) return null
    for (const [i, v] of numbers.entries()) {
      const { body } = want(v, TAG.INTEGER)
      const padded = body[0] === 0 && body.length > 1
      if (body.length === 0 || (body[0] ?? 0) > 127 || (padded && (body[1] ?? 0) < 128)) return null
      const n = padded ? body.subarray(1) : body
      if (n.length > size) return null
      out.set(n, (i + 1) * size - n.length)
    }
    return out
  } catch {
    return null
  }
}

interface UsableKey {
  key: CryptoKey
  /** Bytes of r and of s; 0 for RSA. */
  size: number
  params: { name: string; hash: Digest }
}
/** The key of a certificate for signatures with this digest, or null when it is no key. */
async function keyOf(c: Certificate, how: Digest): Promise<UsableKey | null> {
  const [algorithm] = c.key.kids
  const [id, parameters] = kids(algorithm)
  // Curves have names; one that is written out may be any.
  if (oid(id) === EC && parameters?.tag === TAG.SEQUENCE) throw new Uncheckable(`the curve of the key of '${nameText(c.subject)}' has no name`)
  if (oid(id) === EC && parameters?.tag !== TAG.OID) return null
  const kind = oid(id) === EC ? oid(parameters) : oid(id)
  const curve = oid(id) === EC ? CURVES[kind] : undefined
  if (kind !== RSA && !curve) return unknown(kind, `the key of '${nameText(c.subject)}'`) || null
  const params = curve ? { name: 'ECDSA', namedCurve: curve[0], hash: how } : { name: 'RSASSA-PKCS1-v1_5', hash: how }
  const s = subtle()
  try {
    return { key: await s.importKey('spki', own(c.key.raw), params, false, ['verify']), size: curve?.[1] ?? 0, params }
  } catch {
    return null
  }
}

/** Whether the key of this certificate signed the bytes. */
export async function signed(c: Certificate, how: Digest, signature: Uint8Array, bytes: Uint8Array): Promise<boolean> {
  const k = await keyOf(c, how)
  const plain = k && (k.size > 0 ? plainSignature(signature, k.size) : own(signature))
  return k !== null && plain !== null && subtle().verify(k.params, k.key, plain, own(bytes))
}

/** Whether it has a key, of the kind that signed c. */
async function hasKeyFor(by: Certificate, c: Certificate): Promise<boolean> {
  const how = SIGNATURES[c.algorithm]
  if (!how) return unknown(c.algorithm, `the signature of the certificate of '${nameText(c.subject)}'`)
  return oid(kids(by.key.kids[0])[0]) === how[0] && (await keyOf(by, how[1])) !== null
}

async function issued(by: Certificate, c: Certificate): Promise<boolean> {
  const how = SIGNATURES[c.algorithm]
  return how !== undefined && c.wellSigned && signed(by, how[1], c.signature, c.tbs)
}

// --- what a certificate is for -----------------------------------------------------------------

/** Bits of the key usage, the first in the highest place (RFC 5280 4.2.1.3), or null. */
function keyUsage(c: Certificate): number | null {
  const e = c.extensions.get(EXT.KEY_USAGE)
  if (!e) return null
  const b = bits(parseAsn1(octets(e.value)))
  return ((b[0] ?? 0) << 8) | (b[1] ?? 0)
}
const DIGITAL_SIGNATURE = 0x8000
const NON_REPUDIATION = 0x4000
const CERT_SIGN = 0x0400

/** RFC 3161 2.3: that purpose alone, and critical. */
function mayStamp(c: Certificate): boolean {
  const usage = keyUsage(c)
  const e = c.extensions.get(EXT.PURPOSE)
  if (usage !== null && ((usage & (DIGITAL_SIGNATURE | NON_REPUDIATION)) === 0 || (usage & ~(DIGITAL_SIGNATURE | NON_REPUDIATION)) !== 0))
    return false
  if (!e?.critical) return false
  const purposes = kids(parseAsn1(octets(e.value)))
  return purposes.length === 1 && oid(purposes[0]) === TIME_STAMPING
}

function basic(c: Certificate): { ca: boolean; length: number } | null {
  const e = c.extensions.get(EXT.BASIC)
  if (!e) return null
  const all = kids(parseAsn1(octets(e.value)))
  const flag = all[0]?.tag === TAG.BOOLEAN && !all[0].context ? all[0] : undefined
  const [length, more] = all.slice(flag ? 1 : 0)
  if (more) throw new Error('basic constraints say too much')
  return { ca: flag !== undefined && flag.body[0] !== 0, length: length ? small(length) : -1 }
}
const signsCertificates = (c: Certificate) => ((keyUsage(c) ?? CERT_SIGN) & CERT_SIGN) !== 0

function isAuthority(c: Certificate): boolean {
  if (!signsCertificates(c)) return false
  const b = basic(c)
  if (b) return b.ca
  return keyUsage(c) !== null || (c.version === 0 && isSelfSigned(c))
}

// --- chains ------------------------------------------------------------------------------------

/** Whether the extensions that are looked at can be read. */
function isReadable(c: Certificate): boolean {
  try {
    for (const id of [EXT.KEY_ID, EXT.AUTHORITY, EXT.PURPOSE, ALTERNATIVE]) {
      const e = c.extensions.get(id)
      const v = e && parseAsn1(octets(e.value))
      if (v) want(v, id === EXT.KEY_ID ? TAG.OCTETS : TAG.SEQUENCE)
    }
    const b = basic(c)
    return keyUsage(c) !== 0 && (b === null || b.length === -1 || (b.ca && b.length >= 0))
  } catch {
    return false
  }
}

/** RFC 5280 4.2.1.1: an authority key identifier, when there is one, must be the issuer's. */
function mayHaveIssued(by: Certificate, c: Certificate): boolean {
  if (!sameName(by.subject, c.issuer) || !isReadable(by) || !signsCertificates(by)) return false
  const e = c.extensions.get(EXT.AUTHORITY)
  if (!e) return true
  const all = kids(parseAsn1(octets(e.value)))
  const [id, names, serial] = [optional(all, 0), optional(all, 1), optional(all, 2)]
  const theirs = by.extensions.get(EXT.KEY_ID)
  if (id && theirs && !equal(id.body, octets(parseAsn1(octets(theirs.value))))) return false
  if (serial && !equal(serial.body, by.serial)) return false
  const directory = names?.kids.find((n) => n.context && n.tag === 4)?.kids[0]
  return !directory || sameName(directory, by.issuer)
}
const isSelfSigned = (c: Certificate) => sameName(c.subject, c.issuer) && mayHaveIssued(c, c)
const isValidAt = (c: Certificate, at: number) => c.from <= at && at <= c.to

async function issuerOf(c: Certificate, among: Certificate[], at: number): Promise<Certificate | undefined> {
  const all: Certificate[] = []
  for (const by of among) if (mayHaveIssued(by, c) && (await hasKeyFor(by, c))) all.push(by)
  return all.find((by) => isValidAt(by, at)) ?? all.sort((a, b) => b.to - a.to)[0]
}

function isSound(c: Certificate, place: number, before: number): boolean {
  if (BEYOND.some((id) => c.extensions.has(id)))
    throw new Uncheckable(`the certificate of '${nameText(c.subject)}' has constraints that this page does not know`)
  if ([...c.extensions].some(([id, e]) => e.critical && !KNOWN.has(id))) return false
  if (!c.once || !isReadable(c)) return false
  if (place === 0) return mayStamp(c)
  const length = basic(c)?.length ?? -1
  return isAuthority(c) && !(place > 1 && length >= 0 && before > length)
}

/** Purpose, extensions, time and signature of every link. The signature of the last is nobody's to check. */
async function holds(chain: Certificate[], at: number): Promise<boolean> {
  let before = 0
  for (const [i, c] of chain.entries()) {
    if (!isValidAt(c, at) || !isSound(c, i, before)) return false
    if (i > 0 && !sameName(c.subject, c.issuer)) before++
  }
  for (const [i, c] of chain.entries()) {
    const by = chain[i + 1]
    if (by && !(await issued(by, c))) return false
  }
  return true
}

/** The chain of a stamp's signer with the token's certificates taken at their word, or null. */
export async function ownChain(signer: Certificate, certificates: Certificate[], at: number): Promise<Certificate[] | null> {
  const by = isSelfSigned(signer) ? undefined : await issuerOf(signer, certificates, at)
  const chain = by ? [signer, by] : [signer]
  return (await holds(chain, at)) ? chain : null
}

/** The chain to a self-signed certificate among the roots, or null. */
export async function rootedChain(signer: Certificate, certificates: Certificate[], roots: Certificate[], at: number): Promise<Certificate[] | null> {
  const chain = [signer]
  let ours = false
  for (let c = signer; chain.length <= DEPTH_MAX; ) {
    if (isSelfSigned(c)) {
      if (!ours && !roots.some((r) => equal(r.raw, c.raw))) return null
      return (await holds(chain, at)) ? chain : null
    }
    const root = await issuerOf(c, roots, at)
    const by = root ?? (ours ? undefined : await issuerOf(c, certificates, at))
    if (!by) return null
    ours ||= root !== undefined
    chain.push(by)
    c = by
  }
  return null
}
