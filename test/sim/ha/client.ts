// A client of a simulated cluster: one operation after the other, on whichever master says that it leads. An operation
// whose answer does not come is noted as one that may have been done.
import type { Env } from '../../../src/env/env.ts'
import type { Connection } from '../../../src/env/net.ts'
import type { Scheduler } from '../scheduler.ts'
import type { Operation } from './linearizable.ts'
import { type Answer, CLIENT_PORT, frame, frameReader } from './master.ts'
import type { Call, Result } from './names.ts'

/** Of the time that it waits for an answer at most. */
const PATIENCE_SHARE_MIN = 0.12
export const ANSWER_MS_MAX = 2500
const CONNECT_MS = 400

export interface Acknowledged {
  readonly epoch: number
  readonly version: number
  readonly master: string
  readonly atMs: number
}

interface Wire {
  readonly to: string
  readonly wire: Connection
  onAnswer: (answer: Answer | undefined) => void
}

export class SimClient {
  readonly history: Operation<Call, Result>[] = []
  readonly acknowledged: Acknowledged[] = []
  readonly #scheduler: Scheduler
  readonly #env: Env
  readonly #masters: readonly string[]
  readonly #pick: () => Call
  readonly #patienceMs: number
  #connection: Wire | undefined
  #nextId = 1
  isStopped = false

  /**
   * @param masters their addresses
   * @param patienceMs it waits for an answer for so long at most
   */
  constructor(scheduler: Scheduler, env: Env, masters: readonly string[], patienceMs: number, pick: () => Call) {
    this.#scheduler = scheduler
    this.#env = env
    this.#masters = masters
    this.#patienceMs = patienceMs
    this.#pick = pick
  }

  async run(): Promise<void> {
    while (!this.isStopped) {
      await this.perform(this.#pick())
      await this.#env.clock.sleep(this.#scheduler.random() * 150)
    }
  }

  /** Does the operation once, or knows that it may have been done. @returns whether an answer came */
  async perform(call: Call): Promise<boolean> {
    for (;;) {
      const connection = await this.#connected()
      const invokedMs = this.#scheduler.nowMs
      const answer = await this.#ask(connection, call)
      if (answer?.leads === false) {
        this.#leave()
        if (this.isStopped) return false
        await this.#env.clock.sleep(20 + this.#scheduler.random() * 80)
        continue
      }
      if (!answer) this.#leave()
      this.#note(call, invokedMs, connection.to, answer)
      return answer !== undefined
    }
  }

  #note(call: Call, invokedMs: number, master: string, answer: (Answer & { leads: true }) | undefined): void {
    const atMs = this.#scheduler.nowMs
    this.history.push({ call, invokedMs, ...(answer ? { answer: { result: answer.result, atMs } } : {}) })
    if (answer) this.acknowledged.push({ epoch: answer.epoch, version: answer.version, master, atMs })
  }

  #leave(): void {
    this.#connection?.wire.destroy()
    this.#connection = undefined
  }

  async #connected(): Promise<Wire> {
    while (!this.#connection) {
      const to = this.#masters[this.#scheduler.between(0, this.#masters.length - 1)] as string
      try {
        const wire = await this.#env.net.connect(to, CLIENT_PORT, { timeoutMs: CONNECT_MS })
        const connection = { to, wire, onAnswer: (_answer: Answer | undefined) => {} }
        const frames = frameReader<Answer>(answer => connection.onAnswer(answer))
        wire.handle({
          data: bytes => frames.push(bytes),
          closed: () => {
            if (this.#connection === connection) this.#connection = undefined
            connection.onAnswer(undefined)
          },
        })
        this.#connection = connection
      } catch {
        await this.#env.clock.sleep(50)
      }
    }
    return this.#connection
  }

  #ask(connection: Wire, call: Call): Promise<Answer | undefined> {
    const id = this.#nextId++
    return new Promise(resolve => {
      const share = PATIENCE_SHARE_MIN + this.#scheduler.random() * (1 - PATIENCE_SHARE_MIN)
      const timer = this.#env.clock.after(share * this.#patienceMs, () => resolve(undefined))
      connection.onAnswer = answer => {
        if (answer && answer.id !== id) return
        timer.cancel()
        resolve(answer)
      }
      connection.wire.write(frame({ id, call }))
    })
  }
}
