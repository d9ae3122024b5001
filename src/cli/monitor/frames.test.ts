// Tables on a terminal.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Table } from '../../monitor/table.ts'
import { drawTable } from './frames.ts'

const table: Table = {
  title: 'Disks',
  columns: [
    { head: 'path' },
    { head: 'used', group: 'regular space', isNumber: true },
    { head: 'all', group: 'regular space', isNumber: true },
  ],
  rows: [
    [{ text: '/a' }, { text: '1' }, { text: '22', tone: 'bad' }],
    [{ text: '/\x1b[2Jö' }, { text: '333' }, { text: '-' }],
  ],
}
const look = { frame: 'ascii', has256Colours: false, columns: 80 } as const

test('heads of groups stand above their columns, numbers at the right, and control characters are not let through', () => {
  assert.equal(
    drawTable(table, look),
    `
+------------------------+
|         Disks          |
+--------+---------------+
|        | regular space |
+--------+------+--------+
|  path  | used |  all   |
+--------+------+--------+
| /a     |    1 | \x1b[31m    22\x1b[0m |
| /\ufffd[2Jö |  333 |      - |
+--------+------+--------+
`.trimStart(),
  )
})

test('a table without rows says so, and notes stand below', () => {
  const empty = { title: 'Quotas', columns: [{ head: 'path' }], rows: [], notes: [{ text: 'a longer note' }] }
  assert.equal(
    drawTable(empty, { ...look, frame: 'double' }),
    `
╔═══════════════╗
║    Quotas     ║
╠═══════════════╣
║     path      ║
╠═══════════════╣
║    no data    ║
╠═══════════════╣
║ a longer note ║
╚═══════════════╝
`.trimStart(),
  )
})

test('what is too wide for the terminal is shown field by field', () => {
  assert.equal(
    drawTable({ ...table, rows: table.rows.slice(0, 1) }, { ...look, has256Colours: true, columns: 20 }),
    `
Disks:

  path                 /a
  regular space: used  1
  regular space: all   \x1b[38;5;196m22\x1b[0m

`.trimStart(),
  )
})
