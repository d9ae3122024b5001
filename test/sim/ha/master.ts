// A simulated master host: the product's member, log and state, and in place of the protocol of clients a small one of
// its own: frames of JSON, one answer for each request.
import type { Env, Timer } from '../../../src/env/env.ts'
import type { Connection } from '../../../src/env/net.ts'
import { EtcdArbiter } from '../../../src/ha/etcd-arbiter.ts'
import type { Leadership, LeadershipOptions } from '../../../src/ha/leadership.ts'
import type { LeaseOptions } from '../../../src/ha/lease.ts'
import { type LeadingProgram, Member } from '../../../src/ha/member.ts'
import { PairArbiter, type PairBroken } from '../../../src/ha/pair-arbiter.ts'
import type { Replica } from '../../../src/ha/replica.ts'
import { CHECKPOINT_BACK } from '../../../src/journal/checkpoint-files.ts'
import { DataFolder, pairRecord } from '../../../src/master/ha/data-folder.ts'
import type { DiskReplica } from '../../../src/master/ha/replica.ts'
import { LiveLedger } from '../../../src/master/live-ledger.ts'
import { writeCheckpoint } from '../../../src/metadata/checkpoint/write.ts'
import type { Actor, Decision } from '../../../src/metadata/decision.ts'
import { decideLookup, decideMake, decideRemove, decideRename } from '../../../src/metadata/namespace/decide.ts'
import type { State } from '../../../src/metadata/state.ts'
import { type Inode, NodeType, ROOT } from '../../../src/metadata/types.ts'
import { FrameReader } from '../../../src/protocol/frame.ts'
import { SimHost } from '../host.ts'
import type { SimNetwork } from '../net.ts'
import type { Scheduler } from '../scheduler.ts'
import type { EtcdModel, EtcdWay } from './etcd-model.ts'
import { Freezer } from './freezer.ts'
import { METALOGGER_PORT } from './metalogger.ts'
import type { Call, Result } from './names.ts'

export const DATA = '/data'
export const CLIENT_PORT = 9421
export const HA_PORT = 9423
/** How long a leader of two waits before it leaves a silent follower behind. */
const PAIR_SILENCE_MS = 3300
const ADMIN: Actor = { uid: 0, gids: [0], sessionFlags: 8, root: ROOT, disables: 0, umask: 0 }

export type Request = { readonly id: number; readonly call: Call }
/** `leads` false: nothing was done. `epoch` and `version` say when and where the answer was committed. */
export type Answer =
  | { readonly id: number; readonly leads: false }
  | {
      readonly id: number
      readonly leads: true
      readonly result: Result
      readonly epoch: number
      readonly version: number
    }

export function frame(body: Request | Answer): Buffer {
  const text = Buffer.from(JSON.stringify(body))
  const packet = Buffer.allocUnsafe(8 + text.length)
  packet.writeUInt32BE(0, 0)
  packet.writeUInt32BE(text.length, 4)
  text.copy(packet, 8)
  return packet
}

export const frameReader = <T>(take: (body: T) => void) =>
  new FrameReader(1 << 20, (_type, payload) => take(JSON.parse(payload.toString())))

/** Rules that a test may break, to see that the simulation notices. */
export interface Broken extends PairBroken {
  shrinkAfterAck?: boolean
  growBeforeWait?: boolean
  ignoresEpochs?: boolean
  leaseFromAnswer?: boolean
  /** Answers do not wait for followers at all. */
  answersAtOnce?: boolean
  /** Anybody may be elected. */
  anyCandidate?: boolean
  /** Metaloggers get lines that may be taken back. */
  tellsUncommitted?: boolean
  /** Whoever finds a witness in the record stands without a word to it. */
  standsUnfetched?: boolean
  /** What a witness once gave counts for ever. */
  trustsOldFetch?: boolean
  /** A witness counts as a member. */
  electsWitness?: boolean
  /** A witness is not waited for any more before that is recorded. */
  leavesWitnessAfterAck?: boolean
  /** A witness forgets with its power what it promised. */
  promisesUnsynced?: boolean
  /** A witness goes on with an epoch that it promised to be through with. */
  keepsTaking?: boolean
}

