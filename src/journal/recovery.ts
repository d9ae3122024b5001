// From what lies in a data folder to the state that was acknowledged last (spec metadata 6, without its faults):
// the newest checkpoint that is whole, then every changelog line above it, in whichever files they are.
import type { Disk } from '../env/disk.ts'
import { applyNumbered } from '../metadata/apply.ts'
import { parseLine } from '../metadata/changelog/entry.ts'
import { ChangelogError } from '../metadata/changelog/fields.ts'
import { CheckpointError } from '../metadata/checkpoint/format.ts'
import { ReplayError } from '../metadata/replay-error.ts'
import type { State } from '../metadata/state.ts'
import type { Seconds } from '../metadata/types.ts'
import { changelogPattern } from './changelog-files.ts'
import { ChangelogFile, type ChangelogLine, changeIdOf, type TornTail } from './changelog-reader.ts'
import { type CheckpointFile, inspectCheckpoint, loadCheckpoint } from './checkpoint-files.ts'

/** What lies in the folder does not add up to a state that may be served: what, where, and what can be done. */
export class RecoveryError extends Error {
  override readonly name = 'RecoveryError'
}

export interface Recovered {
  state: State
  /** Path of the checkpoint that was loaded. */
  checkpoint: string
  checkpointVersion: number
  /** Changes taken from the changelogs. */
  replayed: number
  /** Newest changelog with an unfinished tail: cut it off before appending. */
  torn: { path: string; tail: TornTail } | undefined
  /** For the administrator: what was skipped and why. */
  notes: string[]
}

/** Names under which checkpoints lie in the folder of a master or metalogger. */
export const checkpointPattern = /^metadata(?:_ml)?\.mfs(?:\.back(?:\.\d+)?|\.emergency|\.[A-Za-z0-9]{6})?$/

/**
 * Recovers the state.
 *
 * @param now time of the root of a new file system
 * @param until stop before this change number
 * @throws RecoveryError when there is no state that holds everything that the files promise
 */
export async function recover(disk: Disk, folder: string, now: Seconds, until = Infinity): Promise<Recovered> {
  const notes: string[] = []
  const candidates = await findCheckpoints(disk, folder, notes)
  const usable = candidates.filter(({ version }) => version <= until)
  if (usable.length === 0) throw noCheckpoint(folder, notes)
  const promised = Math.max(...usable.map(({ version }) => version))
  for (const candidate of usable) {
    const state = await tryLoad(disk, candidate, now, notes)
    if (!state) continue
    const recovered = await replayChangelogs(disk, folder, state, until, notes)
    // An older checkpoint will do only if the changelogs lead up to the newer one that could not be read.
    if (state.version >= Math.min(promised, until)) {
      return { ...recovered, checkpoint: candidate.path, checkpointVersion: candidate.version, notes }
    }
    throw new RecoveryError(
      [
        `${folder}: a checkpoint of version ${promised} is damaged and the changelogs lead only to ${state.version}.`,
        ...notes,
        'Add the missing changelogs (a metalogger keeps copies), or move the damaged checkpoint away to accept the loss.',
      ].join('\n'),
    )
  }
  throw noCheckpoint(folder, notes)
}

function noCheckpoint(folder: string, notes: string[]): RecoveryError {
  const help = `For a new file system put the 8 bytes "MFSM NEW" into ${folder}/metadata.mfs (a copy of metadata.mfs.empty).`
  return new RecoveryError([`${folder}: there is no checkpoint that can be loaded.`, ...notes, help].join('\n'))
}

/** Valid ones, newest first. @throws RecoveryError when they are of different file systems */
async function findCheckpoints(disk: Disk, folder: string, notes: string[]): Promise<CheckpointFile[]> {
  const found: CheckpointFile[] = []
  for (const name of (await disk.list(folder)).filter(name => checkpointPattern.test(name)).sort()) {
    try {
      found.push(await inspectCheckpoint(disk, `${folder}/${name}`))
    } catch (error) {
      if (!(error instanceof CheckpointError)) throw error
      notes.push(`${folder}/${name}: ${error.message}: not used`)
    }
  }
  const ids = new Map(found.filter(({ metaId }) => metaId !== 0n).map(file => [file.metaId, file.path]))
  if (ids.size > 1) {
    const list = [...ids].map(([id, path]) => `${path} has id ${id.toString(16)}`)
    throw new RecoveryError(
      `${folder} holds metadata of different file systems: ${list.join(', ')}. Move the foreign one away.`,
    )
  }
  return found.sort((a, b) => b.version - a.version)
}

