// Snapshots of large trees and their removal, in parts (parts.ts). A small subtree is one SNAPSHOT line, as the whole
// tree is in the original; a directory that is divided is made, and given the attributes of its source, by lines of its
// own, to the same effect. Nobody may change the source or see the target meanwhile (master/clients/tree-jobs.ts).
import { type Acl, AclType } from '../acl/acls.ts'
import type { EntryOf } from '../changelog/entry.ts'
import type { State } from '../state.ts'
import { Eattr, type Inode, NodeType, type Seconds } from '../types.ts'
import { MODE_R, MODE_W, MODE_X } from './access.ts'
import { S_ISGID } from './apply.ts'
import { printEntries, XattrMode } from './apply-attributes.ts'
import { SetMode } from './apply-recursive.ts'
import {
  allows,
  checkTargetAlone,
  ownerOfCopy,
  PROTECTED,
  type SnapshotCounts,
  type SnapshotEntry,
  SnapshotMode,
} from './apply-snapshot.ts'
import { type Commit, PART_WEIGHT, type Sliced, weightOf } from './parts.ts'
import { childOf, edgesOf, findEdge, isBelow } from './tree.ts'

/** What a SNAPSHOT line says besides its time and results. */
export type SnapshotPlan = Omit<SnapshotEntry, keyof SnapshotCounts | 'op' | 'ts'>

export interface PartsContext {
  state: State
  now: () => Seconds
  commit: Commit
  /** What note() told a master that began it and is no more. */
  resumed: string | undefined
  /** Nodes and chunks that one line may cover. */
  weight?: number
}

const NO_COUNTS: SnapshotCounts = { checksum: 0, removed: 0, same: 0, existing: 0, hardlinks: 0, created: 0 }
const ONE_CHANGED = { changed: 1, notChanged: 0, notPermitted: 0 }

abstract class InParts {
  protected readonly state: State
  protected readonly context: PartsContext
  protected readonly plan: SnapshotPlan
  readonly #weight: number

  constructor(context: PartsContext, plan: SnapshotPlan) {
    this.state = context.state
    this.context = context
    this.plan = plan
    this.#weight = context.weight ?? PART_WEIGHT
  }

  protected isSmall(inode: Inode): boolean {
    return !this.state.nodes.isDirectory(inode) || weightOf(this.state, inode) <= this.#weight
  }

  protected allows(inode: Inode, wanted: number): boolean {
    return allows({ state: this.state, request: { ...this.plan, ts: 0 } }, inode, wanted)
  }

  /** One line for a small subtree. */
  protected line(source: Inode, parent: Inode, name: string, mode: number): void {
    const { plan, context } = this
    context.commit({ op: 'SNAPSHOT', ts: context.now(), ...plan, source, parent, name, mode, ...NO_COUNTS })
  }

  protected setEattr(inode: Inode, eattr: number): void {
    if (this.state.nodes.eattr.get(inode) === eattr) return
    this.context.commit({
      ...{ op: 'SETEATTR', ts: this.context.now(), inode, uid: 0, eattr, mode: SetMode.SET },
      ...ONE_CHANGED,
    })
  }

  /** The names in a directory; the one given may go while it is worked on. */
  protected *namesIn(directory: Inode): Generator<[name: string, child: Inode], void, void> {
    const { state } = this
    let edge = state.lists.head.get(state.nodes.directoryRow(directory))
    while (edge !== 0) {
      const next = state.edges.next.get(edge)
      yield [state.edges.name(edge), state.edges.child.get(edge)]
      edge = next
    }
  }
}

/** A copy of `plan.source`. The target must have been checked. */
export class CopyInParts extends InParts {
  /** Copies of sources with several links, by source. */
  readonly #copies = new Map<Inode, Inode>()
  /** Edges of this age and later ones were made by this copy: nobody else makes any at the target. */
  readonly #firstAge: number

  constructor(context: PartsContext, plan: SnapshotPlan) {
    super(context, plan)
    this.#firstAge = Number(context.resumed ?? context.state.nextEdgeAge)
  }