export interface SimMasterOptions {
  broken: Broken
  minInSync: number
  clocksLie: boolean | 'slowly'
  /** Writes no lines of its own. */
  isQuiet: boolean
  /** Address of the other one, where there are two and no etcd. */
  peer?: string
}

function decide(state: State, call: Call, ts: number): Decision<{ inode: Inode }> {
  const { name } = call
  switch (call.op) {
    case 'create': {
      const node = { type: NodeType.FILE, mode: 0o644, umask: 0, rdev: 0, copySgid: false }
      return decideMake(state, ADMIN, { parent: ROOT, name, ...node }, ts)
    }
    case 'lookup':
      return decideLookup(state, ADMIN, ROOT, name)
    case 'unlink':
      return decideRemove(state, ADMIN, { parent: ROOT, name, directory: false }, ts)
    case 'rename':
      return decideRename(
        state,
        ADMIN,
        { parentSource: ROOT, nameSource: name, parentTarget: ROOT, nameTarget: call.to },
        ts,
      )
  }
}

/** Of the simulated disk, at the root of an error. */
export function isDiskFailure(error: unknown): boolean {
  const { code, cause } = error as NodeJS.ErrnoException & { cause?: unknown }
  return code === 'EIO' || code === 'ENOSPC' || (cause instanceof Error && isDiskFailure(cause))
}

/** Milliseconds of a master's clock in one of the world. */
function clockRate(lies: boolean | 'slowly', draw: number): number {
  if (lies === 'slowly') return 0.4 + draw * 0.1
  return lies ? 0.4 + draw * 1.6 : 0.98 + draw * 0.04
}

/** Serves clients while its master leads. */
class Service {
  readonly #env: Env
  readonly #replica: DiskReplica
  readonly #leadership: Leadership
  readonly #ledger: LiveLedger
  readonly #connections = new Set<Connection>()
  readonly #isQuiet: boolean
  #housekeeping: Timer
  #isPaused = false

