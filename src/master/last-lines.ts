// What the last lines of the log tell besides the state: who holds leases, which places at the ends of files are promised, and
// answers that may be lost. A start reads it from the changelogs; a follower keeps it as lines come, because clients wait
// for a new leader, and minutes of a busy log take it seconds to read.
import type { Disk } from '../env/disk.ts'
import { recentLines } from '../journal/recent-lines.ts'
import type { ParsedLine } from '../metadata/changelog/entry.ts'
import { AFTERMATH_SECONDS, Aftermath } from './chunks/aftermath.ts'
import { AnswerTable } from './clients/answer-table.ts'
import { Reservations } from './clients/reservations.ts'

export class LastLines {
  readonly aftermath = new Aftermath()
  readonly reservations = new Reservations()
  readonly answers = new AnswerTable()

  /** @param version of the state: the log ends there */
  static async read(disk: Disk, folder: string, version: number): Promise<LastLines> {
    const lastLines = new LastLines()
    for (const line of await recentLines(disk, folder, version, AFTERMATH_SECONDS)) lastLines.remember(line)
    return lastLines
  }

  /** Every line of the log, in their order. */
  remember({ entry, trailer }: ParsedLine): void {
    this.aftermath.remember(entry, trailer)
    this.reservations.remember(entry, trailer)
    this.answers.remember(entry, trailer)
  }
}
