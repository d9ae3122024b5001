// One process of the cluster.
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync, renameSync, statSync } from 'node:fs'

const LOG_BYTES_MAX = 16 << 20
const TAIL_LINES = 12

/** How a process ended. */
export interface End {
  /** `exit code 1` or `SIGKILL`. */
  how: string
  /** What it said last. */
  tail: string
}

export class Child {
  /** `chunkserver2`. */
  readonly name: string
  /** Resolves when it has ended. */
  readonly ended: Promise<End>
  readonly #process: ChildProcess
  #running = true

  /** Starts a program of bin/ in a session of its own, so that a Ctrl-C only reaches us. Its output goes to `log`. */
  constructor(name: string, program: string, args: readonly string[], log: string) {
    this.name = name
    if ((statSync(log, { throwIfNoEntry: false })?.size ?? 0) > LOG_BYTES_MAX) renameSync(log, `${log}.1`)
    const from = statSync(log, { throwIfNoEntry: false })?.size ?? 0
    const fd = openSync(log, 'a', 0o640)
    try {
      this.#process = spawn(program, args, { stdio: ['ignore', fd, fd], detached: true })
    } finally {
      closeSync(fd)
    }
    this.ended = new Promise(resolve => {
      this.#process.once('error', error => {
        this.#running = false
        resolve({ how: error.message, tail: '' })
      })
      this.#process.once('exit', (code, signal) => {
        this.#running = false
        resolve({ how: signal ?? `exit code ${code}`, tail: tailOf(log, from) })
      })
    })
  }

  get running(): boolean {
    return this.#running
  }

  get pid(): number | undefined {
    return this.#process.pid
  }

  /** Asks it to end, and makes it end after `patienceMs`. Returns whether it ended by itself. */
  async stop(patienceMs: number): Promise<boolean> {
    if (!this.#running) return true
    this.#process.kill('SIGTERM')
    let inOrder = true
    const timer = setTimeout(() => {
      inOrder = false
      this.#process.kill('SIGKILL')
    }, patienceMs)
    await this.ended
    clearTimeout(timer)
    return inOrder
  }

  kill(): void {
    if (this.#running) this.#process.kill('SIGKILL')
  }
}

function tailOf(log: string, from: number): string {
  try {
    return readFileSync(log).subarray(from).toString().trimEnd().split('\n').slice(-TAIL_LINES).join('\n')
  } catch {
    return ''
  }
}
