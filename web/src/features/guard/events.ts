// The live list: newest first, without holes. Pure, so that tests can run it.
//
// Ids sort by the start of a request, but an event appears at its end: a stream of a minute
// turns up below faster requests that began after it. So each question overlaps with what is
// known already.
import type { GuardEvent } from '../../api/types.ts'

export const PAGE = 100
export const KEEP = 200
/** Longer streams appear when the page is loaded again. */
export const OVERLAP_MS = 10 * 60 * 1000

/** The id to ask after: the newest that began before the overlap and below everything that
 * still waits for its place in the ledger. Undefined: ask for the newest page. */
export function resumeAfter(list: readonly GuardEvent[], nowMs: number): string | undefined {
  const settled = (e: GuardEvent): boolean =>
    typeof e.ledger_index === 'number' && Date.parse(e.time) < nowMs - OVERLAP_MS
  const open = list.findLastIndex((e) => !settled(e))
  return list[open + 1]?.id
}

/** The list after the answer to `after`. A full page may not reach down to `after`; what is
 * older than the page is then dropped, because something may be missing in between. */
export function merge(
  list: readonly GuardEvent[],
  page: readonly GuardEvent[],
  after: string | undefined,
): GuardEvent[] {
  if (after === undefined || page.length >= PAGE) return page.slice(0, KEEP)
  return [...page, ...list.filter((e) => e.id <= after)].slice(0, KEEP)
}
