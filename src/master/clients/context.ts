// What the handlers of client messages work with.
import type { Entry } from '../../metadata/changelog/entry.ts'
import type { Trailer } from '../../metadata/changelog/trailer.ts'
import type { Decision } from '../../metadata/decision.ts'
import type { Session } from '../../metadata/sessions/sessions.ts'
import type { Inode, SessionId } from '../../metadata/types.ts'
import type { Caller } from '../../protocol/attributes.ts'
import type { Message } from '../../protocol/codec.ts'
import type { ChunkService } from '../chunks/chunk-service.ts'
import type { FileCheck } from '../file-check.ts'
import type { Ledger } from '../ledger.ts'
import type { MasterStatistics } from '../statistics.ts'
import type { Asker } from './attributes.ts'
import type { DataCache } from './data-cache.ts'
import type { LentFolders } from './lent-folders.ts'
import type { LockService } from './lock-service.ts'
import type { RawRequest } from './named-inodes.ts'
import { digestOf, type OnceRequest, type RecentAnswers } from './recent-answers.ts'
import type { Reservations } from './reservations.ts'
import type { TreeJobs } from './tree-jobs.ts'

/** Who asks where the message does not say. */
export const NOBODY: Caller = { uid: 12345, gids: [12345] }

/** A connection of a registered client. */
export interface ClientPeer {
  readonly sessionId: SessionId
  /** Selects layouts. */
  readonly version: number
  /** A tool's own connection, not one of a mount. */
  readonly isTool: boolean
  /** When something was sent to it last, by the clock that never goes back. */
  readonly saidMs: number
  send(packet: Buffer): void
}

/** News for other clients (spec client-master 8). */
export interface News {
  /** Tells every connection of sessions that have the file open, except one. */
  tellOpeners<T>(inode: Inode, except: ClientPeer | undefined, message: Message<T>, body: T): void
}

/** Shared by all connections of clients. */
export interface ClientServices {
  ledger: Ledger
  chunks: ChunkService
  locks: LockService
  cache: DataCache
  lent: LentFolders
  answers: RecentAnswers
  jobs: TreeJobs
  news: News
  options: ClientOptions
  /** That this master leads; 0: there are no others. */
  epoch: number
  /** What the last look at all files found. */
  fileCheck: Pick<FileCheck, 'last' | 'missing'>
  reservations: Reservations
  statistics: MasterStatistics
}

export interface ClientOptions {
  /** ATIME_MODE. */
  atimeMode: number
  /** QUOTA_DEFAULT_GRACE_PERIOD. */
  quotaGraceSeconds: number
  /** MAX_ALLOWED_HARD_LINKS. */
  maxHardLinks: number
}

/** One request of a registered client, and the ways to answer it. */
export class RequestContext {
  readonly services: ClientServices
  readonly session: Session
  readonly request: RawRequest
  /** What leaveForLater() told a master that is no more; the request is to be gone on with. */
  readonly resumed: string | undefined
  readonly #peer: ClientPeer
  readonly #once: OnceRequest | undefined

  /** @param once for a request that must not be carried out twice */
  constructor(
    services: ClientServices,
    session: Session,
    peer: ClientPeer,
    { request, once, resumed }: { request: RawRequest; once?: OnceRequest | undefined; resumed?: string },
  ) {
    this.services = services
    this.session = session
    this.request = request
    this.resumed = resumed
    this.#peer = peer
    this.#once = once
  }

  /** Nobody waits for the answer any more, and nobody asks again for it. */
  get isStale(): boolean {
    return this.#once === undefined && this.#peer.sessionId === 0
  }

  /** Gives the request up if nobody waits for the answer: who asks again asks anew. @returns whether it did */
  dropIfStale(): boolean {
    return this.#once?.dropIfGone() ?? this.isStale
  }

  /** Whether both ask the same thing for the same session, whatever their msgid. */
  isSameAs({ session, request: { type, payload } }: RequestContext): boolean {
    if (session !== this.session || type !== this.request.type) return false
    return digestOf(type, payload) === digestOf(type, this.request.payload)
  }

