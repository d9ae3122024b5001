// The port for chunkservers: registration, reports, answers (spec chunkserver 2).
import type { Env, Timer } from '../../env/env.ts'
import type { Connection, Listener } from '../../env/net.ts'
import { ServerOperation } from '../../metadata/chunks/apply.ts'
import * as cltocs from '../../protocol/cltocs.ts'
import { ProtocolError, Reader } from '../../protocol/codec.ts'
import { EPOCH_OPTION, FOLLOWERS_OPTION, VERSION } from '../../protocol/constants.ts'
import * as cstocl from '../../protocol/cstocl.ts'
import * as cstoma from '../../protocol/cstoma.ts'
import { FrameReader } from '../../protocol/frame.ts'
import * as matocs from '../../protocol/matocs.ts'
import { parseIpv4 } from '../../util/ipv4.ts'
import type { ChunkManager } from '../chunks/chunk-manager.ts'
import { type ChunkServer, LoadState } from '../chunks/chunk-server.ts'
import type { Ledger } from '../ledger.ts'
import type { MasterStatistics } from '../statistics.ts'
import { type Admission, AdmissionGate, type RegisterBegin, remapped } from './admission.ts'
import type { EarlyRegistration } from './early-registration.ts'

const MAX_PAYLOAD_BYTES = 500_000_000
const MAX_QUEUED_BYTES = 64 << 20
const NOP = Buffer.alloc(8)

export interface ChunkserverPortOptions {
  /** Seconds without a word after which a chunkserver counts as gone (MATOCS_TIMEOUT). */
  timeoutSeconds: number
  /** A server has told all that it has, or is gone: what clients know of copies is stale. */
  onServersChanged: () => void
  /** That this master leads; 0: it is the only one. */
  epoch: number
  /** Addresses of masters that follow this one. */
  followers: () => readonly string[]
  /** Holds for connections from now on. */
  admission: Admission
  statistics: MasterStatistics
}

type SpaceReport = Omit<ReturnType<typeof cstoma.space.decode>, 'chunks'>
interface Address {
  ip: number
  port: number
}

export class ChunkserverPort {
  readonly #env: Env
  readonly #ledger: Ledger
  readonly #manager: ChunkManager
  readonly #options: ChunkserverPortOptions
  readonly #links = new Set<ServerLink>()
  #listener: Listener | undefined
  #timer: Timer | undefined

  constructor(env: Env, ledger: Ledger, manager: ChunkManager, options: ChunkserverPortOptions) {
    this.#env = env
    this.#ledger = ledger
    this.#manager = manager
    this.#options = options
  }

