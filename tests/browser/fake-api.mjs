// A scripted plumblined for work on the console's pages. Development only: the tests run
// the product. Prints its address; user "admin", password "development".
//
//   tools/node tests/browser/fake-api.mjs [--port 8099] [--quiet] [--web build/web]
//
// Receipts are real: leaves, batches, statements and checkpoints are hashed and signed, so
// that the verification in the browser has something to verify.
import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { extname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const root = fileURLToPath(new URL('../..', import.meta.url))
const { values: options } = parseArgs({
  options: {
    port: { type: 'string', default: '8099' },
    quiet: { type: 'boolean', default: false },
    web: { type: 'string', default: join(root, 'build/web') },
  },
})

const sha = (...parts) => createHash('sha256').update(Buffer.concat(parts)).digest()
const leafHash = (b) => sha(Buffer.of(0), b)
const node = (l, r) => sha(Buffer.of(1), l, r)
function tree(hashes) {
  if (hashes.length === 0) return sha()
  if (hashes.length === 1) return hashes[0]
  const k = 2 ** (Math.ceil(Math.log2(hashes.length)) - 1)
  return node(tree(hashes.slice(0, k)), tree(hashes.slice(k)))
}
function path(m, hashes) {
  if (hashes.length === 1) return []
  const k = 2 ** (Math.ceil(Math.log2(hashes.length)) - 1)
  return m < k
    ? [...path(m, hashes.slice(0, k)), tree(hashes.slice(k))]
    : [...path(m - k, hashes.slice(k)), tree(hashes.slice(0, k))]
}

const origin = 'plumbline.local/01k9z0d3v0h7m8q2x4c6b8n0ra'
const { publicKey, privateKey } = generateKeyPairSync('ed25519')
const pub = Buffer.from(publicKey.export({ format: 'jwk' }).x, 'base64url')
const typed = Buffer.concat([Buffer.of(1), pub])
const keyId = sha(Buffer.from(origin), Buffer.of(10), typed).subarray(0, 4)
const vkey = `${origin}+${keyId.toString('hex')}+${typed.toString('base64')}`
const ed = (bytes) => sign(null, bytes, privateKey)

const entries = []
const statement = (kind, subject, predicate) => {
  const payload = Buffer.from(
    JSON.stringify({
      _type: 'https://in-toto.io/Statement/v1',
      subject: [{ name: subject, digest: { sha256: sha(Buffer.from(subject)).toString('hex') } }],
      predicateType: `https://plumbline.example/predicate/${kind}/v1`,
      predicate,
    }),
  )
  const type = 'application/vnd.in-toto+json'
  const pae = Buffer.concat([Buffer.from(`DSSEv1 ${type.length} ${type} ${payload.length} `), payload])
  entries.push(
    Buffer.from(
      JSON.stringify({
        payload: payload.toString('base64'),
        payloadType: type,
        signatures: [{ keyid: sha(pub).toString('hex'), sig: ed(pae).toString('base64') }],
      }),
    ),
  )
  return entries.length - 1
}
function checkpoint() {
  const text = `${origin}\n${entries.length}\n${tree(entries.map(leafHash)).toString('base64')}\n`
  const sig = Buffer.concat([keyId, ed(Buffer.from(text))]).toString('base64')
  return `${text}\n\u2014 ${origin} ${sig}\n`
}

const policySha = sha(Buffer.from('policy')).toString('hex')
const state = {
  stop: { stopped: false, reason: null, since_ms: null },
  counters: {
    requests: 0, streams: 0, blocked_input: 0, blocked_output: 0, bad_requests: 0, upstream_errors: 0,
    stopped: 0, fail_open: 0, fail_closed: 0, events: 0, spilled: 0, lost: 0, labelled: 0, aborted: 0,
  },
  events: [], // oldest first: {row, leaf, batch}
  waiting: [],
  checkpointMs: Date.now(),
  sessions: new Map(),
  rate: new Map(),
}
statement('instance-created', 'service:default', {})

const SCRIPT = [
  ['allow', '', []], ['allow', '', []], ['allow', '', []], ['block', 'input', ['harm.weapons']],
  ['allow', '', []], ['allow', '', ['pii.email']], ['block', 'output', ['pii.cn_id', 'pii.cn_mobile']],
  ['allow', '', []], ['block', 'input', ['attack.jailbreak']], ['error', '', []], ['allow', '', []],
  ['refuse', '', []],
]
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'
let serial = 0
function newId() {
  let text = ''
  for (let n = BigInt(Date.now()) * 4096n + BigInt(serial++ % 4096), i = 0; i < 12; i++, n /= 32n)
    text = ALPHABET[Number(n % 32n)] + text
  return text + Array.from(randomBytes(14), (b) => ALPHABET[b % 32]).join('')
}
function judge() {
  const [verdict, direction, categories] = SCRIPT[Math.floor(Math.random() * SCRIPT.length)]
  const id = newId()
  const time = new Date().toISOString()
  const stream = Math.random() < 0.5
  const findings = categories.map((category, i) => ({
    rule: `${category}.${i + 1}`, category, severity: 3, action: verdict === 'block' ? 'block' : 'log', count: 1,
  }))
  const status = { allow: 200, block: 200, refuse: 503, error: 502 }[verdict]
  const leaf = Buffer.from(
    JSON.stringify({
      v: 1, id, time, ms: 41, service: 'default', route: 'chat', surface: 'chat.completions', stream,
      policy: 'default@1', policy_sha256: policySha, verdict, direction,
      reason: verdict === 'refuse' ? 'stopped' : '', status, upstream_status: verdict === 'allow' ? 200 : 0,
      input: { bytes: 182, scanned: 182, commitment: sha(randomBytes(8)).toString('hex'), findings: direction === 'output' ? [] : findings },
      outputs: [{ bytes: 420, commitment: sha(randomBytes(8)).toString('hex') }],
      output: { bytes: 420, scanned: 420, findings: direction === 'output' ? findings : [] },
      label: verdict === 'allow' ? 'text' : 'none', unscreened: 0, end: 'complete',
    }),
  )
  const row = {
    id, time, verdict, direction, categories, surface: 'chat.completions', stream, route: 'chat',
    policy: 'default@1', label: verdict === 'allow' ? 'text' : 'none', status, ledger_index: null,
  }
  const event = { row, leaf, batch: null }
  state.events.push(event)
  state.waiting.push(event)
  state.counters.requests++
  if (verdict === 'block') state.counters[`blocked_${direction}`]++
  if (verdict === 'refuse') state.counters.stopped++
  if (verdict === 'error') state.counters.upstream_errors++
  const second = Math.floor(Date.now() / 1000)
  const now = state.rate.get(second) ?? { t: second, requests: 0, blocked: 0 }
  now.requests++
  if (verdict === 'block') now.blocked++
  state.rate.set(second, now)
}
function drain() {
  if (state.waiting.length === 0) return
  const batch = state.waiting.splice(0)
  const hashes = batch.map((e) => leafHash(e.leaf))
  const merkle = tree(hashes)
  const index = statement('guard-event-batch', 'service:default', { count: batch.length, root: merkle.toString('hex') })
  batch.forEach((e, i) => {
    e.batch = { index: i, count: batch.length, root: merkle.toString('hex'), proof: path(i, hashes).map((h) => h.toString('hex')) }
    e.row.ledger_index = index
  })
  state.checkpointMs = Date.now()
}
if (!options.quiet) {
  setInterval(() => {
    for (let n = Math.floor(Math.random() * 4); n > 0; n--) state.stop.stopped || judge()
  }, 700)
}
setInterval(drain, 1500)

function rate() {
  const now = Math.floor(Date.now() / 1000)
  return Array.from({ length: 60 }, (_, i) => state.rate.get(now - 59 + i) ?? { t: now - 59 + i, requests: 0, blocked: 0 })
}
const witnesses = (size) => ({
  witnesses: [
    { name: 'assessor', key: 'assessor.example/w1', local: false, state: 'cosigned', size, time: new Date().toISOString(), problem: null },
    { name: 'regulator', key: 'regulator.example/w', local: false, state: 'away', size: 0, time: null, problem: 'no complete answer within 5000 ms' },
    { name: 'own', key: 'plumbline.local/demo/witness', local: true, state: 'cosigned', size, time: new Date().toISOString(), problem: null },
  ],
  quorum: { need: 1, have: 1, size }, frozen: null,
})
const head = () => ({
  size: entries.length, root: tree(entries.map(leafHash)).toString('hex'), origin, checkpoint_ms: state.checkpointMs,
})
const policy = { name: 'default@1', digest: policySha, generation: 1 }

function problem(status, title, detail) {
  return { status, body: { type: 'about:blank', title, status, detail }, type: 'application/problem+json' }
}
function receipt(id) {
  const e = state.events.find((x) => x.row.id === id)
  if (!e) return problem(404, 'Not Found', `no receipt '${id}'`)
  const about = {
    id, state: e.batch ? 'logged' : 'pending', event: JSON.parse(e.leaf), leaf: e.leaf.toString('base64'),
    digest: leafHash(e.leaf).toString('hex'),
  }
  if (!e.batch) return { body: { ...about, vkey } }
  const index = e.row.ledger_index
  return {
    body: {
      ...about,
      batch: e.batch,
      ledger: {
        index, size: entries.length, proof: path(index, entries.map(leafHash)).map((h) => h.toString('hex')),
        checkpoint: checkpoint(), entry: entries[index].toString('base64'),
      },
      vkey,
    },
  }
}
function events(query) {
  const limit = Math.min(200, Number(query.get('limit') ?? 50))
  let list = state.events.map((e) => e.row).reverse()
  if (query.get('verdict')) list = list.filter((e) => e.verdict === query.get('verdict'))
  if (query.get('after')) list = list.filter((e) => e.id > query.get('after'))
  if (query.get('before')) list = list.filter((e) => e.id < query.get('before'))
  return { body: { events: list.slice(0, limit), next: list.length > limit ? list[limit - 1].id : null } }
}
function switchTo(stopped, reason) {
  state.stop = { stopped, reason: stopped ? reason : null, since_ms: stopped ? Date.now() : null }
  const index = statement(stopped ? 'guard-stop' : 'guard-resume', 'service:default', { reason })
  return { body: { ...state.stop, ledger_index: index } }
}

function answer(method, url, body, session) {
  const at = `${method} ${url.pathname}`
  if (at === 'POST /api/v1/session') {
    if (body.name !== 'admin' || body.password !== 'development') return problem(403, 'Forbidden', 'name or password is wrong')
    const token = randomBytes(32).toString('hex')
    const made = { name: 'admin', roles: ['admin'], csrf: randomBytes(32).toString('hex') }
    state.sessions.set(token, made)
    return { body: made, cookie: `plumbline_session=${token}; HttpOnly; SameSite=Strict; Path=/` }
  }
  if (url.pathname === '/healthz') return { body: { status: 'ok', problems: [] } }
  const asked = /^\/api\/v1\/receipts\/(\w+)$/.exec(url.pathname)
  if (asked) return receipt(asked[1])
  if (url.pathname === '/ledger/checkpoint') return { text: checkpoint() }
  if (!session) return problem(401, 'Unauthorized', 'not logged in')
  if (at === 'GET /api/v1/session') return { body: session }
  if (at === 'DELETE /api/v1/session') return { status: 204, cookie: 'plumbline_session=; Max-Age=0; Path=/', forget: true }
  if (at === 'GET /api/v1/overview')
    return {
      body: {
        service: 'default', policy, stop: state.stop, counters: state.counters, workers: 2, ledger: head(),
        events_pending: state.waiting.length, rate: rate(),
      },
    }
  if (at === 'GET /api/v1/events') return events(url.searchParams)
  if (at === 'POST /api/v1/guard/stop') return switchTo(true, body.reason)
  if (at === 'POST /api/v1/guard/resume') return switchTo(false, body.reason)
  if (at === 'GET /api/v1/packs')
    return {
      body: {
        packs: [
          {
            path: '/usr/share/plumbline/packs/lexicon-starter', id: 'lexicon-starter', version: '1.0.0', kind: 'lexicon',
            digest: `sha256:${policySha}`, entries: 214, title: { zh: '入门词库：常见有害请求', en: 'Starter lexicon: common harmful requests' },
            in_force: { from: '2026-11-22', to: null }, sources: [{ id: 'own', title: 'Written for this project', evidence: 'P', date: '2026-11-22' }],
          },
          { path: '/usr/share/plumbline/packs/broken', error: "pack.yaml:3: unknown key 'verison'" },
        ],
      },
    }
  if (at === 'POST /api/v1/trace')
    return { body: { found: false, service: null, request_id: null, time: null, policy: null, ledger_index: null, proof: null, how: 'exact' } }
  if (at === 'GET /api/v1/ledger') {
    const { checkpoint_ms, ...rest } = head()
    return { body: { ...rest, vkey, checkpoint: checkpoint(), appended: entries.length, quarantined: 0, ...witnesses(rest.size) } }
  }
  const entry = /^\/api\/v1\/ledger\/entries\/(\d+)$/.exec(url.pathname)
  if (entry && entries[Number(entry[1])]) {
    const index = Number(entry[1])
    const hashes = path(index, entries.map(leafHash)).map((h) => h.toString('hex'))
    const { size, root } = head()
    return {
      body: {
        index, leaf: leafHash(entries[index]).toString('hex'), entry: entries[index].toString('base64'), statement: null,
        proof: { size, root, hashes }, checkpoint: checkpoint(),
      },
    }
  }
  return problem(404, 'Not Found', 'no such thing')
}

const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' }
const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self'; font-src 'self'; " +
  "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

const server = createServer(async (request, response) => {
  const url = new URL(request.url, 'http://localhost')
  if (!/^\/(api|ledger|healthz)/.test(url.pathname)) {
    const file = join(options.web, normalize(url.pathname === '/' ? '/index.html' : url.pathname))
    try {
      const bytes = await readFile(file)
      response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream', 'content-security-policy': CSP })
      response.end(bytes)
    } catch {
      response.writeHead(404).end()
    }
    return
  }
  let text = ''
  for await (const chunk of request) text += chunk
  const token = /plumbline_session=(\w+)/.exec(request.headers.cookie ?? '')?.[1]
  const session = state.sessions.get(token)
  let reply = answer(request.method, url, text ? JSON.parse(text) : {}, session)
  if (session && request.method !== 'GET' && request.headers['x-csrf-token'] !== session.csrf && url.pathname !== '/api/v1/session')
    reply = problem(403, 'Forbidden', 'CSRF token is missing or wrong')
  if (reply.forget) state.sessions.delete(token)
  response.writeHead(reply.status ?? 200, {
    'content-type': reply.type ?? (reply.text ? 'text/plain; charset=utf-8' : 'application/json'),
    ...(reply.cookie ? { 'set-cookie': reply.cookie } : {}),
  })
  response.end(reply.status === 204 ? undefined : (reply.text ?? JSON.stringify(reply.body)))
})
server.listen(Number(options.port), '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${server.address().port}/  admin / development`)
})
