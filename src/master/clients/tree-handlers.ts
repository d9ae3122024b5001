// Requests on whole trees: what their files and folders have, settings, snapshots, archive marks (spec tools-and-admin A.3).
import type { Entry } from '../../metadata/changelog/entry.ts'
import { PREDEFINED_CLASSES } from '../../metadata/chunks/storage-classes.ts'
import type { Decision } from '../../metadata/decision.ts'
import { type Counts, SetMode } from '../../metadata/namespace/apply-recursive.ts'
import { resolve } from '../../metadata/namespace/decide.ts'
import {
  type Changed,
  decideArchive,
  decideSetClass,
  decideSetEattr,
  decideSetRetention,
  type Granted,
  type Progress,
  tallyArchive,
  tallyClasses,
  tallyEattr,
  tallyRetention,
} from '../../metadata/namespace/decide-recursive.ts'
import { decideSnapshot, type SnapshotWork } from '../../metadata/namespace/decide-snapshot.ts'
import { childOf, statsOf } from '../../metadata/namespace/tree.ts'
import * as cltoma from '../../protocol/cltoma.ts'
import { type Message, type StatusOr, u32, u64n, Writer } from '../../protocol/codec.ts'
import { versionNumber } from '../../protocol/constants.ts'
import * as matocl from '../../protocol/matocl.ts'
import { Status } from '../../protocol/status.ts'
import { NOBODY, type RequestContext } from './context.ts'

type Handler = (context: RequestContext, payload: Buffer) => void

const byUid = (uid: number) => ({ uid, gids: [0] })
/** Records of one kind in an answer are counted in a byte. */
const MAX_RECORDS = 255

type Refusable<T> = Message<StatusOr<T>>

const nodesOf = ({ state }: RequestContext, inode: number) =>
  state.nodes.exists(inode) ? statsOf(state, inode).inodes : 0

/** What a request wants of a tree, and which answer it gets. */
interface TreeJob<A> {
  /** For the log. */
  title: string
  inode: number
  msgid: number
  message: Refusable<A>
}

/** Does work on a tree that was granted, in slices, or answers that it was refused. @param note see TreeRequest */
function carryOut<T, A>(
  context: RequestContext,
  { title, inode, msgid, message }: TreeJob<A>,
  decision: Decision<Granted<T>>,
  done: (context: RequestContext, result: T, msgid: number) => void,
  note = () => '',
): void {
  if (decision.status !== 0) return context.answer(message, { msgid, status: decision.status })
  context.services.jobs.start(context, {
    title,
    work: (decision as Granted<T>).work,
    note,
    nodes: nodesOf(context, inode),
    // Whoever asks again is answered by the number of his own question.
    done: (asking, result) => done(asking, result, asking.request.payload.readUInt32BE(0)),
  })
}

/** As carryOut(), for changes that count what they do. @param body of the answer */
function change<A>(
  context: RequestContext,
  job: TreeJob<A>,
  body: (counts: Counts) => A,
  decide: (now: () => number, progress: Progress) => Decision<Granted<Decision<Changed>>>,
): void {
  let changed = Number(context.resumed ?? 0)
  const commit = (entry: Entry) => {
    context.commitPart(entry)
    if ('changed' in entry) changed += entry.changed
  }
  const progress = { commit, resumed: changed, weight: context.services.jobs.slices.weight }
  const decision = decide(() => context.now(), progress)
  const done = (asking: RequestContext, result: Decision<Changed>, msgid: number) => {
    if (result.status !== 0) asking.answer(job.message, { msgid, status: result.status })
    else asking.answer(job.message, { msgid, ...body((result as Changed).counts) })
  }
  carryOut(context, job, decision, done, () => String(changed))
}

/** As carryOut(), for questions which values files and directories have, and how many of them each. */
function tell<V, I>(
  context: RequestContext,
  { recursive, ...job }: TreeJob<{ fileCount: number; directoryCount: number; items: I[] }> & { recursive: number },
  tally: (isRecursive: boolean) => Decision<Granted<{ files: V; directories: V }>>,
  itemsOf: (asking: RequestContext, values: V) => I[],
): void {
  if (recursive > 1) return context.answer(job.message, { msgid: job.msgid, status: Status.EINVAL })
  carryOut(context, job, tally(recursive === 1), (asking, found, msgid) => {
    const [files, directories] = [itemsOf(asking, found.files), itemsOf(asking, found.directories)]
    const counts = { fileCount: files.length, directoryCount: directories.length }
    asking.answer(job.message, { msgid, ...counts, items: [...files, ...directories] })
  })
}

