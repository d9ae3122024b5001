// The master: recovers its state, opens its ports, does its rounds, and leaves a checkpoint behind.
import { Charts } from '../charts/charts.ts'
import type { Env, Timer } from '../env/env.ts'
import type { Connection } from '../env/net.ts'
import {
  CHECKPOINT,
  CHECKPOINT_BACK,
  CHECKPOINT_TEMPORARY,
  EMERGENCY,
  publishCheckpoint,
  settleCheckpoints,
  storeEmergency,
  writeCheckpointFile,
} from '../journal/checkpoint-files.ts'
import { settleTail } from '../journal/commit-tail.ts'
import { Journal, type JournalError } from '../journal/journal.ts'
import { makeReady, recover } from '../journal/recovery.ts'
import type { State } from '../metadata/state.ts'
import { Archiving } from './archiving.ts'
import { Checkpointer } from './checkpointer.ts'
import { ChunkManager } from './chunks/chunk-manager.ts'
import type { EarlyRegistration } from './chunkservers/early-registration.ts'
import { ChunkserverPort } from './chunkservers/server.ts'
import { DataCache } from './clients/data-cache.ts'
import { LentFolders } from './clients/lent-folders.ts'
import { LockService } from './clients/lock-service.ts'
import { ClientPort } from './clients/port.ts'
import { RecentAnswers } from './clients/recent-answers.ts'
import { TreeJobs } from './clients/tree-jobs.ts'
import { FileCheck } from './file-check.ts'
import { LastLines } from './last-lines.ts'
import { type CommitRule, LiveLedger } from './live-ledger.ts'
import { logOf } from './metaloggers/committed-log.ts'
import { MetaloggerPort } from './metaloggers/port.ts'
import type { MasterOptions } from './options.ts'
import { alone, type Place } from './place.ts'
import type { Topology } from './policy/topology.ts'
import { ProcessUse } from './process-use.ts'
import { Rounds } from './rounds.ts'
import { MasterStatistics, masterCharts } from './statistics.ts'

/** The past in numbers, beside the metadata. */
const CHARTS = 'stats.mfs'

/** What a master writes to, and the state that it leads to. */
export interface MasterLog {
  state: State
  journal: Journal
  checkpointer: Checkpointer
  /** When a change counts as committed; without it: once it is durable here. */
  commitRule?: CommitRule
  /** That this master leads; without it there are no others. */
  epoch?: number
  /** Addresses of those that follow it. */
  followers?: () => readonly string[]
  /** What monitors are told of it as one of several. */
  place?: Place
  /** Whose port is open already, and stays open when this master does not lead any more. */
  metaloggers?: MetaloggerPort
  /** Where somebody has kept it; else it is read from the changelogs. */
  lastLines?: LastLines | undefined
}

export class Master {
  readonly #env: Env
  #options: MasterOptions
  readonly #journal: Journal
  readonly #clients: ClientPort
  readonly #chunkservers: ChunkserverPort
  readonly #metaloggers: MetaloggerPort
  readonly ledger: LiveLedger
  readonly chunks: ChunkManager
  /** What clients may ask again after this start; a follower keeps it up from the lines. */
  readonly answers: RecentAnswers
  readonly #lastLines: LastLines
  readonly #timers: Timer[] = []
  readonly #fileCheck: FileCheck
  readonly #checkpointer: Checkpointer
  readonly #use: ProcessUse
  readonly #statistics: MasterStatistics
  readonly #charts: Charts

