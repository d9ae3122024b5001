// The highest epoch that a master named, kept across restarts: a leader that was replaced and has not noticed is not
// listened to any more. A master that is none of several names no epoch; whoever set it up decides that it is right.
import type { Disk } from '../env/disk.ts'

export const FENCE_FILE = 'epoch.mfs'
const TEMPORARY = `${FENCE_FILE}.tmp`

export class EpochFence {
  readonly #disk: Disk
  readonly #folder: string
  #highest: number
  #kept: Promise<void> = Promise.resolve()

  /** @throws Error when the file is damaged */
  static async open(disk: Disk, folder: string): Promise<EpochFence> {
    if (!(await disk.list(folder)).includes(FENCE_FILE)) return new EpochFence(disk, folder, 0)
    const text = (await disk.readFile(`${folder}/${FENCE_FILE}`)).toString('latin1')
    if (!/^\d{1,15}\n$/.test(text)) throw new Error(`${folder}/${FENCE_FILE} is damaged: ${JSON.stringify(text)}`)
    return new EpochFence(disk, folder, Number(text))
  }

  private constructor(disk: Disk, folder: string, highest: number) {
    this.#disk = disk
    this.#folder = folder
    this.#highest = highest
  }

  get highest(): number {
    return this.#highest
  }

  /**
   * Resolves once the epoch is kept; false: a later one has begun, and whoever named this one is not to be obeyed.
   * @param epoch 0: of a master that is the only one
   */
  async admits(epoch: number): Promise<boolean> {
    if (epoch > this.#highest) {
      this.#highest = epoch
      this.#kept = this.#kept.then(() => this.#keep(epoch))
    }
    await this.#kept
    return epoch === 0 || epoch >= this.#highest
  }

  async #keep(epoch: number): Promise<void> {
    const file = await this.#disk.open(`${this.#folder}/${TEMPORARY}`, 'w+')
    try {
      await file.write(Buffer.from(`${epoch}\n`), 0)
      await file.sync()
    } finally {
      await file.close()
    }
    await this.#disk.rename(`${this.#folder}/${TEMPORARY}`, `${this.#folder}/${FENCE_FILE}`)
    await this.#disk.syncFolder(this.#folder)
  }
}
