import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vite'

// Read through globalThis: the console itself is type-checked without Node's types.
const env = (globalThis as { process?: { env: Record<string, string | undefined> } }).process?.env

export default defineConfig({
  plugins: [vue()],
  base: './',
  define: {
    __VUE_OPTIONS_API__: 'true', // Element Plus uses it in places
    __VUE_PROD_DEVTOOLS__: 'false',
    __VUE_I18N_LEGACY_API__: 'false',
    __VUE_I18N_FULL_INSTALL__: 'false',
    __INTLIFY_PROD_DEVTOOLS__: 'false',
    __INTLIFY_JIT_COMPILATION__: 'true', // no eval: the console runs under script-src 'self'
    __INTLIFY_DROP_MESSAGE_COMPILER__: 'false',
  },
  build: {
    outDir: env?.['PL_WEB_OUT'] ?? '../build/web',
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0, // no data: addresses, so that img-src 'self' is enough
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
    chunkSizeWarningLimit: 700,
  },
  server: { proxy: { '/api': 'http://127.0.0.1:8099', '/ledger': 'http://127.0.0.1:8099' } },
})
