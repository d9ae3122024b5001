// The half of a master that looks after chunks, with chunkservers that are no more than a list of what they have: light
// enough for fifty of them with a million chunks. What really lies on their disks is known here, so whatever the master
// does can be judged.

import { masterConfigFile } from '../../src/config/mfsmaster.ts'
import { parseConfig } from '../../src/config/parse.ts'
import { ChunkManager } from '../../src/master/chunks/chunk-manager.ts'
import type { ChunkServer } from '../../src/master/chunks/chunk-server.ts'
import type { ChunkAnswer } from '../../src/master/chunks/chunk-service.ts'
import { type ChunkOptions, chunkOptions } from '../../src/master/chunks/options.ts'
import { ToldCopies } from '../../src/master/chunks/told-copies.ts'
import type { Ledger } from '../../src/master/ledger.ts'
import { apply } from '../../src/metadata/apply.ts'
import type { Entry } from '../../src/metadata/changelog/entry.ts'
import { newState, type State } from '../../src/metadata/state.ts'
import * as cltocs from '../../src/protocol/cltocs.ts'
import { MARKED_FOR_REMOVAL } from '../../src/protocol/cstoma.ts'
import * as matocs from '../../src/protocol/matocs.ts'
import { Status } from '../../src/protocol/status.ts'
import { SimHost } from './host.ts'
import { SimNetwork } from './net.ts'
import { Scheduler } from './scheduler.ts'

const CHUNK_BYTES = 64 << 20
const CHUNKS_A_FILE = 50
/** A server looks at its commands that often: what came in between is carried out in one go. */
const TURN_MS = 4
/** One that hangs looks so often whether it still does. */
const LOOKED_UP_MS = 100
const REGISTERED_AT_ONCE = 10_000

const defaults = chunkOptions(parseConfig(masterConfigFile, '', '').values)

export const worldOptions: ChunkOptions = { ...defaults, replicationsDelaySeconds: 5 }

/** A ledger without a disk: what is committed is durable half a millisecond later. */
class LightLedger implements Ledger {
  readonly state: State
  readonly hasEnded = false
  readonly #scheduler: Scheduler
  readonly #clock: () => number
  #waiting: (() => void)[] | undefined

  constructor(scheduler: Scheduler, clock: () => number) {
    this.#scheduler = scheduler
    this.#clock = clock
    this.state = newState(this.now())
  }

  now(): number {
    return Math.floor(this.#clock() / 1000)
  }

  commit(entry: Entry): void {
    apply(this.state, entry)
    if (this.#waiting) return
    this.#waiting = []
    this.#scheduler.at(0.5, () => {
      const actions = this.#waiting ?? []
      this.#waiting = undefined
      for (const action of actions) action()
    })
  }

  attach(): void {}

  together(request: () => void): void {
    request()
  }

  whenCommitted(action: () => void): void {
    if (this.#waiting) this.#waiting.push(action)
    else action()
  }
}

/** As a server tells of it. */
const toldCopy = (chunkId: number, version: number, isMarked: boolean) => ({
  chunkId,
  version: isMarked ? (version | MARKED_FOR_REMOVAL) >>> 0 : version,
})

export interface LightServerOptions {
  /** Chunks that fit on its disks. */
  room: number
  labels?: number
  ip?: number
  /** Told another master's follower what it has, which leads now: all is known when it comes. */
  isEarly?: boolean
  /** It is one of MooseFS. */
  isOriginal?: boolean
}

/** A chunkserver with nothing but a list of chunks. */
export class LightServer {
  readonly id: number
  readonly ip: number
  readonly options: LightServerOptions
  /** Version by chunk. */
  disk = new Map<number, number>()
  /** Number of the last write that is in a chunk, where it is not 0. */
  readonly contents = new Map<number, number>()
  /** Chunks that are on the disk, but broken. */
  readonly broken = new Set<number>()
  /** Chunks that it does not vouch for: its power was lost. */
  readonly unsure = new Set<number>()
  /** Chunks that it was told to delete, and still has. */
  readonly doomed = new Set<number>()
  link: ChunkServer | undefined
  /** Statuses that it answers instead of carrying a command out, by message type. */
  readonly refuses = new Map<number, number>()
  readonly #world: ChunkWorld
  #commands: Buffer[] = []
  #isTurnDue = false
  #silentUntilMs = 0
  #leftMs = -1000

