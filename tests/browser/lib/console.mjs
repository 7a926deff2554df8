// What tests of console pages share: people with roles who log in, and pages looked at in both languages.
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { DESKTOP, PHONE, expectAccessible, openPage } from './browser.mjs'

export const PASSWORD = 'a long enough password'

export async function addPeople(product, people) {
  for (const [name, roles] of Object.entries(people)) {
    const made = await product.api('POST', '/api/v1/accounts', { name, password: PASSWORD, roles })
    assert.equal(made.status, 201, made.text)
  }
}

/** A page of its own for somebody, logged in. */
export async function openAs(browser, product, name, where, options) {
  const opened = await openPage(browser, options)
  const { page } = opened
  await page.goto(`${product.console}/#${where}`)
  await page.fill('#login-name', name)
  await page.fill('#login-password', name === 'admin' ? product.adminPassword : PASSWORD)
  await page.keyboard.press('Enter')
  await page.waitForSelector('#main h1')
  return opened
}

/** Every page in both languages, wide and narrow: accessible, and no wider than the screen. With
 * PL_SHOTS=DIR pictures are left there. places: {name: address}; ready(page, name) waits for content. */
export async function expectFits(browser, product, who, places, ready) {
  for (const [size, viewport] of Object.entries({ wide: DESKTOP, narrow: PHONE }))
    for (const locale of ['zh-CN', 'en'])
      for (const [name, where] of Object.entries(places)) {
        const { context, page, complaints } = await openAs(browser, product, who, where, { locale, viewport })
        await ready(page, name)
        await expectAccessible(page, `${name} ${locale} ${size}`)
        const excess = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
        assert.ok(excess <= 0, `${name} ${locale} ${size} is ${excess} pixels too wide`)
        if (process.env.PL_SHOTS) {
          mkdirSync(process.env.PL_SHOTS, { recursive: true })
          await page.screenshot({ path: join(process.env.PL_SHOTS, `${name}-${locale}-${size}.png`), fullPage: true })
        }
        assert.deepEqual(complaints, [])
        await context.close()
      }
}
