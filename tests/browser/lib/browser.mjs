// A real Chromium with a new empty profile, an accessibility check, and a record of everything
// the page complained about.
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { chromium } from 'playwright-core'

const CHROMIUM = process.env.PL_CHROMIUM ?? '/usr/bin/chromium'
const ARGS = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
]
// WCAG 2.0 to 2.2, levels A and AA.
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

export const DESKTOP = { width: 1280, height: 800 }
export const PHONE = { width: 390, height: 844 }

/** The caller closes it. Every launch makes a new profile directory and removes it. */
export function launch() {
  assert.ok(existsSync(CHROMIUM), `${CHROMIUM} is missing: run tools/install-deps test`)
  return chromium.launch({ executablePath: CHROMIUM, args: ARGS })
}

/** A page in its own context. `complaints` collects errors of the console and of scripts;
 * a failed request is one of them unless `expect(status, part of the address)` announced it. */
export async function openPage(browser, { locale = 'en', viewport = DESKTOP } = {}) {
  const context = await browser.newContext({ locale, viewport, timezoneId: 'Asia/Shanghai', reducedMotion: 'reduce' })
  const page = await context.newPage()
  const complaints = []
  const expected = []
  page.on('pageerror', (error) => complaints.push(`uncaught: ${error.message}`))
  page.on('console', (message) => {
    if (message.type() !== 'error' && message.type() !== 'warning') return
    const text = message.text()
    const from = message.location().url
    if (expected.some((e) => text.includes(e.what) && from.includes(e.where))) return
    complaints.push(`${message.type()}: ${text} (${from})`)
  })
  return {
    context,
    page,
    complaints,
    expect: (what, where) => expected.push({ what: String(what), where }),
  }
}

/** Fails with rule, element and reason for every violation. */
export async function expectAccessible(page, where) {
  await page.waitForTimeout(100) // colours change while a panel comes in, even without motion
  const present = await page.evaluate('typeof axe === "object"')
  if (!present) await page.evaluate(`${axe};void 0`)
  const { violations, passes } = await page.evaluate(
    (rules) => globalThis.axe.run(document, { runOnly: { type: 'tag', values: rules } }),
    RULES,
  )
  const found = violations.flatMap((v) => v.nodes.map((n) => `${v.id}: ${n.target.join(' ')}: ${n.failureSummary}`))
  assert.deepEqual(found, [], `accessibility of ${where}`)
  assert.ok(passes.length > 10, `axe looked at ${where}`)
}
