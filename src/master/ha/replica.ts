// The log and state of this master, as replication sees them: the journal, the metadata, and the table of epochs.
import type { Env } from '../../env/env.ts'
import { CommitQueue } from '../../ha/commit-queue.ts'
import type { EpochTable } from '../../ha/epochs.ts'
import { type Batch, type CheckpointSource, type Replica, ReplicaError } from '../../ha/replica.ts'
import { CHECKPOINT, CHECKPOINT_BACK, inspectCheckpoint } from '../../journal/checkpoint-files.ts'
import { Journal, type JournalError, type JournalOptions } from '../../journal/journal.ts'
import { applyNumbered } from '../../metadata/apply.ts'
import { parseLine } from '../../metadata/changelog/entry.ts'
import { ChangelogError } from '../../metadata/changelog/fields.ts'
import { saysMore } from '../../metadata/changelog/trailer.ts'
import { DIGEST_KIND } from '../../metadata/digest.ts'
import { ReplayError } from '../../metadata/replay-error.ts'
import type { State } from '../../metadata/state.ts'
import { changelogsByAge, linesFrom } from '../../replica/changelog-batches.ts'
import type { EpochStore } from '../../replica/epoch-store.ts'
import type { Checkpointer } from '../checkpointer.ts'
import type { LastLines } from '../last-lines.ts'
import type { CommittedLog } from '../metaloggers/committed-log.ts'
import type { MetaloggerPort } from '../metaloggers/port.ts'

/** This log's; a metalogger's put beside it are not cut. */
export const CHANGELOGS = /^changelog\.\d+\.mfs$/

const NO_DIGEST = Buffer.alloc(0)
/** Its kind, because digests of different kinds can't be compared, and its value. */
const DIGEST_BYTES = 9
/** A leader is heard several times in this time. */
const CURRENT_MS = 3000

export class DiskReplica implements Replica, CommittedLog {
  /** Undefined where there is no metadata yet. */
  readonly state: State | undefined
  readonly journal: Journal
  /** Makes checkpoints while this replica is open. */
  checkpointer: Checkpointer | undefined
  /** Serves metaloggers while this replica is open. */
  metaloggers: MetaloggerPort | undefined
  /** As the log goes; undefined once it was taken: whoever leads goes on with it. */
  #lastLines: LastLines | undefined
  durable: number
  onBatch: ((batch: Batch) => void) | undefined
  onDurable: (() => void) | undefined
  readonly #env: Env
  readonly #folder: string
  readonly #epochs: EpochStore
  /** As told by whoever leads, and when. */
  #committed = 0
  #settledMs = Number.NEGATIVE_INFINITY
  readonly #waiting = new CommitQueue()
  /** First line of the next batch that the journal writes. */
  #unwritten: number

  /**
   * @param state as recovered; all of it is on the disk
   * @param lastLines of the log up to there
   */
  constructor(
    env: Env,
    folder: string,
    state: State | undefined,
    lastLines: LastLines | undefined,
    epochs: EpochStore,
    options: JournalOptions,
    onFailure: (error: JournalError) => void,
  ) {
    this.#env = env
    this.#folder = folder
    this.state = state
    this.#lastLines = lastLines
    this.#epochs = epochs
    this.durable = this.#unwritten = this.version
    const stateNow = () => ({ version: this.version, digest: this.state?.digest() ?? 0n })
    this.journal = new Journal(env.disk, env.clock, folder, { ...options, stateNow }, onFailure)
    this.journal.observer = {
      writing: (lines, count) => this.#onWriting(lines, count),
      durable: count => {
        this.durable += count
        this.onDurable?.()
      },
    }
  }

  get logId(): string {
    return this.#epochs.file.logId
  }

  get metaId(): bigint {
    return this.state?.metaId ?? 0n
  }

  get version(): number {
    return this.state?.version ?? 0
  }

  get epochs(): EpochTable {
    return this.#epochs.file.epochs
  }

  get seen(): number {
    return this.#epochs.file.seen
  }

  digest(): Buffer {
    if (!this.state) return NO_DIGEST
    const digest = Buffer.allocUnsafe(DIGEST_BYTES)
    digest[0] = DIGEST_KIND
    digest.writeBigUInt64BE(this.state.digest(), 1)
    return digest
  }

  /** For whoever leads from now on, once: lines of its own do not come by here. */
  takeLastLines(): LastLines | undefined {
    const lastLines = this.#lastLines
    this.#lastLines = undefined
    return lastLines
  }

