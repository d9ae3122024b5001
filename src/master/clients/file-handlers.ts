// Files: open, read, write, truncate, locks, extended attributes, ACLs, reports (spec client-master 5.5 to 5.9).
import { type Acl, type AclEntry, AclType } from '../../metadata/acl/acls.ts'
import { Disable, refuse, refusedBySession } from '../../metadata/decision.ts'
import { MAX_CHUNK_INDEX, MAX_LENGTH } from '../../metadata/namespace/apply-files.ts'
import { decideMake, resolve } from '../../metadata/namespace/decide.ts'
import {
  decideGetxattr,
  decideSetfacl,
  decideSetxattr,
  reportedTimes,
  resolveOpened,
} from '../../metadata/namespace/decide-attributes.ts'
import { decideOpen, decideTruncate, decideWrite, decideWriteEnd } from '../../metadata/namespace/decide-files.ts'
import { type ChunkId, Eattr, type Inode, NodeType, ROOT } from '../../metadata/types.ts'
import * as cltoma from '../../protocol/cltoma.ts'
import { u8, u16, u32, Writer } from '../../protocol/codec.ts'
import { EXTENDED_VERSION, MFSCHUNKSIZE, versionNumber } from '../../protocol/constants.ts'
import * as matocl from '../../protocol/matocl.ts'
import { Status } from '../../protocol/status.ts'
import type { ChunkAnswer } from '../chunks/chunk-service.ts'
import { type Asker, attributesOf } from './attributes.ts'
import { NOBODY, type RequestContext } from './context.ts'
import { keepsCache, touch } from './namespace-handlers.ts'

type Handler = (context: RequestContext, payload: Buffer) => void

const Counter = { SETATTR: 2, MKNOD: 8, OPEN: 13, READ: 14, WRITE: 15 } as const

function openedFlags({ state }: RequestContext, inode: Inode): number {
  const eattr = state.nodes.eattr.get(inode)
  return (
    (eattr & Eattr.NODATACACHE ? matocl.OpenedFlag.DIRECTMODE : 0) |
    (eattr & Eattr.APPENDONLY ? matocl.OpenedFlag.APPENDONLY : 0)
  )
}

const OPEN_TELLS_ATTRIBUTES = versionNumber(1, 6, 9)

function isAppendOnly({ state }: RequestContext, asker: Asker, inode: Inode): boolean {
  return (state.nodes.eattr.get(resolve(state, asker, inode)) & Eattr.APPENDONLY) !== 0
}

function onOpen(context: RequestContext, payload: Buffer): void {
  const { msgid, inode, caller, flags } = context.decode(cltoma.fuseOpen, payload)
  context.count(Counter.OPEN)
  const asker = context.asker(caller)
  const { OpenFlag } = cltoma
  const has = (flag: number) => (flags & flag) !== 0
  const request = {
    inode,
    session: context.sessionId,
    read: has(OpenFlag.READ),
    write: has(OpenFlag.WRITE),
    truncate: has(OpenFlag.TRUNCATE),
    afterCreate: has(OpenFlag.AFTER_CREATE),
  }
  const tooOldToAppend = request.write && !matocl.knowsOpenFlags(context.version)
  if (tooOldToAppend && isAppendOnly(context, asker, inode)) {
    return context.answer(matocl.fuseOpen, { msgid, status: Status.EACCES })
  }
  const decision = decideOpen(context.state, asker, request, context.now())
  if (!context.granted(decision)) return context.answer(matocl.fuseOpen, { msgid, status: decision.status })
  if (request.truncate) context.services.reservations.drop(decision.inode)
  const { cache } = context.services
  if (has(OpenFlag.CACHE_CLEARED)) cache.accessed(decision.inode, context.sessionId)
  if (request.truncate && !request.afterCreate) cache.changed(decision.inode, context.sessionId)
  if (context.version < OPEN_TELLS_ATTRIBUTES) return context.answer(matocl.fuseOpen, { msgid, status: Status.OK })
  const attributes = attributesOf(context.state, asker, decision.inode)
  const keep = keepsCache(context, decision.inode, attributes) ? matocl.OpenedFlag.KEEPCACHE : 0
  context.answer(matocl.fuseOpen, { msgid, flags: keep | openedFlags(context, decision.inode), attributes })
}

