// Snapshots of files and trees, and their removal (spec metadata 4.5, master-behaviour 9.1).
import { Status } from '../../protocol/status.ts'
import { type Acl, AclType } from '../acl/acls.ts'
import type { Operations } from '../apply.ts'
import type { EntryOf } from '../changelog/entry.ts'
import { expectResult, fail } from '../replay-error.ts'
import type { State } from '../state.ts'
import { Eattr, type Inode, NodeType, type Seconds } from '../types.ts'
import { MODE_R, MODE_W, MODE_X, mayAccess } from './access.ts'
import { createNode, linkNode, needDirectory, needEdge, needFreeName, S_ISGID, unlinkNode } from './apply.ts'
import { needNode } from './apply-attributes.ts'
import { setClass } from './apply-recursive.ts'
import { changeCounted, cutChunks, edgesOf, findEdge, isBelow, isValidName } from './tree.ts'

export const SnapshotMode = { OVERWRITE: 0x01, CP_LIKE: 0x02, FORCE: 0x04, HARDLINKS: 0x08, DELETE: 0x80 } as const

export const PROTECTED = Eattr.UNDELETABLE | Eattr.APPENDONLY | Eattr.IMMUTABLE
const SUID_SGID = 0o6000

export interface SnapshotCounts {
  /** XOR of the inodes that were made or replaced. */
  checksum: number
  removed: number
  same: number
  existing: number
  hardlinks: number
  created: number
}

export type SnapshotEntry = EntryOf<'SNAPSHOT'>
type Request = Omit<SnapshotEntry, keyof SnapshotCounts | 'op'>

interface Run {
  state: State
  request: Request
  counts: SnapshotCounts
  /** Copies of sources with several links, by source. */
  copies: Map<Inode, Inode>
}

/** Makes or removes a snapshot. @throws ReplayError; nothing is changed when it is thrown before the first copy */
export function runSnapshot(state: State, request: Request): SnapshotCounts {
  const counts = { checksum: 0, removed: 0, same: 0, existing: 0, hardlinks: 0, created: 0 }
  const run: Run = { state, request, counts, copies: new Map() }
  needDirectory(state, request.parent)
  if (request.mode & SnapshotMode.DELETE) {
    removeBelow(run, request.parent, needEdge(state, request.parent, request.name))
    return counts
  }
  checkSnapshot(state, request)
  copy(run, request.source, request.parent, request.name)
  return counts
}

/** @throws ReplayError when the copy can't be made; nothing is changed */
export function checkSnapshot(state: State, request: Request): void {
  needDirectory(state, request.parent)
  needNode(state, request.source)
  if (!isValidName(request.name)) fail(Status.EINVAL, `bad name ${JSON.stringify(request.name)}`)
  if (state.nodes.isDirectory(request.source) && isBelow(state, request.parent, request.source)) {
    fail(Status.EINVAL, `directory ${request.source} would be copied below itself`)
  }
  checkTarget({ state, request }, request.source, request.parent, request.name)
}

export const allows = ({ state, request }: Pick<Run, 'state' | 'request'>, inode: Inode, wanted: number) =>
  mayAccess(state, inode, request.uid, request.gids, request.sessionFlags, wanted)

/** Whether everything that is at the target may be merged or replaced. */
function checkTarget(run: Pick<Run, 'state' | 'request'>, source: Inode, parent: Inode, name: string): void {
  const { state } = run
  const { nodes, edges } = state
  const target = checkTargetAlone(run, source, parent, name)
  if (target === 0 || !nodes.isDirectory(source) || !allows(run, source, MODE_R | MODE_X)) return
  for (const child of edgesOf(state, nodes.directoryRow(source))) {
    checkTarget(run, edges.child.get(child), target, edges.name(child))
  }
}

/** As checkTarget(), without what lies below. @returns what is at the target, or 0 */
export function checkTargetAlone(
  { state, request }: Pick<Run, 'state' | 'request'>,
  source: Inode,
  parent: Inode,
  name: string,
): Inode {
  const { nodes, edges } = state
  const edge = findEdge(state, parent, name)
  if (edge === 0) return 0
  const target = edges.child.get(edge)
  if (target === source) fail(Status.EINVAL, `inode ${source} would be copied onto itself`)
  if (nodes.eattr.get(target) & PROTECTED) fail(Status.EPERM, `inode ${target} is protected`)
  if (nodes.type(target) !== nodes.type(source)) fail(Status.EPERM, `inode ${target} is of another type`)
  if (!nodes.isDirectory(source) && !(request.mode & SnapshotMode.OVERWRITE)) {
    fail(Status.EEXIST, `inode ${target} is there`)
  }
  return target
}

