// What programs say that do one thing and end: results on stdout, everything else on stderr.

/** Writes bytes (latin1) to stdout and waits while the reader is slow. A reader that has gone ends the program. */
export function writeOut(latin1: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(Buffer.from(latin1, 'latin1'), error => {
      if (!error) resolve()
      else if ((error as NodeJS.ErrnoException).code === 'EPIPE') process.exit(1)
      else reject(error)
    })
  })
}

// The error comes to the callback of the write as well; without this it would end the program with a stack.
process.stdout.on('error', () => {})

/** A message for a person. */
export function say(message: string): void {
  process.stderr.write(`${message}\n`)
}

/** A message with names in it that are bytes (latin1). */
export function sayBytes(latin1: string): void {
  process.stderr.write(Buffer.from(`${latin1}\n`, 'latin1'))
}

const TERMINAL_EVERY_MS = 200
const LOG_EVERY_MS = 10_000

/** Tells how far long work has come: on a terminal in one line that changes, elsewhere now and then in a line more. */
export class Progress {
  #lastMs = performance.now()
  #shown = false

  /** @param text what is done, for example `loading metadata.mfs: 43%` */
  tell(text: () => string): void {
    const terminal = process.stderr.isTTY
    const now = performance.now()
    if (now - this.#lastMs < (terminal ? TERMINAL_EVERY_MS : LOG_EVERY_MS)) return
    this.#lastMs = now
    this.#shown = terminal
    process.stderr.write(terminal ? `\r\x1b[K${text()}` : `${text()}\n`)
  }

  /** Takes the line away before something else is said. */
  clear(): void {
    if (this.#shown) process.stderr.write('\r\x1b[K')
    this.#shown = false
  }
}

export const percent = (part: number) => `${(part * 100).toFixed(0)}%`

/** The message of an error that is the world's, not ours; anything else is thrown on. */
export function messageOf(error: unknown, expected: readonly (new (...args: never[]) => Error)[]): string {
  if (expected.some(kind => error instanceof kind)) return (error as Error).message
  if (error instanceof Error && typeof (error as NodeJS.ErrnoException).syscall === 'string') return error.message
  throw error
}
