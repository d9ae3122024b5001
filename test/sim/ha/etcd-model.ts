// A model of an etcd cluster that does what etcd promises and nothing more: one history of changes, leases that end by
// its own clock, and a network between it and each client that delays, loses and carries out too late.
import {
  type Change,
  type Etcd,
  EtcdError,
  type EtcdValue,
  type EtcdWatch,
  type Guard,
  type Outcome,
} from '../../../src/ha/etcd.ts'
import type { Scheduler } from '../scheduler.ts'

interface Stored {
  value: string
  revision: number
  lease?: string
}

interface StoredLease {
  ttlMs: number
  endsMs: number
}

/** What the way between one master and etcd does. */
export interface EtcdWay {
  /** Nothing gets through. What was sent may arrive when it is over. */
  isCut(): boolean
  /** One request of so many is delayed by seconds, or its answer lost; 0: none. */
  troubleOneIn: number
  /** Every answer comes that much later; the request arrives as always. */
  answerLateMs: number
}

export const REQUEST_MS = 700
/** etcd's own minimum with its default election time-out. */
const TTL_SECONDS_MIN = 2

export class EtcdModel {
  readonly #scheduler: Scheduler
  readonly #keys = new Map<string, Stored>()
  readonly #leases = new Map<string, StoredLease>()
  readonly #watches = new Set<{ key: string; notify: () => void }>()
  /** How late at most a lease ends. */
  readonly #expiryLateMs: number
  #revision = 1
  #nextLease = 7000

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler
    this.#expiryLateMs = scheduler.random() < 0.5 ? 0 : 500
  }

  value(key: string): string | undefined {
    return this.#keys.get(key)?.value
  }

  /** The door for one master. `gate` lets results in once the master's process runs. */
  door(way: EtcdWay, gate: (action: () => void) => void): Etcd {
    const call = <T>(action: () => T) => this.#call(way, gate, action)
    return {
      read: keys => call(() => keys.map(key => this.#read(key))),
      list: prefix =>
        call(() =>
          [...this.#keys.keys()]
            .filter(key => key.startsWith(prefix))
            .map(key => ({ key, ...(this.#read(key) as EtcdValue) })),
        ),
      commit: (guards, changes) => call(() => this.#commit(guards, changes)),
      grantLease: ttlSeconds => call(() => this.#grant(ttlSeconds)),
      keepAlive: lease => call(() => this.#keepAlive(lease)),
      revokeLease: lease => call(() => this.#endLease(lease)),
      watch: (key, changed) => this.#watch(way, gate, key, changed),
    }
  }

  #call<T>(way: EtcdWay, gate: (action: () => void) => void, action: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      let isOver = false
      const finish = (end: () => void) =>
        gate(() => {
          if (isOver) return
          isOver = true
          end()
        })
      this.#scheduler.at(REQUEST_MS, () => isOver || finish(() => reject(new EtcdError('no answer from etcd'))))
      const carryOut = () => {
        if (way.isCut()) {
          // Sent again by the system until the way is free, or given up.
          if (this.#scheduler.random() < 0.5) this.#scheduler.at(200 + this.#scheduler.random() * 1000, carryOut)
          return
        }
        let answer: () => void
        try {
          const result = action()
          answer = () => resolve(result)
        } catch (error) {
          answer = () => reject(error)
        }
        if (this.#isTroubled(way) && this.#scheduler.random() < 0.5) return
        this.#scheduler.at(this.#delayMs(way) + way.answerLateMs, () => way.isCut() || finish(answer))
      }
      this.#scheduler.at(this.#delayMs(way), carryOut)
    })
  }

  #isTroubled({ troubleOneIn }: EtcdWay): boolean {
    return troubleOneIn > 0 && this.#scheduler.between(1, troubleOneIn) === 1
  }

  #delayMs(way: EtcdWay): number {
    return this.#isTroubled(way) ? this.#scheduler.random() * 3000 : 0.2 + this.#scheduler.random() * 3
  }

  #read(key: string): EtcdValue | undefined {
    const stored = this.#keys.get(key)
    return stored && { ...stored }
  }

  #commit(guards: readonly Guard[], changes: readonly Change[]): Outcome {
    if (guards.some(({ key, revision }) => (this.#keys.get(key)?.revision ?? 0) !== revision)) return { done: false }
    for (const change of changes) {
      if (change.kind === 'put' && change.lease !== undefined && !this.#leases.has(change.lease)) {
        throw new EtcdError('requested lease not found')
      }
    }
    this.#revision++
    for (const change of changes) this.#change(change)
    return { done: true, revision: this.#revision }
  }

  #change(change: Change): void {
    if (change.kind === 'delete') this.#keys.delete(change.key)
    else {
      const { key, value, lease } = change
      this.#keys.set(key, { value, revision: this.#revision, ...(lease === undefined ? {} : { lease }) })
    }
    for (const { key, notify } of this.#watches) if (key === change.key) notify()
  }

  #grant(ttlSeconds: number): { id: string; ttlSeconds: number } {
    const id = String(this.#nextLease++)
    const granted = Math.max(TTL_SECONDS_MIN, ttlSeconds)
    this.#leases.set(id, { ttlMs: granted * 1000, endsMs: 0 })
    this.#keepAlive(id)
    return { id, ttlSeconds: granted }
  }

  #keepAlive(id: string): number {
    const lease = this.#leases.get(id)
    if (!lease) return 0
    lease.endsMs = this.#scheduler.nowMs + lease.ttlMs
    const endsMs = lease.endsMs
    this.#scheduler.at(lease.ttlMs + this.#scheduler.random() * this.#expiryLateMs, () => {
      if (lease.endsMs === endsMs) this.#endLease(id)
    })
    return lease.ttlMs / 1000
  }

  #endLease(id: string): void {
    if (!this.#leases.delete(id)) return
    this.#revision++
    for (const [key, { lease }] of this.#keys) if (lease === id) this.#change({ kind: 'delete', key })
  }

  #watch(way: EtcdWay, gate: (action: () => void) => void, key: string, changed: () => void): EtcdWatch {
    const watch = {
      key,
      notify: () => {
        if (way.isCut() || this.#isTroubled(way)) return
        this.#scheduler.at(this.#delayMs(way), () => gate(() => this.#watches.has(watch) && changed()))
      },
    }
    this.#watches.add(watch)
    return { close: () => void this.#watches.delete(watch) }
  }
}