async function tryLoad(
  disk: Disk,
  { path }: CheckpointFile,
  now: Seconds,
  notes: string[],
): Promise<State | undefined> {
  try {
    return await loadCheckpoint(disk, path, now)
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error
    notes.push(`${path}: ${error.message}: not used`)
    return undefined
  }
}

interface Source {
  file: ChangelogFile
  lines: AsyncGenerator<ChangelogLine>
  line: ChangelogLine
  id: number
}

async function replayChangelogs(
  disk: Disk,
  folder: string,
  state: State,
  until: number,
  notes: string[],
): Promise<Pick<Recovered, 'state' | 'replayed' | 'torn'>> {
  const names = (await disk.list(folder)).filter(name => changelogPattern.test(name))
  const files: ChangelogFile[] = []
  for (const name of names) {
    const file = new ChangelogFile(disk, `${folder}/${name}`)
    // Where the end cannot be read there is something to find out.
    if (((await file.lastId()) ?? Infinity) >= state.version) files.push(file)
  }
  const open = files.map(file => ({ file, lines: file.lines() }))
  const first = state.version
  try {
    await merge(state, open, until)
  } finally {
    for (const { lines } of open) await lines.return(undefined)
  }
  const torn = files.filter(file => file.tornTail).map(file => ({ path: file.path, tail: file.tornTail as TornTail }))
  for (const { path, tail } of torn)
    notes.push(`${path}: ${tail.bytes.length} bytes of an unfinished line at ${tail.offset}`)
  return { state, replayed: state.version - first, torn: torn.find(({ path }) => path.endsWith('/changelog.0.mfs')) }
}

/** Takes the lines of all files in the order of their change numbers. */
async function merge(state: State, open: Pick<Source, 'file' | 'lines'>[], until: number): Promise<void> {
  let sources: Source[] = []
  for (const { file, lines } of open) {
    const source = await advance(file, lines)
    if (source) sources.push(source)
  }
  while (sources.length > 0 && state.version < until) {
    sources.sort((a, b) => a.id - b.id)
    const source = sources[0] as Source
    replayLine(state, source)
    const next = await advance(source.file, source.lines)
    sources = next ? [next, ...sources.slice(1)] : sources.slice(1)
  }
}

async function advance(file: ChangelogFile, lines: AsyncGenerator<ChangelogLine>): Promise<Source | undefined> {
  const { value: line, done } = await lines.next()
  if (done) return undefined
  const id = changeIdOf(line.text)
  if (id === undefined) {
    throw new RecoveryError(
      `${file.path}, byte ${line.offset}: this is no changelog line: ${JSON.stringify(line.text.slice(0, 80))}`,
    )
  }
  return { file, lines, line, id }
}

/** Applies the line if it is the next change; skips one that the state holds already. */
function replayLine(state: State, { file, line, id }: Source): void {
  if (id < state.version) return
  const where = `${file.path}, byte ${line.offset}, change ${id}`
  if (id > state.version) {
    throw new RecoveryError(
      `${where}: the changes ${state.version} to ${id - 1} are missing. Add the changelogs that hold them.`,
    )
  }
  try {
    applyNumbered(state, id, parseLine(line.text).entry)
  } catch (error) {
    if (!(error instanceof ChangelogError) && !(error instanceof ReplayError)) throw error
    throw new RecoveryError(`${where}: ${error.message}`, { cause: error })
  }
}

/** Cuts an unfinished tail off its file and keeps the cut bytes aside: nothing is ever thrown away in recovery. */
export async function cutTornTail(disk: Disk, torn: NonNullable<Recovered['torn']>): Promise<string> {
  const { path, tail } = torn
  const aside = `${path}.torn-at-${tail.offset}`
  const copy = await disk.open(aside, 'w+')
  await copy.write(tail.bytes, 0)
  await copy.sync()
  await copy.close()
  const file = await disk.open(path, 'r+')
  await file.truncate(tail.offset)
  await file.sync()
  await file.close()
  return aside
}
