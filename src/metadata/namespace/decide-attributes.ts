// Attributes: which requests to change or read them are granted (spec client-master 5.2, 5.8; master-behaviour 1.6).
import { nanosecondsOf, secondsOf } from '../../protocol/fine-times.ts'
import { Status } from '../../protocol/status.ts'
import { ACL_UNSET, type Acl, type AclEntry, AclType } from '../acl/acls.ts'
import type { EntryOf } from '../changelog/entry.ts'
import { type Actor, type Decision, Disable, type Refusal, refuse, refusedBySession, SessionFlag } from '../decision.ts'
import type { State } from '../state.ts'
import { Eattr, type Inode, type Seconds } from '../types.ts'
import { XATTR_NAMES_MAX, XATTR_VALUE_MAX } from '../xattr/xattrs.ts'
import { hasOwnerRights, MODE_R, MODE_W } from './access.ts'
import { printEntries, XattrMode } from './apply-attributes.ts'
import { may, resolve } from './decide.ts'
import type { Times } from './times.ts'

const S_ISUID = 0o4000
const S_ISGID = 0o2000
const SET_ID = S_ISUID | S_ISGID
const S_IXGRP = 0o010

export interface AttributeRequest {
  inode: Inode
  /** The file is open: it need not lie below the session's root. */
  opened: boolean
  mode: number | undefined
  uid: number | undefined
  gid: number | undefined
  /** What the original keeps of the time (protocol/fine-times.ts), or now. */
  atime: Seconds | 'now' | undefined
  mtime: Seconds | 'now' | undefined
  /** What it does not keep, of times that are given. */
  atimeMore?: number | undefined
  mtimeMore?: number | undefined
  winattr: number | undefined
  /** When set-id bits go at a change of owner: 0 never, 1 always, 2 OSX, 3 BSD, 4 EXT, 5 XFS. */
  sugidClearMode: number
}

/** The inode meant by a request on a file that may be open. */
export function resolveOpened(state: State, actor: Actor, inode: Inode, opened: boolean): Inode {
  if (!opened) return resolve(state, actor, inode)
  const real = inode === 1 && actor.root !== 0 ? actor.root : inode
  return state.nodes.exists(real) ? real : 0
}

export function decideSetattr(
  state: State,
  actor: Actor,
  request: AttributeRequest,
  ts: Seconds,
): Decision<{ inode: Inode }> {
  const { nodes } = state
  const chowns = request.uid !== undefined || request.gid !== undefined
  const disables = (chowns ? Disable.CHOWN : 0) | (request.mode !== undefined ? Disable.CHMOD : 0)
  const refused = refusedBySession(actor, disables)
  if (refused) return refused
  const inode = resolveOpened(state, actor, request.inode, request.opened)
  if (inode === 0) return refuse(Status.ENOENT)
  if (nodes.eattr.get(inode) & Eattr.IMMUTABLE) return refuse(Status.EPERM)
  if (actor.uid !== 0 && !onlyClearsSetId(state, inode, request)) {
    const refusedChange = refusedSetattr(state, actor, inode, request)
    if (refusedChange) return refusedChange
  }
  return { status: Status.OK, entries: [attrEntry(state, actor, inode, request, ts)], inode }
}

/** What the kernel asks after a write by somebody else: exactly the set-id bits go. */
function onlyClearsSetId({ nodes }: State, inode: Inode, request: AttributeRequest): boolean {
  const others = [request.uid, request.gid, request.atime, request.mtime, request.winattr]
  const mode = nodes.mode.get(inode)
  return others.every(value => value === undefined) && (mode & SET_ID) !== 0 && request.mode === (mode & 0o1777)
}

