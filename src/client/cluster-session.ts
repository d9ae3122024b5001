// A connected client: every question of Cluster and MetaCluster put to the master, and the data of open files.
import type { Env, Timer } from '../env/env.ts'
import type { Caller } from '../protocol/attributes.ts'
import * as cltoma from '../protocol/cltoma.ts'
import type { Message, StatusOr } from '../protocol/codec.ts'
import {
  EXTENDED_VERSION,
  LENDING_OPTION,
  LENDS_FOLDERS,
  MFSBLOCKSIZE,
  MFSCHUNKSIZE,
  VERSION,
} from '../protocol/constants.ts'
import { clampSeconds, lowSeconds, moreOf, plainSeconds } from '../protocol/fine-times.ts'
import * as matocl from '../protocol/matocl.ts'
import { Status } from '../protocol/status.ts'
import { BufferPool } from '../util/buffer-pool.ts'
import { BlockSender } from './block-sender.ts'
import { BorrowedFolders, type Lender } from './borrowed-folders.ts'
import { ChunkLocator } from './chunk-locator.ts'
import { ChunkReader } from './chunk-reader.ts'
import { ChunkSyncer } from './chunk-syncer.ts'
import type {
  Acl,
  Cluster,
  ClusterEvents,
  Done,
  FileData,
  Found,
  ListedPart,
  MetaCluster,
  Node,
  NodeAttributes,
  Outcome,
  PartOfListing,
  SessionParameters,
  SetAttributes,
} from './cluster.ts'
import { ClusterFileData, type DataServices } from './file-data.ts'
import { HoleFinder } from './holes.ts'
import { MasterSession, type SessionOptions } from './master-session.ts'
import { OpenInodes } from './open-inodes.ts'
import { patientPauseMs, pauseMs, type RetryOptions } from './retry.ts'
import { ServerKinds } from './server-kinds.ts'
import { ServerPool } from './server-pool.ts'
import { TimeReports } from './time-reports.ts'
import { WireNames } from './wire-names.ts'

const REPORT_TIMES_MS = 1000
const FIRST_INODES_REPORT_S = 60
const INODES_REPORT_S = 61
const CHAINS_MAX = 16
/** Buffers of blocks that were written, for those to come. */
const BLOCKS_KEPT = 256
const TRUNCATE_TRIES = 30
const LOCKED_PAUSE_MS = 10
const [FILE, DIRECTORY, SYMLINK] = [1, 2, 3]
/** Clocks of master and client agree about so well. */
const CLOCK_TOLERANCE_S = 2
const ALL_NAMES = 0xffffffff
const WHOLE_FOLDER: PartOfListing = { from: cltoma.ListingEdge.DOT, maxNames: ALL_NAMES }
const NO_CALLER: Caller = { uid: 0, gids: [0] }

export interface ClientOptions extends SessionOptions {
  retry: RetryOptions
  /** Bytes that may wait to be written. */
  writeCacheBytes: number
  /** Bytes that may be read ahead. */
  readAheadBytes: number
}

const noAnswer = { status: Status.IO } as const

export class ClusterSession implements Cluster, MetaCluster {
  readonly #env: Env
  readonly #events: ClusterEvents
  readonly #pool: ServerPool
  readonly #openInodes = new OpenInodes()
  readonly #files = new Map<number, { data: ClusterFileData; users: number }>()
  #master: MasterSession
  #locator: ChunkLocator
  #services: DataServices
  readonly #times: TimeReports
  readonly #borrowed: BorrowedFolders
  /** Whether the master of this connection lends folders; undefined: not asked yet. */
  #lends: boolean | undefined
  #timers: Timer[] = []
  #creating = 0
  #secondsToReport = FIRST_INODES_REPORT_S

  /** @throws SessionError */
  static async connect(env: Env, options: ClientOptions, events: ClusterEvents): Promise<ClusterSession> {
    const box: { session?: ClusterSession } = {}
    const master = await MasterSession.connect(env, options, {
      chunkHasChanged: news => box.session?.onChunkChanged(news),
      lengthHasChanged: (inode, length) => box.session?.onLengthChanged(inode, length),
      serversHaveChanged: () => box.session?.onServersChanged(),
      folderRecalled: inode => box.session?.onFolderRecalled(inode),
      disconnected: () => box.session?.onDisconnected(),
      renewed: same => box.session?.onRenewed(same),
    })
    const session = new ClusterSession(env, options, events, master)
    box.session = session
    return session
  }

