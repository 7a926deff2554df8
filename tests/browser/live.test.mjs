// The list of live requests: newest first, nothing twice, nothing missing.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KEEP, merge, OVERLAP_MS, PAGE, resumeAfter } from '../../web/src/features/guard/events.ts'

const NOW = Date.UTC(2026, 10, 22)
const OLD = OVERLAP_MS + 1000
const event = (n, age = OLD, index = n) => ({
  id: `e${String(n).padStart(4, '0')}`,
  time: new Date(NOW - age).toISOString(),
  ledger_index: index,
})
const ids = (list) => list.map((e) => e.id)
/** What the server does. */
const ask = (all, after, limit = PAGE) =>
  all.filter((e) => after === undefined || e.id > after).sort((a, b) => (a.id < b.id ? 1 : -1)).slice(0, limit)
const poll = (list, all) => {
  const after = resumeAfter(list, NOW)
  return merge(list, ask(all, after), after)
}

test('new events come first and old ones stay', () => {
  const list = [event(2), event(1)]
  assert.deepEqual(ids(poll(list, [event(1), event(2), event(3, 0)])), ['e0003', 'e0002', 'e0001'])
})

test('a long stream that began before known requests gets its place when it ends', () => {
  const known = [event(4, 1000), event(2, 3000), event(1)]
  const late = event(3, 2000)
  assert.deepEqual(ids(poll(known, [...known, late])), ['e0004', 'e0003', 'e0002', 'e0001'])
})

test('an event that waited for the ledger is shown with its place in it', () => {
  const waiting = [event(3), event(2, OLD, null), event(1)]
  const next = poll(waiting, [event(3), event(2, OLD, 7), event(1)])
  assert.deepEqual(next.map((e) => e.ledger_index), [3, 7, 1])
})

test('what the server no longer has disappears from the overlap, what is older stays', () => {
  assert.deepEqual(ids(poll([event(3, 0), event(2), event(1)], [event(2), event(1)])), ['e0002', 'e0001'])
})

test('a full page starts the list again, because something may be missing in between', () => {
  const all = Array.from({ length: PAGE + 50 }, (_, i) => event(i + 10, 0))
  const next = poll([event(1)], [event(1), ...all])
  assert.equal(next.length, PAGE)
  assert.ok(!ids(next).includes('e0001'))
})

test('the list has an end', () => {
  const list = Array.from({ length: KEEP }, (_, i) => event(KEEP - i))
  const next = poll(list, [...list, event(KEEP + 1, 0)])
  assert.equal(next.length, KEEP)
  assert.equal(next[0].id, event(KEEP + 1).id)
})

test('the question asks for the newest page when nothing is settled', () => {
  assert.equal(resumeAfter([], NOW), undefined)
  assert.equal(resumeAfter([event(2, 0), event(1, 0)], NOW), undefined)
  assert.equal(resumeAfter([event(3, 0), event(2), event(1)], NOW), 'e0002')
  assert.equal(resumeAfter([event(3, 0), event(2), event(1, OLD, null)], NOW), undefined)
})
