// Attributes of whole subtrees: class, retention, extra attributes, archive flags (spec metadata 4.2).
import { Status } from '../../protocol/status.ts'
import type { Operations } from '../apply.ts'
import { expectResult, fail } from '../replay-error.ts'
import type { State } from '../state.ts'
import { Eattr, type Inode, type Seconds } from '../types.ts'
import { hasOwnerRights } from './access.ts'
import { needNode } from './apply-attributes.ts'
import { changeCounted, edgesOf } from './tree.ts'

/** How a value is combined with the present one; with RECURSIVE for everything below too. */
export const SetMode = { SET: 0, INCREASE: 1, DECREASE: 2, EXCHANGE: 3 } as const
const KIND = 3
export const RECURSIVE = 4

export interface Counts {
  changed: number
  notChanged: number
  notPermitted: number
}

/** `undefined`: the node is not counted. */
type Outcome = keyof Counts | undefined

/** Visits the node, and with RECURSIVE everything below it, parents before children. */
function visit(state: State, inode: Inode, mode: number, change: (inode: Inode) => Outcome): Counts {
  needNode(state, inode)
  if (mode > (KIND | RECURSIVE)) fail(Status.EINVAL, `mode ${mode}`)
  const counts: Counts = { changed: 0, notChanged: 0, notPermitted: 0 }
  const stack = [inode]
  for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
    const outcome = change(at)
    if (outcome) counts[outcome]++
    if (!(mode & RECURSIVE) || !state.nodes.isDirectory(at)) continue
    for (const edge of edgesOf(state, state.nodes.directoryRow(at))) stack.push(state.edges.child.get(edge))
  }
  return counts
}

function expectCounts(logged: Counts, computed: Counts): void {
  expectResult('changed', logged.changed, computed.changed)
  expectResult('not changed', logged.notChanged, computed.notChanged)
  expectResult('not permitted', logged.notPermitted, computed.notPermitted)
}

export const holdsData = ({ nodes }: State, inode: Inode) => nodes.isFile(inode) || nodes.isDirectory(inode)

function mayChange(state: State, inode: Inode, uid: number): boolean {
  return hasOwnerRights(state, inode, uid) && !(state.nodes.eattr.get(inode) & Eattr.IMMUTABLE)
}

/** The value after the change, by the kind of set mode. */
function combined(kind: number, present: number, source: number, target: number): number {
  switch (kind) {
    case SetMode.INCREASE:
      return Math.max(present, target)
    case SetMode.DECREASE:
      return Math.min(present, target)
    case SetMode.EXCHANGE:
      return present === source ? target : present
    default:
      return target
  }
}

/**
 * What a run that changes nothing would have changed in files with several names, for it may come to them again: what
 * it tells must be what the change itself will come to.
 */
class Planned {
  readonly #nodes: State['nodes']
  readonly #values = new Map<Inode, number>()

  constructor({ nodes }: State) {
    this.#nodes = nodes
  }

  present(inode: Inode, value: number): number {
    return this.#values.get(inode) ?? value
  }

