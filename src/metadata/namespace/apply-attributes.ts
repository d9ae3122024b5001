// Attributes of one node: times, mode and owner, xattrs, ACLs, quotas (spec metadata 4.1, 4.2).
import { Status } from '../../protocol/status.ts'
import { ACL_UNSET, type Acl, type AclEntry, AclType, isPlain } from '../acl/acls.ts'
import type { Operations } from '../apply.ts'
import { fail } from '../replay-error.ts'
import type { State } from '../state.ts'
import type { Inode } from '../types.ts'
import { XATTR_NAMES_MAX, XATTR_VALUE_MAX } from '../xattr/xattrs.ts'
import type { Times } from './times.ts'

const ACL_MODE_GIVEN = 0x1000
export const XattrMode = { SET: 0, CREATE: 1, REPLACE: 2, REMOVE: 3 } as const

/** A time as a line tells it. */
function setTime(times: Times, inode: Inode, seconds: number, more: number | undefined): void {
  if (more === undefined) times.set(inode, seconds)
  else times.setExactly(inode, seconds, more)
}

/** @throws ReplayError when there is no such node */
export function needNode(state: State, inode: Inode): void {
  if (!state.nodes.exists(inode)) fail(Status.ENOENT, `inode ${inode} does not exist`)
}

export const attributeOperations: Operations<'ACCESS' | 'AMTIME' | 'ATTR' | 'SETXATTR' | 'SETACL' | 'QUOTA'> = {
  ACCESS(state, { inode, ts }) {
    needNode(state, inode)
    state.nodes.atime.set(inode, ts)
  },

  AMTIME(state, { inode, atime, mtime, ctime, atimeMore, mtimeMore, ctimeMore }) {
    needNode(state, inode)
    const { nodes } = state
    setTime(nodes.atime, inode, atime, atimeMore)
    setTime(nodes.mtime, inode, mtime, mtimeMore)
    setTime(nodes.ctime, inode, ctime, ctimeMore)
  },

  ATTR(state, { inode, mode, uid, gid, atime, mtime, winattr, aclMode, ts, atimeMore, mtimeMore }) {
    needNode(state, inode)
    if (mode > 0o7777) fail(Status.EINVAL, `mode ${mode}`)
    const { nodes, acls } = state
    nodes.mode.set(inode, mode)
    nodes.uid.set(inode, uid)
    nodes.gid.set(inode, gid)
    setTime(nodes.atime, inode, atime, atimeMore)
    setTime(nodes.mtime, inode, mtime, mtimeMore)
    nodes.winattr.set(inode, winattr)
    nodes.ctime.set(inode, ts)
    const acl = acls.get(inode, AclType.ACCESS)
    if (acl) acls.set(inode, AclType.ACCESS, withMode(acl, mode, aclMode))
  },

  SETXATTR(state, { inode, name, value, mode, ts }) {
    needNode(state, inode)
    const present = state.xattrs.get(inode, name) !== undefined
    if (name.length < 1 || name.length > 255 || mode > XattrMode.REMOVE) fail(Status.EINVAL, 'bad attribute')
    if (value.length > XATTR_VALUE_MAX) fail(Status.ERANGE, `attribute of ${value.length} bytes`)
    if (mode === XattrMode.CREATE && present) fail(Status.EEXIST, `attribute ${name} is there`)
    if ((mode === XattrMode.REPLACE || mode === XattrMode.REMOVE) && !present) {
      fail(Status.ENOATTR, `no attribute ${name}`)
    }
    if (mode === XattrMode.REMOVE) state.xattrs.delete(inode, name)
    else {
      const bytes = state.xattrs.listBytes(inode) + (present ? 0 : name.length + 1)
      if (bytes > XATTR_NAMES_MAX) fail(Status.ERANGE, `attribute names of inode ${inode} need ${bytes} bytes`)
      state.xattrs.set(inode, name, value)
    }
    state.nodes.ctime.set(inode, ts)
  },

  SETACL(state, entry) {
    const { inode, mode, changeCtime, aclType, user, group, other, mask, userCount, groupCount, entries, ts } = entry
    needNode(state, inode)
    if (aclType !== AclType.ACCESS && aclType !== AclType.DEFAULT) fail(Status.EINVAL, `ACL type ${aclType}`)
    if (entries.length !== (userCount + groupCount) * 6) fail(Status.MISMATCH, 'ACL entries are cut')
    const named = parseEntries(entries)
    const acl: Acl = { user, group, other, mask, users: named.slice(0, userCount), groups: named.slice(userCount) }
    if (named.length === 0 && [user, group, other, mask].every(value => value === ACL_UNSET)) {
      state.acls.delete(inode, aclType)
      return
    }
    if (aclType === AclType.ACCESS && isPlain(acl)) state.acls.delete(inode, aclType)
    else state.acls.set(inode, aclType, acl)
    state.nodes.mode.set(inode, mode)
    if (changeCtime) state.nodes.ctime.set(inode, ts)
  },

  QUOTA(state, { op: _, ts: __, inode, gracePeriodSeconds, ...values }) {
    needNode(state, inode)
    if (!state.nodes.isDirectory(inode)) fail(Status.EPERM, `inode ${inode} is no directory`)
    if (values.flags === 0) {
      state.quotas.delete(inode)
      return
    }
    const before = state.quotas.get(inode)?.gracePeriodSeconds ?? 0
    state.quotas.set(inode, { gracePeriodSeconds: gracePeriodSeconds || before, ...values })
  },
}

/** What a change of mode does to an access ACL (spec metadata 4.1, ATTR). */
function withMode(acl: Acl, mode: number, aclMode: number): Acl {
  const given = (aclMode & ACL_MODE_GIVEN) !== 0
  const bits = given ? aclMode : mode
  const low = (before: number, perm: number) => (before & ~7) | (perm & 7)
  return {
    ...acl,
    user: low(acl.user, bits >> 6),
    other: low(acl.other, bits),
    mask: given ? low(acl.mask, bits >> 3) : 7,
  }
}

function parseEntries(blob: string): AclEntry[] {
  const bytes = Buffer.from(blob, 'latin1')
  return Array.from({ length: bytes.length / 6 }, (_, i) => ({
    id: bytes.readUInt32BE(i * 6),
    perm: bytes.readUInt16BE(i * 6 + 4),
  }))
}

/** Named entries as SETACL carries them: id:32 perm:16 each, as latin1. */
export function printEntries(entries: readonly AclEntry[]): string {
  const bytes = Buffer.alloc(entries.length * 6)
  entries.forEach(({ id, perm }, i) => {
    bytes.writeUInt32BE(id, i * 6)
    bytes.writeUInt16BE(perm, i * 6 + 4)
  })
  return bytes.toString('latin1')
}
