// What several servers are told to do with the copies of a chunk: create, raise the version, duplicate, cut
// (spec master-behaviour 4.5). A chunk has one operation at a time, and it ends with all good copies alike.
import type { ChunkId } from '../../metadata/types.ts'
import * as matocs from '../../protocol/matocs.ts'
import { Status } from '../../protocol/status.ts'
import type { Ledger } from '../ledger.ts'
import type { ChunkServer } from './chunk-server.ts'
import { type Copies, CopyState } from './copies.ts'

/** `make` brings copies into being, `change` raises the version of those that are there. */
type OperationKind = 'make' | 'change'

/** Status of the whole; at once OK when some servers carried it out and all good copies are alike. */
export type OperationEnd = (status: Status) => void

interface Operation {
  kind: OperationKind
  servers: readonly ChunkServer[]
  pending: Set<ChunkServer>
  succeeded: number
  /** Statuses of those that did not carry it out. */
  failures: number[]
  end: OperationEnd
}

export class Operations {
  readonly #ledger: Ledger
  readonly #copies: Copies
  readonly #ended: (row: number) => void
  readonly #running = new Map<number, Operation>()
  /** Rows that another chunk is being copied from. */
  readonly #held = new Set<number>()

  /** @param ended is called when a chunk is free again */
  constructor(ledger: Ledger, copies: Copies, ended: (row: number) => void) {
    this.#ledger = ledger
    this.#copies = copies
    this.#ended = ended
  }

  isBusy(row: number): boolean {
    return this.#running.has(row) || this.#held.has(row)
  }

  /** Nothing may be done with the chunk while another one is copied from it. */
  hold(row: number): void {
    this.#held.add(row)
  }

  release(row: number): void {
    this.#held.delete(row)
    this.#ended(row)
  }

  /** New copies, of the chunk's version, on servers that have none. */
  make(
    row: number,
    servers: readonly ChunkServer[],
    command: (server: ChunkServer) => Buffer,
    end: OperationEnd,
  ): void {
    for (const server of servers) this.#copies.add(row, server, CopyState.BUSY)
    this.#start('make', row, servers, command, end)
  }

  /** Raises the version of the copies on these servers to the chunk's: it was raised by one just now. */
  change(
    row: number,
    servers: readonly ChunkServer[],
    command: (server: ChunkServer) => Buffer,
    end: OperationEnd,
  ): void {
    for (const server of servers) this.#copies.setState(row, this.#copies.find(row, server), CopyState.BUSY)
    this.#start('change', row, servers, command, end)
  }

  /** As change(), with nothing but the version. */
  raiseVersion(row: number, servers: readonly ChunkServer[], end: OperationEnd): void {
    const { chunks } = this.#ledger.state
    const [chunkId, version] = [chunks.id(row), chunks.version.get(row)]
    const command = matocs.setVersion.encode({ chunkId, version, previousVersion: version - 1 })
    this.change(row, servers, () => command, end)
  }

  /** Tells the servers, once the lines that say so are durable. */
  #start(
    kind: OperationKind,
    row: number,
    servers: readonly ChunkServer[],
    command: (server: ChunkServer) => Buffer,
    end: OperationEnd,
  ): void {
    const operation: Operation = { kind, servers, pending: new Set(servers), succeeded: 0, failures: [], end }
    this.#running.set(row, operation)
    this.#ledger.whenCommitted(() => {
      for (const server of servers) if (operation.pending.has(server)) server.send(command(server))
    })
  }

  answered(server: ChunkServer, chunkId: ChunkId, status: number): void {
    const row = this.#ledger.state.chunks.find(chunkId)
    const operation = this.#running.get(row)
    if (!operation?.pending.has(server)) return
    const copy = this.#copies.find(row, server)
    if (status === Status.OK) {
      operation.succeeded++
      if (copy !== 0) this.#copies.setState(row, copy, CopyState.VALID)
    } else {
      operation.failures.push(status)
      if (copy !== 0) this.#failed(row, copy, operation.kind, status)
    }
    this.#advance(row, operation, server)
  }

  /** NOTDONE is a promise that nothing was changed; after any other failure the copy may be in any state. */
  #failed(row: number, copy: number, kind: OperationKind, status: number): void {
    if (status !== Status.NOTDONE) return this.#copies.setState(row, copy, CopyState.INVALID)
    if (kind === 'make') return this.#copies.remove(row, copy)
    const version = this.#ledger.state.chunks.version.get(row) - 1
    this.#copies.setState(row, copy, CopyState.WRONG_VERSION, version)
  }

  /**
   * What the server was asked for will not be answered. What it has done already it has done; but its copy, which has
   * the new version, will miss what is written from now on, so the others must get another one.
   */
  serverLeft(server: ChunkServer): void {
    for (const [row, operation] of [...this.#running]) {
      if (!operation.servers.includes(server)) continue
      operation.failures.push(Status.DISCONNECTED)
      if (operation.pending.has(server)) this.#advance(row, operation, server)
      else operation.succeeded--
    }
  }

  #advance(row: number, operation: Operation, server: ChunkServer): void {
    operation.pending.delete(server)
    if (operation.pending.size > 0) return
    this.#running.delete(row)
    if (operation.succeeded === 0) {
      if (operation.kind === 'change') this.#takeBack(row)
      operation.end(failureOf(operation.failures))
    } else if (operation.failures.length > 0) return this.#raiseAgain(row, operation.end)
    else {
      this.#copies.settle(row)
      operation.end(Status.OK)
    }
    this.#ended(row)
  }

  /**
   * Some copies did not come along, and may be in any state: the good ones get one version more before anybody writes.
   */
  #raiseAgain(row: number, end: OperationEnd): void {
    const good = this.#copies.good(row)
    if (good.length === 0) {
      // All that succeeded have left since.
      end(Status.NOTDONE)
      return this.#ended(row)
    }
    const { chunks } = this.#ledger.state
    const version = chunks.version.get(row) + 1
    const entry = { op: 'SETVERSION', ts: this.#ledger.now(), chunkId: chunks.id(row), version } as const
    this.#ledger.commit(entry, { raisedOn: good.map(({ id }) => id) })
    this.raiseVersion(row, good, end)
  }

  /** No copy has the new version, and some are as they were: then the old version is still the right one. */
  #takeBack(row: number): void {
    const { chunks } = this.#ledger.state
    const version = chunks.version.get(row) - 1
    const isUnchanged = (copy: number) =>
      this.#copies.state(copy) === CopyState.WRONG_VERSION && this.#copies.ownVersion(copy) === version
    if (!this.#copies.present(row).some(isUnchanged)) return
    this.#ledger.commit({ op: 'SETVERSION', ts: this.#ledger.now(), chunkId: chunks.id(row), version })
    this.#copies.adoptVersion(row, version)
  }
}

/** Why no server could do it. */
function failureOf(failures: readonly number[]): Status {
  return failures.length > 0 && failures.every(status => status === Status.NOSPACE) ? Status.NOSPACE : Status.NOTDONE
}
