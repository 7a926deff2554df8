// JSON as the other verifiers read it (RFC 8259, no repeated names, no NUL, whole characters
// only, 64-bit integers): what one of them refuses, none of them reads. Integers become bigint,
// other numbers number, so that "1" and "1.0" stay apart. Objects are Maps: no name is special.
import { text } from './bytes.ts'

export type Json = null | boolean | string | bigint | number | Json[] | JsonObject
export type JsonObject = Map<string, Json>

const DEPTH = 64
const INT_MAX = (1n << 63n) - 1n
const NUMBER = /(-?(?:0|[1-9][0-9]*))(\.[0-9]+)?([eE][+-]?[0-9]+)?/y
const PLAIN = /[^"\\\u0000-\u001f]*/y
const ESCAPES: Record<string, string> = {
  '"': '"', '\\': '\\', '/': '/', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t',
}

class Reader {
  private at = 0
  private readonly s: string
  private readonly where: string

  constructor(s: string, where: string) {
    this.s = s
    this.where = where
  }

  whole(): Json {
    const value = this.value(0)
    this.blanks()
    if (this.at !== this.s.length) this.fail('end of file expected')
    return value
  }

  private fail(what: string): never {
    const lines = this.s.slice(0, this.at).split('\n')
    throw new Error(`${this.where}:${lines.length}:${lines.at(-1)?.length ?? 0}: ${what}`)
  }

  private blanks(): void {
    while (' \t\n\r'.includes(this.s[this.at] ?? '?')) this.at++
  }

  private match(re: RegExp): RegExpExecArray | null {
    re.lastIndex = this.at
    const m = re.exec(this.s)
    if (m) this.at += m[0].length
    return m
  }

  private take(c: string): boolean {
    this.blanks()
    if (this.s[this.at] !== c) return false
    this.at++
    return true
  }

  private value(depth: number): Json {
    if (this.take('{')) return this.object(this.deeper(depth))
    if (this.take('[')) return this.array(this.deeper(depth))
    if (this.take('"')) return this.string()
    for (const [word, value] of [['null', null], ['true', true], ['false', false]] as const)
      if (this.s.startsWith(word, this.at)) {
        this.at += word.length
        return value
      }
    return this.number()
  }

  private deeper(depth: number): number {
    if (depth === DEPTH) throw new Error(`${this.where}: nested deeper than ${DEPTH} levels`)
    return depth + 1
  }

  private number(): bigint | number {
    const m = this.match(NUMBER)
    if (!m) this.fail('invalid token')
    if (m[2] === undefined && m[3] === undefined) {
      const n = BigInt(m[0])
      if (n > INT_MAX || n < -INT_MAX - 1n) this.fail('too big integer')
      return n
    }
    const real = Number(m[0])
    if (!Number.isFinite(real)) this.fail('real number overflow')
    return real
  }

  private string(): string {
    let out = ''
    for (;;) {
      out += this.match(PLAIN)?.[0] ?? ''
      const c = this.s[this.at++]
      if (c === '"') break
      if (c !== '\\') this.fail('invalid string')
      out += this.escape()
    }
    if (out.includes('\u0000')) this.fail('\\u0000 is not allowed')
    if (/\p{Surrogate}/u.test(out)) this.fail('invalid Unicode')
    return out
  }

  private escape(): string {
    const c = this.s[this.at++] ?? ''
    const hex = c === 'u' ? this.match(/[0-9a-fA-F]{4}/y) : null
    if (hex) return String.fromCharCode(parseInt(hex[0], 16))
    const plain = ESCAPES[c]
    if (plain === undefined) this.fail('invalid escape')
    return plain
  }

  private array(depth: number): Json[] {
    const out: Json[] = []
    if (this.take(']')) return out
    do out.push(this.value(depth))
    while (this.take(','))
    if (!this.take(']')) this.fail("']' expected")
    return out
  }

  private object(depth: number): JsonObject {
    const out: JsonObject = new Map()
    if (this.take('}')) return out
    do {
      if (!this.take('"')) this.fail('string expected')
      const name = this.string()
      if (out.has(name)) this.fail('duplicate object key')
      if (!this.take(':')) this.fail("':' expected")
      out.set(name, this.value(depth))
    } while (this.take(','))
    if (!this.take('}')) this.fail("'}' expected")
    return out
  }
}

export function parseJson(bytes: Uint8Array, where: string): Json {
  if (bytes.includes(0)) throw new Error(`${where}: NUL character`)
  let s: string
  try {
    s = text(bytes)
  } catch {
    throw new Error(`${where}: unable to decode UTF-8`)
  }
  return new Reader(s, where).whole()
}

export function isObject(v: Json | undefined): v is JsonObject {
  return v instanceof Map
}
/** A member of what may be no object at all. */
export function member(v: Json | undefined, name: string): Json | undefined {
  return isObject(v) ? v.get(name) : undefined
}
function required(o: Json | undefined, name: string): Json {
  if (!isObject(o)) throw new Error(`not an object where key '${name}' is looked for`)
  const v = o.get(name)
  if (v === undefined) throw new Error(`missing key '${name}'`)
  return v
}
export function getString(o: Json | undefined, name: string): string {
  const v = required(o, name)
  if (typeof v !== 'string') throw new Error(`key '${name}' must be a string`)
  return v
}
export function getInt(o: Json | undefined, name: string): bigint {
  const v = required(o, name)
  if (typeof v !== 'bigint') throw new Error(`key '${name}' must be a whole number`)
  return v
}
export function getBool(o: Json | undefined, name: string): boolean {
  const v = required(o, name)
  if (typeof v !== 'boolean') throw new Error(`key '${name}' must be true or false`)
  return v
}
export function only(o: Json | undefined, names: readonly string[]): JsonObject {
  if (!isObject(o)) throw new Error('not an object')
  for (const name of o.keys())
    if (!names.includes(name)) throw new Error(`unknown key '${name.slice(0, 80)}'`)
  return o
}
/** As plain values, for a report. */
export function plain(v: Json): unknown {
  if (isObject(v)) return Object.fromEntries([...v].map(([k, m]) => [k, plain(m)]))
  if (Array.isArray(v)) return v.map(plain)
  return typeof v === 'bigint' ? Number(v) : v
}
