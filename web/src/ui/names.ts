// Things that carry their name in both languages (packs do): the one of the page.
import { useI18n } from 'vue-i18n'

export interface Named {
  zh?: string | undefined
  en?: string | undefined
}

/** name(thing, otherwise): `otherwise` when the thing has no name. */
export function useNames(): (thing: Named | null | undefined, otherwise?: string) => string {
  const { locale } = useI18n()
  return (thing, otherwise = '') =>
    (locale.value === 'zh-CN' ? thing?.zh || thing?.en : thing?.en || thing?.zh) || otherwise
}
