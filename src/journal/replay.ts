// Replaying the changelogs of a folder, in whichever files the lines are. The files may overlap; a damaged part of one is
// passed over, and another one may make up for it. What must be there in the end is known from the files themselves: see
// Replayed.promised. The lines of one request are applied together (whole-requests.ts).
import type { Disk } from '../env/disk.ts'
import { applyNumbered } from '../metadata/apply.ts'
import { parseLine } from '../metadata/changelog/entry.ts'
import { ChangelogError } from '../metadata/changelog/fields.ts'
import { ReplayError } from '../metadata/replay-error.ts'
import type { State } from '../metadata/state.ts'
import { changelogName, changelogPattern } from './changelog-files.ts'
import { ChangelogFile, type ChangelogLine } from './changelog-reader.ts'
import { checkedChangelog, type Damage, type SumRecord } from './changelog-sums.ts'
import { mergedRuns, type NumberedLine, placeOf, type StrangeLine } from './merged-changelogs.ts'
import { isNil } from './nil-changes.ts'
import { WholeRequests } from './whole-requests.ts'

/** A change that the state does not take, or that is no change. */
export class ReplayStop extends Error {
  override readonly name = 'ReplayStop'
  readonly id: number

  constructor(id: number, message: string) {
    super(message)
    this.id = id
  }
}

export interface ReplayOptions {
  /** Stop before this change. */
  until: number
  /** Pass over changes that fail and would have changed nothing (-i). */
  skipsNil: boolean
  /** Hears of every file and line. */
  tell?: ReplayListener
}

export interface ReplayListener {
  /** `first` and `last` are the changes in the file; a file is skipped when the state holds them all. */
  file(path: string, first: number | undefined, last: number | undefined, isUsed: boolean): void
  applied(path: string, line: ChangelogLine, last: number): void
}

/** The end of a changelog that did not reach the disk whole. */
export interface TornEnd {
  path: string
  offset: number
  bytes: Buffer
  /** Whether it begins with whole lines, of a request that lacks its last ones. */
  hasLines: boolean
}

export interface Replayed {
  /** The change that must follow at least: less is a loss of something that was on the disk. */
  promised: number
  torn: TornEnd[]
  notes: string[]
}

export class Replay {
  readonly #disk: Disk
  readonly #state: State
  readonly #options: ReplayOptions
  readonly #notes: string[] = []
  /** Digests of the state behind some changes. */
  readonly #digests = new Map<number, bigint>()
  readonly #requests = new WholeRequests<NumberedLine>()
  #promised = 0
  #lastKnown = 0
  #isDigestWrong = false

  constructor(disk: Disk, state: State, options: ReplayOptions) {
    this.#disk = disk
    this.#state = state
    this.#options = options
  }

