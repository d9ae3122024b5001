// Quotas of directories (spec metadata 2.8, master-behaviour 1.13).
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

export class Quotas {
  readonly #quotas = new Map<Inode, Quota>()

  get(inode: Inode): Quota | undefined {
    return this.#quotas.get(inode)
  }

  set(inode: Inode, quota: Quota): void {
    this.#quotas.set(inode, quota)
  }

  delete(inode: Inode): void {
    this.#quotas.delete(inode)
  }

  get size(): number {
    return this.#quotas.size
  }

  /** In the order in which they were made. */
  entries(): IterableIterator<[Inode, Quota]> {
    return this.#quotas.entries()
  }
}
