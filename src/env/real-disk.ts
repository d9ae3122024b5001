import type { Stats } from 'node:fs'
import { readSync, writeSync } from 'node:fs'
import { type FileHandle, mkdir, open, readdir, readFile, rename, rmdir, stat, statfs, unlink } from 'node:fs/promises'
import type { Disk, DiskFile, FileStat } from './disk.ts'

function fileStat(stats: Stats): FileStat {
  const kind = stats.isFile() ? 'file' : stats.isDirectory() ? 'folder' : 'other'
  return { size: stats.size, blocksBytes: stats.blocks * 512, mtimeMs: stats.mtimeMs, kind }
}

class RealFile implements DiskFile {
  readonly #handle: FileHandle

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

  readSync(target: Buffer, position: number): number {
    return readSync(this.#handle.fd, target, 0, target.length, position)
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

  async stat(): Promise<FileStat> {
    return fileStat(await this.#handle.stat())
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
