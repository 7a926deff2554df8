// The page: a package, perhaps a key and a policy, and the report in one of two languages.
import { sha256 } from '@noble/hashes/sha2.js'
import { toHex, utf8 } from '../src/proof/bytes.ts'
import { verifyPackage, type Anchors } from '../src/proof/evidence.ts'
import type { Report } from '../src/proof/report.ts'
import { parseTrust } from '../src/proof/trust.ts'
import { readKey } from '../src/proof/vkey.ts'
import { readRoots } from '../src/proof/x509.ts'
import { el } from './dom.ts'
import { showReport, type FileFacts } from './show.ts'
import { WORDS, type Language } from './words.ts'

declare global {
  interface Window {
    /** For programs that drive this page: the last report, or why there is none. */
    plumblineReport?: { report: Report | null; error: string | null }
  }
}

interface Chosen {
  facts: FileFacts
  bytes: Uint8Array
}

let lang: Language = navigator.language.toLowerCase().startsWith('zh') ? 'zh' : 'en'
let chosen: Chosen | null = null
let turn = 0
const typed = { key: '', policy: '', roots: '' }
const result = el('div', { id: 'result', role: 'status', 'aria-live': 'polite' })
const words = () => WORDS[lang]

function attempt<T>(what: string, run: () => T): T {
  try {
    return run()
  } catch (e) {
    throw new Error(`${what}: ${e instanceof Error ? e.message : String(e)}`)
  }
}

function anchors(): Anchors {
  const w = words()
  const { key, policy, roots } = typed
  return {
    key: key.trim() === '' ? undefined : attempt(w.badKey, () => readKey(utf8(key))),
    trust: policy.trim() === '' ? undefined : attempt(w.badPolicy, () => parseTrust(utf8(policy))),
    roots: roots.trim() === '' ? undefined : attempt(w.badRoots, () => readRoots(roots)),
  }
}

async function check(): Promise<void> {
  const mine = turn
  delete window.plumblineReport
  if (!chosen) return result.replaceChildren()
  const { bytes, facts } = chosen
  let shown: HTMLElement
  let answer: NonNullable<Window['plumblineReport']>
  try {
    const with_ = anchors()
    const noPackage = words().noPackage
    const report = await verifyPackage(bytes, with_).catch((e: Error) => {
      throw new Error(`${noPackage}: ${e.message}`)
    })
    shown = showReport(report, facts, words(), lang)
    answer = { report, error: null }
  } catch (e) {
    const error = (e as Error).message
    shown = el('p', { class: 'verdict bad', id: 'verdict' }, error)
    answer = { report: null, error }
  }
  if (mine !== turn) return // asked for something else meanwhile
  result.replaceChildren(shown)
  window.plumblineReport = answer
}

/** What was chosen last counts; the page says that it works before it does. */
function soon(work: () => unknown): void {
  const mine = ++turn
  delete window.plumblineReport
  result.replaceChildren(el('p', {}, words().busy))
  setTimeout(() => mine === turn && work(), 30)
}

async function take(file: File | null | undefined): Promise<void> {
  if (!file) return
  const bytes = new Uint8Array(await file.arrayBuffer())
  soon(() => {
    chosen = { bytes, facts: { name: file.name, bytes: bytes.length, digest: toHex(sha256(bytes)) } }
    return check()
  })
}

function field(id: keyof typeof typed, label: string, hint: string, rows: string): HTMLElement {
  const input = el('textarea', {
    id, rows, spellcheck: 'false', autocomplete: 'off', 'aria-describedby': `${id}-hint`,
    input: () => {
      typed[id] = input.value
      if (chosen) soon(check)
    },
  })
  input.value = typed[id]
  return el('div', {}, el('label', { for: id }, label), input, el('p', { class: 'soft', id: `${id}-hint` }, hint))
}

function dropZone(): HTMLElement {
  const w = words()
  const input = el('input', { type: 'file', id: 'package', change: () => void take(input.files?.[0]) })
  const zone = el('div', { class: 'drop' }, el('label', { for: 'package' }, w.choose), input,
    el('p', { class: 'soft' }, w.drop))
  return zone
}

function languages(): HTMLElement {
  const button = (code: Language, name: string, tag: string) =>
    el('button', {
      type: 'button', lang: tag, 'aria-pressed': String(lang === code),
      click: () => {
        lang = code
        draw()
        document.querySelector<HTMLElement>(`button[lang="${tag}"]`)?.focus()
      },
    }, name)
  return el('div', { class: 'languages' }, button('zh', '中文', 'zh-CN'), ' ', button('en', 'English', 'en'))
}

function draw(): void {
  const w = words()
  document.documentElement.lang = lang === 'zh' ? 'zh-CN' : 'en'
  document.title = `${w.title} · Plumbline 准绳`
  document.getElementById('app')?.replaceChildren(
    el('header', {}, el('h1', {}, w.title), languages()),
    el('main', {},
      el('div', { class: 'controls' }, el('p', {}, w.intro), dropZone(),
        field('key', w.key, w.keyHint, '2'), field('policy', w.policy, w.policyHint, '3'),
        field('roots', w.roots, w.rootsHint, '3'),
        el('button', {
          type: 'button',
          click: () => {
            chosen = null
            Object.assign(typed, { key: '', policy: '', roots: '' })
            draw()
          },
        }, w.clear)),
      result),
  )
  turn++
  void check()
}

// The whole window takes a drop: a file that misses the frame must not replace the page.
function over(e: DragEvent, on: boolean): void {
  e.preventDefault()
  document.querySelector('.drop')?.classList.toggle('over', on)
}
addEventListener('dragover', (e) => over(e, true))
addEventListener('dragleave', (e) => over(e, false))
addEventListener('drop', (e) => {
  over(e, false)
  void take(e.dataTransfer?.files[0])
})
draw()
