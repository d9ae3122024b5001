// The port for metaloggers: registration, files, and the stream of changes (spec metadata 8).
//
// A change leaves only when it is committed. What is handed on waits in one queue, lines and rotations in their order.
import type { Env, Timer } from '../../env/env.ts'
import type { Connection, Listener } from '../../env/net.ts'
import * as matoml from '../../protocol/matoml.ts'
import { ChangeMemory } from './change-memory.ts'
import type { CommittedLog } from './committed-log.ts'
import { MetaloggerLink } from './link.ts'

/** A change may never be committed, for example when no follower is left: then it is never sent. */
const COMMIT_WAIT_MS = 2000
/** Time for what is on its way when the master stops. */
const FAREWELL_MS = 200

export interface MetaloggerPortOptions {
  dataFolder: string
  /** Seconds that changes are kept for those who come back (CHANGELOG_PRESERVE_SECONDS). */
  preserveSeconds: number
}

export class MetaloggerPort {
  readonly #env: Env
  readonly #log: CommittedLog
  readonly #options: MetaloggerPortOptions
  readonly #memory: ChangeMemory
  readonly #links = new Set<MetaloggerLink>()
  /** Not committed yet. */
  #waiting: matoml.Change[] = []
  #scheduled = false
  #listener: Listener | undefined
  #timer: Timer | undefined

  constructor(env: Env, log: CommittedLog, options: MetaloggerPortOptions) {
    this.#env = env
    this.#log = log
    this.#options = options
    this.#memory = new ChangeMemory(options.preserveSeconds)
  }

  async listen(host: string, port: number): Promise<void> {
    this.#listener = await this.#env.net.listen(host, port, connection => this.#accept(connection))
    this.#timer = this.#env.clock.every(1000, () => {
      for (const link of this.#links) link.tick()
    })
  }

  /** Those that have registered. */
  list(): { version: number; ip: number }[] {
    return [...this.#links].flatMap(({ isRegistered, version, ip }) => (isRegistered ? [{ version, ip }] : []))
  }

  get connected(): number {
    return this.#links.size
  }

  /** Changes are kept for so many seconds from now on. */
  keepChanges(seconds: number): void {
    this.#memory.keepFor(seconds)
  }

  /** A change was made; they come in order. */
  changed(id: number, body: string): void {
    this.#hand({ id, body })
  }

  /** The changelog is cut here: what was committed before is in the older file, what comes after in a new one. */
  rotated(): void {
    this.#hand('rotate')
  }

  /** To be called when nobody makes changes any more: the last ones are sent before the connections end. */
  async close(): Promise<void> {
    this.#timer?.cancel()
    // Clients whose connections have just been closed are still being noted as gone.
    await this.#env.clock.sleep(this.#links.size > 0 ? FAREWELL_MS : 0)
    const committed = new Promise<void>(resolve => {
      this.#env.clock.soon(() => this.#log.whenCommitted(resolve))
    })
    await Promise.race([committed, this.#env.clock.sleep(COMMIT_WAIT_MS)])
    for (const link of this.#links) link.finish()
    await this.#env.clock.sleep(this.#links.size > 0 ? FAREWELL_MS : 0)
    await this.drop('the master stops')
  }

  /** Ends it at once: whatever metaloggers have not heard they get from the next leader. */
  async drop(why: string): Promise<void> {
    this.#timer?.cancel()
    for (const link of this.#links) link.close(why)
    await this.#listener?.close()
  }

  #accept(connection: Connection): void {
    const { dataFolder } = this.#options
    const link: MetaloggerLink = new MetaloggerLink(this.#env, this.#log, this.#memory, dataFolder, connection, () =>
      this.#links.delete(link),
    )
    this.#links.add(link)
    link.open()
  }

  /** Waits for one commit a turn, however many lines the turn had. */
  #hand(change: matoml.Change): void {
    this.#waiting.push(change)
    if (this.#scheduled) return
    this.#scheduled = true
    this.#env.clock.soon(() => {
      this.#scheduled = false
      const changes = this.#waiting
      this.#waiting = []
      this.#log.whenCommitted(() => this.#send(changes))
    })
  }

  #send(changes: readonly matoml.Change[]): void {
    const second = this.#log.now()
    for (const change of changes) if (change !== 'rotate') this.#memory.add(change, second)
    if (this.#links.size === 0) return
    for (const change of changes) {
      const frame = matoml.metachangesLog.encode(change)
      for (const link of this.#links) link.follow(change, frame)
    }
  }
}
