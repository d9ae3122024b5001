import type { Stats } from 'node:fs'
import { fdatasyncSync, fstatSync, writeSync } from 'node:fs'
import { type FileHandle, mkdir, open, readdir, readFile, rename, rmdir, stat, statfs, unlink } from 'node:fs/promises'
import type { Disk, DiskFile, FileStat } from './disk.ts'
import { readMemory } from './page-cache.ts'

function fileStat(stats: Stats): FileStat {
  const kind = stats.isFile() ? 'file' : stats.isDirectory() ? 'folder' : 'other'
  return { size: stats.size, blocksBytes: stats.blocks * 512, mtimeMs: stats.mtimeMs, kind }
}

/** An action that takes longer than this, on average, is done by other threads. The way to them takes 0.1 ms. */
const QUICK_MS = 1
/** Then it is tried again here. */
const SLOW_DISK_MS = 1000
/** How much the last time counts in the average. */
const AVERAGE_WEIGHT = 1 / 8

/** How quick the disk has been of late with actions of one kind. */
class Pace {
  #slowUntilMs = 0
  #averageMs = 0

  /** Does it here unless the disk has been slow. @returns whether it was done */
  inPlace(action: () => void): boolean {
    const startMs = performance.now()
    if (startMs < this.#slowUntilMs) return false
    action()
    const endMs = performance.now()
    this.#averageMs += (endMs - startMs - this.#averageMs) * AVERAGE_WEIGHT
    if (this.#averageMs > QUICK_MS) {
      this.#slowUntilMs = endMs + SLOW_DISK_MS
      this.#averageMs = 0
    }
    return true
  }
}

class RealFile implements DiskFile {
  readonly #handle: FileHandle
  // Apart: where syncs are slow, what only goes to memory is quick all the same.
  readonly #writes = new Pace()
  readonly #syncs = new Pace()

  constructor(handle: FileHandle) {
    this.#handle = handle
  }

  async read(target: Buffer, position: number): Promise<number> {
    let done = 0
    while (done < target.length) {
      const { bytesRead } = await this.#handle.read(target, done, target.length - done, position + done)
      if (bytesRead === 0) break
      done += bytesRead
    }
    return done
  }

  async write(source: Buffer, position: number): Promise<void> {
    let done = 0
    while (done < source.length) {
      const { bytesWritten } = await this.#handle.write(source, done, source.length - done, position + done)
      done += bytesWritten
    }
  }

  async writev(sources: readonly Buffer[], position: number): Promise<void> {
    const total = sources.reduce((sum, source) => sum + source.length, 0)
    const { bytesWritten } = await this.#handle.writev(sources as Buffer[], position)
    // A short write is rare (a signal, a nearly full disk): finish it the plain way, which also finds the error.
    if (bytesWritten < total) await this.write(Buffer.concat(sources).subarray(bytesWritten), position + bytesWritten)
  }

  readNow(target: Buffer, position: number): number {
    return readMemory(this.#handle.fd, target, position)
  }

  writeSync(source: Buffer, position: number): void {
    let done = 0
    while (done < source.length) {
      done += writeSync(this.#handle.fd, source, done, source.length - done, position + done)
    }
  }

  truncate(size: number): Promise<void> {
    return this.#handle.truncate(size)
  }

  sync(): Promise<void> {
    return this.#handle.datasync()
  }

  writeLittle(source: Buffer, position: number): Promise<void> | undefined {
    return this.#writes.inPlace(() => this.writeSync(source, position)) ? undefined : this.write(source, position)
  }

  syncLittle(): Promise<void> | undefined {
    return this.#syncs.inPlace(() => fdatasyncSync(this.#handle.fd)) ? undefined : this.sync()
  }

  async stat(): Promise<FileStat> {
    // The system has it in memory while the file is open.
    return fileStat(fstatSync(this.#handle.fd))
  }

  close(): Promise<void> {
    return this.#handle.close()
  }
}

/** The disks of this machine. */
export const realDisk: Disk = {
  open: async (path, mode) => new RealFile(await open(path, mode, 0o640)),
  readFile: path => readFile(path),
  rename: (from, to) => rename(from, to),
  unlink: path => unlink(path),
  makeFolder: async path => void (await mkdir(path, { recursive: true })),
  list: path => readdir(path),
  stat: async path => fileStat(await stat(path)),
  async syncFolder(path) {
    const handle = await open(path, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  },
  async space(path) {
    const { bsize, blocks, bfree, bavail } = await statfs(path)
    return { totalBytes: blocks * bsize, availableBytes: bavail * bsize, freeBytes: bfree * bsize }
  },
  removeFolder: path => rmdir(path),
  async lock(path) {
    const { lockWholeFile } = await import('./file-lock.ts')
    const handle = await open(path, 'w+', 0o640)
    try {
      lockWholeFile(handle.fd, path)
    } catch (error) {
      await handle.close()
      throw error
    }
    return { release: () => handle.close() }
  },
}