  /**
   * Recovers the state from the data folder and serves it.
   * @param onFailure the journal has failed: nothing is answered any more and the process must end
   */
  static async start(env: Env, options: MasterOptions, onFailure: (error: JournalError) => void): Promise<Master> {
    const now = Math.floor(env.clock.nowMs() / 1000)
    const putBack = await settleTail(env.disk, options.dataFolder)
    if (putBack) env.log.warning(putBack)
    const recovered = await recover(env.disk, options.dataFolder, {
      now,
      ignoresFlaws: options.ignoresFlaws ?? false,
      elsewhere: options.emergencyPaths ?? [],
      ...(options.recoveryListener ? { tell: options.recoveryListener } : {}),
    })
    for (const note of recovered.notes) env.log.warning(note)
    for (const note of await makeReady(env.disk, options.dataFolder, recovered.torn)) env.log.warning(note)
    env.log.notice(`loaded ${recovered.checkpoint} and ${recovered.replayed} changes of the changelogs`)
    const { dataFolder, sync, keepPrevious } = options
    const { state, checkpoint, checkpointVersion, replayed } = recovered
    const stateNow = () => ({ version: state.version, digest: state.digest() })
    const journal = new Journal(env.disk, env.clock, dataFolder, { sync, stateNow }, onFailure)
    const checkpointer = new Checkpointer(env, journal, state, checkpointVersion, options)
    const lastLines = await LastLines.read(env.disk, dataFolder, state.version)
    const master = new Master(env, options, { state, journal, checkpointer }, lastLines)
    await settleCheckpoints(env.disk, dataFolder, checkpoint, state.version, keepPrevious)
    journal.onCut(() => master.#metaloggers.rotated())
    await master.#metaloggers.listen(options.metaloggersHost, options.metaloggersPort)
    await master.#open()
    // A long replay is not to be done twice.
    if (replayed > 0) void checkpointer.save()
    return master
  }

  /** Serves a log and state that are there already: those of a follower that was elected. */
  static async lead(env: Env, options: MasterOptions, log: MasterLog): Promise<Master> {
    const { state, lastLines } = log
    const known = lastLines ?? (await LastLines.read(env.disk, options.dataFolder, state.version))
    const master = new Master(env, options, log, known)
    const isNew = state.metaId === 0n
    if (isNew) master.#assignMetaId()
    // A follower could not begin from the mark of a new file system: it does not say when the root was made.
    if (isNew) await master.#storeCheckpoint(CHECKPOINT_BACK)
    await master.#open()
    return master
  }

  private constructor(
    env: Env,
    options: MasterOptions,
    {
      state,
      journal,
      checkpointer,
      commitRule,
      epoch = 0,
      followers = () => [],
      place = alone,
      metaloggers,
    }: MasterLog,
    lastLines: LastLines,
  ) {
    this.#lastLines = lastLines
    this.#env = env
    this.#options = options
    this.#journal = journal
    this.#checkpointer = checkpointer
    this.#use = new ProcessUse(env)
    this.#statistics = new MasterStatistics(env)
    this.#charts = new Charts(env, masterCharts, `${options.dataFolder}/${CHARTS}`)
    const lent = new LentFolders(env.clock)
    const committed = lent.heldBack(commitRule ?? ((_version, action) => journal.whenDurable(action)))
    this.ledger = new LiveLedger(state, env.clock, journal, committed, (entry, before) => lent.changed(entry, before))
    this.#metaloggers = metaloggers ?? new MetaloggerPort(env, logOf(this.ledger), options)
    this.ledger.listen((id, body) => this.#metaloggers.changed(id, body))
    this.chunks = new ChunkManager(env, this.ledger, options.chunks, lastLines.aftermath)
    const locks = new LockService(this.ledger)
    this.#fileCheck = new FileCheck(this.ledger, this.chunks, options.missingLogCapacity)
    this.answers = new RecentAnswers(this.ledger, lastLines.answers)
    const services = {
      ledger: this.ledger,
      chunks: this.chunks,
      locks,
      cache: new DataCache(),
      lent,
      answers: this.answers,
      jobs: new TreeJobs(env, this.ledger, options.treeSlices),
      fileCheck: this.#fileCheck,
      options: options.client,
      epoch,
      reservations: lastLines.reservations,
      statistics: this.#statistics,
    }
    this.#clients = new ClientPort(env, services, options.exports, {
      sustainSeconds: options.sessionSustainSeconds,
      commandsFrom: options.monitorCommandsFrom,
      life: { use: () => this.#use.now(), lastSaved: () => this.#checkpointer.lastSaved, place: () => place },
      metaloggers: () => this.#metaloggers.list(),
      charts: this.#charts,
    })
    this.#chunkservers = new ChunkserverPort(env, this.ledger, this.chunks, {
      timeoutSeconds: options.chunkserverTimeoutSeconds,
      epoch,
      followers,
      admission: options.admission,
      statistics: this.#statistics,
      onServersChanged: () => this.#clients.invalidateChunkCaches(),
    })
  }

  async #open(): Promise<void> {
    const { sessions, nodes } = this.ledger.state
    this.#lastLines.reservations.end(inode => (nodes.isFile(inode) ? nodes.length.get(inode) : undefined))
    this.#lastLines.answers.keepOnly(id => sessions.get(id) !== undefined)
    const isNew = this.ledger.state.metaId === 0n
    if (isNew) this.#assignMetaId()
    this.chunks.takeOver(isNew)
    this.#disconnectSessions()
    this.#clients.resumeJobs()
    await this.#chunkservers.listen(this.#options.chunkserversHost, this.#options.chunkserversPort)
    await this.#clients.listen(this.#options.clientsHost, this.#options.clientsPort)
    await this.#charts.start(() => this.#statistics.take(this.chunks.space()))
    const archiving = new Archiving(this.ledger)
    const rounds = new Rounds(this.ledger, this.#options.inodeReuseDelaySeconds, this.#options.client.quotaGraceSeconds)
    this.#timers.push(
      this.#env.clock.every(1000, () => {
        rounds.tick()
        this.#use.tick()
        archiving.tick()
        this.#fileCheck.tick()
        this.chunks.tick()
      }),
    )
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

  /** Cuts the changelog and makes a checkpoint of this moment beside the running master. */
  saveCheckpoint(): Promise<void> {
    return this.#checkpointer.save()
  }

  /** A chunkserver that told this master what it has before this one led. */
  adoptServer(connection: Connection, registration: EarlyRegistration): void {
    this.#chunkservers.adopt(connection, registration)
  }

  setTopology(topology: Topology): void {
    this.chunks.setTopology(topology)
  }

  /** Takes on who may do what, what is kept how long, and when checkpoints are made; the rest stays as it was. */
  reconfigure(options: MasterOptions): void {
    this.#options = { ...this.#options, keepPrevious: options.keepPrevious }
    this.#clients.reload(options.exports)
    this.#chunkservers.setAdmission(options.admission)
    this.#checkpointer.reconfigure(options)
    this.#metaloggers.keepChanges(options.preserveSeconds)
  }

  get connectedChunkservers(): number {
    return this.#chunkservers.connected
  }

  /** Takes no more requests: whoever asks again is answered after resume(), or by another master. */
  pause(): void {
    this.#clients.setPaused(true)
  }

  resume(): void {
    this.#clients.setPaused(false)
  }

  /** Ends what lead() began. Log and state are somebody else's from here on: nothing changes them any more. */
  async leave(): Promise<void> {
    this.ledger.end()
    await this.#closeDoors()
    void this.#charts.stop()
  }

  async #closeDoors(): Promise<void> {
    for (const timer of this.#timers) timer.cancel()
    await this.#clients.close()
    await this.#chunkservers.close()
  }

  /** Clean stop: ports close, the log is finished, and metadata.mfs holds everything. */
  async stop(): Promise<void> {
    await this.#closeDoors()
    await this.#charts.stop()
    await this.#metaloggers.close()
    await this.#checkpointer.stop()
    await this.#journal.close()
    try {
      await this.#storeCheckpoint(CHECKPOINT)
    } catch (error) {
      await this.#storeElsewhere(error as Error)
    }
  }

  /** The data folder does not take the checkpoint: its changelogs hold everything, but another copy does no harm. */
  async #storeElsewhere(cause: Error): Promise<void> {
    const { dataFolder, emergencyPaths = [] } = this.#options
    const paths = [`${dataFolder}/${EMERGENCY}`, ...emergencyPaths]
    const stored = await storeEmergency(this.#env.disk, paths, this.ledger.state)
    const where = stored ? `all metadata is stored in ${stored}` : 'no other place took it either'
    throw new Error(`no checkpoint in ${dataFolder}: ${cause.message}; ${where}. The changelogs hold everything.`, {
      cause,
    })
  }

  /** Only while nothing changes the state. */
  async #storeCheckpoint(name: typeof CHECKPOINT | typeof CHECKPOINT_BACK): Promise<void> {
    const { dataFolder, keepPrevious } = this.#options
    await writeCheckpointFile(this.#env.disk, `${dataFolder}/${CHECKPOINT_TEMPORARY}`, this.ledger.state)
    await publishCheckpoint(this.#env.disk, dataFolder, name, keepPrevious)
  }
}
