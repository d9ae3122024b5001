// The listing of a folder between master and kernel. The first names are asked for with attributes, which the kernel
// wants with its first piece of every listing; the rest as the kernel asks for it, all at once. Names alone are a third of
// the bytes, and who only wants those gets no more.
import type { ListedName, ListedNames, ListedPart, PartOfListing, RawNames } from '../client/cluster.ts'
import type { DirectoryEntries, DirectoryEntry, Entry, RawEntries, Request } from './file-system.ts'
import { typeBits } from './node-types.ts'

/** More than the kernel takes in two pieces of 32 KiB with attributes: most folders are had with one question. */
const FIRST_NAMES = 512
const ALL_NAMES = 0xffffffff
/** `.` (protocol/cltoma.ts: ListingEdge). */
const BEGINNING = 0n

export const firstNames: PartOfListing = { from: BEGINNING, maxNames: FIRST_NAMES }
export const allNames: PartOfListing = { from: BEGINNING, maxNames: ALL_NAMES }

type ListedNode = Omit<ListedName, 'name'>
type EntryOf = (listed: ListedNode) => Entry
type Reader = Pick<Request, 'uid' | 'gid' | 'pid'>

/** What one caller was told of a folder, as far as it was asked for. */
export class Listing {
  readonly #reader: Reader
  /** Not read by anybody yet. */
  unread = true
  /** Its reader has asked for attributes. */
  lookedAt = false
  readonly #entryOf: EntryOf
  readonly #parts: Part[] = []
  #next: bigint | undefined

  constructor({ uid, gid, pid }: Reader, first: ListedPart, entryOf: EntryOf) {
    this.#reader = { uid, gid, pid }
    this.#entryOf = entryOf
    this.add(first)
  }

  /** The same process may look at it. */
  isOf({ uid, gid, pid }: Reader): boolean {
    const reader = this.#reader
    return uid === reader.uid && gid === reader.gid && pid === reader.pid
  }

  /** Names that are known. */
  get length(): number {
    return this.#parts.at(-1)?.length ?? 0
  }

  /** All names as the master sent them, where it did so in one piece and without attributes. */
  get names(): Buffer | undefined {
    const [part] = this.#parts
    return this.#next === undefined && this.#parts.length === 1 ? part?.bytes : undefined
  }

  add({ names, next }: ListedPart): Part {
    const part = new Part(this.length, names, this.#entryOf)
    this.#parts.push(part)
    this.#next = next
    return part
  }

  /** The part with the entry at `offset`; the last one where the folder ends; undefined when it was not asked for yet. */
  partAt(offset: number): Part | undefined {
    const part = this.#parts.find(({ length }) => offset < length)
    return part ?? (this.#next === undefined ? this.#parts.at(-1) : undefined)
  }

  /** What was not asked for yet. */
  get rest(): PartOfListing | undefined {
    return this.#next === undefined ? undefined : { from: this.#next, maxNames: ALL_NAMES }
  }

  /** The node of a name, when its attributes were listed. */
  find(name: string): ListedName | undefined {
    for (const part of this.#parts) {
      const listed = part.find(name)
      if (listed) return listed
    }
    return undefined
  }
}

/** Entries from an index on. They are made when they are asked for. */
export class Part implements DirectoryEntries, RawEntries {
  /** Of the whole listing, up to the end of this part. */
  readonly length: number
  readonly #start: number
  readonly #names: ListedNames
  readonly #raw: RawNames | undefined
  readonly #entryOf: EntryOf
  #indexes: Map<string, number> | undefined

  constructor(start: number, names: ListedNames, entryOf: EntryOf) {
    this.length = start + names.length
    this.#start = start
    this.#names = names
    this.#raw = names.raw
    this.#entryOf = entryOf
  }

  at(index: number): DirectoryEntry | undefined {
    const listed = this.#names.at(index - this.#start)
    return listed && { name: listed.name, entry: this.#entryOf(listed) }
  }

  find(name: string): ListedName | undefined {
    this.#indexes ??= new Map(Array.from(this.#names, (listed, index) => [listed.name, index]))
    const index = this.#indexes.get(name)
    const listed = index === undefined ? undefined : this.#names.at(index)
    return listed?.attributes && listed
  }

  get raw(): RawEntries | undefined {
    return this.#raw && this
  }

  get bytes(): Buffer | undefined {
    return this.#raw?.bytes
  }

  nameBytes(index: number): number {
    return (this.#raw as RawNames).nameBytes(index - this.#start)
  }

  copyName(index: number, target: Uint8Array, at: number): void {
    ;(this.#raw as RawNames).copyName(index - this.#start, target, at)
  }

  inode(index: number): number {
    return (this.#raw as RawNames).inode(index - this.#start)
  }

  entry(index: number): Entry {
    const raw = this.#raw as RawNames
    const at = index - this.#start
    return this.#entryOf({ inode: raw.inode(at), type: raw.type(at), attributes: raw.attributes(at) })
  }

  typeBits(index: number): number {
    return typeBits[(this.#raw as RawNames).type(index - this.#start)] ?? 0
  }
}
