// A process that makes system calls one at a time while others do theirs: for what waits.
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

export class Actor {
  readonly #process: ChildProcess
  readonly #waiting: ((answer: string) => void)[] = []
  #pid = 0

  /** @param identity `uid:gid[,gid...]` */
  constructor(program: string, folder: string, identity = '0:0') {
    this.#process = spawn(program, [folder, identity], { stdio: ['pipe', 'pipe', 'inherit'] })
    const { stdout } = this.#process
    if (stdout) createInterface(stdout).on('line', line => this.#waiting.shift()?.(line))
    this.#process.on('exit', () => {
      for (const tell of this.#waiting.splice(0)) tell('the process is gone')
    })
  }

  /** Makes a call of syscalls.c; resolves to its answer. */
  call(line: string): Promise<string> {
    return new Promise(resolve => {
      this.#waiting.push(resolve)
      this.#process.stdin?.write(`0 ${line}\n`)
    })
  }

  /** Must be asked before a call waits. */
  async pid(): Promise<number> {
    this.#pid ||= Number(await this.call('pid'))
    return this.#pid
  }

  /** Interrupts the call that waits. */
  async interrupt(): Promise<void> {
    process.kill(this.#pid, 'SIGUSR1')
  }

  /** SIGKILL. Resolves when the process and what the kernel held for it are gone. */
  kill(): Promise<void> {
    return new Promise(resolve => {
      if (this.#process.exitCode !== null || this.#process.signalCode !== null) return resolve()
      this.#process.once('exit', () => resolve())
      if (this.#pid !== 0) process.kill(this.#pid, 'SIGKILL')
      this.#process.kill('SIGKILL')
    })
  }
}
