// POSIX ACLs (spec metadata 2.10, master-behaviour 1.9).
import { type Digest, Fact } from '../digest.ts'
import type { Inode } from '../types.ts'

export const AclType = { ACCESS: 1, DEFAULT: 2 } as const
export type AclType = (typeof AclType)[keyof typeof AclType]

/** A permission or mask that is not set. */
export const ACL_UNSET = 0xffff

export interface AclEntry {
  readonly id: number
  /** rwx as 0..7. */
  readonly perm: number
}

export interface Acl {
  readonly user: number
  readonly group: number
  readonly other: number
  readonly mask: number
  readonly users: readonly AclEntry[]
  readonly groups: readonly AclEntry[]
}

/** Says nothing that the mode bits do not say. */
export function isPlain(acl: Acl): boolean {
  const bits = acl.user <= 7 && acl.group <= 7 && acl.other <= 7
  return acl.users.length === 0 && acl.groups.length === 0 && bits && acl.mask === ACL_UNSET
}

export class Acls {
  readonly #digest: Digest
  readonly #acls = { 1: new Map<Inode, Acl>(), 2: new Map<Inode, Acl>() }

  constructor(digest: Digest) {
    this.#digest = digest
  }

  get(inode: Inode, type: AclType): Acl | undefined {
    return this.#acls[type].get(inode)
  }

  set(inode: Inode, type: AclType, acl: Acl): void {
    this.delete(inode, type)
    this.#digest.add(Fact.ACL, inode, type, 0, factOf(acl))
    this.#acls[type].set(inode, acl)
  }

  delete(inode: Inode, type: AclType): void {
    const present = this.get(inode, type)
    if (!present) return
    this.#digest.remove(Fact.ACL, inode, type, 0, factOf(present))
    this.#acls[type].delete(inode)
  }

  deleteAll(inode: Inode): void {
    this.delete(inode, AclType.ACCESS)
    this.delete(inode, AclType.DEFAULT)
  }

  has(inode: Inode): boolean {
    return this.#acls[AclType.ACCESS].has(inode) || this.#acls[AclType.DEFAULT].has(inode)
  }

  *entries(): Generator<[Inode, AclType, Acl]> {
    for (const type of [AclType.ACCESS, AclType.DEFAULT]) {
      for (const [inode, acl] of this.#acls[type]) yield [inode, type, acl]
    }
  }

  /** Adds all facts of the table to a digest that is made from scratch. */
  fold(into: Digest): void {
    for (const [inode, type, acl] of this.entries()) into.add(Fact.ACL, inode, type, 0, factOf(acl))
  }
}

function factOf({ user, group, other, mask, users, groups }: Acl): string {
  const named = (entries: readonly AclEntry[]) => entries.map(({ id, perm }) => `${id}:${perm}`).join(' ')
  return `${user} ${group} ${other} ${mask}|${named(users)}|${named(groups)}`
}
