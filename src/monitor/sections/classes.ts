// SC: storage classes, what they hold, and whether the servers of now can serve them.
import { Fulfilment, type MonitoredClass, type Wish } from '../../protocol/monitors.ts'
import type { Cluster } from '../cluster.ts'
import type { Choice, Section } from '../section.ts'
import { type Key, type Orders, sorted } from '../sorting.ts'
import { type Cell, cell, numberColumn, type Tone, textColumn } from '../table.ts'
import { readable } from '../texts.ts'

const FULFILMENTS: Readonly<Record<Fulfilment, [text: string, tone: Tone]>> = {
  [Fulfilment.NO]: ['NO', 'bad'],
  [Fulfilment.NO_SPACE]: ['NO SPACE', 'bad'],
  [Fulfilment.OVERLOADED]: ['OVERLOADED', 'notable'],
  [Fulfilment.YES]: ['YES', 'good'],
}
const STRICT = 'STRICT'
const MODES = ['LOOSE', 'STD', STRICT]

const lettersOf = (mask: number) =>
  Array.from({ length: 26 }, (_, i) => (mask & (1 << i) ? String.fromCharCode(0x41 + i) : '')).join('')

/** `A+BC , *`: servers with the label A or both others, and any. */
export function labelsText({ terms }: Wish): string {
  const text = (masks: readonly number[]) =>
    masks
      .filter(mask => mask !== 0)
      .map(lettersOf)
      .join('+') || '*'
  return terms.map(({ masks }) => text(masks)).join(' , ')
}

/** Of chunks with too few copies, as many as wanted, and too many. Without an archive those archived are as others. */
interface Counts {
  readonly standard: readonly number[]
  readonly archived: readonly number[] | undefined
}

function countsOf(of: MonitoredClass): Counts {
  const standard = [of.underStandard, of.exactStandard, of.overStandard]
  const archived = [of.underArchived, of.exactArchived, of.overArchived]
  if (of.archiveDelayDays > 0) return { standard, archived }
  return { standard: standard.map((count, i) => count + (archived[i] as number)), archived: undefined }
}

const archivedCount = (i: number) => (of: MonitoredClass) => countsOf(of).archived?.[i] ?? null
const wishOrders = (
  first: number,
  wish: 'create' | 'keep' | 'archive',
): Record<number, (of: MonitoredClass) => Key> => ({
  [first]: of => of[wish].fulfilment,
  [first + 1]: of => of[wish].terms.length,
  [first + 2]: of => labelsText(of[wish]),
})

const orders: Orders<MonitoredClass> = {
  2: ({ name }) => name,
  3: ({ adminOnly }) => adminOnly,
  4: ({ files }) => files,
  5: ({ folders }) => folders,
  6: of => countsOf(of).standard[0] as number,
  7: of => countsOf(of).standard[1] as number,
  8: of => countsOf(of).standard[2] as number,
  ...{ 9: archivedCount(0), 10: archivedCount(1), 11: archivedCount(2) },
  12: ({ mode }) => mode,
  ...wishOrders(13, 'create'),
  ...wishOrders(16, 'keep'),
  ...wishOrders(19, 'archive'),
  22: ({ archiveDelayDays }) => archiveDelayDays,
}

async function inOrder(cluster: Cluster, choice: Choice): Promise<MonitoredClass[]> {
  return sorted(await cluster.classes(), { orders, usual: ({ id }) => id }, choice)
}

const COUNT_TONES: readonly Tone[] = ['notable', 'good', 'quiet']
const delayText = ({ archiveDelayDays }: MonitoredClass) => (archiveDelayDays > 0 ? `${archiveDelayDays}d` : '-')

function countCells(counts: readonly number[] | undefined): Cell[] {
  if (!counts) return [cell('-'), cell('-'), cell('-')]
  // That none has too few or too many need not be said.
  return counts.map((count, i) => (count === 0 && i !== 1 ? cell('-') : cell(count, COUNT_TONES[i])))
}

/** What nobody uses is no reason to worry. */
function wishCells(wish: Wish, isUsed: boolean): Cell[] {
  const [text, tone] = FULFILMENTS[wish.fulfilment] ?? ['-', undefined]
  return [cell(text, isUsed ? tone : 'quiet'), cell(wish.terms.length), cell(labelsText(wish))]
}

function cells(of: MonitoredClass): Cell[] {
  const { standard, archived } = countsOf(of)
  return [
    ...[cell(of.id), cell(readable(of.name)), cell(of.adminOnly ? 'YES' : 'NO'), cell(MODES[of.mode] ?? STRICT)],
    ...[cell(of.files), cell(of.folders), ...countCells(standard), ...countCells(archived)],
    ...[of.create, of.keep, of.archive].flatMap(wish => wishCells(wish, of.files > 0 || of.folders > 0)),
    cell(delayText(of)),
  ]
}

const wishColumns = (first: number, group: string) => [
  ...[textColumn('can be fulfilled', first, group), numberColumn('goal', first + 1, group)],
  textColumn('labels', first + 2, group),
]
const [INODES, STANDARD, ARCHIVED] = ['# of inodes', '# of standard chunks', '# of archived chunks']
const columns = [
  ...[numberColumn('id', 1), textColumn('name', 2), textColumn('admin only', 3), textColumn('mode', 12)],
  ...[numberColumn('files', 4, INODES), numberColumn('dirs', 5, INODES)],
  ...[numberColumn('under', 6, STANDARD), numberColumn('exact', 7, STANDARD), numberColumn('over', 8, STANDARD)],
  ...[numberColumn('under', 9, ARCHIVED), numberColumn('exact', 10, ARCHIVED), numberColumn('over', 11, ARCHIVED)],
  ...[...wishColumns(13, 'create'), ...wishColumns(16, 'keep'), ...wishColumns(19, 'archive')],
  numberColumn('delay', 22),
]

export const classes: Section = {
  async rows(cluster, choice) {
    const all = await inOrder(cluster, choice)
    return all.map(of => ['storage classes:', ...cells(of).map(({ text }) => text)])
  },
  async tables(cluster, choice) {
    return [{ title: 'Storage Classes', columns, rows: (await inOrder(cluster, choice)).map(cells) }]
  },
}
