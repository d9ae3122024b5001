// Sessions of clients and what they hold open (spec metadata 2.3, 2.11; master-behaviour 3.1, 3.2).
import type { Inode, Seconds, SessionId } from '../types.ts'

export const SESSION_COUNTERS = 16

/** What an export rule grants a session. */
export interface SessionRights {
  /** Checksum of all export rules when the session was made. */
  exportsChecksum: bigint
  /** 0 for a meta session. */
  rootInode: Inode
  flags: number
  umask: number
  minGoal: number
  maxGoal: number
  minTrashSeconds: number
  maxTrashSeconds: number
  rootUid: number
  rootGid: number
  mapallUid: number
  mapallGid: number
  disables: number
  /** IPv4 address as a big-endian number. */
  peerIp: number
  /** What the client told: its mount point. */
  info: string
}

export interface Session extends SessionRights {
  /** 0 while connected. */
  disconnectedAt: Seconds
  /** Closed by its client; removed at the next check. Not stored. */
  closed: boolean
  /** Operations of this hour and the last one (spec metadata 2.3 for the order). Not logged. */
  currentCounters: Uint32Array
  lastCounters: Uint32Array
}

export class Sessions {
  readonly #sessions = new Map<SessionId, Session>()
  nextSessionId: SessionId = 1

  get(id: SessionId): Session | undefined {
    return this.#sessions.get(id)
  }

  add(id: SessionId, rights: SessionRights, disconnectedAt: Seconds): Session {
    const session: Session = {
      ...rights,
      disconnectedAt,
      closed: false,
      currentCounters: new Uint32Array(SESSION_COUNTERS),
      lastCounters: new Uint32Array(SESSION_COUNTERS),
    }
    this.#sessions.set(id, session)
    return session
  }

  delete(id: SessionId): void {
    this.#sessions.delete(id)
  }

  get size(): number {
    return this.#sessions.size
  }

  entries(): IterableIterator<[SessionId, Session]> {
    return this.#sessions.entries()
  }
}

/** Which session has which inode open. */
export class OpenFiles {
  readonly #bySession = new Map<SessionId, Set<Inode>>()
  readonly #byInode = new Map<Inode, Set<SessionId>>()

  has(session: SessionId, inode: Inode): boolean {
    return this.#bySession.get(session)?.has(inode) ?? false
  }

  isOpen(inode: Inode): boolean {
    return this.#byInode.has(inode)
  }

  inodesOf(session: SessionId): ReadonlySet<Inode> {
    return this.#bySession.get(session) ?? none
  }

  sessionsOf(inode: Inode): ReadonlySet<SessionId> {
    return this.#byInode.get(inode) ?? none
  }

  acquire(session: SessionId, inode: Inode): void {
    put(this.#bySession, session, inode)
    put(this.#byInode, inode, session)
  }

  release(session: SessionId, inode: Inode): void {
    take(this.#bySession, session, inode)
    take(this.#byInode, inode, session)
  }

  *entries(): Generator<[SessionId, Inode]> {
    for (const [session, inodes] of this.#bySession) for (const inode of inodes) yield [session, inode]
  }
}

const none: ReadonlySet<number> = new Set()

function put(map: Map<number, Set<number>>, key: number, value: number): void {
  const set = map.get(key)
  if (set) set.add(value)
  else map.set(key, new Set([value]))
}

function take(map: Map<number, Set<number>>, key: number, value: number): void {
  const set = map.get(key)
  if (set?.delete(value) && set.size === 0) map.delete(key)
}
