// Everything that a master knows for good: what metadata.mfs holds and the changelog changes.
//
// Only `apply` (and the reader of checkpoints) changes it; everybody else reads. No clock, no chance, no I/O.
import { Acls } from './acl/acls.ts'
import { ChunkTable } from './chunks/chunks.ts'
import { KnownServers } from './chunks/known-servers.ts'
import { StorageClasses } from './chunks/storage-classes.ts'
import { Flocks } from './locks/flocks.ts'
import { PosixLocks } from './locks/posix-locks.ts'
import { EdgeTable } from './namespace/edges.ts'
import { FreeInodes } from './namespace/free-inodes.ts'
import { ListTable } from './namespace/lists.ts'
import { NodeTable } from './namespace/nodes.ts'
import { Quotas } from './quota/quotas.ts'
import { OpenFiles, Sessions } from './sessions/sessions.ts'
import { NodeType, ROOT, type Seconds, SUSTAINED_BUCKETS, TRASH_BUCKETS } from './types.ts'
import { Xattrs } from './xattr/xattrs.ts'

export class State {
  /** The number that the next change will get. */
  version = 1
  /** Identity of the file system; 0 = not yet assigned. */
  metaId = 0n
  /** FIRST_EDGE_ID minus the id that the next edge will get. */
  nextEdgeAge = 0
  readonly nodes = new NodeTable()
  readonly edges = new EdgeTable()
  readonly lists = new ListTable()
  readonly freeInodes = new FreeInodes()
  readonly storageClasses = new StorageClasses()
  readonly chunks = new ChunkTable(id => this.storageClasses.copiesWanted(id))
  readonly sessions = new Sessions()
  readonly openFiles = new OpenFiles()
  readonly flocks = new Flocks()
  readonly posixLocks = new PosixLocks()
  readonly quotas = new Quotas()
  readonly xattrs = new Xattrs()
  readonly acls = new Acls()
  readonly knownServers = new KnownServers()
  /** Rows in `lists`, by inode modulo the number of buckets. */
  readonly trashLists: readonly number[]
  readonly sustainedLists: readonly number[]

  constructor() {
    this.trashLists = Array.from({ length: TRASH_BUCKETS }, () => this.lists.add(0))
    this.sustainedLists = Array.from({ length: SUSTAINED_BUCKETS }, () => this.lists.add(0))
  }
}

/** An empty file system: the root directory and nothing else (spec metadata 2.2). */
export function newState(now: Seconds): State {
  const state = new State()
  const { nodes } = state
  nodes.add(ROOT, NodeType.DIRECTORY)
  nodes.setDirectoryRow(ROOT, state.lists.add(ROOT))
  nodes.mode.set(ROOT, 0o777)
  nodes.sclassId.set(ROOT, 2)
  nodes.trashHours.set(ROOT, 24)
  nodes.setTimes(ROOT, now)
  return state
}
