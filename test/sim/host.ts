// One simulated machine: its doors to the world, and the power switch.
import type { Clock, Env, Helpers, Timer } from '../../src/env/env.ts'
import type { Log } from '../../src/env/log.ts'
import { type Loss, SimDisk } from './disk.ts'
import type { SimNetwork } from './net.ts'
import type { Scheduler } from './scheduler.ts'

const EPOCH_MS = 1_700_000_000_000
const MESSAGES_KEPT = 400
/** Another one each time the system starts. */
const BOOT_ID = '/proc/sys/kernel/random/boot_id'

export class SimHost {
  readonly address: string
  readonly disk: SimDisk
  /** Everything the programs of this host logged, newest last; bounded. */
  readonly messages: string[] = []
  readonly #scheduler: Scheduler
  readonly #network: SimNetwork
  /** Hears of every message. */
  onMessage: ((text: string) => void) | undefined
  /** Raised at every crash: what an earlier life started never runs again. */
  #life = 0
  #boots = 0

  constructor(scheduler: Scheduler, network: SimNetwork, address: string) {
    this.#scheduler = scheduler
    this.#network = network
    this.address = address
    this.disk = new SimDisk(scheduler)
    this.#boot()
  }

  #boot(): void {
    this.disk.system.set(BOOT_ID, Buffer.from(`boot ${this.#boots++}`.padEnd(36, '.')))
  }

  /** The doors for a program that starts now. They go dead with the next crash. */
  env(ident: string): Env {
    const life = this.#life
    const isAlive = () => life === this.#life
    this.#network.hostUp(this.address)
    return {
      clock: this.#clock(isAlive),
      random: {
        below: limit => Math.floor(this.#scheduler.random() * limit),
        bytes: count => Buffer.from(Array.from({ length: count }, () => this.#scheduler.between(0, 255))),
      },
      net: this.#network.of(this.address, isAlive),
      disk: this.disk.door(isAlive),
      log: this.#log(ident),
      helpers: this.#helpers(ident, isAlive),
      usage: () => ({ memoryBytes: 0, virtualBytes: 0, userMicroseconds: 0, systemMicroseconds: 0 }),
    }
  }

  /** kill -9 of everything on this host: connections end, timers stop, files keep what was written. */
  kill(): void {
    this.#life++
    this.disk.abandon()
    this.#network.cutHost(this.address, true)
  }

  /** Everything stops, what was not synced is lost, and nobody is told. */
  powerCut(loss: Loss = 'chance'): void {
    this.#life++
    this.disk.abandon(loss === 'everything' ? 'nothing' : 'chance')
    this.#network.cutHost(this.address, false)
    this.disk.powerCut(loss)
    this.#boot()
  }

  /** Helpers are programs of this host like any other, and end with the one that started them. */
  #helpers(ident: string, isAlive: () => boolean): Helpers {
    return {
      start: (job, input) => {
        let isWanted = true
        const lives = () => isWanted && isAlive()
        const env = { clock: this.#clock(lives), disk: this.disk.door(lives), log: this.#log(`${ident}'s helper`) }
        let end: (error: Error) => void = () => {}
        const ended = new Promise<never>((_, reject) => {
          end = reject
        })
        const cancel = () => {
          isWanted = false
          end(new Error('the helper was ended'))
        }
        return { result: Promise.race([job.run(env, input), ended]), cancel }
      },
    }
  }

  #clock(isAlive: () => boolean): Clock {
    const after = (ms: number, action: () => void): Timer => this.#scheduler.at(ms, () => isAlive() && action())
    return {
      nowMs: () => EPOCH_MS + this.#scheduler.nowMs,
      monotonicMs: () => this.#scheduler.nowMs,
      utcOffsetSeconds: () => 0,
      after,
      soon: action => void after(0, action),
      every(ms, action) {
        let cancelled = false
        let timer: Timer
        const again = () => {
          action()
          if (!cancelled) timer = after(ms, again)
        }
        timer = after(ms, again)
        return {
          cancel: () => {
            cancelled = true
            timer.cancel()
          },
        }
      },
      sleep: ms => new Promise(resolve => after(ms, resolve)),
    }
  }

  #log(ident: string): Log {
    const at = (level: string) => (message: string) => {
      this.onMessage?.(message)
      if (this.messages.length >= 2 * MESSAGES_KEPT) this.messages.splice(0, MESSAGES_KEPT)
      this.messages.push(`${this.#scheduler.nowMs.toFixed(1)} ${ident} ${level}: ${message}`)
    }
    return { debug: () => {}, info: at('info'), notice: at('notice'), warning: at('warning'), error: at('error') }
  }
}
