// Checkpoints in a data folder: finding, reading, writing and rotating them (spec metadata 1, 6).
import type { Disk, DiskFile } from '../env/disk.ts'
import {
  CheckpointError,
  type CheckpointHeader,
  endMark,
  HEADER_BYTES,
  readHeader,
} from '../metadata/checkpoint/format.ts'
import { readCheckpoint } from '../metadata/checkpoint/read.ts'
import { writeCheckpoint } from '../metadata/checkpoint/write.ts'
import type { State } from '../metadata/state.ts'
import type { Seconds } from '../metadata/types.ts'
import {
  checkBlocks,
  parseSeal,
  SEAL_BLOCK_BYTES,
  SEAL_FOOT_BYTES,
  type Seal,
  SealMaker,
  sealBytesOf,
} from './checkpoint-seal.ts'

export const CHECKPOINT = 'metadata.mfs'
export const CHECKPOINT_BACK = 'metadata.mfs.back'
export const CHECKPOINT_TEMPORARY = 'metadata.mfs.back.tmp'
/** Where masters before 2.0 kept their sessions. */
const OLD_SESSIONS = 'sessions.mfs'

/** Read at a time: whole blocks of a seal, and little enough to stay in the processor's cache until it is decoded. */
const PIECE_BYTES = 16 * SEAL_BLOCK_BYTES
/** A helper syncs as often: a sync of the changelog beside it waits for what is on its way to the same disk. */
const SYNCED_AT_ONCE = 256 << 10

/** A checkpoint whose beginning and end are right. */
export interface CheckpointFile extends CheckpointHeader {
  path: string
  /** Its checksums, when it has them: the original's has none. */
  seal: Seal | undefined
}

/** Reads header, end mark and seal. @throws CheckpointError saying what is wrong */
export async function inspectCheckpoint(disk: Disk, path: string): Promise<CheckpointFile> {
  const file = await disk.open(path, 'r')
  try {
    return await inspectOpen(file, path)
  } finally {
    await file.close()
  }
}

async function inspectOpen(file: DiskFile, path: string): Promise<CheckpointFile> {
  const { size } = await file.stat()
  const head = Buffer.alloc(HEADER_BYTES)
  const header = readHeader(head.subarray(0, await file.read(head, 0)))
  if (header.isNew) return { path, ...header, seal: undefined }
  const foot = await readAt(file, Math.max(0, size - SEAL_FOOT_BYTES), SEAL_FOOT_BYTES)
  if (!foot.toString('latin1').endsWith(endMark(header))) {
    throw new CheckpointError('TAIL', size, 'the end mark is missing')
  }
  const sealBytes = sealBytesOf(foot, size)
  const seal = sealBytes > 0 ? parseSeal(await readAt(file, size - sealBytes, sealBytes), size) : undefined
  if (seal && seal.version !== header.version) {
    throw new CheckpointError('HEAD', 8, `version ${header.version} is not the one that was sealed, ${seal.version}`)
  }
  return { path, ...header, seal }
}

async function readAt(file: DiskFile, position: number, bytes: number): Promise<Buffer> {
  const target = Buffer.allocUnsafeSlow(bytes)
  return target.subarray(0, await file.read(target, position))
}

/**
 * Loads a whole checkpoint, and checks it against its seal when it has one.
 * @throws CheckpointError
 */
export async function loadCheckpoint(disk: Disk, path: string, now: Seconds): Promise<State> {
  const file = await disk.open(path, 'r')
  try {
    const { seal } = await inspectOpen(file, path)
    const state = await readCheckpoint(piecesOf(file, seal), now, () => readOldSessionsFile(disk, path))
    if (seal?.digest !== undefined && seal.digest !== state.digest()) {
      throw new CheckpointError('SEAL', seal.dataBytes, 'what was loaded is not what was sealed (another digest)')
    }
    return state
  } finally {
    await file.close()
  }
}

/** The bytes of a checkpoint from its beginning on, checked. The next piece is read while one is decoded. */
function piecesOf(file: DiskFile, seal: Seal | undefined): () => Promise<Buffer | undefined> {
  let position = 0
  const end = seal?.dataBytes ?? Infinity
  const readNext = () => {
    const next = readAt(file, position, Math.min(PIECE_BYTES, end - position))
    // Nobody hears of a failure when something before it is wrong already.
    next.catch(() => {})
    return next
  }
  let next = readNext()
  return async () => {
    const piece = await next
    if (piece.length === 0) return undefined
    const start = position
    position += piece.length
    next = readNext()
    if (seal) checkBlocks(seal, piece, start)
    return piece
  }
}

/** The sessions.mfs beside a checkpoint, if there is one. */
async function readOldSessionsFile(disk: Disk, path: string): Promise<Buffer | undefined> {
  const slash = path.lastIndexOf('/')
  const folder = slash < 0 ? '.' : path.slice(0, slash) || '/'
  if (!(await disk.list(folder)).includes(OLD_SESSIONS)) return undefined
  return disk.readFile(`${folder}/${OLD_SESSIONS}`)
}

