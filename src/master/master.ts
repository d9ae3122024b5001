// The master: recovers its state, opens its ports, does its rounds, and leaves a checkpoint behind.
import type { Env, Timer } from '../env/env.ts'
import {
  CHECKPOINT,
  CHECKPOINT_BACK,
  CHECKPOINT_TEMPORARY,
  rotateCheckpoints,
  storeCheckpoint,
} from '../journal/checkpoint-files.ts'
import { Journal, type JournalError } from '../journal/journal.ts'
import { recentLines } from '../journal/recent-lines.ts'
import { cutTornTail, recover } from '../journal/recovery.ts'
import type { State } from '../metadata/state.ts'
import { ChunkManager } from './chunks/chunk-manager.ts'
import { ChunkserverPort } from './chunkservers/server.ts'
import { DataCache } from './clients/data-cache.ts'
import type { Exports } from './clients/exports.ts'
import { LockService } from './clients/lock-service.ts'
import { ClientPort } from './clients/port.ts'
import { CONFIRMED_AFTER_MS, RecentAnswers } from './clients/recent-answers.ts'
import { LiveLedger } from './live-ledger.ts'
import type { MasterOptions } from './options.ts'
import { Rounds } from './rounds.ts'

export class Master {
  readonly #env: Env
  readonly #options: MasterOptions
  readonly #journal: Journal
  readonly #clients: ClientPort
  readonly #chunkservers: ChunkserverPort
  readonly ledger: LiveLedger
  readonly chunks: ChunkManager
  /** What clients may ask again after this start; a follower keeps it up from the lines. */
  readonly answers: RecentAnswers
  readonly #timers: Timer[] = []

  /**
   * Recovers the state from the data folder and serves it.
   * @param onFailure the journal has failed: nothing is answered any more and the process must end
   */
  static async start(env: Env, options: MasterOptions, onFailure: (error: JournalError) => void): Promise<Master> {
    const now = Math.floor(env.clock.nowMs() / 1000)
    const recovered = await recover(env.disk, options.dataFolder, now)
    for (const note of recovered.notes) env.log.warning(note)
    if (recovered.torn) {
      const aside = await cutTornTail(env.disk, recovered.torn)
      env.log.warning(`an unfinished change was never acknowledged; it is kept in ${aside}`)
    }
    env.log.notice(`loaded ${recovered.checkpoint} and ${recovered.replayed} changes of the changelogs`)
    const master = new Master(env, options, recovered.state, onFailure)
    await master.#open(recovered.checkpoint, recovered.replayed)
    return master
  }

