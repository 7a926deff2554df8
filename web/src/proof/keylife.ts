// Who may sign what, when: "The life of a key" in docs/formats/keys.md, judged as
// src/engine/log/keylife.c judges it.
import { keyIds, openEnvelopeAny, readEnvelope } from './dsse.ts'
import { openCheckpoint, openCheckpointAny, parseCheckpoint, parseNote, type Checkpoint } from './note.ts'
import { getInt, getString, member, parseJson, type Json } from './strictjson.ts'
import { fingerprint, parseKey, sameKey, type Key } from './vkey.ts'
import { toHex } from './bytes.ts'

const TYPE = 'https://plumbline.example/predicate/key-event/v1'
const KEYS_MAX = 64
const EVENTS_MAX = 256
const EVENT_SIGS_MAX = 4
const EVENT_BYTES_MAX = 4 << 20
const KINDS = ['add', 'rotate', 'retire', 'revoke', 'compromise'] as const
type Kind = (typeof KINDS)[number]

export interface Life {
  key: Key
  isLog: boolean
  from: bigint
  /** The first entry it may no longer sign; null: alive. */
  to: bigint | null
  endedBy: bigint | null
  end: string
}
interface KeyEvent {
  index: bigint
  kind: Kind
  key: Key
  /** The successor; or the log key that a new one signs beside. */
  other: Key | null
  isLog: boolean
  until: bigint
  entry: Uint8Array
  keyids: string[]
  known: Map<string, boolean>
  counted: boolean
}
interface Cap {
  key: Key
  to: bigint
  by: bigint
}

// --- reading events --------------------------------------------------------------------------

// "key-event/v1" as base64 has it inside, at each of the three alignments.
const PARTS = ['a2V5LWV2ZW50L3Yx', 'tleS1ldmVudC92M', 'rZXktZXZlbnQvdj']

export function maybeKeyEvent(entry: Uint8Array): boolean {
  const s = new TextDecoder('latin1').decode(entry)
  return PARTS.some((part) => s.includes(part))
}

/** Only a compromise reaches back, and it must say how far. */
function untilOf(predicate: Json | undefined, kind: Kind, index: bigint): bigint {
  if (kind !== 'compromise' && member(predicate, 'until') === undefined) return index + 1n
  const until = getInt(predicate, 'until')
  if (until < 0n || (kind === 'compromise' && until > index + 1n))
    throw new Error("field 'until' is later than the compromise itself")
  if (kind !== 'compromise' && until <= index)
    throw new Error("field 'until' reaches back, which only a compromise may")
  return until
}

function useOf(predicate: Json | undefined): boolean {
  const use = member(predicate, 'use') === undefined ? 'statements' : getString(predicate, 'use')
  if (use !== 'log' && use !== 'statements') throw new Error("field 'use' is neither 'log' nor 'statements'")
  return use === 'log'
}

type Read = Pick<KeyEvent, 'kind' | 'key' | 'other' | 'isLog' | 'until'>

function readPredicate(predicate: Json | undefined, index: bigint): Read {
  const word = getString(predicate, 'event')
  const kind = KINDS.find((k) => k === word)
  if (!kind) throw new Error("field 'event' names no key event")
  const key = parseKey(getString(predicate, 'vkey'))
  const e: Read = { kind, key, other: null, isLog: false, until: 0n }
  if (kind === 'add') {
    e.isLog = useOf(predicate)
    if (member(predicate, 'beside') !== undefined) e.other = parseKey(getString(predicate, 'beside'))
    if (e.other && (!e.isLog || e.other.name !== key.name))
      throw new Error('only log keys of one name sign beside each other')
    return e
  }
  if (kind === 'rotate') e.other = parseKey(getString(predicate, 'successor'))
  if (e.other && e.other.name !== key.name) throw new Error(`the successor of '${key.name}' bears another name`)
  e.until = untilOf(predicate, kind, index)
  return e
}

