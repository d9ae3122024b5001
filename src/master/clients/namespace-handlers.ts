// Names and attributes (spec client-master 5.2 to 5.4).

import { Disable } from '../../metadata/decision.ts'
import { MODE_R, MODE_X } from '../../metadata/namespace/access.ts'
import {
  decideAccess,
  decideLink,
  decideLookup,
  decideMake,
  decideRemove,
  decideRename,
  decideSymlink,
  may,
  resolve,
} from '../../metadata/namespace/decide.ts'
import { accessEntry, decideSetattr, resolveOpened } from '../../metadata/namespace/decide-attributes.ts'
import { lengthOf } from '../../metadata/namespace/lists.ts'
import { parentOf, parentOfEdge, pathOf, pathsOf, statsOf } from '../../metadata/namespace/tree.ts'
import type { State } from '../../metadata/state.ts'
import { type Inode, NodeType, ROOT } from '../../metadata/types.ts'
import { type Attributes, MattrFlag } from '../../protocol/attributes.ts'
import * as cltoma from '../../protocol/cltoma.ts'
import { type Message, name as nameCodec, u32, Writer } from '../../protocol/codec.ts'
import { versionNumber } from '../../protocol/constants.ts'
import * as matocl from '../../protocol/matocl.ts'
import { Status } from '../../protocol/status.ts'
import { attributesOf, lookupFlags } from './attributes.ts'
import { NOBODY, type RequestContext } from './context.ts'
import { RecordWriter } from './record-writer.ts'

type Handler = (context: RequestContext, payload: Buffer) => void

const Counter = {
  STATFS: 0,
  GETATTR: 1,
  SETATTR: 2,
  LOOKUP: 3,
  MKDIR: 4,
  RMDIR: 5,
  SYMLINK: 6,
  READLINK: 7,
  MKNOD: 8,
  UNLINK: 9,
  RENAME: 10,
  LINK: 11,
  READDIR: 12,
} as const

/** Callers of messages that carry none. */

function onStatfs(context: RequestContext, payload: Buffer): void {
  const { msgid } = context.decode(cltoma.fuseStatfs, payload)
  context.count(Counter.STATFS)
  const { state, session } = context
  const { total, available, free } = context.services.chunks.space()
  const whole = session.rootInode === ROOT
  const lengths = (lists: readonly number[]) => lists.reduce((sum, list) => sum + lengthOf(state.lists.stats(list)), 0)
  const inodes = session.rootInode === 0 ? 0 : statsOf(state, session.rootInode).inodes
  context.answer(matocl.fuseStatfs, {
    msgid,
    total,
    available,
    free,
    trash: whole ? lengths(state.trashLists) : 0,
    sustained: whole ? lengths(state.sustainedLists) : 0,
    inodes,
  })
}

function onAccess(context: RequestContext, payload: Buffer): void {
  const { msgid, inode, uid, gids, mask } = context.decode(cltoma.fuseAccess, payload)
  const { status } = decideAccess(context.state, context.asker({ uid, gids }), inode, mask & 7)
  context.answerStatus(matocl.fuseAccess, msgid, status)
}

function onLookup(context: RequestContext, payload: Buffer): void {
  const { msgid, parent, name, caller } = context.decode(cltoma.fuseLookup, payload)
  context.count(Counter.LOOKUP)
  const asker = context.asker(caller)
  const found = decideLookup(context.state, asker, parent, name)
  if (!context.granted(found)) {
    const { status } = found
    const known = status === Status.ENOENT_NOCACHE && context.version < KNOWS_NOCACHE ? Status.ENOENT : status
    return context.answer(matocl.fuseLookup, { msgid, status: known })
  }
  const attributes = attributesOf(context.state, asker, found.inode, found.parent)
  const inode = context.shown(found.inode)
  const flags = lookupFlags(context.state, asker, found.inode, context.version)
  const mayUseData = context.state.nodes.isFile(found.inode) && (flags & DATA_COMBINATIONS) !== 0
  if (!mayUseData || context.version < LOOKUP_TELLS_RIGHTS)
    return context.answer(matocl.fuseLookup, { msgid, inode, attributes, rights: { flags } })
  const keep = keepsCache(context, found.inode, attributes)
  const chunk =
    asker.disables & Disable.READ ? undefined : context.services.chunks.peekOnly(found.inode, context.session.peerIp)
  const { CHUNK_DATA, KEEP_CACHE } = matocl.LookupFlag
  const told = keep && matocl.knowsOpenFlags(context.version) ? KEEP_CACHE : 0
  const rights = chunk ? { flags: flags | told | CHUNK_DATA, chunk } : { flags: flags | told }
  context.answer(matocl.fuseLookup, { msgid, inode, attributes, rights })
}

