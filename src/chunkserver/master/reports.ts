// What the master must hear about chunks, in order, until there is a master to hear it.

import * as cstoma from '../../protocol/cstoma.ts'
import type { StoreReports } from '../disks/chunk-store.ts'

const ENTRIES_MAX = 25_000
/** What the original does not know. */
const ONLY_OURS: readonly Report['kind'][] = ['cutShort', 'unsure']
/** I/O errors that are told one by one; more say nothing new. */
const ERRORS_MAX = 1000

type Report =
  | { kind: 'damaged'; chunkIds: number[] }
  | { kind: 'lost'; chunkIds: number[] }
  | { kind: 'cutShort'; chunkId: number; ip: number }
  | { kind: 'unsure'; chunkIds: number[] }
  | { kind: 'new'; chunks: { chunkId: number; version: number }[] }

export class Reports implements StoreReports {
  spaceIsNew = true
  #queue: Report[] = []
  #errors = 0
  readonly #wake: () => void

  /** @param wake called when there is something to tell */
  constructor(wake: () => void) {
    this.#wake = wake
  }

  damaged(chunkId: number): void {
    const last = this.#queue.at(-1)
    if (last?.kind === 'damaged') {
      if (!last.chunkIds.includes(chunkId)) last.chunkIds.push(chunkId)
    } else this.#queue.push({ kind: 'damaged', chunkIds: [chunkId] })
    this.#wake()
  }

  lost(chunkIds: number[]): void {
    for (let i = 0; i < chunkIds.length; i += ENTRIES_MAX) {
      this.#queue.push({ kind: 'lost', chunkIds: chunkIds.slice(i, i + ENTRIES_MAX) })
    }
    this.#wake()
  }

  /** Only masters of ours hear of it. */
  unsure(chunkIds: number[]): void {
    for (let i = 0; i < chunkIds.length; i += ENTRIES_MAX) {
      this.#queue.push({ kind: 'unsure', chunkIds: chunkIds.slice(i, i + ENTRIES_MAX) })
    }
    this.#wake()
  }

  appeared(chunks: { chunkId: number; version: number }[]): void {
    for (let i = 0; i < chunks.length; i += ENTRIES_MAX) {
      this.#queue.push({ kind: 'new', chunks: chunks.slice(i, i + ENTRIES_MAX) })
    }
    this.#wake()
  }

  /** Only masters of ours hear of it. @param ip of the client that closed its connection in the middle of a write */
  writeCutShort(chunkId: number, ip: number): void {
    this.#queue.push({ kind: 'cutShort', chunkId, ip })
    this.#wake()
  }

  ioError(): void {
    this.#errors = Math.min(this.#errors + 1, ERRORS_MAX)
    this.#wake()
  }

  spaceChanged(): void {
    this.spaceIsNew = true
  }

  /** A master that hears of all chunks anew needs none of the older reports. */
  forget(): void {
    this.#queue = []
  }

  /** Everything so far, as packets. @param toOurs for a master of ours, not of the original */
  take(toOurs: boolean): Buffer[] {
    const packets = this.#queue.filter(({ kind }) => toOurs || !ONLY_OURS.includes(kind)).map(encoded)
    for (let i = 0; i < this.#errors; i++) packets.unshift(cstoma.errorOccurred.encode({}))
    this.#queue = []
    this.#errors = 0
    return packets
  }
}

function encoded(report: Report): Buffer {
  switch (report.kind) {
    case 'damaged':
      return cstoma.chunkDamaged.encode(report)
    case 'lost':
      return cstoma.chunkLost.encode(report)
    case 'cutShort':
      return cstoma.writeCutShort.encode(report)
    case 'unsure':
      return cstoma.chunksUnsure.encode(report)
    case 'new':
      return cstoma.chunkNew.encode(report)
  }
}
