// Forms as packs describe them (docs/formats/pack.md, "Record kinds and forms"). The server
// judges values; here they are only drawn and collected.
import type { Form } from '../../api/types.ts'
import type { Named } from '../../ui/names.ts'

export interface Option extends Named {
  id: string
}
export interface Field extends Named {
  key: string
  type: string
  required?: boolean
  required_when?: { field: string; is: unknown[] }
  options?: Option[]
  max_length?: number
  min?: number
  max?: number
  record?: string
  fields?: Field[]
  unit?: string
  section?: Named
  help?: Named
  tag?: string
  public?: boolean
  personal?: boolean
}
export type Values = Record<string, unknown>
/** What the server found wrong, by field key. */
export type Wrong = Record<string, { text: string; isError: boolean }[]>

export const fieldsOf = (form: Form): Field[] => form.fields as unknown as Field[]

/** Is the field needed, given the values beside it? */
export function isNeeded(field: Field, values: Values): boolean {
  if (field.required) return true
  const when = field.required_when
  return when !== undefined && when.is.includes(values[when.field])
}

/** A copy of values with one of them set; an empty one is taken away. */
export function withValue(values: Values, key: string, value: unknown): Values {
  const next = { ...values }
  const isEmpty =
    value === undefined || value === '' || value === null || (Array.isArray(value) && value.length === 0)
  if (isEmpty) delete next[key]
  else next[key] = value
  return next
}

/** What people typed as a number: kept as text when it is none, so that the server can say so. */
export function numberFrom(text: string): number | string | undefined {
  const plain = text.trim()
  if (plain === '') return undefined
  const n = Number(plain)
  return Number.isFinite(n) ? n : plain
}

export const linesFrom = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
