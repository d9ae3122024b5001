// A table as part of a page.
import type { Cell, Column, Table } from '../monitor/table.ts'
import { type Html, html } from './html.ts'

/** More rows than anybody reads, and few enough for a browser. */
const ROWS_MAX = 2000

/** What stands for no value. */
const NOTHING = '-'

export interface Sorting {
  /** As Column.order; 0: as they came. */
  readonly order: number
  readonly isReversed: boolean
  /** Of the same page, sorted so. */
  url(order: number, isReversed: boolean): string
}

export interface TableOptions {
  readonly sorting?: Sorting | undefined
  readonly rowsMax?: number
  /** Stands between the title and the table. */
  readonly above?: Html | undefined
  /** Stands at the end of a row. */
  readonly buttons?: ((row: readonly Cell[]) => Html | undefined) | undefined
}

export function tableView(table: Table, { sorting, rowsMax = ROWS_MAX, above, buttons }: TableOptions = {}): Html {
  const { title, columns, notes = [] } = table
  const rows = table.rows.slice(0, rowsMax)
  const made = rows.map(row => ({ row, end: buttons?.(row) }))
  const hasButtons = made.some(({ end }) => end !== undefined)
  const body = made.map(
    ({ row, end }) =>
      html`<tr>${row.map((cell, i) => cellView(cell, columns[i]))}${hasButtons ? html`<td class="buttons">${end}</td>` : undefined}</tr>
`,
  )
  const left = table.rows.length - rows.length
  return html`<section><h2>${title}</h2>${above}
${
  rows.length === 0
    ? html`<p class="empty">none</p>`
    : html`<div class="scroll" tabindex="0" role="region" aria-label="${title}"><table>
<thead>${groupRow(columns)}<tr>${columns.map(column => headView(column, sorting))}${hasButtons ? html`<th scope="col"></th>` : undefined}</tr></thead>
<tbody>${body}</tbody></table></div>`
}
${left > 0 ? html`<p class="note">and ${left} more, not shown</p>` : undefined}
${notes.length > 0 ? html`<p class="notes">${notes.map(note => html`<span class="note ${note.tone}">${note.text}</span> `)}</p>` : undefined}
</section>
`
}

/** Nothing when no column has a group. */
function groupRow(columns: readonly Column[]): Html | undefined {
  if (columns.every(({ group }) => group === undefined)) return undefined
  const spans: { group: string; columns: number }[] = []
  for (const { group = '' } of columns) {
    const last = spans.at(-1)
    if (last?.group === group) last.columns++
    else spans.push({ group, columns: 1 })
  }
  return html`<tr class="groups">${spans.map(({ group, columns: count }) => html`<th colspan="${count}" scope="colgroup">${group}</th>`)}</tr>`
}

function headView({ head, isNumber, order }: Column, sorting: Sorting | undefined): Html {
  const side = isNumber ? 'number' : 'text'
  if (!sorting || order === undefined) return html`<th scope="col" class="${side}">${head}</th>`
  const isSorted = sorting.order === order
  const link = html`<a href="${sorting.url(order, isSorted && !sorting.isReversed)}">${head}</a>`
  if (!isSorted) return html`<th scope="col" class="${side}">${link}</th>`
  const direction = sorting.isReversed ? 'descending' : 'ascending'
  return html`<th scope="col" class="${side}" aria-sort="${direction}">${link}</th>`
}

function cellView({ text, tone, part }: Cell, column: Column | undefined): Html {
  const shade = tone ?? (text === NOTHING ? 'quiet' : '')
  const classes = [column?.isNumber ? 'number' : 'text', shade].join(' ').trim()
  if (part === undefined) return html`<td class="${classes}">${text}</td>`
  return html`<td class="${classes} bar"><progress max="1" value="${part.toFixed(4)}"></progress> ${text}</td>`
}
