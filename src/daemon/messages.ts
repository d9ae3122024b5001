// Where a daemon's messages go. During the start: the terminal, as plain text, and the log. In the foreground: the
// terminal, later with times. In the background: the system log, or a file where there is none.
import { appendFileSync, existsSync, renameSync, statSync, writeSync } from 'node:fs'
import type { Log } from '../env/log.ts'
import { type LogLevel, textLog } from '../env/real-log.ts'
import { Facility, openSystemLog, Priority, writeSystemLog } from './system.ts'

const SYSTEM_LOG = '/dev/log'
const LOG_FILE_BYTES_MAX = 16 << 20

export class Messages {
  readonly log: Log
  readonly #ident: string
  readonly #foreground: boolean
  readonly #timed: Log
  #starting = true
  #logFile: string | undefined
  #systemLog = false

  constructor(ident: string, foreground: boolean) {
    this.#ident = ident
    this.#foreground = foreground
    this.#timed = textLog(ident, 'info', writeTerminal)
    const at = (level: LogLevel) => (message: string) => this.#take(level, message)
    this.log = {
      debug: at('debug'),
      info: at('info'),
      notice: at('notice'),
      warning: at('warning'),
      error: at('error'),
    }
  }

  /** Opens the log; to be called before the process gives up its rights. */
  openLog(): void {
    if (!existsSync(SYSTEM_LOG)) return
    openSystemLog(this.#ident, this.#foreground ? Facility.user : Facility.daemon)
    this.#systemLog = true
  }

  /** Without a system log, a process in the background writes to this file. */
  useFileInstead(path: string): void {
    if (this.#systemLog || this.#foreground) return
    this.log.notice(`no system log here (${SYSTEM_LOG} is missing): messages go to ${path}`)
    this.#logFile = path
  }

  /** The start is over: the terminal is let go, or gets times from now on. */
  started(): void {
    this.#starting = false
  }

  #take(level: LogLevel, message: string): void {
    if (level === 'debug') return
    if (this.#starting) writeTerminal(`${message}\n`)
    else if (this.#foreground) this.#timed[level](message)
    if (this.#systemLog) writeSystemLog(Priority[level], message)
    else if (this.#logFile) appendToFile(this.#logFile, this.#ident, level, message)
  }
}

/** To stderr; a terminal that is gone or does not read is no reason to stop. */
export function writeTerminal(text: string): void {
  try {
    writeSync(2, text)
  } catch {
    // EPIPE, EAGAIN, EIO: nobody is there.
  }
}

/** Appends a line; a file that has grown too big becomes `PATH.1`. */
function appendToFile(path: string, ident: string, level: LogLevel, message: string): void {
  try {
    if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > LOG_FILE_BYTES_MAX) renameSync(path, `${path}.1`)
    textLog(ident, 'info', line => appendFileSync(path, line, { mode: 0o640 }))[level](message)
  } catch {
    // A full disk must not stop the daemon for the sake of a message.
  }
}
