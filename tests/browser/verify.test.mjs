// The page that checks evidence packages: what it says is what the C verifier says, from file://,
// with the network off, in both languages.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { after, before, test } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { utf8 } from '../../web/src/proof/bytes.ts'
import { verifyPackage } from '../../web/src/proof/evidence.ts'
import { parseTrust } from '../../web/src/proof/trust.ts'
import { parseKey } from '../../web/src/proof/vkey.ts'
import { readRoots } from '../../web/src/proof/x509.ts'
import { DESKTOP, PHONE, expectAccessible, launch, openPage } from './lib/browser.mjs'
import { archive, changed, cosigned, flipped, makeAuthority, makeBound, makeLogs, makeWitness, membersOf, response, STAMPS, stampedPart, stampedWith } from './lib/packages.mjs'

const file = process.env.PL_VERIFY_PAGE ?? fileURLToPath(new URL('../../build/verify/verify.html', import.meta.url))
const bound = makeBound()
let logs
let stamps
let browser

before(async () => {
  assert.ok(existsSync(file), `${file} is missing: run tools/build-console`)
  logs = makeLogs()
  stamps = makeStamps()
  browser = await launch()
})
after(async () => {
  await browser?.close()
  logs?.remove()
})

/** What two verifiers must agree on; the words of a problem are their own. */
function facts(r) {
  if (r === null) return null
  const { ok, key, key_from, origin, size, root, signers, witnesses, quorum, trust_from, purpose } = r
  return {
    ok, key, key_from, origin, size, root, signers, witnesses, quorum, trust_from, purpose,
    latest: [r.latest_time, r.latest_time_from],
    problems: r.problems.length,
    entries: r.entries,
    states: r.steps.map((s) => `${s.question} ${s.state}`),
    steps: r.ok ? r.steps : null,
    not_proven: r.not_proven,
  }
}
const plain = (v) => JSON.parse(JSON.stringify(v))
async function here(bytes, { key, trust, roots } = {}) {
  try {
    return await verifyPackage(bytes, { key: key && parseKey(key), trust: trust && parseTrust(utf8(trust)), roots: roots && readRoots(roots) })
  } catch {
    return null
  }
}
async function agree(bytes, what, anchors) {
  const theirs = logs.judge(bytes, anchors)
  const ours = await here(bytes, anchors)
  assert.deepEqual(ours && plain(facts(ours)), theirs && plain(facts(theirs)), what)
  return ours
}

// --- the two verifiers -----------------------------------------------------------------------

test('both verifiers agree about sound packages, with every key that may be given', async () => {
  assert.equal((await agree(logs.plain, 'plain'))?.ok, true)
  assert.equal((await agree(logs.plain, 'its key', { key: logs.plainKey }))?.ok, true)
  assert.equal((await agree(logs.lives, 'lives of keys'))?.ok, true)
  assert.deepEqual((await agree(bound, 'bound files'))?.entries[0].payloads.map((x) => x.holds), [true, true])
  for (const key of logs.livesKeys) assert.equal((await agree(logs.lives, 'old or new key', { key }))?.ok, true)
  assert.deepEqual(new Set((await agree(logs.lives, 'algorithms')).signers.map((s) => s.alg)), new Set(['ed25519', 'sm2', 'p256']))
  assert.equal((await agree(logs.plain, 'key of another log', { key: logs.livesKeys[0] }))?.ok, false)
})

