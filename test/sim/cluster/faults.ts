// What goes wrong in a simulated cluster, and when: all of it from the seed.

import type { SimHost } from '../host.ts'
import { areAlike, type CopyFile, copyFiles, copyProblems, isSound, markOf } from './chunk-copies.ts'
import type { SimCluster } from './cluster.ts'

/** What may go wrong in a run. */
export const profiles = ['master', 'servers', 'power', 'network', 'disks', 'clients', 'everything'] as const
export type Profile = (typeof profiles)[number]

interface Fault {
  name: string
  profiles: readonly Profile[]
  weight: number
  /** @returns whether it was done */
  happen: () => boolean
}

const FULL_DISK_BYTES = 1 << 30
const SLOW_NETWORK_MS = 300
const FAST_NETWORK_MS = 2

/** A client program that can be killed. */
export interface Mortal {
  readonly host: SimHost
  /** It has found out what became of what it did before. */
  readonly isAtWork: boolean
  kill(downMs: number): boolean
  /** Nobody has power any more: what was not synced may be lost everywhere. */
  powerLost(): void
}

export class Faults {
  readonly #cluster: SimCluster
  readonly #clients: readonly Mortal[]
  readonly #mayHappen: () => boolean
  readonly #goal: number
  /** Power goes with what is not synced: nothing else may go wrong before everybody is back. */
  readonly #takesUnsynced: boolean
  readonly #faults: Fault[]
  /** Copies with a flipped bit that nobody has mended yet. */
  #flipped: CopyFile[] = []
  /** Since the last fault everything was whole once: the master has nothing left to compare or to replace. */
  #isMended = true
  /** Until then nothing more may go wrong. */
  #isFragile = false
  #isOver = false
  /** So many things went wrong. */
  happened = 0

  /** @param mayHappen whether the cluster can bear more just now */
  constructor(
    cluster: SimCluster,
    clients: readonly Mortal[],
    goal: number,
    profile: Profile,
    mayHappen: () => boolean,
  ) {
    this.#cluster = cluster
    this.#clients = clients
    this.#goal = goal
    this.#takesUnsynced = profile === 'power'
    this.#mayHappen = mayHappen
    this.#faults = this.#all().filter(fault => profile === 'everything' || fault.profiles.includes(profile))
  }

