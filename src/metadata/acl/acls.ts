// POSIX ACLs (spec metadata 2.10, master-behaviour 1.9).
import type { Inode } from '../types.ts'

export const AclType = { ACCESS: 1, DEFAULT: 2 } as const
export type AclType = (typeof AclType)[keyof typeof AclType]

/** A permission or mask that is not set. */
export const ACL_UNSET = 0xffff

export interface AclEntry {
  id: number
  /** rwx as 0..7. */
  perm: number
}

export interface Acl {
  user: number
  group: number
  other: number
  mask: number
  users: AclEntry[]
  groups: AclEntry[]
}

/** Says nothing that the mode bits do not say. */
export function isPlain(acl: Acl): boolean {
  const bits = acl.user <= 7 && acl.group <= 7 && acl.other <= 7
  return acl.users.length === 0 && acl.groups.length === 0 && bits && acl.mask === ACL_UNSET
}

export class Acls {
  readonly #acls = { 1: new Map<Inode, Acl>(), 2: new Map<Inode, Acl>() }

  get(inode: Inode, type: AclType): Acl | undefined {
    return this.#acls[type].get(inode)
  }

  set(inode: Inode, type: AclType, acl: Acl): void {
    this.#acls[type].set(inode, acl)
  }

  delete(inode: Inode, type: AclType): void {
    this.#acls[type].delete(inode)
  }

  deleteAll(inode: Inode): void {
    this.#acls[AclType.ACCESS].delete(inode)
    this.#acls[AclType.DEFAULT].delete(inode)
  }

  has(inode: Inode): boolean {
    return this.#acls[AclType.ACCESS].has(inode) || this.#acls[AclType.DEFAULT].has(inode)
  }

  *entries(): Generator<[Inode, AclType, Acl]> {
    for (const type of [AclType.ACCESS, AclType.DEFAULT]) {
      for (const [inode, acl] of this.#acls[type]) yield [inode, type, acl]
    }
  }
}
