// What command line tools ask and order, through a mount or on a connection of their own (spec tools-and-admin A.3, A.4).
import {
  type ClassDefinition,
  decideChangeClass,
  decideCreateClass,
  decideDeleteClass,
  decideDuplicateClass,
  decideRenameClass,
} from '../../metadata/chunks/decide-classes.ts'
import { holdsData } from '../../metadata/namespace/apply-recursive.ts'
import { resolve } from '../../metadata/namespace/decide.ts'
import { decideAppend, decideRepair } from '../../metadata/namespace/decide-snapshot.ts'
import { lengthOf } from '../../metadata/namespace/lists.ts'
import { statsOf } from '../../metadata/namespace/tree.ts'
import { decideQuota, NO_QUOTA } from '../../metadata/quota/decide.ts'
import * as cltoma from '../../protocol/cltoma.ts'
import { sum64, u32, u64n, Writer } from '../../protocol/codec.ts'
import { MFSCHUNKSIZE } from '../../protocol/constants.ts'
import * as matocl from '../../protocol/matocl.ts'
import { Status } from '../../protocol/status.ts'
import { NOBODY, type RequestContext } from './context.ts'
import { treeHandlers } from './tree-handlers.ts'

type Handler = (context: RequestContext, payload: Buffer) => void

function onGetdirstats(context: RequestContext, payload: Buffer): void {
  const { msgid, inode } = context.decode(cltoma.fuseGetdirstats, payload)
  const fail = (status: number) => context.answer(matocl.fuseGetdirstats, { msgid, status })
  const real = resolve(context.state, context.asker(NOBODY), inode)
  if (real === 0) return fail(Status.ENOENT)
  if (!holdsData(context.state, real)) return fail(Status.EPERM)
  const stats = statsOf(context.state, real)
  const { inodes, dirs, files, chunks, size, realsize } = stats
  const out = new Writer()
  const counts = context.isTool ? [inodes, dirs, files, chunks] : [inodes, dirs, files, 0, 0, chunks, 0, 0]
  for (const count of counts) u32.write(out, count)
  for (const bytes of [lengthOf(stats), size, realsize]) sum64.write(out, bytes)
  context.answer(matocl.fuseGetdirstats, { msgid, numbers: out.take() })
}

function onAppendSlice(context: RequestContext, payload: Buffer): void {
  const { msgid, flags, inode, source, caller, ...slice } = context.decode(cltoma.fuseAppendSlice, payload)
  const from = flags & cltoma.AppendFlag.FROM_END ? -slice.from : slice.from
  const to = flags & cltoma.AppendFlag.TO_END ? -slice.to : slice.to
  const request = { inode, source, from, to }
  const { state, services, sessionId } = context
  const asker = context.asker(caller)
  const append = () => {
    const decision = decideAppend(state, asker, request, context.now())
    if (context.granted(decision) && decision.entries.length > 0) {
      const length = state.nodes.length.get(inode)
      services.cache.changed(inode, sessionId)
      context.tellAll(inode, matocl.lengthHasChanged, { msgid: 0, inode, length })
    }
    context.answerStatus(matocl.fuseAppendSlice, msgid, decision.status)
  }
  const decision = decideAppend(state, asker, request, context.now())
  if (decision.status !== Status.OK || decision.entries.length === 0) return append()
  const file = resolve(state, asker, inode)
  const growth = { inode: file, index: 0, session: sessionId, continues: false, isStale: () => context.dropIfStale() }
  // Up to the end of its last chunk it grows by zeros.
  const chunkEnd = (Math.floor(state.nodes.length.get(file) / MFSCHUNKSIZE) + 1) * MFSCHUNKSIZE
  services.chunks.grow(growth, chunkEnd, status => {
    if (status === Status.OK) services.ledger.together(append)
    else context.answerStatus(matocl.fuseAppendSlice, msgid, status)
  })
}

