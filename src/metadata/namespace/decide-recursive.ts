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
  RECURSIVE,
  SetMode,
} from './apply-recursive.ts'
import { resolve } from './decide.ts'
import { fileQuotaRefuses } from './decide-files.ts'
import { noStats } from './lists.ts'
import { edgesOf, statsOf } from './tree.ts'

const KIND = 3
const MODE_MAX = KIND | RECURSIVE
const MAX_GOAL = 9

/** Lower and upper bound that the export rule sets; null when it sets none. */
export interface Limits {
  min: number
  max: number
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
): Decision<{ tallies: Tallies }> {
  const real = resolve(state, actor, inode)
  if (real === 0) return refuse(Status.ENOENT)
  if (measure(real) === undefined) return refuse(Status.EPERM)
  const tallies: Tallies = { files: new Map(), directories: new Map() }
  for (const at of nodesBelow(state, real, recursive)) {
    const value = measure(at)
    if (value === undefined) continue
    const kind = state.nodes.isDirectory(at) ? tallies.directories : tallies.files
    kind.set(value, (kind.get(value) ?? 0) + 1)
  }
  return { status: Status.OK, entries: [], tallies }
}

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

/** The outcome of a change of one node that was not permitted is a refusal. */
function counted(mode: number, counts: Counts, entry: Entry): Decision<{ counts: Counts }> {
  const { changed, notChanged, notPermitted } = counts
  if (!(mode & RECURSIVE) && changed + notChanged === 0 && notPermitted > 0) return refuse(Status.EPERM)
  return { status: Status.OK, entries: [entry], counts }
}

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
  ts: Seconds,
): Decision<{ counts: Counts }> {
  const { mode, sourceClass, targetClass } = request
  const refused = refusedBySession(actor, Disable.SETSCLASS)
  if (refused) return refused
  const kind = mode & KIND
  const stepwise = kind === SetMode.INCREASE || kind === SetMode.DECREASE
  if (mode > MODE_MAX || (stepwise && targetClass > MAX_GOAL)) return refuse(Status.EINVAL)
  if (targetClass <= MAX_GOAL && !withinLimits(kind, targetClass, goals)) return refuse(Status.EPERM)
  const inode = resolve(state, actor, request.inode)
  if (inode === 0) return refuse(Status.ENOENT)
  if (!holdsData(state, inode)) return refuse(Status.EPERM)
  if (kind === SetMode.SET || kind === SetMode.INCREASE) {
    const added = addedRealsize(state, inode, (mode & RECURSIVE) !== 0, targetClass, kind)
    if (added > 0 && fileQuotaRefuses(state, inode, { ...noStats(), realsize: added })) return refuse(Status.QUOTA)
  }
  const change = { inode, uid: actor.uid, sourceClass, targetClass, mode }
  if (actor.sessionFlags & SessionFlag.ADMIN) {
    const counts = changeClasses(state, change, undefined)
    return counted(mode, counts, { op: 'SETSCLASS', ts, ...change, ...counts })
  }
  return withoutAdminClasses(state, change, ts)
}