  /** The request goes on in another turn. @param note what a later master needs besides the request itself */
  leaveForLater(note: string): void {
    const job = this.#once?.asJob(this.request, note)
    if (job) this.services.ledger.attach({ job })
  }

  get sessionId(): SessionId {
    return this.#peer.sessionId
  }

  /** Of the client: selects layouts. */
  get version(): number {
    return this.#peer.version
  }

  get state() {
    return this.services.ledger.state
  }

  now(): number {
    return this.services.ledger.now()
  }

  decode<T>(message: Message<T>, payload: Buffer): T {
    return message.decode(payload, this.version)
  }

  /** Sends the answer once everything committed so far is durable. */
  answer<T>(message: Message<T>, body: T): void {
    const packet = message.encode(body, this.version)
    this.services.statistics.answered(message, body)
    if (this.#once) this.#once.answer(packet)
    else this.services.ledger.whenCommitted(() => this.#peer.send(packet))
  }

  get isTool(): boolean {
    return this.#peer.isTool
  }

  /** As tellOthers(), and the asking client too. */
  tellAll<T>(inode: Inode, message: Message<T>, body: T): void {
    const { ledger, news } = this.services
    ledger.whenCommitted(() => news.tellOpeners(inode, undefined, message, body))
  }

  /** Tells the others who have the file open, before any later answer. */
  tellOthers<T>(inode: Inode, message: Message<T>, body: T): void {
    const { ledger, news } = this.services
    ledger.whenCommitted(() => news.tellOpeners(inode, this.#peer, message, body))
  }

  /** A bare `msgid status`. */
  answerStatus(message: Message<{ msgid: number; status: number }>, msgid: number, status: number): void {
    this.answer(message, { msgid, status })
  }

  commit(entries: readonly Entry[]): void {
    for (const entry of entries) {
      this.services.ledger.commit(entry)
      this.#once?.committed(entry)
    }
  }

  /** Nothing changes, but something is promised: `trailer` makes it as durable as a change. */
  promise(trailer: Trailer): void {
    const entry = { op: 'IDLE', ts: this.now() } as const
    this.services.ledger.commit(entry, trailer)
    this.#once?.committed(entry)
  }

  /** One of many entries of a request that is carried out in slices. */
  commitPart(entry: Entry): void {
    this.services.ledger.commit(entry)
    this.#once?.committedPart(entry)
  }

  /** Commits what was decided, or tells that it was refused. */
  granted<T>(decision: Decision<T>): decision is { status: 0; entries: Entry[] } & T {
    if (decision.status !== 0) return false
    this.commit((decision as { entries: Entry[] }).entries)
    return true
  }

  /** The caller as the export rule maps it. */
  asker({ uid, gids }: Caller): Asker {
    const { session } = this
    const [first = 0, ...others] = gids
    const mapall = (session.flags & 0x10) !== 0
    const [mappedUid, mappedGid] =
      uid === 0 ? [session.rootUid, session.rootGid] : mapall ? [session.mapallUid, session.mapallGid] : [uid, first]
    return {
      uid: mappedUid,
      gids: [mappedGid, ...others],
      sessionFlags: session.flags,
      root: session.rootInode,
      disables: session.disables,
      umask: session.umask,
      originalUid: uid,
      originalGid: first,
    }
  }

  /** How the inode is called on the wire: the root of the session is always 1. */
  shown(inode: Inode): Inode {
    return inode === this.session.rootInode ? 1 : inode
  }

  /** Lends a folder to the asking mount. @returns whether it did */
  lend(folder: Inode): boolean {
    return !this.isTool && this.services.lent.lend(folder, this.shown(folder), this.#peer)
  }

  /** The asking mount does not use a folder any more that was called back. */
  returned(shown: Inode): void {
    this.services.lent.returned(shown, this.session.rootInode, this.#peer)
  }

  /** Counts an operation in the statistics of the session (spec client-master 2.6). */
  count(operation: number): void {
    const { currentCounters } = this.session
    currentCounters[operation] = (currentCounters[operation] ?? 0) + 1
  }
}
