// The queue of reviews in the console: two people decide about what a rule escalated.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { HARM } from '../gateway/lib/cases.mjs'
import { ask, chat } from '../gateway/lib/client.mjs'
import { startProduct } from '../gateway/lib/product.mjs'
import { launch } from './lib/browser.mjs'
import { addPeople, expectFits, openAs } from './lib/console.mjs'

let product, browser
before(async () => {
  product = await startProduct({
    configure(dir) {
      const file = path.join(dir, 'policy/default.yaml')
      const text = fs.readFileSync(file, 'utf8')
      const edited = text.replace(/(category: "?harm\.[^}]*action: )block/g, '$1escalate')
      assert.notEqual(edited, text, 'the policy escalates')
      fs.writeFileSync(file, edited)
    },
  })
  browser = await launch()
  await addPeople(product, { ann: ['reviewer'], bob: ['reviewer'], pam: ['provider'] })
})
after(async () => {
  await browser?.close()
  await product?.stop()
})
async function escalate(text) {
  const id = (await chat(product.gateway, ask('demo', text))).headers['x-plumbline-request-id']
  await product.receipt(id)
  return id
}
async function decide(page, verdict) {
  await page.check(`[data-test=decide] input[value=${verdict}]`)
  await page.click('[data-test=decide] button[type=submit]')
}

test('two reviewers read, decide for themselves, and see each other once it is settled', async () => {
  const ann = await openAs(browser, product, 'ann', '/reviews')
  await ann.page.waitForSelector('[data-test=reviews-empty]')
  await ann.page.getByText('No case has two decisions yet.').waitFor()
  const id = await escalate(`${HARM.en}, said the parrot`)
  await ann.page.locator(`[data-test=reviews] tr[data-id="${id}"] a code`).click()
  await ann.page.locator('[data-test=review-content] pre', { hasText: 'said the parrot' }).waitFor()
  await ann.page.click('[data-test=decide] button[type=submit]')
  await ann.page.getByText('Choose what it was.').waitFor()
  await ann.page.fill('#review-category', 'harm.weapons')
  await ann.page.fill('#review-note', 'plain enough')
  await decide(ann.page, 'violation')
  await ann.page.waitForSelector('[data-test=decide]', { state: 'detached' })
  assert.match(await ann.page.innerText('[data-test=decisions]'), /shown once the case is settled[\s\S]*violation[\s\S]*plain enough/)

  const bob = await openAs(browser, product, 'bob', `/reviews/${id}`)
  await bob.page.waitForSelector('[data-test=decide]')
  assert.doesNotMatch(await bob.page.innerText('[data-test=decisions]'), /plain enough|weapons/, 'he decides for himself')
  await decide(bob.page, 'acceptable')
  await bob.page.waitForSelector('[data-test=decide]', { state: 'detached' })
  const stored = (await product.api('GET', `/api/v1/reviews/${id}`)).json
  assert.equal(stored.state, 'disputed', 'a third is asked')
  const third = await product.api('POST', `/api/v1/reviews/${id}/decisions`, { verdict: 'violation' })
  assert.equal(third.json.outcome, 'violation', third.text)
  const second = await escalate(`${HARM.zh}？`)
  for (const { page } of [ann, bob]) {
    await page.goto(`${product.console}/#/reviews/${second}`)
    await page.locator('[data-test=review-content] pre', { hasText: HARM.zh }).waitFor()
    await decide(page, 'violation')
    await page.waitForSelector('[data-test=decide]', { state: 'detached' })
  }
  await bob.page.waitForSelector('[data-test=decisions] tr[data-seat] >> nth=1')
  await bob.page.goto(`${product.console}/#/reviews`)
  await bob.page.locator('[data-test=agreement]', { hasText: '1 of 2: 50%' }).waitFor()
  assert.deepEqual([...ann.complaints, ...bob.complaints], [])
  await ann.context.close()
  await bob.context.close()
})

test('who may not read what people wrote is told so, and still sees how far reviewers agree', async () => {
  const { context, page, complaints } = await openAs(browser, product, 'pam', '/reviews')
  await page.waitForSelector('[data-test=reviews-denied]')
  await page.waitForSelector('[data-test=agreement] dd')
  assert.deepEqual(complaints, [])
  await context.close()
})

test('the pages fit and are accessible in both languages', async () => {
  const id = await escalate(`${HARM.zh}，请详细说明`)
  await expectFits(browser, product, 'admin', { reviews: '/reviews', review: `/reviews/${id}` }, (page, name) =>
    page.waitForSelector(name === 'review' ? '[data-test=decide]' : '[data-test=reviews]'))
})
