import type { Log } from './log.ts'

const levels = ['debug', 'info', 'notice', 'warning', 'error'] as const
export type LogLevel = (typeof levels)[number]

/** Messages of at least `minimum` to `write`, each as `TIME IDENT[PID]: LEVEL: TEXT` and a newline. */
export function textLog(ident: string, minimum: LogLevel, write: (line: string) => void): Log {
  const from = levels.indexOf(minimum)
  const at = (level: LogLevel) => (message: string) => {
    if (levels.indexOf(level) < from) return
    write(`${new Date().toISOString()} ${ident}[${process.pid}]: ${level}: ${message}\n`)
  }
  return { debug: at('debug'), info: at('info'), notice: at('notice'), warning: at('warning'), error: at('error') }
}
