// Names: which requests to make, move and remove them are granted (spec master-behaviour 1.5, 1.7; client-master 5.3).
import { RenameFlag } from '../../protocol/cltoma.ts'
import { Status } from '../../protocol/status.ts'
import { type Actor, type Decision, Disable, type Refusal, refuse, refusedBySession, SessionFlag } from '../decision.ts'
import { quotaRefuses } from '../quota/usage.ts'
import type { State } from '../state.ts'
import { Eattr, type Inode, NodeType, type Seconds } from '../types.ts'
import { MODE_W, MODE_X, mayAccess } from './access.ts'
import { noStats, type Stats, statsOfLength } from './lists.ts'
import { findEdge, isBelow, isValidName, parentOf, statsOf } from './tree.ts'

const S_ISVTX = 0o1000
const S_ISGID = 0o2000
const PROTECTED = Eattr.UNDELETABLE | Eattr.APPENDONLY | Eattr.IMMUTABLE

/** The inode that a client of this session means, or 0 when it may not see it. */
export function resolve(state: State, actor: Actor, inode: Inode): Inode {
  const { nodes } = state
  if (actor.root === 0) return nodes.type(inode) >= NodeType.TRASH ? inode : 0
  const real = inode === 1 ? actor.root : inode
  if (!nodes.exists(real)) return 0
  if (actor.root === 1 || isBelow(state, real, actor.root)) return real
  return 0
}

export function may(state: State, actor: Actor, inode: Inode, wanted: number): boolean {
  return mayAccess(state, inode, actor.uid, actor.gids, actor.sessionFlags, wanted)
}

/** Whether names may be changed in the directory. `forbidden` are extra attributes of the directory. */
function refusedInDirectory(state: State, actor: Actor, directory: Inode, forbidden: number): Refusal | undefined {
  const { nodes } = state
  if (!nodes.isDirectory(directory)) return refuse(Status.ENOTDIR)
  if (nodes.eattr.get(directory) & forbidden) return refuse(Status.EPERM)
  if (!may(state, actor, directory, MODE_W | MODE_X)) return refuse(Status.EACCES)
  return undefined
}

/** Whether a new name may be made there. */
function refusedNewName(state: State, actor: Actor, parent: Inode, name: string): Refusal | undefined {
  const refused = refusedInDirectory(state, actor, parent, Eattr.IMMUTABLE)
  if (refused) return refused
  if (!isValidName(name)) return refuse(Status.EINVAL)
  if (findEdge(state, parent, name) !== 0) return refuse(Status.EEXIST)
  return undefined
}

/** In a sticky directory only root, its owner and the owner of the object may take a name away. */
export function passesSticky({ nodes }: State, uid: number, directory: Inode, inode: Inode): boolean {
  if (uid === 0 || !(nodes.mode.get(directory) & S_ISVTX)) return true
  if (nodes.uid.get(directory) === uid || nodes.uid.get(inode) === uid) return true
  return ((nodes.eattr.get(directory) | nodes.eattr.get(inode)) & Eattr.NOOWNER) !== 0
}

const oneInode = (length = 0): Stats => ({ ...statsOfLength(length), inodes: 1 })

export interface MakeRequest {
  parent: Inode
  name: string
  type: number
  mode: number
  umask: number
  rdev: number
  /** A new directory takes over the set-gid bit of its parent. */
  copySgid: boolean
}

const disableOfType: Record<number, number> = {
  [NodeType.FILE]: Disable.CREATE,
  [NodeType.DIRECTORY]: Disable.MKDIR,
  [NodeType.FIFO]: Disable.MKFIFO,
  [NodeType.BLOCKDEV]: Disable.MKDEV,
  [NodeType.CHARDEV]: Disable.MKDEV,
  [NodeType.SOCKET]: Disable.MKSOCK,
}

/** MKNOD, MKDIR and CREATE. */
export function decideMake(state: State, actor: Actor, request: MakeRequest, ts: Seconds): Decision<{ inode: Inode }> {
  const { nodes } = state
  const disable = disableOfType[request.type]
  const refused = refusedBySession(actor, disable ?? 0)
  if (refused) return refused
  if (disable === undefined) return refuse(Status.EINVAL)
  const parent = resolve(state, actor, request.parent)
  if (parent === 0) return refuse(Status.ENOENT)
  const refusedName = refusedNewName(state, actor, parent, request.name)
  if (refusedName) return refusedName
  if (quotaRefuses(state, parent, oneInode())) return refuse(Status.QUOTA)
  const setgid = (nodes.mode.get(parent) & S_ISGID) !== 0
  const inode = nodes.nextInode()
  let mode = request.mode & 0o7777
  if (request.type === NodeType.DIRECTORY && setgid && request.copySgid) mode |= S_ISGID
  const entry = {
    op: 'CREATE',
    ts,
    parent,
    name: request.name,
    type: request.type,
    mode,
    cumask: request.umask | actor.umask,
    uid: actor.uid,
    gid: setgid ? nodes.gid.get(parent) : (actor.gids[0] ?? 0),
    rdev: request.type === NodeType.BLOCKDEV || request.type === NodeType.CHARDEV ? request.rdev : 0,
    inode,
  } as const
  return { status: Status.OK, entries: [entry], inode }
}

