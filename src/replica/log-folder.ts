// The folder of a log that follows others, while nothing runs on it: cutting, putting aside, taking over a checkpoint.
// Nothing is ever deleted here: what does not count any more is moved into a folder of its own.
import type { Disk, DiskFile } from '../env/disk.ts'
import type { Env } from '../env/env.ts'
import type { EpochTable } from '../ha/epochs.ts'
import { type CheckpointTarget, ReplicaError } from '../ha/replica.ts'
import { ChangelogFile } from '../journal/changelog-reader.ts'
import { inspectCheckpoint } from '../journal/checkpoint-files.ts'
import { CheckpointError } from '../metadata/checkpoint/format.ts'
import { changelogsByAge } from './changelog-batches.ts'
import { EpochStore, newLogId } from './epoch-store.ts'

const INCOMING = 'incoming-checkpoint.tmp'
const PIECE_BYTES = 1 << 20

/** Everything that belongs to the history of one log. */
export const isOfLog = (name: string) => /^(?:metadata|changelog)/.test(name) && name !== 'metadata.mfs.empty'

export interface LogFileNames {
  readonly changelogs: RegExp
  readonly checkpoints: RegExp
  /** Where a checkpoint goes that is taken over. */
  readonly checkpoint: string
}

export class LogFolder {
  readonly #env: Env
  readonly #folder: string
  readonly #names: LogFileNames

  constructor(env: Env, folder: string, names: LogFileNames) {
    this.#env = env
    this.#folder = folder
    this.#names = names
  }

