// A whole cluster on simulated machines: a master, chunkservers and clients of ours, each on its own host. Programs are
// started again a while after they died, as an init system would do it.
import { Chunkserver } from '../../../src/chunkserver/chunkserver.ts'
import { chunkserverOptions } from '../../../src/chunkserver/options.ts'
import { type ClientOptions, ClusterSession } from '../../../src/client/cluster-session.ts'
import { giveUpMs } from '../../../src/client/retry.ts'
import { chunkserverConfigFile } from '../../../src/config/mfschunkserver.ts'
import { masterConfigFile } from '../../../src/config/mfsmaster.ts'
import { defaultConfig } from '../../../src/config/parse.ts'
import type { Env } from '../../../src/env/env.ts'
import type { SyncMode } from '../../../src/journal/journal.ts'
import { RecoveryError } from '../../../src/journal/recovery.ts'
import { parseExports } from '../../../src/master/clients/exports.ts'
import { Master } from '../../../src/master/master.ts'
import { type MasterOptions, masterOptions } from '../../../src/master/options.ts'
import { SimHost } from '../host.ts'
import { SimNetwork } from '../net.ts'
import { Scheduler } from '../scheduler.ts'
import { forgetYoung } from './chunk-copies.ts'

export const DATA = '/var/lib/mfs'
export const MASTER = '10.1.0.1'
const CLIENTS_PORT = 9421
const IO_RETRIES = 30
const RESTART_MS = 500

const nobody = { uid: () => undefined, gid: () => undefined }
export const everybody = parseExports('* / rw,alldirs,admin,maproot=0:0\n* . rw', 'mfsexports.cfg', nobody)

export const masterDefaults: MasterOptions = masterOptions(
  {
    ...defaultConfig(masterConfigFile),
    DATA_PATH: DATA,
    REPLICATIONS_DELAY_INIT: 5,
    SESSION_SUSTAIN_TIME: 30,
    INODE_REUSE_DELAY: 60,
  },
  everybody,
)

const clientOptions: Omit<ClientOptions, 'hosts'> = {
  port: CLIENTS_PORT,
  bindHost: undefined,
  info: '/mnt/mfs',
  folder: '/',
  meta: false,
  passwordDigest: undefined,
  rememberPassword: false,
  patient: true,
  giveUpMs: giveUpMs(IO_RETRIES, 0),
  retry: { ioRetries: IO_RETRIES, failOnLostChunk: false, failOnNoSpace: false },
  writeCacheBytes: 8 << 20,
  readAheadBytes: 8 << 20,
}

/** Something happened that must never happen. */
export class Violation extends Error {
  override readonly name = 'Violation'
}

export interface ClusterOptions {
  servers: number
  /** Chunkservers acknowledge what their disks have: then they may lose their power. */
  syncChunks: boolean
  sync: SyncMode
  /** What else the master's configuration says. */
  master?: Partial<MasterOptions>
}

/** A chunkserver and its machine. */
export interface ServerNode {
  readonly host: SimHost
  server: Chunkserver | undefined
  readonly folder: string
}

export class SimCluster {
  readonly scheduler: Scheduler
  readonly network: SimNetwork
  /** More than one only of several masters (pair-cluster.ts). */
  readonly masterHosts: readonly SimHost[]
  readonly servers: ServerNode[]
  readonly clientHosts: SimHost[] = []
  readonly violations: Violation[] = []
  readonly options: ClusterOptions
  /** All chunkservers at once have lost what they had not synced. */
  hasLostUnsynced = false
  /** When something was broken or mended last. */
  disturbedMs = 0
  #master: Master | undefined
  /** How often each kind of thing happened. */
  readonly counts = new Map<string, number>()