  private constructor(env: Env, options: ClientOptions, events: ClusterEvents, master: MasterSession) {
    this.#env = env
    this.#events = events
    this.#master = master
    this.#pool = new ServerPool(env, options.bindHost)
    this.#locator = new ChunkLocator(master)
    this.#times = new TimeReports(() => master.nowMs())
    this.#borrowed = new BorrowedFolders(this.#lender())
    const budget = new Budget(options.writeCacheBytes)
    const turns = new Turns(CHAINS_MAX)
    const kinds = new ServerKinds()
    let readAhead = 0
    this.#services = {
      ...{ env, master, locator: this.#locator, pool: this.#pool, retry: options.retry },
      reader: new ChunkReader(env, this.#locator, this.#pool, options.retry),
      syncer: new ChunkSyncer(env, this.#pool, kinds),
      blockSender: new BlockSender(this.#pool, kinds),
      holes: new HoleFinder(env, this.#locator, this.#pool),
      blocks: new BufferPool(MFSBLOCKSIZE, BLOCKS_KEPT),
      turn: () => turns.take(),
      admit: async bytes => budget.take(bytes),
      freed: bytes => budget.free(bytes),
      readAheadAllowed: bytes => {
        if (readAhead + bytes > options.readAheadBytes) return false
        readAhead += bytes
        return true
      },
      readAheadFreed: bytes => {
        readAhead -= bytes
      },
      touched: (inode, what) => this.#times.touched(inode, what),
    }
    this.#timers = [env.clock.every(REPORT_TIMES_MS, () => this.#reportEverySecond())]
  }

  get parameters(): SessionParameters {
    return this.#master.parameters
  }

  get sessionId(): number {
    return this.#master.sessionId
  }

  get masterVersion(): number {
    return this.#master.masterVersion
  }

  /** Sends a question of a tool. Without an answer, the status of an I/O error is one. */
  async forward(type: number, body: Buffer): Promise<{ type: number; body: Buffer }> {
    return (await this.#master.forward(type, body)) ?? { type: type + 1, body: Buffer.from([Status.IO]) }
  }

  /** Finishes all writes, tells the master that the session is over. */
  async close(): Promise<void> {
    for (const timer of this.#timers) timer.cancel()
    await Promise.all([...this.#files.values()].map(({ data }) => data.flush()))
    this.#reportTimes()
    this.#reportInodes()
    await this.#master.close()
    this.#pool.close()
  }

  // --- news

  onChunkChanged(news: {
    inode: number
    index: number
    chunkId: number
    version: number
    length: number
    truncated: number
  }): void {
    const { inode, index, length } = news
    const start = index * MFSCHUNKSIZE
    if (news.truncated) {
      this.#locator.forgetFrom(inode, index)
      this.#locator.setLength(inode, length)
      this.#files.get(inode)?.data.truncated(length)
      this.#changed(inode, start, 0)
      this.#events.lengthChanged(inode, length)
    } else {
      this.#locator.forgetChunk(inode, index)
      this.#locator.grow(inode, length)
      this.#changed(inode, start, MFSCHUNKSIZE)
    }
  }

  onLengthChanged(inode: number, length: number): void {
    this.#locator.forgetFrom(inode, Math.floor(length / MFSCHUNKSIZE))
    this.#locator.setLength(inode, length)
    this.#files.get(inode)?.data.truncated(length)
    this.#events.lengthChanged(inode, length)
  }

  onFolderRecalled(inode: number): void {
    this.#borrowed.recalled(inode)
  }

  onDisconnected(): void {
    this.#lends = undefined
    this.#borrowed.forgetAll()
  }

  onServersChanged(): void {
    this.#locator.forgetEverything()
  }

  onRenewed(sameSession: boolean): void {
    this.#locator.forgetEverything()
    for (const { data } of this.#files.values()) data.changed(0, 0)
    // A new session has nothing open until it says so.
    if (!sameSession) this.#reportInodes()
    this.#events.connectionRenewed()
  }

  #changed(inode: number, offset: number, length: number): void {
    this.#files.get(inode)?.data.changed(offset, length)
    this.#events.dataChanged(inode, offset, length)
  }

  // --- folders that the master lends

  #lender(): Lender {
    return {
      nowMs: () => this.#env.clock.monotonicMs(),
      answeredSinceMs: () => this.#master.answeredSinceMs,
      borrow: (folder, caller) => this.#borrow(folder, caller),
      giveBack: inode => this.#master.tell(cltoma.folderReturned.encode({ msgid: 0, inode })),
    }
  }

  async #borrow(inode: number, caller: Caller): Promise<string[] | undefined> {
    if (!this.#master.extended) return undefined
    if (this.#lends === undefined) {
      const asked = await this.#master.ask(cltoma.getConfig, { option: LENDING_OPTION }, matocl.configValue)
      if (!asked) return undefined
      this.#lends = asked.value === LENDS_FOLDERS
    }
    if (!this.#lends) return undefined
    const answer = await this.#master.ask(cltoma.fuseLendFolder, { inode, caller }, matocl.fuseLendFolder)
    return answer?.status === undefined ? answer?.names : undefined
  }

  // --- reports

  #reportEverySecond(): void {
    this.#reportTimes()
    if (--this.#secondsToReport > 0 || this.#creating > 0) return
    this.#secondsToReport = INODES_REPORT_S
    this.#reportInodes()
  }

  #reportTimes(): void {
    const times = this.#times.due()
    if (times.length > 0) this.#master.tell(cltoma.fuseAmtimeInodes.encode({ times }, this.#master.layoutVersion))
  }

  #reportInodes(): void {
    const { inodes, forgotten } = this.#openInodes.report()
    for (const inode of forgotten) this.#locator.forgetFile(inode)
    this.#master.tell(cltoma.fuseSustainedInodes.encode({ inodes }))
  }

  // --- questions

  /** Asks; a failure of the way there and back is a status too. */
  async #ask<Q extends { msgid: number }, A extends StatusOr<object>>(
    question: Message<Q>,
    body: Omit<Q, 'msgid'>,
    answer: Message<A>,
  ): Promise<A | typeof noAnswer> {
    return (await this.#master.ask(question, body, answer)) ?? noAnswer
  }

  /** As #ask(), for questions that are answered by a status only. */
  async #order<Q extends { msgid: number }>(
    question: Message<Q>,
    body: Omit<Q, 'msgid'>,
    answer: Message<{ msgid: number; status: number }>,
  ): Done {
    return (await this.#master.ask(question, body, answer))?.status ?? Status.IO
  }

  async lookup(parent: number, name: string, caller: Caller): Outcome<Found> {
    if (this.#borrowed.lacks(parent, name)) return { status: Status.ENOENT }
    const answer = await this.#ask(cltoma.fuseLookup, { parent, name, caller }, matocl.fuseLookup)
    if (answer.status === Status.ENOENT) this.#borrowed.missed(parent, caller)
    if (answer.status !== undefined) return answer
    const { inode, attributes, rights } = answer
    if (rights?.chunk && !this.#isWriting(inode)) this.#locator.learn(inode, 0, rights.chunk, attributes.length)
    return { inode, attributes: this.#withPending(inode, attributes), lookupFlags: rights?.flags ?? 0xff }
  }

  access(inode: number, caller: Caller, mask: number): Done {
    return this.#order(cltoma.fuseAccess, { inode, ...caller, mask }, matocl.fuseAccess)
  }

  async getattr(inode: number, opened: boolean, caller: Caller): Outcome<{ attributes: NodeAttributes }> {
    const { uid, gids } = caller
    const question = { inode, opened: opened ? 1 : 0, uid, gid: gids[0] ?? 0 }
    const answer = await this.#ask(cltoma.fuseGetattr, question, matocl.fuseGetattr)
    if (answer.status !== undefined) return answer
    return { attributes: this.#withPending(inode, answer.attributes) }
  }

  async setattr(
    inode: number,
    opened: boolean,
    caller: Caller,
    set: SetAttributes,
  ): Outcome<{ attributes: NodeAttributes }> {
    const has = (bits: number) => (set.setmask & bits) !== 0
    const { ATIME, ATIME_NOW, MTIME, MTIME_NOW } = cltoma.SetMask
    const restoreTimes = this.#times.forget(inode, has(ATIME | ATIME_NOW), has(MTIME | MTIME_NOW))
    const question = { inode, opened: opened ? 1 : 0, caller, set: { ...set, ...this.#wireTimes(set), winattr: 0 } }
    const answer = await this.#ask(cltoma.fuseSetattr, question, matocl.fuseSetattr)
    if (answer.status !== undefined) {
      restoreTimes()
      return answer
    }
    return { attributes: this.#withPending(inode, answer.attributes) }
  }

  async truncate(
    inode: number,
    opened: boolean,
    caller: Caller,
    length: number,
  ): Outcome<{ attributes: NodeAttributes }> {
    await this.#files.get(inode)?.data.settle()
    const flags = opened ? cltoma.TruncateFlag.OPENED : 0
    for (let failures = 0, waits = 0; ; ) {
      const answer = await this.#ask(cltoma.fuseTruncate, { inode, flags, caller, length }, matocl.fuseTruncate)
      if (answer.status === undefined) {
        this.#locator.forgetFrom(inode, Math.floor(length / MFSCHUNKSIZE))
        this.#locator.setLength(inode, length)
        this.#files.get(inode)?.data.truncated(length)
        return { attributes: this.#withPending(inode, answer.attributes) }
      }
      if (answer.status === Status.LOCKED) await this.#env.clock.sleep(LOCKED_PAUSE_MS)
      else if (answer.status === Status.EAGAIN) await this.#env.clock.sleep(patientPauseMs(++waits))
      else if (finalForTruncate.has(answer.status) || answer === noAnswer || ++failures >= TRUNCATE_TRIES) return answer
      else await this.#env.clock.sleep(pauseMs(failures))
    }
  }

  async readlink(inode: number): Outcome<{ target: string }> {
    const answer = await this.#ask(cltoma.fuseReadlink, { inode }, matocl.fuseReadlink)
    return answer.status !== undefined ? answer : { target: answer.target.replace(/\0+$/, '') }
  }

  symlink(parent: number, name: string, target: string, caller: Caller): Outcome<Node> {
    const question = { parent, name, target: `${target}\0`, caller }
    return this.#make(cltoma.fuseSymlink, question, matocl.fuseSymlink, SYMLINK)
  }

  mknod(
    parent: number,
    name: string,
    type: number,
    mode: number,
    umask: number,
    rdev: number,
    caller: Caller,
  ): Outcome<Node> {
    const question = { parent, name, type, mode, umask, caller, rdev }
    return this.#make(cltoma.fuseMknod, question, matocl.fuseMknod, type)
  }

  mkdir(parent: number, name: string, mode: number, umask: number, copySgid: boolean, caller: Caller): Outcome<Node> {
    const question = { parent, name, mode, umask, caller, copySgid: copySgid ? 1 : 0 }
    return this.#make(cltoma.fuseMkdir, question, matocl.fuseMkdir, DIRECTORY)
  }

  unlink(parent: number, name: string, caller: Caller): Done {
    return this.#remove(cltoma.fuseUnlink, { parent, name, caller }, matocl.fuseUnlink)
  }

  rmdir(parent: number, name: string, caller: Caller): Done {
    return this.#remove(cltoma.fuseRmdir, { parent, name, caller }, matocl.fuseRmdir)
  }

  // The answer to a change may get lost with the connection or the master, and the question is sent again. Where the
  // second answer shows that the first question was carried out, the caller gets the answer that was lost.

  /** Makes a node. A name that is in the way may be the one that we made. */
  async #make<Q extends { msgid: number; parent: number; name: string; caller: Caller }>(
    question: Message<Q>,
    body: Omit<Q, 'msgid'> & { parent: number; name: string; caller: Caller },
    answer: typeof matocl.fuseMknod,
    type: number,
  ): Outcome<Node> {
    const begun = this.#master.nowSeconds()
    let repeated = false
    const { parent: folder, name } = body
    const making = this.#master.ask(question, body, answer, () => {
      repeated = true
    })
    const made = await this.#borrowed.follow([{ folder, name }], making)
    if (!made) return noAnswer
    if (!repeated || made.status !== Status.EEXIST) return made
    return (await this.#lostNode(body, type, begun)) ?? made
  }

  /** The node of that name, if it looks as if it was made by our question. */
  async #lostNode(
    { parent, name, caller }: { parent: number; name: string; caller: Caller },
    type: number,
    begun: number,
  ): Promise<Node | undefined> {
    const there = await this.lookup(parent, name, caller)
    if (there.status !== undefined) return undefined
    const { attributes, inode } = there
    const young = attributes.ctime >= begun - CLOCK_TOLERANCE_S && attributes.mtime === attributes.ctime
    const ours = attributes.type === type && attributes.uid === this.#shownUid(caller)
    return young && ours ? { inode, attributes } : undefined
  }

  /** The owner that a new node of this caller is shown with. */
  #shownUid({ uid }: Caller): number {
    return uid === 0 ? this.parameters.rootUid : uid
  }

  /** Removes a name. One that is not there any more may have been removed by us. */
  async #remove<Q extends { msgid: number; parent: number; name: string }>(
    question: Message<Q>,
    body: Omit<Q, 'msgid'> & { parent: number; name: string },
    answer: typeof matocl.fuseUnlink,
  ): Done {
    let repeated = false
    const { parent: folder, name } = body
    const removing = this.#master.ask(question, body, answer, () => {
      repeated = true
    })
    const isGone = (result: Awaited<typeof removing>) => result !== undefined && (result.status ?? 0) === Status.OK
    const removed = await this.#borrowed.follow([{ folder, name }], removing, isGone)
    if (!removed) return Status.IO
    const wasUs = repeated && removed.status === Status.ENOENT
    return wasUs ? Status.OK : (removed.status ?? Status.OK)
  }

  async rename(
    parent: number,
    name: string,
    targetParent: number,
    targetName: string,
    caller: Caller,
    flags = 0,
  ): Outcome<Node> {
    const question = {
      mode: flags,
      parentSource: parent,
      nameSource: name,
      parentTarget: targetParent,
      nameTarget: targetName,
      caller,
    }
    let repeated = false
    const moving = this.#master.ask(cltoma.fuseRename, question, matocl.fuseRename, () => {
      repeated = true
    })
    const places = [
      { folder: parent, name },
      { folder: targetParent, name: targetName },
    ]
    // Of two names of one node both stay.
    const isGone = (result: Awaited<typeof moving>) => {
      if (!result || result.status !== undefined || flags & cltoma.RenameFlag.EXCHANGE) return false
      return result.attributes.nlink === 1 || result.attributes.type === DIRECTORY
    }
    const moved = await this.#borrowed.follow(places, moving, isGone)
    if (!moved) return noAnswer
    // After an exchange both names are still there: nothing tells whether it was done.
    if (!repeated || moved.status !== Status.ENOENT || flags & cltoma.RenameFlag.EXCHANGE) return moved
    const there = await this.lookup(targetParent, targetName, caller)
    return there.status === undefined ? { inode: there.inode, attributes: there.attributes } : moved
  }

  async link(inode: number, targetParent: number, targetName: string, caller: Caller): Outcome<Node> {
    const question = { inode, parent: targetParent, name: targetName, caller }
    let repeated = false
    const linking = this.#master.ask(cltoma.fuseLink, question, matocl.fuseLink, () => {
      repeated = true
    })
    const linked = await this.#borrowed.follow([{ folder: targetParent, name: targetName }], linking)
    if (!linked) return noAnswer
    if (linked.status === undefined) {
      return { inode: linked.inode, attributes: this.#withPending(linked.inode, linked.attributes) }
    }
    if (!repeated || linked.status !== Status.EEXIST) return linked
    const there = await this.lookup(targetParent, targetName, caller)
    const isIt = there.status === undefined && there.inode === inode
    return isIt ? { inode, attributes: there.attributes } : linked
  }

  async readdir(
    inode: number,
    withAttributes: boolean,
    caller: Caller,
    part: PartOfListing = WHOLE_FOLDER,
  ): Outcome<ListedPart> {
    const flags = withAttributes ? cltoma.ReaddirFlag.WITHATTR : 0
    // From the original's, which does not tell where a listing goes on (spec client-master 5.4), all the rest.
    const maxEntries = this.#master.extended ? part.maxNames : ALL_NAMES
    const question = { inode, caller, flags, page: { maxEntries, edgeId: part.from } }
    const answer = await this.#ask(cltoma.fuseReaddir, question, matocl.fuseReaddir)
    if (answer.status !== undefined) return answer
    const version = this.#master.extended ? EXTENDED_VERSION : VERSION
    // Names are looked at later; what is being written now may be written then.
    const pending = this.#pendingLengths()
    const shown = (child: number, attributes: NodeAttributes) =>
      this.#withPending(child, attributes, pending.get(child))
    const names = new WireNames(answer.entries, version, withAttributes, shown)
    const hasMore = this.#master.extended && answer.edgeId !== cltoma.ListingEdge.END
    return { names, next: hasMore ? answer.edgeId : undefined }
  }

  async open(inode: number, flags: number, caller: Caller): Outcome<{ flags: number; attributes: NodeAttributes }> {
    // What was written before must not come after the length has become 0.
    if (flags & cltoma.OpenFlag.TRUNCATE) await this.#files.get(inode)?.data.settle()
    const answer = await this.#ask(cltoma.fuseOpen, { inode, caller, flags }, matocl.fuseOpen)
    if (answer.status !== undefined) return answer
    this.#acquire(inode)
    if (flags & cltoma.OpenFlag.TRUNCATE && !(flags & cltoma.OpenFlag.AFTER_CREATE)) {
      this.#locator.forgetFile(inode)
      this.#files.get(inode)?.data.truncated(0)
    }
    return { flags: answer.flags ?? 0, attributes: this.#withPending(inode, answer.attributes) }
  }

  async create(
    parent: number,
    name: string,
    mode: number,
    umask: number,
    caller: Caller,
  ): Outcome<Node & { flags: number }> {
    this.#creating++
    try {
      const question = { parent, name, mode, umask, caller }
      const begun = this.#master.nowSeconds()
      let repeated = false
      const creating = this.#master.ask(cltoma.fuseCreate, question, matocl.fuseCreate, () => {
        repeated = true
      })
      const answer = await this.#borrowed.follow([{ folder: parent, name }], creating)
      if (!answer) return noAnswer
      if (answer.status !== undefined) {
        const lost =
          repeated && answer.status === Status.EEXIST ? await this.#lostNode(question, FILE, begun) : undefined
        if (!lost) return answer
        const opened = await this.open(lost.inode, cltoma.OpenFlag.AFTER_CREATE | 3, caller)
        return opened.status !== undefined ? opened : { ...lost, flags: opened.flags }
      }
      const { inode, attributes, flags = 0 } = answer
      this.#locator.forgetFile(inode)
      this.#acquire(inode)
      return { inode, attributes, flags }
    } finally {
      this.#creating--
    }
  }

  #acquire(inode: number): void {
    this.#openInodes.acquire(inode)
    const file = this.#files.get(inode)
    if (file) file.users++
    else this.#files.set(inode, { data: new ClusterFileData(this.#services, inode), users: 1 })
  }

  release(inode: number): void {
    this.#openInodes.release(inode)
    const file = this.#files.get(inode)
    if (!file || --file.users > 0) return
    void file.data.flush().then(error => {
      if (error !== 0) this.#env.log.error(`inode ${inode}: data written last is lost (errno ${error})`)
      if (file.users > 0) return
      file.data.close()
      this.#files.delete(inode)
    })
  }

  data(inode: number): FileData {
    const file = this.#files.get(inode)
    if (file) return file.data
    const data = new ClusterFileData(this.#services, inode)
    this.#files.set(inode, { data, users: 0 })
    return data
  }

  #isWriting(inode: number): boolean {
    return !(this.#files.get(inode)?.data.isIdle ?? true)
  }

  /** Lengths that files come to by writes that the master does not know yet. */
  #pendingLengths(): Map<number, number> {
    const lengths = new Map<number, number>()
    for (const [inode, { data }] of this.#files) if (!data.isIdle) lengths.set(inode, data.pendingLength)
    return lengths
  }

  /**
   * What the master tells of a file, with what it does not know yet.
   * @param pendingLength what it did not know when it told that
   */
  #withPending(inode: number, told: NodeAttributes, pendingLength = 0): NodeAttributes {
    // What waits may make chunks.
    const attributes = this.#isWriting(inode) ? { ...told, chunks: undefined } : told
    const length = Math.max(pendingLength, this.#files.get(inode)?.data.pendingLength ?? 0)
    const { atimeMs, mtimeMs } = this.#times.pending(inode)
    const { atime, atimeNs = 0, mtime, mtimeNs = 0, ctime, ctimeNs = 0 } = attributes
    const readLater = isLater(atimeMs, atime, atimeNs)
    // A write takes a time in the future back to now.
    const writtenLater = isLater(mtimeMs, mtime, mtimeNs) || (mtimeMs !== 0 && mtime * 1000 > this.#master.nowMs())
    if (length <= attributes.length && !readLater && !writtenLater) return attributes
    const shown = { ...attributes }
    if (attributes.type === FILE) shown.length = Math.max(length, attributes.length)
    if (readLater) [shown.atime, shown.atimeNs] = secondsAndNs(atimeMs)
    if (writtenLater) {
      ;[shown.mtime, shown.mtimeNs] = secondsAndNs(mtimeMs)
      if (isLater(mtimeMs, ctime, ctimeNs)) [shown.ctime, shown.ctimeNs] = secondsAndNs(mtimeMs)
    }
    return shown
  }

  /** The times as the master can keep them. */
  #wireTimes({ atime, mtime, atimeNs = 0, mtimeNs = 0 }: SetAttributes) {
    if (!this.#master.extended) return { atime: plainSeconds(atime), mtime: plainSeconds(mtime) }
    const [a, m] = [clampSeconds(atime), clampSeconds(mtime)]
    const more = { atimeMore: moreOf(a, atimeNs), mtimeMore: moreOf(m, mtimeNs) }
    return { atime: lowSeconds(a), mtime: lowSeconds(m), ...more }
  }

  /** The master keeps nanoseconds, and knows the flags of renameat2. */
  get extended(): boolean {
    return this.#master.extended
  }

  async reserveAppend(inode: number, bytes: number): Outcome<{ offset: number }> {
    const { OPENED, UPDATE, RESERVE } = cltoma.TruncateFlag
    const question = { inode, flags: OPENED | UPDATE | RESERVE, caller: NO_CALLER, length: bytes }
    const answer = await this.#ask(cltoma.fuseTruncate, question, matocl.fuseTruncate)
    if (answer.status !== undefined) return answer
    return { offset: answer.previousLength ?? answer.attributes.length }
  }

  async getxattr(inode: number, name: string, opened: boolean, caller: Caller): Outcome<{ value: Buffer }> {
    const question = { inode, name, mode: 0, opened: opened ? 1 : 0, caller }
    const answer = await this.#ask(cltoma.fuseGetxattr, question, matocl.fuseGetxattr)
    return answer.status !== undefined ? answer : { value: answer.value }
  }

  setxattr(inode: number, name: string, value: Buffer, mode: number, caller: Caller): Done {
    return this.#order(cltoma.fuseSetxattr, { inode, name, value, mode, opened: 0, caller }, matocl.fuseSetxattr)
  }

  async getfacl(inode: number, type: number): Outcome<{ acl: Acl }> {
    const question = { inode, aclType: type, ignored: Buffer.alloc(0) }
    const answer = await this.#ask(cltoma.fuseGetfacl, question, matocl.fuseGetfacl)
    if (answer.status !== undefined) return answer
    const { user, group, other, mask, userCount, entries } = answer
    const named = entries.map(({ id, perm }) => ({ id, permissions: perm }))
    return { acl: { user, group, other, mask, users: named.slice(0, userCount), groups: named.slice(userCount) } }
  }

  setfacl(inode: number, uid: number, type: number, acl: Acl): Done {
    const { user, group, other, mask, users, groups } = acl
    const entries = [...users, ...groups].map(({ id, permissions }) => ({ id, perm: permissions }))
    const counts = { userCount: users.length, groupCount: groups.length }
    const question = { inode, uid, aclType: type, user, group, other, mask, ...counts, entries }
    return this.#order(cltoma.fuseSetfacl, question, matocl.fuseSetfacl)
  }

  flock(inode: number, requestId: number, owner: bigint, command: number): Done {
    return this.#order(cltoma.fuseFlock, { inode, requestId, owner, command }, matocl.fuseFlock)
  }

  async posixLock(
    inode: number,
    requestId: number,
    owner: bigint,
    pid: number,
    command: number,
    type: number,
    start: bigint,
    end: bigint,
  ): Outcome<{ pid: number; type: number; start: bigint; end: bigint }> {
    const question = { inode, requestId, owner, pid, command, type, start, end }
    return this.#ask(cltoma.fusePosixLock, question, matocl.fusePosixLock)
  }

  async statfs(): Outcome<{ total: number; available: number; free: number; inodes: number }> {
    return (await this.#master.ask(cltoma.fuseStatfs, {}, matocl.fuseStatfs)) ?? noAnswer
  }

  // --- the trash

  trash(bucket: number | undefined): Outcome<{ entries: { name: string; inode: number }[] }> {
    return this.#ask(cltoma.fuseGettrash, bucket === undefined ? {} : { bucket }, matocl.fuseGettrash)
  }

  sustained(): Outcome<{ entries: { name: string; inode: number }[] }> {
    return this.#ask(cltoma.fuseGetsustained, {}, matocl.fuseGetsustained)
  }

  detachedAttributes(inode: number, kind: number): Outcome<{ attributes: NodeAttributes }> {
    return this.#ask(cltoma.fuseGetdetachedattr, { inode, kind }, matocl.fuseGetdetachedattr)
  }

  async trashPath(inode: number): Outcome<{ path: string }> {
    const answer = await this.#ask(cltoma.fuseGettrashpath, { inode }, matocl.fuseGettrashpath)
    return answer.status !== undefined ? answer : { path: answer.path.replace(/\0+$/, '') }
  }

  setTrashPath(inode: number, path: string): Done {
    return this.#order(cltoma.fuseSettrashpath, { inode, path }, matocl.fuseSettrashpath)
  }

  undelete(inode: number): Done {
    return this.#order(cltoma.fuseUndel, { inode }, matocl.fuseUndel)
  }

  purge(inode: number): Done {
    return this.#order(cltoma.fusePurge, { inode }, matocl.fusePurge)
  }
}

const finalForTruncate: ReadonlySet<number> = new Set([
  Status.EROFS,
  Status.EACCES,
  Status.EPERM,
  Status.ENOENT,
  Status.QUOTA,
  Status.NOSPACE,
  Status.CHUNKLOST,
])

/** @param ms a pending time, 0 when there is none */
function isLater(ms: number, seconds: number, ns: number): boolean {
  return ms !== 0 && ms > seconds * 1000 + Math.floor(ns / 1e6)
}

function secondsAndNs(ms: number): [number, number] {
  const seconds = Math.floor(ms / 1000)
  return [seconds, (ms - seconds * 1000) * 1e6]
}

/** Bytes that may wait; those who want more wait themselves, in order. */
class Budget {
  #left: number
  readonly #waiting: { bytes: number; go: () => void }[] = []

  constructor(bytes: number) {
    this.#left = bytes
  }

  take(bytes: number): Promise<void> | undefined {
    if (this.#left > 0 && this.#waiting.length === 0) {
      this.#left -= bytes
      return undefined
    }
    return new Promise(go => this.#waiting.push({ bytes, go }))
  }

  free(bytes: number): void {
    this.#left += bytes
    while (this.#left > 0) {
      const next = this.#waiting.shift()
      if (!next) return
      this.#left -= next.bytes
      next.go()
    }
  }
}

/** So many at a time, in order. */
class Turns {
  #left: number
  readonly #waiting: (() => void)[] = []

  constructor(count: number) {
    this.#left = count
  }

  async take(): Promise<() => void> {
    if (this.#left > 0) this.#left--
    else await new Promise<void>(resolve => this.#waiting.push(resolve))
    return () => {
      const next = this.#waiting.shift()
      if (next) next()
      else this.#left++
    }
  }
}
