// Finding and reading a daemon's configuration file (spec daemons-and-config 1.2).
import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { CONFIG_ROOT } from '../config/common.ts'
import type { ConfigFile, Options, Values } from '../config/option.ts'
import { type ParsedConfig, parseConfig } from '../config/parse.ts'

/** A daemon cannot start, for a reason that the administrator can remove. The message is all that is said. */
export class StartError extends Error {
  override readonly name = 'StartError'
}

export interface FoundFile {
  /** Absolute; undefined when all defaults are used. */
  path: string | undefined
  notes: string[]
}

/** @param given the file named with -c @throws StartError when that one does not exist */
export function findConfigFile(program: string, given: string | undefined): FoundFile {
  if (given !== undefined) {
    const path = resolve(given)
    if (!existsSync(path)) throw new StartError(`main config file (${path}) not found`)
    return { path, notes: [] }
  }
  const path = `${CONFIG_ROOT}/mfs/${program}.cfg`
  if (existsSync(path)) return { path, notes: [] }
  const old = `${CONFIG_ROOT}/${program}.cfg`
  if (existsSync(old)) return { path: old, notes: [`using ${old}: please move it to ${path}`] }
  return { path: undefined, notes: [`can't load config file: ${path} - using defaults`] }
}

/** The file of a default name may lie in /etc itself, where it was long ago. */
export function findListFile(path: string): string {
  const name = path.startsWith(`${CONFIG_ROOT}/mfs/`) ? path.slice(CONFIG_ROOT.length + 5) : undefined
  const old = `${CONFIG_ROOT}/${name}`
  return name && !existsSync(path) && existsSync(old) ? old : path
}

/** Relative data folders mean this one, also after the daemon has moved into its data folder. */
const startFolder = process.cwd()

/**
 * DATA_PATH comes out absolute.
 *
 * @param settings options given on the command line
 * @throws StartError when the file cannot be read
 */
export function loadConfig<O extends Options>(
  declaration: ConfigFile<O>,
  path: string | undefined,
  settings: ReadonlyMap<string, string>,
  before?: Values<O>,
): ParsedConfig<O> {
  const parsed = parseConfig(declaration, path ?? '', path === undefined ? '' : readText(path), before, settings)
  const { DATA_PATH } = parsed.values as Readonly<Record<string, unknown>>
  return { ...parsed, values: { ...parsed.values, DATA_PATH: resolve(startFolder, String(DATA_PATH)) } }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new StartError(`can't load main config file (${path}), error: ${(error as Error).message}`)
  }
}
