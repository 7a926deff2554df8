// People in the console: who is held, appeals and lifting, signals that a person closes.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { CALM, HARM } from '../gateway/lib/cases.mjs'
import { ask, chat } from '../gateway/lib/client.mjs'
import { startProduct } from '../gateway/lib/product.mjs'
import { launch } from './lib/browser.mjs'
import { addPeople, expectFits, openAs } from './lib/console.mjs'

const USER = 'mallory-of-the-test'
let product, browser
before(async () => {
  product = await startProduct({
    configure(dir) {
      const file = path.join(dir, 'policy/default.yaml')
      const text = fs.readFileSync(file, 'utf8')
      fs.writeFileSync(file, /^people:/m.test(text) ? text : text.replace(/^packs:/m, 'people: guard-people\npacks:'))
      fs.mkdirSync(path.join(dir, 'nginx/gateway.d'), { recursive: true })
      fs.writeFileSync(path.join(dir, 'nginx/gateway.d/people.conf'), 'plumbline_subject $http_x_user;\n')
    },
  })
  browser = await launch()
  await addPeople(product, { rita: ['reviewer'], sam: ['regulator'] })
})
after(async () => {
  await browser?.close()
  await product?.stop()
})
const send = (text) => chat(product.gateway, ask('demo', text), { headers: { 'x-user': USER } })
const find = async () => (await product.api('POST', '/api/v1/guard/subjects/find', { value: USER })).json
/** Violations until the policy's steps hold the person. */
async function offend() {
  for (let i = 0; i < 40; i++) {
    const before_ = (await find()).strikes ?? 0
    if ((await send(HARM.en)).status !== 200) break
    await product.until('it is counted', async () => ((await find()).strikes ?? 0) > before_, 5000)
    if ((await find()).sanction !== 'none') break
  }
  const state = await find()
  assert.notEqual(state.sanction, 'none')
  return state
}

test('a person who is held appeals, and a reviewer lifts what holds', async () => {
  const { context, page, complaints, expect } = await openAs(browser, product, 'rita', '/people')
  expect('404', '/api/v1/guard/subjects/find')
  await page.waitForSelector('[data-test=held-empty]')
  await page.waitForSelector('[data-test=signals-empty]')
  await page.fill('#person-value', 'nobody at all')
  await page.keyboard.press('Enter')
  await page.getByText('Nothing is known of this person.').waitFor()

  const { subject } = await offend()
  await page.waitForSelector(`[data-test=held] tr[data-subject="${subject}"]`)
  await page.fill('#person-value', USER)
  await page.keyboard.press('Enter')
  await page.waitForSelector('[data-test=person]')
  assert.ok(page.url().endsWith(subject))
  assert.ok(!(await page.innerText('main')).includes(USER), 'nobody is named')
  await page.getByRole('button', { name: 'Record an appeal' }).click()
  await page.fill('[data-test=ask] input', 'it was a quotation')
  await page.keyboard.press('Enter')
  await page.getByText(/Appeal recorded as ledger entry #\d+/).waitFor()
  await page.waitForSelector('[data-test=ask]', { state: 'detached' })
  await page.getByRole('button', { name: 'Lift', exact: true }).click()
  await page.fill('[data-test=ask] input', 'granted')
  await page.keyboard.press('Enter')
  await page.getByText(/Lifted\. Recorded as ledger entry #\d+/).waitFor()
  assert.equal((await find()).sanction, 'none')
  await product.until('served again', async () => (await send(CALM.en)).status === 200, 5000)

  await page.goto(`${product.console}/#/people`)
  const appeal = page.locator('[data-test=signals] tr[data-kind=appeal]')
  await appeal.getByRole('button', { name: 'Close' }).click()
  await page.fill('[data-test=ask] input', 'granted and told')
  await page.keyboard.press('Enter')
  await appeal.waitFor({ state: 'detached' })
  await page.getByRole('group', { name: 'Signals' }).getByRole('button', { name: 'All' }).click()
  await page.locator('[data-test=signals] tr[data-kind=appeal]', { hasText: 'granted and told' }).waitFor()
  assert.deepEqual(complaints, [])
  await context.close()
})

test('the pages fit and are accessible in both languages', async () => {
  const { subject } = await offend()
  await expectFits(browser, product, 'admin', { people: '/people', person: `/people/${subject}` }, (page, name) =>
    page.waitForSelector(name === 'person' ? '[data-test=person]' : '[data-test=held]'))
})
