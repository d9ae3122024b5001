// One connection between masters: frames, signs of life, and proof that both know HA_AUTH_CODE.
import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Clock } from '../env/env.ts'
import type { Connection } from '../env/net.ts'
import { ProtocolError } from '../protocol/codec.ts'
import { FrameReader } from '../protocol/frame.ts'
import { PROOF_BYTES } from '../protocol/matoma.ts'

const MAX_PAYLOAD_BYTES = 256 << 20

/** What shows that this side knows the secret; zeros without one. */
export function proofOf(secret: string | undefined, nonce: Buffer): Buffer {
  return secret === undefined ? Buffer.alloc(PROOF_BYTES) : createHmac('sha256', secret).update(nonce).digest()
}

export function isProof(secret: string | undefined, nonce: Buffer, proof: Buffer): boolean {
  return timingSafeEqual(proofOf(secret, nonce), proof)
}

export interface LinkHandlers {
  /** @throws ProtocolError to close the connection */
  packet(type: number, payload: Buffer): void
  drained?(): void
  /** Once, whoever ended it. */
  closed(why: string): void
}

export class Link {
  readonly #clock: Clock
  readonly #connection: Connection
  #why: string | undefined
  #handlers: LinkHandlers | undefined
  heardMs: number

  constructor(clock: Clock, connection: Connection) {
    this.#clock = clock
    this.#connection = connection
    this.heardMs = clock.monotonicMs()
  }

  /** Begins to listen. */
  open(handlers: LinkHandlers): void {
    this.#handlers = handlers
    const frames = new FrameReader(MAX_PAYLOAD_BYTES, (type, payload) => {
      if (this.#why === undefined) this.#handlers?.packet(type, payload)
    })
    this.#connection.handle({
      data: bytes => {
        this.heardMs = this.#clock.monotonicMs()
        try {
          frames.push(bytes)
        } catch (error) {
          if (!(error instanceof ProtocolError)) throw error
          this.close(error.message)
        }
      },
      drain: () => this.#handlers?.drained?.(),
      closed: error => this.#ended(error?.message ?? 'the other side closed the connection'),
    })
  }

  /** From this machine. */
  get isLocal(): boolean {
    const { remoteAddress, localAddress } = this.#connection
    return remoteAddress === localAddress || remoteAddress.startsWith('127.')
  }

  get remoteAddress(): string {
    return this.#connection.remoteAddress
  }

  get queuedBytes(): number {
    return this.#connection.queuedBytes
  }

  get silentMs(): number {
    return this.#clock.monotonicMs() - this.heardMs
  }

  get isOpen(): boolean {
    return this.#why === undefined
  }

  /** From now on somebody else listens. */
  handOver(handlers: LinkHandlers): void {
    this.#handlers = handlers
  }

  send(packet: Buffer): void {
    if (this.#why === undefined) this.#connection.write(packet)
  }

  /** Nothing more is taken in until resume(). */
  pause(): void {
    this.#connection.pause()
  }

  resume(): void {
    this.#connection.resume()
  }

  /** Sends this, then closes. */
  sendLast(packet: Buffer, why: string): void {
    this.send(packet)
    this.#connection.end()
    this.#ended(why)
  }

  close(why: string): void {
    this.#connection.destroy()
    this.#ended(why)
  }

  #ended(why: string): void {
    if (this.#why !== undefined) return
    this.#why = why
    this.#handlers?.closed(why)
  }
}
