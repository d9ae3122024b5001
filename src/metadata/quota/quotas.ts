// Quotas of directories (spec metadata 2.8, master-behaviour 1.13).
import type { Memory } from '../../util/memory.ts'
import { type Digest, Fact } from '../digest.ts'
import type { Inode, Seconds } from '../types.ts'

/** Which limits are set: 0x01 soft inodes, 0x02 length, 0x04 size, 0x08 realsize; 0x10 … 0x80 the same for hard. */
export interface Quota {
  gracePeriodSeconds: number
  exceeded: boolean
  flags: number
  /** When a soft limit was first exceeded; 0 when none is. */
  softSince: Seconds
  softInodes: number
  hardInodes: number
  softLength: number
  hardLength: number
  softSize: number
  hardSize: number
  softRealsize: number
  hardRealsize: number
}

/** About what an object with so many numbers takes, and its place in the map. */
const QUOTA_BYTES = 200

export class Quotas {
  readonly #digest: Digest
  readonly #quotas = new Map<Inode, Quota>()

  constructor(digest: Digest) {
    this.#digest = digest
  }

  get(inode: Inode): Quota | undefined {
    return this.#quotas.get(inode)
  }

  set(inode: Inode, quota: Quota): void {
    this.#forget(inode)
    this.#digest.add(Fact.QUOTA, inode, 0, 0, factOf(quota))
    this.#quotas.set(inode, quota)
  }

  delete(inode: Inode): void {
    this.#forget(inode)
    this.#quotas.delete(inode)
  }

  get size(): number {
    return this.#quotas.size
  }

  memory(): Memory {
    return { allocated: this.size * QUOTA_BYTES, used: this.size * QUOTA_BYTES }
  }

  /** In the order in which they were made. */
  entries(): IterableIterator<[Inode, Quota]> {
    return this.#quotas.entries()
  }

  #forget(inode: Inode): void {
    const present = this.#quotas.get(inode)
    if (present) this.#digest.remove(Fact.QUOTA, inode, 0, 0, factOf(present))
  }

  /** Adds all facts of the table to a digest that is made from scratch. */
  fold(into: Digest): void {
    for (const [inode, quota] of this.#quotas) into.add(Fact.QUOTA, inode, 0, 0, factOf(quota))
  }
}

function factOf(quota: Quota): string {
  const { gracePeriodSeconds, exceeded, flags, softSince, softInodes, hardInodes } = quota
  const { softLength, hardLength, softSize, hardSize, softRealsize, hardRealsize } = quota
  const limits = [softInodes, hardInodes, softLength, hardLength, softSize, hardSize, softRealsize, hardRealsize]
  return `${gracePeriodSeconds} ${exceeded} ${flags} ${softSince} ${limits}`
}
