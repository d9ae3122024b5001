// The command line of the daemons (spec daemons-and-config 1.1).

const actions = [
  ...([
    'start',
    'stop',
    'restart',
    'try-restart',
    'reload',
    'info',
    'test',
    'status',
    'kill',
    'restore',
    'scrub',
  ] as const),
] as const
export type Action = (typeof actions)[number]

export interface Command {
  action: Action
  foreground: boolean
  lockTimeoutSeconds: number
  /** Given with -c. */
  configFile: string | undefined
  /** -u */
  showDefaults: boolean
  /** -n */
  keepCoreLimit: boolean
  /** -i: go on although files contradict each other. */
  ignoreInconsistencies: boolean
  /** -a */
  autoRestore: boolean
  /** -x, -x -x */
  verbosity: number
  /** What is worth a remark. */
  notes: string[]
  /** Options of the configuration file, as text: given here, they count more than what the file says. */
  settings: ReadonlyMap<string, string>
}

export type CommandLine = { kind: 'command'; command: Command } | { kind: 'usage' | 'help' | 'version' }

/** A command line that differs from that of master, chunkserver and metalogger. */
export interface OwnCommandLine {
  readonly usage: string
  parse(args: readonly string[]): CommandLine
}

const LOCK_TIMEOUT_SECONDS = 1800

/** What is wanted when nothing is said. */
export const defaultCommand: Command = {
  action: 'start',
  foreground: false,
  lockTimeoutSeconds: LOCK_TIMEOUT_SECONDS,
  configFile: undefined,
  showDefaults: false,
  keepCoreLimit: false,
  ignoreInconsistencies: false,
  autoRestore: false,
  verbosity: 0,
  notes: [],
  settings: new Map(),
}

/**
 * @param restoreSwitches whether the program has -i -a -x
 * @param scrubs whether it has the action `scrub`
 */
export function parseCommandLine(args: readonly string[], restoreSwitches: boolean, scrubs = false): CommandLine {
  const command: Command = { ...defaultCommand, notes: [] }
  const words: string[] = []
  const rest = [...args]
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    if (arg === '--') {
      words.push(...rest)
      break
    }
    if (arg === '--help') return { kind: 'help' }
    if (arg === '--version') return { kind: 'version' }
    if (!arg.startsWith('-') || arg === '-') {
      words.push(arg)
      continue
    }
    for (let letters = arg.slice(1); letters !== ''; letters = letters.slice(1)) {
      const [letter = ''] = letters
      if (letter === 'v') return { kind: 'version' }
      if ('ct'.includes(letter)) {
        const value = letters.length > 1 ? letters.slice(1) : rest.shift()
        if (value === undefined || !takeValue(command, letter, value)) return { kind: 'usage' }
        break
      }
      if (!takeSwitch(command, letter, restoreSwitches)) return { kind: 'usage' }
    }
  }
  const [word = 'start', ...more] = words
  const action = actions.find(name => name === word.toLowerCase())
  if (!action || (action === 'scrub' && !scrubs) || more.length > 0) return { kind: 'usage' }
  return { kind: 'command', command: { ...command, action } }
}

function takeValue(command: Command, letter: string, value: string): boolean {
  if (letter === 'c') {
    command.configFile = value
    return true
  }
  command.lockTimeoutSeconds = Number(value)
  return /^\d{1,9}$/.test(value)
}

function takeSwitch(command: Command, letter: string, restoreSwitches: boolean): boolean {
  if ('iax'.includes(letter) && !restoreSwitches) return false
  switch (letter) {
    case 'd':
      command.notes.push('-d is the old name of -f')
      command.foreground = true
      return true
    case 'f':
      command.foreground = true
      return true
    case 'u':
      command.showDefaults = true
      return true
    case 'n':
      command.keepCoreLimit = true
      return true
    case 'i':
      command.ignoreInconsistencies = true
      return true
    case 'a':
      command.autoRestore = true
      return true
    case 'x':
      command.verbosity++
      return true
    default:
      return false
  }
}

function usageLine(program: string, restoreSwitches: boolean, scrubs: boolean): string {
  return (
    `usage: ${program} [-vfun] [-t locktimeout] [-c cfgfile]${restoreSwitches ? ' [-i] [-a] [-x [-x]]' : ''} ` +
    `[start|stop|restart|reload|info|test|kill|restore${scrubs ? '|scrub' : ''}]\n`
  )
}

/** As parseCommandLine() takes it. */
export function usageText(program: string, restoreSwitches: boolean, scrubs = false): string {
  const switches: [string, string][] = [
    ['-v', 'print the version and exit'],
    ['-f', 'stay in the foreground, messages on stderr'],
    ['-u', 'show every option that the configuration file leaves at its default'],
    ['-n', 'leave the core file limit alone'],
    ['-t N', `wait N seconds for a process to end (default ${LOCK_TIMEOUT_SECONDS})`],
    ['-c FILE', `configuration file (default /etc/mfs/${program}.cfg)`],
    ...(restoreSwitches
      ? ([
          ['-i', 'go on although metadata files contradict each other'],
          ['-a', 'use the newest valid metadata file and all changelogs (always done: accepted for compatibility)'],
          ['-x', 'say more about what is restored; twice: even more'],
        ] as [string, string][])
      : []),
    ['--help', 'this text and all options of the configuration file'],
  ]
  const verbs: (readonly [string, string])[] = [
    ['start', 'start in the background (when no action is given)'],
    ['stop', 'end the running process in order, and wait for it'],
    ['restart', 'stop, then start'],
    ['try-restart', 'restart only when it runs'],
    ['reload', 'make it read its configuration again'],
    ['info', 'make it write details about itself to the log'],
    ['test, status', 'say whether it runs: exit code 0 or 1'],
    ['kill', 'end the running process at once'],
    ['restore', restoreSwitches ? 'bring the metadata files in order, then exit' : 'nothing here'],
    ...(scrubs ? ([['scrub', 'make it read and check every chunk now, at the speed of HDD_TEST_SPEED']] as const) : []),
  ]
  const table = (rows: readonly (readonly [string, string])[]) =>
    rows.map(([name, text]) => `  ${name.padEnd(13)} ${text}\n`).join('')
  return `${usageLine(program, restoreSwitches, scrubs)}\n${table(switches)}\nactions:\n${table(verbs)}`
}
