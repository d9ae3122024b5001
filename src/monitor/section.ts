// A part of what can be seen of a cluster, as `mfscli -S` and the tabs of the browser know them (spec tools-and-admin C, D).
import type { Cluster } from './cluster.ts'
import type { Table } from './table.ts'

/** A column of a chart: of the master, or of a chunkserver. */
export interface ChartColumn {
  readonly name: string
  /** Numbers as the daemon keeps them. */
  readonly isRaw: boolean
  readonly host?: string
  readonly port?: number
}

/** What was chosen of a section; what it does not know it leaves aside. */
export interface Choice {
  /** What to sort by, as in Column.order; the section's own order when it has no such column. */
  readonly order?: number
  readonly isReversed?: boolean
  /** Which of several views. */
  readonly mode?: number
  /** Of which session or inode. */
  readonly id?: number
  /** Names instead of addresses. */
  readonly hasNames?: boolean
  /** Of charts: which numbers, and how many of the newest. */
  readonly columns?: readonly ChartColumn[]
  readonly points?: number
}

/** A row without fields is an empty line. */
export type Rows = readonly (readonly string[])[]

export interface Section {
  /** For programs: rows of fields, as the original's mfscli prints them. @throws Unanswered */
  rows(cluster: Cluster, choice: Choice): Promise<Rows>
  /** For people. @throws Unanswered */
  tables(cluster: Cluster, choice: Choice): Promise<readonly Table[]>
}
