// The console is compiled against web/openapi-snapshot.json; the daemon serves what it really
// does. Drift between the two fails here, and so does an answer that is not as described. After a wanted change of the API:
//
//   tools/node tests/browser/openapi.test.mjs --update && npm run api
import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { CALM, HARM } from '../gateway/lib/cases.mjs'
import { ask, chat } from '../gateway/lib/client.mjs'
import { startProduct } from '../gateway/lib/product.mjs'
import { violations } from './lib/schema.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))
const file = join(root, 'web/openapi-snapshot.json')

function sorted(value) {
  if (Array.isArray(value)) return value.map(sorted)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.keys(value).sort().map((k) => [k, sorted(value[k])]))
}
/** Everything but what changes with each build. */
function stable(document) {
  const { version, ...info } = document.info
  const { servers, ...rest } = document
  return sorted({ ...rest, info: { ...info, version: '0' } })
}
/** Without the capabilities that are not in this tree: deleting one must not break the rest. */
function present(document) {
  const here = (tag) => existsSync(join(root, 'src/cap', tag)) || tag === 'host'
  const paths = {}
  for (const [path, item] of Object.entries(document.paths)) {
    const kept = Object.entries(item).filter(([, operation]) => (operation.tags ?? []).every(here))
    if (kept.length) paths[path] = Object.fromEntries(kept)
  }
  return { ...document, paths }
}
/** Parts of components that something in the paths refers to. */
function reachable(document) {
  const found = new Map()
  const visit = (value) => {
    if (value === null || typeof value !== 'object') return
    const ref = typeof value.$ref === 'string' ? value.$ref : ''
    if (ref.startsWith('#/components/') && !found.has(ref)) {
      const target = ref.slice(2).split('/').reduce((o, key) => o?.[key], document)
      found.set(ref, target)
      visit(target)
    }
    Object.values(value).forEach(visit)
  }
  visit(document.paths)
  return Object.fromEntries([...found].sort())
}

async function served(product) {
  const answer = await fetch(`${product.console}/api/v1/openapi.json`)
  assert.equal(answer.status, 200)
  return stable(await answer.json())
}

if (process.argv.includes('--update')) {
  const product = await startProduct()
  try {
    writeFileSync(file, `${JSON.stringify(await served(product), null, 2)}\n`)
  } finally {
    await product.stop()
  }
  process.exit(0)
}

let product
let daemon
const snapshot = present(JSON.parse(readFileSync(file, 'utf8')))
before(async () => {
  product = await startProduct()
  daemon = await served(product)
})
after(() => product?.stop())

test('the daemon serves the routes the console was compiled against', () => {
  assert.equal(daemon.openapi.slice(0, 3), '3.1')
  assert.deepEqual(Object.keys(daemon.paths), Object.keys(sorted(snapshot.paths)))
  for (const [path, item] of Object.entries(daemon.paths)) assert.deepEqual(item, sorted(snapshot.paths[path]), path)
})

test('the shapes of requests and answers are the same', () => {
  assert.deepEqual(sorted(reachable(daemon)), sorted(reachable(snapshot)))
})

test('every reference in the document leads somewhere', () => {
  for (const [ref, target] of Object.entries(reachable(daemon))) assert.notEqual(target, undefined, ref)
})

test('every operation has its own id', () => {
  const ids = Object.values(daemon.paths).flatMap((item) => Object.values(item).map((o) => o.operationId))
  assert.equal(new Set(ids).size, ids.length)
  assert.ok(ids.every((id) => typeof id === 'string' && id !== ''))
})

const schemaOf = (path, method, status) => {
  const answer = daemon.paths[path]?.[method]?.responses?.[status]
  assert.ok(answer, `${method} ${path} does not describe status ${status}`)
  const { content } = answer.$ref ? daemon.components.responses[answer.$ref.split('/').at(-1)] : answer
  return (content['application/json'] ?? content['application/problem+json']).schema
}
function expectDescribed(path, method, answer) {
  const described = daemon.paths[path]?.[method]?.responses?.[answer.status] ? answer.status : 'default'
  assert.deepEqual(violations(daemon, schemaOf(path, method, described), answer.json), [], `${method} ${path}: ${answer.text.slice(0, 600)}`)
}

test('the check of answers finds what is wrong', () => {
  const d = { components: { schemas: { A: { type: 'object', required: ['n'], properties: { n: { type: ['integer', 'null'] } } } } } }
  const check = (v) => violations(d, { $ref: '#/components/schemas/A' }, v)
  assert.deepEqual(check({ n: 1 }), [])
  assert.deepEqual(check({ n: null }), [])
  assert.deepEqual(check({ n: 'x' }), ['$.n: string is not integer or null'])
  assert.deepEqual(check({}), ['$.n: missing'])
  assert.deepEqual(check({ n: 1, m: 2 }), ['$.m: not described'])
  assert.match(violations(d, { type: 'object', allOf: [] }, {})[0], /allOf/)
})

test('answers are as the document describes them', async () => {
  const calm = await chat(product.gateway, ask('demo', CALM.en))
  const harm = await chat(product.gateway, ask('demo', HARM.zh))
  const receipts = '/api/v1/receipts/{id}'
  for (const { headers } of [calm, harm]) {
    const id = headers['x-plumbline-request-id']
    await product.receipt(id)
    expectDescribed(receipts, 'get', await product.api('GET', receipts.replace('{id}', id)))
  }
  expectDescribed(receipts, 'get', await product.api('GET', receipts.replace('{id}', '0'.repeat(26))))

  // Every GET without parameters in its path, whatever capability it comes from.
  const plain = Object.keys(daemon.paths).filter((p) => daemon.paths[p].get && !p.includes('{') && p.startsWith('/api/') && !p.endsWith('.html'))
  assert.ok(plain.length >= 5, plain.join(' '))
  for (const path of plain.filter((p) => p !== '/api/v1/openapi.json')) {
    const answer = await product.api('GET', path)
    assert.equal(answer.status, 200, `${path}: ${answer.text}`)
    expectDescribed(path, 'get', answer)
  }
})

test('the stop switch answers as described, in both states and when nothing changes', async () => {
  const [stop, resume] = ['/api/v1/guard/stop', '/api/v1/guard/resume']
  expectDescribed(stop, 'post', await product.api('POST', stop, { reason: '' }))
  const stopped = await product.api('POST', stop, { reason: 'check of the document' })
  assert.equal(stopped.status, 200, stopped.text)
  expectDescribed(stop, 'post', stopped)
  for (const path of ['/api/v1/overview', '/api/v1/guard']) expectDescribed(path, 'get', await product.api('GET', path))
  expectDescribed(stop, 'post', await product.api('POST', stop, { reason: 'again' }))
  const resumed = await product.api('POST', resume, { reason: 'done' })
  assert.equal(resumed.status, 200, resumed.text)
  expectDescribed(resume, 'post', resumed)
})
