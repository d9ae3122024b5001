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
  /** What Choice.order has to be to sort by this column. */
  readonly order?: number
}

export interface Table {
  readonly title: string
  readonly columns: readonly Column[]
  readonly rows: readonly (readonly Cell[])[]
  /** Stands below. */
  readonly notes?: readonly Cell[]
}

export const cell = (text: string | number, tone?: Tone): Cell => ({
  text: String(text),
  ...(tone === undefined ? {} : { tone }),
})

/** How full something is, in percent; more than so much is bad. */
export function shareCell(used: number, total: number, badFrom = Number.POSITIVE_INFINITY): Cell {
  if (total === 0) return cell('-')
  const part = used / total
  return { ...cell(`${(100 * part).toFixed(2)}%`, part >= badFrom ? 'bad' : undefined), part: Math.min(1, part) }
}

export const textColumn = (head: string, order?: number, group?: string): Column => ({
  head,
  ...(order === undefined ? {} : { order }),
  ...(group === undefined ? {} : { group }),
})

export const numberColumn = (head: string, order?: number, group?: string): Column => ({
  ...textColumn(head, order, group),
  isNumber: true,
})
