// One connection of a tool or a monitor, to whatever answers: one question at a time.
import { connect, type Socket } from 'node:net'
import { FrameReader } from '../protocol/frame.ts'
import * as matocl from '../protocol/matocl.ts'

const ANSWER_WITHIN_MS = 20_000
/** Of a mount, which passes no longer answers on. */
const ANSWER_BYTES_MAX = 4_000_000

/** The connection is not what it should be; the same question may be asked on a new one. */
export class BrokenLink extends Error {}

export class Link {
  readonly #socket: Socket
  #waiting: { resolve: (packet: { type: number; payload: Buffer }) => void; reject: (error: Error) => void } | undefined

  /** @throws Error when nobody answers there in time */
  static open(host: string, port: number, timeoutMs: number, answerBytesMax = ANSWER_BYTES_MAX): Promise<Link> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host, port, noDelay: true })
      const failed = (error: Error) => {
        socket.destroy()
        reject(error)
      }
      socket.setTimeout(timeoutMs, () => failed(new Error('Connection timed out')))
      socket.once('error', failed)
      socket.once('connect', () => {
        socket.removeAllListeners()
        resolve(new Link(socket, answerBytesMax))
      })
    })
  }

  private constructor(socket: Socket, answerBytesMax: number) {
    this.#socket = socket
    const reader = new FrameReader(answerBytesMax, (type, payload) => {
      // Sent to keep a connection alive.
      if (type !== matocl.nop.code) this.#take()?.resolve({ type, payload })
    })
    socket.setTimeout(ANSWER_WITHIN_MS, () => this.#fail(new Error('timed out')))
    socket.on('data', (bytes: Buffer) => {
      try {
        reader.push(bytes)
      } catch (error) {
        this.#fail(error as Error)
      }
    })
    socket.on('error', error => this.#fail(error))
    socket.on('close', () => this.#fail(new Error('connection closed')))
  }

  #take() {
    const waiting = this.#waiting
    this.#waiting = undefined
    return waiting
  }

  #fail(error: Error): void {
    this.#socket.destroy()
    this.#take()?.reject(new BrokenLink(error.message))
  }

  /** @throws BrokenLink */
  ask(question: Buffer): Promise<{ type: number; payload: Buffer }> {
    return new Promise((resolve, reject) => {
      if (this.#socket.destroyed) return reject(new BrokenLink('connection closed'))
      this.#waiting = { resolve, reject }
      this.#socket.write(question)
    })
  }

  close(): void {
    this.#socket.destroy()
  }
}
