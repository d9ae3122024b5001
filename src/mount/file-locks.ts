// The locks of one open inode: who holds what, so that closing gives it back (spec client-master 5.7, 7.4).

import type { Cluster } from '../client/cluster.ts'
import type { Clock } from '../env/env.ts'
import { FlockCommand, PosixLockCommand } from '../protocol/cltoma.ts'
import { Status } from '../protocol/status.ts'
import { type Errno, LockType, type RecordLock, type Request } from './file-system.ts'
import { errnoOf } from './status-errno.ts'

/** Lock types of the master. */
const NodeLock = { UNLOCK: 0, READ: 1, WRITE: 2 } as const
const TO_THE_END = 0xffff_ffff_ffff_ffffn
/** The kernel's "to the end of the file": the last offset there is. */
const OFFSET_MAX = 0x7fff_ffff_ffff_ffffn
/** How often a waiting request is asked to stop once a signal has come. */
const INTERRUPT_EVERY_MS = 100

let nextRequestId = 1

/** What locks need of the cluster. */
type LockMaster = Pick<Cluster, 'flock' | 'posixLock'>

export class FileLocks {
  readonly #cluster: LockMaster
  readonly #inode: number
  readonly #clock: Clock
  readonly #recordOwners = new Set<bigint>()
  readonly #flockOwners = new Set<bigint>()

  constructor(cluster: LockMaster, inode: number, clock: Clock) {
    this.#cluster = cluster
    this.#inode = inode
    this.#clock = clock
  }

  async getRecordLock(request: Request, owner: bigint, lock: RecordLock): Promise<RecordLock | Errno> {
    const answer = await this.#record(0, owner, request.pid, PosixLockCommand.GET, lock)
    if (answer.status !== undefined && answer.status !== Status.OK) return errnoOf(answer.status)
    if (answer.status !== undefined || answer.type === NodeLock.UNLOCK) return { ...lock, type: LockType.UNLOCK }
    return {
      type: answer.type === NodeLock.WRITE ? LockType.WRITE : LockType.READ,
      start: answer.start,
      end: answer.end > OFFSET_MAX ? OFFSET_MAX : answer.end - 1n,
      pid: answer.pid,
    }
  }

  async setRecordLock(request: Request, owner: bigint, lock: RecordLock, wait: boolean): Promise<Errno> {
    const unlock = lock.type === LockType.UNLOCK
    const command = wait || unlock ? PosixLockCommand.SET : PosixLockCommand.TRY
    // Held from before the answer, so that a close in between gives it back.
    if (!unlock) this.#recordOwners.add(owner)
    const requestId = nextRequestId++
    const asked = this.#record(requestId, owner, request.pid, command, lock).then(({ status = Status.OK }) => status)
    if (!wait || unlock) return errnoOf(await asked)
    const interrupt = () => this.#record(requestId, owner, request.pid, PosixLockCommand.INTERRUPT, lock)
    return errnoOf(await this.#interruptible(request, asked, interrupt))
  }

  async setFlock(request: Request, owner: bigint, type: number, wait: boolean): Promise<Errno> {
    const requestId = nextRequestId++
    if (type === LockType.UNLOCK) {
      return errnoOf(await this.#cluster.flock(this.#inode, requestId, owner, FlockCommand.UNLOCK))
    }
    const { TRY_SHARED, LOCK_SHARED, TRY_EXCLUSIVE, LOCK_EXCLUSIVE } = FlockCommand
    const shared = type === LockType.READ
    const command = shared ? (wait ? LOCK_SHARED : TRY_SHARED) : wait ? LOCK_EXCLUSIVE : TRY_EXCLUSIVE
    this.#flockOwners.add(owner)
    const asked = this.#cluster.flock(this.#inode, requestId, owner, command)
    if (!wait) return errnoOf(await asked)
    const interrupt = () => this.#cluster.flock(this.#inode, requestId, owner, FlockCommand.INTERRUPT)
    return errnoOf(await this.#interruptible(request, asked, interrupt))
  }

  /** A descriptor of the file was closed by the process whose record locks `owner` stands for. */
  async dropRecordLocks(owner: bigint): Promise<void> {
    if (!this.#recordOwners.delete(owner)) return
    const all = { type: LockType.UNLOCK, start: 0n, end: OFFSET_MAX, pid: 0 }
    await this.#record(0, owner, 0, PosixLockCommand.SET, all)
  }

  async dropFlock(owner: bigint): Promise<void> {
    if (this.#flockOwners.delete(owner)) await this.#cluster.flock(this.#inode, 0, owner, FlockCommand.RELEASE)
  }

  /** Nobody has the file open any more. */
  async dropEverything(): Promise<void> {
    for (const owner of [...this.#recordOwners]) await this.dropRecordLocks(owner)
    for (const owner of [...this.#flockOwners]) await this.dropFlock(owner)
  }

  #record(requestId: number, owner: bigint, pid: number, command: number, lock: RecordLock) {
    const type = [NodeLock.READ, NodeLock.WRITE, NodeLock.UNLOCK][lock.type] ?? NodeLock.UNLOCK
    const end = lock.end >= OFFSET_MAX ? TO_THE_END : lock.end + 1n
    return this.#cluster.posixLock(this.#inode, requestId, owner, pid, command, type, lock.start, end)
  }

  /** Once a signal has come, asks the master again and again to give the waiting up, until it is answered. */
  async #interruptible(request: Request, asked: Promise<number>, interrupt: () => Promise<unknown>): Promise<number> {
    let waiting = true
    const giveUp = async () => {
      while (waiting) {
        await interrupt()
        await this.#clock.sleep(INTERRUPT_EVERY_MS)
      }
    }
    request.onInterrupt = () => void giveUp()
    if (request.interrupted) void giveUp()
    try {
      return await asked
    } finally {
      waiting = false
    }
  }
}
