// What a chunk needs next. Pure: reads the chunk and the servers, draws lots, decides (spec master-behaviour 6.2 to 6.4).
import { type LabelMasks, LabelsMode, matches, wantsLabels } from './labels.ts'
import { type Labelled, matchServers, UniqueMode } from './matching.ts'

/** A number 0 <= n < 1. */
export type Draw = () => number

/** What a replication counts as; each class has a limit of its own. */
export const LimitClass = { ENDANGERED: 0, UNDERGOAL: 1, REBALANCE_NEAR: 2, REBALANCE: 3 } as const
export type LimitClass = (typeof LimitClass)[keyof typeof LimitClass]

/** A limit for each class. */
export type ReplicationLimits = readonly [number, number, number, number]

export interface RepairServer extends Labelled {
  available: number
  /** Used share of its space, 0..1. */
  usage: number
  isSound: boolean
  isFull: boolean
  isStrained: boolean
  /** Replications to and from it, and deletions on it, that are under way. */
  incoming: number
  outgoing: number
  deletions: number
}

export interface RepairChunk<S> {
  /** What its class wants: one entry a copy. Empty when no file holds the chunk. */
  wanted: readonly LabelMasks[]
  mode: LabelsMode
  valid: readonly S[]
  /** Valid copies on disks marked for removal: they serve, but do not count. */
  marked: readonly S[]
  /** Invalid or of a wrong version. */
  stale: readonly S[]
  /** Being deleted, busy or on their way. */
  unsteady: readonly S[]
  /** Copies that are away and expected back, and those of them that have been away for a moment only. */
  awaited: number
  awaitedSoon: number
}

export interface RepairRules {
  writeLimits: ReplicationLimits
  readLimits: ReplicationLimits
  /** Deletions on one server at a time. */
  deletionLimit: number
  unique: UniqueMode
  /** REPLICATIONS_RESPECT_TOPOLOGY: 1 nearest source, 2 also a target in the rack of a copy. */
  topology: 0 | 1 | 2
  /** How far two servers are from each other. */
  distance: (a: Labelled, b: Labelled) => number
}

export const Priority = {
  /** One copy left of three or more, of two. */
  ENDANGERED_HIGH: 0,
  ENDANGERED: 1,
  UNDERGOAL_MARKED: 2,
  MARKED: 3,
  UNDERGOAL: 4,
  WRONG_LABELS: 5,
  OVERGOAL: 6,
  /** Copies that are of no use, and chunks that no file holds. */
  USELESS: 7,
} as const
export type Priority = (typeof Priority)[keyof typeof Priority]
export const PRIORITIES = 8

export type Purpose = 'undergoal' | 'labels'
export type Reason = 'stale' | 'unused' | 'marked' | 'overgoal'

export type Work<S> =
  /** As it should be, or nothing that can be done would make it better. */
  | { do: 'nothing' }
  /** Servers that could help are at their limits: again when one is free. */
  | { do: 'wait'; of: Purpose | Reason }
  /** No server can help as they are now: again when servers change. */
  | { do: 'stuck' }
  | { do: 'delete'; servers: S[]; reason: Reason }
  | { do: 'replicate'; source: S; target: S; limit: LimitClass; purpose: Purpose }

/** The queue for a chunk that may need work; undefined when it surely needs none. Cheap: no labels are compared. */
export function priorityOf<S>(chunk: RepairChunk<S>, unique: UniqueMode): Priority | undefined {
  const { wanted, valid, marked, stale } = chunk
  const goal = wanted.length
  const count = valid.length + marked.length
  if (goal === 0) return Priority.USELESS
  // Perhaps its copies have the right version after all.
  if (count === 0) return stale.length > 0 ? Priority.ENDANGERED_HIGH : undefined
  if (valid.length < goal) {
    if (count === 1 && goal > 1) return goal > 2 ? Priority.ENDANGERED_HIGH : Priority.ENDANGERED
    if (marked.length > 0) return valid.length === 1 ? Priority.UNDERGOAL_MARKED : Priority.MARKED
    return Priority.UNDERGOAL
  }
  if (stale.length > 0) return Priority.USELESS
  if (valid.length > goal) return Priority.OVERGOAL
  return unique !== UniqueMode.NONE || wantsLabels(wanted) ? Priority.WRONG_LABELS : undefined
}

/** Whether any server could do something for a chunk of that priority: if not, no chunk needs to be looked at. */
export function isAnyFree(servers: readonly RepairServer[], priority: Priority, rules: RepairRules): boolean {
  if (priority >= Priority.OVERGOAL) return servers.some(({ deletions }) => deletions < rules.deletionLimit)
  const limit = rules.writeLimits[limitOf(priority)]
  return servers.some(({ incoming }) => incoming < limit)
}

const limitOf = (priority: Priority) => (priority <= Priority.ENDANGERED ? LimitClass.ENDANGERED : LimitClass.UNDERGOAL)

