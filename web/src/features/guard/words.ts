// Names of categories, surfaces and the like; ids that have no name are shown as they are,
// because packs may add their own.
import { useI18n } from 'vue-i18n'

export function useWords() {
  const { t, te, tm } = useI18n()
  const named = (group: string, id: string): string => {
    const key = `guard.${group}.${id}`
    return te(key) || te(key, 'en') ? t(key) : id
  }
  return {
    category: (id: string): string => named('category', id),
    surface: (id: string): string => named('surface', id),
    reason: (id: string): string => named('reasonCode', id),
    outcome: (id: string): string => named('outcome', id),
    /** Ids of the categories that have names. */
    categories: (): string[] =>
      Object.entries(tm('guard.category') as Record<string, object>).flatMap(([group, names]) => Object.keys(names).map((n) => `${group}.${n}`)),
    end: (id: string): string => named('end', id),
  }
}
