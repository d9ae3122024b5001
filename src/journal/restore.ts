// Bringing back the state of any moment that checkpoints and changelogs still cover.
import type { Disk } from '../env/disk.ts'
import { applyNumbered } from '../metadata/apply.ts'
import { parseLine } from '../metadata/changelog/entry.ts'
import { ChangelogError } from '../metadata/changelog/fields.ts'
import { CheckpointError } from '../metadata/checkpoint/format.ts'
import { writeCheckpoint } from '../metadata/checkpoint/write.ts'
import { ReplayError } from '../metadata/replay-error.ts'
import type { State } from '../metadata/state.ts'
import type { Seconds } from '../metadata/types.ts'
import { dateText } from '../util/date-text.ts'
import { mergedLines, type Run, type Survey, surveyChangelogs } from './changelog-survey.ts'
import { type CheckpointFile, inspectCheckpoint, loadCheckpoint } from './checkpoint-files.ts'
import { type NumberedLine, placeOf } from './merged-changelogs.ts'
import { RecoveryError } from './recovery.ts'
import { WholeRequests } from './whole-requests.ts'

/** The moment to restore: after a change, or after the last change of a second. */
export type Until = { change: number } | { time: Seconds }

export interface RestoreInput {
  /** Paths of checkpoints. */
  checkpoints: readonly string[]
  /** Paths of changelogs, in any order, overlapping as they like. */
  changelogs: readonly string[]
  /** Without: everything that there is. */
  until?: Until | undefined
  /** On damage: the latest state before it, instead of nothing. */
  bestPossible: boolean
}

/** Hears how far the work is. */
export interface RestoreProgress {
  surveying(change: number): void
  loading(path: string): void
  /** A change has been applied. */
  applying(line: NumberedLine, last: number): void
}

export interface Restored {
  state: State
  checkpoint: CheckpointFile
  /** Changes applied to the checkpoint. */
  applied: number
  survey: Survey
  /** What was not used, and why; with `bestPossible` also why the state is not newer. */
  notes: string[]
}

/** Number of the first change that is not wanted. */
function cutOf(until: Until | undefined, survey: Survey): number {
  if (until === undefined) return Infinity
  if ('change' in until) return until.change + 1
  const { firstTime, firstAfter } = survey
  if (firstTime === undefined || firstTime > until.time) {
    const known = firstTime === undefined ? 'there is not one' : `the first one is of ${dateText(firstTime)}`
    throw new RecoveryError(`no changelog reaches back to ${dateText(until.time)}: ${known}. Add older changelogs.`)
  }
  return firstAfter ?? Infinity
}

/** The number that the change after `version`'s run of changes would have: how far replay leads from a checkpoint. */
export function reachOf(version: number, runs: readonly Run[]): number {
  const run = runs.find(({ from, to }) => from <= version && version <= to)
  return run ? run.to + 1 : version
}

/**
 * The checkpoint to begin with: the newest from which changes lead all the way.
 *
 * @param candidates newest first
 * @param cut first change that is not wanted; Infinity: all are
 * @param best take the one that leads furthest when none leads all the way
 */
export function chooseCheckpoint(
  candidates: readonly CheckpointFile[],
  runs: readonly Run[],
  cut: number,
  best: boolean,
): CheckpointFile | undefined {
  const usable = candidates.filter(({ version }) => version <= cut)
  const end = Math.max(usable[0]?.version ?? 0, (runs.at(-1)?.to ?? 0) + 1)
  const goal = Math.min(cut, end)
  if (cut !== Infinity && end < cut && !best) return undefined
  const whole = usable.find(({ version }) => reachOf(version, runs) >= goal)
  if (whole || !best) return whole
  return usable.toSorted((a, b) => reachOf(b.version, runs) - reachOf(a.version, runs))[0]
}

const shownRun = ({ from, to }: Run) => (from === to ? `${from}` : `${from} to ${to}`)

/** Changes that are missing between a checkpoint and the first change that is not wanted, or the last one known. */
export function gapsOf(version: number, runs: readonly Run[], cut: number): Run[] {
  const gaps: Run[] = []
  let expected = version
  for (const { from, to } of runs) {
    if (to < expected) continue
    if (from >= cut) break
    if (from > expected) gaps.push({ from: expected, to: from - 1 })
    expected = to + 1
  }
  if (cut !== Infinity && expected < cut) gaps.push({ from: expected, to: cut - 1 })
  return gaps
}

/**
 * Restores a state. Nothing is written.
 *
 * @param now time of the root of a new file system
 * @throws RecoveryError saying what is missing or damaged, and what can be done
 */
