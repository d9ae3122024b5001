// A part of what can be seen of a cluster, as `mfscli -S` and the tabs of the browser know them (spec tools-and-admin C, D).
import type { Cluster } from './cluster.ts'
import type { Table } from './table.ts'

/** What was chosen of a section; what it does not know it leaves aside. */
export interface Choice {
  /** Number of the column to sort by, from 1. */
  readonly order?: number
  readonly isReversed?: boolean
  /** Which of several views. */
  readonly mode?: number
  /** Of which session or inode. */
  readonly id?: number
  /** Names instead of addresses. */
  readonly hasNames?: boolean
}

export interface Section {
  /** For programs: blocks of rows of fields, as the original's mfscli prints them. @throws Unanswered */
  rows(cluster: Cluster, choice: Choice): Promise<readonly (readonly (readonly string[])[])[]>
  /** For people. @throws Unanswered */
  tables(cluster: Cluster, choice: Choice): Promise<readonly Table[]>
}
