// What to tell people about a failed call.
import { ApiError } from '../api/client.ts'

export function troubleText(t: (key: string, values?: Record<string, string>) => string, error: unknown): string {
  if (!(error instanceof ApiError)) return t('trouble.unknown')
  if (error.failure === 'lost') return t('trouble.lost')
  return error.detail ? t('trouble.refused', { detail: error.detail }) : t('trouble.unknown')
}
