// The metadata vectors, made with the real mfsmaster 3.0.117 (README.md in metadata/).
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { readCheckpoint } from '../../src/metadata/checkpoint/read.ts'
import type { State } from '../../src/metadata/state.ts'

export const steps = [
  '01-basic-ops',
  '02-classes-quota-snapshots-trash',
  '03-sessions-locks-open-files',
  '04-time-driven-and-chunk-ops',
  '05-snapshot-groups',
  '06-handmade-lines',
] as const

/** The contents of a vector file, unpacked. */
export function vector(step: string, file: string): Buffer {
  return gunzipSync(readFileSync(join(import.meta.dirname, 'metadata', step, `${file}.gz`)))
}

/** Bytes as a checkpoint is pulled: `pieceBytes` at a time. */
export function pullOf(bytes: Buffer, pieceBytes = 65536): () => Promise<Buffer | undefined> {
  let position = 0
  return async () => {
    if (position >= bytes.length) return undefined
    position += pieceBytes
    return bytes.subarray(position - pieceBytes, position)
  }
}

export const load = (bytes: Buffer, now = 1795333779): Promise<State> => readCheckpoint(pullOf(bytes), now)
