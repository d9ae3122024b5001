// The log of a witness: a replica without a state. Lines are written as they come and never looked into; the state that
// they lead to is known only to masters.
import type { Env } from '../env/env.ts'
import type { EpochTable } from '../ha/epochs.ts'
import { type Batch, type CheckpointSource, type CheckpointTarget, type Replica, ReplicaError } from '../ha/replica.ts'
import { inspectCheckpoint } from '../journal/checkpoint-files.ts'
import { saysMore } from '../metadata/changelog/trailer.ts'
import { changelogsByAge, linesFrom } from '../replica/changelog-batches.ts'
import type { EpochStore } from '../replica/epoch-store.ts'
import { METADATA_TEMPORARY, type MetaloggerFiles } from './files.ts'

export const CHANGELOGS = /^changelog_ml\.\d+\.mfs$/
const NO_DIGEST = Buffer.alloc(0)
const NEWLINE = 0x0a

export class WitnessLog implements Replica {
  readonly files: MetaloggerFiles
  version: number
  durable: number
  onBatch: ((batch: Batch) => void) | undefined
  onDurable: (() => void) | undefined
  readonly #env: Env
  readonly #epochs: EpochStore
  readonly #onFailure: (error: Error) => void
  #waiting: Batch[] = []
  #isRotationDue = false
  #isWriting = false
  #hasFailed = false
  #work: Promise<void> = Promise.resolve()
  #installing: Promise<void> = Promise.resolve()

  /** @param files as opened, settled */
  constructor(env: Env, files: MetaloggerFiles, epochs: EpochStore, onFailure: (error: Error) => void) {
    this.#env = env
    this.files = files
    this.#epochs = epochs
    this.#onFailure = onFailure
    this.version = this.durable = endOf(files)
  }

  get logId(): string {
    return this.#epochs.file.logId
  }

  get metaId(): bigint {
    return this.version === 0 ? 0n : (this.files.checkpoint?.metaId ?? 0n)
  }

  get epochs(): EpochTable {
    return this.#epochs.file.epochs
  }

  get seen(): number {
    return this.#epochs.file.seen
  }

  digest(): Buffer {
    return NO_DIGEST
  }

  /** Nothing here depends on it. */
  settled(): void {}

  setEpochs(epochs: EpochTable, seen: number): Promise<void> {
    return this.#epochs.write({ ...this.#epochs.file, epochs, seen })
  }

  append(batch: Batch): void {
    const { firstVersion, count, lines } = batch
    if (firstVersion !== this.version || this.version === 0) {
      throw new ReplicaError(`line ${firstVersion} came, the next one here is ${this.version}`)
    }
    if (lines.at(-1) !== NEWLINE || linesIn(lines) !== count) {
      throw new ReplicaError(`${count} lines announced, others came`)
    }
    // Whoever leads by this log must never begin in the middle of a request.
    const last = lines.toString('latin1', lines.lastIndexOf(NEWLINE, -2) + 1, lines.length - 1)
    if (saysMore(last)) throw new ReplicaError(`lines from ${firstVersion} on end within a request`)
    this.version += count
    this.#waiting.push(batch)
    this.#flush()
  }

  /** A new changelog begins, when what waits now is written. */
  rotate(): void {
    this.#isRotationDue = true
    this.#flush()
  }

  /** Writes what waits: everything that came while the last was on its way to the disk, with one sync. */
  #flush(): void {
    if (this.#isWriting || this.#hasFailed || (this.#waiting.length === 0 && !this.#isRotationDue)) return
    this.#isWriting = true
    this.#work = this.#write().then(
      () => {
        this.#isWriting = false
        this.#flush()
      },
      error => {
        this.#hasFailed = true
        this.#onFailure(error)
      },
    )
  }

  async #write(): Promise<void> {
    const batches = this.#waiting
    this.#waiting = []
    const end = this.version
    if (batches.length > 0) {
      await this.files.appendLines(Buffer.concat(batches.map(({ lines }) => lines)), end - 1)
      this.durable = end
      this.onDurable?.()
    }
    if (!this.#isRotationDue) return
    this.#isRotationDue = false
    await this.files.rotate()
  }

  /** Resolves when all that was appended is on the disk. @throws Error when the disk has failed */
  async flushed(): Promise<void> {
    while (this.durable < this.version) {
      if (this.#hasFailed) throw new Error('its disk has failed')
      await this.#work
    }
  }

  async oldest(): Promise<number> {
    const [first] = await changelogsByAge(this.#env.disk, this.files.folder, CHANGELOGS)
    return first?.firstVersion ?? this.version
  }

  linesFrom(version: number): AsyncGenerator<Batch> {
    return linesFrom(this.#env.disk, this.files.folder, CHANGELOGS, version, () => this.durable)
  }

  async checkpoint(): Promise<CheckpointSource> {
    const { checkpoint } = this.files
    if (!checkpoint) throw new Error(`${this.files.folder} holds no checkpoint`)
    const file = await this.#env.disk.open(checkpoint.path, 'r')
    const { size } = await file.stat()
    return {
      version: checkpoint.version,
      size,
      read: (target, position) => file.read(target, position),
      close: () => file.close(),
    }
  }

  /** Takes the place of the checkpoint that is here; lines from before both stay. */
  async receive(): Promise<CheckpointTarget> {
    const { disk } = this.#env
    const file = await this.files.create(METADATA_TEMPORARY)
    let position = 0
    return {
      write: async piece => {
        await file.write(piece, position)
        position += piece.length
      },
      install: async () => {
        await file.sync()
        await file.close()
        const installing = this.#install()
        this.#installing = installing.catch(() => {})
        await installing
      },
      discard: async () => {
        await file.close()
        await disk.unlink(this.files.path(METADATA_TEMPORARY))
      },
    }
  }

  /** Only a newer one: lines from before the one that is here need not be there any more. */
  async #install(): Promise<void> {
    const { files } = this
    const { disk, log } = this.#env
    const { version } = await inspectCheckpoint(disk, files.path(METADATA_TEMPORARY))
    if (version > (files.checkpoint?.version ?? 0)) return void (await files.takeMetadata())
    log.notice(`the leader has no newer checkpoint than the one of version ${version}`)
    await disk.unlink(files.path(METADATA_TEMPORARY))
  }

  async close(): Promise<void> {
    await this.flushed().catch(() => {})
    await this.#work
    await this.#installing
    await this.files.close()
  }
}

/** Number of the next line; 0 when the files do not lead from a checkpoint to the last line. */
function endOf({ checkpoint, lastId, incomplete }: MetaloggerFiles): number {
  if (!checkpoint || checkpoint.isNew || incomplete) return 0
  const end = lastId === undefined ? checkpoint.version : lastId + 1
  return end < checkpoint.version ? 0 : end
}

function linesIn(lines: Buffer): number {
  let count = 0
  for (let at = lines.indexOf(NEWLINE); at >= 0; at = lines.indexOf(NEWLINE, at + 1)) count++
  return count
}
