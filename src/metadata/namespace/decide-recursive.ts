// Attributes of whole subtrees: what there is, and what may be changed (spec tools-and-admin A.3).
import { Status } from '../../protocol/status.ts'
import type { Entry } from '../changelog/entry.ts'
import { type Actor, type Decision, Disable, refuse, refusedBySession, SessionFlag } from '../decision.ts'
import type { State } from '../state.ts'
import { Eattr, type Inode, type Seconds } from '../types.ts'
import {
  type Counts,
  changeArchived,
  changeClasses,
  changeEattr,
  changeRetention,
  holdsData,
  MAX_RETENTION_SECONDS,
  RECURSIVE,
  SetMode,
} from './apply-recursive.ts'
import { resolve } from './decide.ts'
import { fileQuotaRefuses } from './decide-files.ts'
import { noStats } from './lists.ts'
import { type Commit, type Part, partsOf, type Sliced } from './parts.ts'
import { edgesOf, statsOf } from './tree.ts'

const KIND = 3
const MODE_MAX = KIND | RECURSIVE
const MAX_GOAL = 9

/** Lower and upper bound that the export rule sets; null when it sets none. */
export interface Limits {
  min: number
  max: number
}

/** Work that was granted, to be done in slices. */
export interface Granted<T> {
  work: Sliced<T>
}

/** Every node of the tree, or the one, parents first; a file as often as it has names there. */
export function* nodesBelow(state: State, inode: Inode, recursive: boolean): Generator<Inode> {
  const stack = [inode]
  for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
    yield at
    if (!recursive || !state.nodes.isDirectory(at)) continue
    for (const edge of edgesOf(state, state.nodes.directoryRow(at))) stack.push(state.edges.child.get(edge))
  }
}

/** Whether a new value lies inside the bounds, as far as the kind of change can leave them. */
function withinLimits(kind: number, value: number, { min, max }: Limits): boolean {
  const tooLow = kind !== SetMode.INCREASE && value < min
  const tooHigh = kind !== SetMode.DECREASE && value > max
  return !tooLow && !tooHigh
}

export type Tally = Map<number, number>

/** How often each value occurs among files (or all that is no directory) and among directories. */
export interface Tallies {
  files: Tally
  directories: Tally
}

/**
 * Counts values below a node.
 * @param measure undefined leaves a node out; the one asked for is then refused
 */
export function tally(
  state: State,
  actor: Actor,
  inode: Inode,
  recursive: boolean,
  measure: (inode: Inode) => number | undefined,
): Decision<Granted<Tallies>> {
  const real = resolve(state, actor, inode)
  if (real === 0) return refuse(Status.ENOENT)
  if (measure(real) === undefined) return refuse(Status.EPERM)
  return { status: Status.OK, entries: [], work: tallyInParts(state, real, recursive, measure) }
}

function* tallyInParts(
  state: State,
  inode: Inode,
  recursive: boolean,
  measure: (inode: Inode) => number | undefined,
): Sliced<Tallies> {
  const tallies: Tallies = { files: new Map(), directories: new Map() }
  for (const part of partsIn(state, inode, recursive)) {
    for (const at of nodesBelow(state, part.inode, part.recursive)) {
      const value = measure(at)
      if (value === undefined) continue
      const kind = state.nodes.isDirectory(at) ? tallies.directories : tallies.files
      kind.set(value, (kind.get(value) ?? 0) + 1)
    }
    yield
  }
  return tallies
}

const partsIn = (state: State, inode: Inode, recursive: boolean): Iterable<Part> =>
  recursive ? partsOf(state, inode) : [{ inode, recursive: false }]

export const tallyClasses = (state: State, actor: Actor, inode: Inode, recursive: boolean) =>
  tally(state, actor, inode, recursive, at => (holdsData(state, at) ? state.nodes.sclassId.get(at) : undefined))

export const tallyRetention = (state: State, actor: Actor, inode: Inode, recursive: boolean) =>
  tally(state, actor, inode, recursive, at =>
    holdsData(state, at) ? state.nodes.trashHours.get(at) * 3600 : undefined,
  )

