// The command line of mfsmount and mfsmount.cfg (spec daemons-and-config 9). Every option is declared once, below.

/** Bounds, default and effect of one option `NAME` or `NAME=VALUE`. */
interface OptionDeclaration {
  readonly kind: 'flag' | 'text' | 'number' | 'seconds'
  readonly help: string
  readonly fallback?: string | number
  readonly min?: number
  readonly max?: number
  /** In messages about the bounds: what the value is, and its unit. */
  readonly subject?: string
  readonly unit?: string
  /** Accepted and reported by .params, but changes nothing here; the text says why. */
  readonly noEffect?: string
}

type More = Partial<Omit<OptionDeclaration, 'kind' | 'help'>>
const flag = <M extends More>(help: string, more?: M) => ({ kind: 'flag' as const, help, ...(more as M) })
const text = <M extends More>(help: string, more?: M) => ({ kind: 'text' as const, help, ...(more as M) })
const number = (help: string, fallback: number, min: number, max: number, more: More = {}) => ({
  kind: 'number' as const,
  help,
  min,
  max,
  ...more,
  fallback,
})
const seconds = (help: string, fallback: number, subject: string) => ({
  kind: 'seconds' as const,
  help,
  fallback,
  min: 0,
  max: 86400,
  subject,
})

/** The options of -o in the order in which .params shows them. */
const declarations = {
  mfsmaster: text('name or address of the master', { fallback: 'mfsmaster' }),
  mfsport: text('port of the master', { fallback: '9421' }),
  mfsbind: text('local address to connect from'),
  mfsproxy: text('local address where the command line tools reach the master', { fallback: '127.0.0.1' }),
  mfssubfolder: text('folder of the file system to mount', { fallback: '/' }),
  mfspassword: text('password'),
  mfspassfile: text('file with the password in its first line'),
  mfsmd5pass: text('MD5 of the password, in hexadecimal'),
  mfspreflabels: text('labels of chunkservers to prefer, up to nine expressions separated by ;', {
    noEffect: 'copies are chosen by their distance only',
  }),
  mfsrlimitnofile: number('wanted number of open files', 100000, 0, 1e9, {
    noEffect: 'open files of the mount need no descriptors',
  }),
  mfsnice: number('priority of the process', -19, -20, 19),
  mfssuid: flag('let set-uid programs work'),
  mfsdev: flag('let device files work'),
  mfsmemlock: flag('keep the process in memory', { noEffect: 'memory is not locked' }),
  mfslimitarenas: number('limit of malloc arenas', 4, 0, 1e9, { noEffect: 'the process has one allocator' }),
  mfsallowoomkiller: flag('let the kernel end the process when memory runs out'),
  nonempty: flag('mount over a folder with something in it'),
  mfswritecachesize: number('MiB of data waiting to be written', 256, 16, 2048, {
    subject: 'write cache size',
    unit: ' MiB',
  }),
  mfsreadaheadsize: number('MiB of data read ahead', 256, 16, 2048, { subject: 'read ahead size', unit: ' MiB' }),
  mfsreadaheadleng: number('bytes to read ahead of a sequential reader', 1048576, 131072, 2097152, {
    subject: 'read ahead length',
    unit: ' bytes',
  }),
  mfsreadaheadtrigger: number('bytes read in sequence before reading ahead begins', 10485760, 0, 1e15),
  mfserroronlostchunk: flag('fail at once when no copy of a chunk exists'),
  mfserroronnospace: flag('fail at once when there is no space'),
  mfsioretries: number('tries before an I/O error', 30, 1, 1e9),
  mfstimeout: number('seconds before an I/O error, 0 for no limit', 0, 0, 1e9),
  mfslogretry: number('first try that is logged', 5, 0, 1e9),
  mfsdebug: flag('log every request'),
  mfsmeta: flag('mount the trash and the files still in use'),
  mfsflattrash: flag('one trash folder instead of 4096 (with mfsmeta)'),
  mfsdelayedinit: flag('mount now and connect to the master when it is there'),
  mfsdonotrememberpassword: flag('forget the password once registered'),
  mfscachefiles: flag('old form of mfscachemode=YES'),
  mfsnoxattrs: flag('no extended attributes'),
  mfsnoposixlocks: flag('fcntl locks hold on this machine only'),
  mfsnobsdlocks: flag('flock locks hold on this machine only'),
  mfscachemode: text('AUTO (the master decides), YES, NO or DIRECT', { fallback: 'AUTO' }),
  mfsmkdircopysgid: number('new folders take the set-gid bit of their parent', 1, 0, 1),
  mfssugidclearmode: text('how chown clears set-uid and set-gid: NEVER ALWAYS OSX BSD EXT XFS', { fallback: 'EXT' }),
  mfsattrcacheto: seconds('how long attributes are believed', 1, 'attribute cache timeout'),
  mfsxattrcacheto: seconds('how long extended attributes are believed', 30, 'xattr cache timeout'),
  mfsentrycacheto: seconds('how long names of files are believed', 0, 'entry cache timeout'),
  mfsdirentrycacheto: seconds('how long names of folders are believed', 1, 'direntry cache timeout'),
  mfsnegentrycacheto: seconds('how long missing names are believed', 0, 'negative entry cache timeout'),
  mfssymlinkcacheto: seconds('how long link targets are believed', 300, 'symlink cache timeout'),
  mfsgroupscacheto: seconds('how long the groups of a process are believed', 300, 'groups cache timeout'),
  mfsfsyncmintime: {
    ...seconds('close waits for the data only when the file was open longer than this', 0, 'fsync min time'),
    noEffect: 'close always waits for the data: what is closed can be read everywhere, and its errors are told',
  },
  mfsfsyncbeforeclose: flag('close always waits for the data'),
  // Not in the original.
  fsync: text('what fsync and close wait for: disk (the disks of all copies), or memory (of their servers: faster)', {
    fallback: 'disk',
  }),
  busypoll: number(
    'microseconds to look for an answer before sleeping: sooner, for more processor time',
    600,
    0,
    10_000,
  ),
  writeback: flag('let the kernel gather small writes (other clients see them later)'),
} as const satisfies Record<string, OptionDeclaration>