  constructor(seed: number, options: ClusterOptions, masters: readonly string[] = [MASTER]) {
    this.options = options
    this.scheduler = new Scheduler(seed)
    this.network = new SimNetwork(this.scheduler)
    this.masterHosts = masters.map(address => this.#host(address))
    for (const host of this.masterHosts) {
      host.onMessage = text => {
        if (text.startsWith('ALARM')) this.violated(text)
        if (text.endsWith('told in advance')) this.count('told in advance')
      }
      host.disk.plant(`${DATA}/.there`, Buffer.alloc(0))
    }
    this.masterHosts[0]?.disk.plant(`${DATA}/metadata.mfs`, Buffer.from('MFSM NEW'))
    this.servers = Array.from({ length: options.servers }, (_, i) => {
      const node = { host: this.#host(`10.1.1.${i + 1}`), server: undefined, folder: '/d1' }
      node.host.disk.keepsNewNames = (seed + i) % 2 === 1
      for (const folder of ['/data', node.folder]) node.host.disk.plant(`${folder}/.there`, Buffer.alloc(0))
      return node
    })
  }

  #host(address: string): SimHost {
    return new SimHost(this.scheduler, this.network, address)
  }

  get master(): Master | undefined {
    return this.#master
  }

  /** Of the master that serves, or did last. */
  get masterHost(): SimHost {
    return this.masterHosts[0] as SimHost
  }

  get hosts(): SimHost[] {
    return [...this.masterHosts, ...this.servers.map(({ host }) => host), ...this.clientHosts]
  }

  sleep(ms: number): Promise<void> {
    return new Promise(resolve => this.scheduler.at(ms, resolve))
  }

  count(what: string, by = 1): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + by)
  }

  disturbed(): void {
    this.disturbedMs = this.scheduler.nowMs
  }

  violated(message: string): void {
    this.violations.push(new Violation(`at ${this.scheduler.nowMs.toFixed(1)} ms: ${message}`))
  }

  /** Takes an error that nobody else takes. Whatever it is, it must not have happened. */
  readonly failed = (error: unknown): void => {
    if (error instanceof Violation) this.violations.push(error)
    else this.violated(error instanceof Error ? (error.stack ?? error.message) : String(error))
  }

  // --- the master

  /** Starts the master, as often as it takes. */
  startMaster(): void {
    const env = this.masterHost.env('master')
    const ended = (error: Error) => {
      env.log.error(`ends: ${error.message}`)
      this.count('master ended by itself')
      this.killMaster(false, this.scheduler.between(RESTART_MS, 4 * RESTART_MS))
    }
    const start = Master.start(env, { ...masterDefaults, ...this.options.master, sync: this.options.sync }, ended)
    start.then(
      master => {
        this.#master = master
        this.disturbed()
      },
      error => {
        // Only a disk that fails may keep it from starting.
        if (error instanceof RecoveryError || error.code === undefined) this.failed(error)
        ended(error)
      },
    )
  }

  /** @param downMs when it is started again */
  killMaster(power: boolean, downMs: number): void {
    this.#master = undefined
    this.killHost(this.masterHost, power)
    this.scheduler.at(downMs, () => {
      if (!this.master) this.startMaster()
    })
  }

  // --- chunkservers

  startServer(node: ServerNode): void {
    const { host, folder } = node
    const env = host.env('chunkserver')
    const ended = (error: Error) => {
      if (!('code' in error)) this.failed(error)
      this.killServer(node, false, 4 * RESTART_MS)
    }
    void Chunkserver.start(env, this.#serverOptions(host, folder), ended).then(server => {
      node.server = server
      this.disturbed()
    }, ended)
  }

  #serverOptions(host: SimHost, folder: string) {
    return {
      ...chunkserverOptions(defaultConfig(chunkserverConfigFile), `${folder}\n`),
      dataFolder: '/data',
      listenHost: host.address,
      masterHost: this.masterHosts.map(({ address }) => address).join(','),
      reconnectionDelaySeconds: 1,
      leaveBytes: 0,
      sync: this.options.syncChunks,
      testSpeed: 50,
      testIntervalSeconds: 30,
    }
  }

  killServer(node: ServerNode, power: boolean, downMs: number): void {
    node.server = undefined
    if (power) forgetYoung(node)
    this.killHost(node.host, power)
    this.scheduler.at(downMs, () => {
      if (!node.server) this.startServer(node)
    })
  }

  protected killHost(host: SimHost, power: boolean): void {
    this.disturbed()
    if (power) host.powerCut()
    else host.kill()
  }

  // --- clients

  addClientHost(): SimHost {
    const host = this.#host(`10.1.2.${this.clientHosts.length + 1}`)
    this.clientHosts.push(host)
    return host
  }

  connect(env: Env): Promise<ClusterSession> {
    const deaf = { dataChanged: () => {}, lengthChanged: () => {}, connectionRenewed: () => {} }
    const hosts = this.masterHosts.map(({ address }) => address)
    return ClusterSession.connect(env, { ...clientOptions, hosts }, deaf)
  }

  // --- all

  start(): void {
    this.startMaster()
    for (const node of this.servers) this.startServer(node)
  }

  get isUp(): boolean {
    return this.master !== undefined && this.servers.every(({ server }) => server?.registered)
  }

  /** Runs virtual time until the promise is there, or something is violated. */
  async run<T>(promise: Promise<T>, limitMs: number, what: string): Promise<T> {
    let over = false
    const settled = promise.finally(() => {
      over = true
    })
    settled.catch(() => undefined)
    await this.until(() => over, limitMs, what)
    return settled
  }

  async until(done: () => boolean, limitMs: number, what: string): Promise<void> {
    await this.scheduler.until(() => this.violations.length > 0 || done(), limitMs, what)
    const [first] = this.violations
    if (first) throw first
  }
}
