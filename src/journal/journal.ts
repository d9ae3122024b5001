// The changelog on disk: lines go out in batches (group commit), and nothing that depends on a line leaves the
// master before the line is durable.
//
//   append ──► waiting ──flush──► writing (write + fdatasync) ──► durable: actions run, next batch goes out
//
// A batch is what arrived while the one before it was on its way to the disk, so load makes batches larger, not
// answers slower. There is at most one write on its way.

import type { Disk, DiskFile } from '../env/disk.ts'
import type { Clock, Timer } from '../env/env.ts'
import { changelogName, rotateChangelogs, sumsName } from './changelog-files.ts'
import { changeIdOf } from './changelog-reader.ts'
import { SumsWriter } from './changelog-sums.ts'
import { beginningOf, CommitTail } from './commit-tail.ts'

/**
 * When a line counts as durable: with `commit` on the disk; with `interval` and `none` in the hands of the system, so
 * that the death of the master loses nothing, but that of the machine what was not synced: by `interval` every so many
 * milliseconds, by `none` only when a changelog is finished.
 */
export type SyncMode = { kind: 'commit'; tailBytes?: number } | { kind: 'interval'; ms: number } | { kind: 'none' }

export interface JournalOptions {
  sync: SyncMode
  /** The state that the lines appended so far lead to, and its digest: for the checksums beside the changelog. */
  stateNow?: () => { version: number; digest: bigint }
}

/** Hears of batches: lines (each with its newline) that go to the disk, and then, in the same order, that they are durable. */
export interface JournalObserver {
  writing(lines: Buffer, count: number): void
  durable(count: number): void
}

/** So long after a line was written its checksum may be missing. */
const SUMS_EVERY_MS = 1000

/** The changelog could not be written or synced. The state in memory is ahead of the disk: the master must stop. */
export class JournalError extends Error {
  override readonly name = 'JournalError'
}

/** A batch up to this size is written in place when the disk is quick. */
const LITTLE_BYTES = 64 * 1024

interface Batch {
  lines: string[]
  /** Of the state behind the last line, on a sealed batch. */
  digest?: bigint | undefined
  /** To run once the lines are durable. */
  actions: (() => void)[]
  /** Set on a sealed batch: the changelogs are rotated after it. */
  rotated?: () => void
}

