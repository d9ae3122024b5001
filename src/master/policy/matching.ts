// Which server serves which of the wanted copies: a maximum matching (spec master-behaviour 5.2).
import { type LabelMasks, matches } from './labels.ts'

/** CHUNKS_UNIQUE_MODE. */
export const UniqueMode = { NONE: 0, IP: 1, RACK: 2 } as const
export type UniqueMode = (typeof UniqueMode)[keyof typeof UniqueMode]

export interface Labelled {
  labels: number
  ip: number
  /** 0: in no rack. */
  rack: number
}

/**
 * The group of which only one server may hold a copy: by address or by rack, else the server itself. Servers of no rack
 * are each for themselves.
 */
function groupOf<S extends Labelled>(server: S, unique: UniqueMode): S | number {
  if (unique === UniqueMode.IP) return server.ip
  return unique === UniqueMode.RACK && server.rack !== 0 ? server.rack : server
}

/**
 * Gives each wanted copy a server that matches it, as many as possible, no two of one group.
 *
 * @param tiers servers by preference: as many as possible are taken of the first tier, then of the second …; inside a
 * tier the first ones are preferred
 * @returns for each wanted copy its server, or undefined
 */
export function matchServers<S extends Labelled>(
  wanted: readonly LabelMasks[],
  tiers: readonly (readonly S[])[],
  unique: UniqueMode,
): (S | undefined)[] {
  const serverOf: (S | undefined)[] = wanted.map(() => undefined)
  const termOf = new Map<S | number, number>()
  const offered: S[] = []
  /** Finds a server for the term, moving other terms to other servers where that helps. */
  const augment = (term: number, seen: Set<S | number>): boolean => {
    for (const server of offered) {
      const group = groupOf(server, unique)
      if (seen.has(group) || !matches(server.labels, wanted[term] as LabelMasks)) continue
      seen.add(group)
      const other = termOf.get(group)
      if (other !== undefined && !augment(other, seen)) continue
      serverOf[term] = server
      termOf.set(group, term)
      return true
    }
    return false
  }
  // A group that is taken stays taken, so no later tier pushes out an earlier one.
  for (const tier of tiers) {
    offered.push(...tier)
    for (const term of wanted.keys()) if (serverOf[term] === undefined) augment(term, new Set())
  }
  return serverOf
}
