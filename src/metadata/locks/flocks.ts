// BSD locks that are held; waiting ones live in the master (spec metadata 2.12, master-behaviour 3.3).
import type { Inode, SessionId } from '../types.ts'

export interface Flock {
  session: SessionId
  /** The client's number for the open file description. */
  owner: bigint
  exclusive: boolean
}

export class Flocks {
  readonly #locks = new Map<Inode, Flock[]>()

  of(inode: Inode): readonly Flock[] {
    return this.#locks.get(inode) ?? []
  }

  held(inode: Inode, session: SessionId, owner: bigint): Flock | undefined {
    return this.#locks.get(inode)?.find(lock => lock.session === session && lock.owner === owner)
  }

  /** Whether another owner's lock stands in the way. */
  conflicts(inode: Inode, wanted: Flock): boolean {
    return this.of(inode).some(
      lock => (lock.session !== wanted.session || lock.owner !== wanted.owner) && (lock.exclusive || wanted.exclusive),
    )
  }

  /** Adds the lock, or changes the type of the owner's present one. */
  set(inode: Inode, lock: Flock): void {
    const locks = this.#locks.get(inode)
    const present = this.held(inode, lock.session, lock.owner)
    if (present) present.exclusive = lock.exclusive
    else if (locks) locks.push(lock)
    else this.#locks.set(inode, [lock])
  }

  remove(inode: Inode, session: SessionId, owner: bigint): void {
    this.#keep(inode, lock => lock.session !== session || lock.owner !== owner)
  }

  removeSession(inode: Inode, session: SessionId): void {
    this.#keep(inode, lock => lock.session !== session)
  }

  entries(): IterableIterator<[Inode, readonly Flock[]]> {
    return this.#locks.entries()
  }

  #keep(inode: Inode, keeps: (lock: Flock) => boolean): void {
    const left = this.of(inode).filter(keeps)
    if (left.length > 0) this.#locks.set(inode, left)
    else this.#locks.delete(inode)
  }
}