const LOOKUP_TELLS_RIGHTS = versionNumber(3, 0, 40)
/** Since when clients know of missing names that they shall not remember. */
const KNOWS_NOCACHE = versionNumber(3, 0, 25)

/** Combinations of rights that let a caller at the data. */
const DATA_COMBINATIONS = 0b11111100

/**
 * Whether the client may keep what it has cached of the file. If not, the attributes tell it too, as clients before
 * 3.0.113 expect.
 */
export function keepsCache(context: RequestContext, inode: Inode, attributes: Attributes): boolean {
  if (attributes.flags & MattrFlag.DIRECTMODE) return false
  const keeps = context.services.cache.ask(inode, context.sessionId)
  if (!keeps) attributes.flags &= ~MattrFlag.ALLOWDATACACHE
  return keeps
}

function onGetattr(context: RequestContext, payload: Buffer): void {
  const { msgid, inode, opened = 0, uid, gid } = context.decode(cltoma.fuseGetattr, payload)
  context.count(Counter.GETATTR)
  const asker = context.asker(uid === undefined ? NOBODY : { uid, gids: [gid ?? 0] })
  const real = resolveOpened(context.state, asker, inode, opened !== 0)
  if (real === 0) return context.answer(matocl.fuseGetattr, { msgid, status: Status.ENOENT })
  context.answer(matocl.fuseGetattr, { msgid, attributes: attributesOf(context.state, asker, real) })
}

function onSetattr(context: RequestContext, payload: Buffer): void {
  const { msgid, inode, opened, caller, set } = context.decode(cltoma.fuseSetattr, payload)
  context.count(Counter.SETATTR)
  const has = (bit: number) => (set.setmask & bit) !== 0
  const { SetMask } = cltoma
  const time = (now: number, given: number, value: number) => (has(now) ? 'now' : has(given) ? value : undefined)
  const asker = context.asker(caller)
  if (has(SetMask.WINATTR) && set.winattr === undefined) {
    return context.answer(matocl.fuseSetattr, { msgid, status: Status.EINVAL })
  }
  const request = {
    inode,
    opened: opened !== 0,
    mode: has(SetMask.MODE) ? set.mode & 0o7777 : undefined,
    uid: has(SetMask.UID) ? set.uid : undefined,
    gid: has(SetMask.GID) ? set.gid : undefined,
    atime: time(SetMask.ATIME_NOW, SetMask.ATIME, set.atime),
    mtime: time(SetMask.MTIME_NOW, SetMask.MTIME, set.mtime),
    atimeMore: set.atimeMore,
    mtimeMore: set.mtimeMore,
    winattr: has(SetMask.WINATTR) ? set.winattr : undefined,
    sugidClearMode: set.sugidClearMode,
  } as const
  const decision = decideSetattr(context.state, asker, request, context.now())
  if (!context.granted(decision)) return context.answer(matocl.fuseSetattr, { msgid, status: decision.status })
  context.answer(matocl.fuseSetattr, { msgid, attributes: attributesOf(context.state, asker, decision.inode) })
}

function onReadlink(context: RequestContext, payload: Buffer): void {
  const { msgid, inode } = context.decode(cltoma.fuseReadlink, payload)
  context.count(Counter.READLINK)
  const { state } = context
  const real = resolve(state, context.asker(NOBODY), inode)
  if (real === 0 || state.nodes.type(real) !== NodeType.SYMLINK) {
    const status = real === 0 ? Status.ENOENT : Status.EINVAL
    return context.answer(matocl.fuseReadlink, { msgid, status })
  }
  touch(context, real)
  context.answer(matocl.fuseReadlink, { msgid, target: `${state.nodes.target(real)}\0` })
}

/** Reading may change the time of the last access (ATIME_MODE). */
export function touch(context: RequestContext, inode: Inode): void {
  const entry = accessEntry(context.state, inode, context.services.options.atimeMode, context.now())
  if (entry) context.commit([entry])
}

/** Answers with the node that a request made or moved. */
function answerNode(
  context: RequestContext,
  message: typeof matocl.fuseMknod,
  msgid: number,
  caller: { uid: number; gids: number[] },
  decision: ReturnType<typeof decideMake>,
  parent: Inode,
): void {
  if (!context.granted(decision)) return context.answer(message, { msgid, status: decision.status })
  const attributes = attributesOf(context.state, context.asker(caller), decision.inode, parent)
  context.answer(message, { msgid, inode: context.shown(decision.inode), attributes })
}

function onSymlink(context: RequestContext, payload: Buffer): void {
  const { msgid, parent, name, target, caller } = context.decode(cltoma.fuseSymlink, payload)
  context.count(Counter.SYMLINK)
  const request = { parent, name, target: target.replace(/\0+$/, '') }
  const decision = decideSymlink(context.state, context.asker(caller), request, context.now())
  answerNode(context, matocl.fuseSymlink, msgid, caller, decision, parent)
}

