// The connections to masters: one to the leader, made again whenever it is lost, and one to each of its followers, which
// are told in advance what is here. When one of these leads, its connection is the one to the leader from then on.
import type { Env, Timer } from '../../env/env.ts'
import type { Connection } from '../../env/net.ts'
import { resolveHosts, splitHosts } from '../../util/hosts.ts'
import { parseIpv4 } from '../../util/ipv4.ts'
import { type MasterServices, Session, type SessionOptions } from './session.ts'

const CONNECT_MS = 1000
/** Between two masters of a list. */
const NEXT_MASTER_MS = 100

export interface MasterLinkOptions extends SessionOptions {
  /** Names or addresses of masters (util/hosts.ts), tried in turn. */
  readonly masterHost: string
  readonly masterPort: number
  readonly bindHost: string
  readonly reconnectionDelaySeconds: number
}

export class MasterLink {
  options: MasterLinkOptions
  readonly #env: Env
  readonly #services: MasterServices
  readonly #onFatal: (error: Error) => void
  #session: Session | undefined
  /** Those with followers, by address; undefined while one is being made. */
  readonly #early = new Map<string, Session | undefined>()
  #retry: Timer | undefined
  #connecting = false
  #stopped = false
  /** Which of the masters is next; 0: a round is over. */
  #turn = 0
  /** The leader, when a master that is none named it. */
  #leader: string | undefined

  constructor(env: Env, services: MasterServices, options: MasterLinkOptions, onFatal: (error: Error) => void) {
    this.#env = env
    this.#services = services
    this.options = options
    this.#onFatal = onFatal
  }

  get registered(): boolean {
    return this.#session?.state === 'registered'
  }

  /** Address of the master that has us; zeros when none has. */
  get masterAddress(): { ip: number; port: number } {
    if (!this.#session || !this.registered) return { ip: 0, port: 0 }
    return { ip: parseIpv4(this.#session.address) ?? 0, port: this.options.masterPort }
  }

  /** Begins to connect, now and then every few seconds. */
  start(): void {
    void this.#connect()
  }

  /** Something is to be reported: after what is going on now. */
  wake(): void {
    if (this.registered) this.#session?.reportSoon()
  }

  /** A chunk came, went, or became another version. */
  changed(chunkId: number): void {
    for (const session of this.#early.values()) session?.changed(chunkId)
  }

  tick(): void {
    this.#session?.tick()
    for (const session of this.#early.values()) session?.tick()
  }

  /** New options; reconnects when these ask for it. */
  reload(options: MasterLinkOptions): void {
    const before = this.options
    this.options = options
    const reconnect = (
      ['masterHost', 'masterPort', 'bindHost', 'masterTimeoutSeconds', 'authCode', 'listenHost', 'listenPort'] as const
    ).some(key => before[key] !== options[key])
    if (reconnect) {
      this.#leader = undefined
      this.#dropFollowers([])
      this.#session?.leave()
    } else if (before.labels !== options.labels) this.#session?.sendLabels()
  }

  /** Says good-bye. */
  stop(): void {
    this.#stopped = true
    this.#retry?.cancel()
    this.#dropFollowers([])
    this.#session?.leave()
  }

  async #connect(): Promise<void> {
    if (this.#stopped || this.#connecting || this.#session) return
    this.#connecting = true
    const { masterHost, masterPort } = this.options
    try {
      const address = this.#leader ?? (await this.#nextAddress())
      const connection = await this.#open(address)
      // A follower may have said meanwhile that it leads.
      if (this.#stopped || this.#session) return connection.destroy()
      this.#env.log.notice(`connected to master ${address}:${masterPort}`)
      this.#begin(connection)
    } catch (error) {
      this.#leader = undefined
      this.#env.log.warning(`master ${masterHost}:${masterPort}: ${(error as Error).message}`)
      this.#again()
    } finally {
      this.#connecting = false
    }
  }

  #open(address: string): Promise<Connection> {
    const { masterPort, bindHost } = this.options
    const bind = bindHost === '*' ? {} : { bindHost }
    return this.#env.net.connect(address, masterPort, { timeoutMs: CONNECT_MS, ...bind })
  }

  /** Of all masters that are named, one after the other. @throws Error when none is known */
  async #nextAddress(): Promise<string> {
    const addresses = await resolveHosts(host => this.#env.net.resolve(host), splitHosts(this.options.masterHost))
    const address = addresses[this.#turn % addresses.length] as string
    this.#turn = (this.#turn + 1) % addresses.length
    return address
  }

  #begin(connection: Connection): void {
    const session = this.#sessionOn(connection, () => {})
    this.#session = session
  }

  #sessionOn(connection: Connection, earlyClosed: () => void, isEarly = false): Session {
    const session: Session = new Session(
      this.#env,
      this.#services,
      this.options,
      connection,
      {
        closed: leader => (this.#session === session ? this.#onClosed(leader) : earlyClosed()),
        followers: addresses => this.#onFollowers(addresses),
        leads: () => this.#onLeads(session),
        fatal: this.#onFatal,
      },
      isEarly,
    )
    return session
  }

  #onClosed(leader: string | undefined): void {
    this.#session = undefined
    this.#leader = leader
    this.#env.log.notice('connection to the master is closed')
    this.#again()
  }

  // --- followers

  #onFollowers(addresses: string[]): void {
    this.#dropFollowers(addresses)
    for (const address of addresses) if (!this.#early.has(address)) void this.#tell(address)
  }

  /** Leaves those that are not among these. */
  #dropFollowers(addresses: readonly string[]): void {
    for (const [address, session] of [...this.#early]) {
      if (addresses.includes(address)) continue
      this.#early.delete(address)
      session?.drop()
    }
  }

  /** Tells a follower what is here. One that cannot be reached is tried again when the leader names it again. */
  async #tell(address: string): Promise<void> {
    this.#early.set(address, undefined)
    try {
      const connection = await this.#open(address)
      const isWanted = this.#early.has(address) && this.#early.get(address) === undefined
      if (this.#stopped || !isWanted) return connection.destroy()
      const session: Session = this.#sessionOn(
        connection,
        () => {
          if (this.#early.get(address) === session) this.#early.delete(address)
        },
        true,
      )
      this.#early.set(address, session)
    } catch {
      this.#early.delete(address)
    }
  }

  /** Nothing that an earlier leader has said counts from here on. */
  #onLeads(session: Session): void {
    const former = this.#session
    this.#session = session
    for (const [address, early] of this.#early) if (early === session) this.#early.delete(address)
    this.#retry?.cancel()
    this.#leader = undefined
    this.#env.log.notice(`the master at ${session.address} leads now`)
    former?.drop()
  }

  #again(): void {
    if (this.#stopped) return
    this.#retry?.cancel()
    const roundMs = this.#turn > 0 ? NEXT_MASTER_MS : this.options.reconnectionDelaySeconds * 1000
    const delayMs = this.#leader ? 0 : roundMs
    this.#retry = this.#env.clock.after(delayMs, () => void this.#connect())
  }
}
