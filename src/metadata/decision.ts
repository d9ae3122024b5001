// What a request may do, decided from the state alone: a refusal, or the entries that carry it out.
import { SessionFlag } from '../protocol/constants.ts'
import { Status } from '../protocol/status.ts'
import type { Entry } from './changelog/entry.ts'
import type { Inode } from './types.ts'

/** Who asks, with identities mapped as the session's export rule says (spec master-behaviour 1.5). */
export interface Actor {
  uid: number
  /** The primary group first. */
  gids: readonly number[]
  /** SESFLAG_* of the session. */
  sessionFlags: number
  /** The inode that the session sees as its root; 0 for a meta session. */
  root: Inode
  /** Operations that the export rule forbids, one bit each. */
  disables: number
  /** Added to the caller's umask. */
  umask: number
}

export { SessionFlag }

export interface Refusal {
  status: Exclude<Status, 0>
}

export type Allowed<T = object> = { status: 0; entries: Entry[] } & T
export type Decision<T = object> = Refusal | Allowed<T>

/** Bits of `disables` (spec client-master 2.5). */
export const Disable = {
  CHOWN: 1 << 0,
  CHMOD: 1 << 1,
  SYMLINK: 1 << 2,
  MKFIFO: 1 << 3,
  MKDEV: 1 << 4,
  MKSOCK: 1 << 5,
  MKDIR: 1 << 6,
  UNLINK: 1 << 7,
  RMDIR: 1 << 8,
  RENAME: 1 << 9,
  MOVE: 1 << 10,
  LINK: 1 << 11,
  CREATE: 1 << 12,
  READDIR: 1 << 13,
  READ: 1 << 14,
  WRITE: 1 << 15,
  TRUNCATE: 1 << 16,
  SETLENGTH: 1 << 17,
  APPENDCHUNKS: 1 << 18,
  SNAPSHOT: 1 << 19,
  SETTRASH: 1 << 20,
  SETSCLASS: 1 << 21,
  SETEATTR: 1 << 22,
  SETXATTR: 1 << 23,
  SETFACL: 1 << 24,
} as const

export const refuse = (status: Exclude<Status, 0>): Refusal => ({ status })

/** The refusal of an operation that changes something, as far as the session alone decides it. */
export function refusedBySession(actor: Actor, disableBits: number): Refusal | undefined {
  if ((actor.disables & disableBits) !== 0) return refuse(Status.EPERM)
  if (actor.sessionFlags & SessionFlag.READONLY) return refuse(Status.EROFS)
  return undefined
}