  change(inode: Inode, value: number): void {
    if (!this.#nodes.isDirectory(inode) && this.#nodes.links.get(inode) > 1) this.#values.set(inode, value)
  }
}

export interface ClassChange {
  inode: Inode
  uid: number
  sourceClass: number
  targetClass: number
  mode: number
}

/** Changes storage classes, or with `ts` undefined only tells what would change. */
export function changeClasses(state: State, request: ClassChange, ts: Seconds | undefined): Counts {
  const { nodes } = state
  const planned = new Planned(state)
  return visit(state, request.inode, request.mode, inode => {
    if (!holdsData(state, inode)) return undefined
    if (!mayChange(state, inode, request.uid)) return 'notPermitted'
    const present = planned.present(inode, nodes.sclassId.get(inode))
    const kind = request.mode & KIND
    const next = combined(kind, present, request.sourceClass, request.targetClass)
    // An exchange of a class for itself counts as a change in the original.
    if (kind === SetMode.EXCHANGE ? present !== request.sourceClass : next === present) return 'notChanged'
    if (ts !== undefined) {
      setClass(state, inode, next)
      nodes.ctime.set(inode, ts)
    } else planned.change(inode, next)
    return 'changed'
  })
}

/** Gives a node another class; the chunks of a file count for it from now on. */
export function setClass(state: State, inode: Inode, sclassId: number): void {
  const { nodes, chunks } = state
  if (!nodes.isFile(inode)) {
    nodes.sclassId.set(inode, sclassId)
    return
  }
  const before = nodes.sclassId.get(inode)
  changeCounted(state, inode, () => {
    nodes.eachChunk(inode, row => {
      chunks.addReference(row, sclassId)
      chunks.dropReference(row, before)
    })
    nodes.sclassId.set(inode, sclassId)
  })
}

export interface RetentionChange {
  inode: Inode
  uid: number
  seconds: number
  mode: number
}

/** The longest retention that is kept. */
export const MAX_RETENTION_SECONDS = 0xffff * 3600

/** Seconds rounded up to hours, in the arithmetic of the original: what is longer than its 16 bits starts at 0 again. */
const hoursOf = (seconds: number) => Math.floor(((seconds + 3599) >>> 0) / 3600) & 0xffff

/** As changeClasses, for the retention in the trash. */
export function changeRetention(state: State, request: RetentionChange, ts: Seconds | undefined): Counts {
  const { nodes } = state
  const hours = hoursOf(request.seconds)
  const planned = new Planned(state)
  return visit(state, request.inode, request.mode, inode => {
    if (!holdsData(state, inode)) return undefined
    if (!mayChange(state, inode, request.uid)) return 'notPermitted'
    const present = planned.present(inode, nodes.trashHours.get(inode))
    const next = combined(request.mode & KIND, present, hours, hours)
    if (next === present) return 'notChanged'
    if (ts !== undefined) {
      nodes.trashHours.set(inode, next)
      nodes.ctime.set(inode, ts)
    } else planned.change(inode, next)
    return 'changed'
  })
}

export interface EattrChange {
  inode: Inode
  uid: number
  eattr: number
  mode: number
}

/** As changeClasses, for the extra attributes. */
export function changeEattr(state: State, request: EattrChange, ts: Seconds | undefined): Counts {
  const { nodes } = state
  const planned = new Planned(state)
  return visit(state, request.inode, request.mode, inode => {
    const present = planned.present(inode, nodes.eattr.get(inode))
    const owns = request.uid === 0 || request.uid === nodes.uid.get(inode) || (present & Eattr.NOOWNER) !== 0
    const locked = (present & Eattr.IMMUTABLE) !== 0 && (request.eattr & Eattr.NOOWNER) !== 0
    if (!owns || locked) return 'notPermitted'
    const kind = request.mode & KIND
    let next = request.eattr
    if (kind === SetMode.INCREASE) next = present | request.eattr
    if (kind === SetMode.DECREASE) next = present & ~request.eattr
    if (!nodes.isDirectory(inode)) next &= ~Eattr.NOENTRYCACHE
    if (next === present) return 'notChanged'
    if (ts !== undefined) {
      nodes.eattr.set(inode, next)
      nodes.ctime.set(inode, ts)
    } else planned.change(inode, next)
    return 'changed'
  })
}

export interface ArchiveChange {
  inode: Inode
  uid: number
  /** 1 sets the flag, 0 clears it. */
  command: number
}

/** As changeClasses, for the archive flags of all chunks below; counts chunks, and files that are not permitted. */
export function changeArchived(state: State, request: ArchiveChange, ts: Seconds | undefined): Counts {
  const { nodes, chunks } = state
  const archived = request.command === 1
  const counts: Counts = { changed: 0, notChanged: 0, notPermitted: 0 }
  const seen = new Set<number>()
  visit(state, request.inode, RECURSIVE, inode => {
    if (!nodes.isFile(inode)) return undefined
    if (!mayChange(state, inode, request.uid)) {
      counts.notPermitted++
      return undefined
    }
    nodes.eachChunk(inode, row => {
      if (chunks.isArchived(row) === archived || seen.has(row)) counts.notChanged++
      else {
        counts.changed++
        if (ts !== undefined) chunks.setArchived(row, archived)
        else seen.add(row)
      }
    })
    if (!archived && ts !== undefined) nodes.ctime.set(inode, ts)
    return undefined
  })
  return counts
}

export const recursiveOperations: Operations<'SETSCLASS' | 'SETGOAL' | 'SETTRASHTIME' | 'SETEATTR' | 'ARCHCHG'> = {
  SETSCLASS(state, entry) {
    if (entry.sourceClass === 0 || entry.targetClass === 0) fail(Status.EINVAL, 'storage class 0')
    expectCounts(entry, changeClasses(state, entry, entry.ts))
  },

  SETGOAL(state, { goal, ...entry }) {
    if (goal < 1 || goal > 9) fail(Status.EINVAL, `goal ${goal}`)
    const request = { ...entry, sourceClass: goal, targetClass: goal }
    expectCounts(entry, changeClasses(state, request, entry.ts))
  },

  SETTRASHTIME(state, entry) {
    expectCounts(entry, changeRetention(state, entry, entry.ts))
  },

  SETEATTR(state, entry) {
    expectCounts(entry, changeEattr(state, entry, entry.ts))
  },

  ARCHCHG(state, entry) {
    expectCounts(entry, changeArchived(state, entry, entry.ts))
  },
}
