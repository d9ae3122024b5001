// Making the kernel show our device as a folder: as root by mount(2), as anybody else through the set-uid program
// `fusermount3`, which passes the opened device back over a socket.
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, constants, openSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { mountedAt } from '../../env/mountinfo.ts'
import {
  MNT_DETACH,
  MountFlag,
  mount,
  receiveDescriptor,
  type SystemError,
  setNonBlocking,
  socketPair,
  unmount,
} from './system.ts'

export interface MountOptions {
  /** What `mount` and df show as the device: `mfs#HOST:PORT`. */
  source: string
  readOnly: boolean
  allowOther: boolean
  setUid: boolean
  devices: boolean
  noExec: boolean
  noAtime: boolean
}

/** Why a mount cannot be made; the message is for the person who asked for it. */
export class MountError extends Error {
  override readonly name = 'MountError'
}

const S_IFMT = 0o170000

/** Mounts on `target`, an existing folder, and returns the device: non-blocking, to be served at once. */
export async function mountKernel(target: string, options: MountOptions): Promise<number> {
  if (process.geteuid?.() === 0) return mountAsRoot(target, options)
  return mountAsUser(target, options)
}

function openDevice(): number {
  try {
    return openSync('/dev/fuse', constants.O_RDWR | constants.O_NONBLOCK)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENODEV' || code === 'ENXIO') {
      throw new MountError('/dev/fuse is missing: load the kernel module (modprobe fuse)', { cause: error })
    }
    throw new MountError(`can't open /dev/fuse: ${code}`, { cause: error })
  }
}

function mountAsRoot(target: string, options: MountOptions): number {
  const fd = openDevice()
  const flags =
    (options.readOnly ? MountFlag.RDONLY : 0) |
    (options.setUid ? 0 : MountFlag.NOSUID) |
    (options.devices ? 0 : MountFlag.NODEV) |
    (options.noExec ? MountFlag.NOEXEC : 0) |
    (options.noAtime ? MountFlag.NOATIME : 0)
  const rootMode = (statSync(target).mode & S_IFMT).toString(8)
  const data = [`fd=${fd}`, `rootmode=${rootMode}`, 'user_id=0', 'group_id=0']
  if (options.allowOther) data.push('allow_other')
  try {
    mount(options.source, target, 'fuse', flags, data.join(','))
  } catch (error) {
    closeSync(fd)
    const { code } = error as SystemError
    const why = code === 'EPERM' ? 'EPERM: the right to mount (CAP_SYS_ADMIN) is missing' : code
    throw new MountError(`can't mount on '${target}': ${why}`, { cause: error })
  }
  return fd
}

async function mountAsUser(target: string, options: MountOptions): Promise<number> {
  const words = [`fsname=${options.source.replaceAll('\\', '\\\\').replaceAll(',', '\\,')}`]
  words.push(options.readOnly ? 'ro' : 'rw', 'nosuid', 'nodev')
  if (options.noExec) words.push('noexec')
  if (options.noAtime) words.push('noatime')
  if (options.allowOther && usersMayAllowOthers()) words.push('allow_other')
  const [ours, theirs] = socketPair()
  try {
    const child = spawn('fusermount3', ['-o', words.join(','), '--', target], {
      stdio: ['ignore', 'ignore', 'pipe', theirs],
      env: { ...process.env, _FUSE_COMMFD: '3' },
    })
    const { status, complaint } = await ended(child)
    if (status !== 0) throw new MountError(complaint.trim() || `fusermount3 failed with status ${status}`)
    // The program has ended: what it sent is in the socket.
    const fd = receiveDescriptor(ours)
    if (fd < 0) throw new MountError('fusermount3 sent no device')
    setNonBlocking(fd)
    return fd
  } finally {
    closeSync(ours)
    closeSync(theirs)
  }
}

/** The administrator's word on it, without which fusermount3 refuses the whole mount. */
function usersMayAllowOthers(): boolean {
  try {
    return /^\s*user_allow_other\b/m.test(readFileSync('/etc/fuse.conf', 'utf8'))
  } catch {
    return false
  }
}

function ended(child: ChildProcess): Promise<{ status: number; complaint: string }> {
  return new Promise((resolve, reject) => {
    let complaint = ''
    child.stderr?.on('data', (text: Buffer) => {
      complaint += text
    })
    child.on('error', error => {
      const missing = (error as NodeJS.ErrnoException).code === 'ENOENT'
      reject(
        new MountError(
          missing ? 'only root can mount without fusermount3 (package fuse3)' : `fusermount3: ${error.message}`,
          { cause: error },
        ),
      )
    })
    child.on('close', status => resolve({ status: status ?? -1, complaint }))
  })
}

/**
 * Unmounts. Where files are still open it is taken out of sight at once, and those who hold them get errors when the
 * device closes.
 */
export async function unmountKernel(target: string): Promise<void> {
  if (process.geteuid?.() !== 0) {
    const child = spawn('fusermount3', ['-u', '-z', '--', target], { stdio: ['ignore', 'ignore', 'pipe'] })
    const { status, complaint } = await ended(child)
    if (status !== 0) throw new MountError(complaint.trim())
    return
  }
  if (await unmount(target, 0)) return
  // Busy, most likely.
  if (!(await unmount(target, MNT_DETACH)) && isMounted(target)) throw new MountError(`can't unmount '${target}'`)
}

/**
 * Raises the kernel's read-ahead of a mounted file system: the kernel itself offers no more than 128 KiB.
 * Only root may; without it reading works in smaller pieces.
 */
export function setReadAhead(target: string, bytes: number): void {
  const device = deviceOf(target)
  if (!device) return
  try {
    writeFileSync(`/sys/class/bdi/${device}/read_ahead_kb`, String(Math.floor(bytes / 1024)))
  } catch {
    // Not root, or no sysfs here.
  }
}

/** `MAJOR:MINOR` of the file system mounted on `target`. */
function deviceOf(target: string): string | undefined {
  return mountedAt(target)?.device
}

/** Is one of our kind mounted on `target`? */
export function isMounted(target: string): boolean {
  return mountedAt(target)?.type === 'fuse'
}
