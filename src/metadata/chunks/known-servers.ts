// Chunkservers that the cluster knows, connected or not (spec metadata 2.14).
import type { Seconds } from '../types.ts'

export const Maintenance = { OFF: 0, ON: 1, TEMPORARY: 2 } as const
export type Maintenance = (typeof Maintenance)[keyof typeof Maintenance]

export interface KnownServer {
  /** IPv4 address as a big-endian number. */
  ip: number
  port: number
  /** Stable number that the master gave it; 0 = none yet. */
  id: number
  maintenance: Maintenance
  /** End of the maintenance; 0 = none. */
  maintenanceUntil: Seconds
}

export class KnownServers {
  readonly #servers = new Map<string, KnownServer>()

  at(ip: number, port: number): KnownServer | undefined {
    return this.#servers.get(key(ip, port))
  }

  byId(id: number): KnownServer | undefined {
    for (const server of this.#servers.values()) if (server.id === id) return server
    return undefined
  }

  add(server: KnownServer): void {
    this.#servers.set(key(server.ip, server.port), server)
  }

  delete(ip: number, port: number): void {
    this.#servers.delete(key(ip, port))
  }

  move(server: KnownServer, ip: number, port: number): void {
    this.delete(server.ip, server.port)
    server.ip = ip
    server.port = port
    this.add(server)
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
}

const key = (ip: number, port: number) => `${ip}:${port}`