  constructor(env: Env, replica: DiskReplica, leadership: Leadership, { broken, isQuiet }: SimMasterOptions) {
    this.#env = env
    this.#replica = replica
    this.#leadership = leadership
    this.#isQuiet = isQuiet
    const rule = broken.answersAtOnce
      ? (_version: number, action: () => void) => replica.journal.whenDurable(action)
      : (version: number, action: () => void) => leadership.whenCommitted(version, action)
    this.#ledger = new LiveLedger(replica.state as State, env.clock, replica.journal, rule, () => {})
    this.#ledger.listen((version, body) => replica.metaloggers?.changed(version, body))
    // As a real master's rounds do: lines that no client asked for.
    this.#housekeeping = env.clock.every(isQuiet ? 60_000 : 700, () =>
      this.#ledger.commit({ op: 'IDLE', ts: this.#ledger.now() }),
    )
  }

  /** A follower needs a checkpoint that says when the root was made. */
  async prepare(): Promise<void> {
    if (this.#ledger.state.metaId !== 0n) return
    this.#ledger.commit({ op: 'SETMETAID', ts: this.#ledger.now(), metaId: 77n })
    await this.#store()
  }

  /** The state as it is now, while it goes on changing. */
  async #store(): Promise<void> {
    const { disk } = this.#env
    const contents = Buffer.concat([...writeCheckpoint(this.#ledger.state)].map(piece => Buffer.from(piece)))
    const file = await disk.open(`${DATA}/checkpoint.new`, 'w+')
    await file.write(contents, 0)
    await file.sync()
    await file.close()
    await disk.rename(`${DATA}/checkpoint.new`, `${DATA}/${CHECKPOINT_BACK}`)
    await disk.syncFolder(DATA)
  }

  accept(connection: Connection): void {
    this.#connections.add(connection)
    const frames = frameReader<Request>(request => this.#onRequest(connection, request))
    connection.handle({
      data: bytes => frames.push(bytes),
      closed: () => void this.#connections.delete(connection),
    })
  }

  #onRequest(connection: Connection, { id, call }: Request): void {
    if (this.#isPaused) return
    const ledger = this.#ledger
    const decision = decide(ledger.state, call, ledger.now())
    // At least two lines, so that a request can be cut in the middle.
    ledger.together(() => {
      if (decision.status !== 0) return
      if (!this.#isQuiet) ledger.commit({ op: 'IDLE', ts: ledger.now() })
      for (const entry of decision.entries) ledger.commit(entry)
    })
    const inode = decision.status === 0 && call.op !== 'unlink' && call.op !== 'rename' ? { inode: decision.inode } : {}
    const { version } = ledger.state
    const { epoch } = this.#leadership
    const result = { status: decision.status, ...inode }
    ledger.whenCommitted(() => connection.write(frame({ id, leads: true, result, epoch, version })))
  }

  /** As a master does every hour: the logs rotate, the state goes into a new checkpoint. */
  async checkpoint(): Promise<void> {
    await this.#replica.journal.rotate()
    await this.#store()
  }

  setPaused(isPaused: boolean): void {
    this.#isPaused = isPaused
  }

  endLog(): void {
    this.#ledger.end()
  }

  close(): void {
    this.#isPaused = true
    this.#ledger.end()
    this.#housekeeping.cancel()
    for (const connection of this.#connections) connection.destroy()
  }
}

export class SimMaster {
  readonly name: string
  host: SimHost
  readonly way: EtcdWay
  freezer: Freezer
  member: Member | undefined
  /** Ended by itself for a reason that no fault explains. */
  failure: Error | undefined
  readonly #scheduler: Scheduler
  readonly #etcd: EtcdModel
  readonly #options: SimMasterOptions
  readonly #network: SimNetwork
  #service: Service | undefined
  #life = 0
  #isStarting = false

  constructor(
    scheduler: Scheduler,
    network: SimNetwork,
    address: string,
    etcd: EtcdModel,
    way: EtcdWay,
    name: string,
    options: SimMasterOptions,
  ) {
    this.#scheduler = scheduler
    this.#network = network
    this.host = new SimHost(scheduler, network, address)
    this.#etcd = etcd
    this.way = way
    this.name = name
    this.#options = options
    this.freezer = new Freezer(scheduler, 1)
  }

  /** Changes with every start and every end. */
  get life(): number {
    return this.#life
  }

  get isUp(): boolean {
    return this.member !== undefined || this.#isStarting
  }

  get state(): State | undefined {
    return (this.member?.replica as DiskReplica | undefined)?.state
  }

  /** Puts a new file system into the data folder. */
  async format(): Promise<void> {
    const { disk } = this.host.env('format')
    await disk.makeFolder(DATA)
    const file = await disk.open(`${DATA}/metadata.mfs`, 'w+')
    await file.write(Buffer.from('MFSM NEW'), 0)
    await file.sync()
    await file.close()
    await disk.syncFolder(DATA)
  }

  /** Starts it; one whose disk fails is down again. @throws what else goes wrong */
  async start(): Promise<void> {
    if (this.isUp) return
    const life = this.#life + 1
    this.#isStarting = true
    try {
      await this.#start()
      if (life === this.#life) this.#isStarting = false
    } catch (error) {
      if (life !== this.#life) return
      this.kill()
      if (!isDiskFailure(error)) throw error
    }
  }

  async #start(): Promise<void> {
    const life = ++this.#life
    const { random } = this.#scheduler
    this.freezer = new Freezer(this.#scheduler, clockRate(this.#options.clocksLie, random()))
    const env = this.freezer.env(this.host.env(this.name))
    await env.disk.makeFolder(DATA)
    const fail = (error: Error) => {
      if (life === this.#life) void this.#fail(error)
    }
    const metaloggers = { env, host: '*', port: METALOGGER_PORT, preserveSeconds: 1800 }
    const store = new DataFolder(env, DATA, { sync: { kind: 'commit', tailBytes: 4096 }, metaloggers }, fail)
    const replica = await store.open()
    if (life !== this.#life) return
    const lease: LeaseOptions = {
      ttlSeconds: 3,
      marginMs: 300,
      countsFromAnswer: this.#options.broken.leaseFromAnswer ?? false,
    }
    const address = { address: this.host.address, port: HA_PORT }
    const { gate } = this.freezer
    const etcd = this.#etcd.door(this.way, action => gate(() => life === this.#life && action()))
    const { peer, broken } = this.#options
    const target = { host: peer ?? '', port: HA_PORT, cluster: 'sim', secret: 'sim', timeoutMs: 700 }
    const times = { probeMs: 400, certainMs: 3000, silenceMs: PAIR_SILENCE_MS, marginMs: 300 }
    const arbiter = peer
      ? await PairArbiter.open(env, { address, peer: target, ...times, broken }, pairRecord(env.disk, DATA))
      : new EtcdArbiter(env.clock, etcd, this.name, { prefix: '/sim/', address, software: 'simulated', lease })
    if (life !== this.#life) return
    const leadership: LeadershipOptions = {
      silenceMs: peer ? PAIR_SILENCE_MS : 1500,
      minInSync: this.#options.minInSync,
      heartbeatMs: 300,
      backlogBytes: 4096,
      broken: { ...broken, shrinkAfterAck: broken.shrinkAfterAck ?? broken.leavesWitnessAfterAck ?? false },
    }
    const member = new Member(env, this.name, replica, store, arbiter, this.#program(env, fail), {
      listenHost: '*',
      listenPort: HA_PORT,
      pollMs: 400,
      following: {
        cluster: 'sim',
        secret: peer ? 'sim' : undefined,
        connectMs: 500,
        silenceMs: peer ? 1000 : 1500,
        ignoresEpochs: this.#options.broken.ignoresEpochs ?? false,
      },
      leadership,
      newFileSystemAfterMs: 300,
      holdOffMs: 3000,
      anyCandidate: broken.anyCandidate ?? false,
      broken,
    })
    this.member = member
    if (broken.tellsUncommitted) env.clock.every(20, () => member.replica.settled(Number.MAX_SAFE_INTEGER))
    await env.net.listen('*', CLIENT_PORT, connection => this.#onClient(connection))
    await member.start()
  }

  #program(env: Env, fail: (error: Error) => void): LeadingProgram {
    // What a life of this master that was ended goes on with touches nothing of the next one.
    let service: Service | undefined
    return {
      lead: async (replica: Replica, leadership) => {
        service = new Service(env, replica as DiskReplica, leadership, this.#options)
        await service.prepare()
        this.#service = service
      },
      pause: () => service?.setPaused(true),
      endLog: () => service?.endLog(),
      resume: () => service?.setPaused(false),
      leave: async () => {
        service?.close()
        if (this.#service === service) this.#service = undefined
      },
      roleChanged: () => {},
      fatal: fail,
    }
  }

  #onClient(connection: Connection): void {
    if (this.#service) return this.#service.accept(connection)
    const frames = frameReader<Request>(({ id }) => connection.write(frame({ id, leads: false })))
    connection.handle({ data: bytes => frames.push(bytes), closed() {} })
  }

  async #fail(error: Error): Promise<void> {
    if (!isDiskFailure(error)) this.failure ??= error
    this.#service?.close()
    this.#service = undefined
    await this.member?.abandon()
    this.kill()
  }

  /** Stores a checkpoint, if it leads. */
  async checkpoint(): Promise<void> {
    await this.#service?.checkpoint().catch(() => {})
  }

  /** kill -9. */
  kill(): void {
    this.#end()
    this.host.kill()
  }

  powerCut(): void {
    this.#end()
    this.host.powerCut()
  }

  #end(): void {
    this.#life++
    this.#isStarting = false
    this.member = undefined
    this.#service = undefined
  }

  /** SIGTERM: hands over and ends. */
  async stop(): Promise<void> {
    const { member } = this
    const life = this.#life
    await member?.stop().catch(error => {
      if (!isDiskFailure(error)) throw error
    })
    if (life === this.#life) this.kill()
  }

  /** The disk is replaced by an empty one. The master must be down. */
  loseDisk(): void {
    this.host = new SimHost(this.#scheduler, this.#network, this.host.address)
  }
}