export function decideSymlink(
  state: State,
  actor: Actor,
  request: { parent: Inode; name: string; target: string },
  ts: Seconds,
): Decision<{ inode: Inode }> {
  const { nodes } = state
  const refused = refusedBySession(actor, Disable.SYMLINK)
  if (refused) return refused
  const { name, target } = request
  if (target.length < 1 || target.length > 4096 || target.includes('\0')) return refuse(Status.EINVAL)
  const parent = resolve(state, actor, request.parent)
  if (parent === 0) return refuse(Status.ENOENT)
  const refusedName = refusedNewName(state, actor, parent, name)
  if (refusedName) return refusedName
  if (quotaRefuses(state, parent, oneInode(target.length))) return refuse(Status.QUOTA)
  const gid = nodes.mode.get(parent) & S_ISGID ? nodes.gid.get(parent) : (actor.gids[0] ?? 0)
  const inode = nodes.nextInode()
  return {
    status: Status.OK,
    entries: [{ op: 'SYMLINK', ts, parent, name, target, uid: actor.uid, gid, inode }],
    inode,
  }
}

/** UNLINK and RMDIR. */
export function decideRemove(
  state: State,
  actor: Actor,
  request: { parent: Inode; name: string; directory: boolean },
  ts: Seconds,
): Decision<{ inode: Inode }> {
  const { nodes, lists } = state
  const refused = refusedBySession(actor, request.directory ? Disable.RMDIR : Disable.UNLINK)
  if (refused) return refused
  const parent = resolve(state, actor, request.parent)
  if (parent === 0) return refuse(Status.ENOENT)
  const refusedHere = refusedInDirectory(state, actor, parent, Eattr.IMMUTABLE | Eattr.APPENDONLY)
  if (refusedHere) return refusedHere
  if (!isValidName(request.name)) return refuse(Status.EINVAL)
  const edge = findEdge(state, parent, request.name)
  if (edge === 0) return refuse(Status.ENOENT)
  const inode = state.edges.child.get(edge)
  if (!passesSticky(state, actor.uid, parent, inode)) return refuse(Status.EPERM)
  if (nodes.eattr.get(inode) & PROTECTED) return refuse(Status.EPERM)
  if (!request.directory && nodes.isDirectory(inode)) return refuse(Status.EPERM)
  if (request.directory && !nodes.isDirectory(inode)) return refuse(Status.ENOTDIR)
  if (request.directory && lists.length.get(nodes.directoryRow(inode)) > 0) return refuse(Status.ENOTEMPTY)
  return { status: Status.OK, entries: [{ op: 'UNLINK', ts, parent, name: request.name, inode }], inode }
}

export interface RenameRequest {
  parentSource: Inode
  nameSource: string
  parentTarget: Inode
  nameTarget: string
  /** RenameFlag, 0 for a plain rename. */
  mode?: number
}

