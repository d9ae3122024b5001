// A master as one of several: its state follows the leader's, its ports send everybody there, and when it is elected it
// serves at once from what it has.
import type { DiskFile } from '../../env/disk.ts'
import type { Env, Timer } from '../../env/env.ts'
import { EtcdArbiter } from '../../ha/etcd-arbiter.ts'
import { Gateway } from '../../ha/gateway.ts'
import type { Leadership } from '../../ha/leadership.ts'
import { type LeadingProgram, Member, type Role } from '../../ha/member.ts'
import { PairArbiter } from '../../ha/pair-arbiter.ts'
import type { LeaderRecord } from '../../ha/records.ts'
import type { Replica } from '../../ha/replica.ts'
import {
  CHECKPOINT,
  CHECKPOINT_TEMPORARY,
  publishCheckpoint,
  writeCheckpointFile,
} from '../../journal/checkpoint-files.ts'
import * as cltoma from '../../protocol/cltoma.ts'
import { VERSION_TEXT } from '../../protocol/constants.ts'
import { parseIpv4 } from '../../util/ipv4.ts'
import { Master } from '../master.ts'
import type { MasterOptions } from '../options.ts'
import { leading, standingBy } from '../place.ts'
import { ProcessUse } from '../process-use.ts'
import { DataFolder, pairRecord } from './data-folder.ts'
import { EarlyServers } from './early-servers.ts'
import type { Guard, Guarded, GuardedPorts } from './guard.ts'
import type { ClusterOptions } from './options.ts'
import { type Reception, redirectChunkserver, redirectClient, redirectMetalogger } from './redirect.ts'
import type { DiskReplica } from './replica.ts'
import { StandbyDoors } from './standby-doors.ts'
import { standbyInfo } from './standby-info.ts'

const TRACK_MS = 500
/** How often it is looked who could lead next, and whether the virtual address has come. */
const WATCH_MS = 100
/** Keepalived must see that a master which was started again was gone, or it would not tell it to lead. */
const OFFER_AFTER_MS = 1000
/** When clients have been let go they come again at once, to the same address, and are sent on from here. */
const ADDRESS_STAYS_MS = 200
/** So long after the virtual address has come the whole network knows it. */
const ADDRESS_SETTLES_MS = 300

/** Starts the process that acts when this one is gone; the ports are those that it may keep open. */
export type StartGuard = (ports: GuardedPorts | undefined) => Guard

export class ClusterMaster implements LeadingProgram {
  readonly #env: Env
  readonly #cluster: ClusterOptions
  readonly #doors: StandbyDoors
  readonly #earlyServers: EarlyServers
  readonly #onFatal: (error: Error) => void
  readonly #startGuard: StartGuard
  #guard: Guard | undefined
  #guarded = ''
  #options: MasterOptions
  #arbiter: EtcdArbiter | PairArbiter | undefined
  #member: Member | undefined
  #store: DataFolder | undefined
  #master: Master | undefined
  #leadership: Leadership | undefined
  /** The one whose clients have been asked to come by the virtual address. */
  #home: Leadership | undefined
  #leader: LeaderRecord | undefined
  #timers: readonly Timer[] = []
  #tracked = ''
  readonly #startedMs: number
  readonly #use: ProcessUse
  #role: Role = 'following'
  #roleSinceSeconds: number
  /** When nothing was missing that the leader had; 0: not yet. */
  #currentAtSeconds = 0

  /** Resolves once it follows, or stands ready to. @throws RecoveryError, and what opening the ports throws */
  static async start(
    env: Env,
    options: MasterOptions,
    cluster: ClusterOptions,
    startGuard: StartGuard,
    onFatal: (error: Error) => void,
  ): Promise<ClusterMaster> {
    const master = new ClusterMaster(env, options, cluster, startGuard, onFatal)
    await master.#start()
    return master
  }

  /** While it leads. */
  get serving(): Master | undefined {
    return this.#master
  }

