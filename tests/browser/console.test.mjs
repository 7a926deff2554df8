// The console of the real product in a real browser.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { HARM } from '../gateway/lib/cases.mjs'
import { ask, chat } from '../gateway/lib/client.mjs'
import { startProduct } from '../gateway/lib/product.mjs'
import { DESKTOP, PHONE, expectAccessible, launch, openPage } from './lib/browser.mjs'

const SEEN_MS = 3000
const REVIEWER = { name: 'rita', password: 'a long enough password', roles: ['reviewer'] }
let product
let browser

before(async () => {
  product = await startProduct()
  browser = await launch()
})
after(async () => {
  await browser?.close()
  await product?.stop()
})

async function login(page, name = 'admin', password = product.adminPassword) {
  await page.goto(`${product.console}/`)
  await page.fill('#login-name', name)
  await page.fill('#login-password', password)
  await page.keyboard.press('Enter')
  await page.waitForSelector('[data-test=stop-switch]')
}
const row = (page, id) => page.locator(`[data-test=live] tr[data-id="${id}"]`)
const send = async (content, extra) => {
  const answer = await chat(product.gateway, ask('demo', content, extra))
  return { answer, id: answer.headers['x-plumbline-request-id'] }
}

test('the console is served with a strict content security policy', async () => {
  const answer = await fetch(`${product.console}/`)
  assert.equal(answer.status, 200)
  const csp = answer.headers.get('content-security-policy') ?? ''
  const scripts = /script-src ([^;]*)/.exec(csp)?.[1] ?? /default-src ([^;]*)/.exec(csp)?.[1]
  assert.equal(scripts?.trim(), "'self'", `content-security-policy is '${csp}'`)
  assert.equal(answer.headers.get('x-content-type-options'), 'nosniff')
  assert.doesNotMatch(await answer.text(), /<script(?![^>]*\bsrc=)[^>]*>/, 'no inline script')
})

test('a wrong password is refused in the language of the page, the right one logs in', async () => {
  const { context, page, complaints, expect } = await openPage(browser, { locale: 'zh-CN' })
  expect('403', '/api/v1/session')
  await page.goto(`${product.console}/`)
  await page.waitForSelector('#login-name')
  assert.equal(await page.getAttribute('html', 'lang'), 'zh-CN')
  await expectAccessible(page, 'login zh-CN')

  await page.click('form button[type=submit]')
  await page.getByText('请输入用户名。').waitFor()
  await page.fill('#login-name', 'admin')
  await page.fill('#login-password', 'not the password')
  await page.keyboard.press('Enter')
  await page.getByText('用户名或密码不正确。').waitFor()
  assert.equal(await page.inputValue('#login-password'), '', 'the wrong password does not stay')

  await page.getByRole('button', { name: 'English' }).click()
  await page.getByText('Name or password is wrong.').waitFor()
  assert.equal(await page.getAttribute('html', 'lang'), 'en')
  await expectAccessible(page, 'login en')
  await page.reload()
  await page.getByRole('heading', { name: 'Log in' }).waitFor()

  await page.fill('#login-name', 'admin')
  await page.fill('#login-password', product.adminPassword)
  await page.keyboard.press('Enter')
  await page.getByText('Service “default” is running').waitFor()
  const cookie = (await context.cookies()).find((c) => c.name === 'plumbline_session')
  assert.deepEqual([cookie?.httpOnly, cookie?.sameSite], [true, 'Strict'])

  await page.getByRole('button', { name: '中文' }).click()
  await page.getByText('服务“default”运行中').waitFor()
  await page.reload()
  await page.getByText('服务“default”运行中').waitFor()
  assert.deepEqual(complaints, [])
  await context.close()
})

test('the language of the page goes to the server', async () => {
  const { context, page, complaints } = await openPage(browser, { locale: 'zh-CN' })
  const sent = new Set()
  page.on('request', (r) => r.url().includes('/api/') && sent.add(r.headers()['accept-language']))
  await login(page)
  assert.deepEqual([...sent], ['zh-CN'])
  assert.deepEqual(complaints, [])
  await context.close()
})

