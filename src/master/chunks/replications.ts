// Copies that are on their way from one server to another (spec master-behaviour 6.4, 6.5).
import type { Clock } from '../../env/env.ts'
import type { Log } from '../../env/log.ts'
import type { ChunkId } from '../../metadata/types.ts'
import * as matocs from '../../protocol/matocs.ts'
import { Status, statusName } from '../../protocol/status.ts'
import type { Ledger } from '../ledger.ts'
import type { ChunkServer } from './chunk-server.ts'
import { type Copies, CopyState } from './copies.ts'

/** A copy that takes longer is given up (spec master-behaviour 6.4: the lease of a replication). */
const GIVEN_UP_MS = 120_000

export interface Replication {
  source: ChunkServer
  target: ChunkServer
  /** Writers wait for it. A move does not make them wait; it is in vain when one came. */
  blocks: boolean
}

interface Running extends Replication {
  version: number
  startedMs: number
}

export interface ReplicationEvents {
  /** A chunk is free again. */
  ended(row: number, success: boolean): void
  /** A copy that was given up has been made after all. */
  cameLate(server: ChunkServer, chunkId: ChunkId, version: number): void
}

export class Replications {
  readonly #clock: Clock
  readonly #log: Log
  readonly #ledger: Ledger
  readonly #copies: Copies
  readonly #events: ReplicationEvents
  readonly #running = new Map<number, Running>()

  constructor(env: { clock: Clock; log: Log }, ledger: Ledger, copies: Copies, events: ReplicationEvents) {
    this.#clock = env.clock
    this.#log = env.log
    this.#ledger = ledger
    this.#copies = copies
    this.#events = events
  }

  /** Whether a writer has to wait. */
  blocks(row: number): boolean {
    return this.#running.get(row)?.blocks ?? false
  }

  isRunning(row: number): boolean {
    return this.#running.has(row)
  }

  start(row: number, { source, target, blocks }: Replication): void {
    const { chunks } = this.#ledger.state
    const [chunkId, version] = [chunks.id(row), chunks.version.get(row)]
    source.outgoing++
    target.incoming++
    this.#running.set(row, { source, target, blocks, version, startedMs: this.#clock.monotonicMs() })
    this.#copies.add(row, target, CopyState.COPYING)
    // A write that comes while the chunk is being moved must not leave a copy that looks good.
    if (!blocks) this.#copies.unsettle(row)
    const command = matocs.replicate.encode({ chunkId, version, ip: source.ip, port: source.port })
    this.#ledger.whenCommitted(() => target.send(command))
  }

  answered(server: ChunkServer, chunkId: ChunkId, version: number, status: number): void {
    const { chunks } = this.#ledger.state
    const row = chunks.find(chunkId)
    const running = this.#running.get(row)
    if (running?.target !== server) {
      if (status === Status.OK) this.#events.cameLate(server, chunkId, version)
      return
    }
    this.#end(row, running)
    const copy = this.#copies.find(row, server)
    if (status !== Status.OK) {
      this.#log.warning(
        `chunk ${chunkId.toString(16)}: copying from ${running.source.name} to ${server.name} failed: ${statusName(status)}`,
      )
      if (copy !== 0) this.#copies.remove(row, copy)
    } else if (copy !== 0 && this.#copies.state(copy) === CopyState.COPYING) {
      const isGood = version === chunks.version.get(row) && version === running.version
      this.#copies.setState(row, copy, isGood ? CopyState.VALID : CopyState.INVALID)
    }
    this.#events.ended(row, status === Status.OK)
  }

  #end(row: number, { source, target }: Running): void {
    this.#running.delete(row)
    source.outgoing--
    target.incoming--
  }

  /** What was on its way to a server that left is in vain. A target that lost its source answers by itself. */
  serverLeft(server: ChunkServer): void {
    for (const [row, running] of [...this.#running]) {
      if (running.target !== server) continue
      this.#end(row, running)
      this.#events.ended(row, false)
    }
  }

  /** Once a second: gives up what takes too long. */
  tick(): void {
    const now = this.#clock.monotonicMs()
    // In the order they began.
    for (const [row, running] of this.#running) {
      if (now - running.startedMs < GIVEN_UP_MS) return
      const { source, target } = running
      const name = this.#ledger.state.chunks.id(row).toString(16)
      this.#log.warning(`chunk ${name}: copying from ${source.name} to ${target.name} takes too long: given up`)
      this.#end(row, running)
      const copy = this.#copies.find(row, target)
      if (copy !== 0) this.#copies.setState(row, copy, CopyState.INVALID)
      // It may still come, with this version: the next write must have another one.
      this.#copies.unsettle(row)
      this.#events.ended(row, false)
    }
  }

  get count(): number {
    return this.#running.size
  }
}
