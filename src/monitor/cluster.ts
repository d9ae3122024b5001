// What a monitor knows of a cluster: each thing is asked for once, when it is wanted first.
import * as cltoma from '../protocol/cltoma.ts'
import type { Body } from '../protocol/codec.ts'
import * as matocl from '../protocol/matocl.ts'
import type { Daemon } from './daemon.ts'
import type { Master, MasterInfo } from './masters.ts'

export type Server = Body<typeof matocl.cservList>['servers'][number]

export class Cluster {
  /** Of the master that leads. */
  readonly info: MasterInfo
  readonly masters: readonly Master[]
  readonly #leader: Daemon
  readonly #known = new Map<string, Promise<unknown>>()

  /** @param leader one of the masters, with its info */
  constructor(masters: readonly Master[], leader: { readonly daemon: Daemon; readonly info: MasterInfo }) {
    this.masters = masters
    this.info = leader.info
    this.#leader = leader.daemon
  }

  servers(): Promise<readonly Server[]> {
    return this.#once('servers', async () => {
      return (await this.#leader.ask(cltoma.cservList.encode({}), matocl.cservList)).servers
    })
  }

  #once<T>(name: string, ask: () => Promise<T>): Promise<T> {
    const known = this.#known.get(name) ?? ask()
    this.#known.set(name, known)
    return known as Promise<T>
  }

  close(): void {
    for (const { daemon } of this.masters) daemon.close()
  }
}
