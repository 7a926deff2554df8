// RFC 3339 times, read and written as src/base/timefmt.c does: milliseconds since 1970.
const RFC3339 =
  /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))$/
const MIN = -62167219200000 // 0000-01-01T00:00:00.000Z
const MAX = Date.UTC(9999, 11, 31, 23, 59, 59, 999)

function daysFrom(year: number, month: number, day: number): number | null {
  const d = new Date(0)
  d.setUTCFullYear(year, month - 1, day)
  return d.getUTCMonth() === month - 1 && d.getUTCDate() === day ? d.getTime() : null
}

/** Null when it is no such time. A leap second counts as the second after it. */
export function parseTime(s: string): number | null {
  const m = RFC3339.exec(s)
  if (!m) return null
  const [year = 0, month = 0, day = 0, h = 0, min = 0, sec = 0] = m.slice(1, 7).map(Number)
  const ms = Number((m[7] ?? '').slice(0, 3).padEnd(3, '0'))
  const [oh, om] = [Number(m[9] ?? 0), Number(m[10] ?? 0)]
  const date = daysFrom(year, month, day)
  if (date === null || h > 23 || min > 59 || sec > 60 || oh > 23 || om > 59) return null
  const offset = (m[8] === '-' ? -1 : 1) * (oh * 60 + om) * 60000
  const t = date + (h * 3600 + min * 60 + sec) * 1000 + ms - offset
  return t < MIN || t > MAX ? null : t
}

export function formatTime(ms: number): string {
  return new Date(Math.min(Math.max(ms, MIN), MAX)).toISOString()
}