/** What files would need more on disk with another class. */
function addedRealsize(state: State, inode: Inode, recursive: boolean, targetClass: number, kind: number): number {
  const { nodes, storageClasses } = state
  const copies = storageClasses.copiesWanted(targetClass)
  let added = 0
  for (const at of nodesBelow(state, inode, recursive)) {
    if (!nodes.isFile(at) || (kind === SetMode.INCREASE && nodes.sclassId.get(at) >= targetClass)) continue
    const { size, realsize } = statsOf(state, at)
    added += Math.max(0, size * copies - realsize)
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
): Decision<{ counts: Counts }> {
  const { nodes, storageClasses } = state
  const reserved = (id: number) => storageClasses.get(id)?.adminOnly ?? false
  const recursive = (change.mode & RECURSIVE) !== 0
  const all = [...nodesBelow(state, change.inode, recursive)].filter(at => holdsData(state, at))
  const inTheWay = reserved(change.targetClass) || all.some(at => reserved(nodes.sclassId.get(at)))
  if (!inTheWay) {
    const counts = changeClasses(state, change, undefined)
    return counted(change.mode, counts, { op: 'SETSCLASS', ts, ...change, ...counts })
  }
  const total: Counts = { changed: 0, notChanged: 0, notPermitted: 0 }
  const entries: Entry[] = []
  for (const inode of new Set(all)) {
    const single = { ...change, inode, mode: change.mode & KIND }
    const counts = changeClasses(state, single, undefined)
    if (reserved(change.targetClass) || reserved(nodes.sclassId.get(inode))) total.notPermitted++
    else {
      for (const key of Object.keys(total) as (keyof Counts)[]) total[key] += counts[key]
      if (counts.changed > 0) entries.push({ op: 'SETSCLASS', ts, ...single, ...counts })
    }
  }
  if (!recursive && total.notPermitted > 0) return refuse(Status.EPERM)
  return { status: Status.OK, entries, counts: total }
}

export function decideSetRetention(
  state: State,
  actor: Actor,
  request: { inode: Inode; seconds: number; mode: number },
  limits: Limits,
  ts: Seconds,
): Decision<{ counts: Counts }> {
  const { seconds, mode } = request
  const refused = refusedBySession(actor, Disable.SETTRASH)
  if (refused) return refused
  if (mode > MODE_MAX || (mode & KIND) === SetMode.EXCHANGE) return refuse(Status.EINVAL)
  if (!withinLimits(mode & KIND, seconds, limits)) return refuse(Status.EPERM)
  const inode = resolve(state, actor, request.inode)
  if (inode === 0) return refuse(Status.ENOENT)
  if (!holdsData(state, inode)) return refuse(Status.EPERM)
  const change = { inode, uid: actor.uid, seconds, mode }
  const counts = changeRetention(state, change, undefined)
  return counted(mode, counts, { op: 'SETTRASHTIME', ts, ...change, ...counts })
}

const ADMIN_EATTR = Eattr.UNDELETABLE | Eattr.APPENDONLY | Eattr.IMMUTABLE

export function decideSetEattr(
  state: State,
  actor: Actor,
  request: { inode: Inode; eattr: number; mode: number },
  ts: Seconds,
): Decision<{ counts: Counts }> {
  const { eattr, mode } = request
  const refused = refusedBySession(actor, Disable.SETEATTR)
  if (refused) return refused
  if (mode > MODE_MAX || (mode & KIND) === SetMode.EXCHANGE) return refuse(Status.EINVAL)
  if (eattr & ADMIN_EATTR && !(actor.sessionFlags & SessionFlag.ADMIN)) return refuse(Status.EPERM)
  const inode = resolve(state, actor, request.inode)
  if (inode === 0) return refuse(Status.ENOENT)
  const change = { inode, uid: actor.uid, eattr, mode }
  const counts = changeEattr(state, change, undefined)
  return counted(mode, counts, { op: 'SETEATTR', ts, ...change, ...counts })
}

export interface ArchiveTally {
  archivedChunks: number
  otherChunks: number
  archivedFiles: number
  partialFiles: number
  otherFiles: number
}

/** How far the files below a node are archived; files without chunks are in none of the counts. */
export function tallyArchive(state: State, actor: Actor, inode: Inode): Decision<{ tally: ArchiveTally }> {
  const real = resolve(state, actor, inode)
  if (real === 0) return refuse(Status.ENOENT)
  if (!holdsData(state, real)) return refuse(Status.EPERM)
  const counts = { archivedChunks: 0, otherChunks: 0, archivedFiles: 0, partialFiles: 0, otherFiles: 0 }
  for (const at of nodesBelow(state, real, true)) {
    if (!state.nodes.isFile(at)) continue
    const [archived, other] = archivedChunks(state, at)
    counts.archivedChunks += archived
    counts.otherChunks += other
    if (archived > 0 && other > 0) counts.partialFiles++
    else if (archived > 0) counts.archivedFiles++
    else if (other > 0) counts.otherFiles++
  }
  return { status: Status.OK, entries: [], tally: counts }
}

function archivedChunks({ nodes, chunks }: State, inode: Inode): [archived: number, other: number] {
  let [archived, other] = [0, 0]
  for (let index = 0; index < nodes.chunkSlots(inode); index++) {
    const row = nodes.chunkRow(inode, index)
    if (row === 0) continue
    if (chunks.isArchived(row)) archived++
    else other++
  }
  return [archived, other]
}

/** @param command 1 marks as archived, 0 takes the mark away */
export function decideArchive(
  state: State,
  actor: Actor,
  request: { inode: Inode; command: number },
  ts: Seconds,
): Decision<{ counts: Counts }> {
  const refused = refusedBySession(actor, Disable.SETEATTR)
  if (refused) return refused
  const inode = resolve(state, actor, request.inode)
  if (inode === 0) return refuse(Status.ENOENT)
  if (!holdsData(state, inode)) return refuse(Status.EPERM)
  const change = { inode, uid: actor.uid, command: request.command }
  const counts = changeArchived(state, change, undefined)
  return { status: Status.OK, entries: [{ op: 'ARCHCHG', ts, ...change, ...counts }], counts }
}
