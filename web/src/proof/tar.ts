// The archive of a package: POSIX ustar in its one spelling (docs/formats/evidence-package.md).
import { equal, utf8 } from './bytes.ts'

const BLOCK = 512
const PACKAGE_MAX = 512 << 20
const FILES_MAX = 4 * 65536
const NAME_MAX = 100

/** A member that a package lacks. */
export class Missing extends Error {}

export class Archive {
  readonly files: ReadonlyMap<string, Uint8Array>

  constructor(files: ReadonlyMap<string, Uint8Array>) {
    this.files = files
  }

  find(name: string): Uint8Array {
    const bytes = this.files.get(name)
    if (!bytes) throw new Missing(`package holds no '${name}'`)
    return bytes
  }
}

/** Fixed owner, mode and time: the header of a name and a size is one sequence of bytes. */
function header(name: string, size: number): Uint8Array {
  const h = new Uint8Array(BLOCK)
  const put = (at: number, s: string) => h.set(utf8(s), at)
  put(0, name)
  put(100, '0000644')
  put(108, '0000000')
  put(116, '0000000')
  put(124, size.toString(8).padStart(11, '0'))
  put(136, '00000000000')
  put(148, '        ')
  put(156, '0')
  put(257, 'ustar\u000000')
  const sum = h.reduce((n, b) => n + b, 0)
  put(148, `${sum.toString(8).padStart(6, '0')}\u0000 `)
  return h
}

function isSafe(name: string): boolean {
  return /^[a-z0-9_-][a-z0-9._/-]*$/.test(name) && !/[./][./]/.test(name) && name.length < NAME_MAX
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((b) => b === 0)
}

function readHeader(h: Uint8Array): { name: string; size: number } {
  const ascii = (from: number, to: number) => String.fromCharCode(...h.subarray(from, to))
  const name = ascii(0, NAME_MAX).replace(/\0[^]*$/, '')
  if (!isSafe(name)) throw new Error('not an evidence package: a member has an unsafe name')
  const octal = ascii(124, 135)
  if (!/^[0-7]{11}$/.test(octal)) throw new Error('not an evidence package: a size is not octal')
  const size = parseInt(octal, 8)
  if (!equal(h, header(name, size))) throw new Error(`not an evidence package: damaged header of '${name}'`)
  return { name, size }
}

export function openArchive(bytes: Uint8Array): Archive {
  const files = new Map<string, Uint8Array>()
  let at = 0
  if (bytes.length > PACKAGE_MAX) throw new Error(`package is larger than ${PACKAGE_MAX} bytes`)
  while (bytes.length - at >= BLOCK && !isZero(bytes.subarray(at, at + BLOCK))) {
    const { name, size } = readHeader(bytes.subarray(at, at + BLOCK))
    const padded = Math.ceil(size / BLOCK) * BLOCK
    at += BLOCK
    if (padded > bytes.length - at) throw new Error(`package ends inside of '${name}'`)
    if (!isZero(bytes.subarray(at + size, at + padded))) throw new Error(`package has bytes behind '${name}'`)
    if (files.size === FILES_MAX) throw new Error(`package has more than ${FILES_MAX} files`)
    if (files.has(name)) throw new Error(`package holds '${name}' twice`)
    files.set(name, bytes.subarray(at, at + size))
    at += padded
  }
  if (bytes.length - at !== 2 * BLOCK || !isZero(bytes.subarray(at)) || files.size === 0)
    throw new Error('package does not end where it should')
  return new Archive(files)
}
