// Pages of the stage before: registry, filings, grading, documents; accounts; and the
// inspection of files. In a real browser, against the real product.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startProduct } from '../gateway/lib/product.mjs'
import { DESKTOP, PHONE, expectAccessible, launch, openPage } from './lib/browser.mjs'

const PASSWORD = 'a long enough password'
let product
let browser

before(async () => {
  product = await startProduct()
  browser = await launch()
  for (const [name, roles] of Object.entries({ pam: ['provider'], rex: ['regulator'] })) {
    const made = await product.api('POST', '/api/v1/accounts', { name, password: PASSWORD, roles })
    assert.equal(made.status, 201, made.text)
  }
})
after(async () => {
  await browser?.close()
  await product?.stop()
})

async function open(name, where, options) {
  const opened = await openPage(browser, options)
  const { page } = opened
  await page.goto(`${product.console}/#${where}`)
  await page.fill('#login-name', name)
  await page.fill('#login-password', name === 'admin' ? product.adminPassword : PASSWORD)
  await page.keyboard.press('Enter')
  await page.waitForSelector('#main h1')
  return opened
}
test('a record is added, changed and read as a document', async () => {
  const { context, page, complaints, expect } = await open('pam', '/records')
  expect('400', '/api/v1/registry/records')
  await page.selectOption('#record-kind', 'model')
  await expectAccessible(page, 'new record en')
  await page.getByRole('button', { name: 'Add', exact: true }).click()
  await page.getByText('Name: must be filled in').waitFor()
  await page.fill('#new-name', 'Orchid 7B')
  await page.locator('.choices input').first().check()
  await page.getByRole('button', { name: 'Add', exact: true }).click()
  await page.getByRole('heading', { name: 'Orchid 7B', level: 1 }).waitFor()
  await page.fill('#r-licence', 'Apache-2.0')
  await page.locator('#r-parameters').pressSequentially('7.5e9')
  await page.fill('#record-note', 'the licence was settled')
  await page.getByRole('button', { name: 'Save as a new version' }).click()
  await page.getByText('version 2').waitFor()
  await expectAccessible(page, 'record en')

  const id = page.url().split('/').pop()
  const stored = await product.api('GET', `/api/v1/registry/records/${id}`)
  assert.equal(stored.json.data.licence, 'Apache-2.0')
  assert.equal(stored.json.data.parameters, 7.5e9)
  assert.deepEqual(stored.json.data.modalities_in, ['text'])
  assert.equal(stored.json.version, 2)

  await page.getByRole('link', { name: 'Documents about this record' }).click()
  await page.waitForSelector('[data-test=document]')
  assert.match(await page.innerText('[data-test=document]'), /Apache-2\.0[\s\S]*ledger entry \d+/)
  await expectAccessible(page, 'document en')
  const pdf = await page.evaluate(async () => {
    const link = [...document.querySelectorAll('.formats a')].find((a) => a.textContent === 'PDF')
    const answer = await fetch(link.href)
    return [answer.status, new TextDecoder('latin1').decode((await answer.arrayBuffer()).slice(0, 5))]
  })
  assert.deepEqual(pdf, [200, '%PDF-'])
  assert.deepEqual(complaints, [])
  await context.close()
})

test('a filing goes from a draft to a number between two people', async () => {
  const { context, page, complaints } = await open('pam', '/filings')
  await page.selectOption('#begin-workflow', 'cn-genai-registration')
  await page.getByRole('button', { name: 'Begin' }).click()
  await page.waitForSelector('[data-test=filing-state]')
  const id = page.url().split('/').pop()
  await expectAccessible(page, 'filing en')
  assert.match(await page.innerText('[data-test=steps]'), /No step is possible/)

  const fill = { 'subject-name': 'Demo Company', 'subject-contact_name': 'A. Person', 'subject-contact_phone': '010-5555',
    'subject-emergency_name': 'B. Person', 'subject-emergency_phone': '010-5556', 'app-name': 'Demo Garden', 'app-model_name': 'Orchid',
    'app-model_number': 'Demo-Orchid-202601010001', 'app-purpose': 'Answers about gardens', 'app-audience': 'Gardeners' }
  for (const [field, value] of Object.entries(fill)) await page.fill(`#f-${field}`, value)
  await page.selectOption('#f-subject-region', 'Demo')
  await page.selectOption('#f-app-form', 'web')
  await page.selectOption('#f-app-unchanged', 'true')
  await page.getByText('There are unsaved changes.').waitFor()
  await page.click('[data-test=save]')
  await page.getByText('Demo Garden').first().waitFor()
  await page.setInputFiles('#file-agreement', { name: 'agreement.pdf', mimeType: 'application/pdf', buffer: Buffer.from('%PDF-1.4\n%%EOF\n') })
  await page.getByRole('link', { name: 'agreement.pdf' }).waitFor()
  await page.getByText('The forms are complete.').waitFor()
  await page.click('[data-step=submit]')
  await page.waitForSelector('[data-test=filing-state] >> text=Submitted')
  assert.equal(await page.locator('#f-app-name').isDisabled(), true, 'what was submitted stays')
  await context.close()

  const other = await open('rex', `/filings/${id}`)
  await other.page.waitForSelector('[data-step=return]')
  await other.page.click('[data-step=return]')
  await other.page.waitForFunction(() => document.activeElement?.id === 'step-note')
  await other.page.click('[data-step=accept]')
  await other.page.waitForSelector('[data-test=filing-state] >> text=Registered')
  await other.page.click('[data-step=publish]')
  await other.page.waitForSelector('[data-test=filing-state] >> text=Listed')
  assert.match(await other.page.innerText('[data-test=filing-state]'), /Demo-Demo Garden-\d{8}S0001/)
  await other.page.waitForSelector('[data-test=filing-drift] tr[data-row=models]')
  assert.match(await other.page.innerText('[data-test=filing-drift] tr[data-row=models]'), /Orchid\s+–\s+cannot be told/)
  await other.page.click('[data-test=record-drift]')
  await expectAccessible(other.page, 'published filing en')

  await other.page.goto(`${product.console}/#/filings`)
  await other.page.fill('#filing-words', 'Garden')
  await other.page.getByRole('button', { name: 'Search' }).click()
  await other.page.waitForSelector(`[data-test=filings] tr[data-id="${id}"]`)
  await expectAccessible(other.page, 'filings en')
  assert.deepEqual(other.complaints, [])
  await other.context.close()
  assert.deepEqual(complaints, [])
})

