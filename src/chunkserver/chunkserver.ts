// The chunkserver: what there is, and how it starts, changes and ends.
import { Charts } from '../charts/charts.ts'
import type { Env, Timer } from '../env/env.ts'
import { ClientPort } from './clients/client-port.ts'
import { countedNet } from './counted-net.ts'
import { ChunkStore, type StoreOptions } from './disks/chunk-store.ts'
import { FolderError } from './disks/folder.ts'
import { type FolderLine, parseFolderList } from './disks/folder-list.ts'
import { Identity } from './identity.ts'
import { Jobs } from './jobs.ts'
import { Commands } from './master/commands.ts'
import { MasterLink } from './master/master-link.ts'
import { Reports } from './master/reports.ts'
import type { ChunkserverOptions } from './options.ts'
import { Rebalancer } from './rebalancer.ts'
import { Replicator } from './replicator.ts'
import { answerServerQuery } from './server-queries.ts'
import { ChunkserverStatistics, chunkserverCharts } from './statistics.ts'
import { Tester } from './tester.ts'

/** So long a scan may keep us from the master; what it finds later is reported then. */
const SCAN_WAIT_MS = 2000
const JOBS_END_MS = 5000
const CHARTS = 'csstats.mfs'

function storeOptions(options: ChunkserverOptions): StoreOptions {
  const { leaveBytes, sparsify, sync, subfolderChunks, errorsTolerated, errorPeriodSeconds } = options
  const { keepDuplicatesHours, hangSeconds } = options
  const faults = { errorsTolerated, errorPeriodSeconds, hangSeconds }
  return { leaveBytes, sparsify, sync, subfolderChunks, keepDuplicatesHours, ...faults }
}

/** Each folder once, as its last line says. */
function folderLines(text: string): FolderLine[] {
  return [...new Map(parseFolderList(text).map(line => [line.path, line])).values()]
}

export class Chunkserver {
  readonly #env: Env
  #options: ChunkserverOptions
  readonly #jobs: Jobs
  readonly #reports: Reports
  readonly #store: ChunkStore
  readonly #identity: Identity
  readonly #master: MasterLink
  readonly #clients: ClientPort
  readonly #tester: Tester
  readonly #rebalancer: Rebalancer
  readonly #statistics: ChunkserverStatistics
  readonly #charts: Charts
  readonly #onFatal: (error: Error) => void
  #timer: Timer | undefined
  #ticking = false