export const tallyEattr = (state: State, actor: Actor, inode: Inode, recursive: boolean) =>
  tally(
    state,
    actor,
    inode,
    recursive,
    at => state.nodes.eattr.get(at) & (state.nodes.isDirectory(at) ? 0xff : ~Eattr.NOENTRYCACHE),
  )

/** How work in parts is recorded: `resumed` holds what was changed when it was left by a master that is no more. */
export interface Progress {
  commit: Commit
  resumed: number
  /** Nodes and chunks that one line may cover. */
  weight?: number
}

/** What one part of the tree comes to, and the entries that make it so. */
interface PartChange {
  counts: Counts
  /** Left out where nothing is to be changed, unless one line covers all: the original's replay refuses such a node. */
  entries: Entry[]
  /** They do something all the same. */
  areNeeded?: boolean
}

const none = (): Counts => ({ changed: 0, notChanged: 0, notPermitted: 0 })

function addCounts(total: Counts, counts: Counts): void {
  for (const key of Object.keys(total) as (keyof Counts)[]) total[key] += counts[key]
}

/** A change of one node alone that is not permitted is refused. */
function changeOne(inode: Inode, change: (part: Part) => PartChange, { commit }: Progress): Decision<Changed> {
  const { counts, entries } = change({ inode, recursive: false })
  if (counts.changed + counts.notChanged === 0 && counts.notPermitted > 0) return refuse(Status.EPERM)
  for (const entry of entries) commit(entry)
  return { status: Status.OK, entries: [], counts }
}

export interface Changed {
  counts: Counts
}

function* changeTree(
  state: State,
  inode: Inode,
  change: (part: Part) => PartChange,
  { commit, resumed, weight }: Progress,
): Sliced<Decision<Changed>> {
  // What a former master has changed is found as it is wanted, and counts as changed all the same.
  const total = { changed: resumed, notChanged: -resumed, notPermitted: 0 }
  for (const part of partsOf(state, inode, weight)) {
    const { counts, entries, areNeeded } = change(part)
    addCounts(total, counts)
    if (areNeeded || counts.changed > 0 || (part.recursive && part.inode === inode))
      for (const entry of entries) commit(entry)
    yield
  }
  return { status: Status.OK, entries: [], counts: { ...total, notChanged: Math.max(0, total.notChanged) } }
}

function* changeInParts(
  state: State,
  inode: Inode,
  mode: number,
  change: (part: Part) => PartChange,
  progress: Progress,
): Sliced<Decision<Changed>> {
  if (mode & RECURSIVE) return yield* changeTree(state, inode, change, progress)
  return changeOne(inode, change, progress)
}

/** The mode of a line that covers a part. */
const modeOf = (mode: number, { recursive }: Part) => (mode & KIND) | (recursive ? RECURSIVE : 0)

export interface SetClassRequest {
  inode: Inode
  mode: number
  sourceClass: number
  targetClass: number
}

export function decideSetClass(
  state: State,
  actor: Actor,
  request: SetClassRequest,
  goals: Limits,
  now: () => Seconds,
  progress: Progress,
): Decision<Granted<Decision<Changed>>> {
  const { mode, targetClass } = request
  const refused = refusedBySession(actor, Disable.SETSCLASS)
  if (refused) return refused
  const kind = mode & KIND
  const stepwise = kind === SetMode.INCREASE || kind === SetMode.DECREASE
  if (mode > MODE_MAX || (stepwise && targetClass > MAX_GOAL)) return refuse(Status.EINVAL)
  if (targetClass <= MAX_GOAL && !withinLimits(kind, targetClass, goals)) return refuse(Status.EPERM)
  const inode = resolve(state, actor, request.inode)
  if (inode === 0) return refuse(Status.ENOENT)
  if (!holdsData(state, inode)) return refuse(Status.EPERM)
  return { status: Status.OK, entries: [], work: setClasses(state, actor, { ...request, inode }, now, progress) }
}

