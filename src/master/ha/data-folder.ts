// The data folder of a master in a cluster, while nothing runs on it: opening, putting aside, cutting, taking over a
// checkpoint. Nothing is ever deleted here: what does not count any more is moved into a folder of its own.
import type { Disk, DiskFile } from '../../env/disk.ts'
import type { Env } from '../../env/env.ts'
import { EPOCH_FILE, type EpochFile, type EpochTable, parseEpochFile, printEpochFile } from '../../ha/epochs.ts'
import type { RecordStore } from '../../ha/pair-arbiter.ts'
import { type CheckpointTarget, ReplicaError, type ReplicaStore } from '../../ha/replica.ts'
import { changelogName } from '../../journal/changelog-files.ts'
import { ChangelogFile, changeIdOf } from '../../journal/changelog-reader.ts'
import { CHECKPOINT_BACK, inspectCheckpoint, settleCheckpoints } from '../../journal/checkpoint-files.ts'
import type { JournalError, JournalOptions } from '../../journal/journal.ts'
import { checkpointPattern, makeReady, type Recovered, recover } from '../../journal/recovery.ts'
import { CheckpointError } from '../../metadata/checkpoint/format.ts'
import { Checkpointer, type CheckpointOptions } from '../checkpointer.ts'
import { LastLines } from '../last-lines.ts'
import { MetaloggerPort } from '../metaloggers/port.ts'
import { DiskReplica } from './replica.ts'

const PAIR_FILE = 'pair.mfs'
const INCOMING = 'incoming-checkpoint.tmp'
const LOG_ID_BYTES = 8
const FIRST_LINE_BYTES = 32
const PIECE_BYTES = 1 << 20
/** As many changes are not replayed twice. */
const LONG_REPLAY = 10_000
const changelogPattern = /^changelog\.\d+\.mfs$/

/** Everything that belongs to the history of one log. */
const isOfLog = (name: string) => /^(?:metadata|changelog)/.test(name) && name !== 'metadata.mfs.empty'

interface NumberedFile {
  path: string
  firstVersion: number
}

/** This master's changelogs that hold lines, oldest first. */
export async function changelogsByAge(disk: Disk, folder: string): Promise<NumberedFile[]> {
  const found: NumberedFile[] = []
  for (const name of (await disk.list(folder)).filter(name => changelogPattern.test(name))) {
    const path = `${folder}/${name}`
    const firstVersion = await firstVersionOf(disk, path)
    if (firstVersion !== undefined) found.push({ path, firstVersion })
  }
  return found.sort((a, b) => a.firstVersion - b.firstVersion)
}

async function firstVersionOf(disk: Disk, path: string): Promise<number | undefined> {
  const file = await openIfThere(disk, path)
  if (!file) return undefined
  try {
    const head = Buffer.alloc(FIRST_LINE_BYTES)
    return changeIdOf(head.toString('latin1', 0, await file.read(head, 0)))
  } finally {
    await file.close()
  }
}

/** Undefined when a rotation has just renamed it. */
async function openIfThere(disk: Disk, path: string): Promise<DiskFile | undefined> {
  try {
    return await disk.open(path, 'r')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    return undefined
  }
}

/** The file of epochs: read once, replaced as a whole. */
export class EpochStore {
  file: EpochFile
  readonly #disk: Disk
  readonly #folder: string
  #writing: Promise<void> = Promise.resolve()

  /** Reads it; a folder that has none gets one, with an id of its own. @throws Error when it is damaged */
  static async open({ disk, random }: Env, folder: string): Promise<EpochStore> {
    const isThere = (await disk.list(folder)).includes(EPOCH_FILE)
    const fresh = { logId: random.bytes(LOG_ID_BYTES).toString('hex'), seen: 0, epochs: [] }
    const file = isThere ? parseEpochFile((await disk.readFile(`${folder}/${EPOCH_FILE}`)).toString('latin1')) : fresh
    const store = new EpochStore(disk, folder, file)
    if (!isThere) await store.write(file)
    return store
  }

  constructor(disk: Disk, folder: string, file: EpochFile) {
    this.#disk = disk
    this.#folder = folder
    this.file = file
  }

  /** Resolves when it is on the disk. */
  write(file: EpochFile): Promise<void> {
    this.#writing = this.#writing.then(async () => {
      await writeWhole(this.#disk, this.#folder, EPOCH_FILE, printEpochFile(file))
      this.file = file
    })
    return this.#writing
  }
}

/** What a master of a pair wrote as a leader, beside the log (ha/pair-arbiter.ts). */
export function pairRecord(disk: Disk, folder: string): RecordStore {
  return {
    read: async () => {
      if (!(await disk.list(folder)).includes(PAIR_FILE)) return undefined
      return (await disk.readFile(`${folder}/${PAIR_FILE}`)).toString('utf8')
    },
    write: text => writeWhole(disk, folder, PAIR_FILE, text),
  }
}

async function writeWhole(disk: Disk, folder: string, name: string, text: string): Promise<void> {
  const temporary = `${folder}/${name}.tmp`
  const file = await disk.open(temporary, 'w+')
  try {
    await file.write(Buffer.from(text, 'latin1'), 0)
    await file.sync()
  } finally {
    await file.close()
  }
  await disk.rename(temporary, `${folder}/${name}`)
  await disk.syncFolder(folder)
}

