// Names: create, link, move, unlink (spec metadata 4.1).
import { Status } from '../../protocol/status.ts'
import { type Acl, AclType, isPlain } from '../acl/acls.ts'
import type { Operations } from '../apply.ts'
import { expectResult, fail } from '../replay-error.ts'
import type { State } from '../state.ts'
import { Eattr, FIRST_EDGE_ID, type Inode, NodeType, type Seconds } from '../types.ts'
import {
  addEdge,
  bucketOf,
  findEdge,
  isBelow,
  isValidName,
  keepUnlinked,
  pathOf,
  removeEdge,
  removeNode,
  renumberEdges,
} from './tree.ts'

export const S_ISGID = 0o2000
const DEFAULT_TRASH_HOURS = 24

/** @throws ReplayError unless `inode` is a directory */
export function needDirectory(state: State, inode: Inode): void {
  if (!state.nodes.exists(inode)) fail(Status.ENOENT, `directory ${inode} does not exist`)
  if (!state.nodes.isDirectory(inode)) fail(Status.ENOTDIR, `inode ${inode} is no directory`)
}

/** @throws ReplayError unless the name may be made in the directory */
export function needFreeName(state: State, parent: Inode, name: string): void {
  needDirectory(state, parent)
  if (!isValidName(name)) fail(Status.EINVAL, `bad name ${JSON.stringify(name)}`)
  if (findEdge(state, parent, name) !== 0) fail(Status.EEXIST, `${JSON.stringify(name)} is there in inode ${parent}`)
}

/** The edge of that name. @throws ReplayError when there is none */
export function needEdge(state: State, parent: Inode, name: string): number {
  needDirectory(state, parent)
  const edge = findEdge(state, parent, name)
  return edge !== 0 ? edge : fail(Status.ENOENT, `no ${JSON.stringify(name)} in inode ${parent}`)
}

export interface NewNode {
  type: NodeType
  mode: number
  cumask: number
  uid: number
  gid: number
}

/** Makes a node and its name, with everything that it inherits (spec metadata 4.1, CREATE). Returns its number. */
export function createNode(state: State, parent: Inode, name: string, node: NewNode, ts: Seconds): Inode {
  needFreeName(state, parent, name)
  const { nodes } = state
  const inode = nodes.nextInode()
  const inherits = node.type === NodeType.FILE || node.type === NodeType.DIRECTORY
  nodes.add(inode, node.type)
  if (node.type === NodeType.DIRECTORY) nodes.setDirectoryRow(inode, state.lists.add(inode))
  nodes.sclassId.set(inode, inherits ? nodes.sclassId.get(parent) : 0)
  nodes.trashHours.set(inode, inherits ? nodes.trashHours.get(parent) : DEFAULT_TRASH_HOURS)
  nodes.eattr.set(inode, inheritedEattr(nodes.eattr.get(parent), node.type))
  nodes.uid.set(inode, node.uid)
  nodes.gid.set(inode, nodes.mode.get(parent) & S_ISGID ? nodes.gid.get(parent) : node.gid)
  nodes.setTimes(inode, ts)
  setInheritedMode(state, parent, inode, node)
  linkNode(state, parent, inode, name, ts)
  return inode
}

function inheritedEattr(parent: number, type: NodeType): number {
  const never = Eattr.SNAPSHOT | Eattr.UNDELETABLE | Eattr.APPENDONLY | Eattr.IMMUTABLE
  return parent & ~(never | (type === NodeType.DIRECTORY ? 0 : Eattr.NOENTRYCACHE))
}

/** Symbolic links inherit too, as in the original, though nobody ever asks for their mode. */
function setInheritedMode(
  state: State,
  parent: Inode,
  inode: Inode,
  { type, mode, cumask }: Pick<NewNode, 'type' | 'mode' | 'cumask'>,
): void {
  const { nodes, acls } = state
  const inherited = acls.get(parent, AclType.DEFAULT)
  if (!inherited) {
    nodes.mode.set(inode, mode & ~cumask & 0o7777)
    return
  }
  const digits = (acl: Acl) => ((acl.user & 7) << 6) | ((acl.group & 7) << 3) | (acl.other & 7)
  if (isPlain(inherited)) nodes.mode.set(inode, mode & (0o7000 | digits(inherited)))
  else {
    const acl: Acl = {
      user: inherited.user & (mode >> 6) & 7,
      group: inherited.group,
      other: inherited.other & mode & 7,
      mask: inherited.mask & (mode >> 3) & 7,
      users: [...inherited.users],
      groups: [...inherited.groups],
    }
    acls.set(inode, AclType.ACCESS, acl)
    nodes.mode.set(inode, (mode & 0o7000) | digits(acl))
  }
  if (type === NodeType.DIRECTORY) {
    acls.set(inode, AclType.DEFAULT, { ...inherited, users: [...inherited.users], groups: [...inherited.groups] })
  }
}

function touchDirectory({ nodes }: State, directory: Inode, ts: Seconds): void {
  nodes.mtime.set(directory, ts)
  nodes.ctime.set(directory, ts)
  nodes.eattr.set(directory, nodes.eattr.get(directory) & ~Eattr.SNAPSHOT)
}

/** A new name at the head of the directory, with the times that it changes. */
export function linkNode(state: State, parent: Inode, inode: Inode, name: string, ts: Seconds): void {
  addEdge(state, parent, inode, name)
  touchDirectory(state, parent, ts)
  state.nodes.ctime.set(inode, ts)
}

