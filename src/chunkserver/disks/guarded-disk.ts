// The disk of one folder, kept from holding up the others. A disk that hangs answers nothing, and each question to it
// keeps a thread: so only some are asked at a time, and when one is not answered for long all fail and no more is asked.
import type { Disk, DiskFile, DiskLock, DiskSpace, FileChange, FileStat, OpenMode } from '../../env/disk.ts'
import type { Clock } from '../../env/env.ts'

/** Questions at a time. The threads of the program (see bin/mfschunkserver) are enough for several disks that hang. */
const QUESTIONS_MAX = 16

interface Question {
  readonly sinceMs: number
  fail(error: Error): void
}

/** What fails when the disk hangs. Its code is ETIMEDOUT. */
function hangs(seconds: number): Error {
  return Object.assign(new Error(`the disk did not answer for ${seconds} s`), { code: 'ETIMEDOUT' })
}

/** A buffer that a question took with it is the disk's until it answers: never use it again after ETIMEDOUT. */
export class GuardedDisk implements Disk {
  readonly #disk: Disk
  readonly #clock: Clock
  readonly #asked = new Set<Question>()
  #waiting: (() => void)[] = []
  #hung: Error | undefined

  constructor(disk: Disk, clock: Clock) {
    this.#disk = disk
    this.#clock = clock
  }

  /** Gives the disk up when the oldest question is older than this. @returns whether that was now */
  watch(hangSeconds: number): boolean {
    const [oldest] = this.#asked
    if (this.#hung || !oldest || this.#clock.monotonicMs() - oldest.sinceMs < hangSeconds * 1000) return false
    this.#hung = hangs(hangSeconds)
    for (const question of this.#asked) question.fail(this.#hung)
    const waiting = this.#waiting
    this.#waiting = []
    for (const go of waiting) go()
    return true
  }

  /** Asks the disk, when it is the turn of this question. */
  async ask<T>(action: () => Promise<T>): Promise<T> {
    if (this.#asked.size >= QUESTIONS_MAX) await new Promise<void>(go => this.#waiting.push(go))
    if (this.#hung) throw this.#hung
    return new Promise((resolve, reject) => {
      const question: Question = { sinceMs: this.#clock.monotonicMs(), fail: reject }
      this.#asked.add(question)
      action()
        .then(resolve, reject)
        .finally(() => {
          this.#asked.delete(question)
          this.#waiting.shift()?.()
        })
    })
  }

  open(path: string, mode: OpenMode): Promise<DiskFile> {
    return this.ask(async () => this.#guarded(await this.#disk.open(path, mode)))
  }

  create(path: string, changes: readonly FileChange[]): Promise<DiskFile> {
    return this.ask(async () => this.#guarded(await this.#disk.create(path, changes)))
  }

  #guarded(file: DiskFile): DiskFile {
    return {
      read: (target, position) => this.ask(() => file.read(target, position)),
      write: (source, position) => this.ask(() => file.write(source, position)),
      writev: (sources, position) => this.ask(() => file.writev(sources, position)),
      readNow: (target, position) => (this.#hung ? 0 : file.readNow(target, position)),
      writeSync: (source, position) => file.writeSync(source, position),
      // Never in place: a disk that hangs must not hold us up.
      writeLittle: (source, position) => this.ask(() => file.write(source, position)),
      syncLittle: () => this.ask(() => file.sync()),
      truncate: size => this.ask(() => file.truncate(size)),
      change: changes => this.ask(() => file.change(changes)),
      sync: () => this.ask(() => file.sync()),
      stat: () => this.ask(() => file.stat()),
      close: () => this.ask(() => file.close()),
    }
  }

  readFile(path: string): Promise<Buffer> {
    return this.ask(() => this.#disk.readFile(path))
  }

  rename(from: string, to: string): Promise<void> {
    return this.ask(() => this.#disk.rename(from, to))
  }

  unlink(path: string): Promise<void> {
    return this.ask(() => this.#disk.unlink(path))
  }

  makeFolder(path: string): Promise<void> {
    return this.ask(() => this.#disk.makeFolder(path))
  }

  list(path: string): Promise<string[]> {
    return this.ask(() => this.#disk.list(path))
  }

  stat(path: string): Promise<FileStat> {
    return this.ask(() => this.#disk.stat(path))
  }

  syncFolder(path: string): Promise<void> {
    return this.ask(() => this.#disk.syncFolder(path))
  }

  syncsNewNames(path: string): Promise<boolean> {
    return this.ask(() => this.#disk.syncsNewNames(path))
  }

  space(path: string): Promise<DiskSpace> {
    return this.ask(() => this.#disk.space(path))
  }

  removeFolder(path: string): Promise<void> {
    return this.ask(() => this.#disk.removeFolder(path))
  }

  lock(path: string): Promise<DiskLock> {
    return this.ask(() => this.#disk.lock(path))
  }
}
