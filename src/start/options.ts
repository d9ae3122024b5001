// The command line of `npm start`.
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'

export interface StartOptions {
  /** Absolute. */
  data: string
  /** Absolute; undefined: no mount is wanted. */
  mount: string | undefined
  /** For metaloggers; the next ones are for chunkservers, for clients, of the chunkservers, and of the monitor. */
  basePort: number
  /** Undefined: as many as the data folder has, 3 for a new one. */
  chunkservers: number | undefined
}

export type StartCommand =
  | { kind: 'start'; options: StartOptions }
  | { kind: 'help' }
  | { kind: 'error'; message: string }

export const DEFAULT_CHUNKSERVERS = 3
export const CHUNKSERVERS_MAX = 20
const DEFAULT_BASE_PORT = 9419
const PORT_MAX = 65535
/** Ports below that of the first chunkserver: metaloggers, chunkservers, clients. */
export const MASTER_PORTS = 3

export const helpText = `Starts a whole ElkFS on this machine: a master, chunkservers and a mount, each a process of its own.

usage: npm start -- [OPTION...]

  --data DIR         everything that is kept (default ./data)
  --mount DIR        where the files appear (default ./mnt)
  --no-mount         no mount: only the servers
  --chunkservers N   1 to ${CHUNKSERVERS_MAX} (default ${DEFAULT_CHUNKSERVERS}, or as many as the data folder has)
  --base-port N      first port on 127.0.0.1 (default ${DEFAULT_BASE_PORT}): N for metaloggers, N+1 for chunkservers,
                     N+2 for clients, N+3 and on the chunkservers' own, N+${MASTER_PORTS + CHUNKSERVERS_MAX} for the monitor in the browser
  --help             this text

Ctrl-C stops everything in order. The next start with the same --data has all files again.
`

const SEE_HELP = 'see: npm start -- --help'

/** @param folder what relative paths are relative to */
export function parseStartCommand(args: readonly string[], folder: string): StartCommand {
  try {
    const { values } = parseArgs({
      args: [...args],
      strict: true,
      options: {
        data: { type: 'string', default: 'data' },
        mount: { type: 'string', default: 'mnt' },
        'no-mount': { type: 'boolean', default: false },
        'base-port': { type: 'string', default: String(DEFAULT_BASE_PORT) },
        chunkservers: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
    if (values.help) return { kind: 'help' }
    const chunkservers =
      values.chunkservers === undefined ? undefined : whole('--chunkservers', values.chunkservers, 1, CHUNKSERVERS_MAX)
    const basePort = whole('--base-port', values['base-port'], 1, PORT_MAX - MASTER_PORTS - CHUNKSERVERS_MAX)
    const mount = values['no-mount'] ? undefined : resolve(folder, values.mount)
    return { kind: 'start', options: { data: resolve(folder, values.data), mount, basePort, chunkservers } }
  } catch (error) {
    return { kind: 'error', message: `${(error as Error).message}\n${SEE_HELP}` }
  }
}

function whole(option: string, text: string, min: number, max: number): number {
  const value = Number(text)
  if (/^\d+$/.test(text) && value >= min && value <= max) return value
  throw new Error(`${option} ${text}: must be a whole number ${min}..${max}`)
}
