// What the names on a tool's command line stand for: objects of a mounted file system (spec tools-and-admin B.1).
import { type BigIntStats, lstatSync, readFileSync, realpathSync } from 'node:fs'
import { mountedFolders } from '../../env/mountinfo.ts'
import { formatIpv4 } from '../../util/ipv4.ts'
import { Failure, systemErrorText } from './failure.ts'
import { type MasterInfo, MasterLink } from './master-link.ts'

/** `.masterinfo` of a mount, and of a mount of the trash. */
const INFO_INODES = [0x7fffffffn, 0x7ffffffen]
const ROOT_INODE = 1n
/** Nodes in the trash and such that are open only, in a mount of the trash. */
const DETACHED_BITS = 0x60000000
const INODE_BITS = 0x1fffffff

export interface Target {
  /** As it was given, bytes (latin1), as all paths here. */
  readonly name: string
  /** Absolute, without symbolic links. */
  readonly path: string
  readonly inode: number
  readonly stats: BigIntStats
  readonly master: MasterLink
}

export const bytesOf = (path: string) => Buffer.from(path, 'latin1')

/** Undefined when there is nothing that may be seen. */
export function statsOf(path: string): BigIntStats | undefined {
  try {
    return lstatSync(bytesOf(path), { bigint: true })
  } catch {
    return undefined
  }
}

function workingFolder(): string {
  try {
    return Buffer.from(process.cwd()).toString('latin1')
  } catch {
    return ''
  }
}

/** Absolute, with all symbolic links followed. @throws Failure */
export function realPath(name: string): string {
  try {
    return realpathSync.native(bytesOf(name), 'latin1')
  } catch (error) {
    const { code, text } = systemErrorText(error)
    const path = name.startsWith('/') || name === '' ? name : `${workingFolder()}/${name}`
    throw new Failure(`${name}: realpath error on (${path}): ${code} (${text})`)
  }
}

export const lastPart = (path: string) => path.slice(path.lastIndexOf('/') + 1)
export const parentOf = (path: string) => path.slice(0, path.lastIndexOf('/')) || '/'

/** The same, but of a symbolic link its own path. @throws Failure */
export function ownPath(name: string): string {
  const last = lastPart(name)
  if (['', '.', '..'].includes(last)) return realPath(name)
  const folder = realPath(name.includes('/') ? parentOf(name) : '.')
  return `${folder === '/' ? '' : folder}/${last}`
}

/** @throws Failure: a mount whose program is gone can't be asked */
function contentsOf(path: string): Buffer {
  try {
    return readFileSync(bytesOf(path))
  } catch (error) {
    throw new Failure(`${path}: ${systemErrorText(error).text}`)
  }
}

/** What the `.masterinfo` in a folder tells; undefined when there is none that a mount has made. */
function masterInfo(folder: string): { info: MasterInfo; isMeta: boolean } | undefined {
  const path = `${folder === '/' ? '' : folder}/.masterinfo`
  const found = statsOf(path)
  if (!found || !INFO_INODES.includes(found.ino)) return undefined
  if (found.nlink !== 1n || found.uid !== 0n || found.gid !== 0n || ![10n, 14n].includes(found.size)) return undefined
  const bytes = contentsOf(path)
  if (bytes.length < Number(found.size)) return undefined
  const info = {
    host: formatIpv4(bytes.readUInt32BE(0)),
    port: bytes.readUInt16BE(4),
    sessionId: bytes.readUInt32BE(6),
  }
  return { info, isMeta: found.ino === INFO_INODES[1] }
}

const isWithin = (path: string, folder: string) => folder === '/' || path === folder || path.startsWith(`${folder}/`)

/** Whether the mount that a path lies in may only be read. The mount of the same file system elsewhere may not. */
function isReadOnly(path: string): boolean {
  const around = mountedFolders().filter(({ folder }) => isWithin(path, folder))
  // The later of two mounts at one folder covers the other.
  const nearest = around.reduce(
    (best, each) => (best && best.folder.length > each.folder.length ? best : each),
    around[0],
  )
  return nearest?.options.includes('ro') ?? false
}

/** Finds objects and their masters. One connection serves all objects of a mount. */
export class Targets {
  readonly #masters = new Map<bigint, MasterLink>()

  /**
   * @param name as given on the command line
   * @param changes whether the object is going to be changed
   * @throws Failure when it is no object of a file system of ours
   */
  find(name: string, changes: boolean): Target {
    return this.at(name, realPath(name), changes)
  }

  /** The same of an absolute path without symbolic links. */
  at(name: string, path: string, changes: boolean): Target {
    const found = statsOf(path)
    if (!found) throw new Failure(`${name}: (${path}) No such file or directory`)
    if (changes && isReadOnly(path)) throw new Failure(`${name}: (${path}) Read-only file system`)
    const { master, isMeta } = this.#masterOf(name, path)
    const inode = Number(found.ino)
    if (isMeta && (inode & DETACHED_BITS) === 0) {
      throw new Failure(`${name}: of a mount of the trash only what is below trash and sustained can be used`)
    }
    return { name, path, inode: isMeta ? inode & INODE_BITS : inode, stats: found, master }
  }

  /** The master of a file system that something lies in, be it the root of a mount of the trash. @throws Failure */
  master(name: string): MasterLink {
    return this.#masterOf(name, realPath(name)).master
  }

  #masterOf(name: string, path: string): { master: MasterLink; isMeta: boolean } {
    for (let folder = path; ; folder = parentOf(folder)) {
      const found = statsOf(folder)
      const told = masterInfo(folder)
      if (found && told) {
        const master = this.#masters.get(found.dev) ?? new MasterLink(told.info)
        this.#masters.set(found.dev, master)
        return { master, isMeta: told.isMeta }
      }
      if (folder === '/' || !found || found.ino === ROOT_INODE) throw new Failure(`${name}: not MFS object`)
    }
  }

  close(): void {
    for (const master of this.#masters.values()) master.close()
  }
}
