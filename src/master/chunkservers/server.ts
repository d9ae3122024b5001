// The port for chunkservers: registration, reports, answers (spec chunkserver 2).
import type { Env, Timer } from '../../env/env.ts'
import type { Connection, Listener } from '../../env/net.ts'
import { ServerOperation } from '../../metadata/chunks/apply.ts'
import { ProtocolError, Reader } from '../../protocol/codec.ts'
import { VERSION } from '../../protocol/constants.ts'
import * as cstoma from '../../protocol/cstoma.ts'
import { FrameReader } from '../../protocol/frame.ts'
import * as matocs from '../../protocol/matocs.ts'
import { formatIpv4, parseIpv4 } from '../../util/ipv4.ts'
import type { ChunkManager } from '../chunks/chunk-manager.ts'
import type { ChunkServer } from '../chunks/chunk-server.ts'
import type { Ledger } from '../ledger.ts'

const MAX_PAYLOAD_BYTES = 500_000_000
const MAX_QUEUED_BYTES = 64 << 20
const NOP = Buffer.alloc(8)

export interface ChunkserverPortOptions {
  /** Seconds without a word after which a chunkserver counts as gone (MATOCS_TIMEOUT). */
  timeoutSeconds: number
  /** A server has told all that it has, or is gone: what clients know of copies is stale. */
  onServersChanged: () => void
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
    this.#listener = await this.#env.net.listen(host, port, connection => {
      this.#links.add(
        new ServerLink(this.#env, this.#ledger, this.#manager, this.#options, connection, link =>
          this.#links.delete(link),
        ),
      )
    })
    this.#timer = this.#env.clock.every(1000, () => {
      for (const link of this.#links) link.tick()
    })
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
class ServerLink implements ChunkServer {
  ip = 0
  port = 0
  version = 0
  labels = 0
  registered = false
  total = 0
  available = 0
  readonly rows = new Set<number>()
  deletions = 0
  incoming = 0
  outgoing = 0
  readonly #env: Env
  readonly #ledger: Ledger
  readonly #manager: ChunkManager
  readonly #connection: Connection
  readonly #onServersChanged: () => void
  #timeoutMs: number
  #defaultTimeoutSeconds: number
  #begun = false
  #heardMs: number
  #saidMs: number

