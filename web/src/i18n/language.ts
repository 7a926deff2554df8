// The language of the console: remembered in this browser, else the browser's own.
export const LANGUAGES = ['zh-CN', 'en'] as const
export type Language = (typeof LANGUAGES)[number]

const KEY = 'plumbline.language'
let current: Language | undefined

function remembered(): string | null {
  try {
    return localStorage.getItem(KEY)
  } catch {
    return null // storage may be forbidden; the choice then lasts as long as the page
  }
}

function preferred(): Language {
  const stored = remembered()
  if (stored === 'zh-CN' || stored === 'en') return stored
  const wishes = typeof navigator === 'undefined' ? [] : navigator.languages
  for (const wish of wishes) {
    if (wish.toLowerCase().startsWith('zh')) return 'zh-CN'
    if (wish.toLowerCase().startsWith('en')) return 'en'
  }
  return 'en'
}

export function currentLanguage(): Language {
  current ??= preferred()
  return current
}

export function rememberLanguage(language: Language): void {
  current = language
  try {
    localStorage.setItem(KEY, language)
  } catch {
    // see above
  }
}