  constructor(world: ChunkWorld, id: number, options: LightServerOptions) {
    this.#world = world
    this.id = id
    this.ip = options.ip ?? 0x0a000000 + id
    this.options = options
  }

  get isConnected(): boolean {
    return this.link !== undefined
  }

  /** A command that was decided a moment ago could still count on it. */
  get wasConnected(): boolean {
    return this.isConnected || this.#world.scheduler.nowMs - this.#leftMs < 1
  }

  /** Connects and tells what it has. */
  start(): void {
    if (this.link) return
    const { manager, ledger, scheduler } = this.#world
    const { knownServers } = ledger.state
    const where = { ts: ledger.now(), ip: this.ip, port: 9422 }
    if (!knownServers.byId(this.id)) ledger.commit({ op: 'CSDBOP', operation: 0, argument: this.id, ...where })
    const identity = { id: this.id, ip: this.ip, port: 9422, version: 0x030075 }
    const link = manager.serverJoined(identity, packet => this.#onCommand(link, packet))
    this.link = link
    link.isOurs = this.options.isOriginal !== true
    link.labels = this.options.labels ?? 0
    this.#tellSpace()
    if (link.isOurs) manager.copiesUnsure(link, this.unsure)
    if (this.options.isEarly) return this.#foretell(link)
    const chunks = [...this.disk]
    const tell = (from: number) => {
      if (this.link !== link) return
      const part = chunks.slice(from, from + REGISTERED_AT_ONCE)
      if (part.length > 0) {
        const copies = part
          .filter(([chunkId, version]) => this.disk.get(chunkId) === version && !this.broken.has(chunkId))
          .map(([chunkId, version]) => toldCopy(chunkId, version, this.#world.isMarked(this)))
        manager.copiesReported(link, copies)
        scheduler.at(scheduler.between(5, 50), () => tell(from + REGISTERED_AT_ONCE))
        return
      }
      manager.serverRegistered(link)
      for (const chunkId of this.broken) manager.copyDamaged(link, chunkId)
    }
    scheduler.at(scheduler.between(1, 20), () => tell(0))
  }

  #foretell(link: ChunkServer): void {
    const { manager } = this.#world
    const told = new ToldCopies()
    for (const [chunkId, version] of this.disk) {
      if (!this.broken.has(chunkId)) told.set(toldCopy(chunkId, version, this.#world.isMarked(this)))
    }
    manager.serverForetold(link, told)
    for (const chunkId of this.broken) manager.copyDamaged(link, chunkId)
  }

  /** The connection ends; the disk stays. */
  stop(): void {
    const { link } = this
    if (!link) return
    this.link = undefined
    this.#leftMs = this.#world.scheduler.nowMs
    this.#commands = []
    this.#silentUntilMs = 0
    this.doomed.clear()
    this.#world.manager.serverLeft(link)
  }

  #tellSpace(): void {
    if (!this.link) return
    const wasFull = this.link.isFull
    this.link.total = this.options.room * CHUNK_BYTES
    this.link.used = this.disk.size * CHUNK_BYTES
    if (this.link.isFull !== wasFull) this.#world.manager.serverChanged()
  }

  #onCommand(link: ChunkServer, packet: Buffer): void {
    if (this.link !== link) return
    this.#commands.push(packet)
    if (packet.readUInt32BE(0) === matocs.remove.code) this.#toldToDelete(packet.readUIntBE(10, 6))
    if (this.#isTurnDue) return
    this.#isTurnDue = true
    this.#world.scheduler.at(TURN_MS, () => this.#turn())
  }

  #turn(): void {
    if (this.isSilent) {
      this.#world.scheduler.at(LOOKED_UP_MS, () => this.#turn())
      return
    }
    this.#isTurnDue = false
    const commands = this.#commands
    this.#commands = []
    for (const command of commands) this.#carryOut(command)
    this.#tellSpace()
  }

  /** Carries nothing out for so long, and does all of it then. */
  hang(ms: number): void {
    this.#silentUntilMs = this.#world.scheduler.nowMs + ms
  }

  get isSilent(): boolean {
    return this.#world.scheduler.nowMs < this.#silentUntilMs
  }

  #toldToDelete(chunkId: number): void {
    // What could not be deleted before is of an unknown state for the master.
    if (this.doomed.has(chunkId)) return
    this.doomed.add(chunkId)
    this.#world.judgeDeletion(this, chunkId)
  }

  /** A good copy of the chunk. */
  has(chunkId: number, version: number): boolean {
    const isRight = this.disk.get(chunkId) === version && !this.broken.has(chunkId)
    return isRight && this.contents.get(chunkId) === this.#world.contents.get(chunkId)
  }

  remove(chunkId: number): void {
    this.disk.delete(chunkId)
    this.contents.delete(chunkId)
    this.broken.delete(chunkId)
    this.doomed.delete(chunkId)
    this.unsure.delete(chunkId)
  }

  /** All its disks are replaced by empty ones. */
  wipe(): void {
    this.disk = new Map()
    this.contents.clear()
    this.broken.clear()
  }

  #carryOut(packet: Buffer): void {
    const { manager } = this.#world
    const { link } = this
    if (!link) return
    const type = packet.readUInt32BE(0)
    const payload = packet.subarray(8)
    const refused = this.refuses.get(type)
    switch (type) {
      case matocs.create.code: {
        const { chunkId, version } = matocs.create.decode(payload)
        return manager.commandAnswered(link, chunkId, refused ?? this.#put(chunkId, version))
      }
      case matocs.setVersion.code: {
        const { chunkId, version, previousVersion } = matocs.setVersion.decode(payload)
        return manager.commandAnswered(link, chunkId, refused ?? this.#change(chunkId, previousVersion, version))
      }
      case matocs.truncate.code: {
        const { chunkId, version, previousVersion } = matocs.truncate.decode(payload)
        return manager.commandAnswered(link, chunkId, refused ?? this.#change(chunkId, previousVersion, version))
      }
      case matocs.remove.code: {
        const { chunkId } = matocs.remove.decode(payload)
        if (refused !== undefined) return manager.deleteAnswered(link, chunkId, refused)
        this.remove(chunkId)
        this.#world.deletions++
        return manager.deleteAnswered(link, chunkId, Status.OK)
      }
      case matocs.replicate.code: {
        const { chunkId, version, ip } = matocs.replicate.decode(payload)
        this.#world.scheduler.at(this.#world.scheduler.between(5, 30), () => {
          if (this.link !== link) return
          const status = refused ?? this.#fetch(chunkId, version, ip)
          manager.replicateAnswered(link, chunkId, version, status)
        })
        return
      }
      case cltocs.getChunkChecksum.code: {
        const { chunkId, version } = cltocs.getChunkChecksum.decode(payload)
        const isReadable = this.disk.get(chunkId) === version && !this.broken.has(chunkId)
        const checksum = isReadable ? (this.contents.get(chunkId) ?? 0) : undefined
        return manager.checksumTold(link, chunkId, version, checksum)
      }
      case matocs.chunksSure.code:
        for (const chunkId of matocs.chunksSure.decode(payload).chunkIds) this.unsure.delete(chunkId)
        return
      default:
        throw new Error(`message ${type} is not for light servers`)
    }
  }

  #put(chunkId: number, version: number): number {
    if (this.disk.has(chunkId)) return Status.CHUNKEXIST
    if (this.disk.size >= this.options.room) return Status.NOSPACE
    this.disk.set(chunkId, version)
    this.#world.copies++
    return Status.OK
  }

