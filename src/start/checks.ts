// Everything that can be in the way of a start is found before anything is touched.
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  statSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { basename, delimiter, dirname, join, sep } from 'node:path'
import { lockFilePath, lockOwner } from '../daemon/lock-file.ts'
import { mountedAt } from '../env/mountinfo.ts'
import { HOST, type Layout, lockFile, markFile, masterFolder, ports, serverFolder, serverNumbers } from './layout.ts'
import { DEFAULT_CHUNKSERVERS, type StartOptions } from './options.ts'

/** Why nothing was started; the message says what to do. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
}

/** @throws Refusal */
export async function checkAll(options: StartOptions): Promise<Layout> {
  const chunkservers = checkDataFolder(options)
  const layout = { data: options.data, basePort: options.basePort, chunkservers }
  checkNotRunning(layout)
  if (options.mount !== undefined) {
    checkApart(options.data, options.mount)
    checkMountPoint(options.mount)
  }
  for (const [port, purpose] of ports(layout)) await checkPort(port, purpose)
  return layout
}

/** Empty, missing or ours. Returns the number of chunkservers. */
function checkDataFolder({ data, chunkservers }: StartOptions): number {
  const names = namesIn(data, '--data')
  if (names === undefined || names.length === 0) return chunkservers ?? DEFAULT_CHUNKSERVERS
  const there = readMark(data)
  if (there === undefined) {
    throw new Refusal(
      `${data} holds other files (${names.slice(0, 3).join(', ')}${names.length > 3 ? ', ...' : ''}): ` +
        'choose an empty or new folder with --data DIR',
    )
  }
  if (chunkservers !== undefined && chunkservers < there) {
    throw new Refusal(
      `${data} has ${there} chunkservers: with ${chunkservers} some copies would be missing; leave --chunkservers away`,
    )
  }
  return chunkservers ?? there
}

/** The number of chunkservers that the folder was made for; undefined when it is not ours. */
function readMark(data: string): number | undefined {
  try {
    const { chunkservers } = JSON.parse(readFileSync(markFile(data), 'utf8')) as { chunkservers?: unknown }
    return typeof chunkservers === 'number' && chunkservers > 0 ? chunkservers : undefined
  } catch {
    return undefined
  }
}

/** Undefined when the folder does not exist. */
function namesIn(folder: string, option: string): string[] | undefined {
  try {
    return readdirSync(folder)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return undefined
    throw new Refusal(
      `${folder} can't be used (${code === 'ENOTDIR' ? 'it is no folder' : code}): choose another with ${option}`,
    )
  }
}

function checkNotRunning(layout: Layout): void {
  const { data } = layout
  const starter = lockOwner(lockFile(data))
  if (starter !== undefined) throw new Refusal(`${data} is in use by another npm start (process ${starter})`)
  const locks = [
    lockFilePath(masterFolder(data), 'mfsmaster'),
    ...serverNumbers(layout).map(number => lockFilePath(serverFolder(data, number), 'mfschunkserver')),
    lockFilePath(data, 'mfscgiserv'),
  ]
  const left = locks.flatMap(path => lockOwner(path) ?? [])
  if (left.length === 0) return
  throw new Refusal(`${data} is still in use by servers of an earlier start: end them with: kill ${left.join(' ')}`)
}

function checkApart(data: string, mount: string): void {
  const [a, b] = [real(data), real(mount)]
  if (`${a}${sep}`.startsWith(`${b}${sep}`) || `${b}${sep}`.startsWith(`${a}${sep}`)) {
    throw new Refusal(`--data ${data} and --mount ${mount} must not be inside each other`)
  }
}

/**
 * Makes the folder and its parents, one by one: Node's own `recursive` never returns where the system has no folder to
 * give, as in /proc.
 *
 * @throws Refusal
 */
export function makeFolder(path: string): void {
  if (existsSync(path)) return
  if (dirname(path) !== path) makeFolder(dirname(path))
  try {
    mkdirSync(path)
  } catch (error) {
    throw new Refusal(`${path} can't be made (${(error as NodeJS.ErrnoException).code}): choose another folder`)
  }
}

/** Without links, also for what does not exist yet. */
function real(path: string): string {
  if (existsSync(path)) return realpathSync(path)
  return dirname(path) === path ? path : join(real(dirname(path)), basename(path))
}

/** The right command to take a mount away. */
function unmountCommand(mount: string): string {
  return process.geteuid?.() === 0 ? `umount -l ${mount}` : `fusermount3 -u -z ${mount}`
}

function checkMountPoint(mount: string): void {
  try {
    statSync(mount)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return
    if (code === 'ENOTCONN') {
      const what = 'holds a mount whose program is gone (Transport endpoint is not connected)'
      throw new Refusal(`${mount} ${what}: remove it with: ${unmountCommand(mount)}`)
    }
    throw new Refusal(`${mount} can't be mounted on (${code}): choose another with --mount DIR`)
  }
  if (isMountPoint(mount)) {
    throw new Refusal(`something is mounted on ${mount} already: unmount it (${unmountCommand(mount)}), or --mount DIR`)
  }
  const names = namesIn(mount, '--mount DIR') ?? []
  if (names.length > 0) {
    throw new Refusal(`${mount} is not empty (${names[0]}): choose an empty or new folder with --mount DIR`)
  }
}

/** Asked from the table of mounts, so that a mount that hangs is not touched. */
export function isMountPoint(folder: string): boolean {
  return mountedAt(real(folder)) !== undefined
}

function checkPort(port: number, purpose: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', error => {
      const { code } = error as NodeJS.ErrnoException
      const why = code === 'EADDRINUSE' ? 'is in use by another program' : `can't be had (${code})`
      reject(new Refusal(`port ${port} on ${HOST} (${purpose}) ${why}: choose other ports with --base-port N`))
    })
    server.listen(port, HOST, () => server.close(() => resolve()))
  })
}

/** Why this machine cannot mount, and how it could; undefined when it can. */
export function whyNoMount(): string | undefined {
  if (!existsSync('/dev/fuse')) {
    return '/dev/fuse is missing: load the kernel module (modprobe fuse); in a container add --device /dev/fuse --cap-add SYS_ADMIN'
  }
  if (process.geteuid?.() === 0) return undefined
  if (!isOpenToUs('/dev/fuse')) {
    return 'only root may open /dev/fuse here: allow it for everybody (chmod 0666 /dev/fuse), or start as root'
  }
  const folders = (process.env.PATH ?? '').split(delimiter)
  if (folders.some(folder => existsSync(join(folder, 'fusermount3')))) return undefined
  return 'fusermount3 is missing, and only root can mount without it: install it (apt-get install fuse3), or start as root'
}

function isOpenToUs(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK)
    return true
  } catch {
    return false
  }
}
