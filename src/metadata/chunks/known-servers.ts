// Chunkservers that the cluster knows, connected or not (spec metadata 2.14).
import { type Digest, Fact } from '../digest.ts'
import type { Seconds } from '../types.ts'

export const Maintenance = { OFF: 0, ON: 1, TEMPORARY: 2 } as const
export type Maintenance = (typeof Maintenance)[keyof typeof Maintenance]

export interface KnownServer {
  /** IPv4 address as a big-endian number. */
  readonly ip: number
  readonly port: number
  /** Stable number that the master gave it; 0 = none yet. */
  readonly id: number
  readonly maintenance: Maintenance
  /** End of the maintenance; 0 = none. */
  readonly maintenanceUntil: Seconds
}

export class KnownServers {
  readonly #digest: Digest
  readonly #servers = new Map<string, KnownServer>()

  constructor(digest: Digest) {
    this.#digest = digest
  }

  at(ip: number, port: number): KnownServer | undefined {
    return this.#servers.get(key(ip, port))
  }

  byId(id: number): KnownServer | undefined {
    for (const server of this.#servers.values()) if (server.id === id) return server
    return undefined
  }

  add(server: KnownServer): void {
    this.#servers.set(key(server.ip, server.port), server)
    this.#digest.add(Fact.SERVER, server.ip, server.port, server.id, factOf(server))
  }

  delete(ip: number, port: number): void {
    const server = this.at(ip, port)
    if (!server) return
    this.#digest.remove(Fact.SERVER, ip, port, server.id, factOf(server))
    this.#servers.delete(key(ip, port))
  }

  /** Puts what is known of a server in the place of what was. */
  change(server: KnownServer, changes: Partial<KnownServer>): void {
    this.delete(server.ip, server.port)
    this.add({ ...server, ...changes })
  }

  /** The lowest number that no server has. */
  nextId(): number {
    const taken = new Set([...this.#servers.values()].map(server => server.id))
    let id = 1
    while (taken.has(id)) id++
    return id
  }

  get size(): number {
    return this.#servers.size
  }

  values(): IterableIterator<KnownServer> {
    return this.#servers.values()
  }

  /** Adds all facts of the table to a digest that is made from scratch. */
  fold(into: Digest): void {
    for (const server of this.values()) into.add(Fact.SERVER, server.ip, server.port, server.id, factOf(server))
  }
}

const factOf = ({ maintenance, maintenanceUntil }: KnownServer) => `${maintenance} ${maintenanceUntil}`
const key = (ip: number, port: number) => `${ip}:${port}`