  private constructor(env: Env, options: MasterOptions, state: State, onFailure: (error: JournalError) => void) {
    this.#env = env
    this.#options = options
    const { dataFolder, sync, backLogs } = options
    this.#journal = new Journal(env.disk, env.clock, dataFolder, { sync, backLogs }, onFailure)
    this.ledger = new LiveLedger(state, env.clock, this.#journal)
    this.chunks = new ChunkManager(env, this.ledger, options.chunks)
    const locks = new LockService(this.ledger)
    this.answers = new RecentAnswers(this.ledger, () => env.clock.monotonicMs())
    const services = {
      ledger: this.ledger,
      chunks: this.chunks,
      locks,
      cache: new DataCache(),
      answers: this.answers,
      options: options.client,
      reservations: new Map(),
    }
    this.#clients = new ClientPort(env, services, options.exports, { sustainSeconds: options.sessionSustainSeconds })
    this.#chunkservers = new ChunkserverPort(env, this.ledger, this.chunks, {
      timeoutSeconds: options.chunkserverTimeoutSeconds,
      onServersChanged: () => this.#clients.invalidateChunkCaches(),
    })
  }

  async #open(checkpoint: string, replayed: number): Promise<void> {
    const { dataFolder } = this.#options
    const names = await this.#env.disk.list(dataFolder)
    await this.#rememberAnswers()
    if (names.includes(CHECKPOINT_TEMPORARY)) await this.#env.disk.unlink(`${dataFolder}/${CHECKPOINT_TEMPORARY}`)
    if (this.ledger.state.metaId === 0n) this.#assignMetaId()
    this.#disconnectSessions()
    // A long replay is not to be done twice.
    if (replayed > 0) await this.#store(CHECKPOINT_BACK)
    else if (checkpoint === `${dataFolder}/${CHECKPOINT}`) {
      await this.#env.disk.rename(checkpoint, `${dataFolder}/${CHECKPOINT_BACK}`)
      await this.#env.disk.syncFolder(dataFolder)
    }
    await this.#chunkservers.listen(this.#options.chunkserversHost, this.#options.chunkserversPort)
    await this.#clients.listen(this.#options.clientsHost, this.#options.clientsPort)
    const rounds = new Rounds(this.ledger, this.#options.inodeReuseDelaySeconds, this.#options.client.quotaGraceSeconds)
    this.#timers.push(
      this.#env.clock.every(1000, () => {
        rounds.tick()
        this.chunks.tick()
      }),
    )
    this.#scheduleCheckpoint()
  }

  /** The last answers may not have reached their clients. */
  async #rememberAnswers(): Promise<void> {
    const { version, sessions } = this.ledger.state
    const seconds = CONFIRMED_AFTER_MS / 1000
    for (const { entry, trailer } of await recentLines(this.#env.disk, this.#options.dataFolder, version, seconds)) {
      this.answers.remember(entry, trailer)
    }
    this.answers.keepOnly(id => sessions.get(id) !== undefined)
  }

  #assignMetaId(): void {
    const now = this.ledger.now()
    const metaId = (BigInt(now) << 32n) | BigInt(this.#env.random.bytes(4).readUInt32BE(0))
    this.ledger.commit({ op: 'SETMETAID', ts: now, metaId })
  }

  /** Whoever was connected when the last master ended is disconnected since now: its time to come back begins. */
  #disconnectSessions(): void {
    const ts = this.ledger.now()
    for (const [sessionId, { disconnectedAt }] of this.ledger.state.sessions.entries()) {
      if (disconnectedAt === 0) this.ledger.commit({ op: 'SESDISCONNECTED', ts, sessionId })
    }
  }

  /** At full hours, as the original does. */
  #scheduleCheckpoint(): void {
    const hourMs = 3_600_000
    const untilNextMs = hourMs - (this.#env.clock.nowMs() % hourMs)
    this.#timers.push(
      this.#env.clock.after(untilNextMs, () => {
        this.#scheduleCheckpoint()
        const hour = Math.round(this.#env.clock.nowMs() / hourMs)
        if (hour % this.#options.saveEveryHours === 0) void this.saveCheckpoint()
      }),
    )
  }

  /** Rotates the changelogs and writes the state as metadata.mfs.back. A failure is logged; the logs lose nothing. */
  async saveCheckpoint(): Promise<void> {
    try {
      const rotated = this.#journal.rotate()
      await rotated
      await this.#store(CHECKPOINT_BACK)
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error)
      this.#env.log.error(`no checkpoint was written (${text}); the changelogs hold everything`)
    }
  }

  async #store(name: string): Promise<void> {
    const { dataFolder, keepPrevious } = this.#options
    await storeCheckpoint(this.#env.disk, dataFolder, `${CHECKPOINT_BACK}.new`, this.ledger.state)
    await rotateCheckpoints(this.#env.disk, dataFolder, keepPrevious)
    await this.#env.disk.rename(`${dataFolder}/${CHECKPOINT_BACK}.new`, `${dataFolder}/${name}`)
    const stale = (await this.#env.disk.list(dataFolder)).includes(CHECKPOINT)
    if (stale && name !== CHECKPOINT) await this.#env.disk.unlink(`${dataFolder}/${CHECKPOINT}`)
    await this.#env.disk.syncFolder(dataFolder)
  }

  reloadExports(exports: Exports): void {
    this.#clients.reload(exports)
  }

  get connectedChunkservers(): number {
    return this.#chunkservers.connected
  }

  /** Clean stop: ports close, the log is finished, and metadata.mfs holds everything. */
  async stop(): Promise<void> {
    for (const timer of this.#timers) timer.cancel()
    await this.#clients.close()
    await this.#chunkservers.close()
    await this.#journal.close()
    await this.#store(CHECKPOINT)
  }
}
