// The same cluster with two masters: the other one is told to lead whenever nobody does, as keepalived would do it. All of it
// is the product's but for keepalived.
import { masterConfigFile } from '../../../src/config/mfsmaster.ts'
import { defaultConfig } from '../../../src/config/parse.ts'
import { type AdminAnswer, type AdminCommand, askMaster } from '../../../src/ha/admin.ts'
import { RecoveryError } from '../../../src/journal/recovery.ts'
import { ClusterMaster } from '../../../src/master/ha/cluster-master.ts'
import { clusterOptions } from '../../../src/master/ha/options.ts'
import type { Master } from '../../../src/master/master.ts'
import { SimHost } from '../host.ts'
import { type ClusterOptions, MASTER, masterDefaults, SimCluster } from './cluster.ts'

const OTHER = '10.1.0.2'
const KEEPALIVED = '10.1.3.1'
const SECRET = 'sim'
/** Keepalived has noticed within this, and mfsha has been started. */
const LOOK_MS = 300
const ANSWER_MS = 5000
const RESTART_MS = 500

const noGuard = () => ({ hold() {}, close() {} })

interface MasterNode {
  readonly name: string
  readonly host: SimHost
  readonly peer: string
  master: ClusterMaster | undefined
}

export class PairCluster extends SimCluster {
  readonly #nodes: readonly MasterNode[]
  /** The one that leads, or led last. */
  #leader: MasterNode
  /** Never dies. */
  readonly #keepalived: SimHost

  constructor(seed: number, options: ClusterOptions) {
    super(seed, options, [MASTER, OTHER])
    const [first, second] = this.masterHosts as [SimHost, SimHost]
    this.#nodes = [
      { name: 'first', host: first, peer: OTHER, master: undefined },
      { name: 'second', host: second, peer: MASTER, master: undefined },
    ]
    this.#leader = this.#nodes[0] as MasterNode
    this.#keepalived = new SimHost(this.scheduler, this.network, KEEPALIVED)
  }

  override get master(): Master | undefined {
    const node = this.#nodes.find(({ master }) => master?.serving)
    if (node) this.#leader = node
    return node?.master?.serving
  }

  override get masterHost(): SimHost {
    return this.#leader.host
  }

  override startMaster(): void {
    for (const node of this.#nodes) void this.#start(node)
    void this.#watch()
  }

  /** Both masters are there, and the follower is in sync. */
  get areBothUp(): boolean {
    const statuses = this.#nodes.map(({ master }) => JSON.parse(master?.info() ?? '{}'))
    return statuses.some(({ role }) => role === 'leading') && statuses.some(({ isInSync }) => isInSync === true)
  }

  async #start(node: MasterNode): Promise<void> {
    const { name, host, peer } = node
    const env = host.env('master')
    const ended = (error: Error) => {
      env.log.error(`ends: ${error.message}`)
      this.count('master ended by itself')
      this.#kill(node, false, this.scheduler.between(RESTART_MS, 4 * RESTART_MS))
    }
    const config = {
      ...defaultConfig(masterConfigFile),
      ...{ HA_MODE: 'keepalived' as const, HA_NAME: name, HA_ADDRESS: host.address, HA_PEER: peer },
      ...{ HA_AUTH_CODE: SECRET, DATA_PATH: masterDefaults.dataFolder },
    }
    const options = { ...masterDefaults, ...this.options.master, sync: this.options.sync }
    try {
      node.master = await ClusterMaster.start(env, options, clusterOptions(config, name), noGuard, ended)
      this.disturbed()
    } catch (error) {
      if (error instanceof RecoveryError || (error as NodeJS.ErrnoException).code === undefined) this.failed(error)
      ended(error as Error)
    }
  }

  /** The first is asked first, unless the second led last: it may be the only one that has everything. */
  async #watch(): Promise<void> {
    for (;;) {
      await this.sleep(LOOK_MS)
      if (this.master) continue
      const order = [this.#leader, ...this.#nodes.filter(node => node !== this.#leader)]
      for (const node of order) if (node.master && (await this.#promote(node))) break
    }
  }

  async #promote({ host }: MasterNode): Promise<boolean> {
    return this.ask(host, { command: 'promote', force: false }).then(
      ({ ok }) => ok,
      () => false,
    )
  }

  /** As mfsha does it. */
  ask({ address }: SimHost, command: AdminCommand): Promise<AdminAnswer> {
    const target = { host: address, port: 9423, cluster: 'elkfs', secret: SECRET, timeoutMs: ANSWER_MS }
    return askMaster(this.#keepalived.env('mfsha'), target, command)
  }

  override killMaster(power: boolean, downMs: number): void {
    this.#kill(this.#leader, power, downMs)
  }

  #kill(node: MasterNode, power: boolean, downMs: number): void {
    node.master = undefined
    this.killHost(node.host, power)
    this.scheduler.at(downMs, () => {
      if (!node.master) void this.#start(node)
    })
  }
}