  #change(chunkId: number, from: number, to: number): number {
    if (!this.disk.has(chunkId)) return Status.NOCHUNK
    if (this.disk.get(chunkId) !== from) return Status.WRONGVERSION
    this.disk.set(chunkId, to)
    this.doomed.delete(chunkId)
    return Status.OK
  }

  #fetch(chunkId: number, version: number, ip: number): number {
    const source = this.#world.servers.find(server => server.ip === ip)
    if (!source?.isConnected) return Status.CANTCONNECT
    if (source.broken.has(chunkId)) return Status.CRC
    if (source.disk.get(chunkId) !== version) return Status.WRONGVERSION
    // What could not be deleted has turned out to be there.
    source.doomed.delete(chunkId)
    const status = this.#put(chunkId, version)
    const content = source.contents.get(chunkId)
    if (status === Status.OK && content !== undefined) this.contents.set(chunkId, content)
    return status
  }
}

export class ChunkWorld {
  readonly scheduler: Scheduler
  readonly ledger: LightLedger
  readonly manager: ChunkManager
  readonly servers: LightServer[]
  /** What the master logged. */
  readonly messages: string[]
  /** Copies made and deleted so far. */
  copies = 0
  deletions = 0
  /** Good copies that were deleted while there were too few: the first one ends the world. */
  wrongs: string[] = []
  /** Number of the last write to a chunk that was acknowledged. */
  readonly contents = new Map<number, number>()
  readonly #marked = new Set<LightServer>()

