// Tells of a long transfer in the log, now and then.
import type { Clock } from '../env/env.ts'
import type { Log } from '../env/log.ts'

const EVERY_MS = 5000

export class Progress {
  readonly #clock: Clock
  readonly #log: Log
  readonly #what: string
  readonly #size: number
  readonly #startedMs: number
  #toldMs: number

  /** @param size of the whole, in bytes */
  constructor(clock: Clock, log: Log, what: string, size: number) {
    this.#clock = clock
    this.#log = log
    this.#what = what
    this.#size = size
    this.#startedMs = this.#toldMs = clock.monotonicMs()
    log.notice(`${what}: ${size} bytes to go`)
  }

  reached(bytes: number): void {
    const nowMs = this.#clock.monotonicMs()
    const isDone = bytes >= this.#size
    if (!isDone && nowMs - this.#toldMs < EVERY_MS) return
    this.#toldMs = nowMs
    const seconds = Math.max(0.001, (nowMs - this.#startedMs) / 1000)
    const speed = `${(bytes / 1e6 / seconds).toFixed(1)} MB/s`
    const percent = this.#size === 0 ? 100 : Math.floor((100 * bytes) / this.#size)
    this.#log.notice(`${this.#what}: ${percent} %, ${speed}${isDone ? ', done' : ''}`)
  }
}
