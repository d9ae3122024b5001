// The doors to the world. Daemons get one `Env` and touch clock, chance, network and disk through nothing else, so
// that test/sim can run a whole cluster in one process on simulated ones.
import type { Disk } from './disk.ts'
import type { Log } from './log.ts'
import type { Net } from './net.ts'

export interface Env {
  readonly clock: Clock
  readonly random: Random
  readonly net: Net
  readonly disk: Disk
  readonly log: Log
  readonly helpers: Helpers
  /** What this process has used. */
  usage(): Usage
}

/** Of one process since its start. */
export interface Usage {
  /** Resident now. */
  memoryBytes: number
  /** Address space now. */
  virtualBytes: number
  userMicroseconds: number
  systemMicroseconds: number
}

/** A timer that can be taken back. */
export interface Timer {
  cancel(): void
}

export interface Clock {
  /** Wall-clock time in milliseconds since 1970. May jump. */
  nowMs(): number
  /** Milliseconds (fractional) since some fixed moment. Never goes back; for time-outs and leases. */
  monotonicMs(): number
  /** How far the clocks on the walls here are ahead of UTC now. */
  utcOffsetSeconds(): number
  after(ms: number, action: () => void): Timer
  /** Once the present turn of the event loop is over: after everything that already arrived was handled. */
  soon(action: () => void): void
  /** First after `ms`, then every `ms`. */
  every(ms: number, action: () => void): Timer
  sleep(ms: number): Promise<void>
}

export interface Random {
  /** An integer 0 <= n < `limit`; `limit` at most 2^48. */
  below(limit: number): number
  /** Unpredictable bytes: identifiers and challenges. */
  bytes(count: number): Buffer
}

/** A piece of work for a helper. Input and output are JSON. */
export interface Job<I, O> {
  /** `import.meta.url` of the module whose default export the job is. */
  readonly module: string
  run(env: Pick<Env, 'disk' | 'clock' | 'log'>, input: I): Promise<O>
}

export interface Helper<O> {
  /** Fails with what the job threw, or when the helper was ended before it was done. */
  readonly result: Promise<O>
  /** Ends the helper wherever it is. */
  cancel(): void
}

/**
 * Work in a process of its own beside the daemon: what would keep the event loop, or needs memory that must be free
 * again at once. The simulation does it in its own process.
 */
export interface Helpers {
  /** Does the job after all of this process's own work. When this process ends, the helper does too. */
  start<I, O>(job: Job<I, O>, input: I): Helper<O>
}