export async function restore(
  disk: Disk,
  input: RestoreInput,
  now: Seconds,
  progress: RestoreProgress,
): Promise<Restored> {
  const time = input.until && 'time' in input.until ? input.until.time : Infinity
  const survey = await surveyChangelogs(disk, input.changelogs, time, ({ id }) => progress.surveying(id))
  const notes = [...survey.notes]
  let candidates = await inspect(disk, input.checkpoints, notes)
  let cut = cutOf(input.until, survey)
  for (;;) {
    const checkpoint = chooseCheckpoint(candidates, survey.runs, cut, input.bestPossible)
    if (!checkpoint) throw noWay(candidates, survey, cut, notes)
    cut = beforeConflicts(survey, checkpoint.version, cut, input.bestPossible, notes)
    progress.loading(checkpoint.path)
    const state = await tryLoad(disk, checkpoint, now, notes)
    if (!state) {
      candidates = candidates.filter(other => other !== checkpoint)
      continue
    }
    const last = Math.min(cut, reachOf(state.version, survey.runs)) - 1
    const { bad, held } = await replay(disk, input.changelogs, state, last, progress)
    if (!bad) {
      if (held > 0) notes.push(beginningOnly({ from: state.version, to: state.version + held - 1 }))
      for (const gap of gapsOf(state.version, survey.runs, cut)) notes.push(`changes ${shownRun(gap)} are missing`)
      return { state, checkpoint, applied: state.version - checkpoint.version, survey, notes }
    }
    if (!input.bestPossible) throw new RecoveryError(`${placeOf(bad.line)}: ${bad.why}`)
    // The change may be half done: the state is made once more, up to the change before.
    notes.push(`${placeOf(bad.line)}: ${bad.why}; nothing from this change on is used`)
    cut = bad.line.id
  }
}

/** Valid checkpoints, newest first. @throws RecoveryError when they are of different file systems */
async function inspect(disk: Disk, paths: readonly string[], notes: string[]): Promise<CheckpointFile[]> {
  const found: CheckpointFile[] = []
  for (const path of paths) {
    try {
      found.push(await inspectCheckpoint(disk, path))
    } catch (error) {
      if (!(error instanceof CheckpointError)) throw error
      notes.push(`${path}: ${error.message}; not used`)
    }
  }
  const ids = new Map(found.filter(({ metaId }) => metaId !== 0n).map(file => [file.metaId, file.path]))
  if (ids.size > 1) {
    const list = [...ids].map(([id, path]) => `${path} has id ${id.toString(16)}`)
    throw new RecoveryError(`metadata of different file systems: ${list.join(', ')}. Take the foreign one away.`)
  }
  return found.sort((a, b) => b.version - a.version)
}

/** Changes of which two files tell different things are not guessed at. */
function beforeConflicts(survey: Survey, from: number, cut: number, best: boolean, notes: string[]): number {
  const conflict = survey.conflicts.find(([{ id }]) => id >= from && id < cut)
  if (!conflict) return cut
  const [one, other] = conflict
  const text = `two different changes ${one.id}: ${placeOf(one)} and ${placeOf(other)}`
  if (!best) throw new RecoveryError(`${text}. One of the files is of another history: leave it out.`)
  notes.push(`${text}; nothing after change ${one.id - 1} is used`)
  return one.id
}

function noWay(candidates: readonly CheckpointFile[], survey: Survey, cut: number, notes: string[]): RecoveryError {
  const usable = candidates.find(({ version }) => version <= cut)
  const lines = [...notes]
  if (candidates.length === 0) lines.unshift('there is no checkpoint that can be loaded.')
  else if (!usable) {
    const oldest = candidates.at(-1) as CheckpointFile
    lines.unshift(`the oldest checkpoint, ${oldest.path}, holds changes up to ${oldest.version - 1}: that is too late.`)
  } else {
    const missing = gapsOf(usable.version, survey.runs, cut).map(shownRun).join(', ')
    lines.unshift(`changes are missing after ${usable.path} (version ${usable.version}): ${missing}.`)
    lines.push('Add the changelogs that hold them (a metalogger keeps copies), or take the best possible state.')
  }
  return new RecoveryError(lines.join('\n'))
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
    notes.push(`${path}: ${error.message}; not used`)
    return undefined
  }
}

const beginningOnly = (run: Run) =>
  `${run.from === run.to ? 'change' : 'changes'} ${shownRun(run)}: the request goes on behind the moment or the ` +
  'changelogs, and half a request is never carried out: not used'

/**
 * @returns `bad`: the change that could not be applied; the state is then not to be used. `held`: how many of the changes
 *   up to `last` are the beginning of a request that goes on, and so were not applied
 */
async function replay(
  disk: Disk,
  changelogs: readonly string[],
  state: State,
  last: number,
  progress: RestoreProgress,
): Promise<{ bad?: { line: NumberedLine; why: string }; held: number }> {
  const requests = new WholeRequests<NumberedLine>()
  for await (const line of mergedLines(disk, changelogs)) {
    if (line.id < state.version + requests.heldCount) continue
    if (line.id > last) break
    for (const whole of requests.add(line)) {
      const why = applyLine(state, whole)
      if (why !== undefined) return { bad: { line: whole, why }, held: 0 }
      progress.applying(whole, last)
    }
  }
  return { held: requests.heldCount }
}

/** @returns why it could not be applied; the state is then not to be used */
function applyLine(state: State, { id, text }: NumberedLine): string | undefined {
  try {
    applyNumbered(state, id, parseLine(text).entry)
    return undefined
  } catch (error) {
    if (!(error instanceof ChangelogError) && !(error instanceof ReplayError)) throw error
    return error.message
  }
}

/** Writes a state to a file of its own; `path` is then complete, or as it was before. */
export async function writeState(disk: Disk, path: string, state: State): Promise<void> {
  const temporary = `${path}.tmp`
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
  await disk.rename(temporary, path)
  await disk.syncFolder(path.slice(0, path.lastIndexOf('/')) || '/')
}
