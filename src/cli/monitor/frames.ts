// Tables for a terminal, framed. What is too wide for it is shown row by row, a line for each field.
import type { Cell, Column, Table, Tone } from '../../monitor/table.ts'

export type FrameStyle = 'ascii' | 'thick' | 'thin' | 'double'

/** By position: left, middle, right of the upper, middle and lower line; then the lines themselves. */
interface Strokes {
  readonly upper: string
  readonly middle: string
  readonly lower: string
  readonly across: string
  readonly down: string
}

const STROKES: Readonly<Record<FrameStyle, Strokes>> = {
  ascii: { upper: '+++', middle: '+++', lower: '+++', across: '-', down: '|' },
  thick: { upper: '┏┳┓', middle: '┣╋┫', lower: '┗┻┛', across: '━', down: '┃' },
  thin: { upper: '┌┬┐', middle: '├┼┤', lower: '└┴┘', across: '─', down: '│' },
  double: { upper: '╔╦╗', middle: '╠╬╣', lower: '╚╩╝', across: '═', down: '║' },
}

const COLOURS: Readonly<Record<Tone, [of8: string, of256: string]>> = {
  good: ['32', '38;5;34'],
  notable: ['33', '38;5;214'],
  bad: ['31', '38;5;196'],
  quiet: ['36', '38;5;245'],
}

export interface Look {
  readonly frame: FrameStyle
  readonly has256Colours: boolean
  /** Of the terminal. */
  readonly columns: number
}

/** Control characters in names must not reach a terminal. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/g
const harmless = (text: string) => text.replace(CONTROL, '\ufffd')
const lengthOf = (text: string) => [...text].length
const spaces = (count: number) => ' '.repeat(Math.max(0, count))

function padded(text: string, width: number, isNumber: boolean | undefined): string {
  const gap = spaces(width - lengthOf(text))
  return isNumber ? gap + text : text + gap
}

function centred(text: string, width: number): string {
  const gap = width - lengthOf(text)
  return spaces(gap >> 1) + text + spaces(gap - (gap >> 1))
}

function coloured(text: string, tone: Tone | undefined, { has256Colours }: Look): string {
  return tone === undefined ? text : `\x1b[${COLOURS[tone][has256Colours ? 1 : 0]}m${text}\x1b[0m`
}

/** Neighbours of one group stand below one head. */
interface Span {
  readonly head: string
  readonly from: number
  readonly to: number
}

function spansOf(columns: readonly Column[]): Span[] {
  const spans: { head: string; from: number; to: number }[] = []
  for (const [i, { group = '' }] of columns.entries()) {
    const last = spans.at(-1)
    if (last && group !== '' && last.head === group) last.to = i
    else spans.push({ head: group, from: i, to: i })
  }
  return spans
}

/** Width of each column, so that heads of groups and the title fit, too. */
function widthsOf({ title, columns, rows }: Table): number[] {
  const widths = columns.map(({ head }, i) =>
    Math.max(lengthOf(head), ...rows.map(row => lengthOf(harmless(row[i]?.text ?? '')))),
  )
  const widen = (text: string, from: number, to: number) => {
    const missing = lengthOf(text) - spanWidth(widths, from, to)
    if (missing > 0) widths[to] = (widths[to] as number) + missing
  }
  for (const { head, from, to } of spansOf(columns)) widen(head, from, to)
  widen(title, 0, columns.length - 1)
  return widths
}

/** Columns, and the three characters between each two of them. */
const spanWidth = (widths: readonly number[], from: number, to: number) =>
  widths.slice(from, to + 1).reduce((sum, width) => sum + width, 3 * (to - from))

/** A line of the frame. @param parts widths between its crossings */
function rule(parts: readonly number[], corners: string, { across }: Strokes): string {
  const [left, crossing, right] = [...corners] as [string, string, string]
  return left + parts.map(width => across.repeat(width + 2)).join(crossing) + right
}

const line = (texts: readonly string[], { down }: Strokes) => `${down} ${texts.join(` ${down} `)} ${down}`

function noteLines(notes: readonly Cell[], width: number, look: Look): string[] {
  const { down } = STROKES[look.frame]
  return notes.map(({ text, tone }) => `${down} ${coloured(padded(harmless(text), width, false), tone, look)} ${down}`)
}

function framed(table: Table, widths: readonly number[], look: Look): string[] {
  const { title, columns, rows, notes = [] } = table
  const strokes = STROKES[look.frame]
  const spans = spansOf(columns)
  const hasGroups = spans.some(({ head }) => head !== '')
  const full = spanWidth(widths, 0, columns.length - 1)
  const spanWidths = spans.map(({ from, to }) => spanWidth(widths, from, to))
  const middle = rule(widths, strokes.middle, strokes)
  const shown = rows.map(row =>
    line(
      columns.map(({ isNumber }, i) => {
        const { text = '', tone } = row[i] ?? {}
        return coloured(padded(harmless(text), widths[i] as number, isNumber), tone, look)
      }),
      strokes,
    ),
  )
  const groups = [
    rule(spanWidths, strokes.middle, strokes),
    line(
      spans.map(({ head }, i) => centred(head, spanWidths[i] as number)),
      strokes,
    ),
  ]
  return [
    rule([full], strokes.upper, strokes),
    line([centred(title, full)], strokes),
    ...(hasGroups ? groups : []),
    middle,
    line(
      columns.map(({ head }, i) => centred(head, widths[i] as number)),
      strokes,
    ),
    middle,
    ...(shown.length > 0 ? [...shown] : [line([centred('no data', full)], strokes)]),
    ...(notes.length > 0 ? [middle, ...noteLines(notes, full, look)] : []),
    rule(notes.length > 0 || shown.length === 0 ? [full] : widths, strokes.lower, strokes),
  ]
}

const headOf = ({ group, head }: Column) => (group === undefined ? head : `${group}: ${head}`)

/** A line for each field, for terminals that are not wide enough. */
function asRecords({ title, columns, rows, notes = [] }: Table, look: Look): string[] {
  const width = Math.max(...columns.map(column => lengthOf(headOf(column))))
  const record = (row: readonly Cell[]) => [
    '',
    ...columns.map((column, i) => {
      const { text = '', tone } = row[i] ?? {}
      return `  ${padded(headOf(column), width, false)}  ${coloured(harmless(text), tone, look)}`
    }),
  ]
  return [
    `${title}:`,
    ...(rows.length > 0 ? rows.flatMap(record) : ['  no data']),
    ...notes.map(({ text, tone }) => coloured(harmless(text), tone, look)),
    '',
  ]
}

/** A table in lines. */
export function drawTable(table: Table, look: Look): string {
  const widths = widthsOf(table)
  for (const { text } of table.notes ?? []) {
    const missing = lengthOf(text) - spanWidth(widths, 0, widths.length - 1)
    if (missing > 0) widths[widths.length - 1] = (widths.at(-1) as number) + missing
  }
  const isTooWide = spanWidth(widths, 0, widths.length - 1) + 4 > look.columns
  return `${(isTooWide ? asRecords(table, look) : framed(table, widths, look)).join('\n')}\n`
}