  private constructor(env: Env, options: ChunkserverOptions, onFatal: (error: Error) => void) {
    this.#env = env
    this.#options = options
    this.#onFatal = onFatal
    this.#jobs = new Jobs(options.jobsMax)
    this.#reports = new Reports(() => this.#master.wake())
    this.#statistics = new ChunkserverStatistics(env)
    this.#charts = new Charts(env, chunkserverCharts, `${options.dataFolder}/${CHARTS}`)
    const { counts } = this.#statistics
    const store = new ChunkStore(env, storeOptions(options), this.#reports, counts)
    this.#store = store
    this.#identity = new Identity(env, options.dataFolder, store)
    const replicator = new Replicator(this.#counting('csrepin', 'csrepout'), store, counts)
    const commands = new Commands(store, replicator, this.#jobs)
    const { reports, jobs, identity } = { reports: this.#reports, jobs: this.#jobs, identity: this.#identity }
    const isRebalancing = () => this.#rebalancer.isRunning
    const toMaster = this.#counting('masterin', 'masterout')
    this.#master = new MasterLink(
      toMaster,
      { store, reports, commands, jobs, identity, isRebalancing },
      options,
      onFatal,
    )
    store.table.observer = chunkId => this.#master.changed(chunkId)
    const facts = {
      store,
      identity,
      charts: this.#charts,
      configValue: (option: string) => this.#options.configValue(option),
      masterAddress: () => this.#master.masterAddress,
    }
    const queries = (type: number, payload: Buffer) => answerServerQuery(facts, type, payload)
    this.#clients = new ClientPort({
      env: this.#counting('csservin', 'csservout'),
      ...{ store, jobs, queries, counts, onFatal },
      onCutShort: (chunkId, ip) => reports.writeCutShort(chunkId, ip),
    })
    this.#tester = new Tester(env, store, options, onFatal)
    this.#rebalancer = new Rebalancer(env, store, options)
  }

  /** The world, with the bytes of all connections that are made or taken through it counted. */
  #counting(received: 'masterin' | 'csrepin' | 'csservin', sent: 'masterout' | 'csrepout' | 'csservout'): Env {
    const { counts } = this.#statistics
    const traffic = {
      received: (bytes: number) => {
        counts[received] += bytes
      },
      sent: (bytes: number) => {
        counts[sent] += bytes
      },
    }
    return { ...this.#env, net: countedNet(this.#env.net, traffic) }
  }

  /**
   * Takes the folders, opens the port and begins to look for the master; a master that is not there is no error.
   *
   * @param onFatal called when it cannot go on: a fault of the program, or a master of another instance
   * @throws FolderError when a folder cannot be used, or there is none; the error of the network when the port is taken
   */
  static async start(
    env: Env,
    options: ChunkserverOptions,
    onFatal: (error: Error) => void = error => {
      throw error
    },
  ): Promise<Chunkserver> {
    const server = new Chunkserver(env, options, onFatal)
    try {
      await server.#start()
    } catch (error) {
      await server.#store.stop()
      throw error
    }
    return server
  }

  async #start(): Promise<void> {
    const { listenHost, listenPort, folders, allowInvalidFolders } = this.#options
    await this.#identity.read()
    const scans: Promise<void>[] = []
    for (const line of folderLines(folders)) {
      try {
        scans.push((await this.#addFolder(line)).scanned)
      } catch (error) {
        if (!(error instanceof FolderError) || !allowInvalidFolders) throw error
        this.#env.log.error(`${error.message}: folder skipped`)
      }
    }
    if (this.#store.liveFolders.length === 0) throw new FolderError('no folder for chunks')
    await this.#clients.listen(listenHost, listenPort)
    this.#env.log.notice(`listen on ${listenHost}:${listenPort}`)
    await this.#charts.start(() => this.#statistics.take(this.#jobs.takePeak('charts')))
    this.#timer = this.#env.clock.every(1000, () => this.#tick())
    this.#rebalancer.run().catch(this.#onFatal)
    const scanned = Promise.allSettled(scans)
    void Promise.race([scanned, this.#env.clock.sleep(SCAN_WAIT_MS)]).then(() => this.#master.start())
  }

  /** @returns its scan, which goes on */
  async #addFolder(line: FolderLine): Promise<{ scanned: Promise<void> }> {
    this.#env.log.notice(`path to scan: ${line.path}`)
    const { metaId, scanned } = await this.#store.addFolder(line, this.#identity.metaId)
    this.#identity.metaId ??= metaId
    scanned.catch(this.#onFatal)
    return { scanned }
  }

  #tick(): void {
    this.#master.tick()
    this.#store.watch()
    this.#tester.tick()
    if (this.#ticking) return
    this.#ticking = true
    this.#store
      .tick()
      .catch(this.#onFatal)
      .finally(() => {
        this.#ticking = false
      })
  }

  /** Where clients reach it. */
  get port(): number {
    return this.#clients.port
  }

  get registered(): boolean {
    return this.#master.registered
  }

  /** Tests every chunk, from now on, whenever it was tested before. */
  scrub(): void {
    this.#tester.scrub()
  }

  /** For people: its disks and their tests, a line each. */
  describe(): string[] {
    return this.#tester.describe()
  }

  /** Goes by new options from now on. Folders that cannot be used are logged and left out. */
  async reload(options: ChunkserverOptions): Promise<void> {
    const before = this.#options
    this.#options = options
    this.#store.options = storeOptions(options)
    this.#jobs.max = options.jobsMax
    this.#tester.options = options
    this.#rebalancer.options = options
    if (before.listenHost !== options.listenHost || before.listenPort !== options.listenPort) {
      await this.#clients.move(options.listenHost, options.listenPort)
    }
    await this.#reloadFolders(folderLines(options.folders))
    this.#master.reload(options)
  }

  async #reloadFolders(lines: FolderLine[]): Promise<void> {
    for (const folder of this.#store.liveFolders) {
      const line = lines.find(({ path }) => path === folder.line.path)
      if (line) this.#store.changeFolder(folder, line)?.catch(this.#onFatal)
      else await this.#store.removeFolder(folder)
    }
    for (const line of lines) {
      if (this.#store.liveFolders.some(folder => folder.line.path === line.path)) continue
      try {
        await this.#addFolder(line)
      } catch (error) {
        if (!(error instanceof FolderError)) throw error
        this.#env.log.error(`${error.message}: folder skipped`)
      }
    }
  }

  /** Leaves the master, lets what is going on end, and gives the folders back. */
  async stop(): Promise<void> {
    this.#timer?.cancel()
    this.#tester.stop()
    this.#rebalancer.stop()
    this.#master.stop()
    const untilMs = this.#env.clock.monotonicMs() + JOBS_END_MS
    while (this.#jobs.running > 0 && this.#env.clock.monotonicMs() < untilMs) await this.#env.clock.sleep(20)
    await this.#clients.close()
    await this.#store.stop()
    await this.#charts.stop()
  }
}
