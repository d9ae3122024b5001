// BSD locks that are held; waiting ones live in the master (spec metadata 2.12, master-behaviour 3.3).
import { type Digest, Fact } from '../digest.ts'
import type { Inode, SessionId } from '../types.ts'

export interface Flock {
  readonly session: SessionId
  /** The client's number for the open file description. */
  readonly owner: bigint
  readonly exclusive: boolean
}

export class Flocks {
  readonly #digest: Digest
  readonly #locks = new Map<Inode, Flock[]>()

  constructor(digest: Digest) {
    this.#digest = digest
  }

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
    const present = this.held(inode, lock.session, lock.owner)
    this.#digest.add(Fact.FLOCK, inode, lock.session, 0, factOf(lock))
    if (present) {
      this.#digest.remove(Fact.FLOCK, inode, present.session, 0, factOf(present))
      this.#locks.set(
        inode,
        this.of(inode).map(other => (other === present ? lock : other)),
      )
    } else this.#locks.set(inode, [...this.of(inode), lock])
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

  /** Adds all facts of the table to a digest that is made from scratch. */
  fold(into: Digest): void {
    for (const [inode, locks] of this.#locks) {
      for (const lock of locks) into.add(Fact.FLOCK, inode, lock.session, 0, factOf(lock))
    }
  }

  #keep(inode: Inode, keeps: (lock: Flock) => boolean): void {
    const left: Flock[] = []
    for (const lock of this.of(inode)) {
      if (keeps(lock)) left.push(lock)
      else this.#digest.remove(Fact.FLOCK, inode, lock.session, 0, factOf(lock))
    }
    if (left.length > 0) this.#locks.set(inode, left)
    else this.#locks.delete(inode)
  }
}

const factOf = ({ owner, exclusive }: Flock) => `${owner} ${exclusive}`