type Declarations = typeof declarations
type ValueOf<D> = D extends { kind: 'flag' }
  ? boolean
  : D extends { kind: 'number' | 'seconds' }
    ? number
    : D extends { fallback: string }
      ? string
      : string | undefined

export type MountValues = { -readonly [K in keyof Declarations]: ValueOf<Declarations[K]> }

export interface MountCommand {
  /** An absolute or relative path as it was given. */
  mountPoint: string
  values: MountValues
  /** Names of the options that were given, wherever. */
  given: Set<string>
  readOnly: boolean
  noExec: boolean
  noAtime: boolean
  allowOther: boolean
  foreground: boolean
  debug: boolean
  askPassword: boolean
  /** What the person should know, a line each. */
  warnings: string[]
}

export type ParsedCommand =
  | { kind: 'mount'; command: MountCommand }
  | { kind: 'help' }
  | { kind: 'version' }
  | { kind: 'error'; message: string; seeHelp: boolean }

/** Where the file of default options is looked for, in this order. */
export const configFiles = ['/etc/mfs/mfsmount.cfg', '/etc/mfsmount.cfg']

/** Options that the system's mount command or other file systems use and that need nothing from us. */
const ignored = new Set([
  'rw',
  'exec',
  'atime',
  'relatime',
  'norelatime',
  'strictatime',
  'diratime',
  'nodiratime',
  'async',
  'auto',
  'noauto',
  'user',
  'nouser',
  'users',
  'group',
  'owner',
  'defaults',
  '_netdev',
  'nofail',
  'nosuid',
  'nodev',
  'allow_other',
  'big_writes',
  'clone_fd',
  'auto_unmount',
])
const ignoredPrefixes = [
  'fsname=',
  'subtype=',
  'comment=',
  'x-',
  'max_idle_threads',
  'max_threads',
  'max_read',
  'uhelper=',
]

const aliases: Record<string, string> = {
  mfsnoxattr: 'mfsnoxattrs',
  mfsnoposixlock: 'mfsnoposixlocks',
  mfsnobsdlock: 'mfsnobsdlocks',
  suid: 'mfssuid',
  dev: 'mfsdev',
  writeback_cache: 'writeback',
}

class UsageError extends Error {
  override readonly name = 'UsageError'
}

class CommandParser {
  readonly #read: (path: string) => string | undefined
  readonly #raw = new Map<string, string | true>()
  readonly #warnings: string[] = []
  readonly #positional: string[] = []
  #defaultMountPoint: string | undefined
  #configFile: string | undefined
  #special: 'help' | 'version' | undefined
  #noStandardOptions = false
  #readOnly = false
  #noExec = false
  #noAtime = false
  #foreground = false
  #debug = false
  #askPassword = false

  constructor(read: (path: string) => string | undefined) {
    this.#read = read
  }

