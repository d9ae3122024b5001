// Access control lists as Linux shows them in extended attributes, and as the master keeps them
// (spec client-master 5.8).

import type { Acl } from '../client/cluster.ts'

export const ACCESS_ACL = 'system.posix_acl_access'
export const DEFAULT_ACL = 'system.posix_acl_default'

export const NOT_GIVEN = 0xffff

/** All four 0xFFFF and no entries: the ACL is to be removed. */
export const NO_ACL: Acl = {
  user: NOT_GIVEN,
  group: NOT_GIVEN,
  other: NOT_GIVEN,
  mask: NOT_GIVEN,
  users: [],
  groups: [],
}

const VERSION = 2
const HEADER_BYTES = 4
const ENTRY_BYTES = 8
const NO_ID = 0xffffffff
const Tag = { USER_OBJ: 1, USER: 2, GROUP_OBJ: 4, GROUP: 8, MASK: 16, OTHER: 32 } as const

/** Undefined when the value is not an ACL that can be kept: the caller gets EINVAL. */
export function decodeAcl(value: Buffer): Acl | undefined {
  if (value.length < HEADER_BYTES || (value.length - HEADER_BYTES) % ENTRY_BYTES !== 0) return undefined
  if (value.readUInt32LE(0) !== VERSION) return undefined
  const acl: Acl = { ...NO_ACL, users: [], groups: [] }
  for (let at = HEADER_BYTES; at < value.length; at += ENTRY_BYTES) {
    const permissions = value.readUInt16LE(at + 2)
    if (permissions > 7) return undefined
    if (!enter(acl, value.readUInt16LE(at), permissions, value.readUInt32LE(at + 4))) return undefined
  }
  const hasNamed = acl.users.length > 0 || acl.groups.length > 0
  if (hasNamed && acl.mask === NOT_GIVEN) return undefined
  return acl
}

function enter(acl: Acl, tag: number, permissions: number, id: number): boolean {
  switch (tag) {
    case Tag.USER:
      acl.users.push({ id, permissions })
      return true
    case Tag.GROUP:
      acl.groups.push({ id, permissions })
      return true
    case Tag.USER_OBJ:
      return once(acl, 'user', permissions)
    case Tag.GROUP_OBJ:
      return once(acl, 'group', permissions)
    case Tag.MASK:
      return once(acl, 'mask', permissions)
    case Tag.OTHER:
      return once(acl, 'other', permissions)
    default:
      return false
  }
}

function once(acl: Acl, key: 'user' | 'group' | 'mask' | 'other', permissions: number): boolean {
  if (acl[key] !== NOT_GIVEN) return false
  acl[key] = permissions
  return true
}

/** The form that getxattr gives, named entries in the order in which they were set. */
export function encodeAcl(acl: Acl): Buffer {
  const entries: [tag: number, permissions: number, id: number][] = [
    [Tag.USER_OBJ, acl.user, NO_ID],
    ...acl.users.map(({ id, permissions }): [number, number, number] => [Tag.USER, permissions, id]),
    [Tag.GROUP_OBJ, acl.group, NO_ID],
    ...acl.groups.map(({ id, permissions }): [number, number, number] => [Tag.GROUP, permissions, id]),
    ...(acl.mask === NOT_GIVEN ? [] : [[Tag.MASK, acl.mask, NO_ID] as [number, number, number]]),
    [Tag.OTHER, acl.other, NO_ID],
  ]
  const value = Buffer.alloc(HEADER_BYTES + entries.length * ENTRY_BYTES)
  value.writeUInt32LE(VERSION, 0)
  entries.forEach(([tag, permissions, id], index) => {
    const at = HEADER_BYTES + index * ENTRY_BYTES
    value.writeUInt16LE(tag, at)
    value.writeUInt16LE(permissions & 7, at + 2)
    value.writeUInt32LE(id, at + 4)
  })
  return value
}
