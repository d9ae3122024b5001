// Random trees for work on whole trees: directories, shared files, owners, ACLs, attributes of every kind.
import { apply } from '../../src/metadata/apply.ts'
import { type Entry, parseBody, printLine } from '../../src/metadata/changelog/entry.ts'
import type { Actor, Decision } from '../../src/metadata/decision.ts'
import { decideSnapshot, type SnapshotWork } from '../../src/metadata/namespace/decide-snapshot.ts'
import { edgesOf } from '../../src/metadata/namespace/tree.ts'
import { newState, type State } from '../../src/metadata/state.ts'
import { Eattr } from '../../src/metadata/types.ts'

export const TS = 1_700_000_000

export const actorOf = (uid: number, gid: number): Actor => ({
  ...{ uid, gids: [gid], sessionFlags: 0x08, root: 1, disables: 0, umask: 0o022 },
})

/** Inode 2 is `source`, inode 3 `target`, both in the root; most lies in them. */
export class RandomTree {
  readonly state: State = newState(TS)
  readonly lines: string[] = []
  readonly #draw: (limit: number) => number
  readonly #directories = [2, 3]
  readonly #files: number[] = []
  #name = 0

  constructor(draw: (limit: number) => number, nodes: number) {
    this.#draw = draw
    this.log('SETMETAID(7)')
    this.log('CREATE(1,source,2,2047,0,0,0,0):2')
    this.log('CREATE(1,target,2,511,0,0,0,0):3')
    for (let i = 0; i < nodes; i++) this.#grow()
  }

  /** Applies an entry, given whole or by its line's body. */
  log(change: string | Entry): void {
    const entry = typeof change === 'string' ? parseBody(`${TS}|${change}`).entry : change
    const { version } = this.state
    apply(this.state, entry)
    // A snapshot learns its results when it is applied.
    this.lines.push(printLine(version, entry))
  }

  #grow(): void {
    const draw = this.#draw
    const { state } = this
    const pick = <T>(from: readonly T[]) => from[draw(from.length)] as T
    const parent = pick(this.#directories)
    const name = `n${this.#name++}`
    const owner = pick(['0,0', '1000,1000', '1001,1001'])
    const inode = state.nodes.nextInode()
    const kind = draw(10)
    if (kind < 3) {
      this.log(`CREATE(${parent},${name},2,${pick([0o755, 0o700, 0o2775, 0o711])},0,${owner},0):${inode}`)
      this.#directories.push(inode)
    } else if (kind < 7) {
      this.log(`CREATE(${parent},${name},1,${pick([0o644, 0o600, 0o4755])},0,${owner},0):${inode}`)
      this.#files.push(inode)
      for (let index = 0; index < draw(3); index++) {
        this.log(`WRITE(${inode},${index},1,1):${state.chunks.nextChunkId}`)
        this.log(`LENGTH(${inode},${(index + 1) * 1000},1)`)
      }
    } else if (kind < 8 && this.#files.length > 0) this.log(`LINK(${pick(this.#files)},${parent},${name})`)
    else this.log(`SYMLINK(${parent},${name},to,${owner}):${inode}`)
    this.#decorate(draw(12), kind < 7 ? inode : parent)
  }

  #decorate(how: number, inode: number): void {
    const { nodes } = this.state
    const mode = nodes.mode.get(inode)
    if (nodes.eattr.get(inode) & Eattr.IMMUTABLE) return
    const set = `${inode},0`
    if (how === 0) this.log(`SETXATTR(${inode},user.a,value,0)`)
    if (how === 1) this.log(`SETACL(${inode},${mode},1,1,7,5,4,6,1,0,%00%00%03%E8%00%05)`)
    if (how === 2 && nodes.isDirectory(inode)) this.log(`SETACL(${inode},${mode},1,2,7,5,4,6,1,0,%00%00%03%E8%00%05)`)
    if (how === 3 && nodes.trashHours.get(inode) === 24) this.log(`SETTRASHTIME(${set},172800,0):1,0,0`)
    if (how === 4 && nodes.eattr.get(inode) === 0) this.log(`SETEATTR(${set},${this.#draw(2) ? 8 : 0x80},0):1,0,0`)
    if (how === 5) this.log(`AMTIME(${inode},1000,2000,3000)`)
    if (how === 6 && nodes.sclassId.get(inode) === 2) this.log(`SETSCLASS(${set},2,3,0):1,0,0`)
  }
}

/** How work on a tree is divided. */
export interface Way {
  /** Nodes and chunks that a line may cover. */
  weight: number
  /** After how many steps the work is left and begun anew, as by another master; never when missing. */
  leftAfter?: number
}

export const WHOLE: Way = { weight: 1_000_000 }
export const ways: Way[] = [{ weight: 1 }, { weight: 4 }, { weight: 1, leftAfter: 7 }, { weight: 3, leftAfter: 2 }]

/** Makes or removes a snapshot. @returns the status */
export function snapshot(
  tree: RandomTree,
  uid: number,
  request: { source: number; parent: number; name: string; mode: number },
  way: Way,
): number {
  let resumed: string | undefined
  const commit = (entry: Parameters<RandomTree['log']>[0]) => tree.log(entry)
  for (let left = way.leftAfter ?? Infinity; ; left = Infinity) {
    const progress = { commit, now: () => TS, resumed, weight: way.weight }
    const decision = decideSnapshot(tree.state, actorOf(uid, uid), { ...request, umask: 0o027 }, progress)
    if (decision.status !== 0) return decision.status
    const { work, note } = decision as SnapshotWork
    const before = tree.state.version
    for (let steps = 0; steps < left; steps++) {
      const { done, value } = work.next()
      if (done) return (value as Decision).status
    }
    // Work of which nothing was logged is begun as if it had never been.
    if (tree.state.version !== before) resumed = note()
  }
}

/** Everything below a directory by its path, but for inode numbers. */
export function treeBelow(state: State, directory: number, path = ''): Record<string, unknown> {
  const found: Record<string, unknown> = {}
  for (const edge of edgesOf(state, state.nodes.directoryRow(directory))) {
    const child = state.edges.child.get(edge)
    const name = `${path}/${state.edges.name(edge)}`
    found[name] = nodeFacts(state, child)
    if (state.nodes.isDirectory(child)) Object.assign(found, treeBelow(state, child, name))
  }
  return found
}

function nodeFacts({ nodes, xattrs, acls, lists, chunks }: State, inode: number) {
  const slots = nodes.isFile(inode) ? nodes.chunkSlots(inode) : 0
  return {
    type: nodes.type(inode),
    mode: nodes.mode.get(inode),
    owner: [nodes.uid.get(inode), nodes.gid.get(inode)],
    times: [nodes.atime, nodes.mtime, nodes.ctime].map(time => [time.low(inode), time.more(inode)]),
    class: nodes.sclassId.get(inode),
    trash: nodes.trashHours.get(inode),
    eattr: nodes.eattr.get(inode),
    links: nodes.links.get(inode),
    chunks: Array.from({ length: slots }, (_, index) => {
      const row = nodes.chunkRow(inode, index)
      return row === 0 ? 0 : chunks.id(row)
    }),
    length: nodes.isFile(inode) ? nodes.length.get(inode) : 0,
    xattrs: xattrs.of(inode),
    acls: [acls.get(inode, 1), acls.get(inode, 2)],
    stats: nodes.isDirectory(inode) ? lists.stats(nodes.directoryRow(inode)) : undefined,
  }
}