function refusedSetattr(state: State, actor: Actor, inode: Inode, request: AttributeRequest): Refusal | undefined {
  const { mode, uid, gid, atime, mtime } = request
  const chowns = uid !== undefined || gid !== undefined
  if (actor.sessionFlags & SessionFlag.MAPALL && chowns) return refuse(Status.EPERM)
  if (!hasOwnerRights(state, inode, actor.uid)) {
    const setsTime = typeof atime === 'number' || typeof mtime === 'number'
    if (mode !== undefined || chowns || setsTime) return refuse(Status.EPERM)
    const touches = atime === 'now' || mtime === 'now'
    if (touches && !may(state, actor, inode, MODE_W)) return refuse(Status.EACCES)
  }
  if (uid !== undefined && uid !== actor.uid) return refuse(Status.EPERM)
  const freeGroups = (actor.sessionFlags & SessionFlag.IGNOREGID) !== 0
  // The group that it has already changes nothing.
  const given = gid !== undefined && gid !== state.nodes.gid.get(inode)
  if (given && !freeGroups && !actor.gids.includes(gid)) return refuse(Status.EPERM)
  return undefined
}

function attrEntry(state: State, actor: Actor, inode: Inode, request: AttributeRequest, ts: Seconds): EntryOf<'ATTR'> {
  const { nodes, acls } = state
  const present = nodes.mode.get(inode)
  const [uid, gid] = [request.uid ?? nodes.uid.get(inode), request.gid ?? nodes.gid.get(inode)]
  const chowns = request.uid !== undefined || request.gid !== undefined
  const cleared = chowns ? clearedSetId(state, actor, inode, request) : 0
  let asked = request.mode
  // Kernels clear set-id bits themselves when they change the owner; what goes is decided here.
  if (asked !== undefined && chowns) asked = (asked | (present & SET_ID)) & ~cleared
  if (asked !== undefined && actor.uid !== 0 && asked & S_ISGID && !actor.gids.includes(gid)) asked &= ~S_ISGID
  const acl = acls.get(inode, AclType.ACCESS)
  const digits = acl ? aclDigits(acl) : 0
  let mode = (asked ?? present & ~cleared) & 0o7777
  if (acl && asked !== undefined) mode = (asked & 0o7707) | (present & 0o070)
  return {
    op: 'ATTR',
    ts,
    inode,
    mode,
    uid,
    gid,
    ...newTime('atime', nodes.atime, inode, request, ts),
    ...newTime('mtime', nodes.mtime, inode, request, ts),
    winattr: request.winattr ?? nodes.winattr.get(inode),
    aclMode: acl ? 0x1000 | (asked !== undefined ? asked & 0o777 : digits) : 0,
  }
}

/** The time as the entry tells it: now, as given, or as it was. */
function newTime<K extends 'atime' | 'mtime'>(
  key: K,
  times: Times,
  inode: Inode,
  request: AttributeRequest,
  ts: Seconds,
): Record<K, Seconds> & Partial<Record<`${K}More`, number>> {
  const given = request[key]
  const fine = (low: number, more: number) =>
    // A whole second needs no more words, unless it would be taken for the moment of the entry.
    ({ [key]: low, ...(more !== 0 || low === ts ? { [`${key}More`]: more } : {}) })
  if (given === 'now') return { [key]: ts } as ReturnType<typeof newTime<K>>
  const told = given === undefined ? fine(times.low(inode), times.more(inode)) : fine(given, request[`${key}More`] ?? 0)
  return told as ReturnType<typeof newTime<K>>
}

const aclDigits = (acl: Acl) => ((acl.user & 7) << 6) | ((acl.mask & 7) << 3) | (acl.other & 7)

/** Set-id bits that a change of owner takes away (spec client-master 5.2, rule 4). */
function clearedSetId({ nodes }: State, actor: Actor, inode: Inode, request: AttributeRequest): number {
  const directory = nodes.isDirectory(inode)
  const execByGroup = (nodes.mode.get(inode) & S_IXGRP) !== 0
  const ext = execByGroup ? SET_ID : S_ISUID
  switch (request.sugidClearMode) {
    case 0:
      return 0
    case 2:
      return actor.uid !== 0 ? SET_ID : 0
    case 3:
      return actor.uid !== 0 && request.gid !== undefined && request.gid !== nodes.gid.get(inode) ? SET_ID : 0
    case 4:
      return directory ? 0 : ext
    case 5:
      return directory ? (actor.uid !== 0 ? SET_ID : 0) : ext
    default:
      return SET_ID
  }
}

