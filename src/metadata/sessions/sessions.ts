// Sessions of clients and what they hold open (spec metadata 2.3, 2.11; master-behaviour 3.1, 3.2).
import { type Digest, Fact } from '../digest.ts'
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

export interface Session extends Readonly<SessionRights> {
  /** 0 while connected. */
  readonly disconnectedAt: Seconds
  /** Operations of this hour and the last one (spec metadata 2.3 for the order). Not logged. */
  currentCounters: Uint32Array
  lastCounters: Uint32Array
}

/** The rights alone, as the changelog carries them. */
export function rightsOf(session: Session): SessionRights {
  const { disconnectedAt: _, currentCounters: __, lastCounters: ___, ...rights } = session
  return rights
}

export class Sessions {
  readonly #digest: Digest
  readonly #sessions = new Map<SessionId, Session>()
  nextSessionId: SessionId = 1

  constructor(digest: Digest) {
    this.#digest = digest
  }

  get(id: SessionId): Session | undefined {
    return this.#sessions.get(id)
  }

  add(id: SessionId, rights: SessionRights, disconnectedAt: Seconds): Session {
    const session: Session = {
      ...rights,
      disconnectedAt,
      currentCounters: new Uint32Array(SESSION_COUNTERS),
      lastCounters: new Uint32Array(SESSION_COUNTERS),
    }
    this.#sessions.set(id, session)
    this.#digest.add(Fact.SESSION, id, session.disconnectedAt, 0, factOf(session))
    return session
  }

  /** Gives the session other rights or another date of disconnection. */
  change(id: SessionId, changes: Partial<SessionRights> & { disconnectedAt?: Seconds }): void {
    const session = this.#sessions.get(id)
    if (!session) return
    this.#digest.remove(Fact.SESSION, id, session.disconnectedAt, 0, factOf(session))
    Object.assign(session, changes)
    this.#digest.add(Fact.SESSION, id, session.disconnectedAt, 0, factOf(session))
  }

  delete(id: SessionId): void {
    const session = this.#sessions.get(id)
    if (!session) return
    this.#digest.remove(Fact.SESSION, id, session.disconnectedAt, 0, factOf(session))
    this.#sessions.delete(id)
  }

  get size(): number {
    return this.#sessions.size
  }

  entries(): IterableIterator<[SessionId, Session]> {
    return this.#sessions.entries()
  }

  /** Adds all facts of the table to a digest that is made from scratch. */
  fold(into: Digest): void {
    for (const [id, session] of this.#sessions) into.add(Fact.SESSION, id, session.disconnectedAt, 0, factOf(session))
  }
}

function factOf(session: Session): string {
  const { exportsChecksum, rootInode, flags, umask, minGoal, maxGoal, minTrashSeconds, maxTrashSeconds } = session
  const { rootUid, rootGid, mapallUid, mapallGid, disables, peerIp, info } = session
  const limits = [minGoal, maxGoal, minTrashSeconds, maxTrashSeconds]
  const owners = [rootUid, rootGid, mapallUid, mapallGid]
  return `${exportsChecksum} ${rootInode} ${flags} ${umask} ${limits} ${owners} ${disables} ${peerIp} ${info}`
}

/** Which session has which inode open. */
export class OpenFiles {
  readonly #digest: Digest
  readonly #bySession = new Map<SessionId, Set<Inode>>()
  readonly #byInode = new Map<Inode, Set<SessionId>>()

  constructor(digest: Digest) {
    this.#digest = digest
  }

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
    if (this.has(session, inode)) return
    this.#digest.add(Fact.OPEN_FILE, session, inode)
    put(this.#bySession, session, inode)
    put(this.#byInode, inode, session)
  }

  release(session: SessionId, inode: Inode): void {
    if (!this.has(session, inode)) return
    this.#digest.remove(Fact.OPEN_FILE, session, inode)
    take(this.#bySession, session, inode)
    take(this.#byInode, inode, session)
  }

  *entries(): Generator<[SessionId, Inode]> {
    for (const [session, inodes] of this.#bySession) for (const inode of inodes) yield [session, inode]
  }

  /** Adds all facts of the table to a digest that is made from scratch. */
  fold(into: Digest): void {
    for (const [session, inode] of this.entries()) into.add(Fact.OPEN_FILE, session, inode)
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