function readEvent(index: bigint, entry: Uint8Array): KeyEvent {
  const envelope = readEnvelope(entry)
  const statement = parseJson(envelope.payload, 'statement')
  if (member(statement, 'predicateType') !== TYPE) throw new Error('not a key event')
  const read = readPredicate(member(statement, 'predicate'), index)
  if (Array.isArray(envelope.signatures) && envelope.signatures.length > EVENT_SIGS_MAX)
    throw new Error(`key event has more than ${EVENT_SIGS_MAX} signatures`)
  return { ...read, index, entry, keyids: keyIds(envelope), known: new Map(), counted: false }
}

// --- judging ---------------------------------------------------------------------------------

function isAlive(life: Life | undefined, index: bigint): boolean {
  return life !== undefined && index >= life.from && (life.to === null || index < life.to)
}

export class KeyHistory {
  lives: Life[] = []
  private events: KeyEvent[] = []
  private caps: Cap[] = []
  private bytes = 0
  private readonly root: Key

  constructor(root: Key) {
    this.root = root
    this.resolve()
  }

  get keys(): Key[] {
    return this.lives.map((life) => life.key)
  }

  /** Throws when the entry is no key event that can be read. */
  put(index: bigint, entry: Uint8Array): void {
    const e = readEvent(index, entry)
    if (this.events.length === EVENTS_MAX || this.bytes + entry.length > EVENT_BYTES_MAX)
      throw new Error(`more than ${EVENTS_MAX} key events`)
    this.bytes += entry.length
    this.events.push(e)
  }

  /** Events are judged together: what a key decided after the point from which it is compromised
   * does not count, and a compromise may be found last. */
  resolve(): void {
    this.caps = []
    do this.judge()
    while (this.takeCaps())
  }

  find(key: Key): Life | undefined {
    return this.lives.find((life) => sameKey(life.key, key))
  }

  private judge(): void {
    this.lives = []
    for (const e of this.events) e.counted = false
    this.addLife(this.root, true, 0n)
    for (let more = true; more; ) {
      more = false
      for (const e of this.events)
        if (!e.counted && this.counts(e)) {
          e.counted = more = true
          this.apply(e)
        }
    }
  }

  private takeCaps(): boolean {
    let more = false
    for (const e of this.events) {
      if (e.kind !== 'compromise' || !e.counted) continue
      const cap = this.caps.find((c) => sameKey(c.key, e.key))
      if (cap ? cap.to <= e.until : this.caps.length === KEYS_MAX) continue
      if (cap) Object.assign(cap, { to: e.until, by: e.index })
      else this.caps.push({ key: e.key, to: e.until, by: e.index })
      more = true
    }
    return more
  }

  // For key events a signature's keyid must be right: each is verified at most once.
  private signedBy(e: KeyEvent, key: Key): boolean {
    const id = fingerprint(key)
    if (!e.keyids.includes(id)) return false
    const before = e.known.get(id)
    if (before !== undefined) return before
    let good = true
    try {
      openEnvelopeAny(e.entry, [key])
    } catch {
      good = false
    }
    e.known.set(id, good)
    return good
  }

  private signedAlive(e: KeyEvent, life: Life | undefined): boolean {
    return life !== undefined && isAlive(life, e.index) && this.signedBy(e, life.key)
  }

  private signedByLog(e: KeyEvent, but: Key | null = null): boolean {
    return this.lives.some((l) => l.isLog && !(but && sameKey(l.key, but)) && this.signedAlive(e, l))
  }

  /** A log key is ended by itself or by the key it was rotated to, never by a third. */
  private signedBySuccessor(e: KeyEvent): boolean {
    for (const r of this.events) {
      if (r.index >= e.index) return false
      if (r.kind === 'rotate' && r.counted && r.other && sameKey(r.key, e.key))
        if (this.signedAlive(e, this.find(r.other))) return true
    }
    return false
  }