/**
 * Writes the state, sealed, to a file of that name, and puts it on the disk; what was there is lost.
 * @param gently in small pieces, each on the disk before the next is written
 */
export async function writeCheckpointFile(disk: Disk, path: string, state: State, gently = false): Promise<void> {
  const file = await disk.open(path, 'w+')
  try {
    const seal = new SealMaker()
    let position = 0
    const put = async (piece: Buffer) => {
      const step = gently ? SYNCED_AT_ONCE : Math.max(1, piece.length)
      for (let at = 0; at < piece.length; at += step) {
        const part = piece.subarray(at, at + step)
        await file.write(part, position)
        position += part.length
        if (gently && part.length === step) await file.sync()
      }
    }
    for (const piece of writeCheckpoint(state)) {
      seal.add(piece)
      await put(piece)
    }
    await put(seal.finish(state.version, state.digest()))
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Stores the state under a name that is then complete or as it was, never half. */
export async function storeCheckpoint(disk: Disk, folder: string, name: string, state: State): Promise<void> {
  const temporary = `${folder}/${CHECKPOINT_TEMPORARY}`
  await writeCheckpointFile(disk, temporary, state)
  await disk.rename(temporary, `${folder}/${name}`)
  await disk.syncFolder(folder)
}

export const EMERGENCY = 'metadata.mfs.emergency'

/** Where a checkpoint goes, or may lie, when the data folder does not take it (spec metadata 1.1). */
export function emergencyPaths(home: string | undefined): string[] {
  const folders = ['', '/tmp', '/var', '/usr', '/usr/share', '/usr/local', '/usr/local/var', '/usr/local/share']
  return [...(home ? [home] : []), ...folders].map(folder => `${folder}/${EMERGENCY}`)
}

/** Stores the state at the first of these paths that takes it. @returns that path; undefined when none does */
export async function storeEmergency(disk: Disk, paths: readonly string[], state: State): Promise<string | undefined> {
  for (const path of paths) {
    try {
      await writeCheckpointFile(disk, path, state)
      return path
    } catch {
      // The next one may take it; the reason why the first did not is known already.
    }
  }
  return undefined
}

/**
 * Makes metadata.mfs.back.tmp, complete and synced, the newest checkpoint under `name`; the one before is kept as
 * metadata.mfs.back.1 and so on. At every moment between there is one that can be loaded.
 */
export async function publishCheckpoint(
  disk: Disk,
  folder: string,
  name: typeof CHECKPOINT | typeof CHECKPOINT_BACK,
  keepPrevious: number,
): Promise<void> {
  await disk.syncFolder(folder)
  await rotateCheckpoints(disk, folder, keepPrevious)
  await disk.rename(`${folder}/${CHECKPOINT_TEMPORARY}`, `${folder}/${name}`)
  await disk.syncFolder(folder)
  const outdated = name === CHECKPOINT ? CHECKPOINT_BACK : CHECKPOINT
  if (!(await disk.list(folder)).includes(outdated)) return
  await disk.unlink(`${folder}/${outdated}`, 'gently')
  await disk.syncFolder(folder)
}

/**
 * Puts the files in order after a start from one of them: it runs from metadata.mfs.back from now on, and a metadata.mfs
 * that was not loaded goes out of the way. Nothing is lost (spec metadata 1.2, 6.2).
 *
 * @param loaded path of the checkpoint that was loaded
 * @param version of what is in memory: makes the name of a file that goes aside
 */
export async function settleCheckpoints(
  disk: Disk,
  folder: string,
  loaded: string,
  version: number,
  keepPrevious: number,
): Promise<void> {
  const names = await disk.list(folder)
  if (names.includes(CHECKPOINT_TEMPORARY)) await disk.unlink(`${folder}/${CHECKPOINT_TEMPORARY}`)
  const current = `${folder}/${CHECKPOINT}`
  if (loaded === current) {
    await rotateCheckpoints(disk, folder, keepPrevious)
    await disk.rename(current, `${folder}/${CHECKPOINT_BACK}`)
  } else if (names.includes(CHECKPOINT)) {
    const suffix = version.toString(36).padStart(6, '0').slice(-6)
    await disk.rename(current, `${current}.${suffix}`)
  }
  await disk.syncFolder(folder)
}

/** Shifts `metadata.mfs.back` and its older ones by one, keeping `keepPrevious` of them. */
async function rotateCheckpoints(disk: Disk, folder: string, keepPrevious: number): Promise<void> {
  const present = new Set(await disk.list(folder))
  const older = (age: number) => (age === 0 ? CHECKPOINT_BACK : `${CHECKPOINT_BACK}.${age}`)
  if (keepPrevious > 0 && present.has(older(keepPrevious)) && present.has(older(keepPrevious - 1))) {
    await disk.unlink(`${folder}/${older(keepPrevious)}`, 'gently')
  }
  for (let age = keepPrevious; age > 0; age--) {
    if (present.has(older(age - 1))) await disk.rename(`${folder}/${older(age - 1)}`, `${folder}/${older(age)}`)
  }
}