test('requests appear within three seconds, and a receipt is verified in the browser', async () => {
  const { context, page, complaints } = await openPage(browser)
  await login(page)

  const calm = await send('Tell me about tulips.')
  const harm = await send(HARM.en, { stream: true })
  assert.equal(harm.answer.headers['x-plumbline-verdict'], 'block')
  await row(page, calm.id).waitFor({ timeout: SEEN_MS })
  await row(page, harm.id).waitFor({ timeout: SEEN_MS })
  assert.match(await row(page, calm.id).innerText(), /Allowed/)
  assert.match(await row(page, harm.id).innerText(), /Blocked · input/)
  assert.match(await row(page, harm.id).innerText(), /stream/)
  const first = await page.locator('[data-test=live] tbody tr').first().getAttribute('data-id')
  assert.equal(first, harm.id, 'newest first')
  await page.waitForFunction(() => Number(document.querySelector('[data-counter=blocked_input]')?.textContent) > 0)

  await page.getByRole('group', { name: 'Show by verdict' }).getByRole('button', { name: 'Blocked' }).click()
  await row(page, harm.id).waitFor()
  assert.equal(await row(page, calm.id).count(), 0, 'the filter hides other verdicts')
  await expectAccessible(page, 'overview en')

  await row(page, harm.id).getByRole('button').click()
  await page.waitForSelector('[data-test=receipt] [data-state=verified]', { timeout: 2 * SEEN_MS })
  const text = await page.innerText('[data-test=receipt]')
  const receipt = await product.receipt(harm.id)
  assert.ok(text.includes(harm.id))
  assert.ok(text.includes(receipt.digest))
  assert.equal(await page.innerText('[data-test=receipt-ledger-index]'), String(receipt.ledger.index))
  await expectAccessible(page, 'receipt en')
  await context.grantPermissions(['clipboard-read', 'clipboard-write'])
  await page.getByRole('button', { name: 'Copy Event digest' }).click()
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), receipt.digest)
  await page.keyboard.press('Escape')
  await page.waitForSelector('[data-test=receipt]', { state: 'detached' })
  await page.waitForFunction((id) => document.activeElement?.closest('tr')?.dataset.id === id, harm.id)
  assert.deepEqual(complaints, [])
  await context.close()
})

test('a receipt that was changed on its way is shown as failed', async () => {
  const { id } = await send('Tell me about kites.')
  await product.receipt(id)
  const { context, page, complaints } = await openPage(browser)
  await page.route('**/api/v1/receipts/*', async (route) => {
    const receipt = await (await route.fetch()).json()
    const leaf = Buffer.from(receipt.leaf, 'base64').toString().replace('"verdict":"allow"', '"verdict":"block"')
    await route.fulfill({ json: { ...receipt, leaf: Buffer.from(leaf).toString('base64') } })
  })
  await login(page)
  await row(page, id).getByRole('button').click()
  await page.waitForSelector('[data-test=receipt] [data-state=failed]')
  assert.deepEqual(complaints, [])
  await context.close()
})

