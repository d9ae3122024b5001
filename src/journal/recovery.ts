// From what lies in a data folder to the state that was acknowledged last (spec metadata 6, without its faults):
// the newest checkpoint that is whole, then every changelog line above it, in whichever files they are.
import type { Disk } from '../env/disk.ts'
import { CheckpointError } from '../metadata/checkpoint/format.ts'
import type { State } from '../metadata/state.ts'
import type { Seconds } from '../metadata/types.ts'
import { ageOf, changelogName } from './changelog-files.ts'
import { cutSums } from './changelog-sums.ts'
import { type CheckpointFile, inspectCheckpoint, loadCheckpoint } from './checkpoint-files.ts'
import { Replay, type Replayed, type ReplayListener, ReplayStop, type TornEnd } from './replay.ts'

/** What lies in the folder does not add up to a state that may be served: what, where, and what can be done. */
export class RecoveryError extends Error {
  override readonly name = 'RecoveryError'
}

export interface RecoveryOptions {
  /** Time of the root of a new file system. */
  now: Seconds
  /** Stop before this change. */
  until?: number
  /** -i: mend what is mended without loss, and say so (see readCheckpoint and isNil). */
  ignoresFlaws?: boolean
  /** Checkpoints outside the folder that count when they are newer and of the same file system (spec metadata 1.1). */
  elsewhere?: readonly string[]
  /** Hears what is considered and what is done. */
  tell?: RecoveryListener
}

export interface RecoveryListener extends ReplayListener {
  candidate(file: CheckpointFile): void
  loading(file: CheckpointFile): void
}

export interface Recovered {
  state: State
  /** Path of the checkpoint that was loaded. */
  checkpoint: string
  checkpointVersion: number
  /** Changes taken from the changelogs. */
  replayed: number
  /** Changelogs with an unfinished end. */
  torn: TornEnd[]
  /** For the administrator: what was skipped and why. */
  notes: string[]
}

/** Names under which checkpoints lie in the folder of a master or metalogger. */
export const checkpointPattern = /^metadata(?:_ml)?\.mfs(?:\.back(?:\.\d+)?|\.emergency|\.[A-Za-z0-9]{6})?$/

const ADVICE =
  'Add the missing changelogs (a metalogger keeps copies), or take the state before the damage with mfsmetarestore -b.'

/**
 * Recovers the state.
 * @throws RecoveryError when there is no state that holds everything that the files promise
 */
export async function recover(disk: Disk, folder: string, options: RecoveryOptions): Promise<Recovered> {
  const { until = Infinity } = options
  const notes: string[] = []
  const candidates = await findCheckpoints(disk, folder, options, notes)
  const usable = candidates.filter(({ version }) => version <= until)
  const newest = usable[0]?.version ?? 0
  for (const candidate of usable) {
    const state = await tryLoad(disk, candidate, options, notes)
    if (!state) continue
    const replayed = await replay(disk, folder, state, options)
    notes.push(...replayed.notes)
    // An older checkpoint will do only if the changelogs lead up to the newer one that could not be read.
    const promised = Math.min(until, Math.max(newest, replayed.promised))
    if (state.version < promised) throw tooShort(folder, state.version, promised, notes)
    return {
      ...{ state, checkpoint: candidate.path, checkpointVersion: candidate.version },
      ...{ replayed: state.version - candidate.version, torn: replayed.torn, notes },
    }
  }
  throw noCheckpoint(folder, notes)
}

async function replay(disk: Disk, folder: string, state: State, options: RecoveryOptions): Promise<Replayed> {
  const { until = Infinity, ignoresFlaws = false, tell } = options
  try {
    return await new Replay(disk, state, { until, skipsNil: ignoresFlaws, ...(tell ? { tell } : {}) }).run(folder)
  } catch (error) {
    if (!(error instanceof ReplayStop)) throw error
    throw new RecoveryError(`${error.message}\n${ADVICE}`, { cause: error })
  }
}

function tooShort(folder: string, version: number, promised: number, notes: string[]): RecoveryError {
  const text = `${folder}: the files lead to change ${version - 1}, but changes up to ${promised - 1} were stored.`
  return new RecoveryError([text, ...notes, ADVICE].join('\n'))
}

