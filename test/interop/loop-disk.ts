// A disk whose power can be cut: a file system in a file, behind a loop device. Cutting it is that file system's shutdown
// call without flushing its log, or a copy of what the device has by then, so that everything that was not synced is gone.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { atEnd } from './leftovers.ts'

const SIZE_BYTES = 512 << 20
/** EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH, which XFS has by other names with the same numbers. */
const SHUTDOWN = `
import fcntl, os, struct, sys
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587D, struct.pack('I', 2))`

export class LoopDisk {
  readonly folder: string
  readonly #image: string
  readonly #forget = atEnd(() => this.remove())

  /**
   * Makes an empty disk and mounts it on the folder, which is made when it is missing.
   *
   * @param mkfs the command that makes the file system, without the file
   */
  constructor(folder: string, mkfs = ['mkfs.ext4', '-q', '-F']) {
    this.folder = folder
    this.#image = `${folder}.img`
    mkdirSync(folder, { recursive: true })
    writeFileSync(this.#image, '')
    truncateSync(this.#image, SIZE_BYTES)
    const [program = '', ...options] = mkfs
    execFileSync(program, [...options, this.#image])
    this.on()
  }

  /** The power comes back: what was on the platter is there. */
  on(): void {
    execFileSync('mount', ['-o', 'loop', this.#image, this.folder])
  }

  /** Cuts the power. Every program on it gets errors from now on; end them, then off(). */
  cut(): void {
    execFileSync('python3', ['-c', SHUTDOWN, this.folder])
  }

  off(): void {
    execFileSync('umount', [this.folder])
  }

  /** Cuts the power and off(), for any file system: what it had not given to the device is gone. */
  cutOff(): void {
    const copy = `${this.#image}.cut`
    execFileSync('cp', ['--sparse=always', this.#image, copy])
    this.off()
    renameSync(copy, this.#image)
  }

  remove(): void {
    spawnSync('umount', ['-l', this.folder])
    rmSync(this.#image, { force: true })
    this.#forget()
  }
}
