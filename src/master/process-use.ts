// What the master's process uses, as monitors are told: its memory now, its processor time in the last full minute.
import type { Env, Usage } from '../env/env.ts'

const MINUTE_MS = 60_000

export class ProcessUse {
  readonly #env: Env
  /** Of the beginning of the present minute. */
  #before: Usage
  #beganMs: number
  #system = 0
  #user = 0

  constructor(env: Env) {
    this.#env = env
    this.#before = env.usage()
    this.#beganMs = env.clock.monotonicMs()
  }

  /** Once a second or so. */
  tick(): void {
    const now = this.#env.clock.monotonicMs()
    const ms = now - this.#beganMs
    if (ms < MINUTE_MS) return
    const usage = this.#env.usage()
    // Billionths of one processor: nanoseconds of work a second.
    const share = (microseconds: number) => Math.round((microseconds * 1e6) / ms)
    this.#system = share(usage.systemMicroseconds - this.#before.systemMicroseconds)
    this.#user = share(usage.userMicroseconds - this.#before.userMicroseconds)
    this.#before = usage
    this.#beganMs = now
  }

  /** Bytes, and billionths of one processor; 0 in the first minute. */
  now(): { memory: number; systemCpu: number; userCpu: number } {
    return { memory: this.#env.usage().memoryBytes, systemCpu: this.#system, userCpu: this.#user }
  }
}
