// One run of a whole cluster from one seed: applications work, things go wrong, everything is mended, and then all that
// was acknowledged must be there, the copies back at their goal, and nothing left over.
import type { ClusterSession } from '../../../src/client/cluster-session.ts'
import type { State } from '../../../src/metadata/state.ts'
import { MFSCHUNKSIZE } from '../../../src/protocol/constants.ts'
import type { SimHost } from '../host.ts'
import { seeded } from '../scheduler.ts'
import { chunksGivenUp, copyContents, copyFiles, copyProblems, isSound } from './chunk-copies.ts'
import { SimCluster, Violation } from './cluster.ts'
import { Faults, type Profile, profiles } from './faults.ts'
import { PairCluster } from './pair-cluster.ts'
import { checkReplay } from './replay-check.ts'
import { SharedFiles } from './shared-files.ts'
import { filesBelow, firstDifference } from './tree-model.ts'
import { type Client, type Life, Worker } from './worker.ts'

const [SERVERS, CLIENTS, WORKERS, GOAL] = [3, 3, 2, 2]
const WORK_LIMIT_MS = 1_800_000
const MENDED_LIMIT_MS = 900_000
/** A client gives up after 135 s without service; nothing more goes wrong for one that has waited for so long. */
const PATIENCE_MS = 60_000

export interface SimulationOptions {
  seed: number
  /** Chosen by the seed when missing. */
  profile?: Profile | undefined
  /** For each application. */
  operations: number
  /** Two masters. */
  pair?: boolean
}

export interface Report {
  seed: number
  profile: Profile
  acknowledged: number
  faults: number
  simulatedMs: number
  longestMs: number
  counts: ReadonlyMap<string, number>
}

/** A run went wrong: what, and what led to it. */
export class SimulationFailure extends Error {
  override readonly name = 'SimulationFailure'
  readonly profile: Profile
  /** The last that applications did and programs logged, in order of time. */
  readonly history: string[]

  constructor(cause: unknown, profile: Profile, history: string[]) {
    super(cause instanceof Error ? cause.message : String(cause), { cause })
    this.profile = profile
    this.history = history
  }
}

/** A client program with its applications. Started again, it finds out what became of its work. */
class ClientProgram implements Client {
  readonly name: string
  readonly host: SimHost
  readonly workers: Worker[]
  life: Life | undefined
  isAtWork = false
  readonly #simulation: Simulation
  #hasBegun = false
  #end: (() => void) | undefined

  constructor(simulation: Simulation, name: string) {
    this.#simulation = simulation
    this.name = name
    const { cluster, clients, shared } = simulation
    this.host = cluster.addClientHost()
    this.workers = Array.from({ length: WORKERS }, (_, i) => new Worker(cluster, this, clients, shared, `${name}${i}`))
  }

  async start(): Promise<void> {
    const { cluster, operations } = this.#simulation
    const env = this.host.env(this.name)
    const ended = new Promise<void>(resolve => {
      this.#end = resolve
    })
    const session = await cluster.connect(env)
    this.life = { session, sleep: ms => env.clock.sleep(ms), isOver: false, ended }
    for (const worker of this.workers) await (this.#hasBegun ? worker.resume() : worker.begin())
    this.#hasBegun = true
    this.isAtWork = true
    for (const worker of this.workers) void worker.work(operations).catch(cluster.failed)
  }

  kill(downMs: number): boolean {
    if (!this.life || !this.#hasBegun) return false
    const { cluster, shared } = this.#simulation
    this.host.kill()
    this.isAtWork = false
    this.life.isOver = true
    this.life = undefined
    this.#end?.()
    for (const worker of this.workers) worker.clientDied()
    shared.clientDied(this.name)
    cluster.scheduler.at(downMs, () => void this.start().catch(cluster.failed))
    return true
  }

  powerLost(): void {
    for (const worker of this.workers) worker.powerLost()
    this.#simulation.shared.powerLost()
  }

  get isDone(): boolean {
    return this.workers.every(({ isDone }) => isDone)
  }
}

class Simulation {
  readonly cluster: SimCluster
  readonly clients: ClientProgram[] = []
  readonly shared: SharedFiles
  readonly operations: number
  readonly profile: Profile
  readonly #seed: number

  constructor({ seed, profile, operations, pair = false }: SimulationOptions) {
    this.#seed = seed
    this.operations = operations
    const draw = seeded(seed ^ 0x5eed)
    this.profile = profile ?? (profiles[Math.floor(draw() * profiles.length)] as Profile)
    this.cluster = new (pair ? PairCluster : SimCluster)(seed, {
      servers: SERVERS,
      syncChunks: draw() < 0.5,
      sync: { kind: 'commit', tailBytes: 4096 },
    })
    this.shared = new SharedFiles(this.cluster)
    for (let i = 0; i < CLIENTS; i++) this.clients.push(new ClientProgram(this, String.fromCharCode(97 + i)))
  }

  get workers(): Worker[] {
    return this.clients.flatMap(({ workers }) => workers)
  }

  get state(): State {
    const { master } = this.cluster
    if (!master) throw new Violation('the master is gone')
    return master.ledger.state
  }

  async run(): Promise<Report> {
    const { cluster } = this
    cluster.start()
    await cluster.until(() => cluster.isUp, 60_000, 'the start of the cluster')
    const observer = await cluster.run(cluster.connect(cluster.addClientHost().env('observer')), 60_000, 'a session')
    await cluster.run(this.shared.begin(observer), 60_000, 'shared files')
    const isAnybodyStuck = () => this.workers.some(({ busyMs }) => busyMs > PATIENCE_MS)
    const faults = new Faults(cluster, this.clients, GOAL, this.profile, () => !isAnybodyStuck())
    for (const client of this.clients) void client.start().catch(cluster.failed)
    void faults.run().catch(cluster.failed)
    await cluster.until(() => this.clients.every(({ isDone }) => isDone), WORK_LIMIT_MS, 'the work')
    faults.stop()
    await this.#checkAll(observer)
    return this.#report(faults.happened)
  }

  async #checkAll(observer: ClusterSession): Promise<void> {
    const { cluster } = this
    await cluster.until(() => cluster.isUp, 60_000, 'the repair of the cluster')
    await this.#checkCopies()
    for (const worker of this.workers) await cluster.run(worker.check(observer), 600_000, `the check of ${worker.name}`)
    await cluster.run(this.shared.check(observer), 600_000, 'the check of shared files')
    const sessions = [observer, ...this.clients.flatMap(({ life }) => life?.session ?? [])]
    for (const session of sessions) await cluster.run(session.close(), 60_000, 'the end of a session')
    await this.#checkLeftOvers()
    await checkReplay(cluster)
  }

  /** All chunks come back to their goal, and every copy has what was acknowledged. */
  async #checkCopies(): Promise<void> {
    const { cluster } = this
    let problems: string[] = []
    const areBack = async () => {
      for (const end = cluster.scheduler.nowMs + MENDED_LIMIT_MS; cluster.scheduler.nowMs < end; ) {
        problems = copyProblems(cluster, this.state, GOAL)
        if (problems.length === 0) problems = this.#damagedCopies()
        if (problems.length === 0) return
        await cluster.sleep(1000)
      }
      throw new Violation(`after ${MENDED_LIMIT_MS / 1000} s without faults:\n${problems.join('\n')}`)
    }
    await cluster.run(areBack(), MENDED_LIMIT_MS + 10_000, 'copies at their goal')
    for (const worker of this.workers) this.#checkCopiesOf(worker)
  }

