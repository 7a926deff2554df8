// What the page itself says. The sentences of a report come with the report.
import type { Question, State } from '../src/proof/report.ts'

export type Language = 'en' | 'zh'

export interface Phrases {
  title: string
  intro: string
  choose: string
  drop: string
  key: string
  keyHint: string
  policy: string
  policyHint: string
  roots: string
  rootsHint: string
  clear: string
  busy: string
  noPackage: string
  badKey: string
  badPolicy: string
  badRoots: string
  holds: string
  fails: string
  heading: (to: string, reason: string) => string
  questions: Record<Question, string>
  states: Record<State, string>
  problems: string
  statements: string
  columns: [string, string, string, string, string]
  more: (n: number) => string
  limits: string
  facts: { file: string; bytes: string; digest: string; log: string; size: string; root: string; key: string }
  print: string
}

export const WORDS: Record<Language, Phrases> = {
  en: {
    title: 'Check an evidence package',
    intro:
      'This page checks a package on this computer. It makes no connection, sends nothing and needs nothing installed.',
    choose: 'Evidence package (.plevidence.tar)',
    drop: 'Choose a file, or drop it here.',
    key: "The log's key (optional)",
    keyHint:
      'A verifier key, name+id+key, from elsewhere than the package: what the owner of the log publishes. Without it the package is only shown to be consistent with itself.',
    policy: 'Your witness policy (optional)',
    policyHint: 'Whose cosignatures count for you: a C2SP tlog-policy.',
    roots: 'Your time stamp authorities (optional)',
    rootsHint: 'Root certificates, in PEM, that time stamps (RFC 3161) must lead to for you to rely on them.',
    clear: 'Start again',
    busy: 'Checking…',
    noPackage: 'This is not an evidence package that can be read',
    badKey: "The log's key cannot be read",
    badPolicy: 'The witness policy cannot be read',
    badRoots: 'The certificates of time stamp authorities cannot be read',
    holds: 'The package holds, within what is said below.',
    fails: 'The package does NOT hold.',
    heading: (to, reason) =>
      `Evidence package${to && ` for ${to}`}${reason && `, because: ${reason}`} (says the package)`,
    questions: {
      intact: 'Is it intact?',
      signed: 'Who signed it?',
      witnessed: 'Who has seen this log?',
      time: 'When was it there, at the latest?',
    },
    states: { ok: 'yes', bad: 'NO', unknown: '?' },
    problems: 'Problems',
    statements: 'Statements',
    columns: ['Entry', 'Holds', 'Type', 'Subject', 'Claimed time'],
    more: (n) => `and ${n} more`,
    limits: 'What this does not show',
    facts: {
      file: 'File', bytes: 'bytes', digest: 'SHA-256', log: 'Log', size: 'Entries in the log', root: 'Root', key: 'Key',
    },
    print: 'Print this report',
  },
  zh: {
    title: '核验证据包',
    intro: '本页面在本机核验证据包：不连接网络，不发送任何内容，也无需安装任何软件。',
    choose: '证据包（.plevidence.tar）',
    drop: '选择文件，或将文件拖放到此处。',
    key: '账本公钥（可选）',
    keyHint:
      '验证公钥（name+id+key），应从证据包以外的途径取得，即账本所有者公布的公钥。未给出时，只能说明证据包自身一致。',
    policy: '您的见证策略（可选）',
    policyHint: '采信哪些见证方的副署：C2SP tlog-policy。',
    roots: '您采信的时间戳机构（可选）',
    rootsHint: '根证书（PEM）：时间戳（RFC 3161）须链接到其中之一才予采信。',
    clear: '重新开始',
    busy: '正在核验…',
    noPackage: '这不是可读取的证据包',
    badKey: '无法读取账本公钥',
    badPolicy: '无法读取见证策略',
    badRoots: '无法读取时间戳机构的证书',
    holds: '证据包成立（以下述说明为限）。',
    fails: '证据包不成立。',
    heading: (to, reason) =>
      `证据包${to && `，提供给：${to}`}${reason && `，事由：${reason}`}（据证据包自述）`,
    questions: {
      intact: '是否完整？',
      signed: '由谁签名？',
      witnessed: '谁见过该账本？',
      time: '最迟何时已存在？',
    },
    states: { ok: '是', bad: '否', unknown: '未定' },
    problems: '问题',
    statements: '声明',
    columns: ['条目', '成立', '类型', '主体', '自称时间'],
    more: (n) => `另有 ${n} 条`,
    limits: '本核验不能证明',
    facts: {
      file: '文件', bytes: '字节', digest: 'SHA-256', log: '账本', size: '账本条数', root: '根哈希', key: '公钥',
    },
    print: '打印本报告',
  },
}
