// Checks RFC 3161 time stamps as src/engine/log/timestamp.c does: granted, imprint, signature,
// purpose and ESSCertID, and, apart from that, whether the signer leads to the reader's roots.
import { bits, exactly, kids, members, octets, oid, optional, parseAsn1, small, TAG, time, want, type Value } from './asn1.ts'
import { equal } from './bytes.ts'
import { algorithmOf, digest, nameText, ownChain, readCertificate, rootedChain, sameName, signed, subtle, Uncheckable, type Certificate, type Digest } from './x509.ts'

const SIZE_MAX = 1 << 20
const SIGNED_DATA = '1.2.840.113549.1.7.2'
const TST_INFO = '1.2.840.113549.1.9.16.1.4'
const MESSAGE_DIGEST = '1.2.840.113549.1.9.4'
const SIGNING_CERT = '1.2.840.113549.1.9.16.2.12'
const SIGNING_CERT_V2 = '1.2.840.113549.1.9.16.2.47'
const SM3 = '1.2.156.10197.1.401'
const DIGESTS: Record<string, Digest> = {
  '1.3.14.3.2.26': 'SHA-1', '2.16.840.1.101.3.4.2.1': 'SHA-256', '2.16.840.1.101.3.4.2.2': 'SHA-384',
  '2.16.840.1.101.3.4.2.3': 'SHA-512',
}
/** MD5, SHA-224, SHA-512/t, SHA-3 and SM3: the C verifier has them, browsers do not. */
const FOREIGN = new Set(['1.2.840.113549.2.5', SM3, ...[4, 5, 6, 7, 8, 9, 10].map((n) => `2.16.840.1.101.3.4.2.${n}`)])

export interface StampFacts {
  time: number
  signer: string
  trusted: boolean
}

interface Token {
  /** OIDs of the digests announced. */
  digests: string[]
  content: Uint8Array
  certificates: Certificate[]
  signer: Value[]
}
interface Info {
  algorithm: string
  imprint: Uint8Array
  time: number
}

const invalid = (what: string) => new Error(`time stamp: ${what}`)
const NOT_HELD = 'its signature or certificate does not hold'

function digestOf(id: string, what: string): Digest {
  const how = DIGESTS[id]
  if (how) return how
  if (FOREIGN.has(id)) throw new Uncheckable(`its digest (${id}) is one that browsers do not know`)
  throw invalid(what)
}

// --- reading ---------------------------------------------------------------------------------

/** RFC 5652 5.1. */
function readToken(v: Value): Token {
  const [type, wrapped] = exactly(2, kids(v))
  if (oid(type) !== SIGNED_DATA || !wrapped?.context || wrapped.tag !== 0) throw invalid('not signed')
  const [version, digests, inner, ...rest] = kids(exactly(1, wrapped.kids)[0])
  want(version, TAG.INTEGER)
  const [kind, content] = exactly(2, kids(inner))
  if (oid(kind) !== TST_INFO || !content?.context || content.tag !== 0) throw invalid('not a time stamp')
  const signers = members(want(rest.at(-1), TAG.SET))
  const certificates = optional(rest, 0)
  if (signers.length !== 1) throw invalid(NOT_HELD)
  return {
    digests: members(want(digests, TAG.SET)).map((d) => algorithmOf(d)),
    content: octets(exactly(1, content.kids)[0]),
    certificates: certificates ? members(certificates).map(readCertificate) : [],
    signer: kids(signers[0]),
  }
}

function readInfo(content: Uint8Array): Info {
  const [version, , imprint, , when] = kids(parseAsn1(content))
  const [algorithm, hash] = kids(imprint)
  if (small(version) !== 1) throw invalid(NOT_HELD)
  return { algorithm: algorithmOf(algorithm), imprint: octets(hash), time: time(want(when, TAG.TIME)) }
}

function readResponse(bytes: Uint8Array): { token: Token; info: Info } {
  if (bytes.length > SIZE_MAX) throw invalid('larger than a megabyte')
  let status: number
  let found: { token: Token; info: Info } | null = null
  try {
    const [info, token, extra] = kids(parseAsn1(bytes))
    if (extra) throw new Error('more than an answer')
    const [code, ...more] = kids(info)
    status = small(code)
    // Text and reasons: nobody reads them here, but they must be what they say they are.
    for (const m of more) m.tag === TAG.BITS ? bits(m) : kids(m).forEach((s) => want(s, TAG.UTF8))
    const read = token && readToken(token)
    if (read) found = { token: read, info: readInfo(read.content) }
  } catch {
    throw invalid('not an answer of a time stamp authority')
  }
  if ((status !== 0 && status !== 1) || !found) throw invalid('the authority did not grant it')
  return found
}

// --- judging ---------------------------------------------------------------------------------

async function checkImprint(info: Info, message: Uint8Array): Promise<void> {
  const what = 'its digest is none of SHA-256, SHA-384, SHA-512 and SM3'
  if (info.algorithm !== SM3 && (DIGESTS[info.algorithm] ?? 'SHA-1') === 'SHA-1') throw invalid(what)
  if (!equal(await digest(digestOf(info.algorithm, what), message), info.imprint)) throw invalid('it is for something else')
}