function noCheckpoint(folder: string, notes: string[]): RecoveryError {
  const help = `For a new file system put the 8 bytes "MFSM NEW" into ${folder}/metadata.mfs (a copy of metadata.mfs.empty).`
  return new RecoveryError([`${folder}: there is no checkpoint that can be loaded.`, ...notes, help].join('\n'))
}

/** Valid ones, newest first. @throws RecoveryError when they are of different file systems */
async function findCheckpoints(
  disk: Disk,
  folder: string,
  { ignoresFlaws, elsewhere = [], tell }: RecoveryOptions,
  notes: string[],
): Promise<CheckpointFile[]> {
  const names = (await disk.list(folder)).filter(name => checkpointPattern.test(name)).sort()
  const found = await inspectAll(
    disk,
    names.map(name => `${folder}/${name}`),
    notes,
  )
  const ids = new Map(found.filter(({ metaId }) => metaId !== 0n).map(file => [file.metaId, file.path]))
  if (ids.size > 1) {
    const list = [...ids].map(([id, path]) => `${path} has id ${id.toString(16)}`).join(', ')
    const text = `${folder} holds metadata of different file systems: ${list}.`
    if (!ignoresFlaws) throw new RecoveryError(`${text} Move the foreign one away.`)
    notes.push(`${text} The newest is used.`)
  }
  found.sort((a, b) => b.version - a.version)
  const [newest] = found
  if (newest && newest.metaId !== 0n) {
    for (const file of await inspectAll(disk, elsewhere, notes)) {
      if (file.metaId === newest.metaId && file.version > newest.version) found.push(file)
    }
    found.sort((a, b) => b.version - a.version)
  }
  for (const file of found) tell?.candidate(file)
  return found
}

async function inspectAll(disk: Disk, paths: readonly string[], notes: string[]): Promise<CheckpointFile[]> {
  const found: CheckpointFile[] = []
  for (const path of paths) {
    try {
      found.push(await inspectCheckpoint(disk, path))
    } catch (error) {
      // Emergency places need not be there, nor be ours to read.
      if (/^(ENOENT|ENOTDIR|EACCES)$/.test((error as NodeJS.ErrnoException).code ?? '')) continue
      if (!(error instanceof CheckpointError)) throw error
      notes.push(`${path}: ${error.message}: not used`)
    }
  }
  return found
}

async function tryLoad(
  disk: Disk,
  file: CheckpointFile,
  { now, tell }: RecoveryOptions,
  notes: string[],
): Promise<State | undefined> {
  tell?.loading(file)
  try {
    return await loadCheckpoint(disk, file.path, now)
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error
    notes.push(`${file.path}: ${error.message}: not used`)
    return undefined
  }
}

/**
 * Makes the folder ready for the next change: an unfinished tail of the newest changelog is cut off, and so are lines of
 * a request that lacks its last ones, wherever they are. The cut bytes are kept aside, nothing is ever thrown away in
 * recovery. Returns what was done, for the administrator.
 */
export async function makeReady(disk: Disk, folder: string, torn: readonly TornEnd[]): Promise<string[]> {
  const notes: string[] = []
  const current = `${folder}/${changelogName(0)}`
  for (const { path, offset, bytes, hasLines } of torn) {
    // Half a line counts nowhere; in the newest changelog it would stand before the next change.
    if (path !== current && !hasLines) continue
    const aside = `${path}.torn-at-${offset}`
    await writeWhole(disk, aside, bytes)
    await disk.syncFolder(folder)
    const file = await disk.open(path, 'r+')
    await file.truncate(offset)
    await file.sync()
    await file.close()
    await cutSums(disk, folder, ageOf(path.slice(folder.length + 1)) ?? 0)
    const what = hasLines ? 'a request that lacks its last changes' : 'an unfinished change'
    notes.push(`${bytes.length} bytes of ${what}, never acknowledged, are kept in ${aside}`)
  }
  await cutSums(disk, folder, 0)
  return notes
}

async function writeWhole(disk: Disk, path: string, bytes: Buffer): Promise<void> {
  const file = await disk.open(path, 'w+')
  try {
    await file.write(bytes, 0)
    await file.sync()
  } finally {
    await file.close()
  }
}
