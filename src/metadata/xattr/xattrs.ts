// Extended attributes (spec metadata 2.9, master-behaviour 1.12). Names and values are latin1 strings.
import { type Digest, Fact } from '../digest.ts'
import type { Inode } from '../types.ts'

export const XATTR_VALUE_MAX = 65536
/** Bound of the sum of name lengths + 1 of one inode. */
export const XATTR_NAMES_MAX = 65536

export class Xattrs {
  readonly #digest: Digest
  readonly #xattrs = new Map<Inode, Map<string, string>>()

  constructor(digest: Digest) {
    this.#digest = digest
  }

  has(inode: Inode): boolean {
    return this.#xattrs.has(inode)
  }

  get(inode: Inode, name: string): string | undefined {
    return this.#xattrs.get(inode)?.get(name)
  }

  /** Name and value, in the order in which they were first set. */
  of(inode: Inode): [string, string][] {
    return [...(this.#xattrs.get(inode) ?? [])]
  }

  /** Bytes that listxattr needs: every name and its NUL. */
  listBytes(inode: Inode): number {
    let bytes = 0
    for (const name of this.#xattrs.get(inode)?.keys() ?? []) bytes += name.length + 1
    return bytes
  }

  set(inode: Inode, name: string, value: string): void {
    const present = this.#xattrs.get(inode)
    const before = present?.get(name)
    if (before !== undefined) this.#digest.remove(Fact.XATTR, inode, name.length, 0, name + before)
    this.#digest.add(Fact.XATTR, inode, name.length, 0, name + value)
    if (present) present.set(name, value)
    else this.#xattrs.set(inode, new Map([[name, value]]))
  }

  delete(inode: Inode, name: string): void {
    const present = this.#xattrs.get(inode)
    const before = present?.get(name)
    if (!present || before === undefined) return
    this.#digest.remove(Fact.XATTR, inode, name.length, 0, name + before)
    present.delete(name)
    if (present.size === 0) this.#xattrs.delete(inode)
  }

  deleteAll(inode: Inode): void {
    if (this.#xattrs.has(inode)) for (const [name] of this.of(inode)) this.delete(inode, name)
  }

  entries(): IterableIterator<[Inode, ReadonlyMap<string, string>]> {
    return this.#xattrs.entries()
  }

  /** Adds all facts of the table to a digest that is made from scratch. */
  fold(into: Digest): void {
    for (const [inode, attributes] of this.#xattrs) {
      for (const [name, value] of attributes) into.add(Fact.XATTR, inode, name.length, 0, name + value)
    }
  }
}