function onRepair(context: RequestContext, payload: Buffer): void {
  const { msgid, inode, caller } = context.decode(cltoma.fuseRepair, payload)
  const decision = decideRepair(context.state, context.asker(caller), inode)
  if (!context.granted(decision)) return context.answer(matocl.fuseRepair, { msgid, status: decision.status })
  const { nodes } = context.state
  const found: [row: number, index: number][] = []
  nodes.eachChunk(decision.inode, (row, index) => found.push([row, index]))
  const counts = { notChanged: nodes.chunkSlots(decision.inode) - found.length, erased: 0, repaired: 0 }
  for (const [row, index] of found) {
    const version = context.services.chunks.repairVersion(row)
    if (version === undefined) {
      counts.notChanged++
      continue
    }
    context.commit([{ op: 'REPAIR', ts: context.now(), inode: decision.inode, index, version }])
    if (version !== 0) context.services.chunks.versionRepaired(row)
    counts[version === 0 ? 'erased' : 'repaired']++
  }
  context.answer(matocl.fuseRepair, { msgid, ...counts })
}

function onQuotacontrol(context: RequestContext, payload: Buffer): void {
  const { msgid, limits, ...request } = context.decode(cltoma.fuseQuotacontrol, payload)
  const { state, session } = context
  const decision = decideQuota(
    state,
    context.asker({ uid: 0, gids: [0] }),
    { ...request, limits },
    session.rootUid !== 0,
    context.services.options.quotaGraceSeconds,
    context.now(),
  )
  if (!context.granted(decision)) return context.answer(matocl.fuseQuotacontrol, { msgid, status: decision.status })
  const quota = state.quotas.get(decision.inode) ?? NO_QUOTA
  const used = state.lists.stats(state.nodes.directoryRow(decision.inode))
  const { inodes, size, realsize } = used
  context.answer(matocl.fuseQuotacontrol, { msgid, ...quota, inodes, length: lengthOf(used), size, realsize })
}

// Storage classes

const onSclassCreate: Handler = (context, payload) => {
  const { msgid, name, form, definition } = context.decode(cltoma.sclassCreate, payload)
  if (form !== 0) return context.answerStatus(matocl.sclassCreate, msgid, Status.EINVAL)
  const decision = decideCreateClass(context.state, context.asker(NOBODY), name, definition, context.now())
  context.granted(decision)
  context.answerStatus(matocl.sclassCreate, msgid, decision.status)
}

const onSclassChange: Handler = (context, payload) => {
  const { msgid, name, form, mask, definition } = context.decode(cltoma.sclassChange, payload)
  const fail = (status: number) => context.answer(matocl.sclassChange, { msgid, status })
  if (form !== 0) return fail(Status.EINVAL)
  const decision = decideChangeClass(context.state, context.asker(NOBODY), name, mask, definition, context.now())
  if (!context.granted(decision)) return fail(decision.status)
  context.answer(matocl.sclassChange, { msgid, form: 0, definition: onWire(decision.definition) })
}

const onWire = ({ create, keep, archive, ...rest }: ClassDefinition): cltoma.ClassDefinition => ({
  ...rest,
  create: create.map(masks => [...masks]),
  keep: keep.map(masks => [...masks]),
  archive: archive.map(masks => [...masks]),
})

const onSclassDelete: Handler = (context, payload) => {
  const { msgid, name } = context.decode(cltoma.sclassDelete, payload)
  const decision = decideDeleteClass(context.state, context.asker(NOBODY), name, context.now())
  context.granted(decision)
  context.answerStatus(matocl.sclassDelete, msgid, decision.status)
}

const onSclassDuplicate: Handler = (context, payload) => {
  const { msgid, source, target } = context.decode(cltoma.sclassDuplicate, payload)
  const decision = decideDuplicateClass(context.state, context.asker(NOBODY), source, target, context.now())
  context.granted(decision)
  context.answerStatus(matocl.sclassDuplicate, msgid, decision.status)
}

const onSclassRename: Handler = (context, payload) => {
  const { msgid, oldName, newName } = context.decode(cltoma.sclassRename, payload)
  const decision = decideRenameClass(context.state, context.asker(NOBODY), oldName, newName, context.now())
  context.granted(decision)
  context.answerStatus(matocl.sclassRename, msgid, decision.status)
}

const onSclassList: Handler = (context, payload) => {
  const { msgid, long } = context.decode(cltoma.sclassList, payload)
  const out = new Writer()
  for (const [, { name, ...definition }] of context.state.storageClasses.entries()) {
    if (long & 1) matocl.sclassListedLong.write(out, { name, definition: onWire(definition) })
    else matocl.sclassListed.write(out, { name })
  }
  context.answer(matocl.sclassList, { msgid, classes: out.take() })
}

