// The line that a mount prints once the master has accepted it (spec daemons-and-config 9.2).
import { readFileSync } from 'node:fs'
import type { SessionParameters } from '../client/cluster.ts'

/** For each flag bit of a session: its name when set and, for some, when not. */
const flagNames: [set: string, unset?: string][] = [
  ['read-only', 'read-write'],
  ['not_restricted_ip', 'restricted_ip'],
  ['ignore_gid'],
  ['admin'],
  ['map_all'],
]
const MAP_ALL = 0x10
const TRASH_MAX = 0xffffffff

export function sessionText(session: SessionParameters): string {
  const { flags, umask } = session
  const words = flagNames.flatMap(([set, unset], bit) => (flags & (1 << bit) ? [set] : unset ? [unset] : []))
  const parts = [words.join(',') || '-']
  if (umask !== 0) parts.push(`global umask set to ${umask.toString(8).padStart(4, '0')}`)
  parts.push(`root mapped to ${userName(session.rootUid)}:${groupName(session.rootGid)}`)
  if (flags & MAP_ALL) parts.push(`users mapped to ${userName(session.mapAllUid)}:${groupName(session.mapAllGid)}`)
  if (session.minGoal !== 1 || session.maxGoal !== 9) {
    parts.push(`setgoal limited to (${session.minGoal}:${session.maxGoal})`)
  }
  if (session.minTrashSeconds !== 0 || session.maxTrashSeconds !== TRASH_MAX) {
    const { minTrashSeconds, maxTrashSeconds } = session
    parts.push(`settrashtime limited to (${duration(minTrashSeconds)}:${duration(maxTrashSeconds)})`)
  }
  return `mfsmaster accepted connection with parameters: ${parts.join(' ; ')}`
}

/** The lines of .params that tell what the master allows. */
export function sessionParamLines(session: SessionParameters): string[] {
  return [
    `master_sesflags: ${session.flags}`,
    `master_umaskval: ${session.umask.toString(8).padStart(4, '0')}`,
    `master_maproot: ${session.rootUid}:${session.rootGid}`,
    `master_mapall: ${session.mapAllUid}:${session.mapAllGid}`,
    `master_goallimit: ${session.minGoal}:${session.maxGoal}`,
    `master_trashlimit: ${session.minTrashSeconds}:${session.maxTrashSeconds}`,
    `master_disables: 0x${session.disables.toString(16).toUpperCase()}`,
  ]
}

/** `2w3d` for seconds, in week, day, hour, minute and second parts. */
function duration(seconds: number): string {
  let left = seconds
  let shown = ''
  for (const [letter, unit] of [
    ['w', 604800],
    ['d', 86400],
    ['h', 3600],
    ['m', 60],
  ] as const) {
    if (left >= unit) shown += `${Math.floor(left / unit)}${letter}`
    left %= unit
  }
  return left > 0 || shown === '' ? `${shown}${left}s` : shown
}

function userName(uid: number): string {
  return nameIn('/etc/passwd', uid)
}

function groupName(gid: number): string {
  return nameIn('/etc/group', gid)
}

/** The name that a file of the form `NAME:x:NUMBER:…` gives the number; the number when it has none. */
function nameIn(path: string, number: number): string {
  try {
    const line = readFileSync(path, 'utf8')
      .split('\n')
      .find(candidate => candidate.split(':')[2] === String(number))
    return line?.split(':')[0] ?? String(number)
  } catch {
    return String(number)
  }
}
