// A simulated host with the product's metalogger, which knows all masters of the world.
import { RecoveryError, recover } from '../../../src/journal/recovery.ts'
import { Metalogger } from '../../../src/metalogger/metalogger.ts'
import { SimHost } from '../host.ts'
import type { SimNetwork } from '../net.ts'
import type { Scheduler } from '../scheduler.ts'

export const METALOGGER_PORT = 9419
const FOLDER = '/ml'
const FOLLOWING = /following the master at (\S+)/

export class SimMetalogger {
  readonly host: SimHost
  metalogger: Metalogger | undefined
  /** Hears the address of each master that it follows. */
  onFollowing: ((master: string) => void) | undefined
  readonly #masters: readonly string[]

  constructor(scheduler: Scheduler, network: SimNetwork, address: string, masters: readonly string[]) {
    this.host = new SimHost(scheduler, network, address)
    this.#masters = masters
    this.host.onMessage = text => {
      const [, master] = FOLLOWING.exec(text) ?? []
      if (master) this.onFollowing?.(master)
    }
  }

  async start(): Promise<void> {
    const env = this.host.env('metalogger')
    await env.disk.makeFolder(FOLDER)
    this.metalogger = await Metalogger.start(env, {
      ...{ dataFolder: FOLDER, masterHost: this.#masters.join(), masterPort: METALOGGER_PORT, bindHost: undefined },
      ...{ reconnectSeconds: 1, timeoutSeconds: 10, downloadEveryHours: 24, backLogs: 50, keepPrevious: 3 },
    })
  }

  /** Ends without a word, with or without its machine. */
  end(hasPower: boolean): void {
    this.metalogger = undefined
    if (hasPower) this.host.kill()
    else this.host.powerCut()
  }

  /** Digest of what its folder alone leads to; undefined while a checkpoint is missing. */
  async restored(): Promise<bigint | undefined> {
    try {
      const { state } = await recover(this.host.env('restore').disk, FOLDER, { now: 1_700_000_000 })
      return state.digest()
    } catch (error) {
      if (!(error instanceof RecoveryError)) throw error
      return undefined
    }
  }
}
