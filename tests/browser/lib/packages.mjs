// Evidence packages for tests: made by the product, and spoilt in known ways.
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash, createHmac, generateKeyPairSync, sign } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const plumbline = join(process.env.PL_STAGE ?? join(root, 'build/stage'), 'bin/plumbline')

/** A folder with two logs: one plain, one whose keys have had lives. */
export function makeLogs() {
  const folder = mkdtempSync(join(tmpdir(), 'pl-verify-'))
  const run = (...args) => execFileSync(plumbline, args, { stdio: 'pipe', env: { ...process.env, PLUMBLINE_LANG: 'en' } })
  const at = (name) => join(folder, name)
  const make = (dir) => run('init', '--dir', at(dir))
  const pack = (dir, out) => {
    run('evidence', 'export', '--dir', at(dir), '--type', '*', '--payloads', '--to', 'Assessor <b>Ltd</b>', '--reason', '审计', '-o', at(out))
    return readFileSync(at(out))
  }
  const vkey = (dir) => readFileSync(join(at(dir), 'ledger/vkey'), 'utf8').trim()
  make('plain')
  make('lives')
  const first = vkey('lives')
  run('key', 'new', 'second', '--alg', 'sm2', '--use', 'log', '--dir', at('lives'))
  run('key', 'new', 'part', '--alg', 'p256', '--dir', at('lives'))
  run('key', 'rotate', '--dir', at('lives'))
  return {
    plain: pack('plain', 'plain.tar'),
    plainKey: vkey('plain'),
    lives: pack('lives', 'lives.tar'),
    livesKeys: [first, ...vkey('lives').split('\n')],
    /** What the C program says: its report, or null when it is no package. */
    judge(bytes, { key, trust, roots } = {}) {
      writeFileSync(at('p'), bytes)
      if (trust) writeFileSync(at('trust'), trust)
      if (roots) writeFileSync(at('roots'), roots)
      const args = ['evidence', 'verify', '--json', at('p'), ...(key ? ['--key', key] : []), ...(trust ? ['--trust', at('trust')] : []),
        ...(roots ? ['--tsa-roots', at('roots')] : [])]
      const { status, stdout } = spawnSync(plumbline, args, { encoding: 'utf8' })
      return status === 0 || status === 1 ? JSON.parse(stdout) : null
    },
    path: at,
    write: (name, bytes) => (writeFileSync(at(name), bytes), at(name)),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

// --- archives --------------------------------------------------------------------------------

const padded = (n) => Math.ceil(n / 512) * 512

export function membersOf(tar) {
  const members = []
  for (let at = 0; tar[at] !== 0; ) {
    const name = tar.toString('latin1', at, at + 100).replace(/\0.*$/s, '')
    const size = parseInt(tar.toString('latin1', at + 124, at + 135), 8)
    members.push({ name, at: at + 512, bytes: tar.subarray(at + 512, at + 512 + size) })
    at += 512 + padded(size)
  }
  return members
}

export function archive(members) {
  const parts = members.flatMap(({ name, bytes }) => {
    const h = Buffer.alloc(512)
    const octal = (n, digits, at) => h.write(n.toString(8).padStart(digits, '0'), at)
    h.write(name)
    octal(0o644, 7, 100)
    octal(0, 7, 108)
    octal(0, 7, 116)
    octal(bytes.length, 11, 124)
    octal(0, 11, 136)
    h.write('        0', 148)
    h.write('ustar\u000000', 257)
    octal(h.reduce((a, b) => a + b), 6, 148)
    h.write('\0 ', 154)
    return [h, bytes, Buffer.alloc(padded(bytes.length) - bytes.length)]
  })
  return Buffer.concat([...parts, Buffer.alloc(1024)])
}

/** The package with members changed; change gives bytes, undefined (as it was) or null (gone). */
export function changed(tar, change) {
  const out = []
  for (const { name, bytes } of membersOf(tar)) {
    const now = change(name, bytes)
    if (now !== null) out.push({ name, bytes: now === undefined ? bytes : Buffer.from(now) })
  }
  return archive(out)
}

/** One bit of a member's bytes, at a place between 0 and 1. */
export function flipped(tar, pattern, where = 0.5) {
  const member = membersOf(tar).find((m) => pattern.test(m.name))
  const copy = Buffer.from(tar)
  copy[member.at + Math.floor(member.bytes.length * where)] ^= 1
  return copy
}

/** A package made by hand: one statement that binds a payload and a salted commitment. */
export function makeBound() {
  const hash = (...parts) => createHash('sha256').update(Buffer.concat(parts.map((p) => Buffer.from(p)))).digest()
  const hex = (b) => Buffer.from(b).toString('hex')
  const origin = 'hand.test/log'
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const typed = Buffer.concat([Buffer.of(1), Buffer.from(publicKey.export({ format: 'jwk' }).x, 'base64url')])
  const id = hash(`${origin}\n`, typed).subarray(0, 4)
  const vkey = `${origin}+${hex(id)}+${typed.toString('base64')}`
  const [bound, told, salt] = [Buffer.from('a bound file\n'), Buffer.from('what was said'), hash('salt')]
  const commitment = createHmac('sha256', salt).update('plumbline.commit.v1\0').update(told).digest('hex')
  const payload = Buffer.from(JSON.stringify({
    _type: 'https://in-toto.io/Statement/v1', predicateType: 'https://hand.test/kind', subject: [{ name: 'matter:1' }],
    predicate: { files: [{ sha256: hex(hash(bound)) }], commitment, time: '2026-11-20T10:00:00+08:00' },
  }))
  const type = 'application/vnd.in-toto+json'
  const sig = sign(null, Buffer.concat([Buffer.from(`DSSEv1 ${type.length} ${type} ${payload.length} `), payload]), privateKey)
  const entry = JSON.stringify({
    payload: payload.toString('base64'), payloadType: type, signatures: [{ keyid: hex(hash(typed.subarray(1))), sig: sig.toString('base64') }],
  })
  const head = `${origin}\n1\n${hash(Buffer.of(0), entry).toString('base64')}\n`
  const note = `${head}\n\u2014 ${origin} ${Buffer.concat([id, sign(null, Buffer.from(head), privateKey)]).toString('base64')}\n`
  const index = {
    format: 'plumbline-evidence/v1', created: '2026-11-20T10:00:00Z', origin, vkey, to: 'a', reason: 'b', timestamps: 0, trust: false,
    entries: [{ index: 0, role: 'claim', payloads: [hex(hash(bound))], openings: [{ salt: hex(salt), payload: hex(hash(told)) }] }],
  }
  const files = {
    'readme.txt': '', 'index.json': JSON.stringify(index), checkpoint: note, 'entry/0.json': entry,
    'entry/0.tlog-proof': `c2sp.org/tlog-proof@v1\nindex 0\n\n${note}`,
    [`payload/${hex(hash(bound))}`]: bound, [`payload/${hex(hash(told))}`]: told,
  }
  return archive(Object.entries(files).map(([name, bytes]) => ({ name, bytes: Buffer.from(bytes) })))
}

// --- witnesses -------------------------------------------------------------------------------

export function makeWitness(name) {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const typed = Buffer.concat([Buffer.of(4), Buffer.from(publicKey.export({ format: 'jwk' }).x, 'base64url')])
  const id = createHash('sha256').update(`${name}\n`).update(typed).digest().subarray(0, 4)
  const line = (text, seconds) => {
    const time = Buffer.alloc(8)
    time.writeBigUInt64BE(BigInt(seconds))
    const sig = sign(null, Buffer.from(`cosignature/v1\ntime ${seconds}\n${text}`), privateKey)
    return `\u2014 ${name} ${Buffer.concat([id, time, sig]).toString('base64')}\n`
  }
  return { vkey: `${name}+${id.toString('hex')}+${typed.toString('base64')}`, line }
}

/** The package as if these lines had been on the checkpoint when it was made. */
export function cosigned(tar, witness, seconds) {
  return changed(tar, (name, bytes) => {
    if (name !== 'checkpoint' && !name.endsWith('.tlog-proof')) return undefined
    const note = membersOf(tar).find((m) => m.name === 'checkpoint').bytes.toString()
    return `${bytes}${witness.line(note.slice(0, note.lastIndexOf('\n\n') + 1), seconds)}`
  })
}

// --- time stamps -----------------------------------------------------------------------------

export const STAMPS = ['extendedKeyUsage=critical,timeStamping', 'basicConstraints=CA:FALSE']

/** Authorities made with openssl: roots, and certificates below them by name. */
export function makeAuthority(folder) {
  const at = (name) => join(folder, name)
  const openssl = (...args) => execFileSync('openssl', args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
  const newKey = (name, kind) => {
    const how = { RSA: ['RSA', '-pkeyopt', 'rsa_keygen_bits:2048'], ED25519: ['ED25519'] }[kind] ?? ['EC', '-pkeyopt', `ec_paramgen_curve:${kind}`]
    openssl('genpkey', '-algorithm', ...how, '-out', `${name}.key`)
  }
  const root = (name) => {
    newKey(name, 'P-256')
    openssl('req', '-x509', '-key', `${name}.key`, '-out', `${name}.pem`, '-days', '3650', '-subj', `/CN=${name}`)
    return readFileSync(at(`${name}.pem`), 'utf8')
  }
  const certificate = (name, { kind = 'P-256', by = 'root', subject = `/C=CN/O=Stamps, "Ltd"/CN=${name} 时间`, extensions = STAMPS, how = [] } = {}) => {
    newKey(name, kind)
    writeFileSync(at('ext'), extensions.join('\n'))
    openssl('req', '-new', '-utf8', '-key', `${name}.key`, '-out', 'csr', '-subj', subject)
    openssl('x509', '-req', '-in', 'csr', '-CA', `${by}.pem`, '-CAkey', `${by}.key`, '-CAcreateserial', ...how, '-days', '3650', '-extfile', 'ext', '-out', `${name}.pem`)
  }
  /** One of 2020, which `openssl x509` does not make. */
  const pastCertificate = (name) => {
    certificate(name, { subject: `/CN=${name}` })
    for (const [file, text] of [['index.txt', ''], ['serial', '01\n'], ['ca.cnf', '[c]\nserial = serial\ndatabase = index.txt\npolicy = p\nnew_certs_dir = .\n[p]\ncommonName = supplied\n']]) writeFileSync(at(file), text)
    openssl('ca', '-batch', '-config', 'ca.cnf', '-name', 'c', '-md', 'sha256', '-cert', 'root.pem', '-keyfile', 'root.key', '-in', 'csr',
      '-startdate', '20200101000000Z', '-enddate', '20201231000000Z', '-extfile', 'ext', '-notext', '-out', `${name}.pem`)
  }
  const writeCertificates = (names) => writeFileSync(at('certs'), names.map((n) => readFileSync(at(`${n}.pem`))).join(''))
  /** What the authority answers for a message. */
  const stamp = (name, message, { certs = [name], digest = 'sha256', ess = 'sha256', imprint = 'sha256', ask = true, chain = 'no' } = {}) => {
    writeFileSync(at('serial'), '01\n')
    writeCertificates(certs)
    writeFileSync(at('tsa.cnf'), `[tsa]\ndefault_tsa = one\n[one]\nserial = serial\nsigner_cert = ${name}.pem\ncerts = certs\nsigner_key = ${name}.key\n` +
      `signer_digest = ${digest}\ndefault_policy = 1.2.3.4\ndigests = sha1, sha256, sha384, sha512, sm3\naccuracy = secs:1\ness_cert_id_alg = ${ess}\ness_cert_id_chain = ${chain}\n`)
    writeFileSync(at('message'), message)
    openssl('ts', '-query', '-data', 'message', `-${imprint}`, ...(ask ? ['-cert'] : []), '-out', 'q.tsq')
    openssl('ts', '-reply', '-config', 'tsa.cnf', '-queryfile', 'q.tsq', '-out', 'r.tsr')
    return readFileSync(at('r.tsr'))
  }
  /** What openssl refuses to answer: the claim of a good stamp, signed by somebody else. */
  const forge = (name, good, { certs = [], how = ['-cades'], type = '1.2.840.113549.1.9.16.1.4' } = {}) => {
    writeFileSync(at('good'), good)
    writeCertificates(certs)
    openssl('ts', '-reply', '-in', 'good', '-token_out', '-out', 'token')
    openssl('cms', '-verify', '-noverify', '-inform', 'DER', '-in', 'token', '-out', 'info', '-binary')
    openssl('cms', '-sign', '-binary', '-nodetach', '-econtent_type', type, ...how, '-nosmimecap', '-md', 'sha256', '-signer', `${name}.pem`,
      '-inkey', `${name}.key`, ...(certs.length > 0 ? ['-certfile', 'certs'] : []), '-in', 'info', '-outform', 'DER', '-out', 'forged')
    return response(readFileSync(at('forged')))
  }
  return { root, certificate, pastCertificate, stamp, forge }
}

/** A TimeStampResp, granted (or what status says), around a token. */
export function response(token, status = 0) {
  const body = Buffer.concat([Buffer.of(0x30, 3, 2, 1, status), token])
  return Buffer.concat([Buffer.of(0x30, 0x82, body.length >> 8, body.length & 255), body])
}

/** What a time stamp of this package covers. */
export function stampedPart(tar) {
  const note = membersOf(tar).find((m) => m.name === 'checkpoint').bytes
  return note.subarray(0, note.indexOf('\n', note.indexOf('\n\n') + 2) + 1)
}
/** The package with these time stamps. */
export function stampedWith(tar, ...stamps) {
  const withIndex = changed(tar, (n, b) => (n === 'index.json' ? JSON.stringify({ ...JSON.parse(b), timestamps: stamps.length }) : undefined))
  return archive([...membersOf(withIndex), ...stamps.map((bytes, i) => ({ name: `timestamp/${i}.tsr`, bytes }))])
}
