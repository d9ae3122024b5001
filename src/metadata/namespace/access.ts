// Who may do what with a node: mode bits, ACLs, the extra attribute `noowner` (spec master-behaviour 1.5, 1.9).
import { SessionFlag } from '../../protocol/constants.ts'
import { ACL_UNSET, type Acl, AclType } from '../acl/acls.ts'
import type { State } from '../state.ts'
import { Eattr, type Inode } from '../types.ts'

export const MODE_X = 1
export const MODE_W = 2
export const MODE_R = 4

/** For each rwx value, the set of combinations that it allows; bit n is combination n (spec master-behaviour 0). */
const COMBINATIONS = [0x01, 0x03, 0x05, 0x0f, 0x11, 0x33, 0x55, 0xff] as const

const combinations = (perm: number) => COMBINATIONS[perm & 7] as number

/** Whether all of `wanted` (an OR of MODE_*) is allowed. */
export function mayAccess(
  state: State,
  inode: Inode,
  uid: number,
  gids: readonly number[],
  sessionFlags: number,
  wanted: number,
): boolean {
  return ((allowedCombinations(state, inode, uid, gids, sessionFlags) >> (wanted & 7)) & 1) === 1
}

/** The set of allowed combinations of R, W and X: bit n stands for combination n. */
export function allowedCombinations(
  state: State,
  inode: Inode,
  uid: number,
  gids: readonly number[],
  sessionFlags: number,
): number {
  const { nodes, acls } = state
  if (uid === 0) return 0xff
  const acl = acls.get(inode, AclType.ACCESS)
  if (acl) return aclCombinations(state, inode, acl, uid, gids)
  const mode = nodes.mode.get(inode)
  if (uid === nodes.uid.get(inode) || nodes.eattr.get(inode) & Eattr.NOOWNER) return combinations(mode >> 6)
  if (sessionFlags & SessionFlag.IGNOREGID) return combinations((mode >> 3) | mode)
  return combinations(gids.includes(nodes.gid.get(inode)) ? mode >> 3 : mode)
}

/** A union of sets: one entry that gives R and another that gives W do not give RW together. */
function aclCombinations({ nodes }: State, inode: Inode, acl: Acl, uid: number, gids: readonly number[]): number {
  if (uid === nodes.uid.get(inode)) return combinations(acl.user)
  const mask = acl.mask === ACL_UNSET ? 7 : acl.mask
  const named = acl.users.find(({ id }) => id === uid)
  if (named) return combinations(named.perm & mask)
  let union = 0
  if (gids.includes(nodes.gid.get(inode))) union |= combinations(acl.group & mask)
  for (const { id, perm } of acl.groups) if (gids.includes(id)) union |= combinations(perm & mask)
  return union === 0 ? combinations(acl.other) : union
}

/** Owner of the node, root, or anybody where `noowner` is set. */
export function hasOwnerRights({ nodes }: State, inode: Inode, uid: number): boolean {
  return uid === 0 || uid === nodes.uid.get(inode) || (nodes.eattr.get(inode) & Eattr.NOOWNER) !== 0
}

/** Mode bits as stat shows them: with an access ACL the mask stands for the group (spec master-behaviour 1.9). */
export function shownMode({ nodes, acls }: State, inode: Inode, mode = nodes.mode.get(inode)): number {
  const acl = acls.get(inode, AclType.ACCESS)
  if (!acl) return mode
  const group = acl.mask === ACL_UNSET ? acl.group : acl.mask
  return (mode & 0o7000) | ((acl.user & 7) << 6) | ((group & 7) << 3) | (acl.other & 7)
}
