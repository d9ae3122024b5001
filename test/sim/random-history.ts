// Random changes that fit a state: histories as a busy master writes them, of every operation that it logs.
import { apply } from '../../src/metadata/apply.ts'
import { type Entry, type EntryOf, parseLine, printLine } from '../../src/metadata/changelog/entry.ts'
import { isClassUsed } from '../../src/metadata/chunks/apply.ts'
import type { ChunkTable } from '../../src/metadata/chunks/chunks.ts'
import {
  changeArchived,
  changeClasses,
  changeEattr,
  changeRetention,
} from '../../src/metadata/namespace/apply-recursive.ts'
import { checkSnapshot } from '../../src/metadata/namespace/apply-snapshot.ts'
import { abandonedFiles, expiredTrash } from '../../src/metadata/namespace/apply-trash.ts'
import { edgesOf, findEdge, isBelow } from '../../src/metadata/namespace/tree.ts'
import { NO_QUOTA } from '../../src/metadata/quota/decide.ts'
import { ReplayError } from '../../src/metadata/replay-error.ts'
import type { State } from '../../src/metadata/state.ts'
import { type Inode, NodeType, ROOT } from '../../src/metadata/types.ts'

/** A random integer 0 <= n < `limit`. */
export type Draw = (limit: number) => number

/** mulberry32 */
export function drawFrom(seed: number): Draw {
  let at = seed >>> 0
  return limit => {
    at = (at + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(at ^ (at >>> 15), at | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 0x100000000) * limit)
  }
}

const FILE_SLOTS = 4
const NAMES = 40
const UIDS = [0, 0, 1000, 1001]
const NOTHING = { checksum: 0, removed: 0, same: 0, existing: 0, hardlinks: 0, created: 0 }
const LABELS = [1, 0, 0, 0]

/** Makes histories: each call of next() gives an entry that the state at that moment takes. */
export class RandomHistory {
  readonly #draw: Draw
  ts: number
  readonly #state: State

  constructor(state: State, seed: number, ts = 1_700_000_000) {
    this.#state = state
    this.#draw = drawFrom(seed)
    this.ts = ts
  }

