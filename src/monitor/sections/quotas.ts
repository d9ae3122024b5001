// QU: limits of folders and what is in them.
import type { Cluster, Quota } from '../cluster.ts'
import type { Choice, Section } from '../section.ts'
import { type Key, type Orders, sorted } from '../sorting.ts'
import { type Cell, type Column, cell, numberColumn, textColumn } from '../table.ts'
import { bytesText, readable, spanText, yesNo } from '../texts.ts'

/** The kinds of limits, in the order of their flags, first the soft ones. */
const KINDS = ['inodes', 'length', 'size', 'realsize'] as const
type Kind = (typeof KINDS)[number]
const HEADS: Readonly<Record<Kind, string>> = {
  inodes: 'inodes',
  length: 'length',
  size: 'size',
  realsize: 'real size',
}
const HARD_BITS = 4
const NEVER = 0xffffffff

const EXPIRES_ORDER = 2
const FIRST_LIMIT = 3
const FIRST_CURRENT = 11

type Hardness = 'soft' | 'hard'

/** Undefined when there is none. */
function limitOf(quota: Quota, hardness: Hardness, kind: Kind): number | undefined {
  const bit = KINDS.indexOf(kind) + (hardness === 'hard' ? HARD_BITS : 0)
  return quota.flags & (1 << bit) ? quota[hardness][kind] : undefined
}

const limitsOf = (quota: Quota, hardness: Hardness) => KINDS.map(kind => limitOf(quota, hardness, kind))

/** How much of a limit is used, endlessly much of one of 0; undefined when there is no limit. */
function partOf(quota: Quota, hardness: Hardness, kind: Kind): number | undefined {
  const limit = limitOf(quota, hardness, kind)
  if (limit === undefined) return undefined
  return limit > 0 ? quota.current[kind] / limit : Number.POSITIVE_INFINITY
}

const limitKeys = (hardness: Hardness, first: number): [number, (quota: Quota) => Key][] =>
  KINDS.map((kind, i) => [first + i, quota => quota[hardness][kind]])

const currentKeys = (kind: Kind, first: number): [number, (quota: Quota) => Key][] => [
  [first, quota => quota.current[kind]],
  [first + 1, quota => partOf(quota, 'soft', kind) ?? null],
  [first + 2, quota => partOf(quota, 'hard', kind) ?? null],
]

const orders: Orders<Quota> = {
  [EXPIRES_ORDER]: ({ secondsToBlock }) => secondsToBlock,
  ...Object.fromEntries([
    ...limitKeys('soft', FIRST_LIMIT),
    ...limitKeys('hard', FIRST_LIMIT + KINDS.length),
    ...KINDS.flatMap((kind, i) => currentKeys(kind, FIRST_CURRENT + 3 * i)),
  ]),
}

async function inOrder(cluster: Cluster, choice: Choice): Promise<Quota[]> {
  return sorted(await cluster.quotas(), { orders, usual: ({ path }) => path }, choice)
}

const graceText = ({ graceSeconds }: Quota, text: (seconds: number) => string) =>
  graceSeconds > 0 ? text(graceSeconds) : 'default'

function expiryText({ secondsToBlock }: Quota, text: (seconds: number) => string): string {
  if (secondsToBlock === NEVER) return '-'
  return secondsToBlock === 0 ? 'expired' : text(secondsToBlock)
}

function row(quota: Quota): string[] {
  const limits = [...limitsOf(quota, 'soft'), ...limitsOf(quota, 'hard')]
  return [
    'active quotas:',
    ...[readable(quota.path), yesNo(quota.exceeded !== 0), graceText(quota, String), expiryText(quota, String)],
    ...limits.map(limit => (limit === undefined ? '-' : String(limit))),
    ...KINDS.map(kind => String(quota.current[kind])),
  ]
}

const amountText = (amount: number, kind: Kind) => (kind === 'inodes' ? String(amount) : bytesText(amount))

function partCell(part: number | undefined, isExceeded: boolean): Cell {
  if (part === undefined) return cell('-')
  if (!Number.isFinite(part)) return cell('limit 0', 'notable')
  const tone = part <= 1 ? 'good' : isExceeded ? 'bad' : 'notable'
  return { ...cell(`${(100 * part).toFixed(2)}%`, tone), part: Math.min(1, part) }
}

function cells(quota: Quota): Cell[] {
  const limitCells = (hardness: Hardness) =>
    KINDS.map(kind => {
      const limit = limitOf(quota, hardness, kind)
      return cell(limit === undefined ? '-' : amountText(limit, kind))
    })
  const isBlocked = quota.secondsToBlock === 0
  return [
    ...[cell(readable(quota.path)), cell(graceText(quota, spanText))],
    cell(expiryText(quota, spanText), isBlocked ? 'bad' : quota.secondsToBlock === NEVER ? undefined : 'notable'),
    ...[...limitCells('soft'), ...limitCells('hard')],
    ...KINDS.flatMap(kind => [
      cell(amountText(quota.current[kind], kind)),
      partCell(partOf(quota, 'soft', kind), isBlocked),
      partCell(partOf(quota, 'hard', kind), true),
    ]),
  ]
}

const limitColumns = (first: number, group: string): Column[] =>
  KINDS.map((kind, i) => numberColumn(HEADS[kind], first + i, group))

const columns = [
  ...[textColumn('path', 1), numberColumn('grace period', undefined, 'soft quota')],
  ...[numberColumn('time to expire', EXPIRES_ORDER, 'soft quota'), ...limitColumns(FIRST_LIMIT, 'soft quota')],
  ...limitColumns(FIRST_LIMIT + KINDS.length, 'hard quota'),
  ...KINDS.flatMap((kind, i) =>
    ['value', '% soft', '% hard'].map((head, j) =>
      numberColumn(head, FIRST_CURRENT + 3 * i + j, `current ${HEADS[kind]}`),
    ),
  ),
]

export const quotas: Section = {
  async rows(cluster, choice) {
    return (await inOrder(cluster, choice)).map(row)
  },
  async tables(cluster, choice) {
    return [{ title: 'Active quotas', columns, rows: (await inOrder(cluster, choice)).map(cells) }]
  },
}
