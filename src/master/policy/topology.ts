// How far machines are from each other: mfstopology.cfg (spec daemons-and-config 7, master-behaviour 5.5).
import { parseNetwork } from '../../util/ipv4.ts'

interface Place {
  fromIp: number
  toIp: number
  /** Names of switches, from the top to the rack. */
  path: readonly string[]
  rack: number
}

export interface ParsedTopology {
  topology: Topology
  warnings: string[]
}

export class Topology {
  /** The last one that fits counts. */
  readonly #places: readonly Place[]

  constructor(places: readonly Place[]) {
    this.#places = places
  }

  /** Whether every machine stands in the same place. */
  isSame(other: Topology): boolean {
    return JSON.stringify(this.#places) === JSON.stringify(other.#places)
  }

  #placeOf(ip: number): Place | undefined {
    return this.#places.findLast(({ fromIp, toIp }) => fromIp <= ip && ip <= toIp)
  }

  /** Number of the rack: 1 and up; 0 when the file does not name the address. */
  rackOf(ip: number): number {
    return this.#placeOf(ip)?.rack ?? 0
  }

  /** 0 the same address, 1 the same rack (or both in none), more the higher the first switch that both share. */
  distance(a: number, b: number): number {
    if (a === b) return 0
    if (this.#places.length === 0) return 1
    const [one, other] = [this.#placeOf(a), this.#placeOf(b)]
    if ((one?.rack ?? 0) === (other?.rack ?? 0)) return 1
    const [left, right] = [one?.path ?? [], other?.path ?? []]
    let shared = 0
    while (shared < left.length && left[shared] === right[shared]) shared++
    // Of n names that are left n-1 bars are.
    return 2 + Math.max(left.length - shared - 1, right.length - shared - 1, 0)
  }
}

export const FLAT = new Topology([])

/** A bad line is warned about and left out. */
export function parseTopology(text: string, file: string): ParsedTopology {
  const places: Place[] = []
  const racks = new Map<string, number>()
  const warnings: string[] = []
  text.split('\n').forEach((line, i) => {
    const [net, name, ...rest] = line.replace(/#.*/, '').trim().split(/\s+/)
    if (!net) return
    const network = parseNetwork(net)
    if (!network || !name || rest.length > 0) {
      warnings.push(`${file}:${i + 1}: write an address and a path, for example "10.1.0.0/16 room1|rack2": left out`)
      return
    }
    const rack = racks.get(name) ?? racks.size + 1
    racks.set(name, rack)
    places.push({ fromIp: network[0], toIp: network[1], path: name.split('|'), rack })
  })
  return { topology: new Topology(places), warnings }
}
