// Checks one entry of the ledger here, in the browser: signed statement, inclusion, signed
// checkpoint, all with one key.
import type { LedgerEntry } from '../api/types.ts'
import { fromBase64, hashOf } from './bytes.ts'
import { openEnvelope } from './dsse.ts'
import { includes, leafHash } from './merkle.ts'
import { openCheckpoint } from './note.ts'
import { parseKey } from './vkey.ts'

/** The statement as it was signed; throws when anything does not hold. */
export function openEntry(entry: LedgerEntry, vkey: string): Record<string, unknown> {
  const key = parseKey(vkey)
  const bytes = fromBase64(entry.entry)
  const statement = openEnvelope(bytes, key) as Record<string, unknown>
  const head = openCheckpoint(entry.checkpoint, key)
  const proof = entry.proof.hashes.map(hashOf)
  if (!includes(entry.index, head.size, leafHash(bytes), proof, head.root))
    throw new Error('entry is not under this checkpoint')
  return statement
}