function onCreate(context: RequestContext, payload: Buffer): void {
  const { msgid, caller, ...rest } = context.decode(cltoma.fuseCreate, payload)
  context.count(Counter.MKNOD)
  context.count(Counter.OPEN)
  const asker = context.asker(caller)
  const request = { ...rest, type: NodeType.FILE, rdev: 0, copySgid: false }
  const decision = decideMake(context.state, asker, request, context.now())
  if (!context.granted(decision)) return context.answer(matocl.fuseCreate, { msgid, status: decision.status })
  const { inode } = decision
  context.commit([{ op: 'ACQUIRE', ts: context.now(), sessionId: context.sessionId, inode }])
  context.services.cache.forget(inode)
  const attributes = attributesOf(context.state, asker, inode, rest.parent)
  keepsCache(context, inode, attributes)
  context.answer(matocl.fuseCreate, { msgid, flags: openedFlags(context, inode), inode, attributes })
}

const KNOWS_EAGAIN = versionNumber(3, 0, 8)
const KNOWS_EROFS = versionNumber(3, 0, 101)

/** What older clients are told of a write that a read-only session refuses. */
const writeRefusal = (status: Exclude<Status, 0>, version: number) =>
  status === Status.EROFS && version < KNOWS_EROFS ? Status.IO : status

function answerChunk(
  context: RequestContext,
  message: typeof matocl.fuseReadChunk | typeof matocl.fuseWriteChunk,
  { msgid, inode, index }: { msgid: number; inode: Inode; index: number },
  answer: ChunkAnswer,
): void {
  if (answer.status !== Status.OK) {
    const status = answer.status === Status.EAGAIN && context.version < KNOWS_EAGAIN ? Status.LOCKED : answer.status
    return context.answer(message, { msgid, status })
  }
  const { chunkId, version, copies } = answer
  const { nodes } = context.state
  const place = { msgid, length: nodes.length.get(inode), chunkId, version, copies }
  if (message === matocl.fuseWriteChunk) return context.answer(matocl.fuseWriteChunk, place)
  const nextChunk = context.version === EXTENDED_VERSION ? nodes.nextChunk(inode, index) : undefined
  context.answer(matocl.fuseReadChunk, { ...place, nextChunk: nextChunk ?? matocl.NO_CHUNK })
}

/**
 * Whether the session may ask for a file by its inode alone: it has it open, or the file lies in the folder that it
 * mounts. So the data of files outside of an exported folder can't be had by guessing numbers.
 */
function isWithinReach(context: RequestContext, inode: Inode): boolean {
  const { state, session, sessionId } = context
  if (!state.nodes.exists(inode)) return false
  if (session.rootInode === ROOT || state.openFiles.has(sessionId, inode)) return true
  return resolve(state, context.asker(NOBODY), inode) !== 0
}

function onReadChunk(context: RequestContext, payload: Buffer): void {
  const { msgid, inode, index, flags } = context.decode(cltoma.fuseReadChunk, payload)
  const { nodes } = context.state
  const fail = (status: number) => context.answer(matocl.fuseReadChunk, { msgid, status })
  if (context.session.disables & Disable.READ) return fail(Status.EPERM)
  if (!isWithinReach(context, inode)) return fail(Status.ENOENT)
  if (!nodes.isFile(inode)) return fail(Status.EPERM)
  if (index > MAX_CHUNK_INDEX) return fail(Status.INDEXTOOBIG)
  const located = (answer: ChunkAnswer) => {
    if (answer.status === Status.OK) {
      if (mayTouch(context, flags)) touch(context, inode)
      context.count(Counter.READ)
      context.services.cache.accessed(inode, context.sessionId)
    }
    answerChunk(context, matocl.fuseReadChunk, { msgid, inode, index }, answer)
  }
  context.services.chunks.read(inode, index, located, context.session.peerIp)
}

/** Clients before 3.0.74 do not report times: what they do sets them, unless they say that it shall not. */
function mayTouch({ version }: RequestContext, flags: number = cltoma.ChunkOpFlag.CANMODTIME): boolean {
  return version < matocl.V3_0_74 && (flags & cltoma.ChunkOpFlag.CANMODTIME) !== 0
}