  note(): string {
    return String(this.#firstAge)
  }

  *run(): Sliced<void> {
    const { state } = this
    const { source, parent, name, mode } = this.plan
    // What is copied into a directory above itself changes as it is read, so its names are taken first, all at once.
    const present = childOf(state, parent, name)
    const isAbove = present !== 0 && isBelow(state, source, present)
    if (isAbove || (this.isSmall(source) && this.context.resumed === undefined)) this.line(source, parent, name, mode)
    else yield* this.#copy(source, parent, name)
  }

  *#copy(source: Inode, parent: Inode, name: string): Sliced<void> {
    const { state } = this
    const { nodes } = state
    const edge = findEdge(state, parent, name)
    const present = edge === 0 ? 0 : state.edges.child.get(edge)
    const isMade = edge !== 0 && state.edges.age(edge) >= this.#firstAge
    const isDone = isMade && (nodes.eattr.get(present) & Eattr.SNAPSHOT) !== 0
    const keepsLinks = (this.plan.mode & SnapshotMode.HARDLINKS) !== 0
    if (!nodes.isDirectory(source)) this.#copyNode(source, parent, name, present, isMade)
    else if (isDone && !keepsLinks) return
    else if (this.isSmall(source) && !(isMade && !isDone) && !(keepsLinks && this.#hasShared(source))) {
      if (!isDone) this.line(source, parent, name, this.plan.mode)
    } else {
      const target = present || this.#makeDirectory(source, parent, name)
      yield
      if (this.allows(source, MODE_R | MODE_X)) {
        for (const [childName, child] of this.namesIn(source)) yield* this.#copy(child, target, childName)
      }
      this.#finishDirectory(source, target, present === 0 || isMade)
    }
    yield
  }

  /** With links kept, a file of which one name lies in another part must be linked there. */
  #hasShared(directory: Inode): boolean {
    const { nodes, edges } = this.state
    for (const edge of edgesOf(this.state, nodes.directoryRow(directory))) {
      const child = edges.child.get(edge)
      if (nodes.isDirectory(child) ? this.#hasShared(child) : nodes.links.get(child) > 1) return true
    }
    return false
  }

  #copyNode(source: Inode, parent: Inode, name: string, present: Inode, isMade: boolean): void {
    const { plan, state } = this
    const { nodes } = state
    if (nodes.isFile(source) && !this.allows(source, MODE_R)) return
    const isShared = (plan.mode & SnapshotMode.HARDLINKS) !== 0 && nodes.links.get(source) > 1
    const copy = isShared ? this.#copies.get(source) : undefined
    if (present === 0 && copy !== undefined) {
      this.context.commit({ op: 'LINK', ts: this.context.now(), inode: copy, parent, name })
      return
    }
    if (!isMade) this.line(source, parent, name, plan.mode)
    if (isShared && (present === 0 || isMade)) this.#copies.set(source, childOf(state, parent, name))
  }

  /** An empty directory with all that a copy has of its source but the times and the mark. */
  #makeDirectory(source: Inode, parent: Inode, name: string): Inode {
    const { state, plan } = this
    const { nodes, acls, xattrs } = state
    const { commit, now } = this.context
    const cpLike = (plan.mode & SnapshotMode.CP_LIKE) !== 0
    const inode = nodes.nextInode()
    commit({
      ...{ op: 'CREATE', ts: now(), parent, name, type: NodeType.DIRECTORY, mode: nodes.mode.get(source) },
      ...{ cumask: cpLike ? plan.cumask : 0, uid: plan.uid, gid: plan.gids[0] ?? 0, rdev: 0, inode },
    })
    if (cpLike) return inode
    const owner = ownerOfCopy(state, plan, source)
    if (nodes.mode.get(parent) & S_ISGID) owner.gid = nodes.gid.get(parent)
    const access = acls.get(source, AclType.ACCESS) ?? acls.get(inode, AclType.ACCESS)
    const defaults = acls.get(source, AclType.DEFAULT)
    this.#setOwner(inode, owner, nodes.winattr.get(source), access)
    if (defaults) this.#setAcl(inode, owner.mode, AclType.DEFAULT, defaults)
    for (const [attribute, value] of xattrs.of(source)) {
      commit({ op: 'SETXATTR', ts: now(), inode, name: attribute, value, mode: XattrMode.SET })
    }
    const [sourceClass, targetClass] = [nodes.sclassId.get(inode), nodes.sclassId.get(source)]
    const byRoot = { inode, uid: 0, mode: SetMode.SET, ...ONE_CHANGED }
    if (sourceClass !== targetClass) commit({ op: 'SETSCLASS', ts: now(), ...byRoot, sourceClass, targetClass })
    const hours = nodes.trashHours.get(source)
    if (nodes.trashHours.get(inode) !== hours) {
      commit({ op: 'SETTRASHTIME', ts: now(), ...byRoot, seconds: hours * 3600 })
    }
    this.setEattr(inode, nodes.eattr.get(source))
    return inode
  }

  /** @param access the ACL that it is to have: a change of mode alone would change it */
  #setOwner(
    inode: Inode,
    { uid, gid, mode }: { uid: number; gid: number; mode: number },
    winattr: number,
    access: Acl | undefined,
  ): void {
    const { atime, mtime } = this.state.nodes
    this.context.commit({
      ...{ op: 'ATTR', ts: this.context.now(), inode, mode, uid, gid, winattr, aclMode: 0 },
      ...{ atime: atime.low(inode), atimeMore: atime.more(inode) },
      ...{ mtime: mtime.low(inode), mtimeMore: mtime.more(inode) },
    })
    if (access) this.#setAcl(inode, mode, AclType.ACCESS, access)
  }

  #setAcl(inode: Inode, mode: number, aclType: AclType, acl: Acl): void {
    const { user, group, other, mask, users, groups } = acl
    this.context.commit({
      ...{ op: 'SETACL', ts: this.context.now(), inode, mode, changeCtime: false, aclType, user, group, other, mask },
      ...{ userCount: users.length, groupCount: groups.length, entries: printEntries([...users, ...groups]) },
    })
  }

  /** What its contents have touched, and what a directory that was there takes over after them. */
  #finishDirectory(source: Inode, target: Inode, isNew: boolean): void {
    const { state, plan } = this
    const { nodes, acls } = state
    const cpLike = (plan.mode & SnapshotMode.CP_LIKE) !== 0
    if (!isNew) {
      const caller = { uid: plan.uid, gid: plan.gids[0] ?? 0, mode: nodes.mode.get(source) & ~plan.cumask }
      const owner = cpLike ? caller : ownerOfCopy(state, plan, source)
      this.#setOwner(target, owner, nodes.winattr.get(target), acls.get(target, AclType.ACCESS))
    }
    this.setEattr(target, nodes.eattr.get(target) | Eattr.SNAPSHOT)
    if (!cpLike) this.context.commit(this.#timesOf(source, target, isNew))
  }

  #timesOf(source: Inode, inode: Inode, isNew: boolean): EntryOf<'AMTIME'> {
    const { plan, context } = this
    const { uid, atime, mtime, ctime } = this.state.nodes
    const takesCtime = isNew || plan.uid === 0 || plan.uid === uid.get(source)
    return {
      ...{ op: 'AMTIME', ts: context.now(), inode },
      ...{ atime: atime.low(source), atimeMore: atime.more(source) },
      ...{ mtime: mtime.low(source), mtimeMore: mtime.more(source) },
      ctime: takesCtime ? ctime.low(source) : context.now(),
      ctimeMore: takesCtime ? ctime.more(source) : 0,
    }
  }
}