function* setClasses(
  state: State,
  actor: Actor,
  request: SetClassRequest,
  now: () => Seconds,
  progress: Progress,
): Sliced<Decision<Changed>> {
  const { inode, mode, sourceClass, targetClass } = request
  const kind = mode & KIND
  if ((kind === SetMode.SET || kind === SetMode.INCREASE) && state.quotas.size > 0) {
    const added = yield* addedRealsize(state, inode, (mode & RECURSIVE) !== 0, targetClass, kind)
    if (added > 0 && fileQuotaRefuses(state, inode, { ...noStats(), realsize: added })) return refuse(Status.QUOTA)
  }
  const change = (part: Part): PartChange => {
    // Nothing held the class while others were served.
    if (!state.storageClasses.get(targetClass)) return { counts: none(), entries: [] }
    const wanted = { inode: part.inode, uid: actor.uid, sourceClass, targetClass, mode: modeOf(mode, part) }
    if (!(actor.sessionFlags & SessionFlag.ADMIN)) return withoutAdminClasses(state, wanted, now())
    const counts = changeClasses(state, wanted, undefined)
    return { counts, entries: [{ op: 'SETSCLASS', ts: now(), ...wanted, ...counts }] }
  }
  return yield* changeInParts(state, inode, mode, change, progress)
}

/** What files would need more on disk with another class. */
function* addedRealsize(
  state: State,
  inode: Inode,
  recursive: boolean,
  targetClass: number,
  kind: number,
): Sliced<number> {
  const { nodes, storageClasses } = state
  const copies = storageClasses.copiesWanted(targetClass)
  let added = 0
  for (const part of partsIn(state, inode, recursive)) {
    for (const at of nodesBelow(state, part.inode, part.recursive)) {
      if (!nodes.isFile(at) || (kind === SetMode.INCREASE && nodes.sclassId.get(at) >= targetClass)) continue
      const { size, realsize } = statsOf(state, at)
      added += Math.max(0, size * copies - realsize)
    }
    yield
  }
  return added
}

/**
 * A session without the admin flag may neither give nor take classes that are for administrators. The log has no word
 * for that, so that what is permitted is logged node by node when such a class is in the way.
 */
function withoutAdminClasses(
  state: State,
  change: { inode: Inode; uid: number; sourceClass: number; targetClass: number; mode: number },
  ts: Seconds,
): PartChange {
  const { nodes, storageClasses } = state
  const reserved = (id: number) => storageClasses.get(id)?.adminOnly ?? false
  const recursive = (change.mode & RECURSIVE) !== 0
  const all = [...nodesBelow(state, change.inode, recursive)].filter(at => holdsData(state, at))
  const inTheWay = reserved(change.targetClass) || all.some(at => reserved(nodes.sclassId.get(at)))
  if (!inTheWay) {
    const counts = changeClasses(state, change, undefined)
    return { counts, entries: [{ op: 'SETSCLASS', ts, ...change, ...counts }] }
  }
  const total = none()
  const entries: Entry[] = []
  for (const inode of new Set(all)) {
    const single = { ...change, inode, mode: change.mode & KIND }
    const counts = changeClasses(state, single, undefined)
    if (reserved(change.targetClass) || reserved(nodes.sclassId.get(inode))) total.notPermitted++
    else {
      addCounts(total, counts)
      if (counts.changed > 0) entries.push({ op: 'SETSCLASS', ts, ...single, ...counts })
    }
  }
  return { counts: total, entries }
}

export function decideSetRetention(
  state: State,
  actor: Actor,
  request: { inode: Inode; seconds: number; mode: number },
  limits: Limits,
  now: () => Seconds,
  progress: Progress,
): Decision<Granted<Decision<Changed>>> {
  const { mode } = request
  // The longest there is, not what the original makes of more: nothing, or some days.
  const seconds = Math.min(request.seconds, MAX_RETENTION_SECONDS)
  const refused = refusedBySession(actor, Disable.SETTRASH)
  if (refused) return refused
  if (mode > MODE_MAX || (mode & KIND) === SetMode.EXCHANGE) return refuse(Status.EINVAL)
  if (!withinLimits(mode & KIND, request.seconds, limits)) return refuse(Status.EPERM)
  const inode = resolve(state, actor, request.inode)
  if (inode === 0) return refuse(Status.ENOENT)
  if (!holdsData(state, inode)) return refuse(Status.EPERM)
  const change = (part: Part): PartChange => {
    const wanted = { inode: part.inode, uid: actor.uid, seconds, mode: modeOf(mode, part) }
    const counts = changeRetention(state, wanted, undefined)
    return { counts, entries: [{ op: 'SETTRASHTIME', ts: now(), ...wanted, ...counts }] }
  }
  return { status: Status.OK, entries: [], work: changeInParts(state, inode, mode, change, progress) }
}

