// Builds this folder into one file, verify.html, that refers to nothing: its script and its style
// are inside, and its policy allows those two by digest and nothing else.
import { sha256 } from '@noble/hashes/sha2.js'
import { defineConfig, type Plugin } from 'vite'
import { toBase64, utf8 } from '../src/proof/bytes.ts'

const env = (globalThis as { process?: { env: Record<string, string | undefined> } }).process?.env
const digest = (text: string) => `'sha256-${toBase64(sha256(utf8(text)))}'`

function oneFile(): Plugin {
  return {
    name: 'one-file',
    enforce: 'post',
    generateBundle(_options, bundle) {
      let code = ''
      let style = ''
      for (const [name, part] of Object.entries(bundle)) {
        if (name.endsWith('.html')) continue
        if (part.type === 'chunk') code += part.code.trim().replaceAll('</script', '<\\/script')
        else if (name.endsWith('.css')) style += String(part.source).trim()
        else this.error(`verify.html cannot hold ${name}`)
        delete bundle[name]
      }
      const page = bundle['index.html']
      if (page?.type !== 'asset') return this.error('no page was built')
      const policy = `default-src 'none'; script-src ${digest(code)}; style-src ${digest(style)}; img-src data:; base-uri 'none'; form-action 'none'`
      page.source = String(page.source)
        .replace(/\s*<link rel="stylesheet"[^>]*>/g, '')
        .replace(/\s*<script type="module"[^>]*><\/script>/g, '')
        .replace('<meta charset="utf-8" />', (m) => `${m}\n    <meta http-equiv="Content-Security-Policy" content="${policy}" />`)
        .replace('</head>', () => `  <style>${style}</style>\n  </head>`)
        .replace('</body>', () => `  <script type="module">${code}</script>\n  </body>`)
      page.fileName = 'verify.html'
    },
  }
}

export default defineConfig({
  base: './',
  plugins: [oneFile()],
  build: {
    outDir: env?.['PL_VERIFY_OUT'] ?? '../../build/verify',
    emptyOutDir: true,
    target: 'es2022',
    cssCodeSplit: false,
    modulePreload: false,
  },
})
