// What must be in a file, by all that was acknowledged.
import { MFSCHUNKSIZE } from '../../../src/protocol/constants.ts'

/** Bytes live in two places only: at the beginnings of the first two chunks, so that files of two chunks cost little. */
export const PART_BYTES = 200_000

const partOf = (position: number) => (position >= MFSCHUNKSIZE ? 1 : 0)
const startOf = (part: number) => part * MFSCHUNKSIZE

/** The bytes of a file. */
class Contents {
  length = 0
  /** What is not here is zero. */
  readonly #parts: [Buffer, Buffer] = [Buffer.alloc(0), Buffer.alloc(0)]

  copy(): Contents {
    const copy = new Contents()
    copy.length = this.length
    this.#parts.forEach((bytes, part) => {
      copy.#parts[part] = Buffer.from(bytes)
    })
    return copy
  }

  write(offset: number, data: Buffer): void {
    const part = partOf(offset)
    const at = offset - startOf(part)
    const before = this.#parts[part] as Buffer
    if (at + data.length > before.length) {
      const bytes = Buffer.alloc(at + data.length)
      before.copy(bytes)
      this.#parts[part] = bytes
    }
    data.copy(this.#parts[part] as Buffer, at)
    this.length = Math.max(this.length, offset + data.length)
  }

  truncate(length: number): void {
    this.#parts.forEach((bytes, part) => {
      const left = Math.max(0, length - startOf(part))
      if (left < bytes.length) this.#parts[part] = Buffer.from(bytes.subarray(0, left))
    })
    this.length = length
  }

  /** @param offset and the end lie in the same part */
  read(offset: number, size: number): Buffer {
    const bytes = Buffer.alloc(Math.max(0, Math.min(this.length, offset + size) - offset))
    const part = partOf(offset)
    const from = this.#parts[part] as Buffer
    const at = offset - startOf(part)
    if (at < from.length) from.copy(bytes, 0, at)
    return bytes
  }

  byte(position: number): number {
    const part = partOf(position)
    return this.#parts[part]?.[position - startOf(part)] ?? 0
  }
}

export class FileModel {
  readonly kind = 'file'
  /** 0: not known yet. */
  inode: number
  mode: number
  links = 1
  attributes = new Map<string, string>()
  #contents = new Contents()
  /** Since everything was with the servers last: the writes, and what there was before them. */
  #unflushed: { offset: number; data: Buffer }[] = []
  #flushed: Contents | undefined
  /** The client died while it wrote: the contents are one of several, to be found out. */
  isUnsure = false

  constructor(inode: number, mode: number) {
    this.inode = inode
    this.mode = mode
  }

  /** A copy as a snapshot makes it. */
  copy(): FileModel {
    const copy = new FileModel(0, this.mode)
    copy.#contents = this.#contents.copy()
    copy.attributes = new Map(this.attributes)
    return copy
  }

  get length(): number {
    return this.#contents.length
  }

  get isFlushed(): boolean {
    return this.#flushed === undefined
  }

  write(offset: number, data: Buffer): void {
    this.#flushed ??= this.#contents.copy()
    this.#unflushed.push({ offset, data })
    this.#contents.write(offset, data)
  }

  flushed(): void {
    this.#unflushed = []
    this.#flushed = undefined
  }

  truncate(length: number): void {
    this.flushed()
    this.#contents.truncate(length)
  }

  /** The bytes that a read gives. Only for ranges inside one of the parts. */
  expected(offset: number, size: number): Buffer {
    return this.#contents.read(offset, size)
  }

  /** Ranges that hold everything there is. */
  ranges(length = this.length): { offset: number; size: number }[] {
    return [0, 1]
      .map(part => ({ offset: startOf(part), size: Math.min(PART_BYTES, length - startOf(part)) }))
      .filter(({ size }) => size > 0)
  }

  /** Its client is gone: what it had not finished may be there or not. */
  clientDied(): void {
    if (this.#flushed) this.isUnsure = true
  }

  /** Whether the file may have this length now. */
  allowsLength(length: number): boolean {
    if (!this.isUnsure || !this.#flushed) return length === this.length
    return length >= this.#flushed.length && length <= this.length
  }

  /** Takes what was found for what there is. @returns what is wrong with it */
  adopt(length: number, found: { offset: number; bytes: Buffer }[]): string | undefined {
    const before = this.#flushed
    if (!before) return undefined
    for (const { offset, bytes } of found) {
      const wrong = bytes.findIndex((byte, i) => !this.#allows(before, offset + i, byte))
      if (wrong >= 0) return `byte ${offset + wrong} is ${bytes[wrong]}, which nobody wrote there`
    }
    this.truncate(length)
    for (const { offset, bytes } of found) this.#contents.write(offset, bytes)
    this.isUnsure = false
    return undefined
  }

  #allows(before: Contents, position: number, byte: number): boolean {
    if (before.byte(position) === byte) return true
    return this.#unflushed.some(({ offset, data }) => data[position - offset] === byte)
  }
}
