// Files that all applications use at once: a log that is appended to under a lock, and names that only one may have.
import type { ClusterSession } from '../../../src/client/cluster-session.ts'
import { FlockCommand, OpenFlag } from '../../../src/protocol/cltoma.ts'
import { Status, statusName } from '../../../src/protocol/status.ts'
import { type SimCluster, Violation } from './cluster.ts'
import { readRange, root } from './tree-model.ts'
import type { Life } from './worker.ts'

const ROOT = 1
const RECORD_BYTES = 32
const LOCK_TRIES = 5
const LOCK_PAUSE_MS = 50

export class SharedFiles {
  readonly #cluster: SimCluster
  #folder = 0
  #log = 0
  #nextRecord = 0
  /** Records that were acknowledged. */
  readonly #written = new Set<string>()
  /** Those without an answer, with their places. */
  readonly #unanswered = new Map<string, number>()
  #hasPowerFailed = false
  #holder: { worker: string; client: string } | undefined
  /** Who was told that a name is his. */
  readonly #owners = new Map<string, string>()
  #nextName = 0
  #owner = 0n

  constructor(cluster: SimCluster) {
    this.#cluster = cluster
  }

  async begin(session: ClusterSession): Promise<void> {
    const folder = await session.mkdir(ROOT, 'shared', 0o777, 0, false, root)
    if (folder.status !== undefined) throw new Violation(`mkdir /shared: ${statusName(folder.status)}`)
    const log = await session.mknod(folder.inode, 'log', 1, 0o666, 0, 0, root)
    if (log.status !== undefined) throw new Violation(`mknod /shared/log: ${statusName(log.status)}`)
    this.#folder = folder.inode
    this.#log = log.inode
    await session.open(this.#log, OpenFlag.READ | OpenFlag.WRITE, root)
    // From now on the chunk of the log is on disks.
    await this.#appendRecord(session, 'nobody')
    session.release(this.#log)
  }

  /** Locks of a dead client may stand in the way, but protect nothing. */
  clientDied(client: string): void {
    if (this.#holder?.client === client) this.#holder = undefined
  }

  /** Everybody lost what was not synced: records that had no answer may be there in part. */
  powerLost(): void {
    this.#hasPowerFailed = true
  }

  /** Appends one record under an exclusive lock, if the lock is to be had. */
  async append({ session, sleep }: Life, worker: string, client: string): Promise<void> {
    const opened = await session.open(this.#log, OpenFlag.READ | OpenFlag.WRITE, root)
    if (opened.status !== undefined) throw new Violation(`open /shared/log: ${statusName(opened.status)}`)
    const owner = this.#owner++
    if (await this.#lock(session, sleep, owner)) {
      if (this.#holder) throw new Violation(`${worker} got the lock that ${this.#holder.worker} holds`)
      this.#holder = { worker, client }
      await this.#appendRecord(session, worker)
      this.#holder = undefined
      const status = await session.flock(this.#log, 0, owner, FlockCommand.UNLOCK)
      if (status !== Status.OK) throw new Violation(`unlock of /shared/log: ${statusName(status)}`)
    }
    session.release(this.#log)
  }

  async #lock(session: ClusterSession, sleep: Life['sleep'], owner: bigint): Promise<boolean> {
    for (let tries = 0; tries < LOCK_TRIES; tries++) {
      const status = await session.flock(this.#log, 0, owner, FlockCommand.TRY_EXCLUSIVE)
      if (status === Status.OK) return true
      if (status !== Status.EAGAIN) throw new Violation(`lock of /shared/log: ${statusName(status)}`)
      this.#cluster.count('lock refused')
      await sleep(LOCK_PAUSE_MS)
    }
    return false
  }

  async #appendRecord(session: ClusterSession, worker: string): Promise<void> {
    const there = await session.getattr(this.#log, true, root)
    if (there.status !== undefined) throw new Violation(`getattr of /shared/log: ${statusName(there.status)}`)
    const record = `${worker} ${this.#nextRecord++}`.padEnd(RECORD_BYTES - 1).concat('\n')
    const data = session.data(this.#log)
    const { length } = there.attributes
    if (length % RECORD_BYTES !== 0) throw new Violation(`/shared/log has ${length} bytes: a record in part`)
    this.#unanswered.set(record, length)
    const error = (await data.write(length, Buffer.from(record))) || (await data.sync())
    if (error !== 0) throw new Violation(`appending to /shared/log: errno ${error}`)
    this.#unanswered.delete(record)
    this.#written.add(record)
    this.#cluster.count('record appended')
  }

  /** Tries to be the one who makes a file that others try to make as well. */
  async claim(session: ClusterSession, worker: string): Promise<void> {
    const draw = this.#cluster.scheduler.between(0, 3)
    const name = `name-${draw === 0 ? this.#nextName++ : Math.max(0, this.#nextName - draw)}`
    const made = await session.create(this.#folder, name, 0o600, 0, root)
    if (made.status === Status.EEXIST) {
      this.#cluster.count('name taken')
      return
    }
    if (made.status !== undefined) throw new Violation(`create /shared/${name}: ${statusName(made.status)}`)
    session.release(made.inode)
    const owner = this.#owners.get(name)
    if (owner) throw new Violation(`${worker} and ${owner} both made /shared/${name}`)
    this.#owners.set(name, worker)
    this.#cluster.count('name claimed')
  }

  /** Every acknowledged record is there once, and no other. */
  async check(session: ClusterSession): Promise<void> {
    const opened = await session.open(this.#log, OpenFlag.READ, root)
    if (opened.status !== undefined) throw new Violation(`open /shared/log: ${statusName(opened.status)}`)
    const { length } = opened.attributes
    const text = (await readRange(session, this.#log, 0, length)).toString('latin1')
    session.release(this.#log)
    const seen = new Set<string>()
    for (let offset = 0; offset < length; offset += RECORD_BYTES) {
      const record = text.slice(offset, offset + RECORD_BYTES)
      if (seen.has(record)) throw new Violation(`record "${record.trim()}" is in /shared/log twice`)
      if (this.#written.has(record) || this.#unanswered.has(record)) seen.add(record)
      else if (!this.#isRemnant(record, offset)) {
        throw new Violation(`record ${JSON.stringify(record)} in /shared/log was never written`)
      }
    }
    const missing = [...this.#written].find(record => !seen.has(record))
    if (missing) throw new Violation(`record "${missing.trim()}" is missing in /shared/log`)
    const listed = await session.readdir(this.#folder, false, root)
    const names = new Set(listed.status === undefined ? Array.from(listed.names, ({ name }) => name) : [])
    for (const name of this.#owners.keys()) if (!names.has(name)) throw new Violation(`/shared/${name} is missing`)
  }

  /** Whether a loss of power may have left that of records without an answer. */
  #isRemnant(found: string, offset: number): boolean {
    const records = [...this.#unanswered].filter(([, place]) => place === offset)
    const mayBe = (letter: string, i: number) => letter === '\0' || records.some(([record]) => record[i] === letter)
    return this.#hasPowerFailed && records.length > 0 && [...found].every(mayBe)
  }
}
