// What a feature gives to the console. Features are the folders below features/, named after
// src/cap; each has a feature.ts with one default export. Deleting a folder removes the
// feature; nothing else has to change.
import type { Component } from 'vue'
import type { RouteRecordRaw } from 'vue-router'

/** The three stages of design §1: before, during, after the service runs. */
export const STAGES = ['before', 'during', 'after'] as const
export type Stage = (typeof STAGES)[number]

export interface NavEntry {
  stage: Stage
  order: number
  to: string
  /** Message key. */
  label: string
}
/** A part of the overview page. Gets `overview` and emits `changed` when it changed it. */
export interface Card {
  area: 'top' | 'main' | 'side'
  order: number
  component: Component
}
export interface Feature {
  /** The page for those who are not logged in; shown without navigation. */
  login?: () => Promise<unknown>
  /** Parts of the header bar. */
  tools?: Component[]
  routes?: RouteRecordRaw[]
  nav?: NavEntry[]
  /** Loaded with the overview page, not before. */
  cards?: () => Promise<Card[]>
}

const found = import.meta.glob<Feature>('./features/*/feature.ts', { eager: true, import: 'default' })
export const features: Feature[] = Object.values(found)

export const tools: Component[] = features.flatMap((f) => f.tools ?? [])

export async function loadCards(): Promise<Card[]> {
  const cards = await Promise.all(features.map((f) => f.cards?.() ?? []))
  return cards.flat().sort((a, b) => a.order - b.order)
}
export function navOf(stage: Stage): NavEntry[] {
  const own: NavEntry[] = [{ stage: 'during', order: 0, to: '/', label: 'overview.title' }]
  return [...own, ...features.flatMap((f) => f.nav ?? [])]
    .filter((n) => n.stage === stage)
    .sort((a, b) => a.order - b.order)
}
