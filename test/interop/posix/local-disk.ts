// What our file system is compared with: ext4 in a file, mounted through a loop device.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const IMAGE_BYTES = 512 << 20

export class LocalDisk {
  readonly mountPoint: string
  readonly #image: string

  /** @param folder where image and mount point may be made */
  constructor(folder: string) {
    this.#image = join(folder, 'ext4.img')
    this.mountPoint = join(folder, 'ext4')
    mkdirSync(this.mountPoint)
    writeFileSync(this.#image, '')
    truncateSync(this.#image, IMAGE_BYTES)
    // Extended attributes of 64 KiB need inodes of their own there.
    execFileSync('mkfs.ext4', ['-q', '-O', 'ea_inode', this.#image])
    execFileSync('mount', ['-o', 'loop,acl,user_xattr', this.#image, this.mountPoint])
  }

  close(): void {
    spawnSync('umount', ['-l', this.mountPoint])
    rmSync(this.#image, { force: true })
  }
}
