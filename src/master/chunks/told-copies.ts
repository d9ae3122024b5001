// What one chunkserver has, as it told a master that does not lead: some 37 bytes a copy. Chunks are known by their ids, not
// by rows of the table of chunks: the log here may be behind what the server has been told to do.
import type { ChunkId } from '../../metadata/types.ts'
import { integers, Rows, words32 } from '../../util/column.ts'
import { HashIndex, mix32 } from '../../util/hash-index.ts'

const hashOf = (chunkId: ChunkId) => mix32((chunkId % 0x100000000) ^ Math.floor(chunkId / 0x100000000))

export interface ToldCopy {
  chunkId: ChunkId
  /** With the mark of a disk that is marked for removal, as in messages. */
  version: number
}

export class ToldCopies {
  readonly #id = integers()
  readonly #version = words32()
  readonly #rows = new Rows()
  readonly #index = new HashIndex()

  get count(): number {
    return this.#rows.count
  }

  set({ chunkId, version }: ToldCopy): void {
    let row = this.#find(chunkId)
    if (row === 0) {
      row = this.#rows.take()
      this.#id.set(row, chunkId)
      this.#index.insert(hashOf(chunkId), row)
    }
    this.#version.set(row, version)
  }

  /** Takes a chunk out. @returns its version, undefined when it is not there */
  take(chunkId: ChunkId): number | undefined {
    const row = this.#find(chunkId)
    if (row === 0) return undefined
    this.#index.remove(hashOf(chunkId), row)
    this.#id.set(row, 0)
    this.#rows.release(row)
    return this.#version.get(row)
  }

  /** All of them, in no order; whatever is taken out meanwhile is left out. */
  *ids(): Generator<ChunkId> {
    for (let row = 1; row < this.#rows.limit; row++) {
      const chunkId = this.#id.get(row)
      if (chunkId !== 0) yield chunkId
    }
  }

  #find(chunkId: ChunkId): number {
    return this.#index.find(hashOf(chunkId), row => this.#id.get(row) === chunkId)
  }
}