  /** Both keys sign a rotation: so either of them, when trusted, leads to the other. */
  private rotationCounts(e: KeyEvent, other: Key): boolean {
    const old = this.find(e.key)
    const reached = old ? isAlive(old, e.index) : this.find(other)?.isLog === true
    return reached && this.signedBy(e, e.key) && this.signedBy(e, other)
  }

  private additionCounts(e: KeyEvent): boolean {
    if (!e.isLog) return this.signedByLog(e)
    if (!this.signedBy(e, e.key)) return false
    if (this.signedByLog(e, e.key)) return true
    return e.other !== null && this.find(e.key)?.isLog === true && this.signedBy(e, e.other)
  }

  private counts(e: KeyEvent): boolean {
    if (e.kind === 'rotate') return e.other !== null && this.rotationCounts(e, e.other)
    if (e.kind === 'add') return this.additionCounts(e)
    const life = this.find(e.key)
    if (!life) return false
    if (life.isLog) return this.signedAlive(e, life) || this.signedBySuccessor(e)
    // Nobody takes back alone what was signed with a key: a compromise casts doubt on it.
    return this.signedByLog(e) || (e.kind !== 'compromise' && this.signedAlive(e, life))
  }

  private addLife(key: Key, isLog: boolean, from: bigint): void {
    if (this.lives.length === KEYS_MAX) throw new Error(`more than ${KEYS_MAX} keys`)
    const cap = this.caps.find((c) => sameKey(c.key, key))
    this.lives.push({
      key, isLog, from, to: cap?.to ?? null, endedBy: cap?.by ?? null, end: cap ? 'compromise' : '',
    })
  }

  private apply(e: KeyEvent): void {
    if (e.kind === 'rotate' && e.other) this.applyRotation(e, e.other)
    else if (e.kind === 'add') this.applyAddition(e)
    else endLife(this.find(e.key), e)
  }

  private applyRotation(e: KeyEvent, other: Key): void {
    const old = this.find(e.key)
    const next = this.find(other)
    const isLog = (old ?? next)?.isLog === true
    if (!next) {
      this.addLife(other, isLog, e.index)
    } else if (!old) {
      next.from = e.index // led backwards: the trusted key began here
      this.addLife(e.key, isLog, 0n)
    }
    endLife(this.find(e.key), e)
  }

  private applyAddition(e: KeyEvent): void {
    const life = this.find(e.key)
    if (!life) return this.addLife(e.key, e.isLog, e.index)
    if (!e.other || this.find(e.other)) return
    life.from = e.index // led backwards: the trusted key began here
    this.addLife(e.other, true, 0n)
  }

  /** A checkpoint of size s is judged as entry s − 1 is. */
  openCheckpoint(note: string): Checkpoint {
    const { size } = parseCheckpoint(parseNote(note).text)
    const index = size > 0n ? size - 1n : 0n
    const logs = this.lives.filter((life) => life.isLog)
    const alive = logs.filter((life) => isAlive(life, index))
    try {
      if (alive.length === 0) throw new Error('no log key was alive at the size of the checkpoint')
      return openCheckpointAny(note, alive.map((life) => life.key))
    } catch (e) {
      for (const life of logs) if (!isAlive(life, index) && signs(note, life.key)) checkLife(life, index)
      throw e
    }
  }
}

function endLife(life: Life | undefined, e: KeyEvent): void {
  if (!life || (life.to !== null && e.until >= life.to)) return
  Object.assign(life, { to: e.until, endedBy: e.index, end: e.kind })
}

function signs(note: string, key: Key): boolean {
  try {
    openCheckpoint(note, key)
    return true
  } catch {
    return false
  }
}

export function checkLife(life: Life, index: bigint): void {
  const who = `signed by key '${life.key.name}' (${toHex(life.key.id)})`
  if (index < life.from) throw new Error(`${who} before entry ${life.from} made it known`)
  if (life.to !== null && index >= life.to)
    throw new Error(`${who} though entry ${life.endedBy} ended it (${life.end}) from entry ${life.to} on`)
}
