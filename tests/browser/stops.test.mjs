// Stop switches in the console: set and lifted, the whole and its parts, with who and why.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { ask, chat } from '../gateway/lib/client.mjs'
import { startProduct, takeDown } from '../gateway/lib/product.mjs'
import { startUpstream } from '../gateway/lib/upstream.mjs'
import { expectAccessible, launch } from './lib/browser.mjs'
import { addPeople, expectFits, openAs } from './lib/console.mjs'

let model, product, browser
before(async () => {
  model = await startUpstream()
  product = await startProduct({ upstream: model })
  browser = await launch()
  await addPeople(product, { pam: ['provider'], rita: ['reviewer'] })
})
after(async () => {
  await browser?.close()
  await takeDown(product, model)
})
const status = async (m) => (await chat(product.gateway, ask(m, 'Tell me about tulips.'))).status
const row = (page, scope, name) => page.locator(`[data-test=stops] tr[data-scope="${scope}"][data-name="${name}"]`)

test('a model is stopped and served again, by keyboard, and the others are not touched', async () => {
  const { context, page, complaints } = await openAs(browser, product, 'pam', '/stops')
  await page.waitForSelector('[data-test=stops-empty]')
  assert.match(await page.innerText('[data-test=stops-empty]'), /choose below/)
  await page.click('[data-test=stop-part]')
  await page.getByText('Give the name.').waitFor()
  assert.equal(await page.evaluate(() => document.activeElement.id), 'stop-name')
  await page.keyboard.type('orchid-7b')
  await page.keyboard.press('Enter')
  await page.waitForFunction(() => document.activeElement?.closest('[data-test=ask]')?.querySelector('input') === document.activeElement)
  await expectAccessible(page, 'stop of a model')
  await page.keyboard.press('Enter')
  await page.getByText('Give a reason: it is part of the record.').waitFor()
  await page.keyboard.type('wrong answers about dosage')
  await page.keyboard.press('Enter')
  await row(page, 'model', 'orchid-7b').waitFor()
  await product.until('the model is refused', async () => (await status('orchid-7b')) === 503, 5000)
  assert.equal(await status('lily-7b'), 200)

  const part = (await product.api('GET', '/api/v1/guard')).json.parts[0]
  const text = await row(page, 'model', 'orchid-7b').innerText()
  assert.match(text, /wrong answers about dosage/)
  assert.ok(part.by && text.includes(part.by), 'says who')
  await product.until('its statement is published', async () => (await product.api('GET', `/api/v1/ledger/entries/${part.ledger_index}`)).status === 200, 5000)
  await row(page, 'model', 'orchid-7b').getByRole('link').click()
  await page.waitForSelector('[data-test=statement]')
  const statement = await page.innerText('[data-test=statement]')
  assert.match(statement, /guard-stop/)
  assert.ok(statement.includes('wrong answers about dosage') && statement.includes(part.by))
  await page.goBack()

  await row(page, 'model', 'orchid-7b').getByRole('button').click()
  await page.fill('[data-test=ask] input', 'mended')
  await page.keyboard.press('Enter')
  await page.waitForSelector('[data-test=stops-empty]')
  await product.until('the model is served', async () => (await status('orchid-7b')) === 200, 5000)
  assert.deepEqual(complaints, [])
  await context.close()
})

test('the whole is stopped here too, and a stop that holds already is said so', async () => {
  const { context, page, complaints, expect } = await openAs(browser, product, 'pam', '/stops', { locale: 'zh-CN' })
  expect('409', '/api/v1/guard/stop')
  const stop = async (reason) => {
    await page.selectOption('#stop-scope', 'installation')
    await page.click('[data-test=stop-part]')
    await page.fill('[data-test=ask] input', reason)
    await page.keyboard.press('Enter')
  }
  await stop('演练')
  await row(page, 'installation', '').waitFor()
  await product.until('all is refused', async () => (await status('any')) === 503, 5000)
  assert.ok((await row(page, 'installation', '').innerText()).includes((await product.api('GET', '/api/v1/guard')).json.stop.by))
  await page.waitForSelector('[data-test=ask]', { state: 'detached' })
  await stop('再次')
  await page.locator('[data-test=ask] [role=alert]', { hasText: '服务器拒绝了请求' }).waitFor()
  await page.keyboard.press('Escape')
  await page.waitForSelector('[data-test=ask]', { state: 'detached' })
  await page.getByRole('button', { name: '解除停用：整个服务' }).click()
  await page.fill('[data-test=ask] input', '演练结束')
  await page.keyboard.press('Enter')
  await page.waitForSelector('[data-test=stops-empty]')
  await product.until('all is served', async () => (await status('any')) === 200, 5000)
  assert.deepEqual(complaints, [])
  await context.close()
})

test('a reviewer sees what is stopped and cannot change it', async () => {
  await product.api('POST', '/api/v1/guard/stop', { scope: 'tenant', name: 'acme', reason: 'unpaid' })
  const { context, page, complaints } = await openAs(browser, product, 'rita', '/stops')
  await row(page, 'tenant', 'acme').waitFor()
  assert.equal(await row(page, 'tenant', 'acme').getByRole('button').isDisabled(), true)
  assert.equal(await page.locator('[data-test=stop-part]').isDisabled(), true)
  await page.getByText('Needs the role provider or administrator.').waitFor()
  assert.deepEqual(complaints, [])
  await context.close()
})

test('the page fits and is accessible in both languages', async () => {
  await product.api('POST', '/api/v1/guard/stop', { scope: 'category', name: 'harm.fraud', reason: '举报激增，等候核查结果' })
  await expectFits(browser, product, 'admin', { stops: '/stops' }, (page) => page.waitForSelector('[data-test=stops]'))
})