function onWriteChunk(context: RequestContext, payload: Buffer): void {
  const { msgid, inode, index, flags = 0 } = context.decode(cltoma.fuseWriteChunk, payload)
  const { chunks } = context.services
  const asker = context.asker(NOBODY)
  const mayFill = (flags & cltoma.ChunkOpFlag.CANUSERESERVESPACE) !== 0
  const isFull = !mayFill && refusedBySession(asker, Disable.WRITE) === undefined && chunks.isFull()
  const { status } = isFull ? refuse(Status.NOSPACE) : decideWrite(context.state, asker, inode, index)
  if (status === Status.OK && !isWithinReach(context, inode)) {
    return context.answer(matocl.fuseWriteChunk, { msgid, status: Status.ENOENT })
  }
  if (status !== Status.OK) {
    return context.answer(matocl.fuseWriteChunk, { msgid, status: writeRefusal(status, context.version) })
  }
  const continues = (flags & cltoma.ChunkOpFlag.CONTINUEOP) !== 0
  const touches = mayTouch(context, flags)
  const request = {
    ...{ inode, index, session: context.sessionId, continues, touch: touches, near: context.session.peerIp },
    isStale: () => context.dropIfStale(),
  }
  chunks.write(request, answer => {
    if (answer.status === Status.OK) {
      context.count(Counter.WRITE)
      context.services.cache.changed(inode, context.sessionId)
      tellChunkChanged(context, inode, index, answer, context.state.nodes.length.get(inode))
    }
    answerChunk(context, matocl.fuseWriteChunk, { msgid, inode, index }, answer)
  })
}

function tellChunkChanged(
  context: RequestContext,
  inode: Inode,
  index: number,
  { chunkId, version }: { chunkId: number; version: number },
  length: number,
  truncated = 0,
): void {
  const body = { msgid: 0, inode, index, chunkId, version, length, truncated }
  context.tellOthers(inode, matocl.chunkHasChanged, body)
}

function tellLengthChanged(context: RequestContext, inode: Inode, length: number): void {
  context.tellOthers(inode, matocl.lengthHasChanged, { msgid: 0, inode, length })
}

function onWriteChunkEnd(context: RequestContext, payload: Buffer): void {
  const { msgid, chunkId, inode, index, length, flags } = context.decode(cltoma.fuseWriteChunkEnd, payload)
  const { services, state } = context
  const { status } = decideWriteEnd(state, context.asker(NOBODY), inode, length)
  const grows = status === Status.OK && length > state.nodes.length.get(inode)
  if (grows && !services.chunks.mayEnd(chunkId, context.sessionId)) {
    return context.answerStatus(matocl.fuseWriteChunkEnd, msgid, Status.IO)
  }
  if (grows) {
    context.commit([{ op: 'LENGTH', ts: context.now(), inode, length, touch: mayTouch(context, flags) }])
    services.reservations.written(inode, length)
  }
  // The chunk is let go also when the quota says no; nobody shall wait for a lease without use.
  const unlocked = services.chunks.unlock(chunkId, context.sessionId)
  services.cache.changed(inode, context.sessionId)
  const version = state.chunks.version.get(state.chunks.find(chunkId))
  if (index !== undefined) tellChunkChanged(context, inode, index, { chunkId, version }, length)
  else if (grows) tellLengthChanged(context, inode, length)
  const refusal = status === Status.OK ? unlocked : writeRefusal(status, context.version)
  const answer = () => context.answerStatus(matocl.fuseWriteChunkEnd, msgid, refusal)
  // Every client's fsync and close wait for this: what they say is safe shall not be lost with one server.
  if (status || unlocked) answer()
  else services.chunks.whenSafe(chunkId, answer)
}

