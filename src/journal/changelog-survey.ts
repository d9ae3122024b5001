// What a set of changelogs holds, however the lines are spread over the files: which changes are there, which are
// missing, which are there more than once.

import type { Disk } from '../env/disk.ts'
import { ChangelogFile, type ChangelogLine } from './changelog-reader.ts'
import { mergedRuns, type NumberedLine, type StrangeLine } from './merged-changelogs.ts'

/** Consecutive changes that are there, `to` included. */
export interface Run {
  from: number
  to: number
}

export interface Survey {
  /** Ascending; between them there are gaps. */
  runs: Run[]
  /** By path: the first and the last change of each file. */
  files: Map<string, Run>
  /** Lines that another file holds as well. */
  repeated: number
  /** The first few changes of which two files tell different things. */
  conflicts: [NumberedLine, NumberedLine][]
  /** Time stamps of the first and the last change, seconds. */
  firstTime: number | undefined
  lastTime: number | undefined
  /** The first change with a later time stamp than the one asked for. */
  firstAfter: number | undefined
  /** What was not used of which file, and why. */
  notes: string[]
}

const CONFLICTS_MAX = 10

/** Lines of several changelogs, merged; a file ends where its numbers stop rising. */
export async function* mergedLines(
  disk: Disk,
  paths: readonly string[],
  notes: string[] = [],
): AsyncGenerator<NumberedLine> {
  const files = paths.map(path => new ChangelogFile(disk, path))
  const endOfFile = (line: StrangeLine) => {
    notes.push(`${line.path}, byte ${line.offset}: ${whatIsStrange(line)}; the rest of the file is not used`)
    return false
  }
  for await (const run of mergedRuns(
    files.map(file => ({ file })),
    endOfFile,
  )) {
    yield* run
  }
  for (const { path, tornTail } of files) {
    if (tornTail) notes.push(`${path}: ends with ${tornTail.bytes.length} bytes of an unfinished line, not used`)
  }
}

function whatIsStrange({ id, previous, text }: StrangeLine): string {
  if (id === undefined) return `this is no changelog line: ${JSON.stringify(text.slice(0, 80))}`
  return `change ${id} comes after change ${previous}`
}

/** The time stamp of a line, seconds; undefined when it has none. */
export function timeOf({ text }: ChangelogLine): number | undefined {
  const match = /^\d+: (\d{1,10})\|/.exec(text)
  return match ? Number(match[1]) : undefined
}

/**
 * Reads all changelogs and tells what they hold.
 *
 * @param time moment for `firstAfter`, seconds
 * @param tell hears of every line, for showing progress
 */
export async function surveyChangelogs(
  disk: Disk,
  paths: readonly string[],
  time: number,
  tell: (line: NumberedLine) => void = () => {},
): Promise<Survey> {
  const survey: Survey = {
    ...{ runs: [], files: new Map(), repeated: 0, conflicts: [], notes: [] },
    ...{ firstTime: undefined, lastTime: undefined, firstAfter: undefined },
  }
  let last: NumberedLine | undefined
  for await (const line of mergedLines(disk, paths, survey.notes)) {
    tell(line)
    const { from } = survey.files.get(line.path) ?? { from: line.id }
    survey.files.set(line.path, { from, to: line.id })
    if (last && line.id === last.id) {
      survey.repeated++
      if (line.text !== last.text && survey.conflicts.length < CONFLICTS_MAX) survey.conflicts.push([last, line])
      continue
    }
    last = line
    const run = survey.runs.at(-1)
    if (run && run.to + 1 === line.id) run.to = line.id
    else survey.runs.push({ from: line.id, to: line.id })
    noteTime(survey, line, time)
  }
  return survey
}

function noteTime(survey: Survey, line: NumberedLine, time: number): void {
  const stamp = timeOf(line)
  if (stamp === undefined) return
  survey.firstTime ??= stamp
  survey.lastTime = stamp
  if (stamp > time) survey.firstAfter ??= line.id
}