  private constructor(
    env: Env,
    options: MasterOptions,
    cluster: ClusterOptions,
    startGuard: StartGuard,
    onFatal: (error: Error) => void,
  ) {
    this.#env = env
    this.#startGuard = startGuard
    this.#options = options
    this.#cluster = cluster
    this.#startedMs = env.clock.monotonicMs()
    this.#use = new ProcessUse(env)
    this.#roleSinceSeconds = this.#nowSeconds()
    this.#onFatal = onFatal
    this.#doors = new StandbyDoors(env, () => parseIpv4(this.#leader?.address ?? '') ?? 0)
    this.#earlyServers = new EarlyServers(env, () => ({
      timeoutSeconds: this.#options.chunkserverTimeoutSeconds,
      authCode: this.#options.admission.authCode,
      metaId: this.#member?.replica.metaId ?? 0n,
    }))
  }

  async #start(): Promise<void> {
    const { clock } = this.#env
    const { dataFolder, sync, metaloggersHost: host, metaloggersPort: port, preserveSeconds } = this.#options
    await this.#doors.open(host, port, redirectMetalogger)
    // What is committed is so for ever: to hand it on needs no certainty.
    const metaloggers = { env: this.#doors.envOf(() => true), host, port, preserveSeconds }
    const options = { sync, checkpoints: this.#options, metaloggers }
    const store = new DataFolder(this.#env, dataFolder, options, error => this.fatal(error))
    this.#store = store
    const replica = await store.open()
    const { name, member } = this.#cluster
    const arbiter = await this.#openArbiter()
    this.#arbiter = arbiter
    await this.#openDoors()
    await this.#track('1')
    this.#timers = [
      clock.every(TRACK_MS, () => void this.#track(this.#tracked)),
      clock.every(WATCH_MS, () => {
        this.#informGuard()
        this.#offerAddress()
        void this.#callHome()
        this.#use.tick()
        if (this.#member?.status().behind === 0) this.#currentAtSeconds = this.#nowSeconds()
      }),
    ]
    this.#member = new Member(this.#env, name, replica, store, arbiter, this, member)
    await this.#member.start()
  }

  async #openArbiter(): Promise<EtcdArbiter | PairArbiter> {
    const { name, cluster, address, arbiter, member } = this.#cluster
    const { clock, disk } = this.#env
    if (arbiter.kind === 'pair') {
      return PairArbiter.open(this.#env, arbiter.pair, pairRecord(disk, this.#options.dataFolder))
    }
    return new EtcdArbiter(clock, new Gateway(arbiter.etcd), name, {
      prefix: `/elkfs/${cluster}/`,
      address: { address, port: member.listenPort },
      software: VERSION_TEXT,
      lease: arbiter.lease,
    })
  }

  async #openDoors(): Promise<void> {
    const { clientsHost, clientsPort, chunkserversHost, chunkserversPort } = this.#options
    await this.#doors.open(clientsHost, clientsPort, this.#receiveClient)
    await this.#doors.open(chunkserversHost, chunkserversPort, redirectChunkserver, this.#earlyServers.accept)
    const clients = this.#doors.descriptorOf(clientsHost, clientsPort)
    const chunkservers = this.#doors.descriptorOf(chunkserversHost, chunkserversPort)
    const isComplete = clients !== undefined && chunkservers !== undefined
    this.#guard = this.#startGuard(isComplete ? { clients, chunkservers } : undefined)
  }

  // --- what the member asks for

  async lead(replica: Replica, leadership: Leadership): Promise<void> {
    const own = replica as DiskReplica
    const { state, journal, checkpointer, metaloggers } = own
    if (!state || !checkpointer || !metaloggers) throw new Error('elected without metadata')
    this.#leadership = leadership
    this.#informGuard()
    const certain = () => leadership.certain()
    const env = this.#doors.envOf(certain)
    const commitRule = (version: number, action: () => void) => leadership.whenCommitted(version, action)
    const { epoch } = leadership
    const lastLines = own.takeLastLines()
    const followers = () => leadership.addresses
    const place = leading(parseIpv4(this.#cluster.address) ?? 0, this.#nowSeconds())
    const log = { state, journal, checkpointer, commitRule, epoch, followers, place, metaloggers, lastLines }
    const master = await Master.lead(env, this.#options, log)
    this.#master = master
    this.#adoptServers(master, certain)
  }

  /** Chunkservers that have told what they have go on with the serving master. */
  #adoptServers(master: Master, certain: () => boolean): void {
    const { chunkserversHost, chunkserversPort } = this.#options
    for (const { connection, registration } of this.#earlyServers.take()) {
      const guarded = this.#doors.guardEarly(chunkserversHost, chunkserversPort, connection, certain)
      master.adoptServer(guarded, registration)
    }
  }

  pause(): void {
    this.#master?.pause()
  }

  resume(): void {
    this.#master?.resume()
  }

  endLog(): void {
    this.#master?.ledger.end()
  }

  async leave(): Promise<void> {
    const master = this.#master
    this.#master = undefined
    this.#leadership = undefined
    this.#informGuard()
    await master?.leave()
    await this.#env.clock.sleep(ADDRESS_STAYS_MS)
    await this.#track('1')
  }

  roleChanged(role: Role, leader: LeaderRecord | undefined): void {
    if (role !== this.#role) this.#roleSinceSeconds = this.#nowSeconds()
    this.#role = role
    this.#leader = leader
    if (leader) this.#doors.leaderIsKnown()
    if (role === 'leading') void this.#track('0')
  }

  /** Where keepalived decides who leads, it may give the address to whoever could. */
  #offerAddress(): void {
    if (this.#arbiter?.isAutomatic !== false) return
    if (this.#env.clock.monotonicMs() - this.#startedMs < OFFER_AFTER_MS) return
    const value = this.#member?.isFit ? '0' : '1'
    if (value !== this.#tracked) void this.#track(value)
  }

  /**
   * Those who were sent here by another master know this machine's own address only, and with it they would not notice
   * that the machine is gone. When the virtual address has come here they are asked to come again by that.
   */
  async #callHome(): Promise<void> {
    const { virtualAddress } = this.#cluster
    const leadership = this.#leadership
    if (virtualAddress === undefined || !leadership || this.#home === leadership) return
    if (!(await this.#isHere(virtualAddress)) || this.#leadership !== leadership) return
    this.#home = leadership
    await this.#env.clock.sleep(ADDRESS_SETTLES_MS)
    if (this.#leadership === leadership) this.#doors.callHome(virtualAddress)
  }

  /** Only an address of this machine can be listened at. */
  async #isHere(address: string): Promise<boolean> {
    try {
      const listener = await this.#env.net.listen(address, 0, connection => connection.destroy())
      await listener.close()
      return true
    } catch {
      return false
    }
  }

  /** What is to be done if this process ends right now. */
  #informGuard(): void {
    const text = JSON.stringify(this.#leadership && this.#legacy(this.#leadership))
    if (text === this.#guarded) return
    this.#guarded = text
    this.#guard?.hold(this.#leadership && this.#legacy(this.#leadership))
  }

  #legacy(leadership: Leadership): Guarded {
    const { arbiter, trackFile } = this.#cluster
    const { successor } = leadership
    const id = this.#arbiter instanceof EtcdArbiter ? this.#arbiter.lease : undefined
    const lease = id === undefined || arbiter.kind !== 'etcd' ? {} : { lease: { id, etcd: arbiter.etcd } }
    return { trackFile, successor, ...lease }
  }

  /** Somebody else may lead at once; then this process ends. */
  fatal(error: Error): void {
    const member = this.#member
    this.#member = undefined
    void (member?.abandon() ?? Promise.resolve()).catch(() => {}).finally(() => this.#onFatal(error))
  }

  // --- for keepalived

  /**
   * Written in place, because keepalived watches the file, and never shortened, so that nobody finds it empty. A disk that
   * cannot take it shows by the file's age.
   */
  async #track(value: string): Promise<void> {
    this.#tracked = value
    try {
      const file = await this.#openTrackFile()
      await file.write(Buffer.from(`${this.#tracked}\n`), 0)
      await file.close()
    } catch (error) {
      this.#env.log.warning(`${this.#cluster.trackFile} cannot be written: ${(error as Error).message}`)
    }
  }

  async #openTrackFile(): Promise<DiskFile> {
    const { disk } = this.#env
    try {
      return await disk.open(this.#cluster.trackFile, 'r+')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      return disk.open(this.#cluster.trackFile, 'w+')
    }
  }

  // --- for monitors

  readonly #receiveClient: Reception = (type, payload, leader, challenge) => {
    if (type !== cltoma.info.code || this.#leadership) return redirectClient(type, payload, leader, challenge)
    cltoma.info.decode(payload)
    return { kind: 'say', packet: this.#standbyInfo() }
  }

  #standbyInfo(): Buffer {
    const status = this.#member?.status()
    const place = standingBy({
      isStanding: this.#role === 'standing',
      isFollowing: status?.behind !== undefined,
      isInSync: status?.isInSync ?? false,
      leaderIp: parseIpv4(this.#leader?.address ?? '') ?? 0,
      sinceSeconds: this.#roleSinceSeconds,
      currentAtSeconds: this.#currentAtSeconds,
    })
    return standbyInfo({
      ...{ place, use: this.#use.now(), metaVersion: status?.version ?? 0 },
      ...{ exportsChecksum: this.#options.exports.checksum, nowMs: this.#env.clock.nowMs() },
    })
  }

  #nowSeconds(): number {
    return Math.floor(this.#env.clock.nowMs() / 1000)
  }

  // --- for the daemon

  /** As Master.reconfigure(), whether it leads or follows. */
  reconfigure(options: MasterOptions): void {
    this.#options = options
    this.#store?.reconfigure(options, options.preserveSeconds)
    this.#master?.reconfigure(options)
  }

  info(): string {
    const status = this.#member?.status()
    return JSON.stringify(status)
  }

  /** Hands over if it leads, and ends; all metadata then is in metadata.mfs, as after every stop. */
  async stop(): Promise<void> {
    for (const timer of this.#timers) timer.cancel()
    const member = this.#member
    await member?.stop()
    this.#earlyServers.close()
    await this.#doors.close()
    await this.#track('1')
    this.#guard?.close()
    if (member) await this.#storeMetadata(member.replica as DiskReplica)
  }

  async #storeMetadata({ state, durable, version }: DiskReplica): Promise<void> {
    if (!state || state.metaId === 0n || durable < version) return
    const { dataFolder, keepPrevious } = this.#options
    const { disk } = this.#env
    await writeCheckpointFile(disk, `${dataFolder}/${CHECKPOINT_TEMPORARY}`, state)
    await publishCheckpoint(disk, dataFolder, CHECKPOINT, keepPrevious)
  }
}
