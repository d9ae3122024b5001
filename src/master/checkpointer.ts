// Checkpoints of a running master: when they are made, what becomes of them, and which old files they make needless.
//
// The master never stops for one. It cuts the changelog and notes the digest of its state at the cut; a helper makes
// the checkpoint from the files and tells the digest of what it made. Only when the two are the same does the new
// checkpoint take its place, and only then may older files go: a state in memory that the files do not lead to, or
// files that do not lead to the state in memory, are found out while everything is still there.
import type { Env, Helper, Timer } from '../env/env.ts'
import { pruneChangelogs } from '../journal/changelog-files.ts'
import { CHECKPOINT_BACK, CHECKPOINT_TEMPORARY, publishCheckpoint } from '../journal/checkpoint-files.ts'
import checkpointJob, { type CheckpointMade } from '../journal/checkpoint-job.ts'
import type { Journal } from '../journal/journal.ts'
import type { State } from '../metadata/state.ts'
import { AFTERMATH_SECONDS } from './chunks/aftermath.ts'

const HOUR_MS = 3_600_000

export interface CheckpointOptions {
  dataFolder: string
  /** Older changelogs kept (BACK_LOGS). */
  backLogs: number
  /** Older checkpoints kept (BACK_META_KEEP_PREVIOUS). */
  keepPrevious: number
  /** Hours between checkpoints (METADATA_SAVE_FREQ). */
  saveEveryHours: number
  /** A changelog of so many bytes is finished (CHANGELOG_SIZE_MAX); 0: any size. */
  changelogBytesMax: number
}

const LOOK_AT_SIZE_MS = 1000

export class Checkpointer {
  readonly #env: Env
  readonly #journal: Journal
  readonly #state: State
  #options: CheckpointOptions
  /** The newest checkpoint that is known to be right is of this version. */
  #verified: number
  #helper: Helper<CheckpointMade> | undefined
  #running: Promise<void> | undefined
  #timer: Timer | undefined
  readonly #sizeTimer: Timer
  #stopped = false
  /** The newest one that this master has made: when it was stored, and how long that took; zeros before the first. */
  lastSaved = { atSeconds: 0, durationMs: 0 }

  /** @param verified version of the checkpoint that the master began with */
  constructor(env: Env, journal: Journal, state: State, verified: number, options: CheckpointOptions) {
    this.#env = env
    this.#journal = journal
    this.#state = state
    this.#verified = verified
    this.#options = options
    this.#schedule()
    this.#sizeTimer = env.clock.every(LOOK_AT_SIZE_MS, () => this.#lookAtSize())
  }

  /** A start must not have hours of a busy master to replay. */
  #lookAtSize(): void {
    const { changelogBytesMax } = this.#options
    if (this.#running || changelogBytesMax === 0 || this.#journal.bytes < changelogBytesMax) return
    void this.save()
  }

  /** Takes effect with the next rotation. */
  reconfigure(options: CheckpointOptions): void {
    this.#options = options
  }

  /** At full hours of the clock, as the original does. */
  #schedule(): void {
    const untilNextMs = HOUR_MS - (this.#env.clock.nowMs() % HOUR_MS)
    this.#timer = this.#env.clock.after(untilNextMs, () => {
      if (this.#stopped) return
      this.#schedule()
      void this.#hour(Math.round(this.#env.clock.nowMs() / HOUR_MS))
    })
  }

  /** The changelogs rotate every hour, also when no checkpoint is due. */
  async #hour(hour: number): Promise<void> {
    if (hour % this.#options.saveEveryHours === 0 && !this.#running) return this.save()
    if (hour % this.#options.saveEveryHours === 0) {
      this.#env.log.warning('the former checkpoint is still being made: this hour has none')
    }
    await this.#journal.rotate().catch(() => {})
    await this.#prune()
  }

  /**
   * Cuts the changelog and makes a checkpoint of that moment; resolves when all is done. While one is being made, no
   * other is begun. A failure is logged: the changelogs hold everything, and nothing old goes.
   */
  save(): Promise<void> {
    this.#running ??= this.#save()
      .catch(error => this.#failed(error))
      .finally(() => {
        this.#running = undefined
      })
    return this.#running
  }

  async #save(): Promise<void> {
    const { disk, clock, helpers, log } = this.#env
    const { dataFolder, keepPrevious } = this.#options
    const startedMs = clock.monotonicMs()
    // In this order and in one turn: the digest is that of the last line before the cut.
    const { version } = this.#state
    const digest = this.#state.digest().toString(16)
    await this.#journal.rotate()
    if (this.#stopped) return
    const now = Math.floor(clock.nowMs() / 1000)
    this.#helper = helpers.start(checkpointJob, { folder: dataFolder, version, now })
    const made = await this.#helper.result
    if (this.#stopped) return
    if (made.digest !== digest) return this.#alarm(version, digest, made)
    await publishCheckpoint(disk, dataFolder, CHECKPOINT_BACK, keepPrevious)
    this.#verified = version
    const durationMs = Math.round(clock.monotonicMs() - startedMs)
    this.lastSaved = { atSeconds: Math.floor(clock.nowMs() / 1000), durationMs }
    const seconds = (durationMs / 1000).toFixed(1)
    log.info(`checkpoint of version ${version} (${made.inodes} inodes) stored and verified in ${seconds} s`)
    await this.#prune()
  }

  #failed(error: unknown): void {
    if (this.#stopped) return
    const text = error instanceof Error ? error.message : String(error)
    this.#env.log.error(`no checkpoint was made (${text}); the changelogs hold everything and are kept`)
  }

  /** Memory and files disagree. Which one is wrong only people can find out, so both are kept. */
  async #alarm(version: number, digest: string, made: CheckpointMade): Promise<void> {
    const { disk, log } = this.#env
    const { dataFolder } = this.#options
    const aside = `${dataFolder}/rejected-checkpoint.${version}`
    await disk.rename(`${dataFolder}/${CHECKPOINT_TEMPORARY}`, aside)
    log.error(
      `ALARM: at version ${version} the state in memory has digest ${digest}, but ${made.from} and ${made.replayed} ` +
        `changes lead to ${made.digest}. No old checkpoint or changelog is removed any more; what was made is kept as ` +
        `${aside}. Check the memory of this machine, keep a copy of ${dataFolder} and report it; a restart goes on with ` +
        'what the files say.',
    )
  }

  async #prune(): Promise<void> {
    const { dataFolder, backLogs } = this.#options
    const settledBefore = Math.floor(this.#env.clock.nowMs() / 1000) - AFTERMATH_SECONDS
    try {
      await pruneChangelogs(this.#env.disk, dataFolder, backLogs, this.#verified, settledBefore)
    } catch (error) {
      this.#env.log.warning(`old changelogs were not removed: ${(error as Error).message}`)
    }
  }

  /** Begins nothing more; what was being made is given up, and may be so at any moment. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#timer?.cancel()
    this.#sizeTimer.cancel()
    this.#helper?.cancel()
    await this.#running
  }
}