function copy(run: Run, source: Inode, parent: Inode, name: string): void {
  const { state } = run
  const { nodes } = state
  if (nodes.isFile(source) && !allows(run, source, MODE_R)) return
  const edge = findEdge(state, parent, name)
  const isNew = edge === 0
  const target = isNew ? copyNew(run, source, parent, name) : replaceContents(run, source, parent, edge)
  if (target === 0) return
  if (nodes.isDirectory(source)) copyChildren(run, source, target)
  // New names in a directory that was there inherit from it as it was.
  if (!isNew) takeAttributes(run, source, target)
  // Names made in a directory touch it, so its times and mark come after them.
  if (!(run.request.mode & SnapshotMode.CP_LIKE)) copyTimes(run, source, target, isNew)
  nodes.eattr.set(target, nodes.eattr.get(target) | Eattr.SNAPSHOT)
}

function copyChildren(run: Run, source: Inode, target: Inode): void {
  const { state } = run
  if (!allows(run, source, MODE_R | MODE_X)) return
  for (const child of [...edgesOf(state, state.nodes.directoryRow(source))]) {
    copy(run, state.edges.child.get(child), target, state.edges.name(child))
  }
}

/** Returns the new inode; 0 when it is only a link to an earlier copy. */
function copyNew(run: Run, source: Inode, parent: Inode, name: string): Inode {
  const { state, request, counts, copies } = run
  const { nodes } = state
  const linked =
    (request.mode & SnapshotMode.HARDLINKS) !== 0 && !nodes.isDirectory(source) && nodes.links.get(source) > 1
  const earlier = linked ? copies.get(source) : undefined
  if (earlier !== undefined) {
    needFreeName(state, parent, name)
    linkNode(state, parent, earlier, name, request.ts)
    counts.hardlinks++
    return 0
  }
  const made = makeCopy(run, source, parent, name)
  counts.created++
  counts.checksum = (counts.checksum ^ made) >>> 0
  if (linked) copies.set(source, made)
  return made
}

/** A new node with contents and attributes of the source. */
function makeCopy(run: Run, source: Inode, parent: Inode, name: string): Inode {
  const { state, request } = run
  const { nodes } = state
  const type = nodes.type(source) as NodeType
  const cpLike = (request.mode & SnapshotMode.CP_LIKE) !== 0
  const node = {
    type,
    mode: nodes.mode.get(source),
    cumask: cpLike ? request.cumask : 0,
    uid: request.uid,
    gid: request.gids[0] ?? 0,
  }
  const made = createNode(state, parent, name, node, request.ts)
  if (!cpLike) {
    takeOwner(run, source, made)
    if (nodes.mode.get(parent) & S_ISGID) nodes.gid.set(made, nodes.gid.get(parent))
    nodes.trashHours.set(made, nodes.trashHours.get(source))
    nodes.eattr.set(made, nodes.eattr.get(source))
    nodes.winattr.set(made, nodes.winattr.get(source))
    setClass(state, made, nodes.sclassId.get(source))
    copyExtras(state, source, made)
  }
  copyContents(state, source, made)
  return made
}

/** The owner and mode of the source, or the caller without set-id bits when it is not his. */
export function ownerOfCopy({ nodes }: State, { uid, gids }: Pick<Request, 'uid' | 'gids'>, source: Inode) {
  const mode = nodes.mode.get(source)
  if (uid === 0 || uid === nodes.uid.get(source))
    return { uid: nodes.uid.get(source), gid: nodes.gid.get(source), mode }
  return { uid, gid: gids[0] ?? 0, mode: mode & ~SUID_SGID }
}

function takeOwner({ state, request }: Run, source: Inode, target: Inode): void {
  const { uid, gid, mode } = ownerOfCopy(state, request, source)
  state.nodes.uid.set(target, uid)
  state.nodes.gid.set(target, gid)
  state.nodes.mode.set(target, mode)
}

/** A new copy has all times of its source; what was there before keeps the time when somebody else changed its owner. */
function copyTimes({ state: { nodes }, request }: Run, source: Inode, target: Inode, isNew: boolean): void {
  const owns = isNew || request.uid === 0 || request.uid === nodes.uid.get(source)
  nodes.atime.copy(source, target)
  nodes.mtime.copy(source, target)
  if (owns) nodes.ctime.copy(source, target)
  else nodes.ctime.set(target, request.ts)
}

function copyExtras({ xattrs, acls }: State, source: Inode, target: Inode): void {
  for (const [name, value] of xattrs.of(source)) xattrs.set(target, name, value)
  // What the copy inherited from its folder stays where the source has no ACL of that type.
  for (const type of [AclType.ACCESS, AclType.DEFAULT]) {
    const acl: Acl | undefined = acls.get(source, type)
    if (acl) acls.set(target, type, { ...acl, users: [...acl.users], groups: [...acl.groups] })
  }
}