  // --- for metaloggers

  settled(committed: number): void {
    this.#settledMs = this.#env.clock.monotonicMs()
    this.#committed = committed
    this.#waiting.run(committed, () => true)
  }

  whenCommitted(action: () => void): void {
    if (this.#waiting.isEmpty && this.version <= this.#committed) action()
    else this.#waiting.push(this.version, action)
  }

  now(): number {
    return Math.floor(this.#env.clock.nowMs() / 1000)
  }

  get epoch(): number {
    return this.seen
  }

  get isCurrent(): boolean {
    return this.#env.clock.monotonicMs() - this.#settledMs < CURRENT_MS
  }

  /** A leader has everything. */
  get mayLag(): boolean {
    return this.onBatch === undefined
  }

  // ---

  setEpochs(epochs: EpochTable, seen: number): Promise<void> {
    return this.#epochs.write({ ...this.#epochs.file, epochs, seen })
  }

  #onWriting(lines: Buffer, count: number): void {
    const firstVersion = this.#unwritten
    this.#unwritten += count
    // After a rotation that waits, the state may be ahead of this batch.
    const digest = this.#unwritten === this.version ? this.digest() : NO_DIGEST
    this.onBatch?.({ firstVersion, count, lines, digest })
  }

  append({ firstVersion, count, lines, digest }: Batch): void {
    const { state } = this
    if (!state) throw new ReplicaError('there is no metadata that lines could be applied to')
    const texts = lines.toString('latin1').split('\n')
    if (texts.pop() !== '' || texts.length !== count) throw new ReplicaError(`${count} lines announced, others came`)
    if (firstVersion !== state.version) {
      throw new ReplicaError(`line ${firstVersion} came, the next one here is ${state.version}`)
    }
    // Whoever is elected must never begin in the middle of a request.
    if (saysMore(texts.at(-1) ?? '')) throw new ReplicaError(`lines from ${firstVersion} on end within a request`)
    for (const text of texts) this.#appendLine(state, text)
    const own = this.digest()
    if (digest.length === own.length && digest[0] === own[0] && !digest.equals(own)) {
      throw new ReplicaError(
        `at version ${state.version} the digests are ${own.toString('hex')} here, ${digest.toString('hex')} there`,
      )
    }
  }

  #appendLine(state: State, text: string): void {
    try {
      const line = parseLine(text)
      const { version, entry } = line
      applyNumbered(state, version, entry)
      this.#lastLines?.remember(line)
      this.metaloggers?.changed(version, text.slice(text.indexOf(': ') + 2))
    } catch (error) {
      if (!(error instanceof ChangelogError) && !(error instanceof ReplayError)) throw error
      throw new ReplicaError(`change ${state.version}: ${error.message}`, { cause: error })
    }
    this.journal.append(text)
  }

  async oldest(): Promise<number> {
    const files = await changelogsByAge(this.#env.disk, this.#folder, CHANGELOGS)
    return files[0]?.firstVersion ?? this.version
  }

  linesFrom(version: number): AsyncGenerator<Batch> {
    return linesFrom(this.#env.disk, this.#folder, CHANGELOGS, version, () => this.durable)
  }

  async checkpoint(): Promise<CheckpointSource> {
    const { disk } = this.#env
    const found = await newestCheckpoint(this.#env, this.#folder)
    if (!found) throw new Error(`${this.#folder} holds no checkpoint`)
    const file = await disk.open(found.path, 'r')
    const { size } = await file.stat()
    return {
      version: found.version,
      size,
      read: (target, position) => file.read(target, position),
      close: () => file.close(),
    }
  }

  async close(): Promise<void> {
    this.#waiting.clear()
    await this.metaloggers?.drop('the log is read anew')
    await this.checkpointer?.stop()
    await this.journal.close()
  }
}

/** The newest one that is whole. One of a new file system does not count: its root has no times yet. */
async function newestCheckpoint({ disk }: Env, folder: string): Promise<{ path: string; version: number } | undefined> {
  const names = await disk.list(folder)
  const found: { path: string; version: number }[] = []
  for (const name of [CHECKPOINT, CHECKPOINT_BACK]) {
    if (!names.includes(name)) continue
    const { path, version, isNew } = await inspectCheckpoint(disk, `${folder}/${name}`)
    if (!isNew) found.push({ path, version })
  }
  return found.sort((a, b) => b.version - a.version)[0]
}