  async listen(host: string, port: number): Promise<void> {
    this.#listener = await this.#env.net.listen(host, port, connection => void this.#link(connection))
    this.#timer = this.#env.clock.every(1000, () => {
      for (const link of this.#links) link.tick()
    })
  }

  #link(connection: Connection, early?: EarlyRegistration): ServerLink {
    const gone = (link: ServerLink) => void this.#links.delete(link)
    const link = new ServerLink(this.#env, this.#ledger, this.#manager, this.#options, connection, gone, early)
    this.#links.add(link)
    return link
  }

  /** Goes on with one that has told what it has while this master followed. */
  adopt(connection: Connection, early: EarlyRegistration): void {
    this.#link(connection, early).announce()
  }

  /** Those that are registered stay as they are. */
  setAdmission(admission: Admission): void {
    this.#options.admission = admission
  }

  get connected(): number {
    return [...this.#links].filter(({ registered }) => registered).length
  }

  async close(): Promise<void> {
    this.#timer?.cancel()
    for (const link of this.#links) link.destroy()
    await this.#listener?.close()
  }
}

/** One connection of a chunkserver. */
class ServerLink {
  readonly #env: Env
  readonly #ledger: Ledger
  readonly #manager: ChunkManager
  readonly #connection: Connection
  readonly #options: ChunkserverPortOptions
  /** From the beginning of its registration. */
  #server: ChunkServer | undefined
  /** What it told while this master followed, until it has said that this is all. */
  #early: EarlyRegistration | undefined
  readonly #gate: AdmissionGate
  #timeoutMs: number
  #heardMs: number
  #saidMs: number

  constructor(
    env: Env,
    ledger: Ledger,
    manager: ChunkManager,
    options: ChunkserverPortOptions,
    connection: Connection,
    onClosed: (link: ServerLink) => void,
    early?: EarlyRegistration,
  ) {
    this.#early = early
    this.#gate = new AdmissionGate(env.random)
    this.#env = env
    this.#ledger = ledger
    this.#manager = manager
    this.#connection = connection
    this.#options = options
    this.#timeoutMs = options.timeoutSeconds * 1000
    this.#heardMs = this.#saidMs = env.clock.monotonicMs()
    const frames = new FrameReader(MAX_PAYLOAD_BYTES, (type, payload) => this.#onPacket(type, payload))
    connection.handle({
      data: bytes => {
        this.#heardMs = env.clock.monotonicMs()
        try {
          frames.push(bytes)
        } catch (error) {
          if (!(error instanceof ProtocolError)) throw error
          env.log.warning(`chunkserver ${this.#name}: ${error.message}: connection closed`)
          connection.destroy()
        }
      },
      closed: () => {
        onClosed(this)
        if (this.#server) this.#onLeft(this.#server)
      },
    })
  }

  /** One that told a follower in advance hears that this leads now. */
  announce(): void {
    this.#send(cstocl.configValue.encode({ msgid: 0, value: String(this.#options.epoch) }))
  }

  get registered(): boolean {
    return this.#server?.registered ?? false
  }

  get #name(): string {
    return this.#server?.name ?? this.#connection.remoteAddress
  }

  #onLeft(server: ChunkServer): void {
    this.#env.log.notice(`chunkserver ${server.name} is disconnected`)
    this.#manager.serverLeft(server)
    this.#options.onServersChanged()
  }

  #send(packet: Buffer): void {
    this.#saidMs = this.#env.clock.monotonicMs()
    this.#options.statistics.sentToServer(packet.readUInt32BE(0))
    if (this.#connection.queuedBytes > MAX_QUEUED_BYTES) this.#connection.destroy(new Error('it does not read'))
    else this.#connection.write(packet)
  }

  destroy(): void {
    this.#connection.destroy()
  }

  tick(): void {
    const now = this.#env.clock.monotonicMs()
    if (now - this.#heardMs > this.#timeoutMs) this.#connection.destroy(new Error('it is silent'))
    else if (now - this.#saidMs > this.#timeoutMs / 3) this.#send(NOP)
  }

  #onPacket(type: number, payload: Buffer): void {
    if (type === 0) return
    if (type === cstoma.register.code) return this.#onRegister(payload)
    if (type === cltocs.getConfig.code) return this.#onGetConfig(cltocs.getConfig.decode(payload))
    if (this.#early) return this.#early.report(type, payload)
    if (!this.#server) throw new ProtocolError(`message ${type} before registration`)
    this.#options.statistics.receivedFromServer(type, payload)
    this.#onReport(this.#server, type, payload)
  }

  /** A server of ours obeys no master of an epoch that is over, and tells followers in advance what it has. */
  #onGetConfig({ msgid, option }: { msgid: number; option: string }): void {
    const { epoch, followers } = this.#options
    if (option === EPOCH_OPTION && this.#server) this.#server.isOurs = true
    const value = option === EPOCH_OPTION ? String(epoch) : option === FOLLOWERS_OPTION ? followers().join(' ') : ''
    this.#send(cstocl.configValue.encode({ msgid, value }))
  }

  #onRegister(payload: Buffer): void {
    const { form, body } = cstoma.register.decode(payload)
    if (form === cstoma.RegisterForm.BEGIN) return this.#onBegin(body)
    if (form === cstoma.RegisterForm.EARLY) throw new ProtocolError('it takes this master for a follower')
    if (this.#early) return this.#onEarlyForm(this.#early, form, body)
    const server = this.#server
    if (!server) throw new ProtocolError(`registration of form ${form} before its beginning`)
    switch (form) {
      case cstoma.RegisterForm.CHUNKS:
        this.#manager.copiesReported(server, cstoma.registerChunks.read(new Reader(body)))
        return this.#send(matocs.masterGoOn.encode({ kind: 0 }))
      case cstoma.RegisterForm.END:
        this.#manager.serverRegistered(server)
        this.#env.log.notice(`chunkserver ${server.name} is registered with ${server.copies} chunks`)
        this.#options.onServersChanged()
        return
      case cstoma.RegisterForm.DISCONNECT:
        this.#manager.serverStops(server)
        return this.#connection.end()
      default:
        throw new ProtocolError(`registration of form ${form}`)
    }
  }

  #onEarlyForm(early: EarlyRegistration, form: number, body: Buffer): void {
    if (form === cstoma.RegisterForm.END) return this.#onEarlyEnd(early)
    if (form !== cstoma.RegisterForm.CHUNKS) throw new ProtocolError(`registration of form ${form}`)
    early.list(body)
    this.#send(matocs.masterGoOn.encode({ kind: 0 }))
  }

  #onBegin(body: Buffer): void {
    if (this.#server || this.#early) throw new ProtocolError('second registration')
    const begin = this.#gate.begin(body, this.#options.admission.authCode, packet => this.#send(packet))
    if (!begin) return
    const { id } = this.#joins(begin)
    this.#ledger.whenCommitted(() =>
      this.#send(
        matocs.masterWelcome.encode({
          kind: 0,
          version: VERSION,
          timeout: begin.timeout || this.#options.timeoutSeconds,
          serverId: id,
          metaId: this.#ledger.state.metaId,
        }),
      ),
    )
  }

  /** @throws ProtocolError when it is connected already */
  #joins(begin: RegisterBegin): ChunkServer {
    if (begin.timeout > 0) this.#timeoutMs = begin.timeout * 1000
    const ip = begin.ip || (parseIpv4(this.#connection.remoteAddress) ?? 0)
    const address = { ip: remapped(ip, this.#options.admission), port: begin.port }
    const id = knownAs(this.#ledger, this.#manager, begin.serverId, address)
    const identity = { id, ...address, version: begin.version }
    const server = this.#manager.serverJoined(identity, packet => this.#send(packet))
    this.#server = server
    // None but ours tells anything early.
    server.isOurs = this.#early !== undefined
    this.#onSpace(server, begin)
    return server
  }

  /** It has told that nothing is missing in what it told in advance. */
  #onEarlyEnd({ begin, space, labels, copies, unsure }: EarlyRegistration): void {
    this.#early = undefined
    const server = this.#joins(begin)
    this.#onSpace(server, space)
    server.labels = labels
    const { count } = copies
    this.#manager.copiesUnsure(server, unsure)
    this.#manager.serverForetold(server, copies)
    this.#env.log.notice(`chunkserver ${server.name} is registered with ${count} chunks, told in advance`)
    this.#options.onServersChanged()
  }

  #onSpace(server: ChunkServer, space: SpaceReport): void {
    const wasFull = server.isFull
    server.used = space.used
    server.total = space.total
    server.removedUsed = space.removedUsed
    server.removedTotal = space.removedTotal
    server.removedChunks = space.removedChunks
    if (server.isFull !== wasFull) this.#manager.serverChanged()
  }

  #onReport(server: ChunkServer, type: number, payload: Buffer): void {
    const manager = this.#manager
    switch (type) {
      case cstoma.space.code:
        return this.#onSpace(server, cstoma.space.decode(payload))
      case cstoma.chunkDamaged.code:
        for (const id of cstoma.chunkDamaged.decode(payload).chunkIds) manager.copyDamaged(server, id)
        return
      case cstoma.chunkLost.code:
        for (const id of cstoma.chunkLost.decode(payload).chunkIds) manager.copyLost(server, id)
        return
      case cstoma.chunksUnsure.code:
        return manager.copiesUnsure(server, cstoma.chunksUnsure.decode(payload).chunkIds)
      case cstoma.chunkNew.code:
        return manager.copiesReported(server, cstoma.chunkNew.decode(payload).chunks)
      case cstoma.labels.code:
        server.labels = cstoma.labels.decode(payload).mask
        return manager.serverChanged()
      case cstoma.currentLoad.code:
        return this.#onLoad(server, cstoma.currentLoad.decode(payload))
      case cstoma.errorOccurred.code:
        server.errors++
        return
      case cstoma.writeCutShort.code: {
        const { chunkId, ip } = cstoma.writeCutShort.decode(payload)
        return manager.writeCutShort(chunkId, ip)
      }
      case cstoma.remove.code: {
        const { chunkId, status } = cstoma.remove.decode(payload)
        return manager.deleteAnswered(server, chunkId, status)
      }
      case cstocl.chunkChecksum.code: {
        const told = cstocl.chunkChecksum.decode(payload)
        const checksum = told.status === undefined ? told.checksum : undefined
        return manager.checksumTold(server, told.chunkId, told.version, checksum)
      }
      case cstoma.replicate.code: {
        const { chunkId, version, status } = cstoma.replicate.decode(payload)
        return manager.replicateAnswered(server, chunkId, version, status)
      }
      default:
        return this.#onCommandAnswer(server, type, payload)
    }
  }

  #onLoad(server: ChunkServer, { load, state }: { load: number; state: Buffer }): void {
    const wasStrained = server.isStrained
    server.load = load
    const told = state[0] ?? LoadState.UNKNOWN
    server.loadState = told === LoadState.OK || told === LoadState.OVERLOADED || told === LoadState.REBALANCE ? told : 0
    if (server.isStrained !== wasStrained) this.#manager.serverChanged()
  }

  #onCommandAnswer(server: ChunkServer, type: number, payload: Buffer): void {
    const answers = [cstoma.create, cstoma.setVersion, cstoma.duplicate, cstoma.truncate, cstoma.duptrunc]
    const answer = answers.find(({ code }) => code === type)
    if (!answer) throw new ProtocolError(`unknown message ${type}`)
    const { chunkId, status } = answer.decode(payload)
    this.#manager.commandAnswered(server, chunkId, status)
  }
}

/**
 * The stable id of a server, by its id or its address; a new server gets one (spec chunkserver 2.3.4).
 * @throws ProtocolError when it is connected already
 */
function knownAs(ledger: Ledger, manager: ChunkManager, givenId: number, { ip, port }: Address): number {
  const { knownServers } = ledger.state
  const ts = ledger.now()
  const there = knownServers.at(ip, port)
  if (there && there.id !== 0) {
    if (manager.isConnected(there.id)) throw new ProtocolError('it is connected already')
    return there.id
  }
  const moved = givenId === 0 || there ? undefined : knownServers.byId(givenId)
  if (moved && !manager.isConnected(givenId)) {
    ledger.commit({ op: 'CSDBOP', ts, operation: ServerOperation.MOVE, ip, port, argument: givenId })
    return givenId
  }
  const id = givenId !== 0 && !knownServers.byId(givenId) ? givenId : knownServers.nextId()
  if (!there) ledger.commit({ op: 'CSDBOP', ts, operation: ServerOperation.ADD, ip, port, argument: 0 })
  ledger.commit({ op: 'CSDBOP', ts, operation: ServerOperation.SET_ID, ip, port, argument: id })
  return id
}
