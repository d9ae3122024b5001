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
import type { ChunkServer } from './chunk-server.ts'
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
  /** Chunks by server that it could not delete a moment ago. */
  readonly #refused = new Map<ChunkServer, Set<ChunkId>>()

  constructor(parts: DeletionParts) {
    this.#parts = parts
  }

  /** Deletes the copy on this server, whatever its version, once everything that led to it is durable. */
  start(row: number, server: ChunkServer): void {
    const { ledger, copies } = this.#parts
    const { chunks } = ledger.state
    const copy = copies.find(row, server)
    const version = copies.state(copy) === CopyState.VALID ? chunks.version.get(row) : copies.ownVersion(copy)
    server.deletions++
    // It misses what is written from now on. Should it stay after all, it must not look good.
    copies.unsettle(row)
    copies.setState(row, copy, CopyState.DELETING, version)
    const command = matocs.remove.encode({ chunkId: chunks.id(row), version: 0 })
    ledger.whenCommitted(() => server.send(command))
  }

  /** Whether the server could not delete its copy a moment ago, so that trying again is not worth it yet. */
  isRefused(row: number, server: ChunkServer): boolean {
    return this.#refused.get(server)?.has(this.#parts.ledger.state.chunks.id(row)) ?? false
  }

  answered(server: ChunkServer, chunkId: ChunkId, status: number): void {
    const { ledger, copies } = this.#parts
    server.deletions = Math.max(0, server.deletions - 1)
    const row = ledger.state.chunks.find(chunkId)
    const copy = copies.find(row, server)
    if (copy !== 0 && copies.state(copy) === CopyState.DELETING) {
      if (status === Status.OK || status === Status.NOCHUNK) copies.remove(row, copy)
      else this.#failed(row, copy, status)
    }
    this.#parts.answered()
  }

  #failed(row: number, copy: number, status: number): void {
    const { clock, log, ledger, copies, mayTryAgain } = this.#parts
    const [server, version, chunkId] = [copies.server(copy), copies.ownVersion(copy), ledger.state.chunks.id(row)]
    log.warning(`chunk ${chunkId.toString(16)}: ${server.name} can't delete its copy: ${statusName(status)}`)
    const refused = this.#refused.get(server) ?? new Set()
    this.#refused.set(server, refused.add(chunkId))
    clock.after(AGAIN_MS, () => {
      refused.delete(chunkId)
      const now = ledger.state.chunks.find(chunkId)
      if (now !== 0) mayTryAgain(now)
    })
    copies.setState(row, copy, version === 0 ? CopyState.INVALID : CopyState.WRONG_VERSION, version)
  }

  serverLeft(server: ChunkServer): void {
    this.#refused.delete(server)
  }
}
