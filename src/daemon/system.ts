// The system calls that Node lacks and a daemon needs.
import koffi from 'koffi'

const libc = koffi.load(null)
const fcntl = libc.func('int fcntl(int, int, void *)')
const dup2 = libc.func('int dup2(int, int)')
const getrlimit = libc.func('int getrlimit(int, void *)')
const setrlimit = libc.func('int setrlimit(int, void *)')
const mlockall = libc.func('int mlockall(int)')
const openlog = libc.func('void openlog(void *, int, int)')
const syslog = libc.func('void syslog(int, const char *, ...)')

const errnoNames = new Map(Object.entries(koffi.os.errno).map(([name, number]) => [number, name]))

/** A system call that failed. `code` is its errno's name, as in Node's own errors. */
export class SystemError extends Error {
  override readonly name = 'SystemError'
  readonly code: string

  constructor(call: string, errno: number) {
    const code = errnoNames.get(errno) ?? `errno ${errno}`
    super(`${call}: ${code}`)
    this.code = code
  }
}

function check(call: string, result: number): void {
  if (result < 0) throw new SystemError(call, koffi.errno())
}

const F_GETLK = 5
const F_SETLK = 6
const F_WRLCK = 1
const F_UNLCK = 2

/** struct flock of 64-bit Linux for a write lock on the whole file: type:16 whence:16 pad:32 start:64 length:64 pid:32. */
function wholeFileLock(): Buffer {
  const lock = Buffer.alloc(32)
  lock.writeInt16LE(F_WRLCK, 0)
  return lock
}

/** Takes the record lock on the whole file; false when another process has it. It ends with this process, or with the closing of ANY descriptor that this process has of the file. */
export function tryRecordLock(fd: number): boolean {
  if (fcntl(fd, F_SETLK, wholeFileLock()) === 0) return true
  const errno = koffi.errno()
  if (errno === koffi.os.errno.EAGAIN || errno === koffi.os.errno.EACCES) return false
  throw new SystemError('fcntl', errno)
}

/** The process that holds a record lock on the file; undefined when nobody does. */
export function recordLockOwner(fd: number): number | undefined {
  const lock = wholeFileLock()
  check('fcntl', fcntl(fd, F_GETLK, lock))
  return lock.readInt16LE(0) === F_UNLCK ? undefined : lock.readInt32LE(24)
}

/** Makes `target` another number for what `fd` is. */
export function duplicate(fd: number, target: number): void {
  check('dup2', dup2(fd, target))
}

export const Resource = { CORE: 4, NOFILE: 7, MEMLOCK: 8 } as const
const UNLIMITED = 0xffffffffffffffffn

function limits(resource: number): { soft: bigint; hard: bigint } {
  const buffer = Buffer.alloc(16)
  check('getrlimit', getrlimit(resource, buffer))
  return { soft: buffer.readBigUInt64LE(0), hard: buffer.readBigUInt64LE(8) }
}

function setLimits(resource: number, soft: bigint, hard: bigint): boolean {
  const buffer = Buffer.alloc(16)
  buffer.writeBigUInt64LE(soft, 0)
  buffer.writeBigUInt64LE(hard, 8)
  return setrlimit(resource, buffer) === 0
}

/** Raises a limit to `wanted`, or as far as this user may. Returns what it is now. */
export function raiseLimit(resource: number, wanted: number | 'unlimited'): number {
  const goal = wanted === 'unlimited' ? UNLIMITED : BigInt(wanted)
  const { soft, hard } = limits(resource)
  if (soft < goal && !setLimits(resource, goal, hard > goal ? hard : goal)) setLimits(resource, hard, hard)
  return Number(limits(resource).soft)
}

const MCL_CURRENT = 1
const MCL_FUTURE = 2
const MCL_ONFAULT = 4

/** Keeps all pages that are or will be used out of swap. Pages that were only reserved stay unallocated. */
export function lockMemory(): void {
  check('mlockall', mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT))
}

/** Priorities of syslog(3). */
export const Priority = { error: 3, warning: 4, notice: 5, info: 6, debug: 7 } as const
export const Facility = { user: 1 << 3, daemon: 3 << 3 } as const
const LOG_PID = 1
const LOG_NDELAY = 8

// The C library keeps the pointer, so the text must never move or go.
let identKept: Buffer | undefined

/** Opens the system log under a name, for the whole process. */
export function openSystemLog(ident: string, facility: number): void {
  identKept = Buffer.from(`${ident}\0`)
  openlog(identKept, LOG_PID | LOG_NDELAY, facility)
}

export function writeSystemLog(priority: number, message: string): void {
  syslog(priority, '%s', 'string', message)
}