// Everything about one node

const NodeAnswer = { OTHER: 0, DIRECTORY: 1, FILE: 2 } as const

function onNodeInfo(context: RequestContext, payload: Buffer): void {
  const { msgid, inode, maxEntries, continueId } = context.decode(cltoma.nodeInfo, payload)
  const { nodes } = context.state
  const real = resolve(context.state, context.asker(NOBODY), inode)
  const out = new Writer()
  if (real === 0) out.buffer[out.reserve(1)] = Status.ENOENT
  else if (nodes.isDirectory(real)) listChildren(context, out, real, maxEntries, continueId)
  else if (nodes.isFile(real)) listChunks(context, out, real, maxEntries, continueId)
  else writeKind(out, NodeAnswer.OTHER)
  context.answer(matocl.nodeInfo, { ...(msgid === undefined ? {} : { msgid }), body: out.take() })
}

function writeKind(out: Writer, kind: number): void {
  out.buffer.writeUInt16BE(kind, out.reserve(2))
}

/** Goes on at an edge: its age is what a client gets to continue with. */
function listChildren({ state }: RequestContext, out: Writer, inode: number, maxEntries: number, from: number): void {
  const { edges, lists, nodes } = state
  let edge = lists.head.get(nodes.directoryRow(inode))
  // Newest first, so ages fall along the list.
  if (from > 0) while (edge !== 0 && edges.age(edge) + 1 > from) edge = edges.next.get(edge)
  const children: number[] = []
  for (; edge !== 0 && children.length < maxEntries; edge = edges.next.get(edge)) children.push(edges.child.get(edge))
  writeKind(out, NodeAnswer.DIRECTORY)
  u64n.write(out, edge === 0 ? 0 : edges.age(edge) + 1)
  for (const child of children) u32.write(out, child)
}

const CHUNK_HEADER = 0x2000
const BLOCK = 0x10000
const CHUNK = 0x4000000

function listChunks(
  { state, services }: RequestContext,
  out: Writer,
  inode: number,
  maxEntries: number,
  from: number,
): void {
  const { nodes, chunks } = state
  const length = nodes.length.get(inode)
  const slots = nodes.chunkSlots(inode)
  const end = Math.min(slots, from + maxEntries)
  writeKind(out, NodeAnswer.FILE)
  u64n.write(out, end < slots ? end : 0)
  u64n.write(out, length)
  const list = (row: number, index: number) => {
    const bytes = Math.min(CHUNK, Math.max(0, length - index * CHUNK))
    u64n.write(out, chunks.id(row))
    u32.write(out, bytes === 0 ? 0 : Math.ceil(bytes / BLOCK) * BLOCK + CHUNK_HEADER)
    out.buffer[out.reserve(1)] = Math.min(255, services.chunks.presentCopies(row))
  }
  nodes.eachChunk(inode, list, from, end)
}

export const toolHandlers: [number, Handler][] = [
  [cltoma.fuseAppendSlice.code, onAppendSlice],
  [cltoma.fuseGetdirstats.code, onGetdirstats],
  [cltoma.fuseRepair.code, onRepair],
  [cltoma.fuseQuotacontrol.code, onQuotacontrol],
  [cltoma.sclassCreate.code, onSclassCreate],
  [cltoma.sclassChange.code, onSclassChange],
  [cltoma.sclassDelete.code, onSclassDelete],
  [cltoma.sclassDuplicate.code, onSclassDuplicate],
  [cltoma.sclassRename.code, onSclassRename],
  [cltoma.sclassList.code, onSclassList],
  [cltoma.nodeInfo.code, onNodeInfo],
]

/** What a connection of a tool may ask besides these (spec client-master 2.3). */
export const toolMessages: ReadonlySet<number> = new Set([
  ...[...toolHandlers, ...treeHandlers].map(([code]) => code).filter(code => code !== cltoma.nodeInfo.code),
  cltoma.fuseReadChunk.code,
  cltoma.fuseCheck.code,
  cltoma.fuseTruncate.code,
])
