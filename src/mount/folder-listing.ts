// The listing of a folder between master and kernel.
import type { ListedName, ListedNames, RawNames } from '../client/cluster.ts'
import type { DirectoryEntries, DirectoryEntry, Entry, RawEntries, Request } from './file-system.ts'
import { typeBits } from './node-types.ts'

export type ListedNode = Omit<ListedName, 'name'>

/** What one caller was told of a folder. Entries are made when they are asked for. */
export class Listing implements DirectoryEntries, RawEntries {
  readonly uid: number
  readonly gid: number
  readonly pid: number
  /** Not read by anybody yet. */
  unread = true
  readonly #names: ListedNames
  readonly #raw: RawNames | undefined
  readonly #entryOf: (listed: ListedNode) => Entry
  #indexes: Map<string, number> | undefined

  constructor({ uid, gid, pid }: Request, names: ListedNames, entryOf: (listed: ListedNode) => Entry) {
    this.uid = uid
    this.gid = gid
    this.pid = pid
    this.#names = names
    this.#raw = names.raw
    this.#entryOf = entryOf
  }

  get length(): number {
    return this.#names.length
  }

  at(index: number): DirectoryEntry | undefined {
    const listed = this.#names.at(index)
    return listed && { name: listed.name, entry: this.#entryOf(listed) }
  }

  /** The node of a name, when its attributes were listed. */
  find(name: string): ListedName | undefined {
    this.#indexes ??= new Map(Array.from(this.#names, (listed, index) => [listed.name, index]))
    const index = this.#indexes.get(name)
    const listed = index === undefined ? undefined : this.#names.at(index)
    return listed?.attributes && listed
  }

  get raw(): RawEntries | undefined {
    return this.#raw && this
  }

  nameBytes(index: number): number {
    return (this.#raw as RawNames).nameBytes(index)
  }

  copyName(index: number, target: Uint8Array, at: number): void {
    ;(this.#raw as RawNames).copyName(index, target, at)
  }

  inode(index: number): number {
    return (this.#raw as RawNames).inode(index)
  }

  entry(index: number): Entry {
    const raw = this.#raw as RawNames
    return this.#entryOf({ inode: raw.inode(index), type: raw.type(index), attributes: raw.attributes(index) })
  }

  typeBits(index: number): number {
    return typeBits[(this.#raw as RawNames).type(index)] ?? 0
  }
}