/** Types by their letters, as old clients send them. */
const letterTypes = ' fdlqbcs'

function onMknod(context: RequestContext, payload: Buffer): void {
  const { msgid, caller, type: sent, ...rest } = context.decode(cltoma.fuseMknod, payload)
  context.count(Counter.MKNOD)
  const type = sent > 15 ? Math.max(0, letterTypes.indexOf(String.fromCharCode(sent))) : sent
  const request = { ...rest, type, copySgid: true }
  const decision = decideMake(context.state, context.asker(caller), request, context.now())
  answerNode(context, matocl.fuseMknod, msgid, caller, decision, rest.parent)
}

function onMkdir(context: RequestContext, payload: Buffer): void {
  const { msgid, caller, copySgid, ...rest } = context.decode(cltoma.fuseMkdir, payload)
  context.count(Counter.MKDIR)
  const request = { ...rest, type: NodeType.DIRECTORY, rdev: 0, copySgid: (copySgid ?? 0) !== 0 }
  const decision = decideMake(context.state, context.asker(caller), request, context.now())
  answerNode(context, matocl.fuseMkdir, msgid, caller, decision, rest.parent)
}

type RemoveRequest = { msgid: number; parent: number; name: string; caller: { uid: number; gids: number[] } }

function remover(
  message: Message<RemoveRequest>,
  answer: typeof matocl.fuseUnlink,
  directory: boolean,
  counter: number,
): Handler {
  return (context, payload) => {
    const { msgid, parent, name, caller } = context.decode(message, payload)
    context.count(counter)
    const decision = decideRemove(context.state, context.asker(caller), { parent, name, directory }, context.now())
    if (!context.granted(decision)) return context.answer(answer, { msgid, status: decision.status })
    if (matocl.tellsRemovedInode(context.version)) context.answer(answer, { msgid, inode: decision.inode })
    else context.answer(answer, { msgid, status: Status.OK })
  }
}

function onRename(context: RequestContext, payload: Buffer): void {
  const { msgid, caller, mode = 0, ...request } = context.decode(cltoma.fuseRename, payload)
  context.count(Counter.RENAME)
  const decision = decideRename(context.state, context.asker(caller), { mode, ...request }, context.now())
  if (decision.status === 0 && context.version < RENAME_TELLS_NODE) {
    context.granted(decision)
    return context.answer(matocl.fuseRename, { msgid, status: Status.OK })
  }
  answerNode(context, matocl.fuseRename, msgid, caller, decision, request.parentTarget)
}

const RENAME_TELLS_NODE = versionNumber(1, 6, 21)

function onLink(context: RequestContext, payload: Buffer): void {
  const { msgid, caller, ...request } = context.decode(cltoma.fuseLink, payload)
  context.count(Counter.LINK)
  const { maxHardLinks } = context.services.options
  const decision = decideLink(context.state, context.asker(caller), request, maxHardLinks, context.now())
  answerNode(context, matocl.fuseLink, msgid, caller, decision, request.parent)
}

const { DOT: EDGE_START, DOTDOT: EDGE_DOTDOT, END: EDGE_END } = cltoma.ListingEdge
const MAX_LISTING_BYTES = 0xffff0000

/** What it holds is copied into the answer, and its memory used again. */
const listingWriter = new Writer()

function onReaddir(context: RequestContext, payload: Buffer): void {
  const { msgid, inode, caller, flags, page } = context.decode(cltoma.fuseReaddir, payload)
  const { maxEntries, edgeId } = page ?? { maxEntries: 0xffffffff, edgeId: EDGE_START }
  context.count(Counter.READDIR)
  const { state } = context
  const asker = context.asker(caller)
  const fail = (status: number) => context.answer(matocl.fuseReaddir, { msgid, status })
  if (asker.disables & Disable.READDIR) return fail(Status.EPERM)
  const directory = resolve(state, asker, inode)
  if (directory === 0) return fail(Status.ENOENT)
  if (!state.nodes.isDirectory(directory)) return fail(Status.ENOTDIR)
  const plus = (flags & cltoma.ReaddirFlag.WITHATTR) !== 0
  if (edgeId === EDGE_START && !may(state, asker, directory, plus ? MODE_R | MODE_X : MODE_R))
    return fail(Status.EACCES)
  touch(context, directory)
  const out = listingWriter
  out.reuse()
  out.version = context.version
  // Without an object or a string for each entry: what matocl.direntPlus and matocl.dirent declare.
  const records = new RecordWriter(state, asker, directory, context.version)
  const writeNode = (child: Inode) => {
    u32.write(out, context.shown(child))
    if (plus) records.write(out, child)
    else matocl.nodeType.write(out, state.nodes.type(child))
  }
  const entries: EntryWriter = {
    named(name, child) {
      nameCodec.write(out, name)
      writeNode(child)
    },
    edge(edge) {
      const bytes = state.edges.nameBytes(edge)
      const at = out.reserve(1 + bytes)
      out.buffer[at] = bytes
      state.edges.copyName(edge, out.buffer, at + 1)
      writeNode(state.edges.child.get(edge))
    },
    isFull: () => out.position - out.start > MAX_LISTING_BYTES,
  }
  const next = list(context, directory, edgeId, maxEntries, entries)
  context.answer(matocl.fuseReaddir, { msgid, ...(page && { edgeId: next }), entries: out.take() })
}

