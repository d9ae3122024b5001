// A master as one of several: its state follows the leader's, its ports send everybody there, and when it is elected it
// serves at once from what it has.
import type { DiskFile } from '../../env/disk.ts'
import type { Env, Timer } from '../../env/env.ts'
import { EtcdArbiter } from '../../ha/etcd-arbiter.ts'
import { Gateway } from '../../ha/gateway.ts'
import type { LeaseGuard } from '../../ha/guard.ts'
import type { Leadership } from '../../ha/leadership.ts'
import { type LeadingProgram, Member, type Role } from '../../ha/member.ts'
import type { LeaderRecord } from '../../ha/records.ts'
import type { Replica } from '../../ha/replica.ts'
import { VERSION_TEXT } from '../../protocol/constants.ts'
import { parseIpv4 } from '../../util/ipv4.ts'
import type { Exports } from '../clients/exports.ts'
import { Master } from '../master.ts'
import type { MasterOptions } from '../options.ts'
import { DataFolder } from './data-folder.ts'
import type { ClusterOptions } from './options.ts'
import { redirectChunkserver, redirectClient } from './redirect.ts'
import type { DiskReplica } from './replica.ts'
import { StandbyDoors } from './standby-doors.ts'

const TRACK_MS = 500

export class ClusterMaster implements LeadingProgram {
  readonly #env: Env
  readonly #cluster: ClusterOptions
  readonly #doors: StandbyDoors
  readonly #onFatal: (error: Error) => void
  readonly #guard: LeaseGuard | undefined
  #options: MasterOptions
  #arbiter: EtcdArbiter | undefined
  #member: Member | undefined
  #master: Master | undefined
  #leader: LeaderRecord | undefined
  #timer: Timer | undefined
  #tracked = ''

  /** Resolves once it follows, or stands ready to. @throws RecoveryError, and what opening the ports throws */
  static async start(
    env: Env,
    options: MasterOptions,
    cluster: ClusterOptions,
    guard: LeaseGuard | undefined,
    onFatal: (error: Error) => void,
  ): Promise<ClusterMaster> {
    const master = new ClusterMaster(env, options, cluster, guard, onFatal)
    await master.#start()
    return master
  }

  private constructor(
    env: Env,
    options: MasterOptions,
    cluster: ClusterOptions,
    guard: LeaseGuard | undefined,
    onFatal: (error: Error) => void,
  ) {
    this.#env = env
    this.#guard = guard
    this.#options = options
    this.#cluster = cluster
    this.#onFatal = onFatal
    this.#doors = new StandbyDoors(env)
  }

  async #start(): Promise<void> {
    const { clock } = this.#env
    const { dataFolder, sync } = this.#options
    const store = new DataFolder(this.#env, dataFolder, { sync, checkpoints: this.#options }, error =>
      this.fatal(error),
    )
    const replica = await store.open()
    const { name, cluster, address, lease, etcd, member } = this.#cluster
    const arbiter = new EtcdArbiter(clock, new Gateway(etcd), name, {
      prefix: `/elkfs/${cluster}/`,
      address: { address, port: member.listenPort },
      software: VERSION_TEXT,
      lease,
    })
    this.#arbiter = arbiter
    await this.#openDoors()
    await this.#track('1')
    this.#timer = clock.every(TRACK_MS, () => void this.#track(this.#tracked))
    this.#member = new Member(this.#env, name, replica, store, arbiter, this, member)
    await this.#member.start()
  }

  async #openDoors(): Promise<void> {
    const { clientsHost, clientsPort, chunkserversHost, chunkserversPort } = this.#options
    const { metaloggersHost, metaloggersPort } = this.#options
    const leader = () => parseIpv4(this.#leader?.address ?? '') ?? 0
    await this.#doors.open(clientsHost, clientsPort, redirectClient(this.#env, leader))
    await this.#doors.open(chunkserversHost, chunkserversPort, redirectChunkserver(this.#env, leader))
    // Metaloggers know no redirect: they try again until they meet the leader.
    await this.#doors.open(metaloggersHost, metaloggersPort, connection => connection.destroy())
  }

  // --- what the member asks for

  async lead(replica: Replica, leadership: Leadership): Promise<void> {
    const { state, journal, checkpointer } = replica as DiskReplica
    if (!state || !checkpointer) throw new Error('elected without metadata')
    const lease = this.#arbiter?.lease
    const { etcd, trackFile } = this.#cluster
    if (lease !== undefined) this.#guard?.hold({ lease, etcd, trackFile })
    const env = this.#doors.envOf(() => leadership.certain())
    const commitRule = (version: number, action: () => void) => leadership.whenCommitted(version, action)
    this.#master = await Master.lead(env, this.#options, { state, journal, checkpointer, commitRule })
  }

  pause(): void {
    this.#master?.pause()
  }

  resume(): void {
    this.#master?.resume()
  }

  async leave(): Promise<void> {
    const master = this.#master
    this.#master = undefined
    this.#guard?.hold(undefined)
    await master?.leave()
  }

  roleChanged(role: Role, leader: LeaderRecord | undefined): void {
    this.#leader = leader
    void this.#track(role === 'leading' ? '0' : '1')
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

  // --- for the daemon

  reloadExports(exports: Exports): void {
    this.#options = { ...this.#options, exports }
    this.#master?.reloadExports(exports)
  }

  info(): string {
    const status = this.#member?.status()
    return JSON.stringify(status)
  }

  /** Hands over if it leads, and ends. What is on disk is the log; a checkpoint is made when it is due. */
  async stop(): Promise<void> {
    this.#timer?.cancel()
    await this.#member?.stop()
    await this.#doors.close()
    await this.#track('1')
    this.#guard?.close()
  }
}