function onTruncate(context: RequestContext, payload: Buffer): void {
  const { msgid, inode: given, flags, caller, length } = context.decode(cltoma.fuseTruncate, payload)
  context.count(Counter.SETATTR)
  const { services, state } = context
  const asker = context.asker(caller)
  if (context.resumed !== undefined) return endTruncate(context, { msgid, asker, length }, context.resumed)
  const has = (flag: number) => (flags & flag) !== 0
  const request = {
    inode: given,
    opened: has(cltoma.TruncateFlag.OPENED),
    update: has(cltoma.TruncateFlag.UPDATE),
    reserve: has(cltoma.TruncateFlag.RESERVE),
    length,
  }
  const decision = decideTruncate(state, asker, request)
  if (!context.granted(decision)) return context.answer(matocl.fuseTruncate, { msgid, status: decision.status })
  const { inode } = decision
  const present = state.nodes.length.get(inode)
  const done = (previousLength: number) =>
    context.answer(matocl.fuseTruncate, { msgid, previousLength, attributes: attributesOf(state, asker, inode) })
  if (request.reserve) {
    const end = services.reservations.endOf(inode, present)
    if (end + length > MAX_LENGTH) {
      return context.answer(matocl.fuseTruncate, { msgid, status: Status.INDEXTOOBIG })
    }
    services.reservations.reserve(inode, end + length)
    context.promise({ reserved: { inode, end: end + length } })
    tellLengthChanged(context, inode, end + length)
    return done(end)
  }
  services.reservations.drop(inode)
  if (request.update) {
    if (length > present) {
      context.commit([{ op: 'LENGTH', ts: context.now(), inode, length, touch: false }])
      tellLengthChanged(context, inode, length)
    }
    return done(present)
  }
  const finish = (chunkIndex?: number) => {
    if (!state.nodes.isFile(inode)) return context.answer(matocl.fuseTruncate, { msgid, status: Status.ENOENT })
    const touch = !(has(cltoma.TruncateFlag.TIMEFIX) && length === present)
    context.commit([{ op: 'LENGTH', ts: context.now(), inode, length, touch }])
    services.cache.changed(inode, context.sessionId)
    const row = chunkIndex === undefined ? 0 : state.nodes.chunkRow(inode, chunkIndex)
    if (chunkIndex === undefined || row === 0) tellLengthChanged(context, inode, length)
    else {
      const chunk = { chunkId: state.chunks.id(row), version: state.chunks.version.get(row) }
      tellChunkChanged(context, inode, chunkIndex, chunk, length, 1)
    }
    done(present)
  }
  const index = Math.floor(length / MFSCHUNKSIZE)
  const begun = (chunkId: ChunkId) => context.leaveForLater(`${inode}.${index}.${chunkId}.${present}`)
  const chunkRequest = {
    ...{ inode, index, session: context.sessionId, continues: false, begun },
    isStale: () => context.dropIfStale(),
  }
  const onceDone = (next: () => void) => (status: Status) => {
    if (status === Status.OK) services.ledger.together(next)
    else context.answer(matocl.fuseTruncate, { msgid, status })
  }
  const cut = () => {
    if (length === present || length % MFSCHUNKSIZE === 0) finish()
    else
      services.chunks.truncate(
        chunkRequest,
        length,
        onceDone(() => finish(index)),
      )
  }
  if (length > present) services.chunks.grow(chunkRequest, length, onceDone(cut))
  else cut()
}

/**
 * A master died while servers were cutting the chunk at the new end of a file. They may have done it, so the file is made as
 * short as that; the chunk is settled when its servers are there.
 * @param note where the end is, and how long the file was
 */
function endTruncate(
  context: RequestContext,
  { msgid, asker, length }: { msgid: number; asker: Asker; length: number },
  note: string,
): void {
  const { nodes, chunks } = context.state
  const [inode = 0, index = 0, chunkId = 0, previousLength = 0] = note.split('.').map(Number)
  if (!nodes.isFile(inode)) return context.answer(matocl.fuseTruncate, { msgid, status: Status.ENOENT })
  const row = nodes.chunkRow(inode, index)
  // The line that would end the cut, of whatever master, unlocks the chunk.
  const isOpen = row !== 0 && chunks.id(row) === chunkId && chunks.lockedTo.get(row) !== 0
  if (isOpen) context.commit([{ op: 'LENGTH', ts: context.now(), inode, length, touch: true }])
  const attributes = attributesOf(context.state, asker, inode)
  context.answer(matocl.fuseTruncate, { msgid, previousLength, attributes })
}