export interface DataFolderOptions extends JournalOptions {
  /** When a running replica makes checkpoints; never without it. */
  checkpoints?: CheckpointOptions
  /** Where a running replica serves metaloggers; nowhere without it. */
  metaloggers?: MetaloggerDoor
}

export interface MetaloggerDoor {
  readonly env: Env
  readonly host: string
  readonly port: number
  /** As in MetaloggerPortOptions. */
  readonly preserveSeconds: number
}

export class DataFolder implements ReplicaStore {
  readonly #env: Env
  readonly #folder: string
  #options: DataFolderOptions
  #replica: DiskReplica | undefined
  readonly #onFailure: (error: JournalError) => void

  /** @param onFailure the journal of an open replica has failed */
  constructor(env: Env, folder: string, options: DataFolderOptions, onFailure: (error: JournalError) => void) {
    this.#env = env
    this.#folder = folder
    this.#options = options
    this.#onFailure = onFailure
  }

  /** @throws RecoveryError when the files do not add up to a state */
  async open(): Promise<DiskReplica> {
    const epochs = await EpochStore.open(this.#env, this.#folder)
    await this.#finishPuttingAside(epochs)
    const recovered = await this.#recover()
    const { sync, checkpoints, metaloggers } = this.#options
    const state = recovered?.state
    const lastLines = state && (await LastLines.read(this.#env.disk, this.#folder, state.version))
    const replica = new DiskReplica(this.#env, this.#folder, state, lastLines, epochs, { sync }, this.#onFailure)
    this.#replica = replica
    if (recovered && metaloggers) await this.#serveMetaloggers(replica, metaloggers)
    if (!recovered || !checkpoints) return replica
    const { checkpointVersion, replayed } = recovered
    replica.checkpointer = new Checkpointer(this.#env, replica.journal, recovered.state, checkpointVersion, checkpoints)
    if (replayed > LONG_REPLAY) void replica.checkpointer.save()
    return replica
  }

  /** Whoever leads: what leaves is what is committed. */
  async #serveMetaloggers(replica: DiskReplica, { env, host, port, preserveSeconds }: MetaloggerDoor): Promise<void> {
    const metaloggers = new MetaloggerPort(env, replica, { dataFolder: this.#folder, preserveSeconds })
    replica.metaloggers = metaloggers
    replica.journal.onCut(() => metaloggers.rotated())
    await metaloggers.listen(host, port)
  }

  /** For the replica that is open and those that will be. */
  reconfigure(checkpoints: CheckpointOptions, preserveSeconds: number): void {
    const { metaloggers } = this.#options
    this.#options = {
      ...this.#options,
      checkpoints,
      ...(metaloggers && { metaloggers: { ...metaloggers, preserveSeconds } }),
    }
    this.#replica?.checkpointer?.reconfigure(checkpoints)
    this.#replica?.metaloggers?.keepChanges(preserveSeconds)
  }

  /** What the files hold; undefined when there are none. */
  async #recover(): Promise<Recovered | undefined> {
    const { disk, clock, log } = this.#env
    if (!(await disk.list(this.#folder)).some(isOfLog)) return undefined
    const recovered = await recover(disk, this.#folder, { now: Math.floor(clock.nowMs() / 1000) })
    for (const note of recovered.notes) log.warning(note)
    for (const note of await makeReady(disk, this.#folder, recovered.torn)) log.warning(note)
    await this.#syncNewestChangelog()
    const { checkpoint, replayed, state } = recovered
    await settleCheckpoints(disk, this.#folder, checkpoint, state.version, this.#options.checkpoints?.keepPrevious ?? 1)
    log.notice(`loaded ${checkpoint} and ${replayed} changes of the changelogs`)
    return recovered
  }

  /** Lines that a killed process wrote may be in memory only; they are about to be acknowledged. */
  async #syncNewestChangelog(): Promise<void> {
    const file = await openIfThere(this.#env.disk, `${this.#folder}/${changelogName(0)}`)
    await file?.sync()
    await file?.close()
    await this.#env.disk.syncFolder(this.#folder)
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

  /** From the moment that the mark is on the disk, whatever kills this process, the next open() goes on with it. */
  async #install(epochs: EpochTable, seen: number): Promise<void> {
    const { disk, random } = this.#env
    await disk.syncFolder(this.#folder)
    const store = await EpochStore.open(this.#env, this.#folder)
    const logId = random.bytes(LOG_ID_BYTES).toString('hex')
    await store.write({ logId, seen, epochs, putAside: await this.#asideFolder() })
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
      await disk.rename(`${this.#folder}/${INCOMING}`, `${this.#folder}/${CHECKPOINT_BACK}`)
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

  async cut(at: number): Promise<boolean> {
    const { disk, log } = this.#env
    const [fitting, tooNew] = await this.#checkpointsUpTo(at)
    if (fitting === 0) return false
    const store = await EpochStore.open(this.#env, this.#folder)
    const aside = await this.#asideFolder()
    await this.#moveAside(tooNew, aside)
    // From the newest on, so that what is left always is a whole log.
    for (const { path, firstVersion } of (await changelogsByAge(disk, this.#folder)).reverse()) {
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
    for (const name of (await disk.list(this.#folder)).filter(name => checkpointPattern.test(name))) {
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
