// The report of a check: facts for programs, sentences for people. The shape is that of
// `plumbline evidence verify --json`.
import type { Life } from './keylife.ts'
import { fingerprint } from './vkey.ts'

export type Question = 'intact' | 'signed' | 'witnessed' | 'time'
export type State = 'ok' | 'bad' | 'unknown'
export interface Words {
  en: string
  zh: string
}
export interface Step extends Words {
  question: Question
  state: State
}
export interface EntryReport {
  index: number
  role: 'claim' | 'key'
  holds: boolean
  type?: unknown
  subject?: unknown
  claimed_time?: string
  statement?: unknown
  signer?: string
  payloads?: { sha256: string; kind: 'payload' | 'opening'; holds: boolean }[]
}
export interface Signer {
  name: string
  keyid: string
  alg: string
  statements: number
  end: string
}

const PROBLEMS_MAX = 200

export class Report {
  ok = false
  problems: string[] = []
  signers: Signer[] = []
  witnesses: { name: string; time: string }[] = []
  entries: EntryReport[] = []
  steps: Step[] = []
  latest_time: string | null = null
  not_proven: Words[] = []
  purpose = { to: '', reason: '', created: '' }
  key_from?: 'option' | 'package'
  trust_from?: 'option' | 'package'
  key?: string
  origin?: string
  size?: number
  root?: string
  quorum?: boolean
  latest_time_from?: string

  problem(text: string): void {
    if (this.problems.length > PROBLEMS_MAX) return
    const full = this.problems.length === PROBLEMS_MAX
    this.problems.push(full ? 'more problems were found and are not listed' : text)
  }

  signer({ key, end }: Life): void {
    const keyid = fingerprint(key)
    const known = this.signers.find((s) => s.keyid === keyid)
    if (known) known.statements++
    else this.signers.push({ name: key.name, keyid, alg: key.alg, statements: 1, end })
  }
}

export const LIMITS: readonly Words[] = [
  {
    en: 'that what the statements say is true: a signature shows who says it, not that it is so',
    zh: '声明的内容属实：签名只说明由谁作出，不说明其为真',
  },
  {
    en: 'that these are all statements about the matter: others may exist in the log',
    zh: '已包含全部相关声明：账本中可能还有其他声明',
  },
  {
    en: 'that no key of a signer was withdrawn by an entry that is not in the package',
    zh: '签名密钥未被包外的条目撤销',
  },
  {
    en: 'that everybody is shown the same log, beyond what the witnesses above have seen',
    zh: '所有人看到的是同一账本（见证方所见之外）',
  },
]
