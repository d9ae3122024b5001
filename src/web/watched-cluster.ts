// The cluster that is shown. Everybody who looks in the same second shares what was asked: many viewers cost a cluster as
// much as one.
import { Cluster } from '../monitor/cluster.ts'
import { findMasters, leaderOf, type Master } from '../monitor/masters.ts'

const SHARED_FOR_MS = 1000

/** There are masters, and none of them leads. */
export class NoLeader extends Error {
  override readonly name = 'NoLeader'
  readonly masters: readonly Master[]

  constructor(masters: readonly Master[]) {
    super('no master leads')
    this.masters = masters
  }
}

interface Look {
  readonly cluster: Promise<Cluster>
  /** Undefined while masters are still asked. */
  foundMs: number | undefined
  users: number
}

/** Connections only: what was learned stays for those who still come. */
function closeUnused(cluster: Cluster, { users }: Look): void {
  if (users === 0) cluster.close()
}

const isOld = ({ foundMs }: Look) => foundMs !== undefined && performance.now() - foundMs > SHARED_FOR_MS

export class WatchedCluster {
  readonly #names: string
  readonly #port: number
  #look: Look | undefined

  /** @param names of its masters, as findMasters() takes them */
  constructor(names: string, port: number) {
    this.#names = names
    this.#port = port
  }

  /**
   * Lends the cluster as it is now, or was a second ago at most.
   *
   * @throws UnknownMaster, NoLeader, or what `work` throws
   */
  async use<T>(work: (cluster: Cluster) => Promise<T>): Promise<T> {
    if (!this.#look || isOld(this.#look)) this.#look = this.#begin()
    const look = this.#look
    look.users++
    try {
      return await work(await look.cluster)
    } finally {
      look.users--
      look.cluster.then(cluster => closeUnused(cluster, look)).catch(() => {})
    }
  }

  /** Something was changed: the next one to look sees it. */
  forget(): void {
    this.#look = undefined
  }

  #begin(): Look {
    const look: Look = { cluster: this.#find(), foundMs: undefined, users: 0 }
    const found = () => {
      look.foundMs = performance.now()
    }
    look.cluster.then(found, found)
    return look
  }

  async #find(): Promise<Cluster> {
    const masters = await findMasters(this.#names, this.#port)
    const leader = leaderOf(masters)
    if (leader?.info) return new Cluster(masters, { daemon: leader.daemon, info: leader.info })
    for (const { daemon } of masters) daemon.close()
    throw new NoLeader(masters)
  }
}
