// What a monitor shows, without how: the programs that print it and the pages of the browser share it.

/** How something stands, for colours. */
export type Tone = 'good' | 'notable' | 'bad' | 'quiet'

export interface Cell {
  /** For people. */
  readonly text: string
  readonly tone?: Tone
  /** 0 to 1: how full something is. */
  readonly part?: number
}

export interface Column {
  readonly head: string
  /** Stands above the heads of this column and its neighbours of the same group. */
  readonly group?: string
  /** Numbers stand at the right. */
  readonly isNumber?: boolean
}

export interface Table {
  readonly title: string
  readonly columns: readonly Column[]
  readonly rows: readonly (readonly Cell[])[]
  /** Stands below. */
  readonly notes?: readonly Cell[]
}
