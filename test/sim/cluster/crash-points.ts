// A master that is stopped at every point: before and after each write, sync, rename, removal and answer. A short script
// of changes, rotations, checkpoints and restarts is run once for each point; afterwards the master must come back by
// itself and everything acknowledged must be there.
import type { ClusterSession } from '../../../src/client/cluster-session.ts'
import { AFTERMATH_SECONDS } from '../../../src/master/chunks/aftermath.ts'
import { Status, statusName } from '../../../src/protocol/status.ts'
import { MASTER, SimCluster, Violation } from './cluster.ts'
import { FileModel } from './file-model.ts'
import { checkReplay } from './replay-check.ts'
import { differences, FolderModel, findTree, root } from './tree-model.ts'

const SCRIPT_LIMIT_MS = 600_000
const DOWN_MS = 100
const ROOT = 1
/**
 * Points on the disk. A write may be cut in the middle, so it is stopped before its end; whatever else there is has
 * happened or not, and before it is after what came before it.
 */
const points = new Set([
  'before write',
  'after sync',
  'after rename',
  'after unlink',
  'after syncFolder',
  'after truncate',
])

/** Changes that the script makes. */
export const SCRIPT_CHANGES = 24

/** How the master's machine ends. */
export type Manner = 'killed' | 'without power, all that is not synced lost' | 'without power, by chance'
export const manners: readonly [Manner, Manner, Manner] = [
  'killed',
  'without power, all that is not synced lost',
  'without power, by chance',
]

export interface CrashPlan {
  seed: number
  manner: Manner
  /** Numbers of the points, from 1, ascending. */
  points: readonly number[]
}

export interface CrashReport {
  /** Points that there were; with no crash, all that there are. */
  points: number
  /** What they were, each once. */
  kinds: ReadonlySet<string>
  /** Crashes that happened, in words. */
  crashes: string[]
  acknowledged: number
}

class CrashRun {
  readonly cluster: SimCluster
  readonly #plan: CrashPlan
  readonly #tree = new FolderModel(0, 0o755)
  readonly crashes: string[] = []
  points = 0
  readonly kinds = new Set<string>()
  acknowledged = 0
  #isChecking = false

  constructor(plan: CrashPlan) {
    this.#plan = plan
    // One old changelog is kept, so that some are removed.
    const options = {
      servers: 0,
      syncChunks: false,
      sync: { kind: 'commit', tailBytes: 4096 },
      master: { backLogs: 1 },
    } as const
    this.cluster = new SimCluster(plan.seed, options)
    this.cluster.masterHost.disk.watcher = (operation, path, when) => {
      if (points.has(`${when} ${operation}`)) this.#point(`${when} ${operation} of ${path}`)
    }
    this.cluster.network.watcher = (host, when) => {
      if (host === MASTER) this.#point(`${when} an answer`)
    }
  }

