// Checks a receipt here, in the browser, from the bytes in it: leaf → batch → statement →
// ledger entry → signed checkpoint. Nothing the server says about itself is believed,
// except which key is the ledger's: that has to be compared with a copy one trusts.
import type { EventLeaf, Receipt } from '../api/types.ts'
import { equal, fromBase64, hashOf, text, toHex } from './bytes.ts'
import { openEnvelope } from './dsse.ts'
import { includes, leafHash } from './merkle.ts'
import { openCheckpoint } from './note.ts'
import { fingerprint, parseKey } from './vkey.ts'

const BATCH = 'https://plumbline.example/predicate/guard-event-batch/v1'

/** In the order in which one builds on the other. */
export const STEPS = ['leaf', 'batch', 'statement', 'checkpoint', 'entry'] as const
export type Step = (typeof STEPS)[number]
export interface Check {
  step: Step
  ok: boolean
}
export interface Verification {
  state: 'verified' | 'failed' | 'pending'
  checks: Check[]
  /** The record as proved: parsed from the leaf's bytes. */
  leaf: EventLeaf | null
  key: string
  origin: string
}

interface BatchStatement {
  predicateType?: string
  predicate?: { count?: number; root?: string }
}

function holds(check: () => boolean): boolean {
  try {
    return check()
  } catch {
    return false
  }
}

function leafOf(receipt: Receipt): EventLeaf | null {
  try {
    return JSON.parse(text(fromBase64(receipt.leaf))) as EventLeaf
  } catch {
    return null
  }
}

function checkLeaf(r: Receipt): boolean {
  const leaf = fromBase64(r.leaf)
  return toHex(leafHash(leaf)) === r.digest && leafOf(r)?.id === r.id
}

function checkBatch(r: Receipt): boolean {
  const { batch } = r
  if (!batch) return false
  const leaf = leafHash(fromBase64(r.leaf))
  return includes(batch.index, batch.count, leaf, batch.proof.map(hashOf), hashOf(batch.root))
}

function checkStatement(r: Receipt): boolean {
  if (!r.batch || !r.ledger || !r.vkey) return false
  const s = openEnvelope(fromBase64(r.ledger.entry), parseKey(r.vkey)) as BatchStatement
  return (
    s.predicateType === BATCH &&
    s.predicate?.count === r.batch.count &&
    equal(hashOf(s.predicate.root ?? ''), hashOf(r.batch.root))
  )
}

function checkEntry(r: Receipt): boolean {
  if (!r.ledger || !r.vkey) return false
  const head = openCheckpoint(r.ledger.checkpoint, parseKey(r.vkey))
  const leaf = leafHash(fromBase64(r.ledger.entry))
  return includes(r.ledger.index, head.size, leaf, r.ledger.proof.map(hashOf), head.root)
}

function checkCheckpoint(r: Receipt): boolean {
  if (!r.ledger || !r.vkey) return false
  return openCheckpoint(r.ledger.checkpoint, parseKey(r.vkey)).size === BigInt(r.ledger.size)
}

const CHECKS: Record<Step, (r: Receipt) => boolean> = {
  leaf: checkLeaf,
  batch: checkBatch,
  statement: checkStatement,
  checkpoint: checkCheckpoint,
  entry: checkEntry,
}

export function verifyReceipt(receipt: Receipt): Verification {
  const steps: readonly Step[] = receipt.state === 'pending' ? ['leaf'] : STEPS
  const checks = steps.map((step) => ({ step, ok: holds(() => CHECKS[step](receipt)) }))
  const sound = checks.every((c) => c.ok)
  let key = ''
  let origin = ''
  try {
    const parsed = parseKey(receipt.vkey ?? '')
    key = fingerprint(parsed)
    origin = parsed.name
  } catch {
    // no key: the checks above have failed already, or the receipt is pending
  }
  return {
    state: !sound ? 'failed' : receipt.state === 'pending' ? 'pending' : 'verified',
    checks,
    leaf: leafOf(receipt),
    key,
    origin,
  }
}
