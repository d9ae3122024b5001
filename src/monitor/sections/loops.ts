// IL: what the master's rounds over all chunks and all files found and did.
import type { FileCheck } from '../cluster.ts'
import type { Rows, Section } from '../section.ts'
import { type Cell, cell, numberColumn, type Table, textColumn } from '../table.ts'
import { readable, timeText } from '../texts.ts'

/** A number of the chunk loop: what was done, of all that was to be done. */
interface Work {
  readonly group: 'deletions' | 'replications' | 'locked'
  readonly name: string
  /** What could not be done. */
  readonly text: string
}

/** @param numbers of MATOCL_CHUNKSTEST_INFO, without the two times */
function workOf(numbers: readonly number[]): Work[] {
  const at = (i: number) => numbers[i] as number
  const part = (i: number) => `${at(i)}/${at(i) + at(i + 1)}`
  const [labelsDone, labelsLeft, unfixable] = [at(10), at(11), at(13)]
  return [
    { group: 'deletions', name: 'invalid', text: part(0) },
    { group: 'deletions', name: 'unused', text: part(2) },
    { group: 'deletions', name: 'disk clean', text: part(4) },
    { group: 'deletions', name: 'over goal', text: part(6) },
    { group: 'replications', name: 'under goal', text: part(8) },
    {
      group: 'replications',
      name: 'wrong labels',
      text: `${labelsDone}/${unfixable}/${labelsDone + labelsLeft + unfixable}`,
    },
    { group: 'replications', name: 'rebalance', text: String(at(12)) },
    { group: 'locked', name: 'unused', text: String(at(14)) },
    { group: 'locked', name: 'used', text: String(at(15)) },
  ]
}

function chunkLoopRows([start = 0, end = 0, ...numbers]: readonly number[]): Rows {
  if (start === 0) return [['chunk loop', 'no data']]
  return [
    ['chunk loop', 'start:', String(start)],
    ['chunk loop', 'end:', String(end)],
    ...workOf(numbers).map(({ group, name, text }) => ['chunk loop', group, `${name}:`, text]),
  ]
}

const fileCounts = (check: FileCheck): [string, number][] => [
  ['files', check.files],
  ['under-goal files', check.undergoalFiles],
  ['missing files', check.missingFiles],
  ['missing trash files', check.missingTrash],
  ['missing sustained files', check.missingSustained],
  ['chunks', check.chunks],
  ['under-goal chunks', check.undergoalChunks],
  ['missing chunks', check.missingChunks],
]

const messageLines = ({ messages }: FileCheck) =>
  readable(messages)
    .split('\n')
    .filter(line => line !== '')

function fileCheckRows(check: FileCheck): Rows {
  if (check.from === 0) return [['check loop: no data']]
  return [
    ['check loop', 'start:', String(check.from)],
    ['check loop', 'end:', String(check.to)],
    ...fileCounts(check).map(([name, count]) => ['check loop', `${name}:`, String(count)]),
    ...messageLines(check).map(line => ['check loop', 'important messages:', line]),
  ]
}

function chunkLoopTable([start = 0, end = 0, ...numbers]: readonly number[]): Table {
  const work = workOf(numbers)
  const times = ['start', 'end'].map(head => textColumn(head, undefined, 'loop time'))
  const row = [cell(timeText(start)), cell(timeText(end)), ...work.map(({ text }) => cell(text))]
  return {
    title: 'Chunk operations info',
    columns: [...times, ...work.map(({ group, name }) => numberColumn(name, undefined, group))],
    rows: start === 0 ? [] : [row],
  }
}

function countCell([name, count]: [string, number]): Cell {
  if (count === 0 || !/under-goal|missing/.test(name)) return cell(count)
  return cell(count, name.startsWith('missing') ? 'bad' : 'notable')
}

function fileCheckTable(check: FileCheck): Table {
  const counts = fileCounts(check)
  return {
    title: 'Filesystem check info',
    columns: [
      ...['check loop start time', 'check loop end time'].map(head => textColumn(head)),
      ...counts.map(([name]) => numberColumn(name)),
    ],
    rows: check.from === 0 ? [] : [[cell(timeText(check.from)), cell(timeText(check.to)), ...counts.map(countCell)]],
    notes: messageLines(check).map(line => cell(line, 'notable')),
  }
}

export const loops: Section = {
  async rows(cluster) {
    return [...chunkLoopRows(await cluster.chunkLoop()), ...fileCheckRows(await cluster.fileCheck())]
  },
  async tables(cluster) {
    return [chunkLoopTable(await cluster.chunkLoop()), fileCheckTable(await cluster.fileCheck())]
  },
}
