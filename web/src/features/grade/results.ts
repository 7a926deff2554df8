// Shapes of a grading result (docs/formats/rules.md) that the API leaves open.
import type { GradeResult } from '../../api/types.ts'
import type { Named } from '../../ui/names.ts'

export type Result = GradeResult['results'][number]
export interface Question {
  fact: string
  type: string
  question: Named
  help?: Named
  values?: string[]
  unit?: string
}
export interface Obligation {
  id: string
  status: string
  applies_from?: string | null
  cite?: string[]
  evidence?: string
  title?: Named
}
export interface Fired {
  rule_id: string
  cite?: string[]
  evidence?: string
  facts?: Record<string, unknown>
  note?: Named
}
export type Facts = Record<string, unknown>

export const titleOf = (r: Result): Named => (r['title'] as Named | undefined) ?? {}
export const obligationsOf = (r: Result): Obligation[] => r.obligations as unknown as Obligation[]
export const firedBy = (r: Result): Fired[] => r.trace as unknown as Fired[]

/** Axis and grade, in the pack's order. */
export function gradesOf(r: Result): [axis: string, grade: string][] {
  const axes = (r['axes'] as string[] | undefined) ?? []
  return axes.map((axis) => [axis, String(r[axis] ?? '')])
}
/** Grades that are still possible on an axis that is not settled. */
export function possibleOn(r: Result, axis: string): string[] {
  const by = (r['possible_by_axis'] as Record<string, string[]> | undefined) ?? {}
  return by[axis] ?? []
}
/** An answer as typed or chosen, as the fact's type wants it; undefined: none. */
export function factFrom(question: Question, answer: string | string[]): unknown {
  if (Array.isArray(answer)) return answer
  const text = answer.trim()
  if (text === '') return undefined
  if (question.type === 'bool') return text === 'true'
  if (question.type === 'list') return text.split(/[,，]\s*/).filter((one) => one !== '')
  if (question.type === 'number' || question.type === 'int') {
    const n = Number(text)
    return Number.isFinite(n) ? n : text
  }
  return text
}