  parse(args: readonly string[]): ParsedCommand {
    this.#arguments(args)
    if (this.#special) return { kind: this.#special }
    this.#configuration()
    const mountPoint = this.#place()
    const values = this.#values()
    return {
      kind: 'mount',
      command: {
        mountPoint,
        values,
        given: new Set(this.#raw.keys()),
        readOnly: this.#readOnly,
        noExec: this.#noExec,
        noAtime: this.#noAtime,
        allowOther: !this.#noStandardOptions || this.#raw.has('allow_other'),
        foreground: this.#foreground || this.#debug,
        debug: this.#debug || values.mfsdebug,
        askPassword: this.#askPassword,
        warnings: this.#warnings,
      },
    }
  }

  #arguments(args: readonly string[]): void {
    const queue = [...args]
    const short: Record<string, string> = {
      c: 'mfscfgfile',
      H: 'mfsmaster',
      P: 'mfsport',
      B: 'mfsbind',
      L: 'mfsproxy',
      S: 'mfssubfolder',
    }
    for (let arg = queue.shift(); arg !== undefined; arg = queue.shift()) {
      if (arg === '--') {
        this.#positional.push(...queue)
        return
      }
      if (arg.startsWith('--')) this.#long(arg)
      else if (!arg.startsWith('-') || arg === '-') this.#positional.push(arg)
      else {
        // A cluster of single letters, the last of which may take a value: -fd, -H host, -Hhost, -oa,b.
        for (let i = 1; i < arg.length; i++) {
          const letter = arg[i] as string
          const option = short[letter]
          if (option === undefined && letter !== 'o') {
            this.#letter(letter)
            continue
          }
          const value = arg.length > i + 1 ? arg.slice(i + 1) : queue.shift()
          if (value === undefined) throw new UsageError(`missing argument after '-${letter}'`)
          if (option) this.#option(`${option}=${value}`)
          else this.#options(value)
          break
        }
      }
    }
  }

  #long(arg: string): void {
    switch (arg) {
      case '--help':
        this.#special = 'help'
        break
      case '--version':
        this.#special = 'version'
        break
      case '--meta':
        this.#option('mfsmeta')
        break
      case '--password':
        this.#askPassword = true
        break
      case '--nostdopts':
        this.#noStandardOptions = true
        break
      default:
        throw new UsageError(`unknown option: '${arg}'`)
    }
  }