const asTheyAre = (counts: Counts) => counts

const ascending = (tally: Map<number, number>) => [...tally].sort(([a], [b]) => a - b)

function onGettrashtime(context: RequestContext, payload: Buffer): void {
  const { msgid, inode, recursive } = context.decode(cltoma.fuseGettrashtime, payload)
  const job = { title: 'reading of trash times', inode, msgid, message: matocl.fuseGettrashtime, recursive }
  const tally = (deep: boolean) => tallyRetention(context.state, context.asker(NOBODY), inode, deep)
  tell(context, job, tally, (_, found) => ascending(found).map(([value, count]) => ({ value, count })))
}

function onSettrashtime(context: RequestContext, payload: Buffer): void {
  const { msgid, uid, ...request } = context.decode(cltoma.fuseSettrashtime, payload)
  const { minTrashSeconds: min, maxTrashSeconds: max } = context.session
  const asker = context.asker(byUid(uid))
  const job = { title: 'change of trash times', inode: request.inode, msgid, message: matocl.fuseSettrashtime }
  change(context, job, asTheyAre, (now, progress) =>
    decideSetRetention(context.state, asker, request, { min, max }, now, progress),
  )
}

function classItems({ state, version }: RequestContext, tally: Map<number, number>) {
  const known = ascending(tally).filter(([id]) => id <= PREDEFINED_CLASSES || matocl.knowsClassNames(version))
  return known.slice(0, MAX_RECORDS).map(([id, count]) => {
    return id <= PREDEFINED_CLASSES ? { goal: id, count } : { name: state.storageClasses.get(id)?.name ?? '', count }
  })
}

function onGetsclass(context: RequestContext, payload: Buffer): void {
  const { msgid, inode, recursive } = context.decode(cltoma.fuseGetsclass, payload)
  const job = { title: 'reading of storage classes', inode, msgid, message: matocl.fuseGetsclass, recursive }
  tell(context, job, deep => tallyClasses(context.state, context.asker(NOBODY), inode, deep), classItems)
}

function onSetsclass(context: RequestContext, payload: Buffer): void {
  const { msgid, inode, uid, mode, goal, oldName, newName } = context.decode(cltoma.fuseSetsclass, payload)
  const { storageClasses } = context.state
  const goalClass = goal !== undefined && goal >= 1 && goal <= PREDEFINED_CLASSES ? goal : undefined
  const targetClass = newName === undefined ? goalClass : storageClasses.idOf(newName)
  // The log carries a source class with every change; it has a meaning with exchange only.
  const sourceClass = oldName !== undefined ? storageClasses.idOf(oldName) : newName === undefined ? goalClass : 1
  const exchangesGoal = goal !== undefined && (mode & 3) === SetMode.EXCHANGE
  if (targetClass === undefined || sourceClass === undefined || exchangesGoal) {
    return context.answer(matocl.fuseSetsclass, { msgid, status: Status.EINVAL })
  }
  const { minGoal: min, maxGoal: max } = context.session
  const request = { inode, mode, sourceClass, targetClass }
  const job = { title: 'change of storage classes', inode, msgid, message: matocl.fuseSetsclass }
  change(context, job, asTheyAre, (now, progress) =>
    decideSetClass(context.state, context.asker(byUid(uid)), request, { min, max }, now, progress),
  )
}

const KNOWS_ALL_EATTR = versionNumber(3, 0, 113)
const KNOWS_SNAPSHOT_EATTR = versionNumber(3, 0, 30)

/** Old clients know fewer bits: what differs only in others is counted together for them. */
function eattrItems(version: number, tally: Map<number, number>) {
  const known = version >= KNOWS_ALL_EATTR ? 0xff : version >= KNOWS_SNAPSHOT_EATTR ? 0x1f : 0x0f
  const folded = new Map<number, number>()
  for (const [eattr, count] of tally) folded.set(eattr & known, (folded.get(eattr & known) ?? 0) + count)
  return ascending(folded)
    .slice(0, MAX_RECORDS)
    .map(([eattr, count]) => ({ eattr, count }))
}

