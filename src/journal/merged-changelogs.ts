// The lines of several changelogs in the order of their change numbers, in whichever files they are. What replays them
// and what only looks at them both stand on this.
import type { ChangelogFile, ChangelogLine } from './changelog-reader.ts'
import { changeIdOf } from './changelog-reader.ts'

/** A line of a changelog with its change number. */
export interface NumberedLine extends ChangelogLine {
  id: number
  path: string
}

/** For messages: which line of which file. */
export const placeOf = ({ path, offset, id }: NumberedLine) => `${path}, byte ${offset}, change ${id}`

export interface MergedFile {
  file: ChangelogFile
  /** Whether a line lies in a part that is passed over. */
  isDamaged?: (offset: number) => boolean
}

/** A line out of place: without a number, or with one that is not above that of the line before it. */
export interface StrangeLine extends ChangelogLine {
  path: string
  id: number | undefined
  /** Number of the last line of the file before it; -1: there is none. */
  previous: number
}

/** @returns whether the file goes on behind the line, which itself is passed over */
export type OnStrangeLine = (line: StrangeLine) => boolean

/**
 * Runs of lines of one file each; lines with equal numbers follow each other in no set order. A strange line is
 * told when all lines before it have been given out and the next ones are asked for.
 */
export async function* mergedRuns(
  files: readonly MergedFile[],
  onStrange: OnStrangeLine,
): AsyncGenerator<NumberedLine[]> {
  const opened = files.map(file => new Source(file, onStrange))
  try {
    const sources: Source[] = []
    for (const source of opened) if (await source.advance()) sources.push(source)
    while (sources.length > 0) {
      sources.sort((a, b) => a.id - b.id)
      const source = sources[0] as Source
      const limit = sources[1]?.id ?? Infinity
      // Mostly one file goes on for long before another one has its turn.
      while (source.id <= limit) {
        yield source.takeUpTo(limit)
        if (await source.advance()) continue
        sources.shift()
        break
      }
    }
  } finally {
    for (const source of opened) await source.close()
  }
}

/** A changelog at one of its lines. */
class Source {
  readonly #file: MergedFile
  readonly #onStrange: OnStrangeLine
  readonly #batches: AsyncGenerator<ChangelogLine[]>
  #lines: ChangelogLine[] = []
  #at = 0
  /** Number of the line that it stands at, after advance(). */
  id = -1

  constructor(file: MergedFile, onStrange: OnStrangeLine) {
    this.#file = file
    this.#onStrange = onStrange
    this.#batches = file.file.batches()
  }

  /** Goes to the next line that can be used; false when there is none. */
  async advance(): Promise<boolean> {
    const previous = this.id
    for (;;) {
      const line = this.#lines[this.#at]
      if (!line) {
        const { value, done } = await this.#batches.next()
        if (done) return false
        this.#lines = value
        this.#at = 0
      } else if (this.#isDamaged(line)) this.#at++
      else {
        const id = changeIdOf(line.text)
        if (id !== undefined && id > previous) {
          this.id = id
          return true
        }
        if (!this.#onStrange({ ...line, path: this.#file.file.path, id, previous })) return false
        this.#at++
      }
    }
  }

  /** This line and those that follow it without anything between, up to a number, as far as they have been read. */
  takeUpTo(limit: number): NumberedLine[] {
    const { path } = this.#file.file
    const run: NumberedLine[] = []
    for (let line = this.#lines[this.#at]; line; line = this.#lines[this.#at]) {
      const id = run.length === 0 ? this.id : changeIdOf(line.text)
      if (run.length > 0 && (this.#isDamaged(line) || id === undefined || id <= this.id || id > limit)) break
      this.id = id as number
      run.push({ text: line.text, offset: line.offset, id: this.id, path })
      this.#at++
    }
    return run
  }

  async close(): Promise<void> {
    await this.#batches.return(undefined)
  }

  #isDamaged({ offset }: ChangelogLine): boolean {
    return this.#file.isDamaged?.(offset) ?? false
  }
}
