// Checkpoints in a data folder: finding, reading, writing and rotating them (spec metadata 1, 6).
import type { Disk } from '../env/disk.ts'
import {
  CheckpointError,
  type CheckpointHeader,
  EOF_MARKER,
  endMark,
  HEADER_BYTES,
  readHeader,
} from '../metadata/checkpoint/format.ts'
import { readCheckpoint } from '../metadata/checkpoint/read.ts'
import { writeCheckpoint } from '../metadata/checkpoint/write.ts'
import type { State } from '../metadata/state.ts'
import type { Seconds } from '../metadata/types.ts'

export const CHECKPOINT = 'metadata.mfs'
export const CHECKPOINT_BACK = 'metadata.mfs.back'
export const CHECKPOINT_TEMPORARY = 'metadata.mfs.back.tmp'
/** Where masters before 2.0 kept their sessions. */
const OLD_SESSIONS = 'sessions.mfs'

const PIECE_BYTES = 4 << 20

/** A checkpoint whose beginning and end are right. */
export interface CheckpointFile extends CheckpointHeader {
  path: string
}

/** Reads header and end mark. @throws CheckpointError saying what is wrong */
export async function inspectCheckpoint(disk: Disk, path: string): Promise<CheckpointFile> {
  const file = await disk.open(path, 'r')
  try {
    const { size } = await file.stat()
    const head = Buffer.alloc(HEADER_BYTES)
    const header = readHeader(head.subarray(0, await file.read(head, 0)))
    if (header.isNew) return { path, ...header }
    const tail = Buffer.alloc(EOF_MARKER.length)
    await file.read(tail, Math.max(0, size - tail.length))
    if (tail.toString('latin1') !== endMark(header)) throw new CheckpointError('TAIL', size, 'the end mark is missing')
    return { path, ...header }
  } finally {
    await file.close()
  }
}

/** Loads a whole checkpoint. @throws CheckpointError */
export async function loadCheckpoint(disk: Disk, path: string, now: Seconds): Promise<State> {
  const file = await disk.open(path, 'r')
  try {
    let position = 0
    const pull = async () => {
      const piece = Buffer.allocUnsafeSlow(PIECE_BYTES)
      const count = await file.read(piece, position)
      position += count
      return count > 0 ? piece.subarray(0, count) : undefined
    }
    return await readCheckpoint(pull, now, () => readOldSessionsFile(disk, path))
  } finally {
    await file.close()
  }
}

/** The sessions.mfs beside a checkpoint, if there is one. */
async function readOldSessionsFile(disk: Disk, path: string): Promise<Buffer | undefined> {
  const slash = path.lastIndexOf('/')
  const folder = slash < 0 ? '.' : path.slice(0, slash) || '/'
  if (!(await disk.list(folder)).includes(OLD_SESSIONS)) return undefined
  return disk.readFile(`${folder}/${OLD_SESSIONS}`)
}

/** Writes the state to a new file and puts it on the disk; the name `path` is then complete or absent, never half. */
export async function storeCheckpoint(disk: Disk, folder: string, name: string, state: State): Promise<void> {
  const temporary = `${folder}/${CHECKPOINT_TEMPORARY}`
  const file = await disk.open(temporary, 'w+')
  try {
    let position = 0
    for (const piece of writeCheckpoint(state)) {
      await file.write(piece, position)
      position += piece.length
    }
    await file.sync()
  } finally {
    await file.close()
  }
  await disk.rename(temporary, `${folder}/${name}`)
  await disk.syncFolder(folder)
}

/** Shifts `metadata.mfs.back` and its older ones by one, keeping `keepPrevious` of them. */
export async function rotateCheckpoints(disk: Disk, folder: string, keepPrevious: number): Promise<void> {
  const present = new Set(await disk.list(folder))
  const older = (age: number) => (age === 0 ? CHECKPOINT_BACK : `${CHECKPOINT_BACK}.${age}`)
  for (let age = keepPrevious; age > 0; age--) {
    if (present.has(older(age - 1))) await disk.rename(`${folder}/${older(age - 1)}`, `${folder}/${older(age)}`)
  }
}
