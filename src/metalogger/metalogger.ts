// The metalogger: follows a master and keeps what a new master needs to begin where that one ended.
import { EpochFence } from '../daemon/epoch-fence.ts'
import type { Env, Timer } from '../env/env.ts'
import { CheckpointError } from '../metadata/checkpoint/format.ts'
import { ProtocolError } from '../protocol/codec.ts'
import { resolveHosts, splitHosts } from '../util/hosts.ts'
import { type KeepOptions, MetaloggerFiles } from './files.ts'
import { MasterLink, Refusal } from './link.ts'

export interface MetaloggerOptions extends KeepOptions {
  dataFolder: string
  /** Names or addresses of masters (util/hosts.ts), tried in turn: only the one that leads answers. */
  masterHost: string
  masterPort: number
  /** Undefined: any. */
  bindHost: string | undefined
  reconnectSeconds: number
  timeoutSeconds: number
  /** Hours between checkpoints (META_DOWNLOAD_FREQ). */
  downloadEveryHours: number
}

const CONNECT_TIMEOUT_MS = 1000
/** Between two masters of a list. */
const NEXT_MASTER_SECONDS = 0.2
/** A master that was refused is asked again, because somebody may have put things right, but not at once. */
const REFUSED_DELAY_SECONDS = 60

export class Metalogger {
  readonly #env: Env
  #options: MetaloggerOptions
  readonly #files: MetaloggerFiles
  readonly #fence: EpochFence
  #link: MasterLink | undefined
  #timer: Timer | undefined
  /** Which of the masters is next; 0: a round is over. */
  #turn = 0
  #stopped = false
  #running: Promise<void> = Promise.resolve()

  static async start(env: Env, options: MetaloggerOptions): Promise<Metalogger> {
    const files = await MetaloggerFiles.open(env.disk, options.dataFolder, options, message => env.log.warning(message))
    const fence = await EpochFence.open(env.disk, options.dataFolder)
    const metalogger = new Metalogger(env, options, files, fence)
    metalogger.#connect()
    return metalogger
  }

  private constructor(env: Env, options: MetaloggerOptions, files: MetaloggerFiles, fence: EpochFence) {
    this.#env = env
    this.#options = options
    this.#files = files
    this.#fence = fence
  }

  /** Whether it follows a master. */
  get following(): boolean {
    return this.#link?.following ?? false
  }

  /** The last change that is on the disk. */
  get lastId(): number | undefined {
    return this.#files.lastId
  }

  /** Takes on new options; the connection is made anew. */
  reload(options: MetaloggerOptions): void {
    this.#options = options
    this.#files.keep = options
    this.#link?.close()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#timer?.cancel()
    this.#link?.close()
    await this.#running
    await this.#files.close()
  }

  #connect(): void {
    if (this.#stopped) return
    this.#running = this.#follow().then(delaySeconds => {
      if (this.#stopped) return
      this.#timer = this.#env.clock.after(delaySeconds * 1000, () => this.#connect())
    })
  }

  /** One connection from its beginning to its end. @returns seconds to wait before the next */
  async #follow(): Promise<number> {
    const { masterHost, masterPort, bindHost } = this.#options
    const { log, net } = this.#env
    try {
      const addresses = await resolveHosts(host => net.resolve(host), splitHosts(masterHost))
      const address = addresses[this.#turn % addresses.length] as string
      this.#turn = (this.#turn + 1) % addresses.length
      const options = { timeoutMs: CONNECT_TIMEOUT_MS, ...(bindHost ? { bindHost } : {}) }
      const connection = await net.connect(address, masterPort, options)
      this.#link = new MasterLink(this.#env, this.#files, this.#fence, this.#options, connection)
      if (this.#stopped) this.#link.close()
      await this.#link.run()
      return this.#pauseSeconds()
    } catch (error) {
      if (error instanceof Refusal) {
        log.error(`ALARM: ${error.message}. The files in ${this.#files.folder} stay as they are.`)
        return REFUSED_DELAY_SECONDS
      }
      if (!isOfTheWorld(error)) throw error
      if (!this.#stopped) log.warning(`master ${masterHost}:${masterPort}: ${error.message}`)
      return this.#pauseSeconds()
    } finally {
      this.#link = undefined
    }
  }

  #pauseSeconds(): number {
    return this.#turn > 0 ? NEXT_MASTER_SECONDS : this.#options.reconnectSeconds
  }
}

/** A lost connection, a full disk, a peer that speaks nonsense: not a mistake of ours. */
function isOfTheWorld(error: unknown): error is Error {
  if (error instanceof ProtocolError || error instanceof CheckpointError) return true
  return error instanceof Error && typeof (error as NodeJS.ErrnoException).code === 'string'
}