function onGetxattr(context: RequestContext, payload: Buffer): void {
  const { msgid, inode, name, mode, opened, caller } = context.decode(cltoma.fuseGetxattr, payload)
  const request = { inode, name, opened: opened !== 0 }
  const fail = (status: number) => context.answer(matocl.fuseGetxattr, { msgid, status })
  if (mode > 1) return fail(Status.EINVAL)
  const decision = decideGetxattr(context.state, context.asker(caller), request)
  if (!context.granted(decision)) return fail(decision.status)
  const value = mode === 1 ? Buffer.alloc(0) : Buffer.from(decision.value, 'latin1')
  context.answer(matocl.fuseGetxattr, { msgid, length: decision.value.length, value })
}

function onSetxattr(context: RequestContext, payload: Buffer): void {
  const { msgid, inode, name, value, mode, opened, caller } = context.decode(cltoma.fuseSetxattr, payload)
  const request = { inode, name, value: value.toString('latin1'), mode, opened: opened !== 0 }
  const decision = decideSetxattr(context.state, context.asker(caller), request, context.now())
  context.granted(decision)
  context.answerStatus(matocl.fuseSetxattr, msgid, decision.status)
}

function onGetfacl(context: RequestContext, payload: Buffer): void {
  const { msgid, inode, aclType } = context.decode(cltoma.fuseGetfacl, payload)
  const { state } = context
  const real = resolveOpened(state, context.asker(NOBODY), inode, true)
  const fail = (status: number) => context.answer(matocl.fuseGetfacl, { msgid, status })
  if (real === 0) return fail(Status.ENOENT)
  if (aclType !== AclType.ACCESS && aclType !== AclType.DEFAULT) return fail(Status.EINVAL)
  const acl: Acl | undefined = state.acls.get(real, aclType)
  if (!acl) return fail(Status.ENOATTR)
  const { user, group, other, mask, users, groups } = acl
  const [userCount, groupCount] = [users.length, groups.length]
  context.answer(matocl.fuseGetfacl, {
    ...{ msgid, user, group, other, mask, userCount, groupCount },
    entries: [...users, ...groups],
  })
}

function onSetfacl(context: RequestContext, payload: Buffer): void {
  const { msgid, uid, entries, userCount, groupCount, ...acl } = context.decode(cltoma.fuseSetfacl, payload)
  const named: AclEntry[] = entries
  if (named.length !== userCount + groupCount) {
    return context.answerStatus(matocl.fuseSetfacl, msgid, Status.EINVAL)
  }
  const request = { ...acl, users: named.slice(0, userCount), groups: named.slice(userCount) }
  const decision = decideSetfacl(context.state, context.asker({ uid, gids: [0] }), request, context.now())
  context.granted(decision)
  context.answerStatus(matocl.fuseSetfacl, msgid, decision.status)
}

function onFlock(context: RequestContext, payload: Buffer): void {
  const { msgid, ...request } = context.decode(cltoma.fuseFlock, payload)
  if (!isWithinReach(context, request.inode)) {
    return context.answerStatus(matocl.fuseFlock, msgid, Status.ENOENT)
  }
  context.services.locks.flock({ ...request, session: context.sessionId }, status =>
    context.answerStatus(matocl.fuseFlock, msgid, status),
  )
}

function onPosixLock(context: RequestContext, payload: Buffer): void {
  const { msgid, ...lock } = context.decode(cltoma.fusePosixLock, payload)
  const { state, sessionId } = context
  if (!isWithinReach(context, lock.inode)) {
    return context.answer(matocl.fusePosixLock, { msgid, status: Status.ENOENT })
  }
  if (lock.type > 2) return context.answer(matocl.fusePosixLock, { msgid, status: Status.EINVAL })
  const request = { ...lock, type: lock.type as 0 | 1 | 2, session: sessionId }
  if (lock.command === cltoma.PosixLockCommand.GET) {
    const held = lock.type === 0 ? undefined : state.posixLocks.conflict(lock.inode, request, request)
    const pid = held?.session === sessionId ? held.pid : 0
    const { type = 0, start = 0n, end = 0n } = held ?? {}
    return context.answer(matocl.fusePosixLock, { msgid, pid, type, start, end })
  }
  context.services.locks.posix(request, status => context.answer(matocl.fusePosixLock, { msgid, status }))
}