/** Where the entries of a listing go. */
interface EntryWriter {
  named(name: string, child: Inode): void
  edge(edge: number): void
  isFull(): boolean
}

/** Writes entries from an edge id on. Returns the id to go on with. */
function list(
  { state, session }: RequestContext,
  directory: Inode,
  from: bigint,
  maxEntries: number,
  out: EntryWriter,
): bigint {
  const { edges, lists, nodes } = state
  const row = nodes.directoryRow(directory)
  let left = maxEntries
  if (from === EDGE_START) {
    if (left-- <= 0) return EDGE_START
    out.named('.', directory)
  }
  if (from <= EDGE_DOTDOT) {
    if (left-- <= 0) return EDGE_DOTDOT
    out.named('..', directory === session.rootInode ? directory : parentOf(state, directory) || directory)
  }
  let edge = lists.head.get(row)
  if (from > EDGE_DOTDOT) {
    const remembered = edges.recall(row, Number(edges.idOfAge(0) - from))
    if (remembered !== 0) edge = remembered
    else while (edge !== 0 && edges.id(edge) < from) edge = edges.next.get(edge)
  }
  for (; edge !== 0; edge = edges.next.get(edge)) {
    if (left-- <= 0 || out.isFull()) {
      edges.remember(edge)
      return edges.id(edge)
    }
    out.edge(edge)
  }
  return EDGE_END
}

function onParents(context: RequestContext, payload: Buffer): void {
  const { msgid, inode } = context.decode(cltoma.fuseParents, payload)
  const { state } = context
  const real = resolve(state, context.asker(NOBODY), inode)
  if (real === 0) return context.answer(matocl.fuseParents, { msgid, status: Status.ENOENT })
  const parents: Inode[] = []
  if (real !== context.session.rootInode) {
    for (let edge = state.nodes.firstLink.get(real); edge !== 0; edge = state.edges.nextLink.get(edge)) {
      const parent = parentOfEdge(state, edge)
      if (parent !== 0) parents.push(context.shown(parent))
    }
  }
  context.answer(matocl.fuseParents, { msgid, parents })
}

function onPaths(context: RequestContext, payload: Buffer): void {
  const { msgid, inode } = context.decode(cltoma.fusePaths, payload)
  const { state, session } = context
  const real = resolve(state, context.asker(NOBODY), inode)
  if (real === 0) return context.answer(matocl.fusePaths, { msgid, status: Status.ENOENT })
  context.answer(matocl.fusePaths, { msgid, paths: pathsBelow(state, session.rootInode, real) })
}

/** Paths as a session with this root sees them. */
function pathsBelow(state: State, root: Inode, inode: Inode): string[] {
  if (inode === root) return ['/']
  const above = root === ROOT ? '' : `${pathOf(state, root)}/`
  return pathsOf(state, inode)
    .filter(path => path.startsWith(above) || path.startsWith('./'))
    .map(path => (path.startsWith('./') ? path : path.slice(above.length)))
}

export const namespaceHandlers: [number, Handler][] = [
  [cltoma.fuseStatfs.code, onStatfs],
  [cltoma.fuseAccess.code, onAccess],
  [cltoma.fuseLookup.code, onLookup],
  [cltoma.fuseGetattr.code, onGetattr],
  [cltoma.fuseSetattr.code, onSetattr],
  [cltoma.fuseReadlink.code, onReadlink],
  [cltoma.fuseSymlink.code, onSymlink],
  [cltoma.fuseMknod.code, onMknod],
  [cltoma.fuseMkdir.code, onMkdir],
  [cltoma.fuseUnlink.code, remover(cltoma.fuseUnlink, matocl.fuseUnlink, false, Counter.UNLINK)],
  [cltoma.fuseRmdir.code, remover(cltoma.fuseRmdir, matocl.fuseRmdir, true, Counter.RMDIR)],
  [cltoma.fuseRename.code, onRename],
  [cltoma.fuseLink.code, onLink],
  [cltoma.fuseReaddir.code, onReaddir],
  [cltoma.fuseParents.code, onParents],
  [cltoma.fusePaths.code, onPaths],
]
