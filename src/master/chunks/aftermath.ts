// What the last lines of the log tell of chunks: whose leases there are and for what, and which versions were to be raised when the
// master died. A restart learns it from the changelog, a follower from the lines that it gets.
import type { Entry } from '../../metadata/changelog/entry.ts'
import type { Trailer } from '../../metadata/changelog/trailer.ts'
import type { ChunkId, SessionId } from '../../metadata/types.ts'
import type { WritePlace } from './abandoned.ts'

/** A lease is over after 120 s, so lines that are older tell nothing any more. */
export const AFTERMATH_SECONDS = 125

/** A lease that had not ended: of a client that writes, or of the master, which was cutting the chunk. */
export type Lease = { readonly kind: 'write' | 'cut' } & WritePlace

/** Servers that are told to raise the version of their copies, and may not have done it. */
interface Raise {
  /** Their ids. */
  on: readonly number[]
  /** Undefined: the version before. */
  from: number | undefined
}

interface Traces {
  ts: number
  lease: Lease | undefined
  raise: Raise | undefined
  /** Of the chunk when its master had died; what raises it later makes these traces worthless. */
  version: number
}

export class Aftermath {
  /** Oldest first. */
  readonly #chunks = new Map<ChunkId, Traces>()

  remember(entry: Entry, trailer: Trailer): void {
    const { leaseOwner, raisedOn, raisedFrom } = trailer
    const raise = raisedOn && { on: raisedOn, from: raisedFrom }
    switch (entry.op) {
      case 'WRITE':
        return this.#set(entry, raise, {
          kind: 'write',
          ...placeOf(entry, leaseOwner),
          isNew: this.#isNew(entry, trailer),
        })
      case 'TRUNC':
        return this.#set(entry, raise, { kind: 'cut', ...placeOf(entry, undefined), isNew: false })
      case 'SETVERSION':
        return this.#set(entry, raise, this.#chunks.get(entry.chunkId)?.lease)
      case 'UNLOCK':
      case 'ROLLBACK': {
        // The next master after the one that died in a change lets the chunk go, and may die itself before it has met a
        // server. That one has not raised the version stays true.
        const traces = this.#chunks.get(entry.chunkId)
        if (traces) traces.lease = undefined
      }
    }
  }

  /**
   * A version is raised on servers; a new chunk has none yet. Whoever writes again before his first write has ended
   * changes nothing of that. The original's lines do not tell.
   */
  #isNew({ chunkId, raiseVersion }: { chunkId: ChunkId; raiseVersion: boolean }, trailer: Trailer): boolean {
    const lease = this.#chunks.get(chunkId)?.lease
    const isMade = raiseVersion && trailer.leaseOwner !== undefined && trailer.raisedOn === undefined
    return isMade || (lease?.kind === 'write' && lease.isNew)
  }

  #set({ chunkId, ts: now }: { chunkId: ChunkId; ts: number }, raise: Raise | undefined, lease?: Lease): void {
    this.#chunks.delete(chunkId)
    this.#chunks.set(chunkId, { ts: now, lease, raise, version: 0 })
    for (const [oldest, { ts }] of this.#chunks) {
      if (ts >= now - AFTERMATH_SECONDS) return
      this.#chunks.delete(oldest)
    }
  }

  /** The log has come to its end. @returns the leases that it tells of */
  end(versionOf: (chunkId: ChunkId) => number): { chunkId: ChunkId; lease: Lease }[] {
    for (const [chunkId, traces] of this.#chunks) traces.version = versionOf(chunkId)
    return [...this.#chunks].flatMap(([chunkId, { lease }]) => (lease ? [{ chunkId, lease }] : []))
  }

  /**
   * Servers that were told last to raise the chunk to this version, and the one that their copies had before; undefined when
   * they have surely done it.
   */
  raised(chunkId: ChunkId, version: number): { on: readonly number[]; from: number } | undefined {
    const traces = this.#chunks.get(chunkId)
    if (!traces?.raise || traces.version !== version) return undefined
    const { on, from = version - 1 } = traces.raise
    return { on, from }
  }
}

const placeOf = ({ inode, index }: Pick<WritePlace, 'inode' | 'index'>, session: SessionId | undefined) => ({
  inode,
  index,
  session,
})
