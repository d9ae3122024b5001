// Snapshots, appended chunks and repairs: which requests are granted (spec tools-and-admin A.3).
import { MFSCHUNKSIZE } from '../../protocol/constants.ts'
import { Status } from '../../protocol/status.ts'
import { type Actor, type Decision, Disable, type Refusal, refuse, refusedBySession } from '../decision.ts'
import { quotaRefuses } from '../quota/usage.ts'
import { ReplayError } from '../replay-error.ts'
import type { State } from '../state.ts'
import { Eattr, type Inode, type Seconds } from '../types.ts'
import { MODE_R, MODE_W, MODE_X } from './access.ts'
import { MAX_LENGTH } from './apply-files.ts'
import { PROTECTED, SnapshotMode } from './apply-snapshot.ts'
import { may, passesSticky, resolve } from './decide.ts'
import { fileQuotaRefuses } from './decide-files.ts'
import { type Granted, nodesBelow } from './decide-recursive.ts'
import { addLength, type Stats, statsOfLength } from './lists.ts'
import { type Commit, partsOf, type Sliced } from './parts.ts'
import { CopyInParts, type PartsContext, RemovalInParts, type SnapshotPlan, TargetCheck } from './snapshot-parts.ts'
import { childOf, findEdge, isBelow, isValidName, statsOf } from './tree.ts'

export interface SnapshotRequest {
  source: Inode
  parent: Inode
  name: string
  mode: number
  umask: number
}

/** How a snapshot in parts is recorded. */
export interface SnapshotProgress {
  commit: Commit
  now: () => Seconds
  /** What note() told a master that is no more. */
  resumed: string | undefined
  weight?: number
}

export interface SnapshotWork extends Granted<Decision> {
  /** What the next master needs to go on. */
  note: () => string
}

export function decideSnapshot(
  state: State,
  actor: Actor,
  request: SnapshotRequest,
  progress: SnapshotProgress,
): Decision<SnapshotWork> {
  const removes = (request.mode & SnapshotMode.DELETE) !== 0
  const refused = refusedBySession(actor, removes ? Disable.UNLINK | Disable.RMDIR : Disable.SNAPSHOT)
  if (refused) return refused
  if (removes !== (request.source === 0)) return refuse(Status.EINVAL)
  const parent = resolve(state, actor, request.parent)
  const source = removes ? 0 : resolve(state, actor, request.source)
  if (parent === 0 || (!removes && source === 0)) return refuse(Status.ENOENT)
  const plan = {
    ...{ source, parent, name: request.name, mode: request.mode, sessionFlags: actor.sessionFlags },
    ...{ uid: actor.uid, gids: [...actor.gids], cumask: request.umask | actor.umask },
  }
  const refusal = removes
    ? refusedRemoval(state, actor, parent, request, progress.resumed !== undefined)
    : refusedCopy(state, actor, source, parent, request.name)
  if (refusal) return refusal
  const context = { state, ...progress }
  if (!removes) {
    const copy = new CopyInParts(context, plan)
    return { status: Status.OK, entries: [], work: copyInParts(context, plan, copy), note: () => copy.note() }
  }
  const removal = new RemovalInParts(context, plan)
  const work = removeInParts(context, actor, plan, removal)
  return { status: Status.OK, entries: [], work, note: () => removal.note() }
}

function* copyInParts(context: PartsContext, plan: SnapshotPlan, copy: CopyInParts): Sliced<Decision> {
  const { state, resumed } = context
  if (resumed === undefined) {
    try {
      yield* new TargetCheck(context, plan).run()
    } catch (error) {
      if (error instanceof ReplayError && error.status !== Status.OK) return refuse(error.status)
      throw error
    }
    if (quotaRefuses(state, plan.parent, statsOf(state, plan.source))) return refuse(Status.QUOTA)
  }
  yield* copy.run()
  return { status: Status.OK, entries: [] }
}

function* removeInParts(
  { state, resumed }: PartsContext,
  actor: Actor,
  { parent, name, mode }: SnapshotPlan,
  removal: RemovalInParts,
): Sliced<Decision> {
  if (!(mode & SnapshotMode.FORCE) && resumed === undefined) {
    for (const part of partsOf(state, childOf(state, parent, name))) {
      for (const at of nodesBelow(state, part.inode, part.recursive)) {
        const eattr = state.nodes.eattr.get(at)
        if (!(eattr & Eattr.SNAPSHOT) || eattr & PROTECTED) return refuse(Status.EPERM)
        if (state.nodes.isDirectory(at) && !may(state, actor, at, MODE_W | MODE_X)) return refuse(Status.EACCES)
      }
      yield
    }
  }
  yield* removal.run()
  return { status: Status.OK, entries: [] }
}

