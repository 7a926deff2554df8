// RFC 6962 §2.1 hashes and RFC 9162 §2.1.3.2 verification.
import { sha256 } from '@noble/hashes/sha2.js'
import { concat, equal } from './bytes.ts'

const LEAF = Uint8Array.of(0)
const NODE = Uint8Array.of(1)

export function leafHash(entry: Uint8Array): Uint8Array {
  return sha256(concat(LEAF, entry))
}
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  return sha256(concat(NODE, left, right))
}

/** Why this proof does not hold, or null when it does. */
export function inclusionFault(
  index: bigint,
  size: bigint,
  leaf: Uint8Array,
  proof: readonly Uint8Array[],
  root: Uint8Array,
): string | null {
  if (index < 0n || index >= size) return `index ${index} is outside a tree of size ${size}`
  let fn = index
  let sn = size - 1n
  let hash = leaf
  for (const sibling of proof) {
    if (sn === 0n) return 'inclusion proof has too many hashes'
    if ((fn & 1n) === 1n || fn === sn) {
      hash = nodeHash(sibling, hash)
      while ((fn & 1n) === 0n && fn !== 0n) {
        fn >>= 1n
        sn >>= 1n
      }
    } else {
      hash = nodeHash(hash, sibling)
    }
    fn >>= 1n
    sn >>= 1n
  }
  if (sn !== 0n) return 'inclusion proof has too few hashes'
  return equal(hash, root) ? null : 'inclusion proof leads to another root'
}

export function includes(
  index: number,
  size: number | bigint,
  leaf: Uint8Array,
  proof: readonly Uint8Array[],
  root: Uint8Array,
): boolean {
  if (!Number.isSafeInteger(index)) return false
  if (typeof size === 'number' && !Number.isSafeInteger(size)) return false
  return inclusionFault(BigInt(index), BigInt(size), leaf, proof, root) === null
}