  #all(): Fault[] {
    return [
      { name: 'master killed', profiles: ['master'], weight: 4, happen: () => this.#killMaster(false) },
      { name: 'master without power', profiles: ['master'], weight: 4, happen: () => this.#killMaster(true) },
      { name: 'checkpoint', profiles: ['master', 'disks'], weight: 3, happen: () => this.#checkpoint() },
      { name: 'master killed at a checkpoint', profiles: ['master'], weight: 3, happen: () => this.#dieAtCheckpoint() },
      { name: 'server killed', profiles: ['servers'], weight: 4, happen: () => this.#killServer(false) },
      { name: 'server without power', profiles: ['servers', 'power'], weight: 4, happen: () => this.#killServer(true) },
      { name: 'power lost', profiles: ['power'], weight: 8, happen: () => this.#cutAll() || this.#killServer(true) },
      { name: 'client killed', profiles: ['clients'], weight: 2, happen: () => this.#killClient() },
      { name: 'connections cut', profiles: ['network', 'clients'], weight: 5, happen: () => this.#cut() },
      { name: 'network slow', profiles: ['network'], weight: 2, happen: () => this.#slow() },
      { name: 'network parted', profiles: ['network'], weight: 3, happen: () => this.#part() },
      {
        name: 'client away, master killed',
        profiles: ['network', 'clients'],
        weight: 2,
        happen: () => this.#stayAway(),
      },
      { name: 'changelog disk full', profiles: ['disks'], weight: 2, happen: () => this.#fillMasterDisk() },
      { name: 'changelog disk fails', profiles: ['disks'], weight: 1, happen: () => this.#failMasterDisk() },
      { name: 'chunk disk full', profiles: ['disks'], weight: 3, happen: () => this.#fillServerDisk() },
      { name: 'bit flipped', profiles: ['disks'], weight: 4, happen: () => this.#flipBit() },
    ]
  }

  /** Lets things go wrong until stop(). */
  async run(): Promise<void> {
    const { scheduler } = this.#cluster
    while (!this.#isOver) {
      await this.#cluster.sleep(
        scheduler.between(0, 3) === 0 ? scheduler.between(1, 100) : scheduler.between(100, 3000),
      )
      if (this.#takesUnsynced) this.#isMended ||= this.#isWhole
      this.#isFragile &&= !this.#isMended
      if (!this.#isOver && !this.#isFragile && this.#mayHappen()) this.#happen()
    }
  }

  /** Whether everybody is there and every chunk has its copies. */
  get #isComplete(): boolean {
    const state = this.#cluster.master?.ledger.state
    return state !== undefined && this.#cluster.isUp && copyProblems(this.#cluster, state, this.#goal).length === 0
  }

  /** Whether, besides, copies are the same. */
  get #isWhole(): boolean {
    return this.#isComplete && areAlike(this.#cluster)
  }

  #happen(): void {
    const total = this.#faults.reduce((sum, { weight }) => sum + weight, 0)
    let draw = this.#below(total)
    for (const { name, weight, happen } of this.#faults) {
      draw -= weight
      if (draw >= 0) continue
      if (!happen()) return
      this.happened++
      this.#isMended = false
      this.#cluster.count(name)
      this.#cluster.disturbed()
      return
    }
  }

  /** From now on everything is mended. */
  stop(): void {
    this.#isOver = true
    const { network, hosts } = this.#cluster
    network.maxDelayMs = FAST_NETWORK_MS
    network.heal()
    for (const { disk } of hosts) {
      disk.fault = {}
      disk.othersBytes = 0
    }
    this.#cluster.disturbed()
  }

  #below(limit: number): number {
    return this.#cluster.scheduler.between(0, limit - 1)
  }

  #oneOf<T>(items: readonly T[]): T {
    return items[this.#below(items.length)] as T
  }

  #later(ms: number, mend: () => void): void {
    this.#cluster.scheduler.at(ms, () => {
      mend()
      this.#cluster.disturbed()
    })
  }

  #killMaster(power: boolean): boolean {
    if (!this.#cluster.master && this.#below(3) > 0) return false
    this.#cluster.killMaster(power, 50 + this.#below(2000))
    return true
  }

  #checkpoint(): boolean {
    const { master } = this.#cluster
    master?.saveCheckpoint().catch(this.#cluster.failed)
    return master !== undefined
  }

  #dieAtCheckpoint(): boolean {
    const { master } = this.#cluster
    if (!this.#checkpoint()) return false
    this.#cluster.scheduler.at(this.#below(100) / 20, () => {
      if (!this.#isOver && this.#cluster.master === master) this.#killMaster(this.#below(2) === 0)
    })
    return true
  }

  #killServer(power: boolean): boolean {
    const node = this.#oneOf(this.#cluster.servers)
    if (!node.server) return false
    const { syncChunks } = this.#cluster.options
    const loses = power && this.#takesUnsynced && !syncChunks
    if (loses && !this.#parries()) return false
    this.#cluster.killServer(
      node,
      loses || (power && syncChunks),
      loses ? 12_000 + this.#below(20_000) : 100 + this.#below(4000),
    )
    return true
  }

  /** What a server has not synced may be lost with it where the other copies stay. */
  #parries(): boolean {
    if (!this.#isComplete) return false
    this.#isFragile = true
    this.#cluster.count('un-synced writes lost')
    return true
  }

  /** Everybody at once. What servers have not synced by then may be lost, or be there on some of them. */
  #cutAll(): boolean {
    if (!this.#takesUnsynced || !this.#isMended || !this.#isComplete) return false
    const { syncChunks } = this.#cluster.options
    if (!this.#clients.every(({ isAtWork }) => isAtWork)) return false
    const downMs = () => 100 + this.#below(4000)
    // Until the master knows all copies, and has compared them, a reader may see any of them.
    const clientDownMs = syncChunks ? downMs : () => 20_000 + this.#below(10_000)
    for (const client of this.#clients) client.kill(clientDownMs())
    for (const node of this.#cluster.servers) this.#cluster.killServer(node, true, downMs())
    this.#cluster.killMaster(true, downMs())
    if (!syncChunks) {
      this.#cluster.hasLostUnsynced = true
      for (const client of this.#clients) client.powerLost()
    }
    this.#cluster.count(syncChunks ? 'everybody without power' : 'everybody without power, un-synced writes lost')
    // Everybody has time to come back.
    this.#isFragile = true
    return true
  }

  #killClient(): boolean {
    return this.#oneOf(this.#clients).kill(100 + this.#below(1000))
  }

  #cut(): boolean {
    for (let i = this.#below(3); i >= 0; i--) this.#cluster.network.cutSome()
    return true
  }

  #slow(): boolean {
    const { network } = this.#cluster
    network.maxDelayMs = 20 + this.#below(SLOW_NETWORK_MS)
    this.#later(500 + this.#below(3000), () => {
      network.maxDelayMs = FAST_NETWORK_MS
    })
    return true
  }

  #part(): boolean {
    const { network, hosts, masterHosts } = this.#cluster
    const [a, b] = [this.#oneOf(hosts), this.#oneOf(hosts)]
    // Two masters without a third vote do not survive that, and do not promise to.
    if (a === b || (masterHosts.includes(a) && masterHosts.includes(b))) return false
    network.partition(a.address, b.address)
    this.#later(200 + this.#below(this.#below(4) === 0 ? 20_000 : 3000), () => network.heal())
    return true
  }

  /** A client gives its connection up and cannot come back; the others go on, and another master meets it when it comes. */
  #stayAway(): boolean {
    const { network, masterHost } = this.#cluster
    network.partition(this.#oneOf(this.#clients).host.address, masterHost.address)
    this.#later(10_000 + this.#below(15_000), () => {
      network.heal()
      if (!this.#isOver && this.#cluster.master) this.#killMaster(false)
    })
    return true
  }

  #fillMasterDisk(): boolean {
    const { disk } = this.#cluster.masterHost
    disk.othersBytes = FULL_DISK_BYTES - disk.usedBytes - this.#below(2000)
    this.#later(500 + this.#below(4000), () => {
      disk.othersBytes = 0
    })
    return true
  }

  #failMasterDisk(): boolean {
    const { disk } = this.#cluster.masterHost
    disk.fault = this.#below(2) === 0 ? { syncs: 'EIO' } : { writes: 'EIO' }
    this.#later(100 + this.#below(2000), () => {
      disk.fault = {}
    })
    return true
  }

  #fillServerDisk(): boolean {
    const { disk } = this.#oneOf(this.#cluster.servers).host
    disk.othersBytes = FULL_DISK_BYTES - disk.usedBytes - this.#below(100_000)
    this.#later(500 + this.#below(5000), () => {
      disk.othersBytes = 0
    })
    return true
  }

  /** One bit of one copy of a chunk all of whose copies are good. */
  #flipBit(): boolean {
    const state = this.#cluster.master?.ledger.state
    if (!state || !this.#cluster.isUp) return false
    const files = copyFiles(this.#cluster)
    this.#flipped = this.#flipped.filter(copy => files.some(file => isSameFile(file, copy)) && !isSound(copy))
    const isUntouched = (copy: CopyFile) => !this.#flipped.some(({ chunkId }) => chunkId === copy.chunkId)
    // What lies in a chunk that was being written at a crash is taken for right.
    const isQuiet = (copy: CopyFile) => markOf(copy) === undefined && copy.node.host.disk.isSynced(copy.path)
    const untouched = files.filter(copy => isUntouched(copy) && isQuiet(copy))
    if (untouched.length === 0) return false
    const copy = this.#oneOf(untouched)
    const row = state.chunks.find(copy.chunkId)
    const others = untouched.filter(({ chunkId }) => chunkId === copy.chunkId)
    const version = row === 0 ? 0 : state.chunks.version.get(row)
    if (others.length < 2 || others.some(other => other.version !== version || !isSound(other))) return false
    this.#flip(copy)
    return true
  }

  #flip(copy: CopyFile): void {
    const { disk } = copy.node.host
    disk.flipBit(copy.path, this.#below(8 * disk.peek(copy.path).length))
    this.#flipped.push(copy)
  }
}

const isSameFile = (a: CopyFile, b: CopyFile) => a.node === b.node && a.path === b.path
