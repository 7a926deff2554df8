import './ui/theme.css'
import { createApp } from 'vue'
import App from './App.vue'
import { i18n, showLanguage } from './i18n/index.ts'
import { currentLanguage } from './i18n/language.ts'
import { router } from './router.ts'

showLanguage(currentLanguage())
createApp(App).use(i18n).use(router).mount('#app')
