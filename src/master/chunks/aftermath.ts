// What the last lines of the log tell of chunks: whose leases there are, and which versions were to be raised when the
// master died. A restart learns it from the changelog, a follower from the lines that it gets.
import type { Entry } from '../../metadata/changelog/entry.ts'
import type { Trailer } from '../../metadata/changelog/trailer.ts'
import type { ChunkId, SessionId } from '../../metadata/types.ts'

/** A lease is over after 120 s, so lines that are older tell nothing any more. */
export const AFTERMATH_SECONDS = 125

interface Traces {
  ts: number
  /** Who writes; undefined when it was being cut, which nobody does any more. */
  owner: SessionId | undefined
  /** Ids of servers that are told to raise the version, and may not have done it. */
  raisedOn: readonly number[]
  /** Of the chunk when its master had died; what raises it later makes these traces worthless. */
  version: number
}

const none: readonly number[] = []

export class Aftermath {
  /** Oldest first. */
  readonly #chunks = new Map<ChunkId, Traces>()

  remember(entry: Entry, { leaseOwner, raisedOn = none }: Trailer): void {
    switch (entry.op) {
      case 'WRITE':
        return this.#set(entry.chunkId, { ts: entry.ts, owner: leaseOwner, raisedOn, version: 0 })
      case 'TRUNC':
        return this.#set(entry.chunkId, { ts: entry.ts, owner: undefined, raisedOn, version: 0 })
      case 'SETVERSION': {
        const owner = this.#chunks.get(entry.chunkId)?.owner
        return this.#set(entry.chunkId, { ts: entry.ts, owner, raisedOn, version: 0 })
      }
      case 'UNLOCK':
      case 'ROLLBACK':
        this.#chunks.delete(entry.chunkId)
    }
  }

  #set(chunkId: ChunkId, traces: Traces): void {
    this.#chunks.delete(chunkId)
    this.#chunks.set(chunkId, traces)
    for (const [oldest, { ts }] of this.#chunks) {
      if (ts >= traces.ts - AFTERMATH_SECONDS) return
      this.#chunks.delete(oldest)
    }
  }

  /** The log has come to its end. @returns the leases that it tells of; an owner of undefined means nobody's */
  end(versionOf: (chunkId: ChunkId) => number): { chunkId: ChunkId; owner: SessionId | undefined }[] {
    for (const [chunkId, traces] of this.#chunks) traces.version = versionOf(chunkId)
    return [...this.#chunks].map(([chunkId, { owner }]) => ({ chunkId, owner }))
  }

  /** Servers that were told last to raise the chunk to this version; none when they have surely done it. */
  raisedOn(chunkId: ChunkId, version: number): readonly number[] {
    const traces = this.#chunks.get(chunkId)
    return traces?.version === version ? traces.raisedOn : none
  }
}