/** Whether everything that is at the target of a copy may be merged or replaced. @throws ReplayError when not */
export class TargetCheck extends InParts {
  *run(): Sliced<void> {
    const { source, parent, name } = this.plan
    yield* this.#check(source, parent, name)
  }

  *#check(source: Inode, parent: Inode, name: string): Sliced<void> {
    const { state, plan } = this
    const target = checkTargetAlone({ state, request: { ...plan, ts: 0 } }, source, parent, name)
    yield
    if (target === 0 || !state.nodes.isDirectory(source) || !this.allows(source, MODE_R | MODE_X)) return
    for (const [childName, child] of this.namesIn(source)) yield* this.#check(child, target, childName)
  }
}

/** Removes the snapshot `plan.name`. Without force it must have been checked that all of it may go. */
export class RemovalInParts extends InParts {
  /** Directories on the way that had the mark: it goes with the first name in them. */
  readonly #marked: Set<Inode>

  constructor(context: PartsContext, plan: SnapshotPlan) {
    super(context, plan)
    const inodes = context.resumed ? context.resumed.split('.') : []
    this.#marked = new Set(inodes.map(Number))
  }

  note(): string {
    return [...this.#marked].join('.')
  }

  *run(): Sliced<void> {
    const { parent, name } = this.plan
    if (findEdge(this.state, parent, name) !== 0) yield* this.#remove(parent, name)
  }

  *#remove(parent: Inode, name: string): Sliced<void> {
    const { state, plan } = this
    const { nodes, lists } = state
    const inode = childOf(state, parent, name)
    const eattr = nodes.eattr.get(inode)
    if (eattr & Eattr.SNAPSHOT) this.#marked.add(inode)
    const isMarked = this.#marked.has(inode)
    if (this.isSmall(inode)) {
      // A directory that a former master has begun with lost its mark to it.
      if (isMarked) this.setEattr(inode, eattr | Eattr.SNAPSHOT)
      this.line(0, parent, name, plan.mode)
      this.#marked.delete(inode)
      yield
      return
    }
    if (!(eattr & (Eattr.APPENDONLY | Eattr.IMMUTABLE)) && this.allows(inode, MODE_W | MODE_X)) {
      for (const [childName] of this.namesIn(inode)) yield* this.#remove(inode, childName)
    }
    if (lists.length.get(nodes.directoryRow(inode)) === 0 && isMarked) {
      this.setEattr(inode, eattr | Eattr.SNAPSHOT)
      if (!(eattr & PROTECTED)) this.line(0, parent, name, plan.mode)
    }
    this.#marked.delete(inode)
    yield
  }
}
