// Opening, resizing and writing files (spec client-master 5.5, 5.6; master-behaviour 1.10).
import { MFSCHUNKSIZE } from '../../protocol/constants.ts'
import { Status } from '../../protocol/status.ts'
import { type Actor, type Decision, Disable, type Refusal, refuse, refusedBySession } from '../decision.ts'
import { quotaRefuses } from '../quota/usage.ts'
import type { State } from '../state.ts'
import { CHUNK_HEADER_BYTES, Eattr, type Inode, type Seconds, type SessionId } from '../types.ts'
import { MODE_R, MODE_W } from './access.ts'
import { MAX_LENGTH } from './apply-files.ts'
import { may, resolve } from './decide.ts'
import { resolveOpened } from './decide-attributes.ts'
import { type Stats, statsOfLength } from './lists.ts'
import { growthTo, parentOfEdge } from './tree.ts'

export interface OpenRequest {
  inode: Inode
  session: SessionId
  read: boolean
  write: boolean
  truncate: boolean
  afterCreate: boolean
}

export function decideOpen(state: State, actor: Actor, request: OpenRequest, ts: Seconds): Decision<{ inode: Inode }> {
  const { nodes, openFiles } = state
  const { read, write, truncate, afterCreate, session } = request
  if (write || truncate) {
    const refused = refusedBySession(actor, truncate ? Disable.TRUNCATE : 0)
    if (refused) return refused
  }
  const inode = resolve(state, actor, request.inode)
  if (inode === 0) return refuse(Status.ENOENT)
  if (!nodes.isFile(inode)) return refuse(Status.EPERM)
  const eattr = nodes.eattr.get(inode)
  if (eattr & Eattr.IMMUTABLE && (write || truncate)) return refuse(Status.EPERM)
  if (eattr & Eattr.APPENDONLY && truncate) return refuse(Status.EPERM)
  const wanted = (read ? MODE_R : 0) | (write || truncate ? MODE_W : 0)
  if (!afterCreate && !may(state, actor, inode, wanted)) return refuse(Status.EACCES)
  return {
    status: Status.OK,
    entries: [
      ...(openFiles.has(session, inode) ? [] : [{ op: 'ACQUIRE', ts, sessionId: session, inode } as const]),
      ...(truncate && !afterCreate ? [{ op: 'LENGTH', ts, inode, length: 0, touch: true } as const] : []),
    ],
    inode,
  }
}

export interface TruncateRequest {
  inode: Inode
  opened: boolean
  /** Part of a write: the length only grows. */
  update: boolean
  /** Asks for room at the end; the length stays. */
  reserve: boolean
  length: number
}

/** Whether a file may get this length. What has to happen to its last chunk is the caller's to do before. */
export function decideTruncate(state: State, actor: Actor, request: TruncateRequest): Decision<{ inode: Inode }> {
  const { nodes } = state
  const plain = !request.update && !request.reserve
  const both = Disable.TRUNCATE | Disable.SETLENGTH
  const refused = refusedBySession(actor, plain ? ((actor.disables & both) === both ? both : 0) : Disable.WRITE)
  if (refused) return refused
  const inode = resolveOpened(state, actor, request.inode, request.opened)
  if (inode === 0) return refuse(Status.ENOENT)
  const eattr = nodes.eattr.get(inode)
  if (eattr & Eattr.IMMUTABLE || (plain && eattr & Eattr.APPENDONLY)) return refuse(Status.EPERM)
  if (!request.opened && !may(state, actor, inode, MODE_W)) return refuse(Status.EACCES)
  if (!nodes.isFile(inode)) return refuse(Status.EPERM)
  if (request.length > MAX_LENGTH) return refuse(Status.INDEXTOOBIG)
  if (plain) {
    const refusedLength = refusedNewLength(state, actor, inode, request.length)
    if (refusedLength) return refusedLength
  }
  return { status: Status.OK, entries: [], inode }
}

function refusedNewLength(state: State, actor: Actor, inode: Inode, length: number): Refusal | undefined {
  const present = state.nodes.length.get(inode)
  if (length < present && actor.disables & Disable.TRUNCATE) return refuse(Status.EPERM)
  if (length <= present) return undefined
  if (actor.disables & Disable.SETLENGTH) return refuse(Status.EPERM)
  return fileQuotaRefuses(state, inode, growthTo(state, inode, length)) ? refuse(Status.QUOTA) : undefined
}

/** Whether a chunk of the file may be written. */
export function decideWrite(state: State, actor: Actor, inode: Inode, index: number): Decision {
  const { nodes } = state
  const refused = refusedBySession(actor, Disable.WRITE)
  if (refused) return refused
  if (!nodes.exists(inode)) return refuse(Status.ENOENT)
  if (!nodes.isFile(inode) || nodes.eattr.get(inode) & Eattr.IMMUTABLE) return refuse(Status.EPERM)
  if ((index + 1) * MFSCHUNKSIZE - 1 > MAX_LENGTH) return refuse(Status.INDEXTOOBIG)
  return fileQuotaRefuses(state, inode, writeStats(state, inode, index))
    ? refuse(Status.QUOTA)
    : { status: 0, entries: [] }
}

/** What a file surely grows by when a chunk of it is written; its blocks are counted when they are there. */
function writeStats({ nodes }: State, inode: Inode, index: number): Stats {
  const length = Math.max(0, index * MFSCHUNKSIZE - nodes.length.get(inode))
  const size = nodes.chunkRow(inode, index) === 0 ? CHUNK_HEADER_BYTES : 0
  return { ...statsOfLength(length), size, realsize: size * nodes.ratio.get(inode) }
}

/** Whether the file may be written up to `length`. */
export function decideWriteEnd(state: State, actor: Actor, inode: Inode, length: number): Decision {
  const { nodes } = state
  const refused = refusedBySession(actor, Disable.WRITE)
  if (refused) return refused
  if (length === 0) return { status: Status.OK, entries: [] }
  if (!nodes.exists(inode)) return refuse(Status.ENOENT)
  if (!nodes.isFile(inode)) return refuse(Status.EPERM)
  if (length > MAX_LENGTH) return refuse(Status.INDEXTOOBIG)
  const grows = length > nodes.length.get(inode)
  const refusedGrowth = grows && fileQuotaRefuses(state, inode, growthTo(state, inode, length))
  return refusedGrowth ? refuse(Status.QUOTA) : { status: Status.OK, entries: [] }
}

/** As quotaRefuses, on every path of the file. */
export function fileQuotaRefuses(state: State, inode: Inode, added: Stats): boolean {
  for (let edge = state.nodes.firstLink.get(inode); edge !== 0; edge = state.edges.nextLink.get(edge)) {
    const parent = parentOfEdge(state, edge)
    if (parent !== 0 && quotaRefuses(state, parent, added)) return true
  }
  return false
}
