// Numbers of removed nodes, waiting to be used again; oldest first (spec metadata 2.7, 5.3).
import type { Memory } from '../../util/memory.ts'
import { type Digest, Fact } from '../digest.ts'
import type { Inode, Seconds } from '../types.ts'

const COMPACT_AT = 65536
/** A number and a time. */
const ENTRY_BYTES = 16

export class FreeInodes {
  readonly #digest: Digest
  #inodes: number[] = []
  #times: number[] = []
  #first = 0

  constructor(digest: Digest) {
    this.#digest = digest
  }

  get count(): number {
    return this.#inodes.length - this.#first
  }

  /** The clock never goes back inside the list: later times are lowered to a new earlier one. */
  push(inode: Inode, freedAt: Seconds): void {
    for (let i = this.#times.length - 1; i >= this.#first && (this.#times[i] as number) > freedAt; i--) {
      this.#digest.remove(Fact.FREE_INODE, this.#inodes[i] as number, this.#times[i] as number)
      this.#digest.add(Fact.FREE_INODE, this.#inodes[i] as number, freedAt)
      this.#times[i] = freedAt
    }
    this.#digest.add(Fact.FREE_INODE, inode, freedAt)
    this.#inodes.push(inode)
    this.#times.push(freedAt)
  }

  oldest(): { inode: Inode; freedAt: Seconds } | undefined {
    if (this.count === 0) return undefined
    return { inode: this.#inodes[this.#first] as number, freedAt: this.#times[this.#first] as number }
  }

  dropOldest(): void {
    const oldest = this.oldest()
    if (!oldest) return
    this.#digest.remove(Fact.FREE_INODE, oldest.inode, oldest.freedAt)
    this.#first++
    if (this.#first < COMPACT_AT || this.#first * 2 < this.#inodes.length) return
    this.#inodes = this.#inodes.slice(this.#first)
    this.#times = this.#times.slice(this.#first)
    this.#first = 0
  }

  memory(): Memory {
    return { allocated: this.#inodes.length * ENTRY_BYTES, used: this.count * ENTRY_BYTES }
  }

  /** Oldest first. */
  *entries(): Generator<{ inode: Inode; freedAt: Seconds }> {
    for (let i = this.#first; i < this.#inodes.length; i++) {
      yield { inode: this.#inodes[i] as number, freedAt: this.#times[i] as number }
    }
  }

  /** Adds all facts of the list to a digest that is made from scratch. Equal times have no order that matters. */
  fold(into: Digest): void {
    for (const { inode, freedAt } of this.entries()) into.add(Fact.FREE_INODE, inode, freedAt)
  }
}
