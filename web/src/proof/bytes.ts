// Bytes at the edge of the proofs: strict hex, base64, UTF-8.
const HEX = /^(?:[0-9a-f]{2})*$/

export function fromHex(text: string): Uint8Array {
  if (!HEX.test(text)) throw new Error('not lower-case hex')
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16))
}
export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('')
}
/** Standard alphabet, no blanks, and only the one spelling of the bytes: pad bits must be zero. */
export function base64(text: string): Uint8Array {
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text))
    throw new Error('not base64')
  const binary = atob(text)
  if (btoa(binary) !== text) throw new Error('not base64')
  return Uint8Array.from(binary, (c) => c.charCodeAt(0))
}
/** Standard or URL-safe alphabet (DSSE allows both), never a mixture. */
export function fromBase64(text: string): Uint8Array {
  if (!/[-_]/.test(text)) return base64(text)
  if (/[+/]/.test(text)) throw new Error('mixes two base64 alphabets')
  return base64(text.replace(/-/g, '+').replace(/_/g, '/'))
}
export function toBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
}
/** A hash as the API writes it: 64 hex digits, or base64 of 32 bytes. */
export function hashOf(text: string): Uint8Array {
  const bytes = /^[0-9a-f]{64}$/.test(text) ? fromHex(text) : fromBase64(text)
  if (bytes.length !== 32) throw new Error('not a hash')
  return bytes
}
export function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}
export function text(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
}
export function concat(...parts: Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((n, p) => n + p.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}
export function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}
