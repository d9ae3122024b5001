// What monitors are told of the tree: quotas, and the names of inodes (spec tools-and-admin A.5.5, A.5 MASS_RESOLVE_PATHS).

import { lengthOf } from '../../../metadata/namespace/lists.ts'
import { pathOf, pathsOf } from '../../../metadata/namespace/tree.ts'
import { graceEnd } from '../../../metadata/quota/usage.ts'
import type { State } from '../../../metadata/state.ts'
import { type Inode, ROOT } from '../../../metadata/types.ts'
import * as monitors from '../../../protocol/monitors.ts'

const NEVER = 0xffffffff

/** @param defaultGraceSeconds for quotas without a time of their own */
export function quotaList(state: State, now: number, defaultGraceSeconds: number): Buffer {
  const quotas = [...state.quotas.entries()].map(([inode, quota]) => {
    const used = state.lists.stats(state.nodes.directoryRow(inode))
    const { inodes, size, realsize } = used
    return {
      inode,
      path: `/${pathOf(state, inode)}`,
      graceSeconds: quota.gracePeriodSeconds,
      exceeded: quota.exceeded ? 1 : 0,
      flags: quota.flags,
      secondsToBlock: quota.softSince === 0 ? NEVER : Math.max(0, graceEnd(quota, defaultGraceSeconds) - now),
      soft: {
        ...{ inodes: quota.softInodes, length: quota.softLength, size: quota.softSize, realsize: quota.softRealsize },
      },
      hard: {
        ...{ inodes: quota.hardInodes, length: quota.hardLength, size: quota.hardSize, realsize: quota.hardRealsize },
      },
      current: { inodes, length: lengthOf(used), size, realsize },
    }
  })
  return monitors.quotas.encode({ quotas })
}

export function resolvedPaths(state: State, inodes: readonly Inode[]): Buffer {
  const asked = inodes.filter(inode => inode !== 0)
  const resolved = asked.map(inode => ({
    inode,
    paths: state.nodes.exists(inode) ? namesOf(state, inode) : ['(deleted)'],
  }))
  return monitors.resolvedPaths.encode({ inodes: resolved })
}

function namesOf(state: State, inode: Inode): string[] {
  return inode === ROOT ? ['/'] : pathsOf(state, inode)
}
