// Numbers, times and digests as people read them. Times are in the browser's zone; the UTC
// time belongs in the tooltip (TimeText.vue).
import { currentLanguage } from '../i18n/language.ts'

export function count(n: number): string {
  return new Intl.NumberFormat(currentLanguage()).format(n)
}
/** 12.5% */
export function percent(share: number | null | undefined): string {
  if (typeof share !== 'number') return '—'
  return new Intl.NumberFormat(currentLanguage(), { style: 'percent', maximumFractionDigits: 1 }).format(share)
}
/** 14:03:09 */
export function clock(ms: number): string {
  return new Intl.DateTimeFormat(currentLanguage(), {
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
  }).format(ms)
}
/** Date and time with the zone's name. */
export function moment(ms: number): string {
  return new Intl.DateTimeFormat(currentLanguage(), {
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
    timeZoneName: 'short',
  }).format(ms)
}
export function utc(ms: number): string {
  return new Date(ms).toISOString().replace('T', ' ').replace('Z', ' UTC')
}
/** "3 minutes ago" in the reader's language; whole seconds below a minute. */
export function ago(ms: number, nowMs: number): string {
  const format = new Intl.RelativeTimeFormat(currentLanguage(), { numeric: 'always' })
  const now = new Intl.RelativeTimeFormat(currentLanguage(), { numeric: 'auto' })
  const seconds = Math.max(0, Math.round((nowMs - ms) / 1000))
  if (seconds < 1) return now.format(0, 'second')
  if (seconds < 60) return format.format(-seconds, 'second')
  if (seconds < 3600) return format.format(-Math.floor(seconds / 60), 'minute')
  if (seconds < 86400) return format.format(-Math.floor(seconds / 3600), 'hour')
  return format.format(-Math.floor(seconds / 86400), 'day')
}
export function short(digest: string, n = 12): string {
  return digest.length > n ? `${digest.slice(0, n)}…` : digest
}
