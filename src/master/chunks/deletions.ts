// Copies that servers were told to delete.
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

export class Deletions {
  readonly #clock: Clock
  readonly #log: Log
  readonly #ledger: Ledger
  readonly #copies: Copies
  readonly #answered: () => void

  /** @param answered is called when a server is free for another deletion */
  constructor(env: { clock: Clock; log: Log }, ledger: Ledger, copies: Copies, answered: () => void) {
    this.#clock = env.clock
    this.#log = env.log
    this.#ledger = ledger
    this.#copies = copies
    this.#answered = answered
  }

  /** Deletes the copy on this server, whatever its version, once everything that led to it is durable. */
  start(row: number, server: ChunkServer): void {
    server.deletions++
    this.#copies.setState(row, this.#copies.find(row, server), CopyState.DELETING)
    const command = matocs.remove.encode({ chunkId: this.#ledger.state.chunks.id(row), version: 0 })
    this.#ledger.whenCommitted(() => server.send(command))
  }

  answered(server: ChunkServer, chunkId: ChunkId, status: number): void {
    server.deletions = Math.max(0, server.deletions - 1)
    const row = this.#ledger.state.chunks.find(chunkId)
    const copy = this.#copies.find(row, server)
    if (copy !== 0 && this.#copies.state(copy) === CopyState.DELETING) {
      if (status === Status.OK || status === Status.NOCHUNK) {
        this.#copies.unsettle(row)
        this.#copies.remove(row, copy)
      } else this.#tryAgain(server, chunkId, status)
    }
    this.#answered()
  }

  #tryAgain(server: ChunkServer, chunkId: ChunkId, status: number): void {
    this.#log.warning(`chunk ${chunkId.toString(16)}: ${server.name} can't delete its copy: ${statusName(status)}`)
    this.#clock.after(AGAIN_MS, () => {
      const row = this.#ledger.state.chunks.find(chunkId)
      const copy = server.presence === 'connected' ? this.#copies.find(row, server) : 0
      if (copy === 0 || this.#copies.state(copy) !== CopyState.DELETING) return
      this.#copies.setState(row, copy, CopyState.INVALID)
    })
  }
}