  /**
   * Brings the state as far as the changelogs of the folder lead.
   * @throws ReplayStop at a change that cannot be applied; the state is then not to be used
   */
  async run(folder: string): Promise<Replayed> {
    const files = await this.#choose(folder)
    await this.#merge(files)
    const torn: TornEnd[] = []
    for (const { file } of files) torn.push(...(await this.#tornEnd(file)))
    return { promised: this.#promised, torn, notes: this.#notes }
  }

  /** What is to be cut off a file before new lines come. */
  async #tornEnd(file: ChangelogFile): Promise<TornEnd[]> {
    const { path, tornTail } = file
    // Until some change, the rest of its request is there and not wanted.
    const isCut = this.#requests.heldCount > 0 && this.#options.until === Infinity
    const offset = isCut ? await file.offsetOf(this.#state.version) : undefined
    if (offset !== undefined) return [{ path, offset, bytes: await file.readFrom(offset), hasLines: true }]
    return tornTail ? [{ path, ...tornTail, hasLines: false }] : []
  }

  /** Files that may hold changes that are wanted, with what is damaged in them. */
  async #choose(folder: string): Promise<{ file: ChangelogFile; damages: Damage[] }[]> {
    const names = (await this.#disk.list(folder)).filter(name => changelogPattern.test(name))
    const chosen: { file: ChangelogFile; damages: Damage[] }[] = []
    for (const name of names) {
      const file = new ChangelogFile(this.#disk, `${folder}/${name}`)
      const [first, last] = [await file.firstId(), await file.lastId()]
      const isFinished = name !== changelogName(0)
      // Where an end cannot be read there is something to find out; and behind the end of the current one the next change
      // is written, so it must be a whole line, whether anything in the file is wanted or not.
      const isWanted = !isFinished || (last ?? Infinity) >= this.#state.version
      const isUsed = isWanted && (first ?? 0) < this.#options.until
      this.#options.tell?.file(file.path, first, last, isUsed)
      if (!isUsed) continue
      this.#lastKnown = Math.max(this.#lastKnown, last ?? 0)
      const { damages, records } = await checkedChangelog(this.#disk, folder, name, this.#state.version, isFinished)
      this.#noteRecords(records)
      for (const damage of damages) {
        this.#notes.push(damage.text)
        this.#promised = Math.max(this.#promised, damage.last + 1)
      }
      chosen.push({ file, damages })
    }
    return chosen
  }

  #noteRecords(records: readonly SumRecord[]): void {
    for (const { last, digest, isDurable } of records) {
      if (isDurable) this.#promised = Math.max(this.#promised, last + 1)
      if (digest !== undefined) this.#digests.set(last, digest)
    }
  }

  /** Applies the lines of all files in the order of their change numbers. */
  async #merge(files: readonly { file: ChangelogFile; damages: readonly Damage[] }[]): Promise<void> {
    const { until } = this.#options
    const isIn = (offset: number) => (damage: Damage) =>
      damage.offset <= offset && offset < damage.offset + damage.bytes
    const merged = files.map(({ file, damages }) => ({
      file,
      isDamaged: (offset: number) => damages.some(isIn(offset)),
    }))
    for await (const run of mergedRuns(merged, line => this.#goesOnBehind(line))) {
      for (const line of run) {
        if (line.id >= until) return
        if (line.id > this.#expected) {
          this.#notes.push(`${placeOf(line)}: the changes ${this.#expected} to ${line.id - 1} are missing`)
          this.#promised = Math.max(this.#promised, line.id + 1)
          return
        }
        if (line.id === this.#expected) this.#take(line)
      }
    }
  }

  #goesOnBehind({ path, offset, text, id, previous }: StrangeLine): boolean {
    // A number that came before: that change has been taken, or was not wanted.
    if (id !== undefined) return true
    // It was some change, and whole: the state must get beyond it from another file.
    this.#notes.push(`${path}, byte ${offset}: this is no changelog line: ${JSON.stringify(text.slice(0, 80))}`)
    this.#promised = Math.max(this.#promised, previous + 2, this.#state.version + 1)
    return false
  }

  /** Number of the next line that is wanted. */
  get #expected(): number {
    return this.#state.version + this.#requests.heldCount
  }

  #take(line: NumberedLine): void {
    for (const whole of this.#requests.add(line)) this.#applyLine(whole)
  }

  #applyLine(line: NumberedLine): void {
    const { id } = line
    try {
      const { entry } = parseLine(line.text)
      try {
        applyNumbered(this.#state, id, entry)
      } catch (error) {
        if (!(error instanceof ReplayError) || !this.#options.skipsNil || !isNil(this.#state, entry)) throw error
        this.#state.version++
        this.#notes.push(`${placeOf(line)}: ${error.message}: passed over, it would have changed nothing: ${line.text}`)
      }
    } catch (error) {
      if (!(error instanceof ChangelogError) && !(error instanceof ReplayError)) throw error
      const rest = Math.max(id, this.#lastKnown) - id + 1
      const loss = `this change and all after it, ${rest} as far as is known, are not in the state before it`
      throw new ReplayStop(id, `${placeOf(line)}: ${error.message}: ${line.text.slice(0, 200)}\n${loss}`)
    }
    this.#checkDigest(line)
    this.#options.tell?.applied(line.path, line, this.#lastKnown)
  }

  /** Whether this is the state that the master had when it wrote the line. */
  #checkDigest(line: NumberedLine): void {
    const expected = this.#digests.get(line.id)
    if (expected === undefined || this.#isDigestWrong || expected === this.#state.digest()) return
    this.#isDigestWrong = true
    this.#notes.push(
      `ALARM: ${placeOf(line)}: the state is not the one that the master had here (digest ` +
        `${this.#state.digest().toString(16)}, it had ${expected.toString(16)}). The files are kept; please report it.`,
    )
  }
}
