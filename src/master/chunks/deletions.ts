// Copies that servers were told to delete.
//
// A copy that could not be deleted, or of which nothing was heard, is doubtful: it does not count as good, but its version
// is remembered, so that it can save its chunk when all others are lost (versions.ts).
import type { Clock } from '../../env/env.ts'
import type { Log } from '../../env/log.ts'
import type { ChunkId } from '../../metadata/types.ts'
import * as matocs from '../../protocol/matocs.ts'
import { Status, statusName } from '../../protocol/status.ts'
import type { Ledger } from '../ledger.ts'
import { type ChunkServer, UNANSWERED_MS } from './chunk-server.ts'
import { type Copies, CopyState } from './copies.ts'

/** A copy that could not be deleted is tried again after this long. */
const AGAIN_MS = 60_000

export interface DeletionParts {
  clock: Clock
  log: Log
  ledger: Ledger
  copies: Copies
  /** A server is free for another deletion. */
  answered: () => void
  /** A copy that could not be deleted may be tried again. */
  mayTryAgain: (row: number) => void
}

export class Deletions {
  readonly #parts: DeletionParts
  /** Monotonic milliseconds of when a server was told, by server and chunk, in that order. */
  readonly #told = new Map<ChunkServer, Map<ChunkId, number>>()
  /** Chunks by server that it could not delete a moment ago. */
  readonly #refused = new Map<ChunkServer, Set<ChunkId>>()

  constructor(parts: DeletionParts) {
    this.#parts = parts
  }

  /** Deletes the copy on this server, whatever its version, once everything that led to it is durable. */
  start(row: number, server: ChunkServer): void {
    const { ledger, copies, clock } = this.#parts
    const { chunks } = ledger.state
    const chunkId = chunks.id(row)
    const copy = copies.find(row, server)
    const version = copies.state(copy) === CopyState.VALID ? chunks.version.get(row) : copies.ownVersion(copy)
    server.deletions++
    // It misses what is written from now on. Should it stay after all, it must not look good.
    copies.unsettle(row)
    copies.setState(row, copy, CopyState.DELETING, version)
    const command = matocs.remove.encode({ chunkId, version: 0 })
    ledger.whenCommitted(() => {
      if (server.presence !== 'connected') return
      const told = this.#told.get(server) ?? new Map<ChunkId, number>()
      this.#told.set(server, told.set(chunkId, clock.monotonicMs()))
      server.send(command)
    })
  }

  /** Whether the server could not delete its copy a moment ago, so that trying again is not worth it yet. */
  isRefused(row: number, server: ChunkServer): boolean {
    return this.#refused.get(server)?.has(this.#parts.ledger.state.chunks.id(row)) ?? false
  }

  /** Whoever says that a copy is gone is believed, even if nobody waits for that any more. */
  answered(server: ChunkServer, chunkId: ChunkId, status: number): void {
    const { ledger, copies } = this.#parts
    if (this.#told.get(server)?.delete(chunkId)) server.deletions--
    const row = ledger.state.chunks.find(chunkId)
    const copy = copies.find(row, server)
    const state = copy === 0 ? undefined : copies.state(copy)
    if (status === Status.OK || status === Status.NOCHUNK) {
      if (copy !== 0 && state !== CopyState.COPYING) {
        if (state !== CopyState.DELETING) copies.unsettle(row)
        copies.remove(row, copy)
      }
    } else if (state === CopyState.DELETING) this.#failed(row, copy, statusName(status))
    this.#parts.answered()
  }

  /** Once a second: gives up what is not answered. */
  tick(): void {
    const now = this.#parts.clock.monotonicMs()
    for (const [server, told] of this.#told) {
      for (const [chunkId, sinceMs] of told) {
        if (now - sinceMs < UNANSWERED_MS) break
        told.delete(chunkId)
        server.deletions--
        server.isSilent = true
        const row = this.#parts.ledger.state.chunks.find(chunkId)
        const copy = this.#parts.copies.find(row, server)
        if (copy !== 0 && this.#parts.copies.state(copy) === CopyState.DELETING) this.#failed(row, copy, 'no answer')
      }
    }
  }

  #failed(row: number, copy: number, why: string): void {
    const { clock, log, ledger, copies, mayTryAgain } = this.#parts
    const [server, version, chunkId] = [copies.server(copy), copies.ownVersion(copy), ledger.state.chunks.id(row)]
    log.warning(`chunk ${chunkId.toString(16)}: ${server.name} can't delete its copy: ${why}`)
    const refused = this.#refused.get(server) ?? new Set()
    this.#refused.set(server, refused.add(chunkId))
    clock.after(AGAIN_MS, () => {
      refused.delete(chunkId)
      const now = ledger.state.chunks.find(chunkId)
      if (now !== 0) mayTryAgain(now)
    })
    copies.setState(row, copy, version === 0 ? CopyState.INVALID : CopyState.DOUBTFUL, version)
  }

  serverLeft(server: ChunkServer): void {
    this.#refused.delete(server)
    this.#told.delete(server)
  }
}
