// Going to the background. Node cannot fork: a second process is started, does all the work and tells the first one
// when the mount is up; the first one then ends with the exit code that the caller wants to know.
import { spawn } from 'node:child_process'
import { closeSync, openSync, readSync, writeSync } from 'node:fs'
import { duplicate } from './fuse/system.ts'

const MARK = 'ELKFS_MOUNT_BACKGROUND'
/** In the second process: a socket to the first. */
const LINK_FD = 3
const READY = 'ready\n'
const SECRET_BYTES_MAX = 4096

/** Is this the second process? */
export function isBackgroundProcess(): boolean {
  return process.env[MARK] === '1'
}

/**
 * Starts this program once more, in a session of its own, and waits until it is ready or has failed. What it prints
 * until then appears here.
 *
 * @param secret handed over unseen (a password that was typed); may be empty
 * @returns the exit code for the caller
 */
export function runInBackground(args: readonly string[], secret: string): Promise<number> {
  const [, program = ''] = process.argv
  const child = spawn(process.execPath, [...process.execArgv, program, ...args], {
    detached: true,
    cwd: '/',
    env: { ...process.env, [MARK]: '1' },
    stdio: ['ignore', 'inherit', 'inherit', 'pipe'],
  })
  const link = child.stdio[LINK_FD] as import('node:net').Socket
  link.on('error', () => {})
  link.write(`${secret}\n`)
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
      process.stderr.write(`can't start in the background: ${error.message}\n`)
      resolve(1)
    })
    child.on('exit', (code, signal) => {
      if (signal) process.stderr.write(`ended by ${signal} before the mount was up\n`)
      resolve(code === null || code === 0 ? 1 : code)
    })
  })
}

/** In the second process: the secret of the first. */
export function receiveSecret(): string {
  const buffer = Buffer.alloc(SECRET_BYTES_MAX)
  let length = 0
  while (length < buffer.length && !buffer.subarray(0, length).includes(10)) {
    const read = readLink(buffer, length)
    if (read === 0) break
    length += read
  }
  return buffer.toString('utf8', 0, length).split('\n')[0] ?? ''
}

function readLink(buffer: Buffer, at: number): number {
  for (;;) {
    try {
      return readSync(LINK_FD, buffer, at, buffer.length - at, null)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
    }
  }
}

/** In the second process: all is well. Lets the terminal go. */
export function tellReady(): void {
  const nowhere = openSync('/dev/null', 'r+')
  duplicate(nowhere, 1)
  duplicate(nowhere, 2)
  closeSync(nowhere)
  try {
    writeSync(LINK_FD, READY)
    closeSync(LINK_FD)
  } catch {
    // Whoever started us does not wait any more.
  }
}
