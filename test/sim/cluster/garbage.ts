// Peers that send nonsense: any message that there is, with any bytes in it.
import type { Connection, Net } from '../../../src/env/net.ts'
import { Writer } from '../../../src/protocol/codec.ts'
import { VERSION } from '../../../src/protocol/constants.ts'
import type { SimCluster } from './cluster.ts'

/** Payloads that are tried for a message before another one is taken. */
const TRIES = 60

/** A declared message. */
interface Coded {
  readonly code: number
  decode(payload: Buffer, version?: number): unknown
}

/** All messages of a module. */
export function messagesOf(module: object): Coded[] {
  const isCoded = (value: unknown): value is Coded =>
    typeof value === 'object' && value !== null && 'code' in value && 'decode' in value
  return Object.values(module).filter(isCoded)
}

export function framed(code: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(8)
  head.writeUInt32BE(code)
  head.writeUInt32BE(payload.length, 4)
  return Buffer.concat([head, payload])
}

export function written(write: (out: Writer) => void): Buffer {
  const out = new Writer()
  write(out)
  return Buffer.from(out.take())
}

function canBeRead(message: Coded, payload: Buffer): boolean {
  try {
    message.decode(payload, VERSION)
    return true
  } catch {
    return false
  }
}

export class Nonsense {
  readonly #cluster: SimCluster
  readonly #messages: readonly Coded[]
  /** Connections that the other side ended. */
  refused = 0
  sent = 0

  constructor(cluster: SimCluster, messages: readonly Coded[]) {
    this.#cluster = cluster
    this.#messages = messages
  }

  #below(limit: number): number {
    return this.#cluster.scheduler.between(0, limit - 1)
  }

  /** Fields of 32 bits that are mostly small, so that they are of things that exist, and now and then absurd. */
  #payload(): Buffer {
    const words = Array.from({ length: this.#below(14) }, () => {
      const draw = this.#below(10)
      return draw === 0
        ? 0xffffffff
        : draw === 1
          ? this.#below(2 ** 31)
          : draw < 4
            ? this.#below(2 ** 16)
            : this.#below(9)
    })
    const bytes = Buffer.alloc(4 * words.length + this.#below(4), this.#below(3))
    words.forEach((word, i) => {
      bytes.writeUInt32BE(word, 4 * i)
    })
    return bytes
  }

  /** Mostly what can be read as the message that it says it is. */
  #packet(): Buffer {
    const message = this.#messages[this.#below(this.#messages.length)] as Coded
    if (this.#below(60) === 0) return framed(this.#below(2000), this.#payload())
    let payload = this.#payload()
    for (let tries = 0; tries < TRIES && !canBeRead(message, payload); tries++) payload = this.#payload()
    if (!canBeRead(message, payload) && this.#below(10) > 0) return this.#packet()
    const packet = framed(message.code, payload)
    // An announced length that is not true; the rest is taken for the end of it.
    if (this.#below(100) === 0) packet.writeUInt32BE(this.#below(2) === 0 ? 0xffffffff : this.#below(300), 4)
    return packet
  }

  /** One connection: `greeting`, then nonsense until the other side has enough. */
  async speak(net: Net, host: string, port: number, greeting: readonly Buffer[], packets: number): Promise<void> {
    const connection = await net.connect(host, port, { timeoutMs: 1000 })
    let isOver = false
    connection.handle({
      data() {},
      closed: () => {
        isOver = true
      },
    })
    for (const packet of greeting) connection.write(packet)
    await this.#cluster.sleep(20)
    for (let i = 0; i < packets && !isOver; i++) {
      connection.write(this.#packet())
      this.sent++
      await this.#cluster.sleep(this.#below(8))
    }
    await this.#cluster.sleep(20)
    this.#end(connection, isOver)
  }

  #end(connection: Connection, isOver: boolean): void {
    if (isOver) this.refused++
    else connection.destroy()
  }
}
