// Which client's cached data of a file are still good (spec client-master 5.5).
import type { Inode, SessionId } from '../../metadata/types.ts'
import { Oldest } from '../../util/oldest.ts'

const PAIRS_MAX = 500_000

/** Pairs of inode and session with a mark: the session has read the file and nobody else has changed it since. */
export class DataCache {
  /** Least recently asked inode first. */
  readonly #inodes = new Map<Inode, Map<SessionId, boolean>>()
  readonly #oldest = new Oldest(this.#inodes)
  #pairs = 0

  /** Whether the session may keep its data. From now on it is known to have some. */
  ask(inode: Inode, session: SessionId): boolean {
    const sessions = this.#recent(inode)
    const valid = sessions.get(session)
    if (valid === undefined) {
      sessions.set(session, false)
      this.#pairs++
      this.#trim()
    }
    return valid ?? false
  }

  /** The session has read, or has dropped what it had. */
  accessed(inode: Inode, session: SessionId): void {
    const sessions = this.#inodes.get(inode)
    if (sessions?.has(session)) sessions.set(session, true)
  }

  /** The session has changed the file: what others hold is stale. */
  changed(inode: Inode, session: SessionId): void {
    const sessions = this.#inodes.get(inode)
    if (!sessions) return
    const own = sessions.has(session)
    this.#pairs -= sessions.size - (own ? 1 : 0)
    if (own) this.#inodes.set(inode, new Map([[session, true]]))
    else this.#inodes.delete(inode)
  }

  /** The inode number stands for another file from now on. */
  forget(inode: Inode): void {
    this.#pairs -= this.#inodes.get(inode)?.size ?? 0
    this.#inodes.delete(inode)
  }

  #recent(inode: Inode): Map<SessionId, boolean> {
    const sessions = this.#inodes.get(inode) ?? new Map<SessionId, boolean>()
    this.#inodes.delete(inode)
    this.#inodes.set(inode, sessions)
    return sessions
  }

  #trim(): void {
    while (this.#pairs > PAIRS_MAX) {
      const oldest = this.#oldest.take()
      if (oldest === undefined) return
      this.forget(oldest)
    }
  }
}
