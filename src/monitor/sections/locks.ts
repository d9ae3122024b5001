// AL: locks that are held, on one file or on all.
import { LockKind } from '../../protocol/monitors.ts'
import type { Cluster, Lock } from '../cluster.ts'
import type { Choice, Section } from '../section.ts'
import { type Orders, sorted } from '../sorting.ts'
import { cell, numberColumn, textColumn } from '../table.ts'
import { type Holder, holderOf } from './holders.ts'

const KINDS: Readonly<Record<number, string>> = {
  [LockKind.SHARED]: 'READ(SHARED)',
  [LockKind.EXCLUSIVE]: 'WRITE(EXCLUSIVE)',
}
const OFFSET_MAX = (1n << 63n) - 1n

type Held = Lock & { readonly holder: Holder; readonly isBsd: boolean; readonly isToEnd: boolean }

const orders: Orders<Held> = {
  1: ({ inode }) => inode,
  2: ({ sessionId }) => sessionId,
  4: ({ holder }) => holder.ip,
  5: ({ holder }) => holder.mountPoint,
  6: ({ isBsd }) => !isBsd,
  7: ({ owner }) => owner,
  8: ({ pid }) => pid,
  9: ({ start }) => start,
  10: ({ end }) => end,
  11: ({ kind }) => kind,
}

const usual = ({ inode, sessionId, isBsd, owner, pid, start, end }: Held) => [
  ...[inode, sessionId, !isBsd, owner, pid, start, end],
]

async function fields(cluster: Cluster, choice: Choice): Promise<string[][]> {
  const holders = await holderOf(cluster, choice)
  const held = (await cluster.locks(choice.id ?? 0)).map(lock => {
    // Those of flock(2) are of whole files and of no process.
    const isBsd = lock.pid === 0 && lock.start === 0n && lock.end === 0n
    return { ...lock, holder: holders(lock.sessionId), isBsd, isToEnd: isBsd || lock.end > OFFSET_MAX }
  })
  return sorted(held, { orders, usual }, choice).map(lock => [
    ...[String(lock.inode), String(lock.sessionId), lock.holder.host, lock.holder.mountPoint],
    ...[lock.isBsd ? 'FLOCK' : 'POSIX', String(lock.owner), lock.isBsd ? '-1' : String(lock.pid)],
    ...[String(lock.start), lock.isToEnd ? 'EOF' : String(lock.end), KINDS[lock.kind] ?? '???'],
  ])
}

const columns = [
  ...[numberColumn('inode', 1), numberColumn('session id', 2), textColumn('ip/host', 4), textColumn('mount point', 5)],
  ...[textColumn('lock type', 6), numberColumn('owner', 7), numberColumn('pid', 8), numberColumn('start', 9)],
  ...[numberColumn('end', 10), textColumn('r/w', 11)],
]

export const locks: Section = {
  async rows(cluster, choice) {
    return (await fields(cluster, choice)).map(row => ['acquired locks:', ...row])
  },
  async tables(cluster, choice) {
    const rows = (await fields(cluster, choice)).map(row => row.map(text => cell(text)))
    return [{ title: 'Acquired Locks', columns, rows }]
  },
}