/** One step for a chunk. Every step leaves it with at least as many good copies as it wants, or as it had. */
export function planRepair<S extends RepairServer>(
  chunk: RepairChunk<S>,
  servers: readonly S[],
  rules: RepairRules,
  draw: Draw,
): Work<S> {
  const { wanted, valid, marked, stale } = chunk
  if (wanted.length === 0) return deleteSome([...valid, ...marked, ...stale], 'unused', rules)
  if (valid.length + marked.length === 0) return { do: 'nothing' }
  if (valid.length >= wanted.length && stale.length > 0) return deleteSome(stale, 'stale', rules)
  if (valid.length > wanted.length) return dropSurplus(chunk, rules)
  if (valid.length < wanted.length && isWorthWaiting(chunk)) return { do: 'stuck' }
  const work = addCopy(chunk, servers, rules, draw)
  return work.do === 'stuck' && valid.length < wanted.length ? makeRoom(chunk, servers, rules) : work
}

/** Copies that are expected back need no replacement; but with the last copy nobody waits for long. */
function isWorthWaiting<S>({ wanted, valid, marked, awaited, awaitedSoon }: RepairChunk<S>): boolean {
  const count = valid.length + marked.length > 1 ? awaited : awaitedSoon
  return valid.length + count >= wanted.length
}

function deleteSome<S extends RepairServer>(
  servers: readonly S[],
  reason: Reason,
  { deletionLimit }: RepairRules,
): Work<S> {
  if (servers.length === 0) return { do: 'nothing' }
  const free = servers.filter(({ deletions }) => deletions < deletionLimit)
  return free.length > 0 ? { do: 'delete', servers: free, reason } : { do: 'wait', of: reason }
}

/** Deletes copies that no wanted copy needs, from the fullest servers first, and none on strained servers. */
function dropSurplus<S extends RepairServer>(chunk: RepairChunk<S>, rules: RepairRules): Work<S> {
  const { wanted, valid } = chunk
  const emptiestFirst = [...valid].sort((a, b) => a.usage - b.usage)
  const [strained, calm] = [emptiestFirst.filter(s => s.isStrained), emptiestFirst.filter(s => !s.isStrained)]
  const labelled = rules.unique !== UniqueMode.NONE || wantsLabels(wanted)
  const needed = new Set<S | undefined>(labelled ? matchServers(wanted, [strained, calm], rules.unique) : [])
  const spare = calm.filter(server => !needed.has(server)).reverse()
  const surplus = spare.slice(0, valid.length - wanted.length)
  return surplus.length > 0 ? deleteSome(surplus, 'overgoal', rules) : { do: 'stuck' }
}

/**
 * Every server that could take a copy has a bad one already, or one on a disk to be removed: that goes first. Another
 * good copy stays in any case.
 */
function makeRoom<S extends RepairServer>(chunk: RepairChunk<S>, servers: readonly S[], rules: RepairRules): Work<S> {
  const { wanted, valid, marked, stale } = chunk
  const usable = (server: S) => server.isSound && !server.isFull && servers.includes(server)
  const wants = (server: S) => chunk.mode !== LabelsMode.STRICT || wanted.some(masks => matches(server.labels, masks))
  const bad = stale.find(server => usable(server) && wants(server))
  if (bad) return deleteSome([bad], 'stale', rules)
  const removable = marked.find(server => usable(server) && wants(server))
  if (removable && valid.length + marked.length > 1) return deleteSome([removable], 'marked', rules)
  return { do: 'stuck' }
}

/** How well a server can take a copy just now; the lower the better. */
const Fitness = { NEAR: 0, CALM: 1, STRAINED: 2, BUSY: 3, UNABLE: 4 } as const
type Fitness = (typeof Fitness)[keyof typeof Fitness]

function fitnessOf<S extends RepairServer>(
  server: S,
  { valid, marked, stale, unsteady }: RepairChunk<S>,
  rules: RepairRules,
  limit: LimitClass,
): Fitness {
  if (!server.isSound || server.isFull) return Fitness.UNABLE
  for (const holders of [valid, marked, stale, unsteady]) if (holders.includes(server)) return Fitness.UNABLE
  if (server.incoming >= rules.writeLimits[limit]) return Fitness.BUSY
  // Only the last copy of a chunk goes to a server that is not at ease.
  if (server.isStrained) return limit === LimitClass.ENDANGERED ? Fitness.STRAINED : Fitness.BUSY
  const isNear = rules.topology === 2 && valid.some(holder => rules.distance(holder, server) === 1)
  return isNear ? Fitness.NEAR : Fitness.CALM
}

/** A lot that is the lower the more space is free: the lowest of many wins in proportion to its space. */
const lot = ({ available }: RepairServer, draw: Draw) => -Math.log(1 - draw()) / available

/** The fittest server; among equals by lot. */
function chooseAny<S extends RepairServer>(
  chunk: RepairChunk<S>,
  servers: readonly S[],
  rules: RepairRules,
  limit: LimitClass,
  draw: Draw,
): S | 'wait' | 'none' {
  let best: S | undefined
  let bestLot = 0
  let bestFitness: Fitness = Fitness.UNABLE
  for (const server of servers) {
    const fitness = fitnessOf(server, chunk, rules, limit)
    if (fitness > bestFitness || fitness === Fitness.UNABLE) continue
    const drawn = lot(server, draw)
    if (fitness === bestFitness && drawn >= bestLot) continue
    best = server
    bestLot = drawn
    bestFitness = fitness
  }
  if (!best) return 'none'
  return bestFitness === Fitness.BUSY ? 'wait' : best
}

