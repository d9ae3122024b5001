// Reading and changing quotas (spec tools-and-admin A.3, QUOTACONTROL).
import { Status } from '../../protocol/status.ts'
import { type Actor, type Decision, refuse, SessionFlag } from '../decision.ts'
import { resolve } from '../namespace/decide.ts'
import type { State } from '../state.ts'
import type { Inode, Seconds } from '../types.ts'
import type { Quota } from './quotas.ts'
import { graceEnd, isOverSoftLimit } from './usage.ts'

/** Limits of a quota; those whose flag is not set are 0. */
export interface QuotaLimits {
  softInodes: number
  softLength: number
  softSize: number
  softRealsize: number
  hardInodes: number
  hardLength: number
  hardSize: number
  hardRealsize: number
}

export const NO_QUOTA: Quota = {
  ...{ gracePeriodSeconds: 0, exceeded: false, flags: 0, softSince: 0 },
  ...{ softInodes: 0, hardInodes: 0, softLength: 0, hardLength: 0 },
  ...{ softSize: 0, hardSize: 0, softRealsize: 0, hardRealsize: 0 },
}

const flagOf: [keyof QuotaLimits, number][] = [
  ['softInodes', 0x01],
  ['softLength', 0x02],
  ['softSize', 0x04],
  ['softRealsize', 0x08],
  ['hardInodes', 0x10],
  ['hardLength', 0x20],
  ['hardSize', 0x40],
  ['hardRealsize', 0x80],
]

export interface QuotaRequest {
  inode: Inode
  /** Which limits to set or delete; 0 only reads. */
  flags: number
  /** Missing: the flagged limits are deleted. */
  limits: QuotaLimits | undefined
  /** 0 keeps what there is. */
  gracePeriodSeconds: number
}

/** @param defaultGraceSeconds for quotas without a grace period of their own */
export function decideQuota(
  state: State,
  actor: Actor,
  request: QuotaRequest,
  rootIsMapped: boolean,
  defaultGraceSeconds: number,
  ts: Seconds,
): Decision<{ inode: Inode }> {
  const { flags, limits } = request
  if (actor.root === 0) return refuse(Status.EPERM)
  if (flags !== 0) {
    if (rootIsMapped) return refuse(Status.EACCES)
    if (actor.sessionFlags & SessionFlag.READONLY) return refuse(Status.EROFS)
    if (!(actor.sessionFlags & SessionFlag.ADMIN)) return refuse(Status.EPERM)
  }
  const inode = resolve(state, actor, request.inode)
  if (inode === 0) return refuse(Status.ENOENT)
  if (!state.nodes.isDirectory(inode)) return refuse(Status.EPERM)
  const before = state.quotas.get(inode)
  if (flags === 0 || (!limits && !before)) return { status: Status.OK, entries: [], inode }
  const quota: Quota = { ...NO_QUOTA, ...before }
  for (const [key, flag] of flagOf) if (flags & flag) quota[key] = limits?.[key] ?? 0
  quota.flags = limits ? quota.flags | flags : quota.flags & ~flags
  if (limits) quota.gracePeriodSeconds = request.gracePeriodSeconds || quota.gracePeriodSeconds
  const over = isOverSoftLimit(quota, state.lists.stats(state.nodes.directoryRow(inode)))
  quota.softSince = over ? quota.softSince || ts : 0
  quota.exceeded = over && graceEnd(quota, defaultGraceSeconds) < ts
  return { status: Status.OK, entries: [{ op: 'QUOTA', ts, inode, ...quota }], inode }
}
