// The data folder of a metalogger that acknowledges lines: the files of every metalogger, and a table of epochs.
import type { Env } from '../env/env.ts'
import { EPOCH_FILE } from '../ha/epochs.ts'
import type { CheckpointTarget, ReplicaStore } from '../ha/replica.ts'
import { inspectCheckpoint } from '../journal/checkpoint-files.ts'
import { EpochStore } from '../replica/epoch-store.ts'
import { LogFolder } from '../replica/log-folder.ts'
import { type KeepOptions, METADATA, MetaloggerFiles } from './files.ts'
import { CHANGELOGS, WitnessLog } from './witness-log.ts'

const names = { changelogs: CHANGELOGS, checkpoints: /^metadata_ml\.mfs\.back(?:\.\d+)?$/, checkpoint: METADATA }

export class WitnessFolder implements ReplicaStore {
  keep: KeepOptions
  readonly #env: Env
  readonly #folder: string
  readonly #files: LogFolder
  readonly #onFailure: (error: Error) => void

  /** @param onFailure the disk of an open log has failed */
  constructor(env: Env, folder: string, keep: KeepOptions, onFailure: (error: Error) => void) {
    this.#env = env
    this.#folder = folder
    this.keep = keep
    this.#files = new LogFolder(env, folder, names)
    this.#onFailure = onFailure
  }

  async open(): Promise<WitnessLog> {
    const { disk, log } = this.#env
    const epochs = await this.#files.openEpochs()
    const files = await MetaloggerFiles.open(disk, this.#folder, this.keep, message => log.warning(message))
    await files.settle()
    return new WitnessLog(this.#env, files, epochs, this.#onFailure)
  }

  /** A log must not end before its checkpoint: then all of it is fetched anew. */
  async cut(at: number): Promise<boolean> {
    const { version } = await inspectCheckpoint(this.#env.disk, `${this.#folder}/${METADATA}`)
    return version <= at && this.#files.cut(at)
  }

  receive(): Promise<CheckpointTarget> {
    return this.#files.receive()
  }
}

/**
 * Puts aside what a witness has left to a metalogger that is none: its last lines need never have been acknowledged, and
 * a metalogger keeps only what was.
 */
export async function retireWitness(env: Env, folder: string): Promise<void> {
  if (!(await env.disk.list(folder)).includes(EPOCH_FILE)) return
  const { file } = await EpochStore.open(env, folder)
  if (file.epochs.length > 0) await new LogFolder(env, folder, names).putAside()
}
