// IC: how many chunks have how many good copies of those wanted.
import type { Cluster, Matrix } from '../cluster.ts'
import type { Choice, Section } from '../section.ts'
import { type Cell, cell, numberColumn, type Tone, textColumn } from '../table.ts'

const CLASSES = [
  'missing',
  'endangered',
  'undergoal',
  'stable',
  'overgoal',
  'pending deletion',
  'to be removed',
] as const
export type ChunkClass = (typeof CLASSES)[number]

const TONES: Readonly<Record<ChunkClass, Tone>> = {
  missing: 'bad',
  endangered: 'bad',
  undergoal: 'notable',
  stable: 'good',
  overgoal: 'quiet',
  'pending deletion': 'quiet',
  'to be removed': 'quiet',
}

/** @param goal copies wanted @param copies good ones; both 0 to 10 and more */
export function classOf(goal: number, copies: number): ChunkClass {
  if (goal === 0) return copies === 0 ? 'to be removed' : 'pending deletion'
  if (copies === 0) return 'missing'
  if (copies > goal) return 'overgoal'
  if (copies === goal) return 'stable'
  return copies === 1 ? 'endangered' : 'undergoal'
}

export function classSums(matrix: Matrix): readonly [ChunkClass, number][] {
  const sums = new Map<ChunkClass, number>(CLASSES.map(name => [name, 0]))
  for (const [goal, row] of matrix.entries()) {
    for (const [copies, count] of row.entries()) {
      const name = classOf(goal, copies)
      sums.set(name, (sums.get(name) as number) + count)
    }
  }
  return [...sums]
}

async function chosen(cluster: Cluster, { mode = 0 }: Choice) {
  const { all, regular, isSettled } = await cluster.matrices()
  return mode === 1 ? { kind: 'regular', matrix: regular, isSettled } : { kind: 'all', matrix: all, isSettled }
}

const label = (count: number) => (count === 10 ? '10+' : String(count))
const sum = (numbers: readonly number[]) => numbers.reduce((total, each) => total + each, 0)

function matrixRows(matrix: Matrix): Cell[][] {
  const rows = matrix.map((row, goal) => [
    cell(label(goal)),
    ...row.map((count, copies) => (count === 0 ? cell('-') : cell(count, TONES[classOf(goal, copies)]))),
    cell(sum(row)),
  ])
  const wanted = matrix.slice(1)
  const totals = matrix.map((_, copies) => sum(wanted.map(row => row[copies] as number)))
  return [...rows, [cell('all 1+'), ...totals.map(total => cell(total)), cell(sum(totals))]]
}

export const matrix: Section = {
  async rows(cluster, choice) {
    const { kind, matrix } = await chosen(cluster, choice)
    const title = `${kind} chunks matrix:`
    const cells = matrix.flatMap((row, goal) =>
      row.flatMap((count, copies) => (count > 0 ? [[goal, copies, count].map(String)] : [])),
    )
    return [
      ...cells.map(fields => [title, 'goal/copies/chunks:', ...fields]),
      ...classSums(matrix).map(([name, count]) => [title, `chunkclass ${name}:`, String(count)]),
    ]
  },
  async tables(cluster, choice) {
    const { kind, matrix, isSettled } = await chosen(cluster, choice)
    const copies = [...matrix.keys()].map(count => numberColumn(label(count), undefined, 'valid copies'))
    const warning = cell('servers are connecting or disconnecting: the numbers may be wrong', 'notable')
    return [
      {
        title: `${kind === 'all' ? 'All' : 'Regular'} chunks state matrix`,
        columns: [textColumn('goal'), ...copies, numberColumn('all', undefined, 'valid copies')],
        rows: matrixRows(matrix),
        notes: [
          ...classSums(matrix).map(([name, count]) => cell(`${name}: ${count}`, count > 0 ? TONES[name] : undefined)),
          ...(isSettled ? [] : [warning]),
        ],
      },
    ]
  },
}
