// Simulated machines with chunkservers of ours, and a scripted master and clients to talk to them.
import { Chunkserver } from '../../src/chunkserver/chunkserver.ts'
import { type ChunkserverOptions, chunkserverOptions } from '../../src/chunkserver/options.ts'
import { chunkserverConfigFile } from '../../src/config/mfschunkserver.ts'
import { defaultConfig } from '../../src/config/parse.ts'
import type { Connection } from '../../src/env/net.ts'
import * as cltocs from '../../src/protocol/cltocs.ts'
import { FOLLOWERS_OPTION, VERSION } from '../../src/protocol/constants.ts'
import * as cstocl from '../../src/protocol/cstocl.ts'
import * as cstoma from '../../src/protocol/cstoma.ts'
import { FrameReader } from '../../src/protocol/frame.ts'
import * as matocs from '../../src/protocol/matocs.ts'
import { SimHost } from './host.ts'
import { SimNetwork } from './net.ts'
import { Scheduler } from './scheduler.ts'

export const MASTER = '10.9.9.1'
export const MASTER_PORT = 9420
export const SERVER_PORT = 9422
export const META_ID = 0x1122334455667788n

export interface Packet {
  type: number
  payload: Buffer
}

/** One end of a connection, in the hand of a test. */
export class Talk {
  readonly connection: Connection
  readonly packets: Packet[] = []
  closed = false
  readonly #scheduler: Scheduler

  constructor(scheduler: Scheduler, connection: Connection, onPacket: (packet: Packet) => void = () => {}) {
    this.connection = connection
    this.#scheduler = scheduler
    const frames = new FrameReader(1_000_000, (type, payload) => {
      this.packets.push({ type, payload })
      onPacket({ type, payload })
    })
    connection.handle({
      data: bytes => frames.push(bytes),
      closed: () => {
        this.closed = true
      },
    })
  }

  send(...packets: Buffer[]): void {
    for (const packet of packets) this.connection.write(packet)
  }

  /** The next packet of one of these types; others before it are dropped. @throws Error when none comes */
  async next(types: readonly number[], limitMs = 20_000): Promise<Packet> {
    const at = () => this.packets.findIndex(({ type }) => types.includes(type))
    await this.#scheduler.until(() => at() >= 0, limitMs, `a message ${types.join(' or ')}`)
    return this.packets.splice(0, at() + 1).at(-1) as Packet
  }

  /** Until the other side closes. */
  async end(limitMs = 20_000): Promise<void> {
    await this.#scheduler.until(() => this.closed, limitMs, 'the end of the connection')
  }
}

export function frame(type: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(8)
  head.writeUInt32BE(type)
  head.writeUInt32BE(payload.length, 4)
  return Buffer.concat([head, payload])
}

/** A network with a master that says yes to everybody. */
export class Machines {
  readonly scheduler: Scheduler
  readonly network: SimNetwork
  readonly hosts = new Map<string, SimHost>()
  /** What each server said to the master last: by the address of its host. */
  readonly links = new Map<string, Talk>()
  readonly faults: string[] = []
  metaId = META_ID
  /** What the master says of its epoch; a master of the original says nothing. */
  epoch = ''
  /** Addresses of those that follow it. */
  followers = ''
  #clients: SimHost

  constructor(seed: number) {
    this.scheduler = new Scheduler(seed)
    this.network = new SimNetwork(this.scheduler)
    this.#clients = this.host('10.9.9.100')
  }

  host(address: string): SimHost {
    const host = this.hosts.get(address) ?? new SimHost(this.scheduler, this.network, address)
    this.hosts.set(address, host)
    return host
  }

  async startMaster(): Promise<void> {
    const { net } = this.host(MASTER).env('master')
    await net.listen('*', MASTER_PORT, connection => {
      const talk = new Talk(this.scheduler, connection, ({ type, payload }) => {
        if (type === cltocs.getConfig.code) {
          const { msgid, option } = cltocs.getConfig.decode(payload)
          const value = option === FOLLOWERS_OPTION ? this.followers : this.epoch
          talk.send(cstocl.configValue.encode({ msgid, value }))
        }
        if (type !== cstoma.register.code) return
        const { form } = cstoma.register.decode(payload)
        const welcome = { kind: 'welcome', version: VERSION, timeout: 10, serverId: 7, metaId: this.metaId } as const
        if (form === cstoma.RegisterForm.BEGIN) talk.send(matocs.masterAck.encode(welcome))
        if (form === cstoma.RegisterForm.CHUNKS) talk.send(matocs.masterGoOn.encode({ kind: 0 }))
      })
      this.links.set(connection.remoteAddress, talk)
    })
  }

  /** A server on the folders /d1 and /d2 of the host, registered with the master. */
  async startServer(address: string, changes: Partial<ChunkserverOptions> = {}): Promise<Chunkserver> {
    const host = this.host(address)
    for (const folder of ['/data', '/d1', '/d2']) await host.disk.makeFolder(folder)
    const defaults = chunkserverOptions(defaultConfig(chunkserverConfigFile), '/d1\n/d2\n', option =>
      option === 'LABELS' ? 'A,B' : '',
    )
    const options = {
      ...defaults,
      dataFolder: '/data',
      listenHost: address,
      masterHost: MASTER,
      labels: 3,
      leaveBytes: 0,
      ...changes,
    }
    this.links.delete(address)
    const fault = (error: Error) => void this.faults.push(error.message)
    const server = await this.run(Chunkserver.start(host.env('chunkserver'), options, fault))
    const done = () => server.registered || this.faults.length > 0
    await this.scheduler.until(done, 60_000, 'registration')
    return server
  }

  master(address: string): Talk {
    const talk = this.links.get(address)
    if (!talk) throw new Error(`${address} did not connect`)
    return talk
  }

  async client(address: string): Promise<Talk> {
    const { net } = this.#clients.env('client')
    return new Talk(this.scheduler, await this.run(net.connect(address, SERVER_PORT, { timeoutMs: 1000 })))
  }

  /** Runs virtual time until the promise is there. */
  async run<T>(promise: Promise<T>): Promise<T> {
    let over = false
    const settled = promise.finally(() => {
      over = true
    })
    settled.catch(() => undefined)
    await this.scheduler.until(() => over, 120_000, 'an action')
    return settled
  }
}