test('the stop switch stops the gateway with a reason and lifts the stop, by keyboard', async () => {
  const { context, page, complaints } = await openPage(browser, { locale: 'zh-CN' })
  await login(page)
  const size = async () => Number((await page.innerText('[data-test=ledger-size]')).replace(/\D/g, ''))
  const before = await size()

  await page.getByRole('button', { name: '停用服务' }).focus()
  await page.keyboard.press('Enter')
  await page.waitForFunction(() => document.activeElement?.id === 'stop-reason')
  await expectAccessible(page, 'stop dialog zh-CN')
  await page.keyboard.press('Enter')
  await page.getByText('请填写理由：它是记录的一部分。').waitFor()
  await page.keyboard.type('演练：误放行')
  await page.keyboard.press('Enter')
  await page.getByText('服务“default”已停用').waitFor()
  await product.until('gateway is stopped', async () => (await send('hello')).answer.status === 503, 1000)
  const refused = await send('hello')
  assert.equal(refused.answer.status, 503)
  assert.equal(refused.answer.headers['x-should-retry'], 'false')
  assert.match(await page.innerText('[data-test=stop-switch]'), /演练：误放行/)
  await row(page, refused.id).waitFor({ timeout: SEEN_MS })
  assert.match(await row(page, refused.id).innerText(), /拒绝/)
  await expectAccessible(page, 'overview while stopped zh-CN')

  await page.reload()
  await page.getByText('服务“default”已停用').waitFor()
  assert.match(await page.innerText('[data-test=stop-switch]'), /演练：误放行/)
  await page.getByRole('button', { name: '恢复服务' }).click()
  await page.fill('#stop-reason', '演练结束')
  await page.keyboard.press('Enter')
  await page.getByText('服务“default”运行中').waitFor()
  await product.until('gateway runs again', async () => (await send('hello')).answer.status === 200, 1000)
  await product.until('both are in the ledger', async () => (await size()) >= before + 2, 5000)
  await expectAccessible(page, 'overview zh-CN')
  assert.deepEqual(complaints, [])
  await context.close()
})

test('a reviewer sees everything but cannot stop the service', async () => {
  const made = await product.api('POST', '/api/v1/accounts', REVIEWER)
  assert.equal(made.status, 201, made.text)
  const { context, page, complaints } = await openPage(browser)
  await login(page, REVIEWER.name, REVIEWER.password)
  const button = page.getByRole('button', { name: 'Stop the service' })
  assert.equal(await button.isDisabled(), true)
  await page.getByText('Needs the role provider or administrator.').waitFor()
  await expectAccessible(page, 'overview of a reviewer')
  assert.deepEqual(complaints, [])
  await context.close()
})

test('a lost connection is announced and recovers by itself', async () => {
  const { context, page, complaints, expect } = await openPage(browser)
  expect('ERR_INTERNET_DISCONNECTED', product.console)
  await login(page)
  await context.setOffline(true)
  await page.waitForSelector('[data-test=connection-lost]')
  await expectAccessible(page, 'overview without connection')
  await context.setOffline(false)
  await page.getByText('Connected again.').waitFor({ timeout: 10_000 })
  const { id } = await send('Are you still there?')
  await row(page, id).waitFor({ timeout: 2 * SEEN_MS })
  assert.deepEqual(complaints, [])
  await context.close()
})

test('an ended session leads to the login and back to the same page', async () => {
  const { context, page, complaints, expect } = await openPage(browser)
  expect('401', '/api/v1/')
  await login(page)
  await page.getByRole('navigation').getByRole('link', { name: 'Ledger' }).click()
  await page.getByRole('heading', { name: 'Ledger', level: 1 }).waitFor()
  await context.clearCookies()
  await page.getByText('Your session has ended. Please log in again.').waitFor({ timeout: 10_000 })
  await page.fill('#login-name', 'admin')
  await page.fill('#login-password', product.adminPassword)
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: 'Ledger', level: 1 }).waitFor()
  assert.deepEqual(complaints, [])
  await context.close()
})

test('the ledger page shows a signed statement', async () => {
  const { id } = await send('Tell me about the sea.')
  const receipt = await product.receipt(id)
  const { context, page, complaints, expect } = await openPage(browser)
  expect('404', '/api/v1/ledger/entries/')
  await login(page)
  await page.goto(`${product.console}/#/ledger`)
  await page.fill('#ledger-index', String(receipt.ledger.index))
  await page.keyboard.press('Enter')
  await page.waitForSelector('[data-test=statement]')
  assert.ok((await page.innerText('[data-test=statement]')).includes(receipt.batch.root))
  await page.waitForSelector('[data-holds=true]')
  // The witness of `plumbline up` is there, and said to be local; nothing counts it.
  await page.waitForSelector('[data-test=witnesses] tr[data-witness=own][data-state=cosigned]')
  assert.match(await page.innerText('[data-witness=own]'), /\blocal\b/)
  assert.match(await page.innerText('[data-test=witnesses]'), /No quorum is asked for: local witnesses are shown and never counted\./)
  assert.equal(await page.locator('[data-test=frozen]').count(), 0)
  await expectAccessible(page, 'ledger en')
  await page.fill('#ledger-index', '99999999')
  await page.keyboard.press('Enter')
  await page.getByText('The ledger has no entry 99999999 yet.').waitFor()
  const checkpoint = await (await fetch(`${product.console}/ledger/checkpoint`)).text()
  assert.match(checkpoint, /^[^\n]+\n\d+\n[A-Za-z0-9+/]{43}=\n\n\u2014 /)
  assert.deepEqual(complaints, [])
  await context.close()
})