export interface XattrRequest {
  inode: Inode
  opened: boolean
  name: string
  value: string
  mode: number
}

export function decideSetxattr(state: State, actor: Actor, request: XattrRequest, ts: Seconds): Decision {
  const { name, value, mode } = request
  const refused = refusedBySession(actor, Disable.SETXATTR)
  if (refused) return refused
  const inode = resolveOpened(state, actor, request.inode, request.opened)
  if (inode === 0) return refuse(Status.ENOENT)
  if (/^(trusted|security)\./.test(name) && actor.uid !== 0) return refuse(Status.EPERM)
  if (name.startsWith('system.') && !hasOwnerRights(state, inode, actor.uid)) return refuse(Status.EPERM)
  if (state.nodes.eattr.get(inode) & Eattr.IMMUTABLE) return refuse(Status.EPERM)
  if (!request.opened && !may(state, actor, inode, MODE_W)) return refuse(Status.EACCES)
  if (name.length === 0 || name.includes('\0') || mode > XattrMode.REMOVE) return refuse(Status.EINVAL)
  const present = state.xattrs.get(inode, name) !== undefined
  if ((mode === XattrMode.REPLACE || mode === XattrMode.REMOVE) && !present) return refuse(Status.ENOATTR)
  if (mode === XattrMode.CREATE && present) return refuse(Status.EEXIST)
  const listBytes = state.xattrs.listBytes(inode) + (present ? 0 : name.length + 1)
  if (value.length > XATTR_VALUE_MAX || listBytes > XATTR_NAMES_MAX) return refuse(Status.ERANGE)
  const logged = mode === XattrMode.REMOVE ? '' : value
  return { status: Status.OK, entries: [{ op: 'SETXATTR', ts, inode, name, value: logged, mode }] }
}

/** The value of an attribute, or with an empty name the list of names, each ended by a NUL. */
export function decideGetxattr(
  state: State,
  actor: Actor,
  request: { inode: Inode; opened: boolean; name: string },
): Decision<{ value: string }> {
  const { name } = request
  const inode = resolveOpened(state, actor, request.inode, request.opened)
  if (inode === 0) return refuse(Status.ENOENT)
  if (name.startsWith('trusted.') && actor.uid !== 0) return refuse(Status.EPERM)
  if (!request.opened && !may(state, actor, inode, MODE_R)) return refuse(Status.EACCES)
  if (name.includes('\0')) return refuse(Status.EINVAL)
  const names = () => state.xattrs.of(inode).map(([name]) => `${name}\0`)
  const value = name === '' ? names().join('') : state.xattrs.get(inode, name)
  return value === undefined ? refuse(Status.ENOATTR) : { status: Status.OK, entries: [], value }
}

export interface AclRequest extends Acl {
  inode: Inode
  aclType: number
}

export function decideSetfacl(state: State, actor: Actor, request: AclRequest, ts: Seconds): Decision {
  const { nodes } = state
  const { aclType, users, groups, mask } = request
  const refused = refusedBySession(actor, Disable.SETFACL)
  if (refused) return refused
  const inode = resolve(state, actor, request.inode)
  if (inode === 0) return refuse(Status.ENOENT)
  if (!hasOwnerRights(state, inode, actor.uid)) return refuse(Status.EPERM)
  if (nodes.eattr.get(inode) & Eattr.IMMUTABLE) return refuse(Status.EPERM)
  if (aclType !== AclType.ACCESS && aclType !== AclType.DEFAULT) return refuse(Status.EINVAL)
  const present = nodes.mode.get(inode)
  const removes = [request.user, request.group, request.other, mask].every(perm => perm === ACL_UNSET)
  const named: AclEntry[] = [...users, ...groups]
  let { user, group, other } = request
  let mode = present
  if (!removes || named.length > 0) {
    if (user === ACL_UNSET) user = (present >> 6) & 7
    if (group === ACL_UNSET) group = (present >> 3) & 7
    if (other === ACL_UNSET) other = present & 7
    if (aclType === AclType.ACCESS) mode = (present & 0o7000) | ((user & 7) << 6) | ((group & 7) << 3) | (other & 7)
  }
  const entry = {
    op: 'SETACL',
    ts,
    inode,
    mode,
    changeCtime: true,
    aclType,
    user,
    group,
    other,
    mask,
    userCount: users.length,
    groupCount: groups.length,
    entries: printEntries(named),
  } as const
  return { status: Status.OK, entries: [entry] }
}

