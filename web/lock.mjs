// Run by `npm run lock` after every change of package-lock.json.
//
// npm leaves out an optional package whose "engines" do not match the Node that runs npm. On
// Debian 12 that is Node 18, while everything runs under the Node of node-linux-*: the native
// parts of Vite would be missing without a word. npm reads "engines" from the lock file, so
// they are removed there for optional packages.
import { readFileSync, writeFileSync } from 'node:fs'

const file = new URL('../package-lock.json', import.meta.url)
const lock = JSON.parse(readFileSync(file, 'utf8'))
for (const entry of Object.values(lock.packages)) if (entry.optional) delete entry.engines
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`)