test('both verifiers agree about every kind of spoilt package', async () => {
  const p = logs.plain
  const index = (change) =>
    changed(p, (name, bytes) => (name === 'index.json' ? JSON.stringify(change(JSON.parse(bytes))) : undefined))
  const unbound = (b) => {
    const x = JSON.parse(b)
    const [e] = x.entries
    return JSON.stringify({ ...x, entries: [{ ...e, payloads: [...e.payloads, e.openings[0].payload], openings: [] }] })
  }
  const cases = {
    'a byte of an entry': [flipped(p, /^entry\/1\.json/), false],
    'a byte of a proof': [flipped(p, /^entry\/1\.tlog-proof/, 0.2), false],
    'a byte of a payload': [flipped(bound, /^payload\//), false],
    'a payload less': [changed(bound, (n) => (n.startsWith('payload/') ? null : undefined)), false],
    'another salt': [changed(bound, (n, b) => (n === 'index.json' ? String(b).replace('"salt":"', '"salt":"00').replace(/..","payload"/, '","payload"') : undefined)), false],
    'an opening as a payload': [changed(bound, (n, b) => (n === 'index.json' ? unbound(b) : undefined)), false],
    'a byte of the checkpoint': [flipped(p, /^checkpoint/, 0.1), false],
    'a byte of its signature': [flipped(p, /^checkpoint/, 0.8), false],
    'another index': [index((x) => ({ ...x, entries: x.entries.slice(1) })), false],
    'a promise of a time stamp': [index((x) => ({ ...x, timestamps: 1 })), false],
    'a promise of a policy': [index((x) => ({ ...x, trust: true })), false],
    'an unknown member of the index': [index((x) => ({ ...x, more: 1 })), null],
    'a fraction for a number': [changed(p, (n, b) => (n === 'index.json' ? String(b).replace(/"index": ?0/, '"index":0.0') : undefined)), null],
    'a name twice': [changed(p, (n, b) => (n === 'index.json' ? String(b).replace('{', '{"to":"a",') : undefined)), null],
    'entries out of order': [index((x) => ({ ...x, entries: x.entries.toReversed() })), null],
    'no checkpoint': [changed(p, (n) => (n === 'checkpoint' ? null : undefined)), null],
    'a proof less': [changed(p, (n) => (n === 'entry/1.tlog-proof' ? null : undefined)), false],
    'a file more': [archive([...membersOf(p), { name: 'more', bytes: Buffer.from('x') }]), false],
    'a file twice': [archive([...membersOf(p), membersOf(p)[0]]), null],
    'an unsafe name': [archive([...membersOf(p), { name: '../x', bytes: Buffer.from('x') }]), null],
    'a byte behind the end': [Buffer.concat([p, Buffer.of(0)]), null],
    'the end missing': [p.subarray(0, -512), null],
    nothing: [Buffer.alloc(0), null],
    'something else': [readFileSync(file), null],
  }
  for (const [what, [bytes, ok]] of Object.entries(cases)) assert.equal((await agree(bytes, what))?.ok ?? null, ok, what)
})

test('both verifiers agree about bits changed anywhere', async () => {
  let state = 20261126
  const random = (n) => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) % n
  const seen = new Set()
  for (let i = 0; i < 150; i++) {
    const bytes = Buffer.from(i % 2 ? logs.plain : logs.lives)
    const at = random(bytes.length)
    bytes[at] ^= 1 << random(8)
    seen.add((await agree(bytes, `bit in byte ${at}`))?.ok ?? null)
  }
  assert.deepEqual(seen, new Set([true, false, null])) // readme.txt is vouched for by nobody
})

test('both verifiers agree about witnesses', async () => {
  const [one, two] = [makeWitness('one.test/w'), makeWitness('two.test/w')]
  const p = cosigned(logs.plain, one, 1790000000)
  const policy = (quorum) => `# who counts\nwitness one ${one.vkey}\nwitness two ${two.vkey} https://two.test\ngroup both all one two\nquorum ${quorum}\n`
  assert.equal((await agree(p, 'met', { trust: policy('one') })).latest_time_from, 'one')
  assert.equal((await agree(p, 'not met', { trust: policy('both') })).ok, false)
  assert.equal((await agree(p, 'none asked for', { trust: policy('none') })).ok, true)
  assert.equal((await agree(logs.plain, 'nobody', { trust: policy('none') })).ok, true)
  const forged = { ...one, line: (text, s) => one.line(text, s).replace(/.{8}\n$/, 'AAAAAA==\n') }
  assert.equal((await agree(cosigned(logs.plain, forged, 1790000000), 'forged', { trust: policy('none') })).ok, false)
})

// --- time stamps -----------------------------------------------------------------------------

/** Stamps of the plain package by what is wrong with them; ok is what both verifiers must say. */
function makeStamps() {
  const a = makeAuthority(logs.path('.'))
  const what = stampedPart(logs.plain)
  const roots = { ours: a.root('root'), other: a.root('other') }
  const ca = ['basicConstraints=critical,CA:TRUE', 'keyUsage=keyCertSign', 'subjectKeyIdentifier=hash']
  const identified = [...STAMPS, 'subjectKeyIdentifier=hash', 'authorityKeyIdentifier=keyid,issuer', 'keyUsage=critical,digitalSignature']
  a.certificate('tsa')
  a.certificate('rsa', { kind: 'RSA', how: ['-sha512'] })
  a.certificate('p384', { kind: 'P-384', how: ['-sha384'] })
  a.certificate('p521', { kind: 'P-521' })
  a.certificate('mid', { extensions: ca, subject: '/CN=Mid' })
  a.certificate('below', { by: 'mid', extensions: identified, subject: '/CN=a+b\\/#c/OU= x' })
  a.certificate('weak', { extensions: ['basicConstraints=critical,CA:FALSE'], subject: '/CN=Weak' })
  a.certificate('under', { by: 'weak' })
  a.certificate('none', { extensions: ['basicConstraints=CA:FALSE'] })
  a.certificate('meek', { extensions: ['extendedKeyUsage=timeStamping'] })
  a.certificate('both', { extensions: ['extendedKeyUsage=critical,timeStamping,codeSigning'] })
  a.certificate('mail', { extensions: ['extendedKeyUsage=critical,emailProtection'] })
  a.certificate('usage', { extensions: [...STAMPS, 'keyUsage=keyEncipherment,digitalSignature'] })
  a.certificate('odd', { extensions: [...STAMPS, '1.2.3.4=critical,DER:0500'] })
  a.pastCertificate('past')
  a.certificate('koblitz', { kind: 'secp256k1' })
  const good = a.stamp('tsa', what)
  const token = good.subarray(9) // after the header and a status of five bytes
  const chain = { certs: ['below', 'mid', 'root'] }
  const sound = {
    good, rsa: a.stamp('rsa', what), 'rsa, SHA-512': a.stamp('rsa', what, { digest: 'sha512', imprint: 'sha512' }),
    'rsa, SHA-1': a.stamp('rsa', what, { digest: 'sha1', ess: 'sha1' }),
    'P-384': a.stamp('p384', what, { digest: 'sha384', ess: 'sha384', imprint: 'sha384' }), 'P-521': a.stamp('p521', what, { digest: 'sha512' }),
    'with its chain': a.stamp('below', what, chain), 'without its chain': a.stamp('below', what),
    'with mods': response(token, 1), 'made by hand': a.forge('tsa', good),
  }
  const unsound = {
    'over other bytes': a.stamp('tsa', 'other bytes'), 'with a weak digest': a.stamp('tsa', what, { imprint: 'sha1' }),
    'without a certificate': a.stamp('tsa', what, { ask: false }), 'that names a certificate it has not in the chain': a.stamp('below', what, { ...chain, chain: 'yes' }),
    'under a certificate that is no authority': a.stamp('under', what, { certs: ['under', 'weak'] }),
    'without a purpose': a.forge('none', good), 'with a purpose that is not critical': a.forge('meek', good), 'with two purposes': a.forge('both', good),
    'with another purpose': a.forge('mail', good), 'with another key usage': a.forge('usage', good), 'with an unknown critical extension': a.forge('odd', good),
    'after its certificate ended': a.forge('past', good), 'without ESSCertID': a.forge('tsa', good, { how: [] }),
    'of another type': a.forge('tsa', good, { type: '1.2.840.113549.1.7.1' }), 'not granted': response(token, 2), empty: Buffer.alloc(0),
    'without a token': response(Buffer.alloc(0)), 'and a byte': Buffer.concat([good, Buffer.of(0)]), 'cut short': good.subarray(0, -1), text: Buffer.from('no'),
  }
  const beyond = { 'SM3 imprint': a.stamp('tsa', what, { imprint: 'sm3' }), 'a key that browsers do not know': a.stamp('koblitz', what) }
  return { sound, unsound, beyond, roots }
}
/** Where the tags of DER stand. OpenSSL encodes some values anew before it judges them, and forgives a
 * changed tag that this undoes: a string in pieces, a name that is no sequence. */
function tagsOf(der, at = 0, end = der.length, found = new Set()) {
  while (at < end) {
    found.add(at)
    const [constructed, first] = [(der[at] & 0x20) !== 0, der[at + 1]]
    const head = 2 + (first > 0x80 ? first - 0x80 : 0)
    const size = first > 0x80 ? parseInt(der.toString('hex', at + 2, at + head), 16) : first
    if (constructed) tagsOf(der, at + head, at + head + size, found)
    at += head + size
  }
  return found
}
const RANK = { bad: 0, unknown: 1, ok: 2 }
const times = (r) => r.steps.filter((s) => s.question === 'time').map((s) => [s.state, s.en])

test('both verifiers agree about time stamps, and whether their authority counts is another question', async () => {
  const { sound, unsound, beyond, roots } = stamps
  for (const [what, stamp] of Object.entries(sound)) {
    const p = stampedWith(logs.plain, stamp)
    assert.equal((await agree(p, what)).ok, true, what)
    const counts = what !== 'without its chain'
    assert.equal((await agree(p, `${what}, roots`, { roots: roots.ours })).latest_time_from === 'claim', !counts, what)
    assert.equal((await agree(p, `${what}, many roots`, { roots: roots.other + roots.ours })).ok, true, what)
    const r = await agree(p, `${what}, other roots`, { roots: roots.other })
    assert.match(times(r)[0].join(), /^unknown,.*leads to none of the authorities given/, what)
  }
  for (const [what, stamp] of Object.entries(unsound)) {
    for (const anchors of [{}, { roots: roots.ours }]) {
      const r = await agree(stampedWith(logs.plain, stamp), what, anchors)
      assert.equal(r.ok, false, what)
      assert.match(times(r)[0].join(), /^bad,time stamp 0 does not hold/, what)
    }
  }
  const two = await agree(stampedWith(logs.plain, sound.rsa, unsound['over other bytes'], sound.good), 'three', { roots: roots.ours })
  assert.deepEqual(times(two).map(([state]) => state), ['ok', 'bad', 'ok', 'ok'])
  for (const [what, stamp] of Object.entries(beyond)) {
    const p = stampedWith(logs.plain, stamp)
    assert.match(times(await here(p, { roots: roots.ours }))[0].join(), /^unknown,time stamp 0 cannot be checked here: /, what)
  }
})

test('both verifiers agree about every kind of changed bit in a time stamp', async () => {
  const all = process.env.PL_ALL_BITS === '1'
  const seen = new Set()
  for (const name of ['good', 'with its chain']) {
    const good = stamps.sound[name]
    const tags = tagsOf(good)
    for (let bit = 0; bit < good.length * 8; bit += all ? 1 : 67) {
      const bytes = Buffer.from(good)
      bytes[bit >> 3] ^= 1 << (bit & 7)
      const p = stampedWith(logs.plain, bytes)
      const [theirs, ours] = [logs.judge(p, { roots: stamps.roots.ours }), await here(p, { roots: stamps.roots.ours })]
      const [state] = times(ours)[0]
      seen.add(state)
      // What a browser cannot check is said to be so; all else is as the C verifier says it. Of tags, and of
      // certificates besides the signer's, OpenSSL forgives more; nothing is better here than there.
      if (/cannot be checked here/.test(times(ours)[0][1])) continue
      if (name === 'good' && !tags.has(bit >> 3)) assert.deepEqual(facts(plain(ours)), facts(theirs), `${name}, bit ${bit}`)
      else assert.ok(RANK[state] <= RANK[times(theirs)[0][0]], `${name}, bit ${bit}: ${times(ours)[0]}, but ${times(theirs)[0]}`)
    }
  }
  assert.ok(seen.has('bad') && seen.has('ok'), [...seen].join())
})

test('without the cryptography of a browser no time stamp is good', async () => {
  const own = Object.getOwnPropertyDescriptor(globalThis, 'crypto')
  Object.defineProperty(globalThis, 'crypto', { value: {}, configurable: true })
  try {
    const r = await here(stampedWith(logs.plain, stamps.sound.good), { roots: stamps.roots.ours })
    assert.match(times(r)[0].join(), /^unknown,time stamp 0 cannot be checked here: /)
  } finally {
    Object.defineProperty(globalThis, 'crypto', own)
  }
})

// --- the page --------------------------------------------------------------------------------

async function open(options) {
  const opened = await openPage(browser, options)
  await opened.context.setOffline(true)
  const asked = []
  opened.page.on('request', (r) => r.url().startsWith('file:') || r.url().startsWith('data:') || asked.push(r.url()))
  await opened.page.goto(pathToFileURL(file).href)
  return { ...opened, asked }
}
// Not waitForFunction: that needs eval inside of the page, which the page does not allow.
async function answered(page) {
  for (let i = 0; i < 200; i++) {
    const answer = await page.evaluate(() => window.plumblineReport ?? null)
    if (answer !== null) return answer
    await page.waitForTimeout(25)
  }
  return assert.fail('the page gave no answer')
}
async function check(page, path) {
  await page.evaluate(() => void delete window.plumblineReport)
  await page.setInputFiles('#package', path)
  return answered(page)
}

test('the file refers to nothing outside and allows nothing but itself', () => {
  const html = readFileSync(file, 'utf8')
  assert.match(html, /default-src 'none'; script-src 'sha256-[^']+'; style-src 'sha256-[^']+';/)
  assert.doesNotMatch(html, /unsafe-|<script[^>]+src=|<link[^>]+href="(?!data:,)|@import|url\(/)
  assert.ok(html.length < 200_000, `${html.length} bytes`)
})

test('the page says of packages what the C verifier says', async () => {
  const { page, context, complaints, asked } = await open()
  const cases = {
    good: logs.plain,
    bound,
    lives: logs.lives,
    entry: flipped(logs.plain, /^entry\/1\.json/),
    proof: flipped(logs.plain, /^entry\/1\.tlog-proof/, 0.2),
    payload: flipped(bound, /^payload\//),
    checkpoint: flipped(logs.plain, /^checkpoint/, 0.1),
  }
  for (const [what, bytes] of Object.entries(cases)) {
    const { report } = await check(page, logs.write(`${what}.tar`, bytes))
    const theirs = logs.judge(bytes)
    assert.deepEqual(facts(report), facts(theirs), what)
    const verdict = await page.textContent('#verdict')
    assert.equal(verdict, theirs.ok ? 'The package holds, within what is said below.' : 'The package does NOT hold.', what)
    for (const s of theirs.ok ? theirs.steps : []) assert.ok((await page.textContent('#result')).includes(s.en), s.en)
  }
  const { report, error } = await check(page, file)
  assert.equal(report, null)
  assert.match(error, /not an evidence package/)
  assert.deepEqual([complaints, asked], [[], []])
  await context.close()
})

test('the page checks time stamps, and takes the authorities that count', async () => {
  const { page, context, complaints, asked } = await open()
  const p = stampedWith(logs.plain, stamps.sound.rsa)
  const { report } = await check(page, logs.write('stamped.tar', p))
  assert.deepEqual(facts(report), facts(logs.judge(p)))
  assert.match(await page.textContent('#result'), /leads to none of the authorities given/)
  await page.fill('#roots', stamps.roots.ours)
  assert.deepEqual(facts((await answered(page)).report), facts(logs.judge(p, { roots: stamps.roots.ours })))
  assert.match(await page.textContent('#result'), /the log was like this at .*, says 'CN=rsa 时间,O=Stamps/)
  await page.fill('#roots', 'no')
  assert.match((await answered(page)).error, /certificates of time stamp authorities cannot be read/)
  await page.fill('#roots', '')
  await answered(page)
  const other = stampedWith(logs.plain, stamps.unsound['over other bytes'])
  assert.deepEqual(facts((await check(page, logs.write('other.tar', other))).report), facts(logs.judge(other)))
  assert.match(await page.textContent('#verdict'), /does NOT hold/)
  await check(page, logs.write('sm3.tar', stampedWith(logs.plain, stamps.beyond['SM3 imprint'])))
  assert.match(await page.textContent('#result'), /time stamp 0 cannot be checked here/)
  await page.click('button[lang=zh-CN]')
  await answered(page)
  assert.match(await page.textContent('#result'), /时间戳 0 在此无法核验/)
  assert.deepEqual([complaints, asked], [[], []])
  await context.close()
})

// With the headers that nginx of an installation gives it.
test('the page works as an installation serves it', async () => {
  const conf = readFileSync(new URL('../../src/host/cli/tests/golden/nginx-demo.conf', import.meta.url), 'utf8')
  const block = conf.slice(conf.indexOf('location = /verify.html'))
  const headers = { 'content-type': 'text/html; charset=utf-8' }
  for (const [, name, value] of block.slice(0, block.indexOf('}')).matchAll(/add_header (\S+) "?([^"]+?)"? always/g)) headers[name] = value
  assert.match(headers['Content-Security-Policy'], /^default-src 'none'/)
  const server = createServer((q, r) => r.writeHead(200, headers).end(readFileSync(file))).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { page, context, complaints } = await openPage(browser)
  await page.goto(`http://127.0.0.1:${server.address().port}/verify.html`)
  assert.equal((await check(page, logs.write('served.tar', logs.plain))).report.ok, true)
  assert.deepEqual(complaints, [])
  await context.close()
  server.close()
})

test("a key, a wrong key and what is no key: each changes the page's answer", async () => {
  const { page, context, complaints } = await open()
  await check(page, logs.write('good.tar', logs.plain))
  assert.match(await page.textContent('#result'), /which came with the package/)
  const answer = async (key) => {
    await page.fill('#key', key)
    await answered(page)
    return page.textContent('#verdict')
  }
  assert.match(await answer(`${logs.plainKey}\n`), /The package holds/)
  assert.match(await page.textContent('#result'), /is signed by the key given/)
  assert.match(await answer(logs.livesKeys[0]), /does NOT hold/)
  assert.match(await answer('abc'), /key cannot be read/)
  assert.match(await answer(''), /The package holds/)
  assert.deepEqual(complaints, [])
  await context.close()
})

test('a dropped package is checked, and what it says is never HTML', async () => {
  const { page, context } = await open()
  const transfer = await page.evaluateHandle((base64) => {
    const t = new DataTransfer()
    t.items.add(new File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], '<i>p</i>.tar'))
    return t
  }, logs.plain.toString('base64'))
  await page.dispatchEvent('body', 'drop', { dataTransfer: transfer })
  await answered(page)
  assert.match(await page.textContent('#about'), /Assessor <b>Ltd<\/b>, because: 审计/)
  assert.equal(await page.locator('#result b, #result i').count(), 0)
  await context.close()
})

test('both languages, by keyboard, on a desk and on a phone, are accessible', async () => {
  for (const viewport of [DESKTOP, PHONE]) {
    const { page, context, complaints } = await open({ locale: 'zh-CN', viewport })
    await expectAccessible(page, 'the empty page')
    await check(page, logs.write('bad.tar', flipped(bound, /^payload\//)))
    assert.equal(await page.textContent('#verdict'), '证据包不成立。')
    assert.equal(await page.getAttribute('html', 'lang'), 'zh-CN')
    await expectAccessible(page, 'a report in Chinese')
    await page.focus('button[lang=en]')
    await page.keyboard.press('Enter')
    await check(page, logs.write('good.tar', logs.plain))
    assert.match(await page.textContent('#verdict'), /The package holds/)
    await expectAccessible(page, 'a report in English')
    const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth)
    assert.equal(wide, false, 'no wider than the window')
    if (process.env.PL_SHOTS) await page.screenshot({ path: `${process.env.PL_SHOTS}/en-${viewport.width}.png`, fullPage: true })
    await page.click('button[lang=zh-CN]')
    await answered(page)
    assert.equal(await page.textContent('#verdict'), '证据包成立（以下述说明为限）。')
    if (process.env.PL_SHOTS) await page.screenshot({ path: `${process.env.PL_SHOTS}/zh-${viewport.width}.png`, fullPage: true })
    assert.deepEqual(complaints, [])
    await context.close()
  }
})
