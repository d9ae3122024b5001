// The attribute record of a node as a session is shown it (spec client-master 3.1).

import { type Actor, SessionFlag } from '../../metadata/decision.ts'
import { allowedCombinations, shownMode } from '../../metadata/namespace/access.ts'
import { lengthOf } from '../../metadata/namespace/lists.ts'
import type { State } from '../../metadata/state.ts'
import { Eattr, type Inode, isFileType, NodeType } from '../../metadata/types.ts'
import { type Attributes, MattrFlag } from '../../protocol/attributes.ts'
import { nanosecondsOf, secondsOf } from '../../protocol/fine-times.ts'
import { knowsOpenFlags, LookupFlag } from '../../protocol/matocl.ts'

const PROTECTED = Eattr.UNDELETABLE | Eattr.APPENDONLY | Eattr.IMMUTABLE

/** Who asks, before and after the mapping of the export rule. */
export interface Asker extends Actor {
  originalUid: number
  originalGid: number
}

/** @param parent the directory that the request went through, 0 when there was none */
export function attributesOf(state: State, asker: Asker, inode: Inode, parent: Inode = 0): Attributes {
  const facts = state.nodes.facts(inode)
  const { type, eattr, atimeMore, mtimeMore, ctimeMore } = facts
  const noowner = (eattr & Eattr.NOOWNER) !== 0 && asker.uid !== 0
  // A default ACL above narrows the stored mode of a link, as in the original; links have all rights on Linux.
  const mode = type === NodeType.SYMLINK ? 0o777 : shownMode(state, inode, facts.mode)
  const owner = (mode >> 6) & 7
  const links = type === NodeType.DIRECTORY ? 2 + facts.links : facts.links
  return {
    flags: flagsOf(state, asker, inode, eattr, parent),
    type: type >= NodeType.TRASH ? NodeType.FILE : type,
    mode: noowner ? (mode & 0o7700) | (owner << 3) | owner : mode,
    uid: shownOwner(asker, noowner, facts.uid, asker.uid, asker.originalUid),
    gid: shownOwner(asker, noowner, facts.gid, asker.gids[0] ?? 0, asker.originalGid),
    atime: secondsOf(facts.atime, atimeMore),
    mtime: secondsOf(facts.mtime, mtimeMore),
    ctime: secondsOf(facts.ctime, ctimeMore),
    nlink: type >= NodeType.TRASH ? 0 : links,
    length: isFileType(type) ? facts.length : shownLength(state, inode, type),
    winattr: facts.winattr,
    atimeNs: nanosecondsOf(atimeMore),
    mtimeNs: nanosecondsOf(mtimeMore),
    ctimeNs: nanosecondsOf(ctimeMore),
    chunks: isFileType(type) ? state.nodes.chunkCount(inode) : 0,
  }
}

/** @param inode 0: of a node without xattrs and ACLs */
export function flagsOf(
  { nodes, xattrs, acls }: State,
  asker: Asker,
  inode: Inode,
  eattr: number,
  parent: Inode,
): number {
  const mapall = (asker.sessionFlags & SessionFlag.MAPALL) !== 0
  let flags = eattr & Eattr.NODATACACHE ? MattrFlag.DIRECTMODE : MattrFlag.ALLOWDATACACHE
  if (eattr & (Eattr.NOOWNER | Eattr.NOATTRCACHE) || mapall) flags |= MattrFlag.NOACACHE
  if (parent !== 0 && nodes.eattr.get(parent) & Eattr.NOENTRYCACHE) flags |= MattrFlag.NOECACHE
  if (!xattrs.has(inode) && !acls.has(inode)) flags |= MattrFlag.NOXATTR
  if (eattr & PROTECTED) flags |= MattrFlag.UNDELETABLE
  return flags
}

function shownOwner(asker: Asker, noowner: boolean, stored: number, mapped: number, original: number): number {
  const mapall = (asker.sessionFlags & SessionFlag.MAPALL) !== 0 && asker.originalUid !== 0
  if (noowner) return mapall ? original : mapped
  if (mapall) return stored === mapped ? original : 0
  return stored
}

/** Of what is no file. */
function shownLength({ nodes, lists }: State, inode: Inode, type: NodeType | 0): number {
  switch (type) {
    case NodeType.DIRECTORY:
      return directoryLength(lengthOf(lists.stats(nodes.directoryRow(inode))))
    case NodeType.SYMLINK:
      return nodes.targetBytes(inode)
    case NodeType.BLOCKDEV:
    case NodeType.CHARDEV:
      return nodes.rdev(inode)
    default:
      return 0
  }
}

/** Bytes below a directory as two decimals and a unit in the millions (spec client-master 3.1). */
function directoryLength(total: number): number {
  if (total === 0) return 1
  let unit = 0
  let scale = 1
  while (unit < 6 && total >= scale * 1024) {
    scale *= 1024
    unit++
  }
  return unit * 1_000_000 + Math.floor((100 * total) / scale)
}

/** Combinations of rights that contain w. */
const WRITE_COMBINATIONS = 0b11001100

/** Rights bits and flags of a LOOKUP answer, without those about chunk and cache. */
export function lookupFlags(state: State, asker: Asker, inode: Inode, version: number): number {
  const eattr = state.nodes.eattr.get(inode)
  let flags = allowedCombinations(state, inode, asker.uid, asker.gids, asker.sessionFlags) | 1
  if (eattr & Eattr.IMMUTABLE) flags = (flags & ~WRITE_COMBINATIONS) | LookupFlag.IMMUTABLE
  if (eattr & Eattr.APPENDONLY) {
    // Who does not know the flag may not write at all.
    if (knowsOpenFlags(version)) flags |= LookupFlag.APPEND_ONLY
    else flags &= ~WRITE_COMBINATIONS
  }
  if (eattr & Eattr.NODATACACHE) flags |= LookupFlag.DIRECT_MODE
  if (asker.sessionFlags & SessionFlag.READONLY) flags |= LookupFlag.READ_ONLY
  return flags
}