export class Journal {
  readonly #disk: Disk
  readonly #clock: Clock
  readonly #folder: string
  readonly #options: JournalOptions
  readonly #onFailure: (error: JournalError) => void
  observer: JournalObserver | undefined
  #file: DiskFile | undefined
  #position = 0
  /** Not yet on their way, oldest first; more than one only around a rotation. */
  #batches: Batch[] = []
  /** Waiting for the batch that is on its way to the disk. */
  #inFlight: (() => void)[] = []
  #writing = false
  #scheduled = false
  #unsynced = false
  #failed: JournalError | undefined
  #closing: Promise<void> | undefined
  /** Those of rotate() and close() who must hear of a failure. */
  #waitingForEnd: ((error: JournalError) => void)[] = []
  #syncTimer: Timer | undefined
  /** Where commits go while the changelog follows; undefined: they go to the changelog. */
  #tail: CommitTail | undefined
  #sumsTimer: Timer | undefined
  readonly #sums: SumsWriter
  /** The last change that was written. */
  #lastId = 0
  readonly #cutListeners: (() => void)[] = []

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
    this.#sums = new SumsWriter(disk, `${folder}/${sumsName(0)}`, cause => this.#fail(cause))
    if (sync.kind === 'interval') this.#syncTimer = clock.every(sync.ms, () => void this.#syncQuietly())
  }

  /** Size of the present changelog, as far as it was written in this life. */
  get bytes(): number {
    return this.#file ? this.#position : 0
  }

  /** Queues one line (without newline). */
  append(line: string): void {
    let batch = this.#batches.at(-1)
    if (!batch || batch.rotated) {
      batch = { lines: [], actions: [] }
      this.#batches.push(batch)
    }
    batch.lines.push(line)
    this.#schedule()
  }

  /** Runs `action` when every line appended so far is durable; now, when all are. Never, once the journal failed. */
  whenDurable(action: () => void): void {
    if (this.#failed) return
    const last = this.#batches.at(-1)
    if (last) last.actions.push(action)
    else if (this.#writing) this.#inFlight.push(action)
    else action()
  }

  /**
   * Starts a new changelog.0.mfs. The cut is now: every line appended before this call is in changelog.1.mfs when the
   * promise resolves, every later one is not. Lines may be appended meanwhile.
   */
  rotate(): Promise<void> {
    if (this.#failed) return Promise.reject(this.#failed)
    for (const hear of this.#cutListeners) hear()
    return new Promise((resolve, reject) => {
      const last = this.#batches.at(-1)
      if (last && !last.rotated) {
        last.rotated = resolve
        last.digest = this.#digestAfter(last)
      } else this.#batches.push({ lines: [], actions: [], rotated: resolve })
      this.#waitingForEnd.push(reject)
      this.#schedule()
    })
  }

  /** `hear` is told of every cut, in the turn in which it is made: what was appended before is before it. */
  onCut(hear: () => void): void {
    this.#cutListeners.push(hear)
  }

  /** Waits for everything appended and closes the file. @throws JournalError when the journal has failed. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#stopTimers()
    if (this.#failed) throw this.#failed
    if (this.#writing || this.#batches.length > 0) {
      await new Promise<void>((resolve, reject) => {
        this.#waitingForEnd.push(reject)
        this.whenDurable(resolve)
      })
    }
    await this.#syncAndClose()
    await this.#tail?.remove()
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
    for (let batch = this.#batches.shift(); batch; batch = this.#batches.shift()) {
      this.#inFlight = batch.actions
      try {
        if (batch.lines.length > 0) await this.#write(batch)
        if (batch.rotated) await this.#rotateNow()
      } catch (cause) {
        this.#fail(cause)
        return
      }
      if (this.#failed) return
      this.#runInFlight()
      batch.rotated?.()
    }
    this.#writing = false
    this.#waitingForEnd = []
  }

  async #rotateNow(): Promise<void> {
    await this.#syncAndClose()
    await rotateChangelogs(this.#disk, this.#folder)
  }

  #runInFlight(): void {
    // An action may register another one; with nothing new appended that one is due as well.
    while (this.#inFlight.length > 0) {
      const actions = this.#inFlight
      this.#inFlight = []
      for (const action of actions) action()
    }
  }

  async #write(batch: Batch): Promise<void> {
    const bytes = Buffer.from(`${batch.lines.join('\n')}\n`, 'latin1')
    // A batch that is not sealed is what was appended up to now.
    const digest = batch.rotated ? batch.digest : this.#digestAfter(batch)
    this.observer?.writing(bytes, batch.lines.length)
    this.#file ??= await this.#open(batch.lines[0] as string)
    const offset = this.#position
    await (bytes.length > LITTLE_BYTES ? this.#file.write(bytes, offset) : this.#file.writeLittle(bytes, offset))
    this.#position += bytes.length
    const isDurable = this.#options.sync.kind === 'commit'
    if (isDurable) await this.#commit(bytes, offset)
    else this.#unsynced = true
    this.observer?.durable(batch.lines.length)
    const first = changeIdOf(batch.lines[0] as string) ?? 0
    this.#lastId = first + batch.lines.length - 1
    this.#sums.cover(bytes, { first, last: this.#lastId, offset, digest, isDurable })
    this.#sumsTimer ??= this.#clock.after(SUMS_EVERY_MS, () => {
      this.#sumsTimer = undefined
      this.#sums.flush()
      void this.#followTail()
    })
  }

  async #commit(lines: Buffer, offset: number): Promise<void> {
    const tail = this.#tail
    if (lines.length <= LITTLE_BYTES && tail?.hasRoomFor(lines)) return tail.commit(lines, offset)
    await this.#file?.syncLittle()
    tail?.restart()
  }

  /** What the tail holds the changelog holds, too, a second later. */
  async #followTail(): Promise<void> {
    if (!this.#tail || !this.#file) return
    try {
      await this.#file.sync()
    } catch (cause) {
      this.#fail(cause)
    }
  }

  /** Undefined when the state is elsewhere, which only tests have. */
  #digestAfter({ lines }: Batch): bigint | undefined {
    const state = this.#options.stateNow?.()
    return state && state.version - 1 === changeIdOf(lines.at(-1) ?? '') ? state.digest : undefined
  }

  async #open(firstLine: string): Promise<DiskFile> {
    const path = `${this.#folder}/${changelogName(0)}`
    const file = await this.#disk.open(path, 'a+')
    this.#position = (await file.stat()).size
    if (this.#position === 0) await this.#disk.syncFolder(this.#folder)
    const { sync } = this.#options
    if (sync.kind === 'commit') await this.#beginTail(file, firstLine, sync.tailBytes)
    return file
  }

  async #beginTail(file: DiskFile, firstLine: string, bytes?: number): Promise<void> {
    const isNew = this.#position === 0
    if (!isNew) await file.sync()
    this.#tail ??= await CommitTail.create(this.#disk, this.#folder, bytes)
    this.#tail?.begin(isNew ? changeIdOf(firstLine) : (await beginningOf(file)).first)
  }

  async #syncQuietly(): Promise<void> {
    if (!this.#unsynced || !this.#file || this.#failed) return
    // What is written meanwhile waits for the next time.
    this.#unsynced = false
    const [last, end] = [this.#lastId, this.#position]
    try {
      await this.#file.sync()
      this.#sums.settle(last, end)
    } catch (cause) {
      this.#fail(cause)
    }
  }

  async #syncAndClose(): Promise<void> {
    const file = this.#file
    this.#file = undefined
    await file?.sync()
    await file?.close()
    if (this.#unsynced) this.#sums.settle(this.#lastId, this.#position)
    this.#unsynced = false
    await this.#sums.close()
  }

  #stopTimers(): void {
    this.#syncTimer?.cancel()
    this.#sumsTimer?.cancel()
  }

  #fail(cause: unknown): void {
    if (this.#failed) return
    const text = cause instanceof Error ? cause.message : String(cause)
    this.#failed = new JournalError(`${this.#folder}/${changelogName(0)}: ${text}`, { cause })
    this.#stopTimers()
    this.#batches = []
    this.#inFlight = []
    for (const reject of this.#waitingForEnd) reject(this.#failed)
    this.#waitingForEnd = []
    void this.#tail?.close().catch(() => {})
    this.#onFailure(this.#failed)
  }
}