const ADMIN_EATTR = Eattr.UNDELETABLE | Eattr.APPENDONLY | Eattr.IMMUTABLE

export function decideSetEattr(
  state: State,
  actor: Actor,
  request: { inode: Inode; eattr: number; mode: number },
  now: () => Seconds,
  progress: Progress,
): Decision<Granted<Decision<Changed>>> {
  const { eattr, mode } = request
  const refused = refusedBySession(actor, Disable.SETEATTR)
  if (refused) return refused
  if (mode > MODE_MAX || (mode & KIND) === SetMode.EXCHANGE) return refuse(Status.EINVAL)
  if (eattr & ADMIN_EATTR && !(actor.sessionFlags & SessionFlag.ADMIN)) return refuse(Status.EPERM)
  const inode = resolve(state, actor, request.inode)
  if (inode === 0) return refuse(Status.ENOENT)
  const change = (part: Part): PartChange => {
    const wanted = { inode: part.inode, uid: actor.uid, eattr, mode: modeOf(mode, part) }
    const counts = changeEattr(state, wanted, undefined)
    return { counts, entries: [{ op: 'SETEATTR', ts: now(), ...wanted, ...counts }] }
  }
  return { status: Status.OK, entries: [], work: changeInParts(state, inode, mode, change, progress) }
}

export interface ArchiveTally {
  archivedChunks: number
  otherChunks: number
  archivedFiles: number
  partialFiles: number
  otherFiles: number
}

/** How far the files below a node are archived; files without chunks are in none of the counts. */
export function tallyArchive(state: State, actor: Actor, inode: Inode): Decision<Granted<ArchiveTally>> {
  const real = resolve(state, actor, inode)
  if (real === 0) return refuse(Status.ENOENT)
  if (!holdsData(state, real)) return refuse(Status.EPERM)
  return { status: Status.OK, entries: [], work: tallyArchived(state, real) }
}

function* tallyArchived(state: State, inode: Inode): Sliced<ArchiveTally> {
  const counts = { archivedChunks: 0, otherChunks: 0, archivedFiles: 0, partialFiles: 0, otherFiles: 0 }
  for (const part of partsOf(state, inode)) {
    for (const at of nodesBelow(state, part.inode, part.recursive)) {
      if (!state.nodes.isFile(at)) continue
      const [archived, other] = archivedChunks(state, at)
      counts.archivedChunks += archived
      counts.otherChunks += other
      if (archived > 0 && other > 0) counts.partialFiles++
      else if (archived > 0) counts.archivedFiles++
      else if (other > 0) counts.otherFiles++
    }
    yield
  }
  return counts
}

function archivedChunks({ nodes, chunks }: State, inode: Inode): [archived: number, other: number] {
  let [archived, other] = [0, 0]
  nodes.eachChunk(inode, row => {
    if (chunks.isArchived(row)) archived++
    else other++
  })
  return [archived, other]
}

/** @param command 1 marks as archived, 0 takes the mark away */
export function decideArchive(
  state: State,
  actor: Actor,
  request: { inode: Inode; command: number },
  now: () => Seconds,
  progress: Progress,
): Decision<Granted<Decision<Changed>>> {
  const refused = refusedBySession(actor, Disable.SETEATTR)
  if (refused) return refused
  const inode = resolve(state, actor, request.inode)
  if (inode === 0) return refuse(Status.ENOENT)
  if (!holdsData(state, inode)) return refuse(Status.EPERM)
  // The line covers all that lies below in any case, so directories that are divided have none of their own.
  const change = (part: Part): PartChange => {
    if (state.nodes.isDirectory(part.inode) && !part.recursive) return { counts: none(), entries: [] }
    const wanted = { inode: part.inode, uid: actor.uid, command: request.command }
    const counts = changeArchived(state, wanted, undefined)
    // Taking marks away touches every file.
    const areNeeded = request.command === 0
    return { counts, entries: [{ op: 'ARCHCHG', ts: now(), ...wanted, ...counts }], areNeeded }
  }
  return { status: Status.OK, entries: [], work: changeTree(state, inode, change, progress) }
}
