// One simulated machine: its doors to the world, and the power switch.
import type { Clock, Env, Timer } from '../../src/env/env.ts'
import type { Log } from '../../src/env/log.ts'
import { SimDisk } from './disk.ts'
import type { SimNetwork } from './net.ts'
import type { Scheduler } from './scheduler.ts'

const EPOCH_MS = 1_700_000_000_000

export class SimHost {
  readonly address: string
  readonly disk: SimDisk
  /** Everything the programs of this host logged, newest last; bounded. */
  readonly messages: string[] = []
  readonly #scheduler: Scheduler
  readonly #network: SimNetwork
  /** Raised at every crash: what an earlier life started never runs again. */
  #life = 0

  constructor(scheduler: Scheduler, network: SimNetwork, address: string) {
    this.#scheduler = scheduler
    this.#network = network
    this.address = address
    this.disk = new SimDisk(scheduler)
  }

  /** The doors for a program that starts now. They go dead with the next crash. */
  env(ident: string): Env {
    const life = this.#life
    return {
      clock: this.#clock(life),
      random: {
        below: limit => Math.floor(this.#scheduler.random() * limit),
        bytes: count => Buffer.from(Array.from({ length: count }, () => this.#scheduler.between(0, 255))),
      },
      net: this.#network.of(this.address),
      disk: this.#mortalDisk(life),
      log: this.#log(ident),
    }
  }

  /** kill -9 of everything on this host: connections break, timers stop, files keep what was written. */
  kill(): void {
    this.#life++
    this.#network.cutHost(this.address)
  }

  /** As kill(), and what was not synced is lost. */
  powerCut(): void {
    this.kill()
    this.disk.powerCut()
  }

  #clock(life: number): Clock {
    const alive = () => life === this.#life
    const after = (ms: number, action: () => void): Timer => this.#scheduler.at(ms, () => alive() && action())
    return {
      nowMs: () => EPOCH_MS + this.#scheduler.nowMs,
      monotonicMs: () => this.#scheduler.nowMs,
      after,
      soon: action => void after(0, action),
      every(ms, action) {
        let timer: Timer
        const again = () => {
          timer = after(ms, again)
          action()
        }
        timer = after(ms, again)
        return { cancel: () => timer.cancel() }
      },
      sleep: ms => new Promise(resolve => after(ms, resolve)),
    }
  }

  /** A program that was killed never hears again of what it asked the disk for. */
  #mortalDisk(life: number): SimDisk {
    const alive = () => life === this.#life
    const mortal = <T extends object>(target: T): T =>
      new Proxy(target, {
        get: (object, key) => {
          const member = Reflect.get(object, key, object)
          if (typeof member !== 'function') return member
          return (...args: unknown[]) => {
            if (!alive()) return new Promise(() => {})
            const result = member.apply(object, args)
            if (!(result instanceof Promise)) return result
            return new Promise((resolve, reject) => {
              result.then(
                value => alive() && resolve(key === 'open' ? mortal(value) : value),
                error => alive() && reject(error),
              )
            })
          }
        },
      })
    return mortal(this.disk)
  }

  #log(ident: string): Log {
    const at = (level: string) => (message: string) => {
      if (this.messages.length >= 1000) this.messages.shift()
      this.messages.push(`${this.#scheduler.nowMs.toFixed(1)} ${ident} ${level}: ${message}`)
    }
    return { debug: () => {}, info: at('info'), notice: at('notice'), warning: at('warning'), error: at('error') }
  }
}
