// A daemon that a monitor asks: nobody needs a session for that (spec tools-and-admin A.5, A.6).
import { type Message, ProtocolError } from '../protocol/codec.ts'
import { Link } from './link.ts'

const CONNECT_MS = 1000
const CONNECT_ATTEMPTS = 4
const ATTEMPTS = 3
/** Lists of all sessions, locks or missing chunks. */
const ANSWER_BYTES_MAX = 1 << 28

/** No answer that makes sense came. */
export class Unanswered extends Error {
  override readonly name = 'Unanswered'
  /** An answer came, and made none. */
  readonly isNonsense: boolean

  constructor(message: string, isNonsense = false) {
    super(message)
    this.isNonsense = isNonsense
  }
}

/** Nobody listens there, or nobody takes the connection in time. */
export class Unreachable extends Unanswered {
  readonly isRefused: boolean

  constructor(message: string, isRefused: boolean) {
    super(message)
    this.isRefused = isRefused
  }
}

/** A master or chunkserver. It is connected to when the first question is asked; questions wait for each other. */
export class Daemon {
  readonly host: string
  readonly port: number
  #link: Link | undefined
  #last: Promise<unknown> = Promise.resolve()

  constructor(host: string, port: number) {
    this.host = host
    this.port = port
  }

  /**
   * Asks, and asks again on a new connection when one breaks.
   *
   * @throws Unanswered
   */
  ask<T>(question: Buffer, answer: Message<T>): Promise<T> {
    return this.askRaw(question, answer.code, payload => answer.decode(payload))
  }

  /** Asks for what comes in several forms. @param read @throws ProtocolError when it makes no sense */
  askRaw<T>(question: Buffer, code: number, read: (payload: Buffer) => T): Promise<T> {
    const asked = this.#last.then(() => this.#askNow(question, code, read))
    this.#last = asked.catch(() => {})
    return asked
  }

  async #askNow<T>(question: Buffer, code: number, read: (payload: Buffer) => T): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        this.#link ??= await this.#connect()
        const { type, payload } = await this.#link.ask(question)
        if (type !== code) throw new ProtocolError(`message ${type} came, not ${code}`)
        return read(payload)
      } catch (error) {
        this.close()
        if (error instanceof Unanswered) throw error
        if (attempt < ATTEMPTS) continue
        throw new Unanswered(`${this.host}:${this.port}: ${(error as Error).message}`, error instanceof ProtocolError)
      }
    }
  }

  async #connect(): Promise<Link> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await Link.open(this.host, this.port, CONNECT_MS, ANSWER_BYTES_MAX)
      } catch (error) {
        const isRefused = (error as NodeJS.ErrnoException).code === 'ECONNREFUSED'
        if (!isRefused && attempt < CONNECT_ATTEMPTS) continue
        throw new Unreachable(`${this.host}:${this.port}: ${(error as Error).message}`, isRefused)
      }
    }
  }

  close(): void {
    this.#link?.close()
    this.#link = undefined
  }
}
