// Checks an evidence package as `plumbline evidence verify` does (src/engine/log/
// evidence_verify.c): the same steps, words and report. A time stamp that needs what browsers lack
// is reported as not checked, never as good.
import { hmac } from '@noble/hashes/hmac.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { concat, text, toHex, utf8 } from './bytes.ts'
import { INTOTO, openEnvelopeAny, type Opened } from './dsse.ts'
import { KeyHistory, checkLife, maybeKeyEvent } from './keylife.ts'
import { inclusionFault, leafHash } from './merkle.ts'
import { parseProof, type Checkpoint } from './note.ts'
import { parseIndex, type PackageEntry, type PackageIndex } from './package.ts'
import { LIMITS, Report, type EntryReport, type Question, type State } from './report.ts'
import { member, parseJson, plain, type Json } from './strictjson.ts'
import { Archive, Missing, openArchive } from './tar.ts'
import { formatTime, parseTime } from './time.ts'
import { verifyStamp, type StampFacts } from './timestamp.ts'
import { judge, parseTrust, type Trust } from './trust.ts'
import { fingerprint, formatKey, parseKey, type Key } from './vkey.ts'
import { Uncheckable, type Certificate } from './x509.ts'

/** What the reader relies on, from elsewhere than the package. */
export interface Anchors {
  key?: Key | undefined
  trust?: Trust | undefined
  /** Certificates that time stamps must lead to. */
  roots?: Certificate[] | undefined
}

const COMMIT = utf8('plumbline.commit.v1\u0000')

function commitment(salt: Uint8Array, payload: Uint8Array): string {
  return toHex(hmac(sha256, salt, concat(COMMIT, payload)))
}

function message(e: unknown): string {
  return e instanceof Error ? e.message : String(e)
}

/** Whether the statement says this digest anywhere. What it does not bind proves nothing. */
function names(v: Json, hex: string): boolean {
  if (typeof v === 'string') return v === hex
  if (Array.isArray(v)) return v.some((m) => names(m, hex))
  return v instanceof Map && [...v.values()].some((m) => names(m, hex))
}

class Check {
  readonly report = new Report()
  private readonly files: Archive
  private readonly index: PackageIndex
  private readonly note: Uint8Array
  private readonly key: Key
  private readonly keys: KeyHistory
  private readonly anchors: Anchors
  private checkpoint = ''
  private head: Checkpoint = { origin: '', size: 0n, root: new Uint8Array() }
  private payloads = 0
  private claimed = 0
  private seen: { at: number; by: string } | null = null

  /** Throws when it is not a package at all. */
  constructor(bytes: Uint8Array, anchors: Anchors) {
    this.files = openArchive(bytes)
    this.index = parseIndex(this.files.find('index.json'))
    this.note = this.files.find('checkpoint')
    const own = parseKey(this.index.vkey)
    this.anchors = anchors
    this.key = anchors.key ?? own
    this.keys = this.collectKeys()
  }

  async run(): Promise<Report> {
    const { to, reason, created } = this.index
    const r = this.report
    r.key_from = this.anchors.key ? 'option' : 'package'
    r.purpose = { to, reason, created }
    if (this.checkHead()) {
      r.root = toHex(this.head.root)
      this.checkEntries()
      this.saySigners()
      this.checkWitnesses()
      await this.checkTime()
    }
    r.not_proven = [...LIMITS]
    r.ok = r.problems.length === 0
    return r
  }

  private say(question: Question, state: State, en: string, zh: string): void {
    this.report.steps.push({ question, state, en, zh })
  }

  /** Events must be judged together before any entry is. */
  private collectKeys(): KeyHistory {
    const keys = new KeyHistory(this.key)
    for (const { index } of this.index.entries) {
      const entry = this.files.files.get(`entry/${index}.json`)
      if (!entry || !maybeKeyEvent(entry)) continue
      try {
        keys.put(index, entry)
      } catch {
        // no event that can be read changes nothing
      }
    }
    keys.resolve()
    return keys
  }

  // --- whose log -----------------------------------------------------------------------------

