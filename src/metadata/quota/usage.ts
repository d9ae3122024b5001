// Whether a directory may grow (spec master-behaviour 1.13).
import { lengthOf, type Stats } from '../namespace/lists.ts'
import { isBelow, parentOf } from '../namespace/tree.ts'
import type { State } from '../state.ts'
import type { Inode, Seconds } from '../types.ts'
import type { Quota } from './quotas.ts'

const limits = [
  ['inodes', 0x01, 'softInodes', 'hardInodes'],
  ['length', 0x02, 'softLength', 'hardLength'],
  ['size', 0x04, 'softSize', 'hardSize'],
  ['realsize', 0x08, 'softRealsize', 'hardRealsize'],
] as const

/**
 * Whether adding `added` below `directory` breaks a quota of it or of a directory above.
 * @param notAbove directories that hold this inode too are left out: what moves inside them adds nothing
 */
export function quotaRefuses(state: State, directory: Inode, added: Stats, notAbove: Inode = 0): boolean {
  if (state.quotas.size === 0) return false
  for (let at = directory; at !== 0; at = parentOf(state, at)) {
    const quota = state.quotas.get(at)
    if (!quota || (notAbove !== 0 && isBelow(state, notAbove, at))) continue
    if (exceeds(quota, state.lists.stats(state.nodes.directoryRow(at)), added)) return true
  }
  return false
}

function exceeds(quota: Quota, used: Stats, added: Stats): boolean {
  return limits.some(([kind, softFlag, soft, hard]) => {
    const [before, more] = [amountOf(used, kind), amountOf(added, kind)]
    if (more <= 0) return false
    const total = before + more
    if (quota.flags & (softFlag << 4) && total > quota[hard]) return true
    return quota.exceeded && (quota.flags & softFlag) !== 0 && total > quota[soft]
  })
}

const amountOf = (stats: Stats, kind: (typeof limits)[number][0]) => (kind === 'length' ? lengthOf(stats) : stats[kind])

/** When a soft limit that was exceeded becomes as good as a hard one. */
export function graceEnd({ softSince, gracePeriodSeconds }: Quota, defaultGraceSeconds: number): Seconds {
  return softSince + (gracePeriodSeconds || defaultGraceSeconds)
}

/** Whether any soft limit is exceeded now. */
export function isOverSoftLimit(quota: Quota, used: Stats): boolean {
  return limits.some(([kind, softFlag, soft]) => (quota.flags & softFlag) !== 0 && amountOf(used, kind) > quota[soft])
}
