// What a set of changelogs holds, however the lines are spread over the files: which changes are there, which are
// missing, which are there more than once.

import type { Disk } from '../env/disk.ts'
import { ChangelogFile, type ChangelogLine, changeIdOf } from './changelog-reader.ts'

/** A line of a changelog with its change number. */
export interface NumberedLine extends ChangelogLine {
  id: number
  path: string
}

/** For messages: which line of which file. */
export const placeOf = ({ path, offset, id }: NumberedLine) => `${path}, byte ${offset}, change ${id}`

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

interface Source {
  file: ChangelogFile
  lines: AsyncGenerator<ChangelogLine>
  next: NumberedLine
}

/** Lines of several changelogs, in the order of their change numbers; of equal ones those of an earlier file first. */
export class MergedChangelogs {
  readonly #files: ChangelogFile[]
  /** What could not be used. Complete when the lines have come to their end. */
  readonly notes: string[] = []

  constructor(disk: Disk, paths: readonly string[]) {
    this.#files = paths.map(path => new ChangelogFile(disk, path))
  }

  async *lines(): AsyncGenerator<NumberedLine> {
    const opened = this.#files.map(file => ({ file, lines: file.lines() }))
    try {
      const sources: Source[] = []
      for (const { file, lines } of opened) {
        const next = await this.#advance(file, lines, -1)
        if (next) sources.push({ file, lines, next })
      }
      yield* this.#merge(sources)
    } finally {
      for (const { lines } of opened) await lines.return(undefined)
    }
    for (const { path, tornTail } of this.#files) {
      if (tornTail) this.notes.push(`${path}: ends with ${tornTail.bytes.length} bytes of an unfinished line, not used`)
    }
  }

  async *#merge(sources: Source[]): AsyncGenerator<NumberedLine> {
    while (sources.length > 0) {
      sources.sort((a, b) => a.next.id - b.next.id)
      const source = sources[0] as Source
      const limit = sources[1]?.next.id ?? Infinity
      // Mostly one file goes on for long before another one has its turn.
      let next: NumberedLine | undefined = source.next
      while (next && next.id <= limit) {
        yield next
        next = await this.#advance(source.file, source.lines, next.id)
      }
      if (next) source.next = next
      else sources.shift()
    }
  }

  /** The next line of a file; undefined at its end, and where its numbers stop rising. */
  async #advance(
    { path }: ChangelogFile,
    lines: AsyncGenerator<ChangelogLine>,
    previous: number,
  ): Promise<NumberedLine | undefined> {
    const { value: line, done } = await lines.next()
    if (done) return undefined
    const id = changeIdOf(line.text)
    if (id !== undefined && id > previous) return { ...line, id, path }
    const what =
      id === undefined
        ? `this is no changelog line: ${JSON.stringify(line.text.slice(0, 80))}`
        : `change ${id} comes after change ${previous}`
    this.notes.push(`${path}, byte ${line.offset}: ${what}; the rest of the file is not used`)
    return undefined
  }
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
  const merged = new MergedChangelogs(disk, paths)
  let last: NumberedLine | undefined
  for await (const line of merged.lines()) {
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
  survey.notes = merged.notes
  return survey
}

function noteTime(survey: Survey, line: NumberedLine, time: number): void {
  const stamp = timeOf(line)
  if (stamp === undefined) return
  survey.firstTime ??= stamp
  survey.lastTime = stamp
  if (stamp > time) survey.firstAfter ??= line.id
}
