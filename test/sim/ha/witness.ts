// A simulated host with the product's witness: a metalogger that acknowledges lines (METALOGGER_ACK).
import { RecoveryError, recover } from '../../../src/journal/recovery.ts'
import { Witness } from '../../../src/metalogger/witness.ts'
import { SimHost } from '../host.ts'
import type { SimNetwork } from '../net.ts'
import type { Scheduler } from '../scheduler.ts'
import { Freezer } from './freezer.ts'
import { type Broken, HA_PORT, isDiskFailure } from './master.ts'

const FOLDER = '/witness'
const ROTATE_EVERY_MS = 3000
/** It does not rotate as often as its folder can be looked at. */
const LOOKS_MAX = 10

export class SimWitness {
  host: SimHost
  freezer: Freezer
  witness: Witness | undefined
  /** Ended by itself for a reason that no fault explains. */
  failure: Error | undefined
  readonly #scheduler: Scheduler
  readonly #network: SimNetwork
  readonly #masters: readonly string[]
  readonly #broken: Broken
  readonly #rotateEveryMs: number
  #life = 0
  #isStarting = false

  /** @param rotateEveryMs it begins a changelog and fetches a checkpoint as often */
  constructor(
    scheduler: Scheduler,
    network: SimNetwork,
    address: string,
    masters: readonly string[],
    broken: Broken,
    rotateEveryMs = ROTATE_EVERY_MS,
  ) {
    this.#rotateEveryMs = rotateEveryMs
    this.#scheduler = scheduler
    this.#network = network
    this.#masters = masters
    this.#broken = broken
    this.host = new SimHost(scheduler, network, address)
    this.freezer = new Freezer(scheduler, 1)
  }

  /** Changes with every start and every end. */
  get life(): number {
    return this.#life
  }

  get isUp(): boolean {
    return this.witness !== undefined || this.#isStarting
  }

  /** Starts it; one whose disk fails is down again. @throws what else goes wrong */
  async start(): Promise<void> {
    if (this.isUp) return
    const life = ++this.#life
    this.#isStarting = true
    try {
      await this.#start(life)
    } catch (error) {
      if (life !== this.#life) return
      this.kill()
      if (!isDiskFailure(error)) throw error
    } finally {
      if (life === this.#life) this.#isStarting = false
    }
  }

  async #start(life: number): Promise<void> {
    this.freezer = new Freezer(this.#scheduler, 0.98 + this.#scheduler.random() * 0.04)
    const env = this.freezer.env(this.host.env('witness'))
    await env.disk.makeFolder(FOLDER)
    const { promisesUnsynced = false, keepsTaking = false } = this.#broken
    const options = {
      ...{ dataFolder: FOLDER, name: 'w', address: { address: this.host.address, port: HA_PORT }, listenHost: '*' },
      ...{ masterHost: this.#masters.join(), pollMs: 400, heartbeatMs: 300 },
      following: { cluster: 'sim', secret: undefined, connectMs: 500, silenceMs: 1500 },
      ...{ backLogs: 5, keepPrevious: 1, downloadEveryHours: 0, rotateEveryMs: this.#rotateEveryMs },
      broken: { promisesUnsynced, keepsTaking },
    }
    const witness = await Witness.start(env, options, error => {
      if (life !== this.#life) return
      if (!isDiskFailure(error)) this.failure ??= error
      this.kill()
    })
    if (life === this.#life) this.witness = witness
  }

  kill(): void {
    this.#end()
    this.host.kill()
  }

  powerCut(): void {
    this.#end()
    this.host.powerCut()
  }

  #end(): void {
    this.#life++
    this.#isStarting = false
    this.witness = undefined
  }

  /** SIGTERM. */
  async stop(): Promise<void> {
    const life = this.#life
    await this.witness?.stop()
    if (life === this.#life) this.kill()
  }

  /** The disk is replaced by an empty one. The witness must be down. */
  loseDisk(): void {
    this.host = new SimHost(this.#scheduler, this.#network, this.host.address)
  }

  /** Digest of what its folder alone leads to. */
  async restored(): Promise<bigint | undefined> {
    for (let tries = 0; ; tries++) {
      try {
        const { state } = await recover(this.host.env('restore').disk, FOLDER, { now: 1_700_000_000 })
        return state.digest()
      } catch (error) {
        if (error instanceof RecoveryError) return undefined
        // It runs, and began a changelog while its folder was looked at.
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || tries === LOOKS_MAX) throw error
      }
    }
  }
}
