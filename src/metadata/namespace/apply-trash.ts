// Trash, sustained files and numbers that become free (spec metadata 4.1, 4.3; master-behaviour 2).
import { Status } from '../../protocol/status.ts'
import type { Operations } from '../apply.ts'
import { expectResult, fail } from '../replay-error.ts'
import type { State } from '../state.ts'
import { Eattr, type Inode, NodeType, ROOT, type Seconds, TRASH_PATH_MAX } from '../types.ts'
import { createNode, linkNode, needUnlinked } from './apply.ts'
import {
  bucketOf,
  childOf,
  edgesOf,
  findEdge,
  insertEdge,
  isValidName,
  keepUnlinked,
  removeEdge,
  removeNode,
} from './tree.ts'

/** A trash file is given up: sustained while somebody has it open, else gone. Returns whether it is kept. */
function discard(state: State, inode: Inode, ts: Seconds): boolean {
  const edge = needUnlinked(state, inode, NodeType.TRASH)
  const path = state.edges.name(edge)
  const age = state.edges.age(edge)
  removeEdge(state, edge)
  const kept = state.openFiles.isOpen(inode)
  if (kept) keepUnlinked(state, inode, NodeType.SUSTAINED, path, age)
  else removeNode(state, inode, ts)
  return kept
}

/** Goes through much of the trash each second, and hardly ever finds anything: so it makes no list of all there is. */
function inodesIn(state: State, lists: readonly number[], isWanted: (inode: Inode) => boolean): Inode[] {
  const inodes: Inode[] = []
  for (const list of lists) {
    for (const edge of edgesOf(state, list)) {
      const inode = state.edges.child.get(edge)
      if (isWanted(inode)) inodes.push(inode)
    }
  }
  return inodes
}

/** One bucket, or all of them for a number beyond the last. */
const chosen = (buckets: readonly number[], bucket: number) =>
  bucket < buckets.length ? [buckets[bucket] as number] : buckets

/** Whether the retention of a trash file is over. */
export function isExpired({ nodes }: State, inode: Inode, now: Seconds): boolean {
  const retention = nodes.trashHours.get(inode) * 3600
  const newest = Math.max(nodes.atime.get(inode), nodes.mtime.get(inode), nodes.ctime.get(inode))
  return newest + retention < now
}

/** Trash files of a bucket whose retention is over. */
export function expiredTrash(state: State, bucket: number, now: Seconds): Inode[] {
  return inodesIn(state, chosen(state.trashLists, bucket), inode => isExpired(state, inode, now))
}

/** Sustained files of a bucket that nobody has open any more. */
export function abandonedFiles(state: State, bucket: number): Inode[] {
  return inodesIn(state, chosen(state.sustainedLists, bucket), inode => !state.openFiles.isOpen(inode))
}

export const trashOperations: Operations<
  'SETPATH' | 'UNDEL' | 'PURGE' | 'EMPTYTRASH' | 'EMPTYSUSTAINED' | 'FREEINODES'
> = {
  SETPATH(state, { inode, path }) {
    if (path.length < 1 || path.length > TRASH_PATH_MAX) fail(Status.EINVAL, `path of ${path.length} bytes`)
    removeEdge(state, needUnlinked(state, inode, NodeType.TRASH))
    insertEdge(state, bucketOf(state, inode), inode, path, state.nextEdgeAge++)
  },

  UNDEL(state, { inode, ts }) {
    const edge = needUnlinked(state, inode, NodeType.TRASH)
    const components = state.edges.name(edge).replace(/^\/+/, '').split('/')
    const name = components.pop() as string
    if (![...components, name].every(isValidName)) fail(Status.CANTCREATEPATH, `inode ${inode} has no usable path`)
    let parent = ROOT
    for (const component of components) parent = enter(state, parent, component, ts)
    if (findEdge(state, parent, name) !== 0) fail(Status.EEXIST, `${JSON.stringify(name)} is there in inode ${parent}`)
    removeEdge(state, edge)
    state.nodes.changeType(inode, NodeType.FILE)
    linkNode(state, parent, inode, name, ts)
  },

  PURGE(state, { inode, ts }) {
    discard(state, inode, ts)
  },

  EMPTYTRASH(state, { bucket, freed, kept, checksum, ts }) {
    let [freedNow, keptNow, checksumNow] = [0, 0, 0]
    for (const inode of expiredTrash(state, bucket, ts)) {
      checksumNow = (checksumNow ^ inode) >>> 0
      if (discard(state, inode, ts)) keptNow++
      else freedNow++
    }
    expectResult('freed files', freed, freedNow)
    // Old forms log neither.
    if (kept !== 0 || checksum !== 0) {
      expectResult('kept files', kept, keptNow)
      expectResult('checksum', checksum, checksumNow)
    }
  },

  EMPTYSUSTAINED(state, { bucket, freed, checksum, ts }) {
    let [freedNow, checksumNow] = [0, 0]
    for (const inode of abandonedFiles(state, bucket)) {
      checksumNow = (checksumNow ^ inode) >>> 0
      removeEdge(state, needUnlinked(state, inode, NodeType.SUSTAINED))
      removeNode(state, inode, ts)
      freedNow++
    }
    expectResult('freed files', freed, freedNow)
    if (checksum !== 0) expectResult('checksum', checksum, checksumNow)
  },

  FREEINODES(state, { delay, freed, kept, checksum, ts }) {
    let [freedNow, keptNow, checksumNow] = [0, 0, 0]
    for (let rest = state.freeInodes.count; rest > 0; rest--) {
      const oldest = state.freeInodes.oldest()
      if (!oldest || oldest.freedAt + delay >= ts) break
      state.freeInodes.dropOldest()
      checksumNow = (checksumNow ^ oldest.inode) >>> 0
      if (state.openFiles.isOpen(oldest.inode)) {
        state.freeInodes.push(oldest.inode, ts)
        keptNow++
      } else {
        state.nodes.unreserve(oldest.inode)
        freedNow++
      }
    }
    expectResult('freed inodes', freed, freedNow)
    if (checksum !== 0) {
      expectResult('kept inodes', kept, keptNow)
      expectResult('checksum', checksum, checksumNow)
    }
  },
}

/** The directory of that name, made when it is missing. */
function enter(state: State, parent: Inode, name: string, ts: Seconds): Inode {
  if (state.quotas.get(parent)?.exceeded) fail(Status.QUOTA, `quota of directory ${parent} is exceeded`)
  if (state.nodes.eattr.get(parent) & Eattr.IMMUTABLE) fail(Status.EPERM, `directory ${parent} is immutable`)
  const child = childOf(state, parent, name)
  if (child === 0) {
    return createNode(state, parent, name, { type: NodeType.DIRECTORY, mode: 0o755, cumask: 0, uid: 0, gid: 0 }, ts)
  }
  return state.nodes.isDirectory(child) ? child : fail(Status.CANTCREATEPATH, `inode ${child} is no directory`)
}