  constructor(seed: number, servers: LightServerOptions[], options: ChunkOptions = worldOptions) {
    this.scheduler = new Scheduler(seed)
    const host = new SimHost(this.scheduler, new SimNetwork(this.scheduler), '10.255.0.1')
    const env = host.env('master')
    this.messages = host.messages
    this.ledger = new LightLedger(this.scheduler, () => env.clock.nowMs())
    this.manager = new ChunkManager(env, this.ledger, options)
    env.clock.every(1000, () => this.manager.tick())
    this.servers = servers.map((server, i) => new LightServer(this, i + 1, server))
  }

  startAll(): void {
    for (const server of this.servers) server.start()
  }

  /** Starts all servers and waits until the master looks after chunks. */
  async begin(): Promise<this> {
    this.startAll()
    await this.scheduler.run(15_000)
    return this
  }

  /** Disks of the server are marked for removal, or not any more. */
  mark(server: LightServer, marked: boolean): void {
    if (marked) this.#marked.add(server)
    else this.#marked.delete(server)
    const { link } = server
    if (!link) return
    const copies = [...server.disk].map(([chunkId, version]) => toldCopy(chunkId, version, marked))
    this.manager.copiesReported(link, copies)
  }

  isMarked(server: LightServer): boolean {
    return this.#marked.has(server)
  }