/** Times that a client reports of its reads and writes; undefined when they are no news (spec client-master 5.9). */
export function reportedTimes(
  { nodes }: State,
  report: {
    inode: Inode
    atime: Seconds
    mtime: Seconds
    atimeMore?: number | undefined
    mtimeMore?: number | undefined
  },
  atimeMode: number,
  ts: Seconds,
): EntryOf<'AMTIME'> | undefined {
  const { inode, atimeMore = 0, mtimeMore = 0 } = report
  if (!nodes.exists(inode)) return undefined
  const { atime, mtime, ctime } = nodes
  const wanted = wantsAtime(atimeMode, atime.get(inode), mtime.get(inode), ctime.get(inode), report.atime)
  const readLater = wanted && isLater(report.atime, atimeMore, atime, inode)
  // A write takes a time in the future back to now.
  const inFuture = report.mtime !== 0 && report.mtime <= ts && mtime.get(inode) > ts
  const writtenLater = inFuture || isLater(report.mtime, mtimeMore, mtime, inode)
  if (!readLater && !writtenLater) return undefined
  return {
    op: 'AMTIME',
    ts,
    inode,
    ...(readLater ? { atime: report.atime, atimeMore } : { atime: atime.low(inode), atimeMore: atime.more(inode) }),
    ...(writtenLater ? { mtime: report.mtime, mtimeMore } : { mtime: mtime.low(inode), mtimeMore: mtime.more(inode) }),
    // The change of the node's state that came last stays.
    ...(writtenLater && isLater(report.mtime, mtimeMore, ctime, inode)
      ? { ctime: report.mtime, ctimeMore: mtimeMore }
      : { ctime: ctime.low(inode), ctimeMore: ctime.more(inode) }),
  }
}

/** @param low, more a time as told; both 0 when none was */
function isLater(low: number, more: number, than: Times, inode: Inode): boolean {
  if (low === 0 && more === 0) return false
  const [seconds, present] = [secondsOf(low, more), than.get(inode)]
  return seconds !== present ? seconds > present : nanosecondsOf(more) > than.nanoseconds(inode)
}

const DAY = 86400

/** ATIME_MODE: 0 always, 1 files always, 2 relative, 3 relative and only files, 4 never (spec master-behaviour 1.11). */
function wantsAtime(mode: number, atime: Seconds, mtime: Seconds, ctime: Seconds, now: Seconds): boolean {
  if (mode === 4 || now === atime) return false
  if (mode < 2) return true
  return (atime <= ctime && now >= ctime) || (atime <= mtime && now >= mtime) || atime + DAY < now
}

/** The entry for reading a directory or a link, when the mode wants one: only 0 and 2 count these reads. */
export function accessEntry(
  { nodes }: State,
  inode: Inode,
  atimeMode: number,
  ts: Seconds,
): EntryOf<'ACCESS'> | undefined {
  if (atimeMode !== 0 && atimeMode !== 2) return undefined
  const times = [nodes.atime.get(inode), nodes.mtime.get(inode), nodes.ctime.get(inode)] as const
  return wantsAtime(atimeMode, ...times, ts) ? { op: 'ACCESS', ts, inode } : undefined
}
