// The plan of policies in the console: a trial for a share, a schedule, putting into force and back.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { ask, chat } from '../gateway/lib/client.mjs'
import { startProduct } from '../gateway/lib/product.mjs'
import { launch } from './lib/browser.mjs'
import { addPeople, expectFits, openAs } from './lib/console.mjs'

let product, browser
before(async () => {
  product = await startProduct()
  browser = await launch()
  await addPeople(product, { pam: ['provider'], rita: ['reviewer'] })
  const file = path.join(product.dir, 'policy/default.yaml')
  fs.writeFileSync(file, fs.readFileSync(file, 'utf8').replace(/^version: *"?\d+"?/m, 'version: 77'))
})
after(async () => {
  await browser?.close()
  await product?.stop()
})
const inForce = async () => (await product.api('GET', '/api/v1/policy')).json.name

test('an edited policy is tried, ended, scheduled, cancelled, put into force and rolled back', async () => {
  const { context, page, complaints } = await openAs(browser, product, 'pam', '/plan')
  await page.waitForSelector('[data-test=canary-empty]')
  await page.fill('#plan-share', '50')
  await page.getByRole('button', { name: 'Start the trial' }).click()
  await page.waitForSelector('[data-test=compare]')
  assert.match(await page.innerText('[data-test=canary]'), /@77[\s\S]*50%/)
  for (let i = 0; i < 24; i++) await chat(product.gateway, ask('demo', `Tell me about tulip ${i}.`))
  const judged = (side) => page.innerText(`[data-test=compare] tr[data-side=${side}] td >> nth=1`).then(Number)
  await product.until('both judged some', async () => (await judged('in_force')) > 0 && (await judged('on_trial')) > 0, 15_000)
  await page.getByRole('button', { name: 'End the trial' }).click()
  await page.waitForSelector('[data-test=canary-empty]')

  await page.fill('#plan-at', '2099-01-02T03:04')
  await page.getByRole('button', { name: 'Schedule', exact: true }).click()
  await page.locator('[data-test=schedule]', { hasText: '@77' }).waitFor()
  assert.equal((await product.api('GET', '/api/v1/policy/schedule')).json.scheduled.at.slice(0, 16), '2099-01-01T19:04')
  await page.getByRole('button', { name: 'Cancel the schedule' }).click()
  await page.waitForSelector('[data-test=schedule-empty]')

  const old = await inForce()
  await page.getByRole('button', { name: 'Put the edited policy into force' }).click()
  await page.click('[data-test=ask] button[type=submit]')
  await page.locator('[data-test=plan-done]', { hasText: '@77' }).waitFor()
  assert.match(await inForce(), /@77$/)
  await page.waitForSelector('[data-test=ask]', { state: 'detached' })
  await page.getByRole('button', { name: 'Roll back' }).click()
  await page.click('[data-test=ask] button[type=submit]')
  await page.locator('[data-test=plan-done]', { hasText: old }).waitFor()
  assert.equal(await inForce(), old)
  assert.deepEqual(complaints, [])
  await context.close()
})

test('a reviewer sees the plan and cannot change it', async () => {
  const { context, page, complaints } = await openAs(browser, product, 'rita', '/plan')
  await page.waitForSelector('[data-test=canary-empty]')
  await page.waitForSelector('[data-test=in-force] dd')
  for (const name of ['Start the trial', 'Schedule', 'Roll back'])
    assert.equal(await page.getByRole('button', { name, exact: true }).isDisabled(), true, name)
  assert.deepEqual(complaints, [])
  await context.close()
})

test('the page fits and is accessible in both languages', async () => {
  assert.equal((await product.api('POST', '/api/v1/policy/canary', { share: 20 })).status, 200)
  await expectFits(browser, product, 'admin', { plan: '/plan' }, async (page) => {
    await page.waitForSelector('[data-test=compare]')
    await page.waitForSelector('[data-test=schedule-empty]')
  })
})