/** RENAME. Renaming a name to itself succeeds and changes nothing. */
export function decideRename(
  state: State,
  actor: Actor,
  request: RenameRequest,
  ts: Seconds,
): Decision<{ inode: Inode }> {
  const { nodes, edges } = state
  const { nameSource, nameTarget } = request
  const changes =
    (nameSource !== nameTarget ? Disable.RENAME : 0) |
    (request.parentSource !== request.parentTarget ? Disable.MOVE : 0)
  const both = Disable.RENAME | Disable.MOVE
  const refused = refusedBySession(actor, (actor.disables & both) === both ? both : changes)
  if (refused) return refused
  const parentSource = resolve(state, actor, request.parentSource)
  const parentTarget = resolve(state, actor, request.parentTarget)
  if (parentSource === 0 || parentTarget === 0) return refuse(Status.ENOENT)
  const refusedSource = refusedInDirectory(state, actor, parentSource, Eattr.IMMUTABLE | Eattr.APPENDONLY)
  if (refusedSource) return refusedSource
  if (!isValidName(nameSource)) return refuse(Status.EINVAL)
  const edge = findEdge(state, parentSource, nameSource)
  if (edge === 0) return refuse(Status.ENOENT)
  const inode = edges.child.get(edge)
  if (!passesSticky(state, actor.uid, parentSource, inode)) return refuse(Status.EPERM)
  const refusedTarget = refusedInDirectory(state, actor, parentTarget, Eattr.IMMUTABLE)
  if (refusedTarget) return refusedTarget
  if (nodes.eattr.get(inode) & Eattr.IMMUTABLE) return refuse(Status.EPERM)
  if (nodes.isDirectory(inode)) {
    if (isBelow(state, parentTarget, inode)) return refuse(Status.EINVAL)
    if (parentSource !== parentTarget && !may(state, actor, inode, MODE_W)) return refuse(Status.EACCES)
  }
  if (!isValidName(nameTarget)) return refuse(Status.EINVAL)
  const replaced = findEdge(state, parentTarget, nameTarget)
  const { mode = 0 } = request
  if (mode & ~(RenameFlag.NOREPLACE | RenameFlag.EXCHANGE) || mode === (RenameFlag.NOREPLACE | RenameFlag.EXCHANGE))
    return refuse(Status.EINVAL)
  if (mode === RenameFlag.NOREPLACE && replaced !== 0) return refuse(Status.EEXIST)
  if (mode === RenameFlag.EXCHANGE && replaced === 0) return refuse(Status.ENOENT)
  if (replaced === edge) return { status: Status.OK, entries: [], inode }
  const target = replaced === 0 ? 0 : edges.child.get(replaced)
  // Two names of one node: POSIX wants both to stay.
  if (target === inode) return { status: Status.OK, entries: [], inode }
  if (mode === RenameFlag.EXCHANGE) {
    const places = { parentSource, nameSource, parentTarget, nameTarget }
    return decideExchange(state, actor, places, inode, target, ts)
  }
  const refusedReplacing = refusedReplacement(state, actor, parentSource, parentTarget, inode, target)
  if (refusedReplacing) return refusedReplacing
  const entry = { op: 'MOVE', ts, parentSource, nameSource, parentTarget, nameTarget, inode } as const
  return { status: Status.OK, entries: [entry], inode }
}

/**
 * The target takes the place of the source; what is asked of the source was asked before. Three lines that every master
 * can replay: after a crash between them a node may be found under the name in the middle, but is never lost.
 */
function decideExchange(
  state: State,
  actor: Actor,
  places: Required<Omit<RenameRequest, 'mode'>>,
  inode: Inode,
  target: Inode,
  ts: Seconds,
): Decision<{ inode: Inode }> {
  const { nodes } = state
  const { parentSource, nameSource, parentTarget, nameTarget } = places
  const refused = refusedInDirectory(state, actor, parentTarget, Eattr.IMMUTABLE | Eattr.APPENDONLY)
  if (refused) return refused
  if (nodes.eattr.get(parentSource) & Eattr.IMMUTABLE) return refuse(Status.EPERM)
  if (!passesSticky(state, actor.uid, parentTarget, target)) return refuse(Status.EPERM)
  if (nodes.eattr.get(target) & Eattr.IMMUTABLE) return refuse(Status.EPERM)
  if (nodes.isDirectory(target)) {
    if (isBelow(state, parentSource, target)) return refuse(Status.EINVAL)
    if (parentSource !== parentTarget && !may(state, actor, target, MODE_W)) return refuse(Status.EACCES)
  }
  const added = difference(statsOf(state, inode), statsOf(state, target))
  const removed = difference(noStats(), added)
  if (quotaRefuses(state, parentTarget, added, parentSource)) return refuse(Status.QUOTA)
  if (quotaRefuses(state, parentSource, removed, parentTarget)) return refuse(Status.QUOTA)
  const middle = freeName(state, parentSource, `.exchanged-${inode}`)
  const move = (from: [Inode, string], to: [Inode, string], moved: Inode) =>
    ({
      op: 'MOVE',
      ts,
      parentSource: from[0],
      nameSource: from[1],
      parentTarget: to[0],
      nameTarget: to[1],
      inode: moved,
    }) as const
  const entries = [
    move([parentSource, nameSource], [parentSource, middle], inode),
    move([parentTarget, nameTarget], [parentSource, nameSource], target),
    move([parentSource, middle], [parentTarget, nameTarget], inode),
  ]
  return { status: Status.OK, entries, inode }
}

