// Where the holes of a file are (SEEK_DATA, SEEK_HOLE): chunks that do not exist, and what lies behind the blocks that
// a chunk has. What can't be found out counts as data, which is never wrong.
import type { Env } from '../env/env.ts'
import * as cltocs from '../protocol/cltocs.ts'
import { MFSBLOCKSINCHUNK, MFSBLOCKSIZE, MFSCHUNKSIZE } from '../protocol/constants.ts'
import * as cstocl from '../protocol/cstocl.ts'
import { Status, statusName } from '../protocol/status.ts'
import { askServer } from './ask-server.ts'
import type { ChunkLocator, Located } from './chunk-locator.ts'
import type { ServerConnection, ServerPool } from './server-pool.ts'

/** A master of the original does not tell where the next chunk is: after so many holes in a row data is assumed. */
const HOLES_MAX = 1024

/** What is known of one slot of a file. */
export interface Slot {
  /** Bytes from the beginning of the chunk on that may be data; behind them is a hole. 0: there is no chunk. */
  dataBytes: number
  /** Where there is no chunk: the first slot behind it that has one, Infinity for none; undefined: not known. */
  next?: number | undefined
}

/**
 * The first place from `offset` on that is data, or a hole. The end of the file counts as a hole.
 *
 * @param length of the file in bytes
 * @returns undefined when there is none, because the file ends before
 */
export async function seek(
  what: 'data' | 'hole',
  offset: number,
  length: number,
  slotAt: (index: number) => Promise<Slot>,
): Promise<number | undefined> {
  if (offset >= length) return undefined
  let holes = 0
  for (let index = Math.floor(offset / MFSCHUNKSIZE); index * MFSCHUNKSIZE < length; ) {
    const start = index * MFSCHUNKSIZE
    const at = Math.max(offset, start)
    const { dataBytes, next = index + 1 } = await slotAt(index)
    const end = start + dataBytes
    if (what === 'data' && (at < end || ++holes > HOLES_MAX)) return at
    if (what === 'hole' && end < start + MFSCHUNKSIZE) return Math.min(length, Math.max(at, end))
    index = dataBytes > 0 ? index + 1 : next
  }
  return what === 'hole' ? length : undefined
}

export class HoleFinder {
  readonly #env: Env
  readonly #locator: ChunkLocator
  readonly #pool: ServerPool

  constructor(env: Env, locator: ChunkLocator, pool: ServerPool) {
    this.#env = env
    this.#locator = locator
    this.#pool = pool
  }

  /** seek() in a file of which nothing waits to be written. */
  seek(inode: number, what: 'data' | 'hole', offset: number, length: number): Promise<number | undefined> {
    return seek(what, offset, length, index => this.#slot(inode, index))
  }

  /** The master is asked anew: what others write into a hole is not told to those who only know of the hole. */
  async #slot(inode: number, index: number): Promise<Slot> {
    this.#locator.forgetChunk(inode, index)
    const located = await this.#locator.locate(inode, index)
    if ('status' in located) return { dataBytes: MFSCHUNKSIZE }
    if (located.chunkId === 0) return { dataBytes: 0, next: located.nextChunk }
    return { dataBytes: (await this.#blocks(located)) * MFSBLOCKSIZE }
  }

  /** All copies have as many blocks; one is asked. */
  async #blocks({ chunkId, version, copies: [copy] }: Located): Promise<number> {
    if (!copy) return MFSBLOCKSINCHUNK
    let server: ServerConnection | undefined
    try {
      server = await this.#pool.connect(copy.ip, copy.port)
      const question = cltocs.getChunkBlocks.encode({ chunkId, version })
      const answer = cstocl.chunkBlocks.decode(await askServer(server, question, cstocl.chunkBlocks.code))
      server.release()
      server = undefined
      if (answer.status !== Status.OK) throw new Error(statusName(answer.status))
      return answer.blockCount
    } catch (error) {
      server?.destroy()
      this.#env.log.info(`chunk ${chunkId.toString(16)}: its holes are not known (${(error as Error).message})`)
      return MFSBLOCKSINCHUNK
    }
  }
}
