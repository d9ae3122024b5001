// A process that can be stopped for a while (SIGSTOP, a stalled event loop, a machine that sleeps) and whose clock runs
// a little fast or slow. While it is stopped the world goes on; what arrives meanwhile waits for it.
import type { Disk, DiskFile } from '../../../src/env/disk.ts'
import type { Clock, Env, Timer } from '../../../src/env/env.ts'
import type { Connection, ConnectionHandlers, Net } from '../../../src/env/net.ts'
import type { Scheduler } from '../scheduler.ts'

export class Freezer {
  readonly #scheduler: Scheduler
  readonly #rate: number
  #isFrozen = false
  #isGoingOn = false
  readonly #waiting: (() => void)[] = []
  /** What its clock on the wall shows too much. */
  wallAheadMs = 0

  /** @param rate milliseconds of its clock in one of the world */
  constructor(scheduler: Scheduler, rate: number) {
    this.#scheduler = scheduler
    this.#rate = rate
  }

  get isFrozen(): boolean {
    return this.#isFrozen
  }

  /** Everything that comes into the process comes through here, and nothing overtakes what came before. */
  readonly gate = (action: () => void): void => {
    if (this.#isFrozen || this.#waiting.length > 0) this.#waiting.push(action)
    else action()
  }

  freeze(): void {
    this.#isFrozen = true
  }

  thaw(): void {
    this.#isFrozen = false
    if (this.#waiting.length > 0) this.#goOn()
  }

  /** Lets in one thing after the other, as far as it is not stopped again. */
  #goOn(): void {
    if (this.#isGoingOn) return
    this.#isGoingOn = true
    this.#scheduler.at(0, () => {
      this.#isGoingOn = false
      if (this.#isFrozen) return
      this.#waiting.shift()?.()
      if (this.#waiting.length > 0) this.#goOn()
    })
  }

  env(base: Env): Env {
    return {
      ...base,
      clock: this.#clock(base.clock),
      net: this.#net(base.net),
      disk: this.#disk(base.disk),
    }
  }

  #clock(base: Clock): Clock {
    const after = (ms: number, action: () => void): Timer => {
      let isCancelled = false
      const timer = base.after(ms / this.#rate, () => this.gate(() => isCancelled || action()))
      return {
        cancel: () => {
          isCancelled = true
          timer.cancel()
        },
      }
    }
    return {
      nowMs: () => base.nowMs() + this.wallAheadMs,
      monotonicMs: () => base.monotonicMs() * this.#rate,
      utcOffsetSeconds: () => base.utcOffsetSeconds(),
      after,
      soon: action => void after(0, action),
      every(ms, action) {
        let timer: Timer
        let isCancelled = false
        const again = () => {
          action()
          if (!isCancelled) timer = after(ms, again)
        }
        timer = after(ms, again)
        return {
          cancel: () => {
            isCancelled = true
            timer.cancel()
          },
        }
      },
      sleep: ms => new Promise(resolve => after(ms, resolve)),
    }
  }

  #net(base: Net): Net {
    return {
      listen: (host, port, onConnection) =>
        base.listen(host, port, connection =>
          this.gate(() => onConnection(new GatedConnection(connection, this.gate))),
        ),
      connect: async (...args) => new GatedConnection(await this.#awaited(base.connect(...args)), this.gate),
      resolve: host => this.#awaited(base.resolve(host)),
    }
  }

  #disk(base: Disk): Disk {
    return this.#gated(base, (name, result) =>
      name === 'open' || name === 'create' ? this.#gated(result as DiskFile) : result,
    )
  }

  /** The same object, with results of its promises coming through the gate. */
  #gated<T extends object>(base: T, convert = (_name: string, result: unknown) => result): T {
    return new Proxy(base, {
      get: (target, name) => {
        const member = Reflect.get(target, name, target)
        if (typeof member !== 'function') return member
        return (...args: unknown[]) => {
          const result = member.apply(target, args)
          return result instanceof Promise ? this.#awaited(result).then(value => convert(String(name), value)) : result
        }
      },
    })
  }

  #awaited<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      promise.then(
        value => this.gate(() => resolve(value)),
        error => this.gate(() => reject(error)),
      )
    })
  }
}

/** What comes in goes through the gate; what goes out is the connection's own. */
class GatedConnection implements Connection {
  readonly #base: Connection
  readonly #gate: (action: () => void) => void

  constructor(base: Connection, gate: (action: () => void) => void) {
    this.#base = base
    this.#gate = gate
  }

  get remoteAddress(): string {
    return this.#base.remoteAddress
  }

  get remotePort(): number {
    return this.#base.remotePort
  }

  get localAddress(): string {
    return this.#base.localAddress
  }

  get queuedBytes(): number {
    return this.#base.queuedBytes
  }

  handle(handlers: ConnectionHandlers): void {
    this.#base.handle({
      data: bytes => this.#gate(() => handlers.data(bytes)),
      drain: () => this.#gate(() => handlers.drain?.()),
      closed: error => this.#gate(() => handlers.closed(error)),
    })
  }

  write(bytes: Buffer): void {
    this.#base.write(bytes)
  }

  writev(buffers: readonly Buffer[], taken?: () => void): void {
    this.#base.writev(buffers, taken)
  }

  pause(): void {
    this.#base.pause()
  }

  resume(): void {
    this.#base.resume()
  }

  end(): void {
    this.#base.end()
  }

  destroy(error?: Error): void {
    this.#base.destroy(error)
  }
}