function onGeteattr(context: RequestContext, payload: Buffer): void {
  const { msgid, inode, recursive } = context.decode(cltoma.fuseGeteattr, payload)
  const job = { title: 'reading of extra attributes', inode, msgid, message: matocl.fuseGeteattr, recursive }
  const tally = (deep: boolean) => tallyEattr(context.state, context.asker(NOBODY), inode, deep)
  tell(context, job, tally, ({ version }, found) => eattrItems(version, found))
}

function onSeteattr(context: RequestContext, payload: Buffer): void {
  const { msgid, uid, ...request } = context.decode(cltoma.fuseSeteattr, payload)
  const asker = context.asker(byUid(uid))
  const job = { title: 'change of extra attributes', inode: request.inode, msgid, message: matocl.fuseSeteattr }
  change(context, job, asTheyAre, (now, progress) => decideSetEattr(context.state, asker, request, now, progress))
}

function onSnapshot(context: RequestContext, payload: Buffer): void {
  const { msgid, inode: source, caller, ...request } = context.decode(cltoma.fuseSnapshot, payload)
  const asker = context.asker(caller)
  const { state, resumed } = context
  const removes = source === 0
  const decision = decideSnapshot(
    state,
    asker,
    { source, ...request },
    {
      commit: entry => context.commitPart(entry),
      now: () => context.now(),
      resumed,
      weight: context.services.jobs.slices.weight,
    },
  )
  if (decision.status !== 0) return context.answerStatus(matocl.fuseSnapshot, msgid, decision.status)
  const { work, note } = decision as SnapshotWork
  const parent = resolve(state, asker, request.parent)
  const tree = removes ? childOf(state, parent, request.name) : resolve(state, asker, source)
  context.services.jobs.start(context, {
    ...{ title: removes ? 'removal of a snapshot' : 'snapshot', work, note, nodes: nodesOf(context, tree) },
    held: { sources: removes ? [] : [tree], target: { parent, name: request.name } },
    done: (asking, { status }) =>
      asking.answerStatus(matocl.fuseSnapshot, asking.request.payload.readUInt32BE(0), status),
  })
}

function onArchctl(context: RequestContext, payload: Buffer): void {
  const { msgid, inode, command, uid } = context.decode(cltoma.fuseArchctl, payload)
  const fail = (status: number) => context.answer(matocl.fuseArchctl, { msgid, status })
  const job = { title: 'change of archive marks', inode, msgid, message: matocl.fuseArchctl }
  if (command === cltoma.ArchiveCommand.GET) {
    const granted = tallyArchive(context.state, context.asker(NOBODY), inode)
    return carryOut(context, job, granted, (asking, found, id) => {
      const { archivedChunks, otherChunks, archivedFiles, partialFiles, otherFiles } = found
      const out = new Writer()
      for (const chunks of [archivedChunks, otherChunks]) u64n.write(out, chunks)
      for (const files of [archivedFiles, partialFiles, otherFiles]) u32.write(out, files)
      asking.answer(matocl.fuseArchctl, { msgid: id, numbers: out.take() })
    })
  }
  if (uid === undefined || command > cltoma.ArchiveCommand.SET) return fail(Status.EINVAL)
  const asker = context.asker(byUid(uid))
  const body = ({ changed, notChanged, notPermitted }: Counts) => {
    const out = new Writer()
    for (const chunks of [changed, notChanged]) u64n.write(out, chunks)
    u32.write(out, notPermitted)
    return { numbers: out.take() }
  }
  change(context, job, body, (now, progress) => decideArchive(context.state, asker, { inode, command }, now, progress))
}

export const treeHandlers: [number, Handler][] = [
  [cltoma.fuseGettrashtime.code, onGettrashtime],
  [cltoma.fuseSettrashtime.code, onSettrashtime],
  [cltoma.fuseGetsclass.code, onGetsclass],
  [cltoma.fuseSetsclass.code, onSetsclass],
  [cltoma.fuseSnapshot.code, onSnapshot],
  [cltoma.fuseGeteattr.code, onGeteattr],
  [cltoma.fuseSeteattr.code, onSeteattr],
  [cltoma.fuseArchctl.code, onArchctl],
]