  /** Judged once the key events are known: a log may have changed its key. */
  private checkHead(): boolean {
    const hex = fingerprint(this.key).slice(0, 16)
    this.report.key = formatKey(this.key)
    try {
      this.checkpoint = text(this.note)
      this.head = this.keys.openCheckpoint(this.checkpoint)
    } catch (e) {
      this.report.problem(`checkpoint: ${message(e)}`)
      this.say('signed', 'bad', `the log's checkpoint is not signed by key ${hex}: ${message(e)}`,
        `账本检查点未由密钥 ${hex} 签名：${message(e)}`)
      return false
    }
    const { origin, size } = this.head
    this.report.origin = origin
    this.report.size = Number(size)
    if (this.anchors.key)
      this.say('signed', 'ok', `the log '${origin}', ${size} entries long, is signed by the key given (${hex})`,
        `账本“${origin}”（${size} 条）由给定的密钥（${hex}）签名`)
    else
      this.say('signed', 'unknown',
        `the log '${origin}', ${size} entries long, is signed by key ${hex}, which came with the package: ` +
          'compare it with what its owner publishes',
        `账本“${origin}”（${size} 条）由密钥 ${hex} 签名；该密钥来自证据包本身，请与其所有者公布的比对`)
    return true
  }

  // --- entries -------------------------------------------------------------------------------

  private checkInclusion(e: PackageEntry, entry: Uint8Array): void {
    const p = parseProof(this.files.find(`entry/${e.index}.tlog-proof`))
    if (p.index !== e.index || p.note !== this.checkpoint)
      throw new Error('its proof is for another entry or checkpoint')
    const fault = inclusionFault(e.index, this.head.size, leafHash(entry), p.hashes, this.head.root)
    if (fault) throw new Error(fault)
  }

  /** One of the keys that signed must have been alive at that place in the log. */
  private checkSigners(e: PackageEntry, opened: Opened): void {
    let alive = false
    let why: unknown
    for (const key of opened.signers) {
      const life = this.keys.find(key)
      if (!life) continue
      try {
        checkLife(life, e.index)
        this.report.signer(life)
        alive = true
      } catch (fault) {
        why = fault
      }
    }
    if (!alive) throw why
  }

  private takeFacts(o: EntryReport, statement: Json): void {
    const predicate = member(statement, 'predicate')
    const subject = member(statement, 'subject')
    let latest = 0
    for (const name of ['time', 'at', 'from', 'to']) {
      const v = member(predicate, name)
      const ms = typeof v === 'string' ? parseTime(v) : null
      if (ms !== null && ms > latest) latest = ms
    }
    const type = member(statement, 'predicateType')
    const name = Array.isArray(subject) ? member(subject[0], 'name') : undefined
    if (type !== undefined) o.type = plain(type)
    if (name !== undefined) o.subject = plain(name)
    if (latest > 0) o.claimed_time = formatTime(latest)
    if (latest > this.claimed) this.claimed = latest
  }

  private checkStatement(e: PackageEntry, entry: Uint8Array, o: EntryReport): Json {
    const opened = openEnvelopeAny(entry, this.keys.keys)
    if (opened.type !== INTOTO) throw new Error(`payload type is '${opened.type.slice(0, 80)}'`)
    this.checkSigners(e, opened)
    const statement = parseJson(opened.payload, 'statement')
    this.takeFacts(o, statement)
    o.statement = plain(statement)
    const [first] = opened.signers
    if (first) o.signer = fingerprint(first)
    return statement
  }

  private findPayload(hex: string): Uint8Array {
    const bytes = this.files.find(`payload/${hex}`)
    if (toHex(sha256(bytes)) !== hex) throw new Error(`payload ${hex.slice(0, 16)}… was changed`)
    return bytes
  }

  private payload(o: EntryReport, hex: string, kind: 'payload' | 'opening', check: (bytes: Uint8Array) => void): void {
    let fault: unknown = null
    try {
      check(this.findPayload(hex))
    } catch (e) {
      fault = e
    }
    o.payloads ??= []
    o.payloads.push({ sha256: hex, kind, holds: fault === null })
    if (fault === null) this.payloads++
    else this.report.problem(`entry ${o.index}: ${message(fault)}`)
  }

