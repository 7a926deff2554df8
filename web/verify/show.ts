// A report as people read it: the order and the words of `plumbline evidence verify`.
import type { EntryReport, Report, State, Step } from '../src/proof/report.ts'
import { clean, el } from './dom.ts'
import type { Language, Phrases } from './words.ts'

const SHOWN = 500

export interface FileFacts {
  name: string
  bytes: number
  digest: string
}

function mark(w: Phrases, state: State): HTMLElement {
  return el('span', { class: `mark ${state}` }, w.states[state])
}

function questions(r: Report, w: Phrases, lang: Language): HTMLElement {
  const all = el('div')
  for (const [name, title] of Object.entries(w.questions)) {
    const steps = r.steps.filter((s: Step) => s.question === name)
    if (steps.length === 0) continue
    const list = el('ul', { class: 'steps' })
    for (const s of steps) list.append(el('li', {}, mark(w, s.state), el('span', {}, clean(s[lang]))))
    all.append(el('h3', {}, title), list)
  }
  return all
}

function facts(r: Report, w: Phrases, file: FileFacts): HTMLElement {
  const rows: [string, string | undefined][] = [
    [w.facts.file, `${file.name} (${file.bytes} ${w.facts.bytes})`],
    [w.facts.digest, file.digest],
    [w.facts.log, r.origin],
    [w.facts.size, r.size?.toString()],
    [w.facts.root, r.root],
    [w.facts.key, r.key],
  ]
  const list = el('dl')
  for (const [name, value] of rows)
    if (value !== undefined) list.append(el('dt', {}, name), el('dd', {}, el('code', {}, clean(value))))
  return list
}

function typeCell(e: EntryReport): HTMLElement {
  if (e.statement === undefined) return el('td', {}, clean(e.type))
  const json = JSON.stringify(e.statement, null, 2).split('\n').map(clean).join('\n')
  return el('td', {}, el('details', {}, el('summary', {}, clean(e.type) || '—'), el('pre', {}, json)))
}

function statements(r: Report, w: Phrases): HTMLElement {
  const body = el('tbody')
  for (const e of r.entries.slice(0, SHOWN))
    body.append(
      el('tr', {}, el('td', {}, String(e.index)), el('td', {}, mark(w, e.holds ? 'ok' : 'bad')), typeCell(e),
        el('td', {}, clean(e.subject)), el('td', {}, e.claimed_time)),
    )
  const head = el('tr')
  for (const c of w.columns) head.append(el('th', { scope: 'col' }, c))
  const table = el('table', {}, el('thead', {}, head), body)
  const more = r.entries.length - SHOWN
  return el('div', {}, el('h3', {}, w.statements),
    el('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': w.statements }, table),
    more > 0 && el('p', { class: 'soft' }, w.more(more)))
}

function lines(title: string, items: string[], className: string): HTMLElement {
  const list = el('ul', { class: className })
  for (const item of items) list.append(el('li', {}, clean(item)))
  return el('div', {}, el('h3', {}, title), list)
}

export function showReport(r: Report, file: FileFacts, w: Phrases, lang: Language): HTMLElement {
  const { to, reason } = r.purpose
  return el('section', { 'aria-labelledby': 'about' },
    el('h2', { id: 'about' }, clean(w.heading(to, reason))),
    el('p', { class: `verdict ${r.ok ? 'ok' : 'bad'}`, id: 'verdict' }, r.ok ? w.holds : w.fails),
    questions(r, w, lang),
    r.problems.length > 0 && lines(w.problems, r.problems, 'problems bad'),
    r.entries.length > 0 && statements(r, w),
    lines(w.limits, r.not_proven.map((l) => l[lang]), 'limits'),
    facts(r, w, file),
    el('p', { class: 'controls' }, el('button', { type: 'button', click: () => window.print() }, w.print)))
}
