// Options that all daemons share (spec daemons-and-config 1.8).
import { flag, optionalText, path, text, whole } from './kinds.ts'
import type { Option } from './option.ts'

/** Where configuration files and data folders are when nothing else is said. */
export const CONFIG_ROOT = '/etc'
export const DATA_ROOT = '/var/lib/mfs'

const DEFAULT_USER = 'mfs'

export function commonOptions<const Program extends string>(program: Program) {
  return {
    WORKING_USER: {
      kind: text,
      default: DEFAULT_USER,
      doc: 'User to run as when started by root: a name, or # and a number.',
      needsRestart: true,
    },
    WORKING_GROUP: {
      kind: optionalText,
      default: DEFAULT_USER as string | undefined,
      doc: 'Group to run as when started by root; empty: the primary group of WORKING_USER.',
      needsRestart: true,
    },
    SYSLOG_IDENT: {
      kind: text,
      default: program as string,
      doc: 'Name in the system log and in start messages.',
      needsRestart: true,
    },
    LOCK_MEMORY: {
      kind: flag,
      default: false,
      doc: 'Keep the process in memory, never in swap.',
      needsRestart: true,
    },
    LIMIT_GLIBC_MALLOC_ARENAS: {
      kind: whole(),
      default: 4,
      doc: 'Memory arenas of glibc.',
      needsRestart: true,
      ignored: 'this program does not keep its data in memory of glibc',
    },
    DISABLE_OOM_KILLER: {
      kind: flag,
      default: true,
      doc: 'Ask the system not to kill this process when memory runs out.',
      needsRestart: true,
    },
    NICE_LEVEL: {
      kind: whole({ min: -20, max: 19 }),
      default: -19,
      doc: 'Scheduling priority, -20 (first) to 19 (last).',
      needsRestart: true,
    },
    FILE_UMASK: {
      kind: whole({ min: 0, max: 0o777 }),
      default: 0o027,
      doc: 'Rights taken away from new files; octal when written with a leading 0.',
      needsRestart: true,
    },
    DATA_PATH: {
      kind: path,
      default: DATA_ROOT,
      doc: 'Folder of all files that the daemon keeps; its working folder.',
      needsRestart: true,
    },
  } satisfies Record<string, Option<unknown>>
}
