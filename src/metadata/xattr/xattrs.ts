// Extended attributes (spec metadata 2.9, master-behaviour 1.12). Names and values are latin1 strings.
import type { Inode } from '../types.ts'

export const XATTR_VALUE_MAX = 65536
/** Bound of the sum of name lengths + 1 of one inode. */
export const XATTR_NAMES_MAX = 65536

export class Xattrs {
  readonly #xattrs = new Map<Inode, Map<string, string>>()

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
    if (present) present.set(name, value)
    else this.#xattrs.set(inode, new Map([[name, value]]))
  }

  delete(inode: Inode, name: string): void {
    const present = this.#xattrs.get(inode)
    if (present?.delete(name) && present.size === 0) this.#xattrs.delete(inode)
  }

  deleteAll(inode: Inode): void {
    this.#xattrs.delete(inode)
  }

  entries(): IterableIterator<[Inode, ReadonlyMap<string, string>]> {
    return this.#xattrs.entries()
  }
}
