import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Table } from '../monitor/table.ts'
import { html } from './html.ts'
import { tableView } from './table-view.ts'

const table: Table = {
  title: 'Some <things>',
  columns: [
    { head: 'name', order: 1 },
    { head: 'used', isNumber: true, group: 'disks', order: 2 },
    { head: 'free', group: 'disks' },
  ],
  rows: [
    [{ text: '<img src=x>' }, { text: '25%', part: 0.25 }, { text: 'no', tone: 'bad' }],
    [{ text: 'b' }, { text: '1' }, { text: 'yes' }],
  ],
  notes: [{ text: '1 & only', tone: 'quiet' }],
}

test('cells are escaped, and show tone and part', () => {
  const { text } = tableView(table)
  assert.ok(text.includes('<h2>Some &lt;things&gt;</h2>'))
  assert.ok(text.includes('<td class="text">&lt;img src=x&gt;</td>'))
  assert.ok(text.includes('<td class="number bar"><progress max="1" value="0.2500"></progress> 25%</td>'))
  assert.ok(text.includes('<td class="text bad">no</td>'))
  assert.ok(text.includes('<th colspan="1" scope="colgroup"></th><th colspan="2" scope="colgroup">disks</th>'))
  assert.ok(text.includes('<span class="note quiet">1 &amp; only</span>'))
})

test('heads are links that sort, and turn round what is sorted already', () => {
  const sorting = { order: 2, isReversed: false, url: (order: number, turned: boolean) => `?${order}${turned}` }
  const { text } = tableView(table, { sorting })
  assert.ok(text.includes('<th scope="col" class="text"><a href="?1false">name</a></th>'))
  assert.ok(text.includes('<th scope="col" class="text">free</th>'), 'no order is known by it')
  assert.ok(text.includes('<th scope="col" class="number" aria-sort="ascending"><a href="?2true">used</a></th>'))
  const turned = tableView(table, { sorting: { ...sorting, isReversed: true } }).text
  assert.ok(turned.includes('aria-sort="descending"><a href="?2false">used</a>'))
})

test('a table without rows says so, and no value is quiet', () => {
  assert.match(tableView({ ...table, rows: [] }).text, /<p class="empty">none<\/p>/)
  const { text } = tableView({ ...table, rows: [[{ text: '-' }]] })
  assert.ok(text.includes('<td class="text quiet">-</td>'))
})

test('too many rows are cut, and said to be', () => {
  const { text } = tableView(table, { rowsMax: 1 })
  assert.equal(text.match(/<tr>/g)?.length, 2, 'heads and one row')
  assert.ok(text.includes('and 1 more, not shown'))
})

test('buttons make a column of their own, where any row has one', () => {
  const { text } = tableView(table, { buttons: ([name]) => (name?.text === 'b' ? html`<b>go</b>` : undefined) })
  assert.equal(text.match(/<td class="buttons">/g)?.length, 2)
  assert.ok(!tableView(table, { buttons: () => undefined }).text.includes('buttons'))
})
