// Chunkservers that tell this master what they have while it follows. It says nothing to them but that it is there.
import type { Env, Timer } from '../../env/env.ts'
import type { Connection } from '../../env/net.ts'
import { ProtocolError } from '../../protocol/codec.ts'
import { VERSION } from '../../protocol/constants.ts'
import * as cstoma from '../../protocol/cstoma.ts'
import { FrameReader } from '../../protocol/frame.ts'
import * as matocs from '../../protocol/matocs.ts'
import { AdmissionGate } from '../chunkservers/admission.ts'
import { EarlyRegistration } from '../chunkservers/early-registration.ts'
import { ReplayedConnection } from './replayed-connection.ts'

const MAX_PAYLOAD_BYTES = 1 << 20
const TICK_MS = 1000
const NOP = Buffer.alloc(8)

export interface EarlyRules {
  /** Seconds without a word after which a chunkserver counts as gone. */
  readonly timeoutSeconds: number
  readonly authCode: string | undefined
  /** Of the file system here; 0n: there is none yet. */
  readonly metaId: bigint
}

/** One that goes on with whoever serves from now on. */
export interface EarlyServer {
  readonly connection: Connection
  readonly registration: EarlyRegistration
}

export class EarlyServers {
  readonly #env: Env
  readonly #rules: () => EarlyRules
  readonly #links = new Set<EarlyLink>()
  #timer: Timer | undefined

  constructor(env: Env, rules: () => EarlyRules) {
    this.#env = env
    this.#rules = rules
  }

  readonly accept = (connection: Connection): void => {
    this.#timer ??= this.#env.clock.every(TICK_MS, () => this.#tick())
    const link: EarlyLink = new EarlyLink(this.#env, this.#rules(), connection, () => this.#links.delete(link))
    this.#links.add(link)
    link.open()
  }

  #tick(): void {
    for (const link of this.#links) link.tick()
  }

  /** This master leads: all those that have begun. */
  take(): EarlyServer[] {
    const servers = [...this.#links].flatMap(link => link.handOver() ?? [])
    this.#links.clear()
    return servers
  }

  close(): void {
    this.#timer?.cancel()
    for (const link of this.#links) link.destroy()
  }
}

class EarlyLink {
  readonly #env: Env
  readonly #rules: EarlyRules
  readonly #connection: Connection
  readonly #gate: AdmissionGate
  readonly #onClosed: () => void
  readonly #frames = new FrameReader(MAX_PAYLOAD_BYTES, (type, payload) => this.#onPacket(type, payload))
  #registration: EarlyRegistration | undefined
  #heardMs: number
  #saidMs: number

  constructor(env: Env, rules: EarlyRules, connection: Connection, onClosed: () => void) {
    this.#env = env
    this.#rules = rules
    this.#connection = connection
    this.#gate = new AdmissionGate(env.random)
    this.#onClosed = onClosed
    this.#heardMs = this.#saidMs = env.clock.monotonicMs()
  }

  open(): void {
    this.#connection.handle({
      data: bytes => {
        this.#heardMs = this.#env.clock.monotonicMs()
        try {
          this.#frames.push(bytes)
        } catch (error) {
          if (!(error instanceof ProtocolError)) throw error
          this.#env.log.warning(`chunkserver ${this.#connection.remoteAddress}: ${error.message}: connection closed`)
          this.#connection.destroy()
        }
      },
      closed: () => this.#onClosed(),
    })
  }

  #send(packet: Buffer): void {
    this.#saidMs = this.#env.clock.monotonicMs()
    this.#connection.write(packet)
  }

  get #timeoutMs(): number {
    return 1000 * (this.#registration?.begin.timeout || this.#rules.timeoutSeconds)
  }

  tick(): void {
    const now = this.#env.clock.monotonicMs()
    if (now - this.#heardMs > this.#timeoutMs) this.#connection.destroy()
    else if (now - this.#saidMs > this.#timeoutMs / 3) this.#send(NOP)
  }

  destroy(): void {
    this.#connection.destroy()
  }

  /** Undefined: it has not begun, and is let go. */
  handOver(): EarlyServer | undefined {
    const registration = this.#registration
    if (!registration) {
      this.#connection.destroy()
      return undefined
    }
    return { connection: new ReplayedConnection(this.#connection, [this.#frames.unread()]), registration }
  }

  #onPacket(type: number, payload: Buffer): void {
    if (type === 0) return
    if (type === cstoma.register.code) return this.#onRegister(payload)
    if (!this.#registration) throw new ProtocolError(`message ${type} before registration`)
    this.#registration.report(type, payload)
  }

  #onRegister(payload: Buffer): void {
    const { form, body } = cstoma.register.decode(payload)
    const registration = this.#registration
    if (!registration && form === cstoma.RegisterForm.EARLY) return this.#onEarly(body)
    if (!registration || form !== cstoma.RegisterForm.CHUNKS) throw new ProtocolError(`registration of form ${form}`)
    registration.list(body)
    this.#send(matocs.masterGoOn.encode({ kind: 0 }))
  }

  #onEarly(body: Buffer): void {
    const { authCode, metaId, timeoutSeconds } = this.#rules
    if (metaId === 0n) throw new ProtocolError('there is no metadata here yet')
    const begin = this.#gate.begin(body, authCode, packet => this.#send(packet))
    if (!begin) return
    this.#registration = new EarlyRegistration(begin)
    const timeout = begin.timeout || timeoutSeconds
    this.#send(matocs.masterWelcome.encode({ kind: 0, version: VERSION, timeout, serverId: begin.serverId, metaId }))
  }
}