  constructor(
    env: Env,
    ledger: Ledger,
    manager: ChunkManager,
    options: ChunkserverPortOptions,
    connection: Connection,
    onClosed: (link: ServerLink) => void,
  ) {
    this.#env = env
    this.#ledger = ledger
    this.#manager = manager
    this.#connection = connection
    this.#onServersChanged = options.onServersChanged
    this.#defaultTimeoutSeconds = options.timeoutSeconds
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
          env.log.warning(`chunkserver ${this.name}: ${error.message}: connection closed`)
          connection.destroy()
        }
      },
      closed: () => {
        onClosed(this)
        if (!this.#begun) return
        env.log.notice(`chunkserver ${this.name} is disconnected`)
        manager.serverLeft(this)
        options.onServersChanged()
      },
    })
  }

  get name(): string {
    return this.port ? `${formatIpv4(this.ip)}:${this.port}` : this.#connection.remoteAddress
  }

  send(packet: Buffer): void {
    this.#saidMs = this.#env.clock.monotonicMs()
    if (this.#connection.queuedBytes > MAX_QUEUED_BYTES) this.#connection.destroy(new Error('it does not read'))
    else this.#connection.write(packet)
  }

  destroy(): void {
    this.#connection.destroy()
  }

  tick(): void {
    const now = this.#env.clock.monotonicMs()
    if (now - this.#heardMs > this.#timeoutMs) this.#connection.destroy(new Error('it is silent'))
    else if (now - this.#saidMs > this.#timeoutMs / 3) this.send(NOP)
  }

  #onPacket(type: number, payload: Buffer): void {
    if (type === 0) return
    if (type === cstoma.register.code) return this.#onRegister(payload)
    if (!this.#begun) throw new ProtocolError(`message ${type} before registration`)
    this.#onReport(type, payload)
  }

  #onRegister(payload: Buffer): void {
    const { form, body } = cstoma.register.decode(payload)
    switch (form) {
      case cstoma.RegisterForm.BEGIN:
        return this.#onBegin(body)
      case cstoma.RegisterForm.CHUNKS:
        if (!this.#begun) throw new ProtocolError('chunks before the beginning of the registration')
        this.#onChunks(cstoma.registerChunks.read(new Reader(body)))
        return this.send(matocs.masterGoOn.encode({ kind: 0 }))
      case cstoma.RegisterForm.END:
        if (!this.#begun) throw new ProtocolError('end before the beginning of the registration')
        this.registered = true
        this.#env.log.notice(`chunkserver ${this.name} is registered with ${this.rows.size} chunks`)
        this.#onServersChanged()
        return
      case cstoma.RegisterForm.DISCONNECT:
        return this.#connection.end()
      default:
        throw new ProtocolError(`registration of form ${form}`)
    }
  }

  #onBegin(body: Buffer): void {
    if (this.#begun) throw new ProtocolError('second registration')
    const begin = cstoma.registerBegin.read(new Reader(body))
    this.ip = begin.ip || (parseIpv4(this.#connection.remoteAddress) ?? 0)
    this.port = begin.port
    this.version = begin.version
    if (begin.timeout > 0 && begin.timeout < 10) throw new ProtocolError(`time-out of ${begin.timeout} s`)
    if (begin.timeout > 0) this.#timeoutMs = begin.timeout * 1000
    this.#onSpace(begin)
    const serverId = this.#knownAs(begin.serverId)
    this.#begun = true
    this.#manager.serverJoined(this)
    this.#ledger.whenCommitted(() =>
      this.send(
        matocs.masterWelcome.encode({
          kind: 0,
          version: VERSION,
          timeout: begin.timeout || this.#defaultTimeoutSeconds,
          serverId,
          metaId: this.#ledger.state.metaId,
        }),
      ),
    )
  }

  /** The stable id of this server, by its id or its address; a new server gets one (spec chunkserver 2.3.4). */
  #knownAs(givenId: number): number {
    const { knownServers } = this.#ledger.state
    const { ip, port } = this
    const ts = this.#ledger.now()
    const there = knownServers.at(ip, port)
    if (there && there.id !== 0) return there.id
    const moved = givenId === 0 ? undefined : knownServers.byId(givenId)
    if (moved) {
      this.#ledger.commit({ op: 'CSDBOP', ts, operation: ServerOperation.MOVE, ip, port, argument: givenId })
      return givenId
    }
    const id = givenId || knownServers.nextId()
    if (!there) this.#ledger.commit({ op: 'CSDBOP', ts, operation: ServerOperation.ADD, ip, port, argument: 0 })
    this.#ledger.commit({ op: 'CSDBOP', ts, operation: ServerOperation.SET_ID, ip, port, argument: id })
    return id
  }

  #onSpace({ used, total }: { used: number; total: number }): void {
    this.total = total
    this.available = Math.max(0, total - used)
  }

  #onChunks(chunks: { chunkId: number; version: number }[]): void {
    for (const { chunkId, version } of chunks) {
      // A copy on a disk marked for removal still serves.
      this.#manager.copyReported(this, chunkId, version & ~cstoma.MARKED_FOR_REMOVAL)
    }
  }

  #onReport(type: number, payload: Buffer): void {
    const manager = this.#manager
    switch (type) {
      case cstoma.space.code:
        return this.#onSpace(cstoma.space.decode(payload))
      case cstoma.chunkDamaged.code:
        for (const id of cstoma.chunkDamaged.decode(payload).chunkIds) manager.copyDamaged(this, id)
        return
      case cstoma.chunkLost.code:
        for (const id of cstoma.chunkLost.decode(payload).chunkIds) manager.copyLost(this, id)
        return
      case cstoma.chunkNew.code:
        return this.#onChunks(cstoma.chunkNew.decode(payload).chunks)
      case cstoma.labels.code:
        this.labels = cstoma.labels.decode(payload).mask
        return
      case cstoma.currentLoad.code:
      case cstoma.errorOccurred.code:
        return
      case cstoma.remove.code: {
        const { chunkId, status } = cstoma.remove.decode(payload)
        return manager.deleteAnswered(this, chunkId, status)
      }
      case cstoma.replicate.code: {
        const { chunkId, version, status } = cstoma.replicate.decode(payload)
        return manager.replicateAnswered(this, chunkId, version, status)
      }
      default:
        return this.#onCommandAnswer(type, payload)
    }
  }

  #onCommandAnswer(type: number, payload: Buffer): void {
    const answers = [cstoma.create, cstoma.setVersion, cstoma.duplicate, cstoma.truncate, cstoma.duptrunc]
    const answer = answers.find(({ code }) => code === type)
    if (!answer) throw new ProtocolError(`unknown message ${type}`)
    const { chunkId, status } = answer.decode(payload)
    this.#manager.commandAnswered(this, chunkId, status)
  }
}
