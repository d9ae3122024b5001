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

  /** Whether anything is there but zeros, which may be a hole. */
  hasPart(part: number): boolean {
    return this.#parts[part]?.some(byte => byte !== 0) ?? false
  }

  /** Takes a part over from other contents. */
  takePart(part: number, from: Contents): void {
    this.#parts[part] = Buffer.from(from.#parts[part] as Buffer)
  }
}

/** Writes that may be lost, each of them, all of it or some, and what there was before them. */
class LooseWrites {
  readonly #before: Contents
  #writes: { offset: number; data: Buffer }[] = []

  /** @param before is its own from now on */
  constructor(before: Contents) {
    this.#before = before
  }

  copy(): LooseWrites {
    const copy = new LooseWrites(this.#before.copy())
    copy.#writes = [...this.#writes]
    return copy
  }

  get count(): number {
    return this.#writes.length
  }

  get lengthBefore(): number {
    return this.#before.length
  }

  add(offset: number, data: Buffer): void {
    this.#writes.push({ offset, data })
  }

  /** What is cut off comes back from nowhere. */
  truncate(length: number): void {
    this.#before.truncate(length)
    this.#writes = this.#writes
      .filter(({ offset }) => offset < length)
      .map(({ offset, data }) => ({ offset, data: data.subarray(0, length - offset) }))
  }

  /** The writes of this part can't be lost any more: they made it what it is in `contents`. */
  settle(part: number, contents: Contents): void {
    this.#before.takePart(part, contents)
    this.#writes = this.#writes.filter(({ offset }) => partOf(offset) !== part)
  }

  /** Whether this byte may be there after a loss. */
  allows(position: number, byte: number): boolean {
    if (this.#before.byte(position) === byte) return true
    return this.#writes.some(({ offset, data }) => data[position - offset] === byte)
  }

  /** Whether these writes are all that there is in a part. */
  madePart(part: number): boolean {
    return !this.#before.hasPart(part) && this.#writes.some(({ offset }) => partOf(offset) === part)
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
  /** Written since everything was with the servers last. A client takes them with it. */
  #unflushed: LooseWrites | undefined
  /** Not on the disks of the servers for sure: these and others. The power takes them when it leaves all servers. */
  #unsynced: LooseWrites | undefined
  /** Parts that were written since the file was opened, and not synced since: these are what a sync is about. */
  readonly #unsyncedParts = new Set<number>()
  /** Since something was lost, until it is known what: the contents are one of several. */
  #doubtful: LooseWrites | undefined

  constructor(inode: number, mode: number) {
    this.inode = inode
    this.mode = mode
  }

  /** A copy as a snapshot makes it: of the same chunks, on disks or not. */
  copy(): FileModel {
    const copy = new FileModel(0, this.mode)
    copy.#contents = this.#contents.copy()
    copy.#unsynced = this.#unsynced?.copy()
    if (this.isUnsure) copy.#doubtful = copy.#unsynced
    copy.attributes = new Map(this.attributes)
    return copy
  }

  get length(): number {
    return this.#contents.length
  }

  get isFlushed(): boolean {
    return this.#unflushed === undefined
  }

  get isUnsure(): boolean {
    return this.#doubtful !== undefined
  }

  write(offset: number, data: Buffer): void {
    this.#unflushed ??= new LooseWrites(this.#contents.copy())
    this.#unsynced ??= new LooseWrites(this.#contents.copy())
    this.#unflushed.add(offset, data)
    this.#unsynced.add(offset, data)
    this.#unsyncedParts.add(partOf(offset))
    this.#contents.write(offset, data)
  }

  flushed(): void {
    this.#unflushed = undefined
  }

  /** What was written since the file was opened is on the disks; with it, all that its chunks have. */
  synced(): void {
    this.flushed()
    for (const part of this.#unsyncedParts) this.#unsynced?.settle(part, this.#contents)
    this.#unsyncedParts.clear()
    if (this.#unsynced?.count === 0) this.#unsynced = undefined
  }

  /** Who opens it again and syncs it does that for what he writes then. */
  closed(): void {
    this.#unsyncedParts.clear()
  }

  /** The cut is on the disks when it is answered, whatever else is. */
  truncate(length: number): void {
    this.flushed()
    for (const writes of [this.#unsynced, this.#doubtful]) writes?.truncate(length)
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
    this.closed()
    this.#doubtful ??= this.#unflushed
  }

  /** The power has left its client and all servers: the same is true of what was not synced. */
  powerLost(): void {
    this.closed()
    this.#doubtful = this.#unsynced
  }

  /** Whether the file may have this length now: what was told to the master is in its log. */
  allowsLength(length: number): boolean {
    if (!this.isUnsure || !this.#unflushed) return length === this.length
    return length >= this.#unflushed.lengthBefore && length <= this.length
  }

  /** Whether the chunk at this offset may be gone: nobody had asked for any of it to be on a disk. */
  mayBeGone(offset: number): boolean {
    return this.#doubtful !== undefined && this.#doubtful === this.#unsynced && this.#doubtful.madePart(partOf(offset))
  }

  /** Takes what was found for what there is. @returns what is wrong with it */
  adopt(length: number, found: { offset: number; bytes: Buffer }[]): string | undefined {
    const doubtful = this.#doubtful
    if (!doubtful) return undefined
    for (const { offset, bytes } of found) {
      const wrong = bytes.findIndex((byte, i) => !doubtful.allows(offset + i, byte))
      if (wrong >= 0) return `byte ${offset + wrong} is ${bytes[wrong]}, which nobody wrote there`
    }
    this.truncate(length)
    for (const { offset, bytes } of found) this.#contents.write(offset, bytes)
    // What is there after a loss of power is there to stay.
    if (doubtful === this.#unsynced) this.#unsynced = undefined
    this.#doubtful = undefined
    return undefined
  }
}