interface Targets<S> {
  /** The fittest first, equals in an order of chance. */
  ready: S[]
  /** They could, if they had less to do. */
  busy: S[]
}

function targetsFor<S extends RepairServer>(
  chunk: RepairChunk<S>,
  servers: readonly S[],
  rules: RepairRules,
  limit: LimitClass,
  draw: Draw,
): Targets<S> {
  const ranked = servers
    .map(server => ({ server, fitness: fitnessOf(server, chunk, rules, limit), lot: lot(server, draw) }))
    .filter(({ fitness }) => fitness !== Fitness.UNABLE)
    .sort((a, b) => a.fitness - b.fitness || a.lot - b.lot)
  return {
    ready: ranked.filter(({ fitness }) => fitness < Fitness.BUSY).map(({ server }) => server),
    busy: ranked.filter(({ fitness }) => fitness === Fitness.BUSY).map(({ server }) => server),
  }
}

function addCopy<S extends RepairServer>(
  chunk: RepairChunk<S>,
  servers: readonly S[],
  rules: RepairRules,
  draw: Draw,
): Work<S> {
  const { wanted, valid, marked } = chunk
  const missing = valid.length < wanted.length
  const labelled = rules.unique !== UniqueMode.NONE || wantsLabels(wanted)
  if (!missing && !labelled) return { do: 'nothing' }
  const endangered = valid.length + marked.length === 1 && wanted.length > 1
  const limit = endangered ? LimitClass.ENDANGERED : LimitClass.UNDERGOAL
  const choice = labelled
    ? chooseLabelled(chunk, targetsFor(chunk, servers, rules, limit, draw), rules)
    : chooseAny(chunk, servers, rules, limit, draw)
  const purpose = missing ? 'undergoal' : 'labels'
  if (typeof choice === 'string') {
    if (choice === 'wait') return { do: 'wait', of: purpose }
    return choice === 'none' ? { do: 'stuck' } : { do: 'nothing' }
  }
  const source = chooseSource(chunk, choice, rules, limit, draw)
  return source ? { do: 'replicate', source, target: choice, limit, purpose } : { do: 'wait', of: purpose }
}

/**
 * The server for a wanted copy that no present one is good for. Without any server of the right labels, standard and
 * loose mode take another one, but only while copies are missing: it would make no chunk of enough copies any better.
 */
function chooseLabelled<S extends RepairServer>(
  chunk: RepairChunk<S>,
  { ready, busy }: Targets<S>,
  { unique }: RepairRules,
): S | 'wait' | 'none' | 'done' {
  const { wanted, valid, mode } = chunk
  const missing = valid.length < wanted.length
  const matched = matchServers(wanted, [valid, ready, busy], unique)
  const holders = new Set<S | undefined>(valid)
  const isReady = new Set(ready)
  const open = matched.filter(server => !holders.has(server))
  if (open.length === 0) return 'done'
  const target = open.find(server => server !== undefined && isReady.has(server))
  if (target) return target
  const spare = ready.find(server => !matched.includes(server))
  const waits = open.some(server => server !== undefined)
  if (missing && mode === LabelsMode.LOOSE && spare) return spare
  if (waits && mode !== LabelsMode.STRICT) return 'wait'
  if (missing && mode === LabelsMode.STANDARD && spare) return spare
  if (missing && mode === LabelsMode.STRICT) {
    return chooseSecond(chunk, ready) ?? (waits || chooseSecond(chunk, busy) ? 'wait' : 'none')
  }
  if (waits) return 'wait'
  return missing && mode !== LabelsMode.STRICT && busy.length > 0 ? 'wait' : 'none'
}

/** A strict class may not leave its labels, but no chunk that wants more copies shall have a single one. */
function chooseSecond<S extends RepairServer>({ wanted, valid, marked }: RepairChunk<S>, from: S[]): S | undefined {
  if (valid.length + marked.length > 1) return undefined
  return from.find(server => wanted.some(masks => matches(server.labels, masks)))
}

/** A holder that may be read from, nearest to the target if topology counts; those on disks that go come last. */
function chooseSource<S extends RepairServer>(
  { valid, marked }: RepairChunk<S>,
  target: S,
  rules: RepairRules,
  limit: LimitClass,
  draw: Draw,
): S | undefined {
  for (const holders of [valid, marked]) {
    const free = holders.filter(({ outgoing }) => outgoing < rules.readLimits[limit])
    const nearest = Math.min(...free.map(server => rules.distance(server, target)))
    const best = rules.topology === 0 ? free : free.filter(server => rules.distance(server, target) === nearest)
    if (best.length > 0) return best[Math.floor(draw() * best.length)]
  }
  return undefined
}
