// Which servers get the copies of a new chunk (spec master-behaviour 5.2).
//
// Servers take turns: each is owed a part of every copy in proportion to its free space, and those that are owed most
// come first. So they fill in step whatever the draw of lots is; the lot only keeps the order from being the same.
import { type LabelMasks, LabelsMode, matches, wantsLabels } from './labels.ts'
import { type Labelled, matchServers, UniqueMode } from './matching.ts'
import type { Draw } from './repair.ts'

export interface PlacementServer extends Labelled {
  /** Bytes that may still be used. */
  available: number
  isSound: boolean
  isStrained: boolean
  /** It said that it can't keep up: nothing new for it. */
  isOverloaded: boolean
  /** Chunks that are being written on it, and copies on their way to it. */
  writing: number
  incoming: number
  /** Copies that it is owed. placeCopies() changes it: it is the memory of the turns. */
  credit: number
}

export interface PlacementRules {
  wanted: readonly LabelMasks[]
  mode: LabelsMode
  unique: UniqueMode
  /** Servers that come first: those near the client. */
  isPreferred?: (server: Labelled) => boolean
}

/** `overloaded`: later there will be enough servers. `none`: there are none. */
export type Placed<S> = { servers: S[] } | { refused: 'overloaded' | 'none' }

const CHUNK_BYTES = 1 << 26
/** Each chunk that is being written may still grow to its full size, and more are being begun. */
const RESERVED_PER_WRITE = 10
/** When more than one in so many servers is strained they are used like the others. */
const STRAINED_ONE_IN = 5
/** How far chance may change the order: less than a copy. */
const CHANCE = 0.5
/** A server that could not be used for a while does not get everything afterwards. */
const MAX_CREDIT = 2
/** Chunks being written at once, per share, that put a server behind others. */
const BUSY_ALLOWANCE = 4

/** Picks distinct servers. Fewer than wanted come back when fewer have room. */
export function placeCopies<S extends PlacementServer>(
  servers: readonly S[],
  rules: PlacementRules,
  draw: Draw,
): Placed<S> {
  const { wanted, mode } = rules
  const roomy = servers.filter(server => server.isSound && hasRoom(server))
  const overloaded = roomy.filter(({ isOverloaded }) => isOverloaded)
  const candidates = withoutStrained(roomy.filter(({ isOverloaded }) => !isOverloaded))
  const few = candidates.length < wanted.length
  if (few && candidates.length + overloaded.length >= wanted.length) return { refused: 'overloaded' }
  const order = inTurn(candidates, wanted, rules, draw)
  const chosen =
    rules.unique !== UniqueMode.NONE || wantsLabels(wanted)
      ? chooseLabelled(order, rules, overloaded.length)
      : { servers: order.slice(0, wanted.length) }
  if (!('servers' in chosen)) return chosen
  for (const server of chosen.servers) server.credit -= 1
  const least = mode === LabelsMode.STRICT ? Math.min(2, wanted.length) : 1
  return chosen.servers.length >= least ? chosen : { refused: 'none' }
}

function hasRoom({ available, writing }: PlacementServer): boolean {
  return available > CHUNK_BYTES * (1 + RESERVED_PER_WRITE * writing)
}

function withoutStrained<S extends PlacementServer>(candidates: S[]): S[] {
  const calm = candidates.filter(({ isStrained }) => !isStrained)
  const strained = candidates.length - calm.length
  return strained * STRAINED_ONE_IN > candidates.length ? candidates : calm
}

/** The candidates, those that are owed most first. What this chunk brings is shared out among those that it may go to. */
function inTurn<S extends PlacementServer>(
  candidates: readonly S[],
  wanted: readonly LabelMasks[],
  { isPreferred }: PlacementRules,
  draw: Draw,
): S[] {
  for (const masks of wanted) {
    const fitting = candidates.filter(({ labels }) => matches(labels, masks))
    const space = fitting.reduce((sum, { available }) => sum + available, 0)
    for (const server of fitting) server.credit = Math.min(MAX_CREDIT, server.credit + server.available / space)
  }
  const space = candidates.reduce((sum, { available }) => sum + available, 0)
  const work = candidates.reduce((sum, { writing, incoming }) => sum + writing + incoming, 0)
  const isBusy = ({ writing, incoming, available }: S) =>
    writing + incoming > BUSY_ALLOWANCE + (2 * work * available) / space
  return candidates
    .map(server => ({
      server,
      rank: (isPreferred?.(server) ? 0 : 2) + (isBusy(server) ? 1 : 0),
      owed: server.credit + CHANCE * draw(),
    }))
    .sort((a, b) => a.rank - b.rank || b.owed - a.owed)
    .map(({ server }) => server)
}

function chooseLabelled<S extends PlacementServer>(
  order: readonly S[],
  { wanted, mode, unique }: PlacementRules,
  overloaded: number,
): Placed<S> {
  const matched = matchServers(wanted, [order], unique).filter(server => server !== undefined)
  const missing = wanted.length - matched.length
  if (missing === 0) return { servers: matched }
  // A server of the right labels may only be overloaded for a moment.
  if (mode !== LabelsMode.LOOSE && overloaded >= missing) return { refused: 'overloaded' }
  if (mode === LabelsMode.STRICT) return { servers: matched }
  const others = order.filter(server => !matched.includes(server))
  return { servers: [...matched, ...others.slice(0, missing)] }
}
