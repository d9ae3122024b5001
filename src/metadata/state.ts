// Everything that a master knows for good: what metadata.mfs holds and the changelog changes.
//
// Only `apply` (and the reader of checkpoints) changes it; everybody else reads. No clock, no chance, no I/O.
import { Acls } from './acl/acls.ts'
import { ChunkTable } from './chunks/chunks.ts'
import { KnownServers } from './chunks/known-servers.ts'
import { StorageClasses } from './chunks/storage-classes.ts'
import { Digest, Fact } from './digest.ts'
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
  /** The sum over all facts of the tables, which keep it up to date. */
  readonly #facts = new Digest()
  readonly nodes = new NodeTable(this.#facts, row => this.chunks.id(row))
  readonly edges = new EdgeTable(this.#facts)
  readonly lists = new ListTable()
  readonly freeInodes = new FreeInodes(this.#facts)
  readonly storageClasses = new StorageClasses(this.#facts)
  readonly chunks = new ChunkTable(this.#facts, id => this.storageClasses.copiesWanted(id))
  readonly sessions = new Sessions(this.#facts)
  readonly openFiles = new OpenFiles(this.#facts)
  readonly flocks = new Flocks(this.#facts)
  readonly posixLocks = new PosixLocks(this.#facts)
  readonly quotas = new Quotas(this.#facts)
  readonly xattrs = new Xattrs(this.#facts)
  readonly acls = new Acls(this.#facts)
  readonly knownServers = new KnownServers(this.#facts)
  /** Rows in `lists`, by inode modulo the number of buckets. */
  readonly trashLists: readonly number[]
  readonly sustainedLists: readonly number[]

  constructor() {
    this.trashLists = this.lists.addBuckets(TRASH_BUCKETS)
    this.sustainedLists = this.lists.addBuckets(SUSTAINED_BUCKETS)
  }

  /**
   * A 64-bit number that two states share when they are equal and (but for one chance in 2^64) only then: the live
   * state, the same one replayed, loaded from a checkpoint, or of a follower, at the same version. Costs next to nothing.
   *
   * Left out is what the changelog does not tell or what follows from the rest:
   * - counters of sessions, and whether a client has closed its session (both are the running master's own);
   * - the order of records that means nothing: that of trash, sustained, quota, session, open-file and lock lists, and
   *   of numbers released in the same second;
   * - holes at the end of a file's chunk table, the storage class and references of a chunk, statistics of directories,
   *   `realsize` ratios, and which never-used class number is the highest.
   *
   * Digests of different DIGEST_KINDs can't be compared.
   */
  digest(): bigint {
    return this.#withHead(this.#facts)
  }

  /** The digest computed anew from all tables: what digest() must be. Takes time. */
  digestFromScratch(): bigint {
    const facts = new Digest()
    this.edges.fold(facts, list => this.lists.owner.get(list))
    for (const table of [this.nodes, this.freeInodes, this.storageClasses, this.chunks, this.knownServers]) {
      table.fold(facts)
    }
    for (const table of [this.sessions, this.openFiles, this.flocks, this.posixLocks]) table.fold(facts)
    for (const table of [this.quotas, this.xattrs, this.acls]) table.fold(facts)
    return this.#withHead(facts)
  }

  /** With what is one number each. */
  #withHead(facts: Digest): bigint {
    const head = new Digest()
    const { nodes, chunks, sessions } = this
    head.add(Fact.HEAD, this.version, this.nextEdgeAge, nodes.maxInode, this.metaId.toString())
    head.add(Fact.HEAD, chunks.nextChunkId, sessions.nextSessionId)
    return BigInt.asUintN(64, facts.value + head.value)
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
