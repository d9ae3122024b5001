// The list of known chunkservers over time: maintenance, and servers that never come back (spec master-behaviour 6.6).
import { ServerOperation } from '../../metadata/chunks/apply.ts'
import { type KnownServer, Maintenance } from '../../metadata/chunks/known-servers.ts'
import { Status } from '../../protocol/status.ts'
import type { Ledger } from '../ledger.ts'
import type { ChunkServer } from './chunk-server.ts'
import type { ChunkOptions } from './options.ts'
import type { Servers } from './servers.ts'

const DAY_MS = 86_400_000

type Operation = (typeof ServerOperation)[keyof typeof ServerOperation]

export class ServerList {
  readonly #ledger: Ledger
  readonly #servers: Servers
  readonly #options: ChunkOptions
  readonly #changed: () => void

  /** @param changed is called when other copies count than before */
  constructor(ledger: Ledger, servers: Servers, options: ChunkOptions, changed: () => void) {
    this.#ledger = ledger
    this.#servers = servers
    this.#options = options
    this.#changed = changed
  }

  #commit({ ip, port }: KnownServer, operation: Operation, argument = 0): void {
    this.#ledger.commit({ op: 'CSDBOP', ts: this.#ledger.now(), operation, ip, port, argument })
    this.#servers.readAllMaintenance()
    this.#changed()
  }

  #known({ id }: ChunkServer): KnownServer | undefined {
    return this.#ledger.state.knownServers.byId(id)
  }

  /** The server says that it is being stopped: it will soon be back. */
  stopsInOrder(server: ChunkServer): void {
    const known = this.#known(server)
    const seconds = this.#options.temporaryMaintenanceSeconds
    if (!known || known.maintenance === Maintenance.ON || seconds === 0) return
    this.#commit(known, ServerOperation.MAINTENANCE_TEMPORARY, this.#ledger.now() + seconds)
  }

  /** It is back. */
  returned(server: ChunkServer): void {
    const known = this.#known(server)
    if (known?.maintenance === Maintenance.TEMPORARY) this.#commit(known, ServerOperation.MAINTENANCE_OFF)
  }

  // --- orders from a monitor

  #at(ip: number, port: number): KnownServer | undefined {
    return this.#ledger.state.knownServers.at(ip, port)
  }

  setMaintenance(ip: number, port: number, on: boolean): Status {
    const known = this.#at(ip, port)
    if (!known) return Status.NOTFOUND
    const seconds = this.#options.maintenanceSeconds
    if (!on) this.#commit(known, ServerOperation.MAINTENANCE_OFF)
    else this.#commit(known, ServerOperation.MAINTENANCE_ON, seconds > 0 ? this.#ledger.now() + seconds : 0)
    return Status.OK
  }

  /** Forgets a server that is not connected. */
  remove(ip: number, port: number): Status {
    const known = this.#at(ip, port)
    if (!known) return Status.NOTFOUND
    if (this.#servers.byId(known.id)) return Status.ACTIVE
    this.#servers.bury(known.id)
    this.#commit(known, ServerOperation.DELETE)
    return Status.OK
  }

  /** Once a second: ends what has lasted its time. */
  tick(): void {
    const now = this.#ledger.now()
    for (const known of [...this.#ledger.state.knownServers.values()]) {
      const { maintenance, maintenanceUntil } = known
      const isOver = maintenance !== Maintenance.OFF && maintenanceUntil > 0 && maintenanceUntil < now
      if (isOver) this.#commit(known, ServerOperation.MAINTENANCE_OFF)
    }
  }

  /** Forgets servers that have been away for too long; @returns their number */
  removeUnused(): number {
    const { daysToRemoveUnused } = this.#options
    if (daysToRemoveUnused === 0) return 0
    const unused = [...this.#ledger.state.knownServers.values()].filter(
      ({ id }) => !this.#servers.byId(id) && this.#servers.awayMs(id) > daysToRemoveUnused * DAY_MS,
    )
    for (const { ip, port } of unused) this.remove(ip, port)
    return unused.length
  }
}