  get #state(): State {
    return this.ledger.state
  }

  /** A new file of this class, with no chunks. @returns its inode */
  makeFile(name: string, sclassId: number): number {
    const ts = this.ledger.now()
    const inode = this.#state.nodes.nextInode()
    const owner = { uid: 0, gid: 0, rdev: 0, cumask: 0 }
    this.ledger.commit({ op: 'CREATE', ts, parent: 1, name, type: 1, mode: 0o644, ...owner, inode })
    this.#state.nodes.sclassId.set(inode, sclassId)
    return inode
  }

  /** Chunks with version 1 as if they had been there for long: `copies` of each, on servers in turn. */
  fill(count: number, sclassId: number, copies: number): void {
    const { scheduler, servers } = this
    let inode = 0
    for (let i = 0; i < count; i++) {
      if (i % CHUNKS_A_FILE === 0) inode = this.makeFile(`file${i}.${sclassId}`, sclassId)
      const ts = this.ledger.now()
      const chunkId = this.#state.chunks.nextChunkId
      const index = i % CHUNKS_A_FILE
      apply(this.#state, { op: 'WRITE', ts, inode, index, raiseVersion: true, touch: false, chunkId })
      apply(this.#state, { op: 'UNLOCK', ts, chunkId })
      const first = scheduler.between(0, servers.length - 1)
      for (let copy = 0; copy < copies; copy++) {
        // Steps that share no divisor with most numbers of servers spread the pairs.
        const server = servers[(first + copy * (1 + (i % (servers.length - 1)))) % servers.length] as LightServer
        if (!server.disk.has(chunkId)) server.disk.set(chunkId, 1)
        else servers.find(({ disk }) => !disk.has(chunkId))?.disk.set(chunkId, 1)
      }
    }
  }

  /** A client writes a chunk of a file on all servers that it is told. @returns what it was answered */
  write(inode: number, index: number): Promise<ChunkAnswer> {
    return new Promise(resolve =>
      this.manager.write({ inode, index, session: 1, continues: false }, answer => {
        if (answer.status === Status.OK) {
          this.#writeOn(answer.chunkId, answer.copies)
          this.manager.unlock(answer.chunkId, 1)
        }
        resolve(answer)
      }),
    )
  }

  /** As write(), and lets the world go on until it is answered. */
  async written(inode: number, index: number): Promise<ChunkAnswer> {
    let answer: ChunkAnswer | undefined
    void this.write(inode, index).then(given => {
      answer = given
    })
    await this.scheduler.until(() => answer !== undefined, 60_000, 'write')
    return answer as unknown as ChunkAnswer
  }

  /** The write is acknowledged when all servers of the chain have it. */
  #writeOn(chunkId: number, copies: readonly { ip: number }[]): void {
    const chain = copies.map(({ ip }) => this.servers.find(server => server.ip === ip) as LightServer)
    if (!chain.every(({ isConnected, isSilent }) => isConnected && !isSilent)) return
    const content = (this.contents.get(chunkId) ?? 0) + 1
    this.contents.set(chunkId, content)
    for (const server of chain) server.contents.set(chunkId, content)
  }

  /** Good copies of a chunk on servers that are connected. */
  goodCopies(chunkId: number): number {
    const version = this.#state.chunks.version.get(this.#state.chunks.find(chunkId))
    return this.servers.filter(server => server.isConnected && server.has(chunkId, version)).length
  }

  /** Whether another server, connected or not, has a good copy: one that the chunk can be saved from. */
  goodElsewhere(than: LightServer, chunkId: number): boolean {
    const version = this.#state.chunks.version.get(this.#state.chunks.find(chunkId))
    return this.servers.some(server => server !== than && server.isConnected && server.has(chunkId, version))
  }

  wanted(row: number): number {
    const { chunks, storageClasses } = this.#state
    return storageClasses.get(chunks.sclassId(row))?.keep.length ?? 0
  }

  /** A copy that is good and needed must never be deleted. */
  judgeDeletion(server: LightServer, chunkId: number): void {
    const { chunks } = this.#state
    const row = chunks.find(chunkId)
    if (row === 0 || chunks.references.get(row) === 0) return
    const version = chunks.version.get(row)
    const left = this.servers.filter(s => s.wasConnected && s.has(chunkId, version) && !s.doomed.has(chunkId)).length
    const isGood = server.has(chunkId, version)
    if (left >= (isGood ? this.wanted(row) : 1) || this.isMarked(server)) return
    this.wrongs.push(`chunk ${chunkId}: a ${isGood ? 'good' : 'bad'} copy is deleted, which leaves ${left} good ones`)
  }

  /** Chunks that do not have as many good copies as they want, or have useless ones. */
  unfinished(): string[] {
    const copies = new Map<number, number>()
    const good = new Map<number, number>()
    for (const server of this.servers) {
      if (!server.isConnected) continue
      for (const [chunkId, version] of server.disk) {
        copies.set(chunkId, (copies.get(chunkId) ?? 0) + 1)
        const right = this.#state.chunks.version.get(this.#state.chunks.find(chunkId)) === version
        if (right && server.has(chunkId, version)) good.set(chunkId, (good.get(chunkId) ?? 0) + 1)
      }
    }
    const wrong: string[] = []
    for (const row of this.#state.chunks.rows()) {
      const chunkId = this.#state.chunks.id(row)
      if (this.#state.chunks.references.get(row) === 0) continue
      const [have, all] = [good.get(chunkId) ?? 0, copies.get(chunkId) ?? 0]
      const wanted = this.wanted(row)
      if (have !== wanted || all !== wanted) wrong.push(`chunk ${chunkId}: ${have} good of ${all}, wants ${wanted}`)
    }
    return wrong
  }

  /** Lets the world go on until nothing was made or deleted for some time. @throws Error when that takes too long */
  async untilQuiet(limitSeconds: number, quietSeconds = 70): Promise<void> {
    let [last, quiet] = [-1, 0]
    for (let second = 0; quiet < quietSeconds; second++) {
      if (second > limitSeconds) throw new Error(`work goes on after ${limitSeconds} s of simulated time`)
      await this.scheduler.run(1000)
      if (this.wrongs.length > 0) throw new Error(this.wrongs.slice(0, 5).join('\n'))
      const done = this.copies + this.deletions
      quiet = done === last ? quiet + 1 : 0
      last = done
    }
  }
}
