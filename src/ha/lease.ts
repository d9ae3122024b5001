// A lease in etcd, and how long it is certain. Etcd counts from when it heard the keep-alive; this side counts from
// before it sent it, and stops a margin earlier, so whatever was slow on the way, certainty ends here first.
import type { Clock, Timer } from '../env/env.ts'
import type { Etcd } from './etcd.ts'

export interface LeaseOptions {
  ttlSeconds: number
  /** For clocks that do not run alike. */
  marginMs: number
  /** For tests of the tests: counts from the answer, which is wrong. */
  countsFromAnswer?: boolean
}

/** By both clocks: the monotonic one may stand still while a machine is suspended, the wall clock may jump. */
interface Moment {
  readonly monotonicMs: number
  readonly wallMs: number
}

const never: Moment = { monotonicMs: 0, wallMs: 0 }

export class Lease {
  readonly #clock: Clock
  readonly #etcd: Etcd
  readonly #options: LeaseOptions
  readonly #onRenewed: () => void
  readonly #onLost: (why: string) => void
  #id: string | undefined
  #ttlMs = 0
  #until = never
  #timer: Timer | undefined
  #expiry: Timer | undefined

  /**
   * @param onRenewed certainty was prolonged
   * @param onLost certainty is over: the lease was not renewed in time, or etcd says that it is gone
   */
  constructor(clock: Clock, etcd: Etcd, options: LeaseOptions, onRenewed: () => void, onLost: (why: string) => void) {
    this.#clock = clock
    this.#etcd = etcd
    this.#options = options
    this.#onRenewed = onRenewed
    this.#onLost = onLost
  }

  /** Undefined when none is held. */
  get id(): string | undefined {
    return this.#id
  }

  /** Whether nobody else can hold what hangs on this lease: true right now, not later. */
  certain(): boolean {
    if (this.#id === undefined || this.#clock.monotonicMs() >= this.#until.monotonicMs) return false
    return this.#clock.nowMs() < this.#until.wallMs
  }

  /** Gets a lease when none is held. @throws EtcdError */
  async acquire(): Promise<string> {
    if (this.#id !== undefined) return this.#id
    const sent = this.#now()
    const { id, ttlSeconds } = await this.#etcd.grantLease(this.#options.ttlSeconds)
    // Two may have asked at once; the second lease is left to run out.
    if (this.#id !== undefined) return this.#id
    this.#id = id
    this.#ttlMs = ttlSeconds * 1000
    this.#prolong(id, sent, this.#ttlMs)
    this.#keepAliveLater(id)
    return id
  }

  /** Gives the lease back, so that others need not wait for its end. Certainty ends at once. */
  async release(): Promise<void> {
    const id = this.#id
    this.#forget()
    if (id !== undefined) await this.#etcd.revokeLease(id)
  }

  #forget(): void {
    this.#id = undefined
    this.#until = never
    this.#timer?.cancel()
    this.#expiry?.cancel()
  }

  #lose(id: string, why: string): void {
    if (this.#id !== id) return
    this.#forget()
    this.#onLost(why)
  }

  #now(): Moment {
    return { monotonicMs: this.#clock.monotonicMs(), wallMs: this.#clock.nowMs() }
  }

  #prolong(id: string, sent: Moment, ttlMs: number): void {
    const from = this.#options.countsFromAnswer ? this.#now() : sent
    const certainMs = ttlMs - this.#options.marginMs
    if (from.monotonicMs + certainMs <= this.#until.monotonicMs) return
    this.#until = { monotonicMs: from.monotonicMs + certainMs, wallMs: from.wallMs + certainMs }
    this.#watchExpiry(id)
  }

  #watchExpiry(id: string): void {
    this.#expiry?.cancel()
    const leftMs = Math.max(0, this.#until.monotonicMs - this.#clock.monotonicMs())
    this.#expiry = this.#clock.after(leftMs, () => {
      if (this.#clock.monotonicMs() < this.#until.monotonicMs) this.#watchExpiry(id)
      else this.#lose(id, 'the lease was not renewed in time')
    })
  }

  #keepAliveLater(id: string): void {
    this.#timer = this.#clock.after(this.#ttlMs / 6, () => void this.#keepAlive(id))
  }

  async #keepAlive(id: string): Promise<void> {
    const sent = this.#now()
    try {
      const ttlSeconds = await this.#etcd.keepAlive(id)
      if (this.#id !== id) return
      if (ttlSeconds === 0) return this.#lose(id, 'etcd has ended the lease')
      this.#prolong(id, sent, ttlSeconds * 1000)
      if (this.certain()) this.#onRenewed()
    } catch {
      // No answer: certainty simply is not prolonged.
    }
    if (this.#id === id) this.#keepAliveLater(id)
  }
}