function attribute(attributes: Value, id: string): Value | undefined {
  const found = members(attributes).find((a) => oid(kids(a)[0]) === id)
  return found && members(want(kids(found)[1], TAG.SET))[0]
}

/** RFC 5035 3: an identifier of a certificate that must be in the chain, the first that of the signer. */
async function names(id: Value, v2: boolean, c: Certificate): Promise<boolean> {
  const all = [...kids(id)]
  let how: Digest = v2 ? 'SHA-256' : 'SHA-1'
  if (v2 && all[0]?.tag === TAG.SEQUENCE) how = digestOf(algorithmOf(all.shift()), NOT_HELD)
  const [hash, issuerSerial] = all
  if (!equal(await digest(how, c.raw), octets(hash))) return false
  if (!issuerSerial) return true
  const [issuers, serial] = kids(issuerSerial)
  const [issuer, second] = kids(issuers)
  return second === undefined && issuer?.context === true && issuer.tag === 4 && issuer.kids[0] !== undefined &&
    sameName(issuer.kids[0], c.issuer) && equal(want(serial, TAG.INTEGER).body, c.serial)
}
async function namesChain(attributes: Value, chain: Certificate[]): Promise<boolean> {
  let any = false
  for (const type of [SIGNING_CERT, SIGNING_CERT_V2]) {
    const value = attribute(attributes, type)
    if (!value) continue
    const ids = kids(kids(value)[0])
    for (const [i, id] of ids.entries()) {
      let at = -1
      for (const [k, c] of chain.entries()) if (at < 0 && (await names(id, type === SIGNING_CERT_V2, c))) at = k
      if (at < 0 || (i === 0 && at !== 0)) return false
    }
    if (ids.length === 0) return false
    any = true
  }
  return any
}

interface Signer {
  certificate: Certificate
  attributes: Value
  digest: string
  signature: Uint8Array
}
function findSigner(t: Token): Signer {
  const [version, sid, algorithm, ...rest] = t.signer
  const [issuer, serial] = exactly(2, kids(sid))
  if (!issuer) throw invalid(NOT_HELD)
  const attributes = optional(rest, 0)
  want(version, TAG.INTEGER)
  const { body } = want(serial, TAG.INTEGER)
  const certificate = t.certificates.find((c) => equal(c.serial, body) && sameName(issuer, c.issuer))
  const signature = rest[attributes ? 2 : 1]
  const id = algorithmOf(algorithm)
  if (!certificate || !attributes || !t.digests.includes(id)) throw invalid(NOT_HELD)
  algorithmOf(rest[attributes ? 1 : 0]) // of the signature; which, says the key
  return { certificate, attributes, digest: id, signature: octets(signature) }
}

/** RFC 5652 5.4: what is signed is the DER of the attributes as a SET OF. */
function signedBytes(attributes: Value): Uint8Array {
  const out = Uint8Array.from(attributes.raw)
  let at = out.length - attributes.body.length
  out[0] = 0x31
  for (const a of members(attributes)) {
    const [type] = kids(a)
    const set = at + a.raw.length - a.body.length + (type?.raw.length ?? 0)
    if (out[set] === 0x11) out[set] = 0x31 // read as such, see members()
    at += a.raw.length
  }
  return out
}

/** RFC 5652 5.4: the digest of the content is an attribute, and the attributes are signed. */
async function checkSignature(t: Token, s: Signer): Promise<void> {
  const how = digestOf(s.digest, NOT_HELD)
  const said = octets(attribute(s.attributes, MESSAGE_DIGEST))
  if (!equal(await digest(how, t.content), said) || !(await signed(s.certificate, how, s.signature, signedBytes(s.attributes))))
    throw invalid(NOT_HELD)
}

async function chainOf(s: Signer, chain: Certificate[] | null): Promise<boolean> {
  return chain !== null && namesChain(s.attributes, chain)
}

async function judge(t: Token, info: Info, roots: Certificate[]): Promise<StampFacts> {
  const s = findSigner(t)
  const { certificate } = s
  // First, because it tells what was changed from what is only unknown here.
  if (!(await namesChain(s.attributes, [certificate, ...t.certificates]))) throw invalid(NOT_HELD)
  await checkSignature(t, s)
  if (!(await chainOf(s, await ownChain(certificate, t.certificates, info.time)))) throw invalid(NOT_HELD)
  const trusted = roots.length > 0 && (await chainOf(s, await rootedChain(certificate, t.certificates, roots, info.time)))
  return { time: info.time, signer: nameText(certificate.subject), trusted }
}

/** Throws Uncheckable when it may hold but cannot be judged here, and another error when it does not hold. */
export async function verifyStamp(response: Uint8Array, message: Uint8Array, roots: Certificate[]): Promise<StampFacts> {
  const { token, info } = readResponse(response)
  subtle()
  await checkImprint(info, message)
  try {
    return await judge(token, info, roots)
  } catch (e) {
    throw e instanceof Uncheckable ? e : invalid(NOT_HELD)
  }
}
