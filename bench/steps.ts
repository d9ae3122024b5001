// What is measured, in the order in which it is done: steps of one group build upon each other.

const MIB = 2 ** 20
const BIG_BYTES = 1024 * MIB
const LISTINGS = 25

export const groups = ['meta', 'seq', 'random', 'small'] as const
export type Group = (typeof groups)[number]

export interface Step {
  readonly group: Group
  readonly name: string
  readonly unit: '/s' | 'MiB/s'
  /** An operation of load.c and its numbers. */
  readonly operation: string
  readonly workers: number
  readonly count: number
  readonly bytes: number
  /** Subfolder: each round has its own, unless the step needs what an earlier group left. */
  readonly folder: string
  /** Of `unit` in all. */
  readonly amount: number
  /** The mount begins with empty caches. */
  readonly freshMount: boolean
  /** The servers' files are not in memory. */
  readonly cold: boolean
  /** Only there for the steps after it. */
  readonly unmeasured: boolean
}

type Given = Pick<Step, 'group' | 'name' | 'operation' | 'folder'> & Partial<Step>

function step(given: Given): Step {
  const { count = 1, workers = 1 } = given
  const defaults = { unit: '/s', workers, count, bytes: 0, amount: count } as const
  return { ...defaults, freshMount: false, cold: false, unmeasured: false, ...given }
}

const workersText = (workers: number) => (workers === 1 ? '1 worker' : `${workers} workers`)

function metaSteps(workers: number, count: number, folder: string): Step[] {
  const common = { group: 'meta', workers, folder } as const
  const named = (name: string, operation: string, given: Partial<Step> = {}) =>
    step({ ...common, name: `${name}, ${workersText(workers)}`, operation, count, ...given })
  const listings = { count: LISTINGS * workers, amount: LISTINGS * count }
  return [
    named('creates', 'create'),
    named('stats', 'stat'),
    named('readdir (entries)', 'readdir', listings),
    named('renames', 'rename'),
    named('unlinks', 'unlink'),
  ]
}

function randomSteps(workers: number, count: number, bytes: number): Step[] {
  const common = { group: 'random', workers, count, bytes, folder: 'big' } as const
  const name = (what: string) => `random 4 KiB ${what}, ${workersText(workers)}`
  return [
    step({ ...common, name: name('read'), operation: 'randread', freshMount: true }),
    step({ ...common, name: name('write'), operation: 'randwrite', freshMount: true }),
  ]
}

function smallSteps(workers: number, count: number, folder: string): Step[] {
  const common = { group: 'small', workers, count, folder } as const
  const name = (what: string) => `files of 1-64 KiB ${what}, ${workersText(workers)}`
  return [
    step({ ...common, name: name('written'), operation: 'smallwrite' }),
    step({ ...common, name: name('read'), operation: 'smallread', freshMount: true }),
  ]
}

/** All steps of one round. @param scale 1, or less for a quick look */
export function stepsOf(only: readonly Group[], scale: number, round: number): Step[] {
  const scaled = (count: number) => Math.max(16, Math.round(count * scale))
  const bytes = Math.round((BIG_BYTES * scale) / MIB) * MIB
  const big = { bytes, amount: bytes / MIB, unit: 'MiB/s', folder: 'big' } as const
  const write = { name: 'sequential write and fsync', operation: 'seqwrite', ...big } as const
  const steps = [
    ...metaSteps(1, scaled(4000), `meta1-${round}`),
    ...metaSteps(16, scaled(16_000), `meta16-${round}`),
    step({ group: 'seq', ...write }),
    step({ group: 'seq', name: 'sequential read, cold', operation: 'seqread', ...big, freshMount: true, cold: true }),
    ...(only.includes('seq') || round > 1 ? [] : [step({ group: 'random', ...write, unmeasured: true })]),
    ...randomSteps(1, scaled(5000), bytes),
    ...randomSteps(16, scaled(16_000), bytes),
    ...smallSteps(1, scaled(10_000), `small1-${round}`),
    ...smallSteps(16, scaled(10_000), `small16-${round}`),
  ]
  return steps.filter(({ group }) => only.includes(group))
}
