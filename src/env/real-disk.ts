import {
  close,
  constants,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  ftruncate,
  open,
  read,
  type Stats,
  write,
  writeSync,
  writev,
} from 'node:fs'
import { mkdir, open as openHandle, readdir, readFile, rename, rmdir, stat, statfs, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { getSystemErrorName } from 'node:util'
import { openCached } from './cached-open.ts'
import type { Disk, DiskFile, FileChange, FileStat, OpenMode } from './disk.ts'
import { fileSystemType } from './file-system-type.ts'
import { unlinkGently } from './gentle-unlink.ts'
import { Pace } from './pace.ts'
import { readMemory } from './page-cache.ts'
import { CallSequence, PARTS_MAX } from './system-calls.ts'

const FILE_MODE = 0o640
/** Of `wx+`; Node does not tell the last one, O_CLOEXEC. */
const CREATE = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | 0o2000000
const OPEN_FOLDER = constants.O_RDONLY | constants.O_DIRECTORY | 0o2000000

/**
 * File systems of which the fsync of a new file puts its name on the disk: with its journal, or as ext4 does without one.
 * (`test/interop/new-names.test.ts` cuts the power.)
 */
const SYNCS_NEW_NAMES = ['ext4', 'xfs']

function fileStat(stats: Stats): FileStat {
  const kind = stats.isFile() ? 'file' : stats.isDirectory() ? 'folder' : 'other'
  return { size: stats.size, blocksBytes: stats.blocks * 512, mtimeMs: stats.mtimeMs, kind }
}

const nowMs = () => performance.now()

type Answer<T> = (error: Error | null, result: T) => void

function asked<T>(action: (answer: Answer<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => action((error, result) => (error ? reject(error) : resolve(result))))
}

class RealFile implements DiskFile {
  /** -1 once it is closed: the next file that is opened may get the same number. */
  #fd: number
  readonly #path: string
  // Apart: where syncs are slow, what only goes to memory is quick all the same.
  readonly #writes = new Pace(nowMs)
  readonly #syncs = new Pace(nowMs)
  /** What the system was asked for and has not answered. */
  #going = 0
  #whenDone: (() => void) | undefined

  constructor(fd: number, path: string) {
    this.#fd = fd
    this.#path = path
  }

  async #during<T>(action: Promise<T>): Promise<T> {
    this.#going++
    try {
      return await action
    } finally {
      if (--this.#going === 0) this.#whenDone?.()
    }
  }

  async read(target: Buffer, position: number): Promise<number> {
    let done = 0
    while (done < target.length) {
      const [from, left] = [done, target.length - done]
      const got = await this.#ask<number>(answer => read(this.#fd, target, from, left, position + from, answer))
      if (got === 0) break
      done += got
    }
    return done
  }

  #ask<T>(action: (answer: Answer<T>) => void): Promise<T> {
    return this.#during(asked(action))
  }

  async write(source: Buffer, position: number): Promise<void> {
    let done = 0
    while (done < source.length) {
      const [from, left] = [done, source.length - done]
      done += await this.#ask<number>(answer => write(this.#fd, source, from, left, position + from, answer))
    }
  }

  async writev(sources: readonly Buffer[], position: number): Promise<void> {
    const total = sources.reduce((sum, source) => sum + source.length, 0)
    const done = await this.#ask<number>(answer => writev(this.#fd, sources as Buffer[], position, answer))
    // A short write is rare (a signal, a nearly full disk): finish it the plain way, which also finds the error.
    if (done < total) await this.write(Buffer.concat(sources).subarray(done), position + done)
  }

  readNow(target: Buffer, position: number): number {
    return readMemory(this.#fd, target, position)
  }

  writeSync(source: Buffer, position: number): void {
    let done = 0
    while (done < source.length) {
      done += writeSync(this.#fd, source, done, source.length - done, position + done)
    }
  }

  truncate(size: number): Promise<void> {
    return this.#ask(answer => ftruncate(this.#fd, size, answer as Answer<void>))
  }

  async change(changes: readonly FileChange[]): Promise<void> {
    let done = 0
    if (changes.length > 1 && CallSequence.isPossible) {
      const calls = new CallSequence()
      addChanges(calls, this.#fd, changes)
      done = (await this.#during(calls.run())).done
    }
    await this.changeRest(changes.slice(done))
  }

  /** One by one, which also finds the error where change() stopped. */
  async changeRest(changes: readonly FileChange[]): Promise<void> {
    for (const change of changes) {
      if ('size' in change) await this.truncate(change.size)
      else await this.writev(change.parts, change.position)
    }
  }

  sync(): Promise<void> {
    return this.#ask(answer => fdatasync(this.#fd, answer as Answer<void>))
  }

  writeLittle(source: Buffer, position: number): Promise<void> | undefined {
    return this.#writes.inPlace(() => this.writeSync(source, position)) ? undefined : this.write(source, position)
  }

  syncLittle(): Promise<void> | undefined {
    return this.#syncs.inPlace(() => fdatasyncSync(this.#fd)) ? undefined : this.sync()
  }

  async stat(): Promise<FileStat> {
    // The system has it in memory while the file is open.
    return fileStat(fstatSync(this.#fd))
  }

  /** Once all is answered that was asked before. */
  async close(): Promise<void> {
    if (this.#going > 0) {
      await new Promise<void>(done => {
        this.#whenDone = done
      })
    }
    const fd = this.#fd
    this.#fd = -1
    await asked<void>(answer => closeSoon(fd, dirname(this.#path), answer))
  }
}

interface Closing {
  readonly fd: number
  readonly answer: Answer<void>
}

/** What is to be closed at the end of this turn, by folder: a disk that hangs holds up its own files only. */
const closing = new Map<string, Closing[]>()

function closeSoon(fd: number, folder: string, answer: Answer<void>): void {
  const others = closing.get(folder)
  if (others) others.push({ fd, answer })
  else closing.set(folder, [{ fd, answer }])
  if (closing.size === 1 && !others) process.nextTick(closeAll)
}

function closeAll(): void {
  for (const files of closing.values()) {
    if (files.length > 1 && CallSequence.isPossible) void closeTogether(files)
    else for (const { fd, answer } of files) close(fd, answer as Answer<void>)
  }
  closing.clear()
}

async function closeTogether(files: readonly Closing[]): Promise<void> {
  const calls = new CallSequence()
  for (const { fd } of files) calls.close(fd)
  const results = await calls.run()
  for (const [i, { answer }] of files.entries()) answer(errorOf(results.of(i), 'close'), undefined)
}

/** @param result of a system call: less than 0 is the number of an error, negative */
function errorOf(result: number, call: string): Error | null {
  if (result >= 0) return null
  const code = getSystemErrorName(result)
  return Object.assign(new Error(`${code}: ${call}`), { code })
}

async function syncFolderAtOnce(path: string): Promise<void> {
  const calls = new CallSequence()
  calls.open(path, OPEN_FOLDER, 0)
  calls.sync(undefined)
  calls.close(undefined)
  const results = await calls.run()
  const error = errorOf(results.of(0), `open '${path}'`) ?? errorOf(results.of(1), `fsync '${path}'`)
  if (error) throw error
}

async function syncFolderInSteps(path: string): Promise<void> {
  const handle = await openHandle(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** The changes up to the first that no single call can make. */
function addChanges(calls: CallSequence, fd: number | undefined, changes: readonly FileChange[]): void {
  for (const change of changes) {
    if ('size' in change) calls.truncate(fd, change.size)
    else if (change.parts.length <= PARTS_MAX) calls.write(fd, change.parts, change.position)
    else return
  }
}

async function openFile(path: string, mode: OpenMode): Promise<RealFile> {
  const fd = mode === 'r+' ? openCached(path) : undefined
  if (fd !== undefined) return new RealFile(fd, path)
  return new RealFile(await asked<number>(answer => open(path, mode, FILE_MODE, answer)), path)
}

async function createFile(path: string, changes: readonly FileChange[]): Promise<RealFile> {
  let [done, fd] = [0, -1]
  if (CallSequence.isPossible) {
    const calls = new CallSequence()
    calls.open(path, CREATE, FILE_MODE)
    addChanges(calls, undefined, changes)
    const results = await calls.run()
    done = results.done
    fd = results.of(0)
  }
  const file = done > 0 ? new RealFile(fd, path) : await openFile(path, 'wx+')
  try {
    await file.changeRest(changes.slice(Math.max(0, done - 1)))
  } catch (error) {
    await file.close().catch(() => undefined)
    throw error
  }
  return file
}

/** The disks of this machine. */
export const realDisk: Disk = {
  open: openFile,
  create: createFile,
  readFile: path => readFile(path),
  rename: (from, to) => rename(from, to),
  unlink: (path, gently) => (gently ? unlinkGently(path) : unlink(path)),
  makeFolder: async path => void (await mkdir(path, { recursive: true })),
  list: path => readdir(path),
  stat: async path => fileStat(await stat(path)),
  syncFolder: path => (CallSequence.isPossible ? syncFolderAtOnce(path) : syncFolderInSteps(path)),
  syncsNewNames: async path => SYNCS_NEW_NAMES.includes((await fileSystemType(path)) ?? ''),
  async space(path) {
    const { bsize, blocks, bfree, bavail } = await statfs(path)
    return { totalBytes: blocks * bsize, availableBytes: bavail * bsize, freeBytes: bfree * bsize }
  },
  removeFolder: path => rmdir(path),
  async lock(path) {
    const { lockWholeFile } = await import('./file-lock.ts')
    const handle = await openHandle(path, 'w+', FILE_MODE)
    try {
      lockWholeFile(handle.fd, path)
    } catch (error) {
      await handle.close()
      throw error
    }
    return { release: () => handle.close() }
  },
}
