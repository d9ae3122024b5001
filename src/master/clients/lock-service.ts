// Locks that somebody waits for. Held ones are in the state; waiting ones live here and are asked again by their clients
// after a restart (spec client-master 5.7).
import type { Entry } from '../../metadata/changelog/entry.ts'
import { type LockRange, LockType } from '../../metadata/locks/posix-locks.ts'
import type { Inode, SessionId } from '../../metadata/types.ts'
import { FlockCommand, PosixLockCommand } from '../../protocol/cltoma.ts'
import { Status } from '../../protocol/status.ts'
import type { Ledger } from '../ledger.ts'

export type StatusAnswer = (status: number) => void

interface FlockRequest {
  inode: Inode
  session: SessionId
  owner: bigint
  requestId: number
  command: number
}

interface PosixRequest extends LockRange {
  inode: Inode
  session: SessionId
  owner: bigint
  requestId: number
  command: number
}

interface WaitingFlock extends FlockRequest {
  exclusive: boolean
  answer: StatusAnswer
}

interface WaitingPosix extends PosixRequest {
  answer: StatusAnswer
}

export class LockService {
  readonly #ledger: Ledger
  readonly #flocks = new Map<Inode, WaitingFlock[]>()
  readonly #posix = new Map<Inode, WaitingPosix[]>()

  constructor(ledger: Ledger) {
    this.#ledger = ledger
  }

  flock(request: FlockRequest, answer: StatusAnswer): void {
    const { state } = this.#ledger
    const { inode, session, owner, requestId, command } = request
    if (command === FlockCommand.INTERRUPT) {
      this.#cancelFlocks(inode, waiting => same(waiting, request) && waiting.requestId === requestId, Status.EINTR)
      return answer(Status.OK)
    }
    if (command === FlockCommand.UNLOCK || command === FlockCommand.RELEASE) {
      this.#cancelFlocks(inode, waiting => same(waiting, request), Status.ECANCELED)
      this.#unlock(request)
      return this.#ledger.whenCommitted(() => answer(Status.OK))
    }
    const isInvolved = state.flocks.held(inode, session, owner) || this.#flocks.get(inode)?.some(w => same(w, request))
    if (command > FlockCommand.RELEASE && isInvolved) return answer(Status.EINVAL)
    if (!state.openFiles.has(session, inode)) return answer(Status.NOTOPENED)
    const shared = command === FlockCommand.TRY_SHARED || command === FlockCommand.LOCK_SHARED
    const exclusive = !shared
    const waits = command !== FlockCommand.TRY_SHARED && command !== FlockCommand.TRY_EXCLUSIVE
    const held = state.flocks.held(inode, session, owner)
    if (held?.exclusive === exclusive) return answer(Status.OK)
    if (held && waits) this.#unlock(request)
    this.#cancelFlocks(inode, waiting => same(waiting, request) && waiting.exclusive !== exclusive, Status.ECANCELED)
    const lock = { session, owner, exclusive }
    const queued = !exclusive && !held && (this.#flocks.get(inode)?.length ?? 0) > 0
    if (!queued && !state.flocks.conflicts(inode, lock)) {
      this.#grantFlock(inode, lock)
      if (held) this.#wakeFlocks(inode)
      return this.#ledger.whenCommitted(() => answer(Status.OK))
    }
    if (!waits) return answer(Status.EAGAIN)
    const queue = (this.#flocks.get(inode) ?? []).filter(
      waiting => !(same(waiting, request) && waiting.requestId === requestId),
    )
    this.#flocks.set(inode, [...queue, { ...request, exclusive, answer }])
  }

  posix(request: PosixRequest, answer: StatusAnswer): void {
    const { state } = this.#ledger
    const { inode, session, command } = request
    if (command === PosixLockCommand.INTERRUPT) {
      this.#cancelPosix(inode, w => w.session === session && w.requestId === request.requestId, Status.EINTR)
      return answer(Status.OK)
    }
    if (request.start >= request.end || request.type > LockType.WRITE) return answer(Status.EINVAL)
    if (request.type === LockType.UNLOCK) {
      if (state.posixLocks.has(inode)) this.#applyPosix(request)
      this.#wakePosix(inode)
      return this.#ledger.whenCommitted(() => answer(Status.OK))
    }
    if (!state.openFiles.has(session, inode)) return answer(Status.NOTOPENED)
    if (!state.posixLocks.conflict(inode, request, request)) {
      this.#applyPosix(request)
      this.#wakePosix(inode)
      return this.#ledger.whenCommitted(() => answer(Status.OK))
    }
    if (command === PosixLockCommand.TRY) return answer(Status.EAGAIN)
    // Whoever would close a circle of waiting is refused; all others in it go on.
    if (this.#wouldWaitForItself(request)) return answer(Status.EAGAIN)
    this.#posix.set(inode, [...(this.#posix.get(inode) ?? []), { ...request, answer }])
  }

  /** Whether somebody who holds what is wanted waits, over any number of others, for what the asker holds. */
  #wouldWaitForItself(request: PosixRequest): boolean {
    const key = ({ session, owner }: { session: SessionId; owner: bigint }) => `${session}/${owner}`
    const asker = key(request)
    const seen = new Set<string>()
    const next: PosixRequest[] = [request]
    for (let wanted = next.pop(); wanted; wanted = next.pop()) {
      for (const holder of this.#ledger.state.posixLocks.conflicts(wanted.inode, wanted, wanted)) {
        const who = key(holder)
        if (who === asker) return true
        if (seen.has(who)) continue
        seen.add(who)
        for (const waiting of this.#posix.values()) next.push(...waiting.filter(one => key(one) === who))
      }
    }
    return false
  }

  /** A session lets go of a file: its locks go, held (logged) and waiting (silently), and others may get theirs. */
  release(session: SessionId, inode: Inode): void {
    for (const { owner } of this.#ledger.state.flocks.of(inode).filter(lock => lock.session === session)) {
      this.#commit({ op: 'FLOCK', ts: this.#ledger.now(), inode, sessionId: session, owner, command: 'UNLOCK' })
    }
    this.#flocks.set(
      inode,
      (this.#flocks.get(inode) ?? []).filter(waiting => waiting.session !== session),
    )
    this.#posix.set(
      inode,
      (this.#posix.get(inode) ?? []).filter(waiting => waiting.session !== session),
    )
  }

  /** After release() and the RELEASE line: grants what nothing stands in the way of any more. */
  wake(inode: Inode): void {
    this.#wakeFlocks(inode)
    this.#wakePosix(inode)
  }

  #commit(entry: Entry): void {
    this.#ledger.commit(entry)
  }

  #unlock({ inode, session, owner }: FlockRequest): void {
    if (!this.#ledger.state.flocks.held(inode, session, owner)) return
    this.#commit({ op: 'FLOCK', ts: this.#ledger.now(), inode, sessionId: session, owner, command: 'UNLOCK' })
    this.#wakeFlocks(inode)
  }

  #grantFlock(inode: Inode, lock: { session: SessionId; owner: bigint; exclusive: boolean }): void {
    const command = lock.exclusive ? 'WRITE' : 'READ'
    const { session: sessionId, owner } = lock
    // A lock that changes its type is let go in the log first: the original's replay refuses a second one of an owner.
    if (this.#ledger.state.flocks.held(inode, sessionId, owner)) {
      this.#commit({ op: 'FLOCK', ts: this.#ledger.now(), inode, sessionId, owner, command: 'UNLOCK' })
    }
    this.#commit({ op: 'FLOCK', ts: this.#ledger.now(), inode, sessionId, owner, command })
  }

