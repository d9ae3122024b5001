// The file of epochs in the folder of a log (ha/epochs.ts): read once, replaced as a whole.
import type { Disk } from '../env/disk.ts'
import type { Env } from '../env/env.ts'
import { EPOCH_FILE, type EpochFile, parseEpochFile, printEpochFile } from '../ha/epochs.ts'
import { writeWhole } from './whole-file.ts'

const LOG_ID_BYTES = 8

/** Of a log that begins: a folder that was lost or fetched anew is another log. */
export const newLogId = ({ random }: Env): string => random.bytes(LOG_ID_BYTES).toString('hex')

export class EpochStore {
  file: EpochFile
  readonly #disk: Disk
  readonly #folder: string
  #writing: Promise<void> = Promise.resolve()

  /** Reads it; a folder that has none gets one, with an id of its own. @throws Error when it is damaged */
  static async open(env: Env, folder: string): Promise<EpochStore> {
    const { disk } = env
    const isThere = (await disk.list(folder)).includes(EPOCH_FILE)
    const fresh = { logId: newLogId(env), seen: 0, epochs: [] }
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
