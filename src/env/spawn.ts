// Starting a process without forking. Node forks, and fork(2) copies the page tables: a master that holds gigabytes
// stands still for tens of milliseconds. posix_spawn(3) shares the memory until the other program has begun.
import { closeSync } from 'node:fs'
import { Socket } from 'node:net'
import koffi from 'koffi'

const libc = koffi.load(null)
const posixSpawn = libc.func('int posix_spawn(void *, const char *, void *, void *, const char **, const char **)')
const initActions = libc.func('int posix_spawn_file_actions_init(void *)')
const addDup2 = libc.func('int posix_spawn_file_actions_adddup2(void *, int, int)')
const destroyActions = libc.func('int posix_spawn_file_actions_destroy(void *)')
const pipe2 = libc.func('int pipe2(void *, int)')
const waitpid = libc.func('int waitpid(int, void *, int)')

const O_CLOEXEC = 0o2000000
/** More than a posix_spawn_file_actions_t of any libc. */
const ACTIONS_BYTES = 1024

export interface SpawnedProcess {
  readonly stdin: Socket
  readonly stdout: Socket
  readonly stderr: Socket
  /** How it ended, once its output has: by itself with this code, or by the signal of this number. */
  readonly ended: Promise<{ code: number; signal: number }>
  /** SIGKILL; nothing when it has ended. */
  kill(): void
}

/**
 * Starts a program with pipes for stdin, stdout and stderr, and the environment of this process.
 * @param path of the program
 * @throws Error with the errno's name as its code
 */
export function spawnProcess(path: string, args: readonly string[]): SpawnedProcess {
  const pipes: Pipe[] = []
  let pid: number
  try {
    for (let i = 0; i < 3; i++) pipes.push(makePipe())
    const [input, output, errors] = pipes as [Pipe, Pipe, Pipe]
    pid = spawnWith(path, args, [input.readEnd, output.writeEnd, errors.writeEnd])
  } catch (error) {
    for (const { readEnd, writeEnd } of pipes) for (const fd of [readEnd, writeEnd]) closeSync(fd)
    throw error
  }
  const [input, output, errors] = pipes as [Pipe, Pipe, Pipe]
  for (const fd of [input.readEnd, output.writeEnd, errors.writeEnd]) closeSync(fd)
  return watch(pid, {
    stdin: new Socket({ fd: input.writeEnd, readable: false, writable: true }),
    stdout: new Socket({ fd: output.readEnd, readable: true, writable: false }),
    stderr: new Socket({ fd: errors.readEnd, readable: true, writable: false }),
  })
}

interface Pipe {
  readEnd: number
  writeEnd: number
}

function makePipe(): Pipe {
  const ends = new Int32Array(2)
  if (pipe2(ends, O_CLOEXEC) !== 0) throw systemError('pipe2', koffi.errno())
  return { readEnd: ends[0] as number, writeEnd: ends[1] as number }
}

/** @param standard descriptors that become 0, 1 and 2; all others of this process close themselves */
function spawnWith(path: string, args: readonly string[], standard: readonly number[]): number {
  const actions = Buffer.alloc(ACTIONS_BYTES)
  initActions(actions)
  try {
    standard.forEach((fd, target) => void addDup2(actions, fd, target))
    const pid = new Int32Array(1)
    const environment = Object.entries(process.env).map(([name, value]) => `${name}=${value}`)
    const errno = posixSpawn(pid, path, actions, null, [path, ...args, null], [...environment, null])
    if (errno !== 0) throw systemError(`spawn ${path}`, errno)
    return pid[0] as number
  } finally {
    destroyActions(actions)
  }
}

function watch(pid: number, streams: Pick<SpawnedProcess, 'stdin' | 'stdout' | 'stderr'>): SpawnedProcess {
  let isOver = false
  const closed = [streams.stdout, streams.stderr].map(stream => new Promise(resolve => stream.once('close', resolve)))
  const ended = Promise.all(closed).then(async () => {
    const status = await statusOf(pid)
    isOver = true
    return { code: (status >> 8) & 0xff, signal: status & 0x7f }
  })
  const kill = () => {
    if (!isOver) process.kill(pid, 'SIGKILL')
  }
  return { ...streams, ended, kill }
}

/** Waits for a process that has closed its output: it is about to be gone, and until then the wait is another thread's. */
function statusOf(pid: number): Promise<number> {
  const status = new Int32Array(1)
  return new Promise((resolve, reject) => {
    waitpid.async(pid, status, 0, (error: Error | null, waited: number) => {
      if (error || waited !== pid) reject(error ?? new Error(`process ${pid} cannot be waited for`))
      else resolve(status[0] as number)
    })
  })
}

function systemError(call: string, errno: number): Error {
  const code = Object.entries(koffi.os.errno).find(([, number]) => number === errno)?.[0] ?? `errno ${errno}`
  return Object.assign(new Error(`${call}: ${code}`), { code })
}
