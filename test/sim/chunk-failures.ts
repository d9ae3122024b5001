// Chunkservers fail at random, in every way that leaves a good copy of each chunk somewhere, while files are written.
// Afterwards every chunk must have what its class wants, and nothing that was written may be gone.
import * as matocs from '../../src/protocol/matocs.ts'
import { Status } from '../../src/protocol/status.ts'
import { ChunkWorld, type LightServer, worldOptions } from './chunk-world.ts'

export interface FailureRun {
  seed: number
  servers: number
  chunks: number
  /** Failures before the world is left in peace. */
  failures: number
  /** Servers have told in advance what they have when they come. */
  isEarly?: boolean
}

export interface FailureReport {
  /** Seconds of simulated time. */
  seconds: number
  copies: number
  deletions: number
  /** What must not be: empty when all is well. */
  wrongs: string[]
}

const MAX_COPIES_LOST = 300
const HOUR_SECONDS = 3600
const MANY = 100_000
/** So that walks through all chunks take many slices, in which something happens. */
const SWEPT_AT_ONCE = 50

class FailureStory {
  readonly world: ChunkWorld
  readonly #run: FailureRun
  readonly #files: number[] = []

  constructor(run: FailureRun) {
    this.#run = run
    const { scheduler } = new ChunkWorld(run.seed, [])
    // Disks of unequal sizes, with twice the space that is needed, and enough for every chunk on few servers.
    const room = Math.ceil(Math.max((run.chunks * 5) / run.servers, Math.min(run.chunks, 10_000) + 1000))
    // Very many chunks begin on servers that are filled alike: evening them out is shown with fewer.
    const spread = run.chunks < MANY ? room : 0
    const sizes = Array.from({ length: run.servers }, () => ({
      room: room + scheduler.between(0, spread),
      isEarly: run.isEarly ?? false,
    }))
    const options = run.chunks < MANY ? { ...worldOptions, sweptAtOnce: SWEPT_AT_ONCE } : worldOptions
    this.world = new ChunkWorld(run.seed, sizes, options)
    this.world.fill(Math.floor(run.chunks * 0.7), 2, 2)
    this.world.fill(Math.floor(run.chunks * 0.3), 3, 3)
    for (let i = 0; i < 10; i++) this.#files.push(this.world.makeFile(`written${i}`, 2 + (i % 2)))
  }

  async play(): Promise<FailureReport> {
    const { world } = this
    const { scheduler } = world
    await world.begin()
    for (let i = 0; i < this.#run.failures; i++) {
      this.#fail()
      for (let writes = scheduler.between(0, 50); writes > 0; writes--) this.#write()
      await scheduler.run(scheduler.between(100, 20_000))
    }
    for (const server of world.servers) {
      server.refuses.clear()
      server.hang(0)
      server.start()
    }
    await world.untilQuiet(HOUR_SECONDS)
    const { copies, deletions } = world
    return { seconds: scheduler.nowMs / 1000, copies, deletions, wrongs: [...world.wrongs, ...world.unfinished()] }
  }

  #write(): void {
    const { scheduler } = this.world
    const inode = this.#files[scheduler.between(0, this.#files.length - 1)] as number
    scheduler.at(scheduler.between(0, 20_000), () => void this.world.write(inode, scheduler.between(0, 40)))
  }

  #fail(): void {
    const { scheduler, servers } = this.world
    const server = servers[scheduler.between(0, servers.length - 1)] as LightServer
    const kind = scheduler.between(0, 7)
    if (!server.isConnected) return server.start()
    if (kind <= 1) return this.#disconnect(server, scheduler.between(0, 1) === 0)
    if (kind === 2) return this.#flap(server)
    if (kind === 3) return this.#damage(server)
    if (kind === 4) return this.#lose(server)
    if (kind === 5) return this.#refuse(server)
    if (kind === 6) return server.hang(scheduler.between(1000, 100_000))
    this.#restartEmpty(server)
  }

  /** For a while; or until the end. */
  #disconnect(server: LightServer, returns: boolean): void {
    const { scheduler, servers } = this.world
    if (servers.filter(({ isConnected }) => !isConnected).length > servers.length / 5) return
    server.stop()
    if (returns) scheduler.at(scheduler.between(500, 120_000), () => server.start())
  }

  #flap(server: LightServer): void {
    const { scheduler } = this.world
    for (let i = 0; i < 6; i++) {
      scheduler.at(i * scheduler.between(500, 8000), () => (server.isConnected ? server.stop() : server.start()))
    }
  }

  /** Some of the copies of a server that have a good twin elsewhere. */
  #expendable(server: LightServer): number[] {
    const { scheduler } = this.world
    const all = [...server.disk.keys()]
    const chosen = new Set<number>()
    for (let i = scheduler.between(1, MAX_COPIES_LOST); i > 0 && all.length > 0; i--) {
      chosen.add(all[scheduler.between(0, all.length - 1)] as number)
    }
    return [...chosen].filter(chunkId => this.world.goodElsewhere(server, chunkId))
  }

  #damage(server: LightServer): void {
    for (const chunkId of this.#expendable(server)) {
      server.broken.add(chunkId)
      if (server.link) this.world.manager.copyDamaged(server.link, chunkId)
    }
  }

  #lose(server: LightServer): void {
    for (const chunkId of this.#expendable(server)) {
      server.remove(chunkId)
      if (server.link) this.world.manager.copyLost(server.link, chunkId)
    }
  }

  /** For a while everything of one kind fails on the server. A change that fails with EIO would cost the copy. */
  #refuse(server: LightServer): void {
    const { scheduler } = this.world
    const types = [matocs.create, matocs.remove, matocs.setVersion, matocs.replicate].map(({ code }) => code)
    const type = types[scheduler.between(0, types.length - 1)] as number
    const statuses = type === matocs.setVersion.code ? [Status.NOTDONE] : [Status.NOTDONE, Status.IO]
    server.refuses.set(type, statuses[scheduler.between(0, statuses.length - 1)] as number)
    scheduler.at(scheduler.between(1000, 60_000), () => server.refuses.delete(type))
  }

  /** All disks are replaced by empty ones, if nothing is only there. */
  #restartEmpty(server: LightServer): void {
    const { scheduler } = this.world
    for (const chunkId of server.disk.keys()) if (!this.world.goodElsewhere(server, chunkId)) return
    server.stop()
    server.wipe()
    scheduler.at(scheduler.between(100, 60_000), () => server.start())
  }
}

/** One history of failures. */
export function playFailures(run: FailureRun): Promise<FailureReport> {
  return new FailureStory(run).play()
}