test('the packs page lists what the policy is made of', async () => {
  const { context, page, complaints } = await openPage(browser, { locale: 'zh-CN' })
  await login(page)
  await page.getByRole('navigation').getByRole('link', { name: '数据包' }).click()
  await page.waitForSelector('[data-test=pack]')
  assert.match(await page.innerText('main'), /lexicon-starter@\d[\s\S]*sha256:[0-9a-f]{64}/)
  await expectAccessible(page, 'packs zh-CN')
  assert.deepEqual(complaints, [])
  await context.close()
})

test('the trace page finds the request of an answer and does not claim more', async () => {
  const { answer, id } = await send('Tell me about lighthouses.')
  const content = answer.json().choices[0].message.content
  await product.receipt(id)
  const { context, page, complaints } = await openPage(browser)
  await login(page)
  await page.getByRole('navigation').getByRole('link', { name: 'Trace' }).click()
  await page.fill('#trace-text', content)
  await page.getByRole('button', { name: 'Find the request' }).click()
  await page.waitForSelector('[data-test=trace-found]')
  assert.match(await page.innerText('[data-test=trace-found]'), /Proved: the record of this answer is in the signed ledger/)
  await expectAccessible(page, 'trace en')
  await page.fill('#trace-text', 'Nobody ever produced this sentence here: 8b1e.')
  await page.getByRole('button', { name: 'Find the request' }).click()
  await page.waitForSelector('[data-test=trace-not-found]')
  await expectAccessible(page, 'trace without result en')
  assert.deepEqual(complaints, [])
  await context.close()
})

for (const [name, viewport] of Object.entries({ desktop: DESKTOP, phone: PHONE })) {
  for (const locale of ['zh-CN', 'en']) {
    test(`login and overview fit a ${name} and are accessible in ${locale}`, async () => {
      const { context, page, complaints } = await openPage(browser, { locale, viewport })
      await page.goto(`${product.console}/`)
      await page.waitForSelector('#login-name')
      await expectAccessible(page, `login ${locale} ${name}`)
      await login(page)
      await page.waitForSelector('[data-test=live] tbody tr')
      await expectAccessible(page, `overview ${locale} ${name}`)
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
      assert.ok(wide <= 0, `the page is ${wide} pixels too wide`)
      assert.deepEqual(complaints, [])
      await context.close()
    })
  }
}

test('logging out ends the session on the server', async () => {
  const { context, page, complaints } = await openPage(browser)
  await login(page)
  const cookies = await context.cookies()
  await page.getByRole('button', { name: 'Session menu' }).click()
  await expectAccessible(page, 'session menu')
  await page.getByRole('button', { name: 'Log out' }).click()
  await page.getByRole('heading', { name: 'Log in' }).waitFor()
  await page.goto(`${product.console}/#/ledger`)
  await page.getByRole('heading', { name: 'Log in' }).waitFor()
  const old = cookies.map((c) => `${c.name}=${c.value}`).join('; ')
  const answer = await fetch(`${product.console}/api/v1/overview`, { headers: { cookie: old } })
  assert.equal(answer.status, 401, 'the old cookie is worthless')
  assert.deepEqual(complaints, [])
  await context.close()
})
