// POSIX range locks that are held (spec metadata 2.13, master-behaviour 3.4).
//
// Of one (session, owner) the ranges are disjoint, ascending, and touching ranges of one type are merged.
import { type Digest, Fact } from '../digest.ts'
import type { Inode, SessionId } from '../types.ts'

export const LockType = { UNLOCK: 0, READ: 1, WRITE: 2 } as const
export type LockType = (typeof LockType)[keyof typeof LockType]

export interface LockRange {
  start: bigint
  /** Exclusive. */
  end: bigint
  type: LockType
  pid: number
}

export interface LockOwner {
  session: SessionId
  owner: bigint
}

interface OwnerRanges extends LockOwner {
  ranges: LockRange[]
}

export class PosixLocks {
  readonly #digest: Digest
  readonly #locks = new Map<Inode, OwnerRanges[]>()

  constructor(digest: Digest) {
    this.#digest = digest
  }

  has(inode: Inode): boolean {
    return this.#locks.has(inode)
  }

  /** The first held range of another owner that keeps `wanted` from being granted. */
  conflict(inode: Inode, by: LockOwner, wanted: LockRange): (LockOwner & LockRange) | undefined {
    for (const held of this.conflicts(inode, by, wanted)) return held
    return undefined
  }

  /** All of them. */
  *conflicts(inode: Inode, by: LockOwner, wanted: LockRange): Generator<LockOwner & LockRange> {
    for (const { session, owner, ranges } of this.#locks.get(inode) ?? []) {
      if (session === by.session && owner === by.owner) continue
      for (const range of ranges) {
        if (range.start >= wanted.end || range.end <= wanted.start) continue
        if (range.type === LockType.WRITE || wanted.type === LockType.WRITE) yield { session, owner, ...range }
      }
    }
  }

  /** Gives the owner exactly `wanted` on that range (UNLOCK: nothing); splits and merges what it held. */
  set(inode: Inode, by: LockOwner, wanted: LockRange): void {
    let owners = this.#locks.get(inode)
    if (!owners) {
      owners = []
      this.#locks.set(inode, owners)
    }
    let mine = owners.find(({ session, owner }) => session === by.session && owner === by.owner)
    if (!mine) {
      mine = { session: by.session, owner: by.owner, ranges: [] }
      owners.push(mine)
    }
    for (const range of mine.ranges) this.#digest.remove(Fact.POSIX_LOCK, inode, by.session, 0, factOf(by, range))
    // The process that locked first stays the one that is shown for all ranges of an owner, as in the original.
    mine.ranges = merged(mine.ranges, { ...wanted, pid: mine.ranges[0]?.pid ?? wanted.pid })
    for (const range of mine.ranges) this.#digest.add(Fact.POSIX_LOCK, inode, by.session, 0, factOf(by, range))
    this.#drop(inode, holder => holder.ranges.length === 0)
  }

  removeSession(inode: Inode, session: SessionId): void {
    this.#drop(inode, holder => holder.session === session)
  }

  rangesOf(inode: Inode): readonly Readonly<OwnerRanges>[] {
    return this.#locks.get(inode) ?? []
  }

  entries(): IterableIterator<[Inode, readonly Readonly<OwnerRanges>[]]> {
    return this.#locks.entries()
  }

  /** Adds all facts of the table to a digest that is made from scratch. */
  fold(into: Digest): void {
    for (const [inode, holders] of this.#locks) {
      for (const { session, owner, ranges } of holders) {
        for (const range of ranges) into.add(Fact.POSIX_LOCK, inode, session, 0, factOf({ session, owner }, range))
      }
    }
  }

  #drop(inode: Inode, drops: (holder: OwnerRanges) => boolean): void {
    const left: OwnerRanges[] = []
    for (const holder of this.#locks.get(inode) ?? []) {
      if (!drops(holder)) left.push(holder)
      else {
        const { session, ranges } = holder
        for (const range of ranges) this.#digest.remove(Fact.POSIX_LOCK, inode, session, 0, factOf(holder, range))
      }
    }
    if (left.length > 0) this.#locks.set(inode, left)
    else this.#locks.delete(inode)
  }
}

function factOf({ owner }: LockOwner, { start, end, type, pid }: LockRange): string {
  return `${owner} ${start} ${end} ${type} ${pid}`
}

/** `ranges` with `wanted` laid over them. */
function merged(ranges: readonly LockRange[], wanted: LockRange): LockRange[] {
  const pieces: LockRange[] = []
  for (const range of ranges) {
    if (range.start < wanted.start) pieces.push({ ...range, end: min(range.end, wanted.start) })
    if (range.end > wanted.end) pieces.push({ ...range, start: max(range.start, wanted.end) })
  }
  if (wanted.type !== LockType.UNLOCK && wanted.start < wanted.end) pieces.push({ ...wanted })
  pieces.sort((a, b) => (a.start < b.start ? -1 : 1))
  const joined: LockRange[] = []
  for (const piece of pieces) {
    const last = joined.at(-1)
    if (last && last.end === piece.start && last.type === piece.type) last.end = piece.end
    else joined.push(piece)
  }
  return joined
}

const min = (a: bigint, b: bigint) => (a < b ? a : b)
const max = (a: bigint, b: bigint) => (a > b ? a : b)
