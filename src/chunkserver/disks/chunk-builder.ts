// A chunk that is being made from another: it gets its name when it is complete, and only then exists.
import { MFSBLOCKSIZE } from '../../protocol/constants.ts'
import { type ChunkError, errnoOf } from './chunk-error.ts'
import type { BlockPiece, OpenChunk, WriteResult } from './open-chunk.ts'

const COPY_BLOCKS = 16

export interface BuildingSite {
  write(pieces: readonly BlockPiece[]): Promise<WriteResult>
  failed(error: unknown): ChunkError
  keep(version: number): Promise<void>
  drop(): Promise<void>
}

export class ChunkBuilder {
  readonly #chunk: OpenChunk
  readonly #sparsify: boolean
  readonly #site: BuildingSite

  /** @param sparsify leave holes where zeros would be */
  constructor(chunk: OpenChunk, sparsify: boolean, site: BuildingSite) {
    this.#chunk = chunk
    this.#sparsify = sparsify
    this.#site = site
  }

  /** Runs the building; when it fails, nothing is left of the chunk. @throws ChunkError */
  async during(action: () => Promise<void>): Promise<void> {
    try {
      await action()
    } catch (error) {
      await this.#site.drop()
      throw errnoOf(error) === undefined ? error : this.#site.failed(error)
    }
  }

  /** @throws ChunkError CRC when the data is not what its sender sent */
  async write(pieces: readonly BlockPiece[]): Promise<void> {
    const { error } = await this.#site.write(pieces)
    if (error) throw error.cause === undefined ? error : this.#site.failed(error.cause)
  }

  /**
   * Takes over the first blocks of another chunk with their CRCs as they stand, so that a wrong block stays known as
   * wrong.
   */
  async copyFrom(source: OpenChunk, blockCount: number): Promise<void> {
    const buffer = Buffer.allocUnsafeSlow(COPY_BLOCKS * MFSBLOCKSIZE)
    for (let i = 0; i < blockCount; i += COPY_BLOCKS) {
      const count = Math.min(COPY_BLOCKS, blockCount - i)
      const bytes = buffer.subarray(0, count * MFSBLOCKSIZE)
      await source.readUnchecked(i, bytes)
      await this.#chunk.appendUnchecked(i, bytes, source.table, this.#sparsify)
    }
  }

  truncate(length: number): Promise<void> {
    return this.#chunk.truncate(length)
  }

  /** The chunk is complete, and on the disk when this resolves: others count on it from then on. */
  keep(version: number): Promise<void> {
    return this.#site.keep(version)
  }
}