  private checkPayloads(e: PackageEntry, o: EntryReport, statement: Json): void {
    for (const hex of e.payloads)
      this.payload(o, hex, 'payload', () => {
        if (!names(statement, hex))
          throw new Error(`payload ${hex.slice(0, 16)}… is not bound by the statement`)
      })
    for (const { salt, payload } of e.openings)
      this.payload(o, payload, 'opening', (bytes) => {
        if (!names(statement, commitment(salt, bytes)))
          throw new Error("what is disclosed does not fit the statement's commitment")
      })
  }

  private checkEntry(e: PackageEntry): void {
    const o: EntryReport = { index: Number(e.index), role: e.role, holds: false }
    const before = this.report.problems.length
    try {
      const entry = this.files.find(`entry/${e.index}.json`)
      this.checkInclusion(e, entry)
      this.checkPayloads(e, o, this.checkStatement(e, entry, o))
    } catch (fault) {
      this.report.problem(`entry ${e.index}: ${message(fault)}`)
    }
    o.holds = this.report.problems.length === before
    this.report.entries.push(o)
  }

  /** What the index does not speak of has no business in a package. */
  private checkMembers(): void {
    const { entries, timestamps, hasTrust } = this.index
    const named = new Set(entries.flatMap((e) => [...e.payloads, ...e.openings.map((p) => p.payload)]))
    const expected = 3 + 2 * entries.length + timestamps + (hasTrust ? 1 : 0) + named.size
    if (this.files.files.size !== expected)
      this.report.problem(`package holds ${this.files.files.size} files, its index speaks of ${expected}`)
  }

  private checkEntries(): void {
    const n = this.index.entries.length
    const before = this.report.problems.length
    this.checkMembers()
    for (const e of this.index.entries) this.checkEntry(e)
    const bad = this.report.problems.length - before
    if (bad > 0) {
      this.say('intact', 'bad', `something does not hold: ${bad} problems in ${n} entries`,
        `存在问题：${bad} 处，共 ${n} 条声明`)
      return
    }
    this.say('intact', 'ok', `intact: all ${n} statements are in that log, byte for byte, and their signatures hold`,
      `完整：${n} 条声明均逐字节存在于该账本中，签名有效`)
    if (this.payloads > 0)
      this.say('intact', 'ok', `${this.payloads} files that the statements bind by digest are unchanged`,
        `声明以摘要绑定的 ${this.payloads} 个文件未被改动`)
  }

  private saySigners(): void {
    for (const { statements, name, keyid, alg } of this.report.signers) {
      const hex = keyid.slice(0, 16)
      this.say('signed', 'ok', `${statements} statements are signed by '${name}' (${hex}, ${alg})`,
        `${statements} 条声明由“${name}”（${hex}，${alg}）签名`)
    }
  }

  // --- witnesses -----------------------------------------------------------------------------

  /** Anybody can name witnesses of his own: only those of a policy the reader chose count. */
  private sayWitness(name: string, seconds: bigint): void {
    const ms = Number(seconds) * 1000
    const time = formatTime(ms)
    const ours = this.anchors.trust !== undefined
    this.say('witnessed', ours ? 'ok' : 'unknown', `witness '${name}' saw this log at ${time}`,
      `见证方“${name}”于 ${time} 见到该账本`)
    this.report.witnesses.push({ name, time })
    if (ours && (this.seen === null || ms < this.seen.at)) this.seen = { at: ms, by: name }
  }

  private sayQuorum(met: boolean): void {
    if (!this.anchors.trust) {
      this.say('witnessed', 'unknown',
        'the witnesses are named by the package itself: to rely on them, give a policy of yours',
        '见证方由证据包自行列出；如需采信，请给出您自己的见证策略')
    } else if (met) {
      this.say('witnessed', 'ok', 'as many witnesses as your policy asks for have seen this log',
        '已有符合您策略要求的见证方见到该账本')
    } else {
      this.report.problem('the witnesses that the policy asks for have not all cosigned')
      this.say('witnessed', 'bad', 'fewer witnesses than your policy asks for have seen this log',
        '见到该账本的见证方未达到您策略的要求')
    }
  }