test('grading asks until nothing is open and shows what it depends on', async () => {
  const { context, page, complaints } = await open('rex', '/grade', { locale: 'zh-CN' })
  await page.check('.places input[value=EU]')
  await page.fill('#grade-day', '2027-12-03')
  await page.getByRole('button', { name: '开始分级' }).click()
  await page.waitForSelector('[data-test=grade-question]')
  const eu = page.locator('[data-pack^="eu-ai-act@"]')
  assert.match(await eu.innerText(), /未确定[\s\S]*仍有可能：/)
  await expectAccessible(page, 'grade zh-CN')
  // Answers with the first choice until nothing is asked any more.
  for (let n = 0; n < 60 && (await page.locator('[data-test=grade-settled]').count()) === 0; n++) {
    const card = page.locator('[data-test=grade-question]')
    const fact = await card.locator('.row code').innerText()
    if (await card.locator('input[type=radio]').count()) await card.locator('input[value=false]').check()
    else if (await card.locator('select').count()) await card.locator('select').selectOption({ index: 1 })
    else if (await card.locator('input[type=checkbox]').count()) await card.locator('input[type=checkbox]').first().check()
    else await card.locator('input').fill((await card.locator('input[type=date]').count()) ? '2026-01-01' : '1')
    await card.getByRole('button', { name: '回答' }).click()
    await page.waitForFunction((f) => document.querySelector('[data-test=grade-question] .row code')?.textContent !== f, fact)
  }
  assert.match(await page.innerText('[data-test=grade-settled]'), /各项等级均已确定/)
  assert.doesNotMatch(await eu.innerText(), /未确定/)
  await page.locator('[data-test=grade-answers] button').first().click()
  await page.waitForSelector('[data-test=grade-question]')
  assert.deepEqual(complaints, [])
  await context.close()
})

test('a file is inspected, and nothing found is no verdict', async () => {
  const { context, page, complaints } = await open('rex', '/inspect')
  await page.setInputFiles('#inspect-file', { name: 'a.txt', mimeType: 'text/plain', buffer: Buffer.from('A short text. AI生成') })
  await page.waitForSelector('[data-verdict=suspected]')
  await expectAccessible(page, 'inspection en')
  await page.setInputFiles('#inspect-file', { name: 'b.txt', mimeType: 'text/plain', buffer: Buffer.from('Only words.') })
  await page.waitForSelector('[data-verdict=inconclusive]')
  await page.getByText('does not show that a person made it').waitFor()
  await page.setInputFiles('#inspect-file', { name: 'c.bin', mimeType: 'application/octet-stream', buffer: Buffer.alloc(9 << 20) })
  await page.getByText('inspect it on the command line').waitFor()
  assert.deepEqual(complaints, [])
  await context.close()
})

test('an administrator adds an account and a token and takes both away', async () => {
  const { context, page, complaints } = await open('admin', '/')
  await page.getByRole('button', { name: 'Session menu' }).click()
  await page.getByRole('link', { name: 'Accounts and tokens' }).click()
  await page.waitForSelector('[data-test=accounts]')
  await page.fill('#account-name', 'ada')
  await page.fill('#account-password', PASSWORD)
  await page.getByLabel('assessor').first().check()
  await page.getByRole('button', { name: 'Add an account' }).click()
  await page.waitForSelector('[data-name=ada]')
  await page.fill('#token-label', 'night job')
  await page.getByLabel('reviewer').nth(1).check()
  await page.getByRole('button', { name: 'Make a token' }).click()
  const value = (await page.innerText('[data-test=token-made] code')).trim()
  const ask = () => fetch(`${product.console}/api/v1/events`, { headers: { authorization: `Bearer ${value}` } })
  assert.equal((await ask()).status, 200)
  await expectAccessible(page, 'accounts en')
  await page.getByRole('button', { name: 'Revoke night job' }).click()
  await page.getByText('revoked').waitFor()
  assert.equal((await ask()).status, 401)
  await page.getByRole('button', { name: 'Shut out ada' }).click()
  await page.locator('[data-name=ada] .chip').waitFor()
  assert.deepEqual(complaints, [])
  await context.close()
})

for (const [name, viewport] of Object.entries({ desktop: DESKTOP, phone: PHONE })) {
  for (const locale of ['zh-CN', 'en']) {
    test(`the pages fit a ${name} and are accessible in ${locale}`, async () => {
      const { context, page, complaints } = await open('admin', '/records', { locale, viewport })
      for (const where of ['records', 'filings', 'grade', 'inspect', 'accounts']) {
        await page.goto(`${product.console}/#/${where}`)
        await page.waitForSelector('#main h1')
        await page.waitForLoadState('networkidle')
        await expectAccessible(page, `${where} ${locale} ${name}`)
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
        assert.ok(wide <= 0, `${where} is ${wide} pixels too wide`)
      }
      assert.deepEqual(complaints, [])
      await context.close()
    })
  }
}
