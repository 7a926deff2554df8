// Messages: zh-CN.json and en.json of this folder, plus the same two of every feature
// under the feature's name. tests/browser/i18n.test.mjs keeps both languages complete.
import { createI18n } from 'vue-i18n'
import commonEn from './en.json'
import commonZh from './zh-CN.json'
import { currentLanguage, rememberLanguage, type Language } from './language.ts'

interface Messages {
  [key: string]: string | Messages
}

const zh = import.meta.glob<Messages>('../features/*/zh-CN.json', { eager: true, import: 'default' })
const en = import.meta.glob<Messages>('../features/*/en.json', { eager: true, import: 'default' })

function merge(common: Messages, features: Record<string, Messages>): Messages {
  const all: Messages = { ...common }
  for (const [path, messages] of Object.entries(features)) {
    const name = path.split('/').at(-2)
    if (name) all[name] = messages
  }
  return all
}

export const i18n = createI18n({
  legacy: false,
  locale: currentLanguage() as string,
  fallbackLocale: 'en',
  missingWarn: import.meta.env.DEV,
  fallbackWarn: import.meta.env.DEV,
  messages: { 'zh-CN': merge(commonZh, zh), en: merge(commonEn, en) },
})

export function showLanguage(language: Language): void {
  rememberLanguage(language)
  i18n.global.locale.value = language
  document.documentElement.lang = language
}
