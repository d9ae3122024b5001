// What a chunkserver of ours tells a master that follows, so that this one knows it when it leads.
import type { ChunkId } from '../../metadata/types.ts'
import { ProtocolError, Reader } from '../../protocol/codec.ts'
import * as cstoma from '../../protocol/cstoma.ts'
import { ToldCopies, type ToldCopy } from '../chunks/told-copies.ts'
import type { RegisterBegin } from './admission.ts'

type Space = ReturnType<typeof cstoma.space.decode>

export class EarlyRegistration {
  readonly begin: RegisterBegin
  space: Space
  /** Bit 0 is label A. */
  labels = 0
  readonly copies = new ToldCopies()
  /** Copies that may lack what was written last. */
  readonly unsure = new Set<ChunkId>()

  constructor(begin: RegisterBegin) {
    this.begin = begin
    this.space = begin
  }

  /** Takes a message between EARLY and END, but for lists. Damage is told after that. @throws ProtocolError for any other one */
  report(type: number, payload: Buffer): void {
    switch (type) {
      case cstoma.chunkNew.code:
        return this.#present(cstoma.chunkNew.decode(payload).chunks)
      case cstoma.chunkLost.code:
        for (const chunkId of cstoma.chunkLost.decode(payload).chunkIds) this.copies.take(chunkId)
        return
      case cstoma.chunksUnsure.code:
        return this.#doubt(cstoma.chunksUnsure.decode(payload).chunkIds)
      case cstoma.labels.code:
        this.labels = cstoma.labels.decode(payload).mask
        return
      case cstoma.space.code:
        this.space = cstoma.space.decode(payload)
        return
      default:
        throw new ProtocolError(`message ${type} in an early registration`)
    }
  }

  /** A part of the list. */
  list(body: Buffer): void {
    this.#present(cstoma.registerChunks.read(new Reader(body)))
  }

  #doubt(chunkIds: Iterable<ChunkId>): void {
    for (const chunkId of chunkIds) if (this.unsure.size < cstoma.UNSURE_MAX) this.unsure.add(chunkId)
  }

  #present(chunks: Iterable<ToldCopy>): void {
    for (const copy of chunks) this.copies.set(copy)
  }
}