  #damagedCopies(): string[] {
    const { chunks } = this.state
    const givenUp = chunksGivenUp(this.cluster, this.state)
    const isWanted = (row: number) => chunks.references.get(row) > 0 && !givenUp.has(row)
    return copyFiles(this.cluster)
      .filter(copy => isWanted(chunks.find(copy.chunkId)) && !isSound(copy))
      .map(({ node, path }) => `${node.host.address}:${path} is damaged`)
  }

  #checkCopiesOf(worker: Worker): void {
    const { nodes, chunks } = this.state
    const files = copyFiles(this.cluster)
    for (const [file, path] of filesBelow(worker.tree, `/${worker.name}`)) {
      for (const { offset, size } of file.ranges()) {
        const row = nodes.chunkRow(file.inode, Math.floor(offset / MFSCHUNKSIZE))
        const expected = file.expected(offset, size)
        for (const copy of files.filter(({ chunkId }) => row !== 0 && chunkId === chunks.id(row))) {
          const bytes = Buffer.alloc(size)
          copyContents(copy).copy(bytes)
          const wrong = firstDifference(bytes, expected, offset)
          if (wrong) throw new Violation(`${path}: the copy ${copy.node.host.address}:${copy.path} ${wrong}`)
        }
      }
    }
  }

  /** When all sessions are over, nothing is open, locked, sustained or leased. */
  async #checkLeftOvers(): Promise<void> {
    const { state, cluster } = this
    const leftOvers = () => {
      const now = cluster.master?.ledger.now() ?? 0
      const sustained = state.sustainedLists.reduce((sum, list) => sum + state.lists.length.get(list), 0)
      const isLeased = (row: number) => state.chunks.references.get(row) > 0 && state.chunks.isLocked(row, now)
      return {
        sessions: state.sessions.size,
        'open files': [...state.openFiles.entries()].length,
        locks: [...state.flocks.entries()].length + [...state.posixLocks.entries()].length,
        'sustained files': sustained,
        leases: [...state.chunks.rows()].filter(isLeased).length,
      }
    }
    const isClean = () => Object.values(leftOvers()).every(count => count === 0)
    try {
      await cluster.until(isClean, MENDED_LIMIT_MS, 'the end of all sessions')
    } catch (error) {
      throw new Violation(`left over: ${JSON.stringify(leftOvers())}`, { cause: error })
    }
  }

  #report(faults: number): Report {
    const { counts, scheduler } = this.cluster
    const acknowledged = this.workers.reduce((sum, worker) => sum + worker.acknowledged, 0)
    const longestMs = Math.max(...this.workers.map(worker => worker.longestMs))
    if (acknowledged === 0) throw new Violation('nothing was acknowledged: the run shows nothing')
    const what = { seed: this.#seed, profile: this.profile, acknowledged, faults, longestMs, counts }
    return { ...what, simulatedMs: scheduler.nowMs }
  }

  history(): string[] {
    const lines = [...this.workers.map(({ journal }) => journal), ...this.cluster.hosts.map(named)].flat()
    return lines.sort((a, b) => Number.parseFloat(a) - Number.parseFloat(b))
  }
}

const named = ({ address, messages }: SimHost) => messages.map(line => line.replace(' ', ` ${address} `))

/** @throws SimulationFailure */
export async function simulate(options: SimulationOptions): Promise<Report> {
  const simulation = new Simulation(options)
  const { failed } = simulation.cluster
  process.on('unhandledRejection', failed)
  try {
    return await simulation.run()
  } catch (error) {
    throw new SimulationFailure(error, simulation.profile, simulation.history())
  } finally {
    process.off('unhandledRejection', failed)
  }
}