  /** Reads the table of epochs, and goes on with what a kill has interrupted. */
  async openEpochs(): Promise<EpochStore> {
    const store = await EpochStore.open(this.#env, this.#folder)
    await this.#finishPuttingAside(store)
    return store
  }

  /** All of the log goes aside, and another one begins. */
  async putAside(): Promise<void> {
    const store = await EpochStore.open(this.#env, this.#folder)
    const { seen } = store.file
    await store.write({ logId: newLogId(this.#env), seen, epochs: [], putAside: await this.#asideFolder() })
    await this.#finishPuttingAside(store)
  }

  // --- taking over a checkpoint

  async receive(): Promise<CheckpointTarget> {
    const { disk } = this.#env
    const path = `${this.#folder}/${INCOMING}`
    const file = await disk.open(path, 'w+')
    let position = 0
    return {
      write: async piece => {
        await file.write(piece, position)
        position += piece.length
      },
      install: async (epochs, seen) => {
        await file.sync()
        await file.close()
        await this.#checkIncoming(path)
        await this.#install(epochs, seen)
      },
      discard: async () => {
        await file.close()
        await disk.unlink(path)
      },
    }
  }

  async #checkIncoming(path: string): Promise<void> {
    try {
      const { isNew } = await inspectCheckpoint(this.#env.disk, path)
      if (isNew) throw new ReplicaError(`${path}: it is empty`)
    } catch (error) {
      if (!(error instanceof CheckpointError)) throw error
      throw new ReplicaError(`${path}: ${error.message}`, { cause: error })
    }
  }

  /** From the moment that the mark is on the disk, whatever kills this process, the next open goes on with it. */
  async #install(epochs: EpochTable, seen: number): Promise<void> {
    await this.#env.disk.syncFolder(this.#folder)
    const store = await EpochStore.open(this.#env, this.#folder)
    await store.write({ logId: newLogId(this.#env), seen, epochs, putAside: await this.#asideFolder() })
    await this.#finishPuttingAside(store)
  }

  async #asideFolder(): Promise<string> {
    const { clock, disk } = this.#env
    const stamp = new Date(clock.nowMs()).toISOString().replace(/[-:]|\.\d+/g, '')
    const names = new Set(await disk.list(this.#folder))
    for (let i = 1; ; i++) {
      const name = `diverged-${stamp}-${i}`
      if (!names.has(name)) return name
    }
  }

  async #finishPuttingAside(store: EpochStore): Promise<void> {
    const { putAside, ...file } = store.file
    if (putAside === undefined) return
    const { disk, log } = this.#env
    const moved = (await disk.list(this.#folder)).filter(name => isOfLog(name))
    await this.#moveAside(moved, putAside)
    if (moved.length > 0) log.warning(`the metadata that was here is kept in ${this.#folder}/${putAside}`)
    if ((await disk.list(this.#folder)).includes(INCOMING)) {
      await disk.rename(`${this.#folder}/${INCOMING}`, `${this.#folder}/${this.#names.checkpoint}`)
      await disk.syncFolder(this.#folder)
    }
    await store.write(file)
  }

  async #moveAside(names: readonly string[], aside: string): Promise<void> {
    if (names.length === 0) return
    const { disk } = this.#env
    const target = `${this.#folder}/${aside}`
    await disk.makeFolder(target)
    await disk.syncFolder(this.#folder)
    for (const name of names) await disk.rename(`${this.#folder}/${name}`, `${target}/${name}`)
    await disk.syncFolder(target)
    await disk.syncFolder(this.#folder)
  }

  // --- cutting

  /** As ReplicaStore.cut(). */
  async cut(at: number): Promise<boolean> {
    const { disk, log } = this.#env
    const [fitting, tooNew] = await this.#checkpointsUpTo(at)
    if (fitting === 0) return false
    const store = await EpochStore.open(this.#env, this.#folder)
    const aside = await this.#asideFolder()
    await this.#moveAside(tooNew, aside)
    // From the newest on, so that what is left always is a whole log.
    for (const { path, firstVersion } of (
      await changelogsByAge(disk, this.#folder, this.#names.changelogs)
    ).reverse()) {
      const name = path.slice(this.#folder.length + 1)
      // Its checksums promise what is cut off: they go first. A log without them is whole.
      await this.#moveAside(await this.#present([name.replace(/mfs$/, 'sums')]), aside)
      if (firstVersion < at) {
        await this.#cutFile(path, at, aside)
        break
      }
      await this.#moveAside([name], aside)
    }
    const { file } = store
    await store.write({ ...file, epochs: file.epochs.filter(({ firstVersion }) => firstVersion < at) })
    log.warning(`changes from ${at} on, which were never acknowledged, are kept in ${this.#folder}/${aside}`)
    return true
  }

  async #present(names: string[]): Promise<string[]> {
    const there = new Set(await this.#env.disk.list(this.#folder))
    return names.filter(name => there.has(name))
  }

  /** @returns how many checkpoints hold nothing from `at` on, and the names of those that do */
  async #checkpointsUpTo(at: number): Promise<[number, string[]]> {
    const { disk } = this.#env
    let fitting = 0
    const tooNew: string[] = []
    for (const name of (await disk.list(this.#folder)).filter(name => this.#names.checkpoints.test(name))) {
      const { version, isNew } = await inspectCheckpoint(disk, `${this.#folder}/${name}`)
      if (version > at) tooNew.push(name)
      // The mark of a new file system does not say when the root was made, so it begins no log that others have too.
      else if (!isNew) fitting++
    }
    return [fitting, tooNew]
  }

  /** Copies the lines from `at` on into the folder aside, then shortens the file. */
  async #cutFile(path: string, at: number, aside: string): Promise<void> {
    const { disk } = this.#env
    const offset = await new ChangelogFile(disk, path).offsetOf(at)
    if (offset === undefined) return
    const target = `${this.#folder}/${aside}`
    await disk.makeFolder(target)
    await disk.syncFolder(this.#folder)
    const file = await disk.open(path, 'r+')
    try {
      await copyTail(disk, file, offset, target, path.slice(this.#folder.length + 1))
      await file.truncate(offset)
      await file.sync()
    } finally {
      await file.close()
    }
  }
}

async function copyTail(disk: Disk, source: DiskFile, from: number, folder: string, name: string): Promise<void> {
  const copy = await disk.open(`${folder}/${name}`, 'w+')
  try {
    const piece = Buffer.alloc(PIECE_BYTES)
    for (let done = 0; ; ) {
      const count = await source.read(piece, from + done)
      if (count === 0) break
      await copy.write(piece.subarray(0, count), done)
      done += count
    }
    await copy.sync()
  } finally {
    await copy.close()
  }
  await disk.syncFolder(folder)
}
