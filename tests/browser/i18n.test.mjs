// Both languages of the console are complete and really two languages.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const src = fileURLToPath(new URL('../../web/src', import.meta.url))
const files = readdirSync(src, { recursive: true }).map(String)
const folders = files.filter((f) => f.endsWith('/en.json')).map((f) => f.slice(0, -'/en.json'.length))
const HAN = /\p{Script=Han}/u
// Names and signs that are the same in every language.
const SAME = new Set(['list.comma', 'guard.colon', 'guard.category.pii.iban'])

const nameOf = (folder) => (folder.startsWith('features/') ? folder.slice('features/'.length) : '')
function flatten(value, prefix = '') {
  if (typeof value === 'string') return { [prefix]: value }
  return Object.assign({}, ...Object.entries(value).map(([k, v]) => flatten(v, prefix ? `${prefix}.${k}` : k)))
}
function read(language) {
  return Object.assign(
    {},
    ...folders.map((f) => flatten(JSON.parse(readFileSync(join(src, f, `${language}.json`), 'utf8')), nameOf(f))),
  )
}
const en = read('en')
const zh = read('zh-CN')
const placeholders = (text) => (text.match(/\{\w+\}/g) ?? []).sort()

test('there are messages', () => {
  assert.ok(folders.length >= 2, folders.join(' '))
  assert.ok(Object.keys(en).length > 80)
})

test('both languages have the same keys', () => {
  assert.deepEqual(Object.keys(zh).sort(), Object.keys(en).sort())
})

test('both languages fill in the same values', () => {
  for (const [key, text] of Object.entries(en)) assert.deepEqual(placeholders(zh[key]), placeholders(text), key)
})

test('nothing is left untranslated', () => {
  for (const [key, text] of Object.entries(en)) {
    assert.ok(text.trim() !== '', key)
    assert.doesNotMatch(text, HAN, `${key} is Chinese in en.json`)
    if (!SAME.has(key)) assert.match(zh[key], HAN, `${key} is not Chinese in zh-CN.json`)
  }
})

test('no text for people is written into templates', () => {
  // Product names in the page itself and the languages' own names are the exceptions.
  const allowed = new Set(['shell/LanguageSwitch.vue'])
  for (const file of files.filter((f) => f.endsWith('.vue') && !allowed.has(f))) {
    const text = readFileSync(join(src, file), 'utf8')
    const template = /<template>([\s\S]*)<\/template>/.exec(text)?.[1] ?? ''
    assert.doesNotMatch(text.replace(/<!--[\s\S]*?-->/g, ''), HAN, file)
    const words = template
      .replace(/<!--[\s\S]*?-->/g, '')
      .replace(/\{\{[\s\S]*?\}\}/g, '')
      .replace(/<code>plumbline [a-z ]+<\/code>/g, '')
      .replace(/<(?:"[^"]*"|[^>"])*>/g, ' ')
    assert.doesNotMatch(words, /[A-Za-z]{2,}/, `${file}: text outside the message files`)
  }
})

test('every message that the code names exists', () => {
  const missing = []
  for (const file of files.filter((f) => /\.(vue|ts)$/.test(f))) {
    const text = readFileSync(join(src, file), 'utf8')
    for (const [, key] of text.matchAll(/\bt\(\s*'([\w.]+)'/g)) if (!(key in en)) missing.push(`${file}: ${key}`)
    for (const [, key] of text.matchAll(/(?:label|title): '(\w+\.[\w.]+)'/g)) if (!(key in en)) missing.push(`${file}: ${key}`)
    // `guard.verdict.${v}`: at least one message must start like that.
    for (const [, stem] of text.matchAll(/\bt\(\s*`([\w.]+\.)\$\{/g))
      if (!Object.keys(en).some((k) => k.startsWith(stem))) missing.push(`${file}: ${stem}*`)
  }
  assert.deepEqual(missing, [])
})

test('every message is used', () => {
  const code = files.filter((f) => /\.(vue|ts)$/.test(f)).map((f) => readFileSync(join(src, f), 'utf8')).join('\n')
  const unused = Object.keys(en).filter((key) => {
    if (code.includes(`'${key}'`)) return false
    const parts = key.split('.')
    // Built keys: the fixed beginning is in the code, before "${", or as a group of useWords.
    for (let n = parts.length - 1; n > 0; n--) {
      const stem = parts.slice(0, n).join('.')
      if (code.includes(`\`${stem}.\${`) || code.includes(`named('${stem.replace(/^guard\./, '')}'`)) return false
    }
    // `guard.${what}.title`
    return !(parts.length === 3 && code.includes(`\`${parts[0]}.\${`) && code.includes(`}.${parts[2]}\``))
  })
  assert.deepEqual(unused, [])
})