/** A name like this one that nothing in the directory has. */
function freeName(state: State, directory: Inode, like: string): string {
  let name = like
  for (let i = 1; findEdge(state, directory, name) !== 0; i++) name = `${like}-${i}`
  return name
}

function refusedReplacement(
  state: State,
  actor: Actor,
  parentSource: Inode,
  parentTarget: Inode,
  inode: Inode,
  target: Inode,
): Refusal | undefined {
  const { nodes, lists } = state
  if (target !== 0) {
    const directory = nodes.isDirectory(target)
    if (actor.disables & (directory ? Disable.RMDIR : Disable.UNLINK)) return refuse(Status.EPERM)
    if (directory && !nodes.isDirectory(inode)) return refuse(Status.EPERM)
    if (!directory && nodes.isDirectory(inode)) return refuse(Status.ENOTDIR)
  }
  const added = difference(statsOf(state, inode), target === 0 ? noStats() : statsOf(state, target))
  if (quotaRefuses(state, parentTarget, added, parentSource)) return refuse(Status.QUOTA)
  if (target === 0) return undefined
  if (nodes.isDirectory(target) && lists.length.get(nodes.directoryRow(target)) > 0) return refuse(Status.ENOTEMPTY)
  if (!passesSticky(state, actor.uid, parentTarget, target)) return refuse(Status.EPERM)
  if (nodes.eattr.get(target) & PROTECTED) return refuse(Status.EPERM)
  return undefined
}

function difference(a: Stats, b: Stats): Stats {
  const result = { ...a }
  for (const key of Object.keys(result) as (keyof Stats)[]) result[key] -= b[key]
  return result
}

export function decideLink(
  state: State,
  actor: Actor,
  request: { inode: Inode; parent: Inode; name: string },
  maxLinks: number,
  ts: Seconds,
): Decision<{ inode: Inode }> {
  const { nodes } = state
  const refused = refusedBySession(actor, Disable.LINK)
  if (refused) return refused
  const inode = resolve(state, actor, request.inode)
  const parent = resolve(state, actor, request.parent)
  if (inode === 0 || parent === 0) return refuse(Status.ENOENT)
  if (nodes.eattr.get(inode) & Eattr.IMMUTABLE) return refuse(Status.EPERM)
  if (nodes.type(inode) >= NodeType.TRASH) return refuse(Status.ENOENT)
  if (nodes.isDirectory(inode)) return refuse(Status.EPERM)
  if (nodes.links.get(inode) >= maxLinks) return refuse(Status.NOSPACE)
  const refusedName = refusedNewName(state, actor, parent, request.name)
  if (refusedName) return refusedName
  if (quotaRefuses(state, parent, statsOf(state, inode))) return refuse(Status.QUOTA)
  return { status: Status.OK, entries: [{ op: 'LINK', ts, inode, parent, name: request.name }], inode }
}

/** The node that a name leads to; `.` and `..` too. A missing name may be remembered by the client unless told not to. */
export function decideLookup(
  state: State,
  actor: Actor,
  directory: Inode,
  name: string,
): Decision<{ inode: Inode; parent: Inode }> {
  const { nodes } = state
  const parent = resolve(state, actor, directory)
  if (parent === 0) return refuse(Status.ENOENT_NOCACHE)
  if (!nodes.isDirectory(parent)) return refuse(Status.ENOTDIR)
  if (!may(state, actor, parent, MODE_X)) return refuse(Status.EACCES)
  const found = (inode: Inode) => ({ status: Status.OK, entries: [], inode, parent })
  if (name === '.') return found(parent)
  if (name === '..') return found(parent === actor.root ? parent : parentOf(state, parent) || actor.root)
  if (!isValidName(name)) return refuse(Status.EINVAL)
  const edge = findEdge(state, parent, name)
  if (edge !== 0) return found(state.edges.child.get(edge))
  return refuse(nodes.eattr.get(parent) & Eattr.NOENTRYCACHE ? Status.ENOENT_NOCACHE : Status.ENOENT)
}

/** ACCESS (spec client-master 5.2). */
export function decideAccess(state: State, actor: Actor, inode: Inode, wanted: number): Decision {
  if (actor.sessionFlags & SessionFlag.READONLY && wanted & MODE_W) return refuse(Status.EROFS)
  const real = inode === 1 && actor.root !== 0 ? actor.root : inode
  if (!state.nodes.exists(real)) return refuse(Status.ENOENT)
  if (state.nodes.eattr.get(real) & Eattr.IMMUTABLE && wanted & MODE_W) return refuse(Status.EPERM)
  return may(state, actor, real, wanted) ? { status: Status.OK, entries: [] } : refuse(Status.EACCES)
}