  #point(what: string): void {
    if (this.#isChecking) return
    this.points++
    this.kinds.add(what)
    if (!this.#plan.points.includes(this.points)) return
    this.crashes.push(`point ${this.points}, ${what}`)
    const { manner } = this.#plan
    if (manner === 'without power, all that is not synced lost') this.cluster.masterHost.powerCut('everything')
    this.cluster.killMaster(manner === 'without power, by chance', DOWN_MS)
  }

  async run(): Promise<void> {
    const { cluster } = this
    cluster.startMaster()
    const session = await cluster.run(cluster.connect(cluster.addClientHost().env('client')), 60_000, 'a session')
    await cluster.run(this.#script(session), SCRIPT_LIMIT_MS, 'the script')
    await this.#untilServing()
    const found = await cluster.run(findTree(session, this.#tree.inode), 60_000, 'the tree')
    const wrong = differences(this.#tree, found, '')
    if (wrong.length > 0) throw new Violation(wrong.join('\n'))
    // The last answer may have been its last.
    await this.#untilServing()
    // The files are looked at from outside, and must not change meanwhile.
    this.#isChecking = true
    await checkReplay(cluster)
  }

  #untilServing(): Promise<void> {
    return this.cluster.until(() => this.cluster.master !== undefined, 60_000, 'the master')
  }

  async #script(session: ClusterSession): Promise<void> {
    const made = await session.mkdir(ROOT, 'top', this.#tree.mode, 0, false, root)
    if (made.status !== undefined) throw new Violation(`mkdir top: ${statusName(made.status)}`)
    this.#tree.inode = made.inode
    await this.#changes(session, 'a')
    // What happened just now stays in the folder; this is to go. The last line of a busy period comes after 12 s.
    await this.cluster.sleep(1000 * (AFTERMATH_SECONDS + 20))
    const checkpoint = this.#checkpoint()
    await this.#changes(session, 'b')
    await checkpoint
    this.cluster.killMaster(false, DOWN_MS)
    await this.#changes(session, 'c')
    await this.#restart()
    await this.#changes(session, 'd')
  }

  /** Until it is made, or its master is no more. */
  async #checkpoint(): Promise<void> {
    const { master } = this.cluster
    let isOver = false
    void master?.saveCheckpoint().finally(() => {
      isOver = true
    })
    while (!isOver && this.cluster.master === master) await this.cluster.sleep(10)
  }

  /** A clean stop and start, unless a crash comes first. */
  async #restart(): Promise<void> {
    const { cluster } = this
    const { master } = cluster
    let isStopped = false
    void master?.stop().then(() => {
      isStopped = true
    })
    while (!isStopped && cluster.master === master) await cluster.sleep(10)
    if (isStopped && cluster.master === master) cluster.killMaster(false, DOWN_MS)
  }

  /** Makes, moves, links and removes; each must succeed exactly once, whatever happens to the master meanwhile. */
  async #changes(session: ClusterSession, name: string): Promise<void> {
    const top = this.#tree
    const folder = new FolderModel(0, 0o700)
    const file = new FileModel(0, 0o600)
    const there = <T>(answer: { status: number } | (T & { status?: undefined })): T => {
      if (answer.status !== undefined) throw new Violation(`${name}: ${statusName(answer.status)}`)
      this.acknowledged++
      return answer as T
    }
    const done = (status: number) => there(status === Status.OK ? {} : { status })
    folder.inode = there(await session.mkdir(top.inode, name, folder.mode, 0, false, root)).inode
    top.names.set(name, folder)
    file.inode = there(await session.create(folder.inode, 'file', file.mode, 0, root)).inode
    folder.names.set('file', file)
    there(await session.link(file.inode, top.inode, `${name}.linked`, root))
    top.names.set(`${name}.linked`, file)
    file.links++
    const link = there(await session.symlink(folder.inode, 'symlink', name, root))
    folder.names.set('symlink', { kind: 'symlink', inode: link.inode, target: name })
    there(await session.rename(folder.inode, 'file', top.inode, `${name}.moved`, root))
    folder.names.delete('file')
    top.names.set(`${name}.moved`, file)
    done(await session.unlink(top.inode, `${name}.linked`, root))
    top.names.delete(`${name}.linked`)
    file.links--
    session.release(file.inode)
  }
}

/** @throws Error that tells the plan and what went wrong */
export async function crash(plan: CrashPlan): Promise<CrashReport> {
  const run = new CrashRun(plan)
  const { failed } = run.cluster
  process.on('unhandledRejection', failed)
  try {
    await run.run()
  } catch (cause) {
    const what = cause instanceof Error ? cause.message : String(cause)
    const log = run.cluster.masterHost.messages.slice(-12).join('\n')
    const { seed, manner } = plan
    throw new Error(`seed ${seed}, ${manner} at ${run.crashes.join(' and ')}: ${what}\n${log}`, { cause })
  } finally {
    process.off('unhandledRejection', failed)
  }
  return { points: run.points, kinds: run.kinds, crashes: run.crashes, acknowledged: run.acknowledged }
}