  #letter(letter: string): void {
    switch (letter) {
      case 'h':
        this.#special = 'help'
        break
      case 'V':
        this.#special = 'version'
        break
      case 'm':
        this.#option('mfsmeta')
        break
      case 'p':
        this.#askPassword = true
        break
      case 'n':
        this.#noStandardOptions = true
        break
      case 'f':
        this.#foreground = true
        break
      case 'd':
        this.#debug = true
        break
      case 's':
        // Single thread, which we are.
        break
      // mount(8) may pass -r -w -v to its helpers.
      case 'r':
        this.#readOnly = true
        break
      case 'w':
      case 'v':
        break
      default:
        throw new UsageError(`unknown option: '-${letter}'`)
    }
  }

  #options(list: string): void {
    // A comma inside a value is written as `\,`.
    for (const item of list.split(/(?<!\\),/)) if (item !== '') this.#option(item.replaceAll('\\,', ','))
  }

  #option(item: string): void {
    const [given = '', ...rest] = item.split('=')
    const name = aliases[given] ?? given
    const value = rest.length > 0 ? rest.join('=') : undefined
    if (name === 'mfscfgfile') this.#configFile = value
    else if (name in declarations) this.#declared(name as keyof Declarations, value)
    else if (name === 'ro') this.#readOnly = true
    else if (name === 'noexec') this.#noExec = true
    else if (name === 'noatime') this.#noAtime = true
    else if (name === 'debug') this.#debug = true
    else if (name === 'allow_other') this.#raw.set(name, true)
    else if (ignored.has(name) || ignoredPrefixes.some(prefix => item.startsWith(prefix))) return
    else if (['sync', 'dirsync', 'allow_root', 'default_permissions', 'kernel_cache', 'auto_cache'].includes(name)) {
      this.#warnings.push(`option '${name}' has no effect`)
    } else throw new UsageError(`unknown option: '${item}'`)
  }

  #declared(name: keyof Declarations, value: string | undefined): void {
    const { kind } = declarations[name]
    if (kind === 'flag') this.#raw.set(name, true)
    else if (value === undefined) throw new UsageError(`option '${name}' needs a value`)
    else this.#raw.set(name, value)
  }

  /** The options of the file come after those of the command line, so the file wins where both speak. */
  #configuration(): void {
    const named = this.#configFile
    const paths = named === undefined ? configFiles : [named]
    let content: string | undefined
    for (const path of paths) content ??= this.#read(path)
    if (content === undefined) {
      if (named !== undefined) throw new UsageError(`cfg file (${named}) doesn't exist`)
      return
    }
    for (const rawLine of content.split('\n')) {
      const line = rawLine.trim()
      if (line === '' || line.startsWith('#') || line.startsWith(';')) continue
      if (line.startsWith('-')) {
        const [first = '', ...more] = line.split(/\s+/)
        this.#arguments([first, ...(more.length > 0 ? [more.join(' ')] : [])])
      } else if (line.startsWith('/')) this.#defaultMountPoint = line
      else this.#options(line)
    }
  }

  /** One word is the mount point; of two, the first is HOST[:PORT]:[PATH]. */
  #place(): string {
    const words = this.#positional
    const device = words.length > 1 || (words.length === 1 && this.#defaultMountPoint && isDevice(words[0] as string))
    if (device) this.#device(words.shift() as string)
    if (words.length > 1) throw new UsageError(`unexpected argument: '${words[1]}'`)
    const mountPoint = words[0] ?? this.#defaultMountPoint
    if (mountPoint === undefined) throw new UsageError('no mount point')
    return mountPoint
  }

  #device(device: string): void {
    if (!isDevice(device)) throw new UsageError(`unexpected argument: '${device}'`)
    const [host = '', ...parts] = device.replace(/^mfs(meta)?#/, '').split(':')
    const set = (name: string, value: string) => {
      // What is said with -o or -H is more particular.
      if (value !== '' && !this.#raw.has(name)) this.#raw.set(name, value)
    }
    set('mfsmaster', host)
    if (parts.length > 0 && /^\d+$/.test(parts[0] as string)) set('mfsport', parts.shift() as string)
    set('mfssubfolder', parts.join(':'))
  }

  #values(): MountValues {
    const values: Record<string, string | number | boolean | undefined> = {}
    for (const [name, declaration] of Object.entries<OptionDeclaration>(declarations)) {
      const raw = this.#raw.get(name)
      if (raw !== undefined && declaration.noEffect) {
        this.#warnings.push(`option '${name}' has no effect: ${declaration.noEffect}`)
      }
      if (declaration.kind === 'flag') values[name] = raw !== undefined
      else if (declaration.kind === 'text') values[name] = raw ?? declaration.fallback
      else values[name] = raw === undefined ? declaration.fallback : this.#bounded(name, declaration, String(raw))
    }
    const result = values as MountValues
    this.#check(result)
    return result
  }

  #bounded(
    name: string,
    { kind, min = 0, max = 0, subject = name, unit = '' }: OptionDeclaration,
    raw: string,
  ): number {
    const value = raw.trim() === '' ? Number.NaN : Number(raw)
    if (!Number.isFinite(value) || (kind === 'number' && !Number.isInteger(value))) {
      throw new UsageError(`option '${name}': '${raw}' is not a number`)
    }
    const show = (bound: number) => (kind === 'seconds' ? bound.toFixed(2) : String(bound))
    if (value < min)
      this.#warnings.push(`${subject} too low (${show(value)}${unit}) - increased to ${show(min)}${unit}`)
    if (value > max)
      this.#warnings.push(`${subject} too big (${show(value)}${unit}) - decreased to ${show(max)}${unit}`)
    return Math.min(max, Math.max(min, value))
  }

  #check(values: MountValues): void {
    if (values.mfspassfile !== undefined && (values.mfspassword !== undefined || values.mfsmd5pass !== undefined)) {
      throw new UsageError('mfspassfile option is mutually exclusive with mfspassword and mfsmd5pass')
    }
    if (this.#raw.has('mfscachefiles')) {
      if (this.#raw.has('mfscachemode')) {
        throw new UsageError('mfscachemode and mfscachefiles options are exclusive - use only mfscachemode')
      }
      values.mfscachemode = 'YES'
    }
    if (cacheModeOf(values.mfscachemode) === undefined) throw new UsageError('unrecognized cachemode option')
    if (sugidClearModeOf(values.mfssugidclearmode) === undefined) {
      throw new UsageError('unrecognized sugidclearmode option')
    }
    if (values.mfspreflabels !== undefined && !isLabelExpression(values.mfspreflabels)) {
      throw new UsageError('error parsing preferred labels expression')
    }
    if (values.mfsmd5pass !== undefined && !/^[0-9a-fA-F]{32}$/.test(values.mfsmd5pass)) {
      throw new UsageError('mfsmd5pass: 32 hexadecimal digits expected')
    }
    if (values.fsync !== 'disk' && values.fsync !== 'memory') throw new UsageError('fsync: disk or memory expected')
    if (!/^\d{1,5}$/.test(values.mfsport)) throw new UsageError(`mfsport: '${values.mfsport}' is not a port`)
    if (values.mfsfsyncbeforeclose) values.mfsfsyncmintime = 0
  }
}

