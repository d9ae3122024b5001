// Going to the background. Node cannot fork: a second process is started, does all the work and tells the first one
// when it serves; the first one then ends with the exit code that the caller wants to know.
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, writeSync } from 'node:fs'
import type { Socket } from 'node:net'
import { writeTerminal } from './messages.ts'
import { duplicate } from './system.ts'

const MARK = 'ELKFS_DAEMON_BACKGROUND'
/** In the second process: a pipe to the first. */
const LINK_FD = 3
const READY = 'ready\n'

const isMarked = process.env[MARK] === '1'
// Not for the programs that the daemon starts.
delete process.env[MARK]

/** Is this the second process? */
export function isBackgroundProcess(): boolean {
  return isMarked
}

/**
 * Starts this program once more with the same arguments, in a session of its own, and waits until it serves or ends.
 * What it prints until then appears here. Resolves to the exit code.
 */
export function runInBackground(): Promise<number> {
  const [, program = '', ...args] = process.argv
  const child: ChildProcess = spawn(process.execPath, [...process.execArgv, program, ...args], {
    detached: true,
    env: { ...process.env, [MARK]: '1' },
    stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
  })
  const link = child.stdio[LINK_FD] as Socket
  link.on('error', () => {})
  return new Promise(resolve => {
    let heard = ''
    link.on('data', (bytes: Buffer) => {
      heard += bytes
      if (heard !== READY) return
      child.unref()
      link.destroy()
      resolve(0)
    })
    child.on('error', error => {
      writeTerminal(`can't start in the background: ${error.message}\n`)
      resolve(1)
    })
    child.on('exit', (code, signal) => {
      if (signal) writeTerminal(`ended by ${signal} before it served\n`)
      resolve(code ?? 1)
    })
  })
}

/** In the second process: all is well. Lets the terminal and the first process go. */
export function tellReady(): void {
  const nowhere = openSync('/dev/null', 'r+')
  duplicate(nowhere, 2)
  closeSync(nowhere)
  try {
    writeSync(LINK_FD, READY)
    closeSync(LINK_FD)
  } catch {
    // Whoever started us does not wait any more.
  }
}
