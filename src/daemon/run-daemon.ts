// A daemon as a process: from its command line to its exit code (spec daemons-and-config 1).
import { existsSync, writeFileSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import type { commonOptions } from '../config/common.ts'
import { describeOptions } from '../config/describe.ts'
import type { ConfigFile, Values } from '../config/option.ts'
import type { Env } from '../env/env.ts'
import { setPriorityOfThreads } from '../env/priority.ts'
import { realEnv } from '../env/real.ts'
import { isBackgroundProcess, runInBackground, tellReady } from './background.ts'
import { type Command, type OwnCommandLine, parseCommandLine, usageText } from './command-line.ts'
import { findConfigFile, loadConfig, StartError } from './config-file.ts'
import { LockFile, lockFilePath, lockOwner } from './lock-file.ts'
import { Messages, writeTerminal } from './messages.ts'
import { endOwner, trySignal } from './owner.ts'
import { lockMemory, Resource, raiseLimit } from './system.ts'
import { become, resolveIdentity } from './user.ts'

type DaemonOptions = ReturnType<typeof commonOptions<string>>

/** The options that every daemon has, out of its own ones: the compiler cannot see that they are among `Values<O>`. */
function common<O extends DaemonOptions>(config: Values<O>): Values<DaemonOptions> {
  return config as unknown as Values<DaemonOptions>
}

/** What a daemon gets to start with. */
export interface DaemonContext<C> {
  readonly env: Env
  readonly config: C
  readonly command: Command
  /** What the configuration file says now; empty for an option that it does not set. */
  configValue(option: string): string
  /** Ends the process after a mistake that cannot be lived with: the message is logged, the exit code is 1. */
  fatal(error: Error): void
}

/** A daemon that serves. */
export interface RunningDaemon<C> {
  /** Ends everything in order. */
  stop(): Promise<void>
  /** Takes on a new configuration; throws when it keeps the old one. */
  reload(config: C): Promise<void>
  /** Writes details about itself to the log. */
  info?(): void
  /** The action `scrub`: checks all its data, beginning now. */
  scrub?(): void
}

export interface DaemonProgram<O extends DaemonOptions> {
  /** The command: `mfsmaster`. */
  readonly name: string
  /** What -v prints after `version: `. */
  readonly version: string
  /** One line for --help. */
  readonly description: string
  readonly configFile: ConfigFile<O>
  /** Wanted limit of open files. */
  readonly openFiles: number
  /** Options that a reload takes on; others that have changed keep their value until the next start. */
  readonly reloads: readonly string[]
  /** Whether it has the switches -i -a -x. */
  readonly restoreSwitches: boolean
  /** Whether it has the action `scrub`. */
  readonly scrubs?: boolean
  /** Instead of the usual one. */
  readonly commandLine?: OwnCommandLine
  /** How long it waits awake for what follows a message. */
  busyPollMicroseconds?(config: Values<O>): number
  /** Resolves once it serves. @throws StartError with the reason why it can't */
  start(context: DaemonContext<Values<O>>): Promise<RunningDaemon<Values<O>>>
  /** The action `restore`. */
  restore?(context: DaemonContext<Values<O>>): Promise<void>
}

/** Runs the program and ends the process. */
export async function runDaemon<O extends DaemonOptions>(program: DaemonProgram<O>): Promise<never> {
  process.exit(await run(program, process.argv.slice(2)))
}

async function run<O extends DaemonOptions>(program: DaemonProgram<O>, args: string[]): Promise<number> {
  const { parse, usage } = program.commandLine ?? usualCommandLine(program)
  const line = parse(args)
  switch (line.kind) {
    case 'version':
      process.stdout.write(`version: ${program.version}\n`)
      return 0
    case 'usage':
      process.stdout.write(usage)
      return 1
    case 'help':
      process.stdout.write(`${program.description}\n\n${usage}`)
      process.stdout.write(`\noptions of ${program.name}.cfg (OPTION = value):\n${describeOptions(program.configFile)}`)
      return 0
    case 'command':
      return new Process(program, line.command).run()
  }
}

function usualCommandLine<O extends DaemonOptions>(program: DaemonProgram<O>): OwnCommandLine {
  const { name, restoreSwitches, scrubs } = program
  return {
    usage: usageText(name, restoreSwitches, scrubs),
    parse: args => parseCommandLine(args, restoreSwitches, scrubs),
  }
}

class Process<O extends DaemonOptions> {
  readonly #program: DaemonProgram<O>
  readonly #command: Command
  #configPath: string | undefined
  #written: ReadonlyMap<string, string> = new Map()

  constructor(program: DaemonProgram<O>, command: Command) {
    this.#program = program
    this.#command = command
  }

  async run(): Promise<number> {
    try {
      return await this.#act()
    } catch (error) {
      if (!(error instanceof StartError)) throw error
      writeTerminal(`${error.message}\n`)
      return 1
    }
  }

  async #act(): Promise<number> {
    const { action, foreground } = this.#command
    switch (action) {
      case 'start':
      case 'restart':
      case 'try-restart':
      case 'restore':
        if (!foreground && !isBackgroundProcess()) return runInBackground()
        return this.#work()
      case 'stop':
      case 'kill':
        return this.#end(action)
      case 'reload':
        return this.#signal('SIGHUP', 'reload')
      case 'info':
        return this.#signal('SIGUSR1', 'info')
      case 'scrub':
        return this.#signal('SIGUSR2', 'scrub')
      case 'test':
      case 'status':
        return this.#test()
    }
  }

  /** Reads the configuration, says what is to be said about it, and refuses it when a value makes no sense. */
  #loadConfig(): Values<O> {
    const found = findConfigFile(this.#program.name, this.#command.configFile)
    this.#configPath = found.path
    const { values, warnings, errors, written } = loadConfig(
      this.#program.configFile,
      found.path,
      this.#command.settings,
    )
    for (const note of [...this.#command.notes, ...found.notes, ...warnings]) writeTerminal(`${note}\n`)
    if (errors.length > 0) throw new StartError(errors.join('\n'))
    this.#written = written
    if (this.#command.showDefaults) {
      for (const [name, { kind, default: standard }] of Object.entries(this.#program.configFile.options)) {
        if (written.has(name)) continue
        writeTerminal(`config: using default value for option '${name}' - '${kind.print(standard as never)}'\n`)
      }
    }
    return values
  }

  /** For talking to a process that runs: what is odd in its file is no reason not to, and was said when it started. */
  #lockPath(): string {
    const { path } = findConfigFile(this.#program.name, this.#command.configFile)
    const { values } = loadConfig(this.#program.configFile, path, this.#command.settings)
    return lockFilePath(common(values).DATA_PATH, this.#program.name)
  }

  #owner(path = this.#lockPath()): number | undefined {
    try {
      return lockOwner(path)
    } catch (error) {
      throw new StartError(`can't look at the lock file ${path}: ${(error as Error).message}`)
    }
  }

  #test(): number {
    const pid = this.#owner()
    const { name } = this.#program
    writeTerminal(pid === undefined ? `${name} is not running\n` : `${name} pid: ${pid}\n`)
    return pid === undefined ? 1 : 0
  }

  #signal(signal: NodeJS.Signals, what: string): number {
    const pid = this.#owner()
    if (pid === undefined) {
      writeTerminal(`can't find process to send ${what} signal\n`)
      return 1
    }
    if (!trySignal(pid, signal)) return 1
    writeTerminal(`${what} signal has been sent\n`)
    return 0
  }

  async #end(action: 'stop' | 'kill'): Promise<number> {
    const path = this.#lockPath()
    if (this.#owner(path) === undefined) {
      writeTerminal("can't find process to terminate\n")
      return 0
    }
    const signal = action === 'stop' ? 'SIGTERM' : 'SIGKILL'
    return (await endOwner(() => lockOwner(path), signal, this.#command.lockTimeoutSeconds)) ? 0 : 1
  }

  /** start, restart, try-restart and restore, in the process that does the work. */
  async #work(): Promise<number> {
    const config = this.#loadConfig()
    const { SYSLOG_IDENT, DATA_PATH } = common(config)
    const messages = new Messages(SYSLOG_IDENT, this.#command.foreground)
    const { log } = messages
    this.#becomeKnown()
    messages.openLog()
    this.#prepareProcess(common(config), log)
    messages.useFileInstead(`${DATA_PATH}/${this.#program.name}.log`)
    if (!(await this.#lock(DATA_PATH, log))) return 1
    const life = new Life(
      this.#program,
      this.#command,
      { config, path: this.#configPath, written: this.#written },
      messages,
    )
    return this.#command.action === 'restore' ? life.restore() : life.live()
  }

  /** ps, pidof and top show the name of the command, not that of Node. */
  #becomeKnown(): void {
    process.title = [this.#program.name, ...process.argv.slice(2)].join(' ')
    attempt(() => writeFileSync('/proc/self/comm', this.#program.name))
  }

  /** Limits, priority, user, working folder and umask (spec daemons-and-config 1.3). */
  #prepareProcess(config: Values<DaemonOptions>, log: Env['log']): void {
    const { openFiles } = this.#program
    log.info(`open files limit has been set to: ${raiseLimit(Resource.NOFILE, openFiles)}`)
    if (!this.#command.keepCoreLimit) raiseLimit(Resource.CORE, 'unlimited')
    if (config.LOCK_MEMORY) {
      raiseLimit(Resource.MEMLOCK, 'unlimited')
      attempt(
        () => lockMemory(),
        why => log.warning(`can't lock memory: ${why}`),
      )
    }
    if (config.DISABLE_OOM_KILLER) attempt(() => writeFileSync('/proc/self/oom_score_adj', '-1000'))
    attempt(() => setPriorityOfThreads(config.NICE_LEVEL))
    if (process.geteuid?.() === 0) {
      const identity = resolveIdentity(config.WORKING_USER, config.WORKING_GROUP)
      if (identity.uid !== 0 || identity.gid !== 0) {
        become(identity)
        log.info(`set gid to ${identity.gid}`)
        log.info(`set uid to ${identity.uid}`)
      }
    }
    log.info(`working directory: ${config.DATA_PATH}`)
    attempt(
      () => process.chdir(config.DATA_PATH),
      why => {
        throw new StartError(`can't set working directory to ${config.DATA_PATH}: ${why}`)
      },
    )
    process.umask(config.FILE_UMASK & 0o77)
  }

  async #lock(folder: string, log: Env['log']): Promise<boolean> {
    const path = lockFilePath(folder, this.#program.name)
    let lock: LockFile
    try {
      lock = new LockFile(path)
    } catch (error) {
      const isOthers = (error as NodeJS.ErrnoException).code === 'EACCES' && existsSync(path)
      const hint = isOthers ? `: it belongs to another user; remove it when no ${this.#program.name} runs` : ''
      throw new StartError(`can't create the lock file ${path}: ${(error as Error).message}${hint}`)
    }
    const { action, lockTimeoutSeconds } = this.#command
    if (action === 'try-restart' && lock.owner() === undefined) {
      log.error("can't find process to restart")
      return false
    }
    while (!lock.tryTake()) {
      if (action === 'start') {
        const owner = lock.owner()
        log.error(`can't start: lockfile is already locked by another process${owner ? ` (pid:${owner})` : ''}`)
        return false
      }
      if (!(await endOwner(() => lock.owner(), 'SIGTERM', lockTimeoutSeconds))) return false
    }
    log.info('lockfile created and locked')
    return true
  }
}

interface LoadedConfig<O extends DaemonOptions> {
  config: Values<O>
  /** Undefined when there is no file. */
  path: string | undefined
  written: ReadonlyMap<string, string>
}

/** The time between the lock and the exit. */
class Life<O extends DaemonOptions> {
  readonly #program: DaemonProgram<O>
  readonly #configPath: string | undefined
  readonly #messages: Messages
  readonly #context: DaemonContext<Values<O>>
  #config: Values<O>
  #written: ReadonlyMap<string, string>
  #running: RunningDaemon<Values<O>> | undefined
  #reloading: Promise<void> = Promise.resolve()
  #stopWanted = false
  #finish: ((code: number) => void) | undefined

  constructor(
    program: DaemonProgram<O>,
    command: Command,
    { config, path, written }: LoadedConfig<O>,
    messages: Messages,
  ) {
    this.#program = program
    this.#config = config
    this.#configPath = path
    this.#written = written
    this.#messages = messages
    this.#context = {
      env: realEnv(messages.log, program.busyPollMicroseconds?.(config)),
      config,
      command,
      configValue: option => this.#written.get(option) ?? '',
      fatal: error => this.#fatal(error),
    }
  }

  /** Resolves to the exit code. */
  async live(): Promise<number> {
    const { log } = this.#context.env
    const ident = common(this.#config).SYSLOG_IDENT
    this.#handleSignals()
    this.#handleMistakes()
    log.info(`initializing ${ident} modules ...`)
    const finished = new Promise<number>(resolve => {
      this.#finish = resolve
    })
    try {
      this.#running = await this.#program.start(this.#context)
    } catch (error) {
      log.error(error instanceof StartError ? error.message : describe(error))
      log.error('error occurred during initialization - exiting')
      return 1
    }
    log.info(`${ident} daemon initialized properly`)
    this.#messages.started()
    if (isBackgroundProcess()) tellReady()
    if (this.#stopWanted) void this.#stop()
    return finished
  }

  async restore(): Promise<number> {
    const { log } = this.#context.env
    if (!this.#program.restore) {
      log.info(`not implemented in the ${this.#program.name.replace(/^mfs/, '')}`)
      return 0
    }
    try {
      await this.#program.restore(this.#context)
      return 0
    } catch (error) {
      log.error(error instanceof StartError ? error.message : describe(error))
      return 1
    }
  }

  #handleSignals(): void {
    const { log } = this.#context.env
    const { foreground } = this.#context.command
    const terminate = () => {
      if (this.#stopWanted) return
      this.#stopWanted = true
      log.notice('terminate signal received')
      if (this.#running) void this.#stop()
    }
    process.on('SIGTERM', terminate)
    process.on('SIGINT', foreground ? terminate : () => {})
    process.on('SIGHUP', () => {
      this.#reloading = this.#reloading.then(() => this.#reload())
    })
    process.on('SIGUSR1', () => this.#running?.info?.())
    for (const signal of ['SIGQUIT', 'SIGTSTP', 'SIGTTIN', 'SIGTTOU'] as const) process.on(signal, () => {})
    process.on('SIGUSR2', () => this.#running?.scrub?.())
    for (const signal of ['SIGALRM', 'SIGVTALRM'] as const) process.on(signal, () => log.notice(`${signal} received`))
  }

  #handleMistakes(): void {
    process.on('uncaughtException', error => this.#fatal(error))
    process.on('unhandledRejection', error => this.#fatal(error))
  }

  #fatal(error: unknown): void {
    const { log } = this.#context.env
    log.error(describe(error))
    log.error('stopping at once because of this error (status:1)')
    process.exit(1)
  }

  async #stop(): Promise<void> {
    const { log } = this.#context.env
    try {
      await this.#reloading
      await this.#running?.stop()
    } catch (error) {
      log.error(`not stopped in order: ${describe(error)}`)
      this.#finish?.(1)
      return
    }
    log.notice('process exited successfully (status:0)')
    this.#finish?.(0)
  }

  async #reload(): Promise<void> {
    const { log } = this.#context.env
    if (!this.#running || this.#stopWanted) return
    log.notice(`reloading ${this.#configPath ?? 'defaults'}`)
    try {
      const { settings } = this.#context.command
      const { values, warnings, errors, written } = loadConfig(
        this.#program.configFile,
        this.#configPath,
        settings,
        this.#config,
      )
      for (const warning of warnings) log.warning(warning)
      for (const error of errors) log.error(`${error}; the value before stays`)
      const config = this.#withoutRestartOptions(values)
      this.#written = written
      await this.#running.reload(config)
      this.#config = config
      log.notice('reloaded')
    } catch (error) {
      log.error(`not reloaded: ${error instanceof StartError ? error.message : describe(error)}`)
    }
  }

  /** Options that a reload cannot change keep their value; says so when the file wants another. */
  #withoutRestartOptions(values: Values<O>): Values<O> {
    const kept: Record<string, unknown> = { ...values }
    const before: Readonly<Record<string, unknown>> = this.#config
    for (const name of Object.keys(this.#program.configFile.options)) {
      if (this.#program.reloads.includes(name) || isDeepStrictEqual(kept[name], before[name])) continue
      this.#context.env.log.warning(`${name} has changed: takes effect after a restart`)
      kept[name] = before[name]
    }
    return kept as Values<O>
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}

/** Does what may fail; `failed` hears why. */
function attempt(action: () => void, failed: (why: string) => void = () => {}): void {
  try {
    action()
  } catch (error) {
    failed((error as Error).message)
  }
}