/** Takes a name away, and what it named when that was the last one (spec master-behaviour 2.1). */
export function unlinkNode(state: State, parent: Inode, edge: number, ts: Seconds): void {
  const { nodes } = state
  const inode = state.edges.child.get(edge)
  if (nodes.isDirectory(inode) && state.lists.length.get(nodes.directoryRow(inode)) > 0) {
    fail(Status.ENOTEMPTY, `directory ${inode} is not empty`)
  }
  const directoryPath = pathOf(state, parent)
  const name = state.edges.name(edge)
  removeEdge(state, edge)
  touchDirectory(state, parent, ts)
  nodes.ctime.set(inode, ts)
  if (nodes.firstLink.get(inode) !== 0) return
  const path = directoryPath === '' ? name : `${directoryPath}/${name}`
  if (nodes.type(inode) === NodeType.FILE && nodes.trashHours.get(inode) > 0) {
    keepUnlinked(state, inode, NodeType.TRASH, path)
  } else if (nodes.type(inode) === NodeType.FILE && state.openFiles.isOpen(inode)) {
    keepUnlinked(state, inode, NodeType.SUSTAINED, path)
  } else removeNode(state, inode, ts)
}

export const treeOperations: Operations<'CREATE' | 'SYMLINK' | 'LINK' | 'MOVE' | 'UNLINK' | 'RENUMERATEEDGES'> = {
  CREATE(state, { parent, name, type, mode, cumask, uid, gid, rdev, inode, ts }) {
    if (type === NodeType.SYMLINK || type < 1 || type > 7) fail(Status.EINVAL, `type ${type} can't be created`)
    const node = { type: type as NodeType, mode, cumask, uid, gid }
    expectResult('the new inode', inode, createNode(state, parent, name, node, ts))
    if (type === NodeType.BLOCKDEV || type === NodeType.CHARDEV) state.nodes.setRdev(inode, rdev)
  },

  SYMLINK(state, { parent, name, target, uid, gid, inode, ts }) {
    if (target.length < 1 || target.length > 4096) fail(Status.EINVAL, `target of ${target.length} bytes`)
    // The target counts in the statistics of the directories, so it must be there before the name is.
    needFreeName(state, parent, name)
    const { nodes } = state
    const made = nodes.nextInode()
    nodes.add(made, NodeType.SYMLINK)
    nodes.setTarget(made, target)
    nodes.sclassId.set(made, 0)
    nodes.trashHours.set(made, DEFAULT_TRASH_HOURS)
    nodes.eattr.set(made, inheritedEattr(nodes.eattr.get(parent), NodeType.SYMLINK))
    setInheritedMode(state, parent, made, { type: NodeType.SYMLINK, mode: 0o777, cumask: 0 })
    nodes.uid.set(made, uid)
    nodes.gid.set(made, nodes.mode.get(parent) & S_ISGID ? nodes.gid.get(parent) : gid)
    nodes.setTimes(made, ts)
    linkNode(state, parent, made, name, ts)
    expectResult('the new inode', inode, made)
  },

  LINK(state, { inode, parent, name, ts }) {
    const { nodes } = state
    const type = nodes.type(inode)
    if (type === 0 || type === NodeType.TRASH || type === NodeType.SUSTAINED) {
      fail(Status.ENOENT, `inode ${inode} has no name`)
    }
    if (type === NodeType.DIRECTORY) fail(Status.EPERM, `inode ${inode} is a directory`)
    needFreeName(state, parent, name)
    linkNode(state, parent, inode, name, ts)
  },

  MOVE(state, { parentSource, nameSource, parentTarget, nameTarget, inode, ts }) {
    const source = needEdge(state, parentSource, nameSource)
    needDirectory(state, parentTarget)
    if (!isValidName(nameTarget)) fail(Status.EINVAL, `bad name ${JSON.stringify(nameTarget)}`)
    const moved = state.edges.child.get(source)
    if (state.nodes.isDirectory(moved) && isBelow(state, parentTarget, moved)) {
      fail(Status.EINVAL, `directory ${moved} would move below itself`)
    }
    const target = findEdge(state, parentTarget, nameTarget)
    if (target !== 0 && target !== source) unlinkNode(state, parentTarget, target, ts)
    removeEdge(state, source)
    touchDirectory(state, parentSource, ts)
    linkNode(state, parentTarget, moved, nameTarget, ts)
    expectResult('the moved inode', inode, moved)
  },

  UNLINK(state, { parent, name, inode, ts }) {
    const edge = needEdge(state, parent, name)
    expectResult('the unlinked inode', inode, state.edges.child.get(edge))
    unlinkNode(state, parent, edge, ts)
  },

  RENUMERATEEDGES(state, { nextEdgeId }) {
    renumberEdges(state)
    expectResult('the next edge id', nextEdgeId, FIRST_EDGE_ID - BigInt(state.nextEdgeAge))
  },
}

/** The one edge of a trash or sustained file. @throws ReplayError for any other inode */
export function needUnlinked(state: State, inode: Inode, type: NodeType): number {
  if (state.nodes.type(inode) !== type) fail(Status.ENOENT, `inode ${inode} is not of type ${type}`)
  const edge = state.nodes.firstLink.get(inode)
  if (state.edges.list.get(edge) !== bucketOf(state, inode))
    fail(Status.MISMATCH, `inode ${inode} is in the wrong list`)
  return edge
}