  #wakeFlocks(inode: Inode): void {
    const { flocks } = this.#ledger.state
    for (let queue = this.#flocks.get(inode) ?? []; ; queue = queue.slice(1)) {
      const [first] = queue
      if (!first || flocks.conflicts(inode, first)) {
        if (queue.length > 0) this.#flocks.set(inode, queue)
        else this.#flocks.delete(inode)
        return
      }
      this.#grantFlock(inode, first)
      this.#ledger.whenCommitted(() => first.answer(Status.OK))
    }
  }

  #cancelFlocks(inode: Inode, cancels: (waiting: WaitingFlock) => boolean, status: number): void {
    const queue = this.#flocks.get(inode) ?? []
    const left = queue.filter(waiting => !cancels(waiting))
    if (left.length === queue.length) return
    this.#flocks.set(inode, left)
    for (const waiting of queue) if (cancels(waiting)) waiting.answer(status)
    this.#wakeFlocks(inode)
  }

  #applyPosix({ inode, session: sessionId, owner, type, start, end, pid }: PosixRequest): void {
    const command = (['UNLOCK', 'READ', 'WRITE'] as const)[type] as 'UNLOCK' | 'READ' | 'WRITE'
    this.#commit({ op: 'POSIXLOCK', ts: this.#ledger.now(), inode, sessionId, owner, command, start, end, pid })
  }

  #wakePosix(inode: Inode): void {
    const { posixLocks } = this.#ledger.state
    const left: WaitingPosix[] = []
    for (const waiting of this.#posix.get(inode) ?? []) {
      if (posixLocks.conflict(inode, waiting, waiting)) left.push(waiting)
      else {
        this.#applyPosix(waiting)
        this.#ledger.whenCommitted(() => waiting.answer(Status.OK))
      }
    }
    if (left.length > 0) this.#posix.set(inode, left)
    else this.#posix.delete(inode)
  }

  #cancelPosix(inode: Inode, cancels: (waiting: WaitingPosix) => boolean, status: number): void {
    const queue = this.#posix.get(inode) ?? []
    this.#posix.set(
      inode,
      queue.filter(waiting => !cancels(waiting)),
    )
    for (const waiting of queue) if (cancels(waiting)) waiting.answer(status)
  }
}

const same = (a: { session: SessionId; owner: bigint }, b: { session: SessionId; owner: bigint }) =>
  a.session === b.session && a.owner === b.owner
