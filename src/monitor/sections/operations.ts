// MO: what each mount asked the master for.
import type { Cluster, Session } from '../cluster.ts'
import type { Choice, Section } from '../section.ts'
import { type Orders, sorted } from '../sorting.ts'
import { cell, numberColumn, textColumn } from '../table.ts'
import { type Mount, mountsOf } from './mounts.ts'
import { isMeta } from './session-limits.ts'

/** In the order of the counters of a session. */
const OPERATIONS = [
  ...['statfs', 'getattr', 'setattr', 'lookup', 'mkdir', 'rmdir', 'symlink', 'readlink', 'mknod', 'unlink', 'rename'],
  ...['link', 'readdir', 'open', 'read', 'write'],
]
const FIRST_OPERATION = 3
const LAST_HOUR = 0

const countersOf = ({ current, last }: Session, { mode = LAST_HOUR }: Choice) => (mode === LAST_HOUR ? last : current)
const total = (counters: Uint32Array) => counters.reduce((sum, each) => sum + each, 0)

const tie = ({ host, mountPoint, current, last }: Mount) => [host, mountPoint, ...current, ...last]
const usual = ({ ip, mountPoint, current, last }: Mount) => [ip, mountPoint, ...current, ...last]

async function inOrder(cluster: Cluster, choice: Choice): Promise<Mount[]> {
  const orders: Orders<Mount> = {
    1: ({ host }) => host,
    2: ({ mountPoint }) => mountPoint,
    ...Object.fromEntries(
      OPERATIONS.map((_, i) => [FIRST_OPERATION + i, (mount: Mount) => countersOf(mount, choice)[i] as number]),
    ),
    [FIRST_OPERATION + OPERATIONS.length]: mount => total(countersOf(mount, choice)),
  }
  const mounts = (await mountsOf(cluster, choice)).filter(mount => !isMeta(mount))
  return sorted(mounts, { orders, usual, tie }, choice)
}

function fields(mount: Mount, choice: Choice): string[] {
  const counters = countersOf(mount, choice)
  return [mount.host, mount.mountPoint, ...Array.from(counters, String), String(total(counters))]
}

export const operations: Section = {
  async rows(cluster, choice) {
    return (await inOrder(cluster, choice)).map(mount => ['active mounts, operations:', ...fields(mount, choice)])
  },
  async tables(cluster, choice) {
    const group = `operations ${(choice.mode ?? LAST_HOUR) === LAST_HOUR ? 'last' : 'current'} hour`
    const counters = [...OPERATIONS, 'total'].map((name, i) => numberColumn(name, FIRST_OPERATION + i, group))
    const rows = (await inOrder(cluster, choice)).map(mount => fields(mount, choice).map(text => cell(text)))
    return [
      {
        title: 'Active mounts (operations)',
        columns: [textColumn('ip/host', 1), textColumn('mount point', 2), ...counters],
        rows,
      },
    ]
  },
}