  /** An entry as it comes out of a changelog line; `undefined` when the drawn operation has nothing to do here. */
  next(): Entry | undefined {
    this.ts += this.#draw(20) === 0 ? this.#draw(100_000) : this.#draw(2)
    const makers = Object.values(this.#makers)
    const entry = (makers[this.#draw(makers.length)] as () => Entry | undefined)()
    return entry && parseLine(printLine(1, entry)).entry
  }

  /** Applies `count` entries; `each` sees them before. */
  run(count: number, each: (entry: Entry) => void = () => {}): void {
    for (let done = 0; done < count; ) {
      const entry = this.next()
      if (!entry) continue
      each(entry)
      apply(this.#state, entry)
      done++
    }
  }

  #pick<T>(from: readonly T[]): T | undefined {
    return from[this.#draw(from.length)]
  }

  #inode(wanted: (inode: Inode) => boolean): Inode | undefined {
    return this.#pick([...this.#state.nodes.inodes()].filter(wanted))
  }

  #directory = () => this.#inode(inode => this.#state.nodes.isDirectory(inode)) ?? ROOT
  #file = () => this.#inode(inode => this.#state.nodes.isFile(inode))
  #ofType = (type: number) => this.#inode(inode => this.#state.nodes.type(inode) === type)
  #name = () => `n${this.#draw(NAMES)}`
  #chunkRow = () => this.#pick([...this.#state.chunks.rows()])
  #session = () => this.#pick([...this.#state.sessions.entries()].map(([id]) => id))
  #opened = () => this.#pick([...this.#state.openFiles.entries()])
  #server = () => this.#pick([...this.#state.knownServers.values()])
  #className = () => this.#pick(this.#state.storageClasses.entries().filter(([id]) => id > 9))?.[1].name
  #mode = () => [0o644, 0o755, 0o2775, 0o4711, 0o1777, 0][this.#draw(6)] as number
  #uid = () => UIDS[this.#draw(UIDS.length)] as number

  #edge(): { parent: Inode; name: string; inode: Inode } | undefined {
    const { nodes, edges } = this.#state
    const parent = this.#directory()
    const edge = this.#pick([...edgesOf(this.#state, nodes.directoryRow(parent))])
    return edge === undefined ? undefined : { parent, name: edges.name(edge), inode: edges.child.get(edge) }
  }

  #freeName(): { parent: Inode; name: string } | undefined {
    const [parent, name] = [this.#directory(), this.#name()]
    return findEdge(this.#state, parent, name) === 0 ? { parent, name } : undefined
  }

  #create(type: number): EntryOf<'CREATE'> | undefined {
    const free = this.#freeName()
    const owner = { cumask: 0o22, uid: this.#uid(), gid: 1000 }
    const rdev = type === NodeType.BLOCKDEV || type === NodeType.CHARDEV ? 0x10003 : 0
    const inode = this.#state.nodes.nextInode()
    return free && { op: 'CREATE', ts: this.ts, ...free, type, mode: this.#mode(), ...owner, rdev, inode }
  }

  /** The id that WRITE or TRUNC will come to. */
  #chunkAfterWrite(inode: Inode, index: number): number {
    const { nodes, chunks } = this.#state
    const row = nodes.chunkRow(inode, index)
    return row === 0 || chunks.references.get(row) > 1 ? chunks.nextChunkId : chunks.id(row)
  }

  #ofChunk(make: (chunks: ChunkTable, row: number) => Entry | undefined): Entry | undefined {
    const row = this.#chunkRow()
    return row === undefined ? undefined : make(this.#state.chunks, row)
  }

  #isEmptyDirectory(inode: Inode): boolean {
    const { nodes, lists } = this.#state
    return lists.length.get(nodes.directoryRow(inode)) === 0
  }

  readonly #makers: Record<string, () => Entry | undefined> = {
    file: () => this.#create(NodeType.FILE),
    file2: () => this.#create(NodeType.FILE),
    directory: () => this.#create(NodeType.DIRECTORY),
    special: () => this.#create([4, 5, 6, 7][this.#draw(4)] as number),
    symlink: () => {
      const free = this.#freeName()
      const target = `to/${'x'.repeat(this.#draw(30))}`
      const inode = this.#state.nodes.nextInode()
      return free && { op: 'SYMLINK', ts: this.ts, ...free, target, uid: this.#uid(), gid: 7, inode }
    },
    link: () => {
      const free = this.#freeName()
      const inode = this.#inode(inode => this.#state.nodes.type(inode) < 8 && !this.#state.nodes.isDirectory(inode))
      return free && inode ? { op: 'LINK', ts: this.ts, inode, ...free } : undefined
    },
    unlink: () => {
      const edge = this.#edge()
      if (!edge || (this.#state.nodes.isDirectory(edge.inode) && !this.#isEmptyDirectory(edge.inode))) return undefined
      return { op: 'UNLINK', ts: this.ts, ...edge }
    },
    move: () => {
      const [source, parentTarget, nameTarget] = [this.#edge(), this.#directory(), this.#name()]
      if (!source) return undefined
      const { nodes, edges } = this.#state
      const target = findEdge(this.#state, parentTarget, nameTarget)
      const replaced = target === 0 ? 0 : edges.child.get(target)
      if (nodes.isDirectory(source.inode) && isBelow(this.#state, parentTarget, source.inode)) return undefined
      if (replaced !== 0 && nodes.isDirectory(replaced) && !this.#isEmptyDirectory(replaced)) return undefined
      if (replaced === source.parent) return undefined
      const names = { parentSource: source.parent, nameSource: source.name, parentTarget, nameTarget }
      return { op: 'MOVE', ts: this.ts, ...names, inode: source.inode }
    },
    times: () => {
      const inode = this.#inode(() => true) ?? ROOT
      return { op: 'AMTIME', ts: this.ts, inode, atime: this.ts, mtime: this.#draw(2 ** 32), ctime: this.ts }
    },
    access: () => ({ op: 'ACCESS', ts: this.ts, inode: this.#inode(() => true) ?? ROOT }),
    attributes: () => {
      const inode = this.#inode(() => true) ?? ROOT
      const owner = { mode: this.#mode(), uid: this.#uid(), gid: this.#draw(2 ** 32) }
      const rest = { atime: this.ts, mtime: this.ts, winattr: this.#draw(256), aclMode: 0x1000 | this.#draw(512) }
      return { op: 'ATTR', ts: this.ts, inode, ...owner, ...rest }
    },
    length: () => {
      const inode = this.#file()
      const length = this.#draw(4) === 0 ? this.#draw(2) * 2 ** 45 + this.#draw(1000) : this.#draw(3e8)
      return inode === undefined ? undefined : { op: 'LENGTH', ts: this.ts, inode, length, touch: this.#draw(2) === 0 }
    },
    write: () => {
      const inode = this.#file()
      const index = this.#draw(FILE_SLOTS)
      if (!inode) return undefined
      const flags = { raiseVersion: this.#draw(2) === 0, touch: this.#draw(2) === 0 }
      return { op: 'WRITE', ts: this.ts, inode, index, ...flags, chunkId: this.#chunkAfterWrite(inode, index) }
    },
    truncate: () => {
      const inode = this.#file()
      const index = this.#draw(FILE_SLOTS)
      if (!inode || this.#state.nodes.chunkRow(inode, index) === 0) return undefined
      return { op: 'TRUNC', ts: this.ts, inode, index, chunkId: this.#chunkAfterWrite(inode, index) }
    },
    unlock: () => this.#ofChunk((chunks, row) => ({ op: 'UNLOCK', ts: this.ts, chunkId: chunks.id(row) })),
    rollback: () => {
      const inode = this.#file()
      if (!inode || this.#state.nodes.chunkSlots(inode) === 0) return undefined
      const { nodes, chunks } = this.#state
      const index = this.#draw(nodes.chunkSlots(inode))
      const row = nodes.chunkRow(inode, index)
      const previous = this.#draw(2) === 0 ? 0 : (this.#chunkRow() ?? 0)
      if (row === 0) return undefined
      const previousChunkId = previous === 0 ? 0 : chunks.id(previous)
      return { op: 'ROLLBACK', ts: this.ts, inode, index, previousChunkId, chunkId: chunks.id(row) }
    },
    append: () => {
      const [inode, source] = [this.#file(), this.#file()]
      if (!inode || !source || inode === source || this.#state.nodes.length.get(source) > 3e8) return undefined
      if (this.#state.nodes.length.get(inode) > 1e9) return undefined
      return { op: 'APPEND', ts: this.ts, inode, source, from: 0xffffffff, to: 0 }
    },
    repair: () => {
      const inode = this.#file()
      const index = this.#draw(FILE_SLOTS)
      if (!inode || this.#state.nodes.chunkRow(inode, index) === 0) return undefined
      return { op: 'REPAIR', ts: this.ts, inode, index, version: this.#draw(3) }
    },
    dropFileChunk: () => {
      const inode = this.#file()
      if (!inode || this.#state.nodes.chunkSlots(inode) === 0) return undefined
      const index = this.#draw(this.#state.nodes.chunkSlots(inode))
      return { op: 'SETFILECHUNK', ts: this.ts, inode, index, chunkId: 0 }
    },
    snapshot: () => {
      const [parent, name] = [this.#directory(), this.#name()]
      const source = this.#inode(inode => this.#state.nodes.type(inode) < 8) ?? ROOT
      const who = { sessionFlags: 0, uid: this.#uid(), gids: [1000, 27], cumask: 0o22 }
      const entry = { ts: this.ts, source, parent, name, mode: this.#draw(16), ...who }
      try {
        checkSnapshot(this.#state, entry)
      } catch (error) {
        if (error instanceof ReplayError) return undefined
        throw error
      }
      // A tree copied into itself over and over would fill the memory.
      if (this.#state.nodes.count > 400) return undefined
      return { op: 'SNAPSHOT', ...entry, ...NOTHING }
    },
    removeSnapshot: () => {
      const edge = this.#edge()
      if (!edge) return undefined
      const who = { sessionFlags: 0, uid: 0, gids: [0], cumask: 0 }
      const { parent, name } = edge
      return { op: 'SNAPSHOT', ts: this.ts, source: 0, parent, name, mode: 0x84, ...who, ...NOTHING }
    },
    trashPath: () => {
      const inode = this.#ofType(NodeType.TRASH)
      return inode === undefined ? undefined : { op: 'SETPATH', ts: this.ts, inode, path: `elsewhere/${this.#name()}` }
    },
    undelete: () => {
      const inode = this.#ofType(NodeType.TRASH)
      if (!inode) return undefined
      const path = this.#state.edges.name(this.#state.nodes.firstLink.get(inode)).split('/')
      let at = ROOT
      for (const [i, name] of path.entries()) {
        const edge = findEdge(this.#state, at, name)
        const child = edge === 0 ? 0 : this.#state.edges.child.get(edge)
        if (this.#state.quotas.get(at)?.exceeded || this.#state.nodes.eattr.get(at) & 0x80) return undefined
        if (child === 0) break
        if (i === path.length - 1 || !this.#state.nodes.isDirectory(child)) return undefined
        at = child
      }
      return { op: 'UNDEL', ts: this.ts, inode }
    },
    purge: () => {
      const inode = this.#ofType(NodeType.TRASH)
      return inode === undefined ? undefined : { op: 'PURGE', ts: this.ts, inode }
    },
    emptyTrash: () => {
      const bucket = this.#draw(4) === 0 ? 0xffffffff : this.#draw(4096)
      const inodes = expiredTrash(this.#state, bucket, this.ts)
      const kept = inodes.filter(inode => this.#state.openFiles.isOpen(inode)).length
      return { op: 'EMPTYTRASH', ts: this.ts, bucket, freed: inodes.length - kept, kept, checksum: xor(inodes) }
    },
    emptySustained: () => {
      const inodes = abandonedFiles(this.#state, 0xffffffff)
      return { op: 'EMPTYSUSTAINED', ts: this.ts, bucket: 0xffffffff, freed: inodes.length, checksum: xor(inodes) }
    },
    freeInodes: () => {
      const delay = 300
      const inodes: Inode[] = []
      for (const { inode, freedAt } of this.#state.freeInodes.entries()) {
        if (freedAt + delay >= this.ts) break
        inodes.push(inode)
      }
      const kept = inodes.filter(inode => this.#state.openFiles.isOpen(inode)).length
      return { op: 'FREEINODES', ts: this.ts, delay, freed: inodes.length - kept, kept, checksum: xor(inodes) }
    },
    setClass: () => {
      const inode = this.#inode(inode => this.#state.nodes.type(inode) < 3) ?? ROOT
      const targetClass = 1 + this.#draw(9)
      const change = { inode, uid: this.#uid(), sourceClass: targetClass, targetClass, mode: this.#draw(8) }
      return { op: 'SETSCLASS', ts: this.ts, ...change, ...changeClasses(this.#state, change, undefined) }
    },
    setRetention: () => {
      const inode = this.#inode(inode => this.#state.nodes.type(inode) < 3) ?? ROOT
      const change = { inode, uid: this.#uid(), seconds: this.#draw(3) * 7200, mode: this.#draw(2) * 4 }
      return { op: 'SETTRASHTIME', ts: this.ts, ...change, ...changeRetention(this.#state, change, undefined) }
    },
    setEattr: () => {
      const inode = this.#inode(() => true) ?? ROOT
      // Neither protected nor undeletable: most other operations would come to nothing.
      const change = { inode, uid: this.#uid(), eattr: this.#draw(32), mode: this.#draw(8) & ~3 }
      return { op: 'SETEATTR', ts: this.ts, ...change, ...changeEattr(this.#state, change, undefined) }
    },
    archive: () => {
      const change = { inode: this.#directory(), uid: 0, command: this.#draw(2) }
      return { op: 'ARCHCHG', ts: this.ts, ...change, ...changeArchived(this.#state, change, undefined) }
    },
    quota: () => {
      const limits = { flags: this.#draw(3) === 0 ? 0 : 0x11, softInodes: this.#draw(100), hardInodes: 10_000 }
      const inode = this.#directory()
      return { op: 'QUOTA', ts: this.ts, inode, ...NO_QUOTA, ...limits, gracePeriodSeconds: this.#draw(2) * 60 }
    },
    xattr: () => {
      const inode = this.#inode(() => true) ?? ROOT
      const name = `user.${this.#draw(5)}`
      const there = this.#state.xattrs.get(inode, name) !== undefined
      const value = String.fromCharCode(...Array.from({ length: this.#draw(20) }, () => this.#draw(256)))
      return { op: 'SETXATTR', ts: this.ts, inode, name, value, mode: there ? 2 + this.#draw(2) : this.#draw(2) }
    },
    acl: () => {
      const inode = this.#directory()
      const perms = { user: 7, group: this.#draw(8), other: this.#draw(8), mask: this.#draw(2) ? 7 : 0xffff }
      const unset = this.#draw(4) === 0
      const none = { user: 0xffff, group: 0xffff, other: 0xffff, mask: 0xffff }
      const named = { userCount: 1, groupCount: 0, entries: '\0\0\x03\xe8\0\x05' }
      const plain = { userCount: 0, groupCount: 0, entries: '' }
      const what = unset ? { ...none, ...plain } : { ...perms, ...(this.#draw(2) ? named : plain) }
      const aclType = 1 + this.#draw(2)
      return {
        op: 'SETACL',
        ts: this.ts,
        inode,
        mode: this.#mode(),
        changeCtime: this.#draw(2) === 0,
        aclType,
        ...what,
      }
    },
    idle: () => ({ op: 'IDLE', ts: this.ts }),
    sessionAdd: () => ({
      ...{ op: 'SESADD', ts: this.ts, ...this.#rights(), sessionId: this.#state.sessions.nextSessionId },
    }),
    sessionChanged: () => {
      const sessionId = this.#session()
      return sessionId === undefined ? undefined : { op: 'SESCHANGED', ts: this.ts, sessionId, ...this.#rights() }
    },
    sessionDisconnected: () => {
      const sessionId = this.#session()
      return sessionId === undefined ? undefined : { op: 'SESDISCONNECTED', ts: this.ts, sessionId }
    },
    sessionDel: () => {
      const sessionId = this.#draw(3) === 0 ? this.#session() : undefined
      return sessionId === undefined ? undefined : { op: 'SESDEL', ts: this.ts, sessionId }
    },
    acquire: () => {
      const [sessionId, inode] = [this.#session(), this.#file()]
      if (!sessionId || !inode || this.#state.openFiles.has(sessionId, inode)) return undefined
      return { op: 'ACQUIRE', ts: this.ts, sessionId, inode }
    },
    release: () => {
      const opened = this.#opened()
      return opened && { op: 'RELEASE', ts: this.ts, sessionId: opened[0], inode: opened[1] }
    },
    flock: () => {
      const opened = this.#opened()
      if (!opened) return undefined
      const [sessionId, inode] = opened
      const owner = BigInt(this.#draw(3))
      const command = (['UNLOCK', 'READ', 'WRITE'] as const)[this.#draw(3)] as 'UNLOCK'
      const lock = { session: sessionId, owner, exclusive: command === ('WRITE' as string) }
      if (command !== 'UNLOCK' && this.#state.flocks.conflicts(inode, lock)) return undefined
      return { op: 'FLOCK', ts: this.ts, inode, sessionId, owner, command }
    },
    posixLock: () => {
      const opened = this.#opened()
      if (!opened) return undefined
      const [sessionId, inode] = opened
      const owner = 2n ** 63n + BigInt(this.#draw(3))
      const type = this.#draw(3) as 0 | 1 | 2
      const start = BigInt(this.#draw(10))
      const range = { start, end: start + 1n + BigInt(this.#draw(10)), pid: this.#draw(5) }
      const by = { session: sessionId, owner }
      if (type !== 0 && this.#state.posixLocks.conflict(inode, by, { ...range, type })) return undefined
      const command = (['UNLOCK', 'READ', 'WRITE'] as const)[type]
      return { op: 'POSIXLOCK', ts: this.ts, inode, sessionId, owner, command, ...range }
    },
    classSet: () => {
      const name = this.#draw(2) ? this.#className() : undefined
      if (!name && this.#state.storageClasses.entries().length > 20) return undefined
      const counts = { createCount: 1, keepCount: 2, archiveCount: 1 }
      const what = { mode: this.#draw(3), archiveDelayDays: this.#draw(9), adminOnly: this.#draw(2) === 0 }
      const masks = [...LABELS, ...LABELS, ...LABELS, ...LABELS]
      const classId = name ? (this.#state.storageClasses.idOf(name) as number) : this.#state.storageClasses.nextId()
      const fresh = name ?? `class${this.ts}-${this.#draw(1e6)}`
      return { op: 'SCSET', ts: this.ts, name: fresh, isNew: !name, ...counts, ...what, masks, classId }
    },
    classDup: () => {
      const targetId = this.#state.storageClasses.nextId()
      if (targetId > 20) return undefined
      return { op: 'SCDUP', ts: this.ts, source: '2', target: `d${this.ts}-${this.#draw(1e6)}`, sourceId: 2, targetId }
    },
    classRename: () => {
      const oldName = this.#className()
      if (!oldName) return undefined
      const classId = this.#state.storageClasses.idOf(oldName) as number
      return { op: 'SCREN', ts: this.ts, oldName, newName: `r${this.ts}-${this.#draw(1e6)}`, classId }
    },
    classDelete: () => {
      const name = this.#className()
      const classId = name ? (this.#state.storageClasses.idOf(name) as number) : 0
      if (!name || isClassUsed(this.#state, classId)) return undefined
      return { op: 'SCDEL', ts: this.ts, name, classId }
    },
    serverAdd: () => {
      const [ip, port] = [0x0a000000 + this.#draw(5), 9422]
      if (this.#state.knownServers.at(ip, port)) return undefined
      return { op: 'CSDBOP', ts: this.ts, operation: 0, ip, port, argument: this.#state.knownServers.nextId() }
    },
    serverChange: () => {
      const server = this.#server()
      const operation = [1, 4, 5, 6][this.#draw(4)] as number
      return server && { op: 'CSDBOP', ts: this.ts, operation, ip: server.ip, port: server.port, argument: this.ts }
    },
    serverMove: () => {
      const server = this.#server()
      const ip = 0x0a000000 + this.#draw(5)
      if (!server || server.id === 0 || this.#state.knownServers.at(ip, server.port)) return undefined
      return { op: 'CSDBOP', ts: this.ts, operation: 2, ip, port: server.port, argument: server.id }
    },
    chunkAdd: () => {
      const chunkId = this.#state.chunks.nextChunkId + this.#draw(3)
      return { op: 'CHUNKADD', ts: this.ts, chunkId, version: 1 + this.#draw(3), lockedTo: this.ts + this.#draw(1000) }
    },
    chunkDel: () =>
      this.#ofChunk((chunks, row) => {
        if (chunks.references.get(row) > 0 || chunks.isLocked(row, this.ts)) return undefined
        return { op: 'CHUNKDEL', ts: this.ts, chunkId: chunks.id(row), version: chunks.version.get(row) }
      }),
    setVersion: () =>
      this.#ofChunk((chunks, row) => {
        return { op: 'SETVERSION', ts: this.ts, chunkId: chunks.id(row), version: 1 + this.#draw(9) }
      }),
    nextChunkId: () =>
      this.#draw(10)
        ? undefined
        : { op: 'NEXTCHUNKID', ts: this.ts, chunkId: this.#state.chunks.nextChunkId + 2 ** 33 },
    renumber: () => {
      if (this.#draw(10) !== 0) return undefined
      let age = 0
      const { nodes, lists } = this.#state
      for (const inode of nodes.inodes())
        if (nodes.isDirectory(inode)) age += lists.length.get(nodes.directoryRow(inode))
      return { op: 'RENUMERATEEDGES', ts: this.ts, nextEdgeId: this.#state.edges.idOfAge(age) }
    },
  }

  #rights() {
    const owners = { rootUid: 0, rootGid: 0, mapallUid: 65534, mapallGid: this.#draw(2 ** 32) }
    const limits = { minGoal: 1, maxGoal: 9, minTrashSeconds: 0, maxTrashSeconds: 0xffffffff }
    const where = { rootInode: this.#draw(3), peerIp: this.#draw(2 ** 32), info: `/mnt/${this.#draw(10)}` }
    const checksum = BigInt(this.#draw(2 ** 32)) << 31n
    return {
      exportsChecksum: checksum,
      flags: this.#draw(256),
      umask: 0o22,
      disables: 0,
      ...owners,
      ...limits,
      ...where,
    }
  }
}

const xor = (inodes: Inode[]) => inodes.reduce((sum, inode) => (sum ^ inode) >>> 0, 0)
