// Which copy of a chunk to move, so that servers fill alike (spec master-behaviour 6.5).
import { type LabelMasks, matches, wantsLabels } from './labels.ts'
import { matchServers, UniqueMode } from './matching.ts'
import { LimitClass, type RepairChunk, type RepairRules, type RepairServer } from './repair.ts'

export interface Move<S> {
  source: S
  target: S
}

/** A difference this many times the acceptable one gives a chunk the wider limits. */
const FAR = 1.5

/** Whether chunks of the fullest server that may be read from can go to the emptiest that may be written to. */
export function isUneven(
  servers: readonly RepairServer[],
  { readLimits, writeLimits }: RepairRules,
  acceptable: number,
): boolean {
  let [least, most] = [1, 0]
  for (const { isSound, isStrained, usage, incoming, outgoing } of servers) {
    if (!isSound || isStrained) continue
    if (usage < least && incoming < writeLimits[LimitClass.REBALANCE]) least = usage
    if (usage > most && outgoing < readLimits[LimitClass.REBALANCE]) most = usage
  }
  return most - least > acceptable
}

/** Only a chunk that has just what it wants is moved. */
export function isMovable<S>({ wanted, valid, marked, stale, unsteady, awaited }: RepairChunk<S>): boolean {
  const others = marked.length + stale.length + unsteady.length + awaited
  return valid.length > 0 && valid.length === wanted.length && others === 0
}

/** Servers in the order in which planMove() wants them: the emptiest first. */
export function emptiestFirst<S extends RepairServer>(servers: readonly S[]): S[] {
  return [...servers].sort((a, b) => a.usage - b.usage)
}

/** The move that evens out most; `nothing` when none does enough, `wait` when those that do are at their limits. */
export function planMove<S extends RepairServer>(
  chunk: RepairChunk<S>,
  servers: readonly S[],
  rules: RepairRules,
  acceptable: number,
): Move<S> | 'wait' | 'nothing' {
  let best: Move<S> | 'wait' | 'nothing' = 'nothing'
  let bestDifference = acceptable
  const serves = servedBy(chunk, rules)
  for (const source of chunk.valid) {
    if (source.isStrained) continue
    for (const target of servers) {
      const difference = source.usage - target.usage
      if (difference <= bestDifference) break
      if (!isOpen(target, chunk)) continue
      const limit = difference > FAR * acceptable ? LimitClass.REBALANCE : LimitClass.REBALANCE_NEAR
      const isBusy = source.outgoing >= rules.readLimits[limit] || target.incoming >= rules.writeLimits[limit]
      if (isBusy && best !== 'nothing') continue
      if (!isAllowed(chunk, source, target, serves.get(source), rules)) continue
      if (isBusy) {
        best = 'wait'
        continue
      }
      best = { source, target }
      bestDifference = difference
    }
  }
  return best
}

function isOpen<S extends RepairServer>(target: S, { valid }: RepairChunk<S>): boolean {
  return target.isSound && !target.isStrained && !target.isFull && !valid.includes(target)
}

/** Which wanted copy each holder is good for. */
function servedBy<S extends RepairServer>({ wanted, valid }: RepairChunk<S>, rules: RepairRules): Map<S, LabelMasks> {
  const serves = new Map<S, LabelMasks>()
  if (!wantsLabels(wanted)) return serves
  matchServers(wanted, [valid], rules.unique).forEach((server, term) => {
    if (server) serves.set(server, wanted[term] as LabelMasks)
  })
  return serves
}

/** The target is as good for the chunk as the source is. */
function isAllowed<S extends RepairServer>(
  { valid, wanted }: RepairChunk<S>,
  source: S,
  target: S,
  served: LabelMasks | undefined,
  { unique }: RepairRules,
): boolean {
  const others = valid.filter(server => server !== source)
  if (unique === UniqueMode.IP && others.some(({ ip }) => ip === target.ip)) return false
  if (unique === UniqueMode.RACK && target.rack !== 0 && others.some(({ rack }) => rack === target.rack)) return false
  if (!wantsLabels(wanted)) return true
  return served ? matches(target.labels, served) : wanted.some(masks => matches(target.labels, masks))
}
