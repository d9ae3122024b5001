// The system calls that Node lacks and a mount needs.
import koffi from 'koffi'

const libc = koffi.load(null)
const mount2 = libc.func('int mount(const char *, const char *, const char *, unsigned long, const char *)')
const umount2 = libc.func('int umount2(const char *, int)')
const pipe2 = libc.func('int pipe2(_Out_ int *, int)')
const dup2 = libc.func('int dup2(int, int)')
const fcntl = libc.func('int fcntl(int, int, int)')
const socketpair = libc.func('int socketpair(int, int, int, _Out_ int *)')
const read = libc.func('long read(int, void *, size_t)')
const recvmsg = libc.func('long recvmsg(int, void *, int)')

const EINTR = koffi.os.errno.EINTR as number
const O_CLOEXEC = 0o2000000
const F_SETFL = 4
const F_GETFL = 3
const O_NONBLOCK = 0o4000
const AF_UNIX = 1
const SOCK_STREAM = 1
const SOCK_CLOEXEC = O_CLOEXEC
const SOL_SOCKET = 1
const SCM_RIGHTS = 1

export const MountFlag = { RDONLY: 1, NOSUID: 2, NODEV: 4, NOEXEC: 8, NOATIME: 1024, NODIRATIME: 2048 } as const
export const MNT_DETACH = 2

/** A system call that failed. `code` is its errno's name, as in Node's own errors. */
export class SystemError extends Error {
  override readonly name = 'SystemError'
  readonly code: string
  readonly errno: number

  constructor(call: string, errno: number) {
    const code = Object.entries(koffi.os.errno).find(([, number]) => number === errno)?.[0] ?? `errno ${errno}`
    super(`${call}: ${code}`)
    this.code = code
    this.errno = errno
  }
}

function check(call: string, result: number): number {
  if (result < 0) throw new SystemError(call, koffi.errno())
  return result
}

/** read(2) of a descriptor that does not block; negative when there is nothing, or an error for the next reader to find. */
export function readNow(fd: number, target: Buffer): number {
  return read(fd, target, target.length)
}

/** mount(2). @throws SystemError */
export function mount(source: string, target: string, type: string, flags: number, data: string): void {
  check('mount', mount2(source, target, type, flags, data))
}

/**
 * umount2(2), off the main thread: the kernel may wait for us to write back what it holds. Resolves to whether it was
 * done; the errno stays on the other thread.
 */
export function unmount(target: string, flags: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    umount2.async(target, flags, (error: Error | null, result: number) => {
      if (error) reject(error)
      else resolve(result === 0)
    })
  })
}

/** An unnamed pipe: [read end, write end]. */
export function pipe(): [number, number] {
  const ends = [-1, -1]
  check('pipe2', pipe2(ends, O_CLOEXEC))
  return [ends[0] as number, ends[1] as number]
}

/** A pair of connected stream sockets. */
export function socketPair(): [number, number] {
  const ends = [-1, -1]
  check('socketpair', socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
  return [ends[0] as number, ends[1] as number]
}

/** Makes `target` another number for what `fd` is. */
export function duplicate(fd: number, target: number): void {
  check('dup2', dup2(fd, target))
}

export function setNonBlocking(fd: number): void {
  check('fcntl', fcntl(fd, F_SETFL, check('fcntl', fcntl(fd, F_GETFL, 0)) | O_NONBLOCK))
}

/** Waits on `socket` for one byte that brings a descriptor along; -1 when the peer closed without sending one. */
export function receiveDescriptor(socket: number): number {
  // struct msghdr, iovec and cmsghdr of 64-bit Linux, by hand: two pointers, and lengths of eight bytes.
  const byte = Buffer.alloc(8)
  const control = Buffer.alloc(32)
  const vector = Buffer.alloc(16)
  vector.writeBigUInt64LE(koffi.address(byte), 0)
  vector.writeBigUInt64LE(1n, 8)
  const header = Buffer.alloc(56)
  header.writeBigUInt64LE(koffi.address(vector), 16)
  header.writeBigUInt64LE(1n, 24)
  header.writeBigUInt64LE(koffi.address(control), 32)
  header.writeBigUInt64LE(BigInt(control.length), 40)
  let received = recvmsg(socket, header, 0)
  while (received < 0 && koffi.errno() === EINTR) received = recvmsg(socket, header, 0)
  check('recvmsg', received)
  const isDescriptor =
    received > 0 &&
    control.readBigUInt64LE(0) >= 20n &&
    control.readInt32LE(8) === SOL_SOCKET &&
    control.readInt32LE(12) === SCM_RIGHTS
  return isDescriptor ? control.readInt32LE(16) : -1
}
