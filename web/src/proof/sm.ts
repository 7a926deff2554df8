// SM3 (GB/T 32905) and verification of SM2 signatures (GB/T 32918.2) on the recommended curve
// (GB/T 32918.5). Nothing here is secret, so nothing here needs to run in constant time.
import { weierstrass } from '@noble/curves/abstract/weierstrass.js'
import { concat, toHex, utf8 } from './bytes.ts'

const rotl = (x: number, n: number) => (x << (n % 32)) | (x >>> ((32 - (n % 32)) % 32))
const P0 = (x: number) => x ^ rotl(x, 9) ^ rotl(x, 17)
const P1 = (x: number) => x ^ rotl(x, 15) ^ rotl(x, 23)
const IV = [
  0x7380166f, 0x4914b2b9, 0x172442d7, 0xda8a0600, 0xa96f30bc, 0x163138aa, 0xe38dee4d, 0xb0fb0e4e,
]

function expand(block: DataView, at: number): Int32Array {
  const w = new Int32Array(68)
  const word = (i: number) => w[i] ?? 0
  for (let i = 0; i < 16; i++) w[i] = block.getInt32(at + 4 * i)
  for (let i = 16; i < 68; i++)
    w[i] = P1(word(i - 16) ^ word(i - 9) ^ rotl(word(i - 3), 15)) ^ rotl(word(i - 13), 7) ^ word(i - 6)
  return w
}

function compress(state: Int32Array, w: Int32Array): void {
  let [a, b, c, d, e, f, g, h] = state as unknown as number[] as [
    number, number, number, number, number, number, number, number,
  ]
  for (let j = 0; j < 64; j++) {
    const ss1 = rotl((rotl(a, 12) + e + rotl(j < 16 ? 0x79cc4519 : 0x7a879d8a, j)) | 0, 7)
    const ff = j < 16 ? a ^ b ^ c : (a & b) | (a & c) | (b & c)
    const gg = j < 16 ? e ^ f ^ g : (e & f) | (~e & g)
    const tt1 = (ff + d + (ss1 ^ rotl(a, 12)) + ((w[j] ?? 0) ^ (w[j + 4] ?? 0))) | 0
    const tt2 = (gg + h + ss1 + (w[j] ?? 0)) | 0
    ;[a, b, c, d, e, f, g, h] = [tt1, a, rotl(b, 9), c, P0(tt2), e, rotl(f, 19), g]
  }
  ;[a, b, c, d, e, f, g, h].forEach((v, i) => (state[i] = (state[i] ?? 0) ^ v))
}

export function sm3(message: Uint8Array): Uint8Array {
  const padded = new Uint8Array((Math.floor((message.length + 8) / 64) + 1) * 64)
  const view = new DataView(padded.buffer)
  padded.set(message)
  padded[message.length] = 0x80
  view.setBigUint64(padded.length - 8, BigInt(message.length) * 8n)
  const state = Int32Array.from(IV)
  for (let at = 0; at < padded.length; at += 64) compress(state, expand(view, at))
  const out = new DataView(new ArrayBuffer(32))
  state.forEach((v, i) => out.setInt32(4 * i, v))
  return new Uint8Array(out.buffer)
}

const CURVE = {
  p: 0xfffffffeffffffffffffffffffffffffffffffff00000000ffffffffffffffffn,
  n: 0xfffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123n,
  h: 1n,
  a: 0xfffffffeffffffffffffffffffffffffffffffff00000000fffffffffffffffcn,
  b: 0x28e9fa9e9d9f5e344d5a9e4bcf6509a7f39789f515ab8f92ddbcbd414d940e93n,
  Gx: 0x32c4ae2c1f1981195f9904466a39c9948fe30bbff2660be1715a4589334c74c7n,
  Gy: 0xbc3736a2f4f6779c59bdcee36b692153d0a9877cc62a474002df32e52139f0a0n,
}
const Point = weierstrass(CURVE)
const ID = utf8('1234567812345678') // GM/T 0009; keys.md

const number = (b: Uint8Array) => BigInt(`0x${toHex(b)}`)
function bytes32(n: bigint): Uint8Array {
  const hex = n.toString(16).padStart(64, '0')
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16))
}

/** Throws when the 65 bytes are no point of the curve. */
export function sm2Point(pub: Uint8Array) {
  return Point.fromBytes(pub)
}

/** `signature` is r || s. */
export function sm2Verify(signature: Uint8Array, message: Uint8Array, pub: Uint8Array): boolean {
  if (signature.length !== 64) return false
  const r = number(signature.subarray(0, 32))
  const s = number(signature.subarray(32))
  const { n } = CURVE
  const t = (r + s) % n
  if (r < 1n || r >= n || s < 1n || s >= n || t === 0n) return false
  const { a, b, Gx, Gy } = CURVE
  const z = sm3(concat(Uint8Array.of(0, 8 * ID.length), ID, ...[a, b, Gx, Gy].map(bytes32), pub.subarray(1)))
  const e = number(sm3(concat(z, message)))
  const sum = Point.BASE.multiplyUnsafe(s).add(sm2Point(pub).multiplyUnsafe(t))
  return !sum.is0() && (e + sum.toAffine().x) % n === r
}