function isDevice(word: string): boolean {
  return word.includes(':')
}

/** Does the grammar of mfspreflabels take it: letters side by side, `+`, parentheses or brackets, `;` up to nine? */
function isLabelExpression(expression: string): boolean {
  const parts = expression.replace(/\s/g, '').split(';')
  return parts.length <= 9 && parts.every(isLabelSum)
}

function isLabelSum(part: string): boolean {
  let text = part
  for (let before = ''; before !== text; ) {
    before = text
    text = text.replace(/\([A-Za-z]+(\+[A-Za-z]+)*\)|\[[A-Za-z]+(\+[A-Za-z]+)*\]/g, 'a')
  }
  return /^[A-Za-z]+(\+[A-Za-z]+)*$/.test(text)
}

export type CacheMode = 'AUTO' | 'YES' | 'NO' | 'DIRECT'

const cacheModes: Record<string, CacheMode> = {
  AUTO: 'AUTO',
  YES: 'YES',
  ALWAYS: 'YES',
  NO: 'NO',
  NONE: 'NO',
  NEVER: 'NO',
  DIRECT: 'DIRECT',
}

export function cacheModeOf(word: string): CacheMode | undefined {
  return cacheModes[word.toUpperCase()]
}

/** The number that SETATTR carries (spec client-master 5.2, rule 4). */
export function sugidClearModeOf(word: string): number | undefined {
  const mode = ['NEVER', 'ALWAYS', 'OSX', 'BSD', 'EXT', 'XFS'].indexOf(word.toUpperCase())
  return mode < 0 ? undefined : mode
}

/** @param read the content of a file, or undefined when it does not exist */
export function parseCommand(args: readonly string[], read: (path: string) => string | undefined): ParsedCommand {
  try {
    return new CommandParser(read).parse(args)
  } catch (error) {
    if (error instanceof UsageError) return { kind: 'error', message: error.message, seeHelp: true }
    throw error
  }
}

export function helpText(): string {
  const lines = [
    'usage: mfsmount [HOST[:PORT]:[PATH]] [options] mountpoint',
    '',
    'general options:',
    '    -o opt[,opt...]             mount options',
    '    -h   --help                 print help',
    '    -V   --version              print version',
    '    -d   -o debug               log every request (implies -f)',
    '    -f                          stay in the foreground',
    '    -s                          accepted: there is one thread',
    '',
    'MFS options:',
    '    -c CFGFILE                  -o mfscfgfile=CFGFILE',
    '    -m   --meta                 -o mfsmeta',
    '    -H HOST                     -o mfsmaster=HOST',
    '    -P PORT                     -o mfsport=PORT',
    '    -B IP                       -o mfsbind=IP',
    '    -L IP                       -o mfsproxy=IP',
    '    -S PATH                     -o mfssubfolder=PATH',
    '    -p   --password             ask for the password',
    '    -n   --nostdopts            do not add -o allow_other',
    `    -o mfscfgfile=CFGFILE       file with more options (default: ${configFiles.join(' or ')})`,
  ]
  for (const [name, { kind, help, fallback, noEffect }] of Object.entries<OptionDeclaration>(declarations)) {
    const form = kind === 'flag' ? name : `${name}=${kind === 'text' ? 'TEXT' : kind === 'seconds' ? 'SEC' : 'N'}`
    const preset = fallback === undefined ? '' : ` (default: ${fallback})`
    lines.push(`    -o ${form.padEnd(24)} ${help}${preset}${noEffect ? ` - no effect: ${noEffect}` : ''}`)
  }
  lines.push(
    '',
    'mount options: ro rw suid dev noexec noatime allow_other, and those that concern mount(8) and fstab only',
  )
  return `${lines.join('\n')}\n`
}

/** The lines of .params for the options. */
export function paramLines(values: MountValues, given: Set<string>): string[] {
  return Object.entries<OptionDeclaration>(declarations).map(([name, { kind }]) => {
    const value = values[name as keyof MountValues]
    const secret = name === 'mfspassword' || name === 'mfsmd5pass'
    const unset = value === undefined || value === false || (kind === 'text' && value === '')
    const optional = ['mfscachemode', 'mfssugidclearmode'].includes(name) && !given.has(name)
    if (unset || optional) return `${name}: (not defined)`
    if (secret) return `${name}: (defined)`
    if (kind === 'seconds') return `${name}: ${Number(value).toFixed(3)}`
    return `${name}: ${value === true ? '(defined)' : value}`
  })
}