function refusedCopy(state: State, actor: Actor, source: Inode, parent: Inode, name: string): Refusal | undefined {
  const { nodes } = state
  if (nodes.eattr.get(parent) & Eattr.IMMUTABLE) return refuse(Status.EPERM)
  if (!may(state, actor, source, MODE_R)) return refuse(Status.EACCES)
  if (!nodes.isDirectory(parent)) return refuse(Status.EPERM)
  if (nodes.isDirectory(source) && isBelow(state, parent, source)) return refuse(Status.EINVAL)
  if (!may(state, actor, parent, MODE_W | MODE_X)) return refuse(Status.EACCES)
  return isValidName(name) ? undefined : refuse(Status.EINVAL)
}

function refusedRemoval(
  state: State,
  actor: Actor,
  parent: Inode,
  request: SnapshotRequest,
  isResumed: boolean,
): Refusal | undefined {
  const { nodes } = state
  if (!nodes.isDirectory(parent)) return refuse(Status.EPERM)
  if (!may(state, actor, parent, MODE_W | MODE_X)) return refuse(Status.EACCES)
  if (!isValidName(request.name)) return refuse(Status.EINVAL)
  const edge = findEdge(state, parent, request.name)
  if (edge === 0) return isResumed ? undefined : refuse(Status.ENOENT)
  const inode = state.edges.child.get(edge)
  if (!passesSticky(state, actor.uid, parent, inode)) return refuse(Status.EPERM)
  if (request.mode & SnapshotMode.FORCE) return undefined
  if (nodes.eattr.get(parent) & (Eattr.APPENDONLY | Eattr.IMMUTABLE)) return refuse(Status.EPERM)
  return undefined
}

export interface AppendRequest {
  inode: Inode
  source: Inode
  /** Chunk numbers, first included, last not. A negative one counts from the end of the source. */
  from: number
  to: number
}

export function decideAppend(state: State, actor: Actor, request: AppendRequest, ts: Seconds): Decision {
  const { nodes } = state
  const refused = refusedBySession(actor, Disable.APPENDCHUNKS)
  if (refused) return refused
  if (request.inode === request.source) return refuse(Status.EINVAL)
  const inode = resolve(state, actor, request.inode)
  const source = resolve(state, actor, request.source)
  if (inode === 0 || source === 0) return refuse(Status.ENOENT)
  if (!nodes.isFile(inode) || !nodes.isFile(source)) return refuse(Status.EPERM)
  if (!may(state, actor, source, MODE_R) || !may(state, actor, inode, MODE_W)) return refuse(Status.EACCES)
  if (nodes.eattr.get(inode) & Eattr.IMMUTABLE) return refuse(Status.EPERM)
  const chunks = Math.ceil(nodes.length.get(source) / MFSCHUNKSIZE)
  const absolute = (place: number) => (place < 0 ? chunks + place : place)
  const from = Math.max(0, absolute(request.from))
  const to = Math.min(chunks, absolute(request.to))
  if (to <= from) return { status: Status.OK, entries: [] }
  const present = Math.ceil(nodes.length.get(inode) / MFSCHUNKSIZE)
  if ((present + to - from) * MFSCHUNKSIZE > MAX_LENGTH) return refuse(Status.INDEXTOOBIG)
  const added = appendedStats(state, inode, source, (to - from) / chunks)
  addLength(added, present * MFSCHUNKSIZE - nodes.length.get(inode))
  if (fileQuotaRefuses(state, inode, added)) return refuse(Status.QUOTA)
  return { status: Status.OK, entries: [{ op: 'APPEND', ts, inode, source, from, to: to - 1 }] }
}

/** What the part of the source adds, taken as even over its chunks. */
function appendedStats(state: State, inode: Inode, source: Inode, part: number): Stats {
  const { size } = statsOf(state, source)
  return {
    ...statsOfLength(state.nodes.length.get(source) * part),
    size: size * part,
    realsize: size * part * state.nodes.ratio.get(inode),
  }
}

/** Whether the chunks of the file may be repaired. The entries are the caller's, who knows of copies. */
export function decideRepair(state: State, actor: Actor, given: Inode): Decision<{ inode: Inode }> {
  const { nodes } = state
  const refused = refusedBySession(actor, 0)
  if (refused) return refused
  const inode = resolve(state, actor, given)
  if (inode === 0) return refuse(Status.ENOENT)
  if (!nodes.isFile(inode) || nodes.eattr.get(inode) & Eattr.IMMUTABLE) return refuse(Status.EPERM)
  if (!may(state, actor, inode, MODE_W)) return refuse(Status.EACCES)
  return { status: Status.OK, entries: [], inode }
}
