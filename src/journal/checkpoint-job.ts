// Making a checkpoint without the master: what lies in its data folder holds everything up to the last rotation of the
// changelogs, so another process can load the last checkpoint, replay, and write the next one.
import type { Job } from '../env/env.ts'
import type { Seconds } from '../metadata/types.ts'
import { CHECKPOINT_TEMPORARY, writeCheckpointFile } from './checkpoint-files.ts'
import { recover } from './recovery.ts'

export interface CheckpointRequest {
  folder: string
  /** Changes below this are in the checkpoint, no others. */
  version: number
  now: Seconds
}

export interface CheckpointMade {
  /** Of the state that was written to metadata.mfs.back.tmp, hexadecimal. */
  digest: string
  /** The checkpoint that it came from, and how many changes later it is. */
  from: string
  replayed: number
  inodes: number
}

/** Writes metadata.mfs.back.tmp; what to do with it is up to the master. */
const checkpointJob: Job<CheckpointRequest, CheckpointMade> = {
  module: import.meta.url,
  async run({ disk, log }, { folder, version, now }) {
    const { state, checkpoint, replayed, notes } = await recover(disk, folder, { now, until: version })
    for (const note of notes) log.warning(note)
    if (state.version !== version) {
      throw new Error(`the changelogs lead to version ${state.version}, not to ${version}`)
    }
    await writeCheckpointFile(disk, `${folder}/${CHECKPOINT_TEMPORARY}`, state, true)
    return { digest: state.digest().toString(16), from: checkpoint, replayed, inodes: state.nodes.count }
  },
}

export default checkpointJob