  private judgeTrust(trust: Trust): void {
    try {
      const v = judge(trust, this.checkpoint)
      trust.witnesses.forEach((w, i) => {
        const time = v.times[i]
        if (typeof time === 'bigint') this.sayWitness(w.name, time)
      })
      if (v.seen === 0) this.say('witnessed', 'unknown', 'no witness has cosigned this log', '没有见证方副署该账本')
      this.report.quorum = v.met
      this.sayQuorum(v.met)
    } catch (e) {
      this.report.problem(`checkpoint: ${message(e)}`)
      this.say('witnessed', 'bad', `a cosignature does not hold: ${message(e)}`, `见证副署无效：${message(e)}`)
    }
  }

  private checkWitnesses(): void {
    this.report.trust_from = this.anchors.trust ? 'option' : 'package'
    if (this.anchors.trust) return this.judgeTrust(this.anchors.trust)
    if (!this.index.hasTrust) {
      this.say('witnessed', 'unknown', 'the package names no witness of the log', '证据包未列出该账本的见证方')
      return
    }
    let own: Trust
    try {
      own = parseTrust(this.files.find('trust-policy'))
    } catch (e) {
      this.report.problem(`trust-policy: ${message(e)}`)
      return
    }
    this.judgeTrust(own)
  }

  // --- time ----------------------------------------------------------------------------------

  private sayStamp(i: number, { time: ms, signer, trusted }: StampFacts): void {
    const time = formatTime(ms)
    if (!trusted) {
      this.say('time', 'unknown',
        `time stamp ${i} says ${time}, by '${signer}', whose certificate leads to none of the authorities given`,
        `时间戳 ${i} 为 ${time}，签发者“${signer}”，其证书未链接到给定的根证书`)
      return
    }
    this.say('time', 'ok', `time stamp ${i}: the log was like this at ${time}, says '${signer}'`,
      `时间戳 ${i}：账本于 ${time} 即为此状（签发者“${signer}”）`)
    if (this.seen === null || ms < this.seen.at) this.seen = { at: ms, by: signer }
  }

  /** The checkpoint up to and including its first line of signatures. */
  private stamped(): Uint8Array {
    const gap = this.checkpoint.indexOf('\n\n')
    const end = gap < 0 ? -1 : this.checkpoint.indexOf('\n', gap + 2)
    if (end < 0) throw new Error('checkpoint has no signature line')
    return utf8(this.checkpoint.slice(0, end + 1))
  }

  private async checkStamp(i: number): Promise<void> {
    const name = `timestamp/${i}.tsr`
    try {
      this.sayStamp(i, await verifyStamp(this.files.find(name), this.stamped(), this.anchors.roots ?? []))
    } catch (e) {
      const why = message(e)
      if (e instanceof Uncheckable) {
        this.say('time', 'unknown', `time stamp ${i} cannot be checked here: ${why}`, `时间戳 ${i} 在此无法核验：${why}`)
        return
      }
      this.report.problem(`${name}: ${why}`)
      this.say('time', 'bad', `time stamp ${i} does not hold: ${why}`, `时间戳 ${i} 无效：${why}`)
    }
  }

  private async checkTime(): Promise<void> {
    for (let i = 0; i < this.index.timestamps; i++) await this.checkStamp(i)
    if (this.seen) {
      const time = formatTime(this.seen.at)
      Object.assign(this.report, { latest_time: time, latest_time_from: this.seen.by })
      this.say('time', 'ok', `the statements were there at ${time} at the latest, says '${this.seen.by}'`,
        `这些声明最迟于 ${time} 已存在（据“${this.seen.by}”）`)
    } else if (this.claimed > 0) {
      const time = formatTime(this.claimed)
      Object.assign(this.report, { latest_time: time, latest_time_from: 'claim' })
      this.say('time', 'unknown', `the signers claim times up to ${time}; nobody whom you trust vouches for that`,
        `签名者自称时间至 ${time}；没有您信任的第三方佐证`)
    } else {
      this.say('time', 'unknown', 'no time is claimed, and nobody vouches for one', '没有声明任何时间，也没有第三方佐证')
    }
  }
}

/** Fails when the bytes are no package; what does not hold is said in the report. */
export async function verifyPackage(bytes: Uint8Array, anchors: Anchors = {}): Promise<Report> {
  let check: Check
  try {
    check = new Check(bytes, anchors)
  } catch (e) {
    throw e instanceof Missing ? new Error('not an evidence package') : e
  }
  return check.run()
}
