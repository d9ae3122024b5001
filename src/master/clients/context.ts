// What the handlers of client messages work with.
import type { Entry } from '../../metadata/changelog/entry.ts'
import type { Decision } from '../../metadata/decision.ts'
import type { Session } from '../../metadata/sessions/sessions.ts'
import type { Inode, SessionId } from '../../metadata/types.ts'
import type { Caller } from '../../protocol/attributes.ts'
import type { Message } from '../../protocol/codec.ts'
import type { ChunkService } from '../chunks/chunk-service.ts'
import type { Ledger } from '../ledger.ts'
import type { Asker } from './attributes.ts'
import type { DataCache } from './data-cache.ts'
import type { LockService } from './lock-service.ts'
import type { OnceRequest, RecentAnswers } from './recent-answers.ts'

/** A connection of a registered client. */
export interface ClientPeer {
  readonly sessionId: SessionId
  /** Selects layouts. */
  readonly version: number
  /** A tool's own connection, not one of a mount. */
  readonly isTool: boolean
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
  answers: RecentAnswers
  news: News
  options: ClientOptions
  /** Ends of append reservations, beyond the length of the file (spec client-master 5.6, TRUNCATE). */
  reservations: Map<Inode, number>
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
  readonly #peer: ClientPeer
  readonly #once: OnceRequest | undefined

  /** @param once for a request that must not be carried out twice */
  constructor(services: ClientServices, session: Session, peer: ClientPeer, once?: OnceRequest) {
    this.services = services
    this.session = session
    this.#peer = peer
    this.#once = once
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

  /** Counts an operation in the statistics of the session (spec client-master 2.6). */
  count(operation: number): void {
    const { currentCounters } = this.session
    currentCounters[operation] = (currentCounters[operation] ?? 0) + 1
  }
}
