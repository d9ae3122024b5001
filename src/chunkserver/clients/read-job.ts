// One CLTOCS_READ: blocks from the disk, checked, to the socket (spec chunkserver 3.2). While one group of blocks is
// on its way out the next is read; the buffers come from a pool and return to it.
import type { Connection } from '../../env/net.ts'
import { MFSBLOCKSIZE, MFSCHUNKSIZE } from '../../protocol/constants.ts'
import * as cstocl from '../../protocol/cstocl.ts'
import { Status } from '../../protocol/status.ts'
import type { BufferPool } from '../../util/buffer-pool.ts'
import { crc32 } from '../../util/crc32.ts'
import { ChunkError } from '../disks/chunk-error.ts'
import type { ChunkStore } from '../disks/chunk-store.ts'
import type { OpenChunk } from '../disks/open-chunk.ts'

/** Groups of blocks that may wait to go out. */
const GROUPS_MAX = 2

export interface ReadRequest {
  readonly chunkId: number
  readonly version: number
  readonly offset: number
  readonly size: number
}

export class ReadJob {
  readonly #store: ChunkStore
  readonly #pool: BufferPool
  readonly #connection: Connection
  readonly #request: ReadRequest
  #waiting = 0
  #wake: (() => void) | undefined
  #cancelled = false

  constructor(store: ChunkStore, pool: BufferPool, connection: Connection, request: ReadRequest) {
    this.#store = store
    this.#pool = pool
    this.#connection = connection
    this.#request = request
  }

  /**
   * Answers at once what memory holds of an open chunk, when the connection has room for it.
   *
   * @returns false when run() must do it
   */
  runNow(): boolean {
    const { chunkId, version, offset, size } = this.#request
    const firstBlock = Math.floor(offset / MFSBLOCKSIZE)
    const bytes = Math.ceil((offset + size) / MFSBLOCKSIZE - firstBlock) * MFSBLOCKSIZE
    if (size === 0 || bytes > this.#pool.bytes || offset + size > MFSCHUNKSIZE) return false
    const open = this.#store.openNow(chunkId, version)
    if (!open) return false
    const buffer = this.#pool.take()
    const blocks = buffer.subarray(0, bytes)
    const done = this.#store.readNow(open, version, firstBlock, blocks)
    if (done) {
      const packets = this.#packets(open, firstBlock, blocks)
      packets.push(cstocl.readStatus.encode({ chunkId, status: Status.OK }))
      this.#connection.writev(packets, () => this.#pool.give(buffer))
    } else this.#pool.give(buffer)
    this.#store.done(open)
    return done
  }

  /** Sends the data and that all is well. @returns another end of the answer; undefined also when the client went away */
  async run(): Promise<Status | undefined> {
    const { chunkId, version, offset, size } = this.#request
    if (size === 0) return Status.OK
    if (size > MFSCHUNKSIZE) return Status.WRONGSIZE
    if (offset >= MFSCHUNKSIZE || offset + size > MFSCHUNKSIZE) return Status.WRONGOFFSET
    try {
      const open = await this.#store.open(chunkId, version)
      try {
        await this.#send(open)
      } finally {
        this.#store.done(open)
      }
      return undefined
    } catch (error) {
      if (!(error instanceof ChunkError)) throw error
      return this.#cancelled ? undefined : error.status
    }
  }

  cancel(): void {
    this.#cancelled = true
    this.#wake?.()
  }

  async #send(open: OpenChunk): Promise<void> {
    const { chunkId, version, offset, size } = this.#request
    const end = Math.ceil((offset + size) / MFSBLOCKSIZE)
    const groupBlocks = this.#pool.bytes / MFSBLOCKSIZE
    for (let block = Math.floor(offset / MFSBLOCKSIZE); block < end && !this.#cancelled; block += groupBlocks) {
      const buffer = this.#pool.take()
      const blocks = buffer.subarray(0, Math.min(groupBlocks, end - block) * MFSBLOCKSIZE)
      // After an error the buffer does not go back: a disk that hangs may still write into it.
      if (!this.#store.readNow(open, version, block, blocks)) await this.#store.read(open, version, block, blocks)
      // The CRCs are those of this moment: a writer may change the blocks while we wait.
      const packets = this.#packets(open, block, blocks)
      if (block + groupBlocks >= end) packets.push(cstocl.readStatus.encode({ chunkId, status: Status.OK }))
      while (this.#waiting >= GROUPS_MAX && !this.#cancelled) await this.#wait()
      if (this.#cancelled) return
      this.#waiting++
      this.#connection.writev(packets, () => {
        this.#pool.give(buffer)
        this.#waiting--
        this.#wake?.()
      })
    }
  }

  #wait(): Promise<void> {
    return new Promise(resolve => {
      this.#wake = resolve
    })
  }

  /** Heads and data of consecutive blocks, cut to what was asked for. */
  #packets(open: OpenChunk, firstBlock: number, blocks: Buffer): Buffer[] {
    const { chunkId, offset, size } = this.#request
    const packets: Buffer[] = []
    for (let at = 0; at < blocks.length; at += MFSBLOCKSIZE) {
      const blockIndex = firstBlock + at / MFSBLOCKSIZE
      const start = blockIndex * MFSBLOCKSIZE
      const from = Math.max(0, offset - start)
      const to = Math.min(MFSBLOCKSIZE, offset + size - start)
      const data = blocks.subarray(at + from, at + to)
      const crc = data.length === MFSBLOCKSIZE ? open.crcOf(blockIndex) : crc32(data)
      packets.push(cstocl.readData.encodeHead({ chunkId, blockIndex, offset: from, crc }, data.length), data)
    }
    return packets
  }
}
