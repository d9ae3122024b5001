// What a metalogger keeps: changelogs as they come in, and checkpoints with the two changelogs that go with them
// (spec metadata 8). Nothing is ever thrown away but by the rules for how many old ones are kept.
import type { Disk, DiskFile } from '../env/disk.ts'
import { changelogPattern } from '../journal/changelog-files.ts'
import { ChangelogFile, changeIdOf } from '../journal/changelog-reader.ts'
import { surveyChangelogs } from '../journal/changelog-survey.ts'
import { type CheckpointFile, inspectCheckpoint } from '../journal/checkpoint-files.ts'
import { reachOf } from '../journal/restore.ts'
import { saysMore } from '../metadata/changelog/trailer.ts'
import { CheckpointError } from '../metadata/checkpoint/format.ts'

export const METADATA = 'metadata_ml.mfs.back'
export const METADATA_TEMPORARY = 'metadata_ml.tmp'
export const CHANGELOG_TEMPORARY = 'changelog_ml.tmp'
const OLDER_METADATA = `${METADATA}.1`
const changelog = (age: number) => `changelog_ml.${age}.mfs`
const downloadedChangelog = (age: number) => `changelog_ml_back.${age}.mfs`

export interface KeepOptions {
  /** Older changelogs kept (BACK_LOGS). */
  backLogs: number
  /** Older checkpoints kept (BACK_META_KEEP_PREVIOUS). */
  keepPrevious: number
}

export class MetaloggerFiles {
  readonly #disk: Disk
  readonly folder: string
  keep: KeepOptions
  #log: DiskFile | undefined
  #position = 0
  /** The last change that is in the changelogs; undefined when there is none. */
  lastId: number | undefined
  /** The checkpoint that is there; undefined when there is none that is whole. */
  checkpoint: CheckpointFile | undefined
  /** Changes between the checkpoint and the last one are missing: a newer checkpoint has to be fetched. */
  incomplete = false

  private constructor(disk: Disk, folder: string, keep: KeepOptions) {
    this.#disk = disk
    this.folder = folder
    this.keep = keep
  }

  /**
   * Looks at what is there, and cuts off a line that was not finished.
   * @param warn hears of what can not be used
   */
  static async open(
    disk: Disk,
    folder: string,
    keep: KeepOptions,
    warn: (message: string) => void,
  ): Promise<MetaloggerFiles> {
    const files = new MetaloggerFiles(disk, folder, keep)
    const names = new Set(await disk.list(folder))
    for (const name of [METADATA_TEMPORARY, CHANGELOG_TEMPORARY]) {
      if (names.has(name)) await disk.unlink(files.path(name))
    }
    if (!names.has(METADATA) && names.has(OLDER_METADATA)) {
      // Killed between two names: the newer one had not got it yet.
      await disk.rename(files.path(OLDER_METADATA), files.path(METADATA))
      await disk.syncFolder(folder)
      names.add(METADATA)
    }
    if (names.has(METADATA)) {
      try {
        files.checkpoint = await inspectCheckpoint(disk, files.path(METADATA))
      } catch (error) {
        if (!(error instanceof CheckpointError)) throw error
        warn(`${files.path(METADATA)}: ${error.message}: a new one is fetched`)
      }
    }
    for (let age = 0; age <= keep.backLogs && files.lastId === undefined; age++) {
      if (names.has(changelog(age))) files.lastId = await files.#lastIdOf(files.path(changelog(age)), warn)
    }
    files.incomplete = await files.#hasGap([...names])
    return files
  }

  /** Whether the changes do not lead from the checkpoint to the last one. */
  async #hasGap(names: readonly string[]): Promise<boolean> {
    if (!this.checkpoint || this.lastId === undefined) return false
    const changelogs = names.filter(name => changelogPattern.test(name)).map(name => this.path(name))
    const { runs } = await surveyChangelogs(this.#disk, changelogs, 0)
    return reachOf(this.checkpoint.version, runs) <= this.lastId && this.checkpoint.version <= this.lastId
  }

  path(name: string): string {
    return `${this.folder}/${name}`
  }

  async #lastIdOf(path: string, warn: (message: string) => void): Promise<number | undefined> {
    const file = new ChangelogFile(this.#disk, path)
    let last: number | undefined
    for await (const { text } of file.lines()) last = changeIdOf(text) ?? last
    if (file.tornTail) {
      warn(`${path}: an unfinished line at byte ${file.tornTail.offset} is cut off`)
      const open = await this.#disk.open(path, 'r+')
      await open.truncate(file.tornTail.offset)
      await open.sync()
      await open.close()
    }
    return last
  }