/** Shares the chunks, or copies the link target or device number. */
function copyContents(state: State, source: Inode, target: Inode): void {
  const { nodes, chunks } = state
  const type = nodes.type(source)
  if (type === NodeType.SYMLINK) changeCounted(state, target, () => nodes.setTarget(target, nodes.target(source)))
  if (type === NodeType.BLOCKDEV || type === NodeType.CHARDEV) nodes.setRdev(target, nodes.rdev(source))
  if (!nodes.isFile(source)) return
  changeCounted(state, target, () => {
    cutChunks(state, target, 0)
    nodes.setChunkSlots(target, nodes.chunkSlots(source))
    nodes.eachChunk(source, (row, index) => {
      nodes.setChunkRow(target, index, row)
      chunks.share(row, nodes.sclassId.get(target))
    })
    nodes.length.set(target, nodes.length.get(source))
  })
}

/** Returns the inode that is at the target now. */
function replaceContents(run: Run, source: Inode, parent: Inode, edge: number): Inode {
  const { state, counts } = run
  const present = state.edges.child.get(edge)
  if (!state.nodes.isFile(source)) {
    copyContents(state, source, present)
    counts.existing++
    return present
  }
  if (sameContents(state, source, present)) {
    counts.same++
    return present
  }
  const made = replaceFile(run, source, parent, edge)
  counts.checksum = (counts.checksum ^ present ^ made) >>> 0
  counts.existing++
  return made
}

/** Owner and mode for what was at the target, also when its contents stayed. */
function takeAttributes(run: Run, source: Inode, target: Inode): void {
  const { state, request } = run
  const { nodes } = state
  if (request.mode & SnapshotMode.CP_LIKE) {
    nodes.uid.set(target, request.uid)
    nodes.gid.set(target, request.gids[0] ?? 0)
    nodes.mode.set(target, nodes.mode.get(source) & ~request.cumask)
    nodes.ctime.set(target, request.ts)
  } else takeOwner(run, source, target)
}

function sameContents({ nodes }: State, a: Inode, b: Inode): boolean {
  if (nodes.length.get(a) !== nodes.length.get(b)) return false
  let areSame = nodes.chunkCount(a) === nodes.chunkCount(b)
  nodes.eachChunk(a, (row, index) => {
    if (nodes.chunkRow(b, index) !== row) areSame = false
  })
  return areSame
}

/** The old file goes where unlinked files go; a new one with class and retention of the source takes its name. */
function replaceFile(run: Run, source: Inode, parent: Inode, edge: number): Inode {
  const { state, request } = run
  const { nodes, edges } = state
  const name = edges.name(edge)
  unlinkNode(state, parent, edge, request.ts)
  const node = {
    type: NodeType.FILE,
    mode: nodes.mode.get(source),
    cumask: 0,
    uid: request.uid,
    gid: request.gids[0] ?? 0,
  }
  const made = createNode(state, parent, name, node, request.ts)
  nodes.trashHours.set(made, nodes.trashHours.get(source))
  setClass(state, made, nodes.sclassId.get(source))
  copyContents(state, source, made)
  return made
}

/** Removes what is marked as a snapshot and not protected, children first (spec metadata 4.5, delete mode). */
function removeBelow(run: Run, parent: Inode, edge: number): void {
  const { state, request, counts } = run
  const { nodes, edges, lists } = state
  const inode = edges.child.get(edge)
  const eattr = nodes.eattr.get(inode)
  if (nodes.isDirectory(inode)) {
    if (!(eattr & (Eattr.APPENDONLY | Eattr.IMMUTABLE)) && allows(run, inode, MODE_W | MODE_X)) {
      for (const child of [...edgesOf(state, nodes.directoryRow(inode))]) removeBelow(run, inode, child)
    }
    // One in which something stays has lost its mark with the names that are gone; an empty one keeps it.
    if (lists.length.get(nodes.directoryRow(inode)) > 0) return
    nodes.eattr.set(inode, eattr)
  }
  if (!(eattr & Eattr.SNAPSHOT) || eattr & PROTECTED) return
  nodes.trashHours.set(inode, 0)
  unlinkNode(state, parent, edge, request.ts as Seconds)
  counts.removed++
  counts.checksum = (counts.checksum ^ inode) >>> 0
}

export const snapshotOperations: Operations<'SNAPSHOT'> = {
  SNAPSHOT(state, entry) {
    const counts = runSnapshot(state, entry)
    const keys = Object.keys(counts) as (keyof SnapshotCounts)[]
    // Old forms log no results, and a decision does not foresee them: the entry learns what came of it.
    if (keys.every(key => entry[key] === 0)) {
      Object.assign(entry, counts)
      return
    }
    for (const key of keys) expectResult(key, entry[key], counts[key])
  },
}
