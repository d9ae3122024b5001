// The changelog on disk: lines go out in batches (group commit), and nothing that depends on a line leaves the
// master before the line is durable.
//
//   append ──► waiting ──flush──► writing (write + fdatasync) ──► durable: actions run, next batch goes out
//
// A batch is what arrived while the one before it was on its way to the disk, so load makes batches larger, not
// answers slower. There is at most one write on its way.

import type { Disk, DiskFile } from '../env/disk.ts'
import type { Clock } from '../env/env.ts'
import { changelogName, rotateChangelogs } from './changelog-files.ts'

/** When a line counts as durable. `commit`: on disk. `interval` and `none`: given to the system (a kill loses nothing, a power cut may). */
export type SyncMode = { kind: 'commit' } | { kind: 'interval'; ms: number } | { kind: 'none' }

export interface JournalOptions {
  sync: SyncMode
  /** Older changelogs kept: `changelog.1.mfs` … (BACK_LOGS). */
  backLogs: number
}

/** The changelog could not be written or synced. The state in memory is ahead of the disk: the master must stop. */
export class JournalError extends Error {
  override readonly name = 'JournalError'
}

export class Journal {
  readonly #disk: Disk
  readonly #clock: Clock
  readonly #folder: string
  readonly #options: JournalOptions
  readonly #onFailure: (error: JournalError) => void
  #file: DiskFile | undefined
  #position = 0
  #lines: string[] = []
  /** Waiting for #lines, the next batch. */
  #actions: (() => void)[] = []
  /** Waiting for the batch that is on its way to the disk. */
  #inFlight: (() => void)[] = []
  #writing = false
  #scheduled = false
  #unsynced = false
  #failed: JournalError | undefined
  #idle: (() => void)[] = []
  #syncTimer: { cancel(): void } | undefined

  /**
   * @param folder the master's data folder; recovery has cut torn tails off its changelogs
   * @param onFailure called once when a write or sync fails; after that no action ever runs
   */
  constructor(
    disk: Disk,
    clock: Clock,
    folder: string,
    options: JournalOptions,
    onFailure: (error: JournalError) => void,
  ) {
    this.#disk = disk
    this.#clock = clock
    this.#folder = folder
    this.#options = options
    this.#onFailure = onFailure
    const { sync } = options
    if (sync.kind === 'interval') this.#syncTimer = clock.every(sync.ms, () => void this.#syncQuietly())
  }

  /** Queues one line (without newline). */
  append(line: string): void {
    this.#lines.push(line)
    this.#schedule()
  }

  /** Runs `action` when every line appended so far is durable; now, when all are. Never, once the journal failed. */
  whenDurable(action: () => void): void {
    if (this.#failed) return
    if (this.#lines.length > 0) this.#actions.push(action)
    else if (this.#writing) this.#inFlight.push(action)
    else action()
  }

  /** Starts a new changelog.0.mfs: what was appended so far is in changelog.1.mfs when this resolves. */
  async rotate(): Promise<void> {
    await this.#whenIdle()
    this.#writing = true
    try {
      await this.#syncAndClose()
      await rotateChangelogs(this.#disk, this.#folder, this.#options.backLogs)
    } catch (cause) {
      this.#fail(cause)
      throw this.#failed
    }
    this.#writing = false
    this.#runInFlight()
    if (this.#lines.length > 0) void this.#flush()
    else this.#becomeIdle()
  }

  /** Waits for everything appended and closes the file. @throws JournalError when the journal has failed. */
  async close(): Promise<void> {
    this.#syncTimer?.cancel()
    await this.#whenIdle()
    await this.#syncAndClose()
  }

  #schedule(): void {
    if (this.#scheduled || this.#writing || this.#failed) return
    this.#scheduled = true
    this.#clock.soon(() => {
      this.#scheduled = false
      if (!this.#writing && !this.#failed) void this.#flush()
    })
  }

  async #flush(): Promise<void> {
    this.#writing = true
    while (this.#lines.length > 0) {
      const batch = Buffer.from(`${this.#lines.join('\n')}\n`, 'latin1')
      this.#inFlight = this.#actions
      this.#lines = []
      this.#actions = []
      try {
        await this.#write(batch)
      } catch (cause) {
        this.#fail(cause)
        return
      }
      this.#runInFlight()
    }
    this.#writing = false
    this.#becomeIdle()
  }

  #runInFlight(): void {
    const actions = this.#inFlight
    this.#inFlight = []
    for (const action of actions) action()
  }

  async #write(batch: Buffer): Promise<void> {
    this.#file ??= await this.#open()
    await this.#file.write(batch, this.#position)
    this.#position += batch.length
    if (this.#options.sync.kind === 'commit') await this.#file.sync()
    else this.#unsynced = true
  }

  async #open(): Promise<DiskFile> {
    const path = `${this.#folder}/${changelogName(0)}`
    const file = await this.#disk.open(path, 'a+')
    this.#position = (await file.stat()).size
    if (this.#position === 0) await this.#disk.syncFolder(this.#folder)
    return file
  }

  async #syncQuietly(): Promise<void> {
    if (!this.#unsynced || !this.#file || this.#failed) return
    this.#unsynced = false
    try {
      await this.#file.sync()
    } catch (cause) {
      this.#fail(cause)
    }
  }

  async #syncAndClose(): Promise<void> {
    const file = this.#file
    this.#file = undefined
    this.#unsynced = false
    await file?.sync()
    await file?.close()
  }

  #fail(cause: unknown): void {
    if (this.#failed) return
    const text = cause instanceof Error ? cause.message : String(cause)
    this.#failed = new JournalError(`${this.#folder}/${changelogName(0)}: ${text}`, { cause })
    this.#actions = []
    this.#inFlight = []
    this.#becomeIdle()
    this.#onFailure(this.#failed)
  }

  async #whenIdle(): Promise<void> {
    while (!this.#failed && (this.#writing || this.#lines.length > 0)) {
      await new Promise<void>(resolve => this.#idle.push(resolve))
    }
    if (this.#failed) throw this.#failed
  }

  #becomeIdle(): void {
    const waiting = this.#idle
    this.#idle = []
    for (const resume of waiting) resume()
  }
}
