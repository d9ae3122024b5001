// Somebody who came to a master that does not lead. As long as it is not known who does he is kept waiting, because
// clients of the original that are sent away make a pause of seconds; then he is told, or is this master's own.
import type { Clock } from '../../env/env.ts'
import type { Connection } from '../../env/net.ts'
import { ProtocolError } from '../../protocol/codec.ts'
import { FrameReader } from '../../protocol/frame.ts'
import type { Reception, Reply } from './redirect.ts'
import { ReplayedConnection } from './replayed-connection.ts'

const MAX_PAYLOAD_BYTES = 1 << 20
/** Nobody has more to say before it is known who leads. */
const MAX_HEARD_BYTES = 2 * MAX_PAYLOAD_BYTES
/** Of answers that somebody does not read. */
const MAX_QUEUED_BYTES = 1 << 16
/** Long enough to come and ask, and for an election. */
const PATIENCE_MS = 10_000

export interface VisitorOptions {
  readonly clock: Clock
  readonly reception: Reception
  readonly challenge: Buffer
  /** Address as a number; 0: not known now. */
  readonly leader: () => number
  readonly gone: () => void
  /** Takes those that the reception has nothing to say to; without it they are let go. */
  readonly serve?: (connection: Connection) => void
  /** Takes those that have something to tell to a master that does not lead; without it they are let go. */
  readonly keep?: (connection: Connection) => void
}

export class Visitor {
  readonly #connection: Connection
  readonly #options: VisitorOptions
  /** All that came, for whoever takes over. */
  readonly #heard: Buffer[] = []
  #heardBytes = 0
  /** What is to be answered when it is known who leads. */
  #question: { type: number; payload: Buffer } | undefined
  #hasSpoken = false
  #isOver = false

  constructor(connection: Connection, options: VisitorOptions) {
    this.#connection = connection
    this.#options = options
    const frames = new FrameReader(MAX_PAYLOAD_BYTES, (type, payload) => this.#onPacket(type, payload))
    const timer = options.clock.after(PATIENCE_MS, () => this.#isOver || connection.destroy())
    connection.handle({
      data: bytes => {
        this.#heard.push(bytes)
        this.#heardBytes += bytes.length
        if (this.#heardBytes > MAX_HEARD_BYTES) return connection.destroy(new Error('it says too much'))
        try {
          frames.push(bytes)
        } catch (error) {
          if (!(error instanceof ProtocolError)) throw error
          connection.destroy()
        }
      },
      closed: () => {
        timer.cancel()
        this.#isOver = true
        options.gone()
      },
    })
  }

  #onPacket(type: number, payload: Buffer): void {
    if (this.#isOver) return
    const { reception, leader, challenge } = this.#options
    this.#act(reception(type, payload, leader(), challenge), type, payload)
  }

  #act(reply: Reply, type: number, payload: Buffer): void {
    switch (reply.kind) {
      case 'nothing':
        return
      case 'wait':
        if (this.#question) return this.#connection.destroy()
        this.#question = { type, payload }
        return
      case 'refuse':
        return this.#handOverOrEnd(this.#options.serve)
      case 'keep':
        return this.#handOverOrEnd(this.#options.keep)
      case 'say':
      case 'sayLast':
        this.#hasSpoken = true
        if (this.#connection.queuedBytes > MAX_QUEUED_BYTES)
          return this.#connection.destroy(new Error('it does not read'))
        this.#connection.write(reply.packet)
        if (reply.kind === 'sayLast') this.#connection.end()
    }
  }

  /** It is known who leads. */
  answer(): void {
    const question = this.#question
    this.#question = undefined
    if (question) this.#onPacket(question.type, question.payload)
  }

  /** This master leads now, and `serve` goes on with the connection as if it had just come. */
  handOver(serve: (connection: Connection) => void): void {
    if (this.#question) this.#handOver(serve)
    else this.#connection.destroy()
  }

  #handOverOrEnd(next: ((connection: Connection) => void) | undefined): void {
    if (next) this.#handOver(next)
    else this.#connection.destroy()
  }

  /** One that was already spoken to is let go: what was said (a challenge) was not the leader's. */
  #handOver(serve: (connection: Connection) => void): void {
    if (this.#isOver) return
    this.#options.gone()
    if (this.#hasSpoken) return this.#connection.destroy()
    this.#isOver = true
    serve(new ReplayedConnection(this.#connection, this.#heard))
  }
}