  /** Appends changes and puts them on the disk. */
  async append(changes: readonly { id: number; body: string }[]): Promise<void> {
    const last = changes.at(-1)
    if (!last) return
    await this.appendLines(Buffer.from(changes.map(({ id, body }) => `${id}: ${body}\n`).join(''), 'latin1'), last.id)
  }

  /** Appends lines as they stand in the file, the last of them numbered `lastId`, and puts them on the disk. */
  async appendLines(lines: Buffer, lastId: number): Promise<void> {
    this.#log ??= await this.#openLog()
    await this.#log.write(lines, this.#position)
    this.#position += lines.length
    await this.#log.sync()
    this.lastId = lastId
  }

  /**
   * Cuts off the lines of a request that is not whole, and puts the rest on the disk: a process that was killed may have
   * left it in memory only.
   */
  async settle(): Promise<void> {
    const path = this.path(changelog(0))
    if (!(await this.#disk.list(this.folder)).includes(changelog(0))) return
    const unfinished = await firstOfUnfinished(new ChangelogFile(this.#disk, path))
    const file = await this.#disk.open(path, 'r+')
    try {
      if (unfinished) {
        await file.truncate(unfinished.offset)
        this.lastId = unfinished.id - 1
      }
      await file.sync()
    } finally {
      await file.close()
    }
    await this.#disk.syncFolder(this.folder)
  }

  async #openLog(): Promise<DiskFile> {
    const file = await this.#disk.open(this.path(changelog(0)), 'a+')
    this.#position = (await file.stat()).size
    if (this.#position === 0) await this.#disk.syncFolder(this.folder)
    return file
  }

  /** Begins a new changelog; the oldest one beyond those that are kept goes. */
  async rotate(): Promise<void> {
    await this.#log?.close()
    this.#log = undefined
    await this.#shift(changelog, this.keep.backLogs)
    await this.#disk.syncFolder(this.folder)
  }

  /** Whether one more changelog would put an older one away that leads on from the checkpoint. */
  async isFull(): Promise<boolean> {
    const oldest = changelog(this.keep.backLogs)
    if (!(await this.#disk.list(this.folder)).includes(oldest)) return false
    const lastId = await new ChangelogFile(this.#disk, this.path(oldest)).lastId()
    return lastId === undefined || lastId >= (this.checkpoint?.version ?? 0)
  }

  async #shift(name: (age: number) => string, kept: number): Promise<void> {
    const present = new Set(await this.#disk.list(this.folder))
    for (let age = kept; age > 0; age--) {
      if (present.has(name(age - 1))) await this.#disk.rename(this.path(name(age - 1)), this.path(name(age)))
    }
  }

  /** Creates a file for a download. */
  create(name: string): Promise<DiskFile> {
    return this.#disk.open(this.path(name), 'w+')
  }

  /** A whole checkpoint lies in the temporary file: it takes its place. @throws CheckpointError when it is not whole */
  async takeMetadata(): Promise<CheckpointFile> {
    const { path: _, ...facts } = await inspectCheckpoint(this.#disk, this.path(METADATA_TEMPORARY))
    await this.#shift(age => (age === 0 ? METADATA : `${METADATA}.${age}`), this.keep.keepPrevious)
    await this.#disk.rename(this.path(METADATA_TEMPORARY), this.path(METADATA))
    await this.#disk.syncFolder(this.folder)
    this.checkpoint = { path: this.path(METADATA), ...facts }
    return this.checkpoint
  }

  async takeChangelog(age: number): Promise<void> {
    await this.#disk.rename(this.path(CHANGELOG_TEMPORARY), this.path(downloadedChangelog(age)))
    await this.#disk.syncFolder(this.folder)
  }

  async close(): Promise<void> {
    await this.#log?.close()
    this.#log = undefined
  }
}

/** The first line of a request at the end of which more was to come; undefined when the last one is whole. */
async function firstOfUnfinished(file: ChangelogFile): Promise<{ id: number; offset: number } | undefined> {
  if (!saysMore((await file.lastLine()) ?? '')) return undefined
  let first: { id: number; offset: number } | undefined
  for await (const { text, offset } of file.lines()) {
    if (!saysMore(text)) first = undefined
    else first ??= { id: changeIdOf(text) ?? 0, offset }
  }
  return first
}
