// What an export rule gives to a session, as the sections of rules (EX) and of mounts (MS) show it.
import { SessionFlag } from '../../protocol/constants.ts'
import type { Rule, Session } from '../cluster.ts'
import type { Key } from '../sorting.ts'
import { type Cell, type Column, cell, numberColumn, textColumn } from '../table.ts'
import { hexText, spanText, yesNo } from '../texts.ts'

type Limited = Rule | Session

/** What does not apply is undefined. */
interface Limits {
  readonly isReadonly: boolean
  readonly isRestricted: boolean
  readonly ignoresGid: boolean | undefined
  readonly isAdmin: boolean | undefined
  readonly rootUid: number | undefined
  readonly rootGid: number | undefined
  readonly mapallUid: number | undefined
  readonly mapallGid: number | undefined
  readonly minGoal: number | undefined
  readonly maxGoal: number | undefined
  readonly minTrashSeconds: number | undefined
  readonly maxTrashSeconds: number | undefined
  readonly umask: number | undefined
  readonly disables: number
}

const GOALS = [1, 9] as const
const TRASH_MAX = 0xffffffff

/** Operations that can be forbidden, by bit. */
const OPERATIONS = [
  ...['chown', 'chmod', 'symlink', 'mkfifo', 'mkdev', 'mksock', 'mkdir', 'unlink', 'rmdir', 'rename', 'move', 'link'],
  ...['create', 'readdir', 'read', 'write', 'truncate', 'setlength', 'appendchunks', 'snapshot', 'settrash'],
  ...['setsclass', 'seteattr', 'setxattr', 'setfacl'],
]

export const isMeta = ({ path }: Limited) => path.startsWith('.')

const isSession = (of: Limited): of is Session => 'sessionId' in of

export function limitsOf(of: Limited): Limits {
  const has = (flag: number) => (of.flags & flag) !== 0
  const isFile = !isMeta(of)
  const maps = isFile && has(SessionFlag.MAPALL)
  const limitsGoals = of.minGoal > GOALS[0] || of.maxGoal < GOALS[1]
  const limitsTrash = of.minTrashSeconds > 0 || of.maxTrashSeconds < TRASH_MAX
  return {
    isReadonly: has(SessionFlag.READONLY),
    isRestricted: !has(SessionFlag.DYNAMICIP),
    ignoresGid: isFile ? has(SessionFlag.IGNOREGID) : undefined,
    isAdmin: isFile ? has(SessionFlag.ADMIN) : undefined,
    rootUid: isFile ? of.rootUid : undefined,
    rootGid: isFile ? of.rootGid : undefined,
    mapallUid: maps ? of.mapallUid : undefined,
    mapallGid: maps ? of.mapallGid : undefined,
    minGoal: limitsGoals ? of.minGoal : undefined,
    maxGoal: limitsGoals ? of.maxGoal : undefined,
    minTrashSeconds: limitsTrash ? of.minTrashSeconds : undefined,
    maxTrashSeconds: limitsTrash ? of.maxTrashSeconds : undefined,
    umask: isFile || isSession(of) ? of.umask : undefined,
    disables: isFile || isSession(of) ? of.disables : 0,
  }
}

const orDash = <T>(value: T | undefined, text: (value: T) => string = String) =>
  value === undefined ? '-' : text(value)
const octal = (umask: number) => umask.toString(8).padStart(3, '0')

function texts(limits: Limits, seconds: (value: number) => string): string[] {
  return [
    ...[limits.isReadonly ? 'ro' : 'rw', yesNo(limits.isRestricted)],
    ...[orDash(limits.ignoresGid, yesNo), orDash(limits.isAdmin, yesNo)],
    ...[orDash(limits.rootUid), orDash(limits.rootGid), orDash(limits.mapallUid), orDash(limits.mapallGid)],
    ...[orDash(limits.minGoal), orDash(limits.maxGoal)],
    ...[orDash(limits.minTrashSeconds, seconds), orDash(limits.maxTrashSeconds, seconds)],
    orDash(limits.umask, octal),
  ]
}

/** For programs. */
export function limitFields(of: Limited): string[] {
  const limits = limitsOf(of)
  return [...texts(limits, String), hexText(limits.disables, 8)]
}

/** For people. */
export function limitCells(of: Limited): Cell[] {
  const limits = limitsOf(of)
  const forbidden = OPERATIONS.filter((_, bit) => limits.disables & (1 << bit))
  return [...texts(limits, spanText).map(text => cell(text)), cell(forbidden.join(', ') || '-')]
}

/** @param first the number of the first one, by which it is sorted */
export function limitColumns(first: number): Column[] {
  const text = (offset: number, head: string) => textColumn(head, first + offset)
  const number = (offset: number, head: string, group: string) => numberColumn(head, first + offset, group)
  return [
    ...[text(0, 'ro/rw'), text(1, 'restrict ip'), text(2, 'ignore gid'), text(3, 'admin')],
    ...[number(4, 'uid', 'map root'), number(5, 'gid', 'map root')],
    ...[number(6, 'uid', 'map users'), number(7, 'gid', 'map users')],
    ...[number(8, 'min', 'goal limit'), number(9, 'max', 'goal limit')],
    ...[number(10, 'min', 'trashtime limit'), number(11, 'max', 'trashtime limit')],
    ...[text(12, 'global umask'), text(13, 'disabled operations')],
  ]
}

const LIMITS = [
  ...['isReadonly', 'isRestricted', 'ignoresGid', 'isAdmin', 'rootUid', 'rootGid', 'mapallUid', 'mapallGid'],
  ...['minGoal', 'maxGoal', 'minTrashSeconds', 'maxTrashSeconds', 'umask', 'disables'],
] as const

/** @param first as in limitColumns */
export const limitOrders = (first: number): Record<number, (of: Limited) => Key> =>
  Object.fromEntries(LIMITS.map((name, i) => [first + i, (of: Limited) => limitsOf(of)[name as keyof Limits] ?? null]))
