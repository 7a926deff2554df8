// index.json of a package, and the names of its members.
import { fromHex } from './bytes.ts'
import { getBool, getInt, getString, isObject, member, only, parseJson, type Json } from './strictjson.ts'

const FORMAT = 'plumbline-evidence/v1'
const ENTRIES_MAX = 65536
const MEMBERS = ['format', 'created', 'origin', 'vkey', 'to', 'reason', 'entries', 'timestamps', 'trust']

export interface Opening {
  salt: Uint8Array
  payload: string
}
export interface PackageEntry {
  index: bigint
  role: 'claim' | 'key'
  payloads: string[]
  openings: Opening[]
}
export interface PackageIndex {
  vkey: string
  created: string
  to: string
  reason: string
  timestamps: number
  hasTrust: boolean
  entries: PackageEntry[]
}

function isDigest(v: Json | undefined): v is string {
  return typeof v === 'string' && /^[0-9a-f]{64}$/.test(v)
}
const list = (v: Json | undefined): Json[] => (Array.isArray(v) ? v : [])

function parseOpening(o: Json, index: bigint): Opening {
  const salt = member(o, 'salt')
  const payload = member(o, 'payload')
  if (!isDigest(salt) || !isDigest(payload)) throw new Error(`index.json: entry ${index} has a bad opening`)
  return { salt: fromHex(salt), payload }
}

function parseEntry(v: Json): PackageEntry {
  const o = only(v, ['index', 'role', 'payloads', 'openings'])
  const index = getInt(o, 'index')
  const role = getString(o, 'role')
  if (index < 0n || (role !== 'claim' && role !== 'key'))
    throw new Error('index.json: an entry has a bad index or role')
  const payloads = list(o.get('payloads'))
  if (!payloads.every(isDigest)) throw new Error('index.json: a payload is not named by its SHA-256')
  return { index, role, payloads, openings: list(o.get('openings')).map((p) => parseOpening(p, index)) }
}

function parseEntries(v: Json | undefined): PackageEntry[] {
  if (!Array.isArray(v) || v.length === 0 || v.length > ENTRIES_MAX)
    throw new Error(`index.json: 'entries' must list 1 to ${ENTRIES_MAX} entries`)
  const entries = v.map(parseEntry)
  let last = -1n
  for (const e of entries) {
    if (e.index <= last) throw new Error('index.json: entries are not in rising order')
    last = e.index
  }
  return entries
}

export function parseIndex(bytes: Uint8Array): PackageIndex {
  const j = parseJson(bytes, 'index.json')
  if (!isObject(j)) throw new Error('index.json is not an object')
  only(j, MEMBERS)
  if (getString(j, 'format') !== FORMAT) throw new Error(`index.json: not '${FORMAT}'`)
  const vkey = getString(j, 'vkey')
  const created = getString(j, 'created')
  const to = getString(j, 'to')
  const reason = getString(j, 'reason')
  const stamps = j.has('timestamps') ? getInt(j, 'timestamps') : 0n
  const hasTrust = j.has('trust') && getBool(j, 'trust')
  if (stamps < 0n || stamps > 64n) throw new Error("index.json: 'timestamps' must be 0 to 64")
  const entries = parseEntries(j.get('entries'))
  return { vkey, created, to, reason, timestamps: Number(stamps), hasTrust, entries }
}
