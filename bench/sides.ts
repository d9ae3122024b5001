// What is compared: the real MooseFS, ours, and the real one with our chunkservers: each with a master and three
// chunkservers on an address of its own, and mounts of them. Debian's programs and ours get the same configuration files;
// everything else is at its default.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster } from '../test/interop/cluster.ts'

export const columns = ['real', 'chunks', 'mixed', 'ours'] as const
export type Column = (typeof columns)[number]

export const columnNames: Readonly<Record<Column, string>> = {
  real: 'all real',
  chunks: 'real but our chunkservers',
  mixed: 'real mount, our servers',
  ours: 'our mount, our servers',
}

const CHUNKSERVERS = [1, 2, 3]
const CLOCK_TICKS_PER_SECOND = 100
const bin = join(import.meta.dirname, '../bin')
const ourChunkserver = join(bin, 'mfschunkserver')

/** CPU seconds, user and system, since the processes began. */
export interface CpuSeconds {
  master: number
  chunkservers: number
  mount: number
}

interface Mount {
  readonly cluster: Cluster
  readonly program: string
  readonly folder: string
  /** Its process, which a new mount replaces. */
  pids: string[]
}

/** Whose promises are changed: as they come ours waits for disks before it answers, and the original does not. */
export type Promises = 'as they come' | 'ours without syncs' | 'the original with syncs'

/** What ours gives up to promise no more than the original: its log and its chunks go to the disk when the system likes. */
const UNSYNCED_MASTER = 'CHANGELOG_SYNC=none'
const UNSYNCED_MOUNT = ['-o', 'fsync=memory']
/** How the original promises most of what ours does. */
const SYNCED_MASTER = 'CHANGELOG_SAVE_MODE=2'
const SYNCED_CHUNKSERVER = 'HDD_FSYNC_BEFORE_CLOSE=1'

export class Sides {
  readonly #promises: Promises
  readonly #clusters: Cluster[] = []
  readonly #mounts = new Map<Column, Mount>()

  constructor(promises: Promises) {
    this.#promises = promises
  }

  /** Starts what the columns need. What was started until an error must be closed too. */
  async start(wanted: readonly Column[]): Promise<void> {
    if (wanted.includes('real')) {
      const real = this.#startCluster('mfsmaster', 'mfschunkserver')
      this.#addMount('real', real, 'mfsmount')
    }
    if (wanted.includes('chunks')) {
      this.#addMount('chunks', this.#startCluster('mfsmaster', ourChunkserver), 'mfsmount')
    }
    if (wanted.includes('mixed') || wanted.includes('ours')) {
      const ours = this.#startCluster(join(bin, 'mfsmaster'), ourChunkserver)
      if (wanted.includes('mixed')) this.#addMount('mixed', ours, 'mfsmount')
      if (wanted.includes('ours')) this.#addMount('ours', ours, join(bin, 'mfsmount'))
    }
    for (const column of wanted) await this.#waitForSpace(column)
  }

  #startCluster(master: string, chunkserver: string): Cluster {
    const cluster = new Cluster()
    this.#clusters.push(cluster)
    cluster.masterLines.push(...this.#masterLines(master))
    cluster.startMasterWith(master)
    for (const host of CHUNKSERVERS) {
      if (this.#promises === 'the original with syncs' && chunkserver === 'mfschunkserver') {
        cluster.chunkserverLines.set(host, [SYNCED_CHUNKSERVER])
      }
      cluster.startChunkserverWith(chunkserver, host)
    }
    return cluster
  }

  #masterLines(program: string): string[] {
    if (program === 'mfsmaster') return this.#promises === 'the original with syncs' ? [SYNCED_MASTER] : []
    return this.#promises === 'ours without syncs' ? [UNSYNCED_MASTER] : []
  }

  #addMount(column: Column, cluster: Cluster, program: string): void {
    const folder = join(cluster.folder, `mnt-${column}`)
    mkdirSync(folder)
    this.#mounts.set(column, { cluster, program, folder, pids: this.#mounted(cluster, program, folder) })
  }

  /** A new file needs servers that have told the master about their space. */
  async #waitForSpace(column: Column): Promise<void> {
    const { folder } = this.#mount(column)
    for (let waited = 0; ; waited += 100) {
      const probe = spawnSync('sh', ['-c', `echo 1 > ${folder}/probe && rm ${folder}/probe`], { timeout: 60_000 })
      if (probe.status === 0) break
      if (waited > 30_000) throw new Error(`${columnNames[column]}: no space: ${probe.stderr}`)
      await sleep(100)
    }
    mkdirSync(this.folder(column))
  }

  #mount(column: Column): Mount {
    const mount = this.#mounts.get(column)
    if (!mount) throw new Error(`column ${column} is not started`)
    return mount
  }

  /** Where the column's work is done. */
  folder(column: Column): string {
    return join(this.#mount(column).folder, column)
  }

  /** A mount that has nothing in its caches. */
  remount(column: Column): void {
    const mount = this.#mount(column)
    execFileSync('umount', [mount.folder])
    mount.pids = this.#mounted(mount.cluster, mount.program, mount.folder)
  }

  /** Mounts, and finds out which process that is. */
  #mounted(cluster: Cluster, program: string, folder: string): string[] {
    const before = new Set(cluster.pids())
    const options = this.#promises === 'ours without syncs' && program !== 'mfsmount' ? UNSYNCED_MOUNT : []
    cluster.mountWith(program, folder, undefined, ...options)
    return cluster.pids().filter(pid => !before.has(pid))
  }

  /** Folders of the column's chunkservers. */
  disks(column: Column): string[] {
    return CHUNKSERVERS.map(host => join(this.#mount(column).cluster.folder, `disk${host}`))
  }

  cpuSeconds(column: Column): CpuSeconds {
    const { cluster, pids } = this.#mount(column)
    const used: CpuSeconds = { master: 0, chunkservers: 0, mount: 0 }
    for (const pid of cluster.pids()) {
      const name = commandOf(pid)
      if (name === 'mfsmaster') used.master += secondsOf(pid)
      else if (name === 'mfschunkserver') used.chunkservers += secondsOf(pid)
    }
    for (const pid of pids) used.mount += secondsOf(pid)
    return used
  }

  async close(): Promise<void> {
    for (const { folder } of this.#mounts.values()) spawnSync('umount', ['-l', folder], { stdio: 'ignore' })
    for (const cluster of this.#clusters) await cluster.close()
  }
}

function proc(pid: string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return ''
  }
}

const commandOf = (pid: string) => proc(pid, 'comm').trim()

function secondsOf(pid: string): number {
  // The second field is the name in brackets, which may hold blanks.
  const fields = proc(pid, 'stat').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / CLOCK_TICKS_PER_SECOND
}
