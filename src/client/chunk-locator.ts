// Where chunks are, remembered until somebody tells otherwise (spec client-master 7.3, 8).

import type { CopyLocation } from '../protocol/attributes.ts'
import * as cltoma from '../protocol/cltoma.ts'
import * as matocl from '../protocol/matocl.ts'
import { Status } from '../protocol/status.ts'
import type { MasterSession } from './master-session.ts'

export interface Located {
  /** 0 is a hole. */
  chunkId: number
  version: number
  copies: CopyLocation[]
}

export interface FoundChunk extends Located {
  /** Of the whole file. */
  length: number
  /** The first slot from the asked one on that has a chunk, Infinity for none; only masters of our kind tell. */
  nextChunk?: number | undefined
}

interface KnownFile {
  length: number
  chunks: Map<number, Located>
}

export class ChunkLocator {
  readonly #master: MasterSession
  readonly #files = new Map<number, KnownFile>()

  constructor(master: MasterSession) {
    this.#master = master
  }

  /** Asks the master unless it is known. The length is that of the whole file. */
  async locate(inode: number, index: number): Promise<FoundChunk | { status: number }> {
    const file = this.#files.get(inode)
    const known = file?.chunks.get(index)
    if (file && known) return { ...known, length: file.length }
    const answer = await this.#master.ask(cltoma.fuseReadChunk, { inode, index, flags: 0 }, matocl.fuseReadChunk)
    if (!answer) return { status: Status.IO }
    if (answer.status !== undefined) return { status: answer.status }
    const { chunkId, version, copies, length, nextChunk } = answer
    this.learn(inode, index, { chunkId, version, copies }, length)
    return { chunkId, version, copies, length, nextChunk: nextChunk === matocl.NO_CHUNK ? Infinity : nextChunk }
  }

  /** The master has just told where the chunk is, and how long the file. One without the other would mislead readers. */
  learn(inode: number, index: number, located: Located, length: number): void {
    const file = this.#files.get(inode)
    if (!file) this.#files.set(inode, { length, chunks: new Map([[index, located]]) })
    else {
      file.chunks.set(index, located)
      file.length = length
    }
  }

  /** A chunk was written up to `end` of the file. What was forgotten meanwhile stays forgotten. */
  written(inode: number, index: number, located: Located, end: number): void {
    this.#files.get(inode)?.chunks.set(index, located)
    this.grow(inode, end)
  }

  /** What is known of a file of which nothing else is known is not kept. */
  setLength(inode: number, length: number): void {
    const file = this.#files.get(inode)
    if (file) file.length = length
  }

  grow(inode: number, length: number): void {
    const file = this.#files.get(inode)
    if (file) file.length = Math.max(file.length, length)
  }

  /** 0 when nothing is known. */
  knownLength(inode: number): number {
    return this.#files.get(inode)?.length ?? 0
  }

  forgetChunk(inode: number, index: number): void {
    this.#files.get(inode)?.chunks.delete(index)
  }

  /** Chunks from `index` on. */
  forgetFrom(inode: number, index: number): void {
    const chunks = this.#files.get(inode)?.chunks
    for (const known of chunks?.keys() ?? []) if (known >= index) chunks?.delete(known)
  }

  forgetFile(inode: number): void {
    this.#files.delete(inode)
  }

  forgetEverything(): void {
    this.#files.clear()
  }
}