/** The client tells everything that it has open; what it does not name any more is let go. */
function onSustainedInodes(context: RequestContext, payload: Buffer): void {
  const { inodes } = context.decode(cltoma.fuseSustainedInodes, payload)
  const { state, sessionId, services } = context
  const kept = new Set(inodes.filter(inode => inode !== 0))
  for (const inode of [...state.openFiles.inodesOf(sessionId)]) {
    if (kept.has(inode)) continue
    services.locks.release(sessionId, inode)
    context.commit([{ op: 'RELEASE', ts: context.now(), sessionId, inode }])
    services.locks.wake(inode)
  }
  for (const inode of kept) {
    if (state.openFiles.has(sessionId, inode) || !state.nodes.isFile(inode)) continue
    context.commit([{ op: 'ACQUIRE', ts: context.now(), sessionId, inode }])
  }
}

function onAmtimeInodes(context: RequestContext, payload: Buffer): void {
  const { times } = context.decode(cltoma.fuseAmtimeInodes, payload)
  for (const report of times) {
    const entry = reportedTimes(context.state, report, context.services.options.atimeMode, context.now())
    if (entry) context.commit([entry])
  }
}

/** How many good copies the chunks of a file have: twelve counts, from none to ten and more, and the holes. */
function onCheck(context: RequestContext, payload: Buffer): void {
  const { msgid, inode, index } = context.decode(cltoma.fuseCheck, payload)
  const { nodes } = context.state
  const fail = (status: number) => context.answer(matocl.fuseCheck, { msgid, status })
  const real = resolve(context.state, context.asker(NOBODY), inode)
  if (real === 0) return fail(Status.ENOENT)
  if (!nodes.isFile(real)) return fail(Status.EPERM)
  if (index !== undefined && index > MAX_CHUNK_INDEX) return fail(Status.INDEXTOOBIG)
  const { chunks } = context.services
  if (index !== undefined) return context.answer(matocl.fuseCheck, { msgid, body: chunks.describe(real, index) })
  const counts = new Uint32Array(12)
  const count = (what: number, by = 1) => {
    counts[what] = (counts[what] ?? 0) + by
  }
  nodes.eachChunk(real, row => count(Math.min(10, chunks.goodCopies(row))))
  count(HOLES, nodes.chunkSlots(real) - nodes.chunkCount(real))
  context.answer(matocl.fuseCheck, { msgid, body: checkBody(counts, context.version) })
}

/** Where CHECK counts slots without a chunk; before it chunks by how many copies they have. */
const HOLES = 11
const CHECK_TELLS_COUNTS = versionNumber(1, 6, 23)
const CHECK_TELLS_HOLES = versionNumber(3, 0, 30)

/** All counts; those before 3.0.30 without the holes, those before 1.6.23 only what is not zero, as copies and chunks. */
function checkBody(counts: Uint32Array, version: number): Buffer {
  const out = new Writer()
  const told = version >= CHECK_TELLS_HOLES ? counts : counts.subarray(0, 11)
  for (const [copies, chunks] of told.entries()) {
    if (version >= CHECK_TELLS_COUNTS) u32.write(out, chunks)
    else if (chunks > 0) {
      u8.write(out, copies)
      u16.write(out, Math.min(chunks, 0xffff))
    }
  }
  return out.take()
}

export const fileHandlers: [number, Handler][] = [
  [cltoma.fuseOpen.code, onOpen],
  [cltoma.fuseCreate.code, onCreate],
  [cltoma.fuseReadChunk.code, onReadChunk],
  [cltoma.fuseWriteChunk.code, onWriteChunk],
  [cltoma.fuseWriteChunkEnd.code, onWriteChunkEnd],
  [cltoma.fuseTruncate.code, onTruncate],
  [cltoma.fuseGetxattr.code, onGetxattr],
  [cltoma.fuseSetxattr.code, onSetxattr],
  [cltoma.fuseGetfacl.code, onGetfacl],
  [cltoma.fuseSetfacl.code, onSetfacl],
  [cltoma.fuseFlock.code, onFlock],
  [cltoma.fusePosixLock.code, onPosixLock],
  [cltoma.fuseSustainedInodes.code, onSustainedInodes],
  [cltoma.fuseAmtimeInodes.code, onAmtimeInodes],
  [cltoma.fuseCheck.code, onCheck],
]
