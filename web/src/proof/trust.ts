// Trust policies (C2SP tlog-policy) and the cosignatures they ask for (C2SP tlog-cosignature,
// type 04).
import { concat, equal, text, utf8 } from './bytes.ts'
import { decimal, parseNote, signaturesOf, type Note } from './note.ts'
import { parseCosigner, parseKey, verifies, type Key } from './vkey.ts'

const POLICY_MAX = 64 << 10
const MAX = 64

export interface Witness {
  name: string
  key: Key
}
interface Node {
  name: string
  /** A witness, or a group that needs so many of its members. */
  witness?: number
  need?: number
  members: number[]
}
export interface Trust {
  logs: Key[]
  witnesses: Witness[]
  nodes: Node[]
  /** A node, or null: none is asked for. */
  quorum: number | null
}
export interface Verdict {
  /** Seconds by witness; null: has not cosigned. */
  times: (bigint | null)[]
  seen: number
  met: boolean
}

class Policy implements Trust {
  logs: Key[] = []
  witnesses: Witness[] = []
  nodes: Node[] = []
  quorum: number | null = null
  hasQuorum = false
  private used = new Set<number>()

  line(words: string[]): void {
    const [kind, ...rest] = words
    if (kind === 'log') this.log(rest)
    else if (kind === 'witness') this.witness(rest)
    else if (kind === 'group') this.group(rest)
    else if (kind === 'quorum') this.quorumLine(rest)
    else throw new Error("not 'log', 'witness', 'group' or 'quorum'")
  }

  /** One key has one role, or it would count for more than it is. */
  private key(vkey: string, parse: (s: string) => Key, what: string): Key {
    let key: Key
    try {
      key = parse(vkey)
    } catch {
      throw new Error(what)
    }
    const known = [...this.logs, ...this.witnesses.map((w) => w.key)]
    if (known.some((k) => equal(k.pub, key.pub))) throw new Error('the key is listed already')
    return key
  }

  private find(name: string): number {
    return this.nodes.findIndex((n) => n.name === name)
  }

  private add(node: Node): void {
    if (node.name === 'none' || this.find(node.name) >= 0) throw new Error('the name is taken')
    if (this.nodes.length === 2 * MAX || utf8(node.name).length > 255)
      throw new Error('too many names, or one too long')
    this.nodes.push(node)
  }

  private log([vkey = '', , more]: string[]): void {
    const key = this.key(vkey, parseKey, 'not the key of a log')
    if (this.logs.length === MAX) throw new Error('too many logs')
    if (more !== undefined) throw new Error('more words than a URL')
    this.logs.push(key)
  }

  private witness([name = '', vkey = '', , more]: string[]): void {
    const key = this.key(vkey, parseCosigner, 'not a name and the key of a witness')
    if (this.witnesses.length === MAX) throw new Error('too many witnesses')
    if (more !== undefined) throw new Error('more words than a URL')
    this.add({ name, witness: this.witnesses.length, members: [] })
    this.witnesses.push({ name, key })
  }

  private group([name, how, ...names]: string[]): void {
    if (!name || !how) throw new Error('not a name, a number and members')
    const members = names.map((n) => this.member(n))
    if (members.length === 0) throw new Error('group without members')
    let need = how === 'any' ? 1n : BigInt(members.length)
    if (how !== 'any' && how !== 'all')
      try {
        need = decimal(how)
      } catch {
        need = 0n
      }
    if (need < 1n || need > BigInt(members.length))
      throw new Error("the number is neither 'any', 'all' nor from 1 to the number of members")
    this.add({ name, need: Number(need), members })
  }

  private member(name: string): number {
    const i = this.find(name)
    if (i < 0) throw new Error('a member is not defined above')
    if (this.used.has(i)) throw new Error('a member is in a group already')
    this.used.add(i)
    return i
  }

  private quorumLine([name, more]: string[]): void {
    if (this.hasQuorum) throw new Error('second quorum')
    if (!name || more !== undefined) throw new Error('not one name')
    this.quorum = name === 'none' ? null : this.find(name)
    if (this.quorum === -1) throw new Error('the quorum is not defined above')
    this.hasQuorum = true
  }
}

export function parseTrust(bytes: Uint8Array): Trust {
  if (bytes.length > POLICY_MAX) throw new Error(`trust policy is larger than ${POLICY_MAX} bytes`)
  const policy = new Policy()
  text(bytes)
    .split('\n')
    .forEach((line, i) => {
      try {
        // eslint-disable-next-line no-control-regex
        if (/[\u0000-\u0008\u000a-\u001f\u007f]/.test(line)) throw new Error('control character')
        const words = line.split(/[ \t]+/).filter((w) => w !== '')
        if (words[0] !== undefined && !words[0].startsWith('#')) policy.line(words)
      } catch (e) {
        throw new Error(`trust policy line ${i + 1}: ${(e as Error).message}`)
      }
    })
  if (!policy.hasQuorum) throw new Error('trust policy has no quorum line')
  return policy
}

/** The newest time at which this witness cosigned; all of its lines must verify. */
function cosigned(note: Note, key: Key): bigint | null {
  let newest: bigint | null = null
  for (const { sig } of signaturesOf(note, key)) {
    if (sig.length !== 72) throw new Error(`cosignature of '${key.name}' has ${sig.length} bytes`)
    const at = new DataView(sig.buffer, sig.byteOffset).getBigUint64(0)
    if (at >= 1n << 63n) throw new Error(`cosignature of '${key.name}' has a time of 2^63 or more`)
    const message = concat(utf8(`cosignature/v1\ntime ${at}\n`), utf8(note.text))
    if (!verifies(key, message, sig.subarray(8))) throw new Error(`cosignature of '${key.name}' does not verify`)
    if (newest === null || at > newest) newest = at
  }
  return newest
}

/** Members of groups are defined above them, so one pass judges all. */
function quorumMet(t: Trust, times: readonly (bigint | null)[]): boolean {
  if (t.quorum === null) return true
  const has: boolean[] = []
  for (const n of t.nodes)
    has.push(
      n.witness !== undefined
        ? times[n.witness] !== null
        : n.members.filter((m) => has[m]).length >= (n.need ?? 0),
    )
  return has[t.quorum] === true
}

export function judge(t: Trust, checkpoint: string): Verdict {
  const note = parseNote(checkpoint)
  const times = t.witnesses.map((w) => cosigned(note, w.key))
  return { times, seen: times.filter((time) => time !== null).length, met: quorumMet(t, times) }
}
