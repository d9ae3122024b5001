// An application: it works in a folder of its own, does what comes to its mind, and knows what each answer must be.
import type { ClusterSession } from '../../../src/client/cluster-session.ts'
import { fuseRepair, fuseSnapshot, OpenFlag } from '../../../src/protocol/cltoma.ts'
import { MFSCHUNKSIZE } from '../../../src/protocol/constants.ts'
import { Status, statusName } from '../../../src/protocol/status.ts'
import { type SimCluster, Violation } from './cluster.ts'
import { FileModel, PART_BYTES } from './file-model.ts'
import type { SharedFiles } from './shared-files.ts'
import {
  checkContents,
  differences,
  FolderModel,
  filesBelow,
  findTree,
  firstDifference,
  type NodeModel,
  readRange,
  root,
} from './tree-model.ts'

const ROOT = 1
const NAMES = 7
const DEPTH_MAX = 3
const OPEN_MAX = 3
const WRITE_BYTES_MAX = 150_000
const SNAPSHOT_OVERWRITE = 1
const SETATTR_MODE = 0x02
const JOURNAL_KEPT = 60

/** A client program from its start to its death. */
export interface Life {
  readonly session: ClusterSession
  /** Never ends when the program is killed. */
  sleep(ms: number): Promise<void>
  isOver: boolean
  /** Resolves when the program is killed. */
  readonly ended: Promise<void>
}

/** A client program, which may be killed and started again. */
export interface Client {
  readonly name: string
  life: Life | undefined
}

interface Place {
  folder: FolderModel
  path: string
  name: string
  node: NodeModel | undefined
}

export class Worker {
  readonly name: string
  readonly tree = new FolderModel(0, 0o755)
  /** Operations that were acknowledged. */
  acknowledged = 0
  /** The latest operations with their answers, for people. */
  readonly journal: string[] = []
  isDone = false
  /** Longest that an operation took after everything was in order, milliseconds. */
  longestMs = 0
  readonly #cluster: SimCluster
  readonly #client: Client
  readonly #others: readonly Client[]
  readonly #shared: SharedFiles
  /** Open files; a file may have no name any more. */
  readonly #open = new Set<FileModel>()
  /** An operation without an answer yet: it may have been carried out. */
  #pending: { what: string; apply: () => void } | undefined
  /** When its present operation began. */
  #begunMs = Infinity
  #tag = 0
  #operations = 0

  constructor(cluster: SimCluster, client: Client, others: readonly Client[], shared: SharedFiles, name: string) {
    this.#cluster = cluster
    this.#client = client
    this.#others = others
    this.#shared = shared
    this.name = name
  }

  /** How long its present operation takes already, milliseconds; not positive when it does nothing. */
  get busyMs(): number {
    return this.#cluster.scheduler.nowMs - this.#begunMs
  }

  get #life(): Life {
    if (!this.#client.life) throw new Error('the client is not connected')
    return this.#client.life
  }

  get #session(): ClusterSession {
    return this.#life.session
  }

  /** Makes its folder. */
  async begin(): Promise<void> {
    const made = await this.#session.mkdir(ROOT, this.name, this.tree.mode, 0, false, root)
    this.#expect(`mkdir /${this.name}`, made.status, Status.OK)
    if (made.status === undefined) this.tree.inode = made.inode
  }

  /** Its client is dead: what was open is closed, what was not finished may be done or not. */
  clientDied(): void {
    this.isDone = false
    this.#begunMs = Infinity
    for (const file of this.#open) file.clientDied()
    this.#open.clear()
    this.#note('the client is killed')
  }

  /** The power has left the servers, too, with what they had not synced. */
  powerLost(): void {
    for (const file of filesBelow(this.tree, '').keys()) file.powerLost()
    this.#note('nobody has power')
  }

  /** With a new client: finds out what became of the operation that had no answer. */
  async resume(): Promise<void> {
    const found = await findTree(this.#session, this.tree.inode)
    const pending = this.#pending
    this.#pending = undefined
    let wrong = differences(this.tree, found, `/${this.name}`)
    if (wrong.length > 0 && pending) {
      this.#note(`${pending.what} seems to have been done`)
      pending.apply()
      const still = differences(this.tree, found, `/${this.name}`)
      if (still.length > 0) wrong = [`if "${pending.what}" was not done:`, ...wrong, 'if it was:', ...still]
      else wrong = []
    }
    if (wrong.length > 0) this.#violated(wrong.join('\n'))
    for (const [file, path] of filesBelow(this.tree, `/${this.name}`)) {
      if (!file.isUnsure) continue
      await this.#cutBehindEnd(file)
      const problem = await checkContents(this.#session, file, () => this.#repair(file.inode, path))
      if (problem) this.#violated(`${path} (unfinished when the client died): ${problem}`)
    }
  }

  /** A chunk that is gone may have been made for a write that never ended: then it is in the way of the next one. */
  async #cutBehindEnd(file: FileModel): Promise<void> {
    const there = await this.#session.getattr(file.inode, false, root)
    if (there.status !== undefined) this.#violated(`getattr of ${file.inode}: ${statusName(there.status)}`)
    const { length } = there.attributes
    if (![0, MFSCHUNKSIZE].some(start => start >= length && file.mayBeGone(start))) return
    const cut = await this.#session.truncate(file.inode, false, root, length)
    this.#expect(`truncate ${file.inode} to its length, ${length}`, cut.status, Status.OK)
  }

  /** As mfsfilerepair: chunks without copies become holes. */
  async #repair(inode: number, path: string): Promise<void> {
    const body = fuseRepair.encode({ msgid: 0, inode, caller: root }).subarray(12)
    const answer = await this.#session.forward(fuseRepair.code, body)
    const [, erased, repaired] = [0, 4, 8].map(at => answer.body.readUInt32BE(at))
    this.#note(`repair ${path}: ${erased} chunks erased, ${repaired} repaired`)
    if (repaired !== 0) this.#violated(`${path}: a chunk had only copies of other versions`)
    this.#cluster.count('chunk gone', erased)
  }

  /** Goes on until it has done `count` operations in all, with pauses between. Never ends when the client is killed. */
  async work(count: number): Promise<void> {
    while (this.#operations < count) {
      this.#operations++
      const begun = this.#cluster.scheduler.nowMs
      this.#begunMs = begun
      await this.#operate()
      this.#begunMs = Infinity
      const waited = this.#cluster.scheduler.nowMs - Math.max(begun, this.#cluster.disturbedMs)
      this.longestMs = Math.max(this.longestMs, waited)
      await this.#life.sleep(this.#below(10) === 0 ? this.#below(1000) : this.#below(20))
    }
    await this.#closeAll()
    this.isDone = true
  }

  // --- chance

  #below(limit: number): number {
    return this.#cluster.scheduler.between(0, limit - 1)
  }

  #oneOf<T>(items: readonly T[]): T {
    return items[this.#below(items.length)] as T
  }

  /** A name in one of its folders, taken or not. */
  #place(): Place {
    let folder = this.tree
    let path = `/${this.name}`
    for (let depth = 1; depth < DEPTH_MAX; depth++) {
      const inside = [...folder.names].filter(([, node]) => node.kind === 'folder')
      if (inside.length === 0 || this.#below(2) === 0) break
      const [name, node] = this.#oneOf(inside)
      path += `/${name}`
      folder = node as FolderModel
    }
    const name = `n${this.#below(NAMES)}`
    return { folder, name, path: `${path}/${name}`, node: folder.names.get(name) }
  }

  #someFile(): FileModel | undefined {
    const files = [...this.#open, ...filesBelow(this.tree, '').keys()]
    return files.length > 0 ? this.#oneOf(files) : undefined
  }

  #someRange(sizeMax: number): { offset: number; size: number } {
    const start = this.#below(6) === 0 ? MFSCHUNKSIZE : 0
    const size = 1 + this.#below(this.#below(3) === 0 ? sizeMax : 2000)
    return { offset: start + this.#below(PART_BYTES - size), size }
  }

  // --- answers

  #note(text: string): void {
    if (this.journal.length >= 2 * JOURNAL_KEPT) this.journal.splice(0, JOURNAL_KEPT)
    this.journal.push(`${this.#cluster.scheduler.nowMs.toFixed(1)} ${this.name} ${text}`)
  }

  #violated(message: string): never {
    throw new Violation(`${this.name}: ${message}`)
  }

  #expect(what: string, status: number | undefined, expected: number): void {
    this.#note(`${what}: ${statusName(status ?? Status.OK)}`)
    if ((status ?? Status.OK) === expected) {
      this.acknowledged++
      return
    }
    this.#violated(`${what} was answered with ${statusName(status ?? 0)}, not ${statusName(expected)}`)
  }

  /** Asks for a change and makes it in the model when it was granted, as it must be or must not be. */
  async #change<A extends { status?: number | undefined }>(
    what: string,
    expected: number,
    ask: () => Promise<A | number>,
    apply: (answer?: A) => void,
  ): Promise<void> {
    this.#pending = expected === Status.OK ? { what, apply } : undefined
    const answer = await ask()
    this.#expect(what, typeof answer === 'number' ? answer : answer.status, expected)
    if (expected === Status.OK) apply(typeof answer === 'number' ? undefined : answer)
    this.#pending = undefined
  }

  // --- operations

  async #operate(): Promise<void> {
    const operations: [number, () => Promise<void>][] = [
      [8, () => this.#create()],
      [4, () => this.#makeFolder()],
      [2, () => this.#symlink()],
      [5, () => this.#unlink()],
      [2, () => this.#removeFolder()],
      [6, () => this.#rename()],
      [4, () => this.#link()],
      [22, () => this.#write()],
      [10, () => this.#read()],
      [6, () => this.#flush()],
      [5, () => this.#truncate()],
      [3, () => this.#chmod()],
      [2, () => this.#setAttribute()],
      [3, () => this.#list()],
      [3, () => this.#snapshot()],
      [4, () => this.#observe()],
      [4, () => this.#close()],
      [3, () => this.#shared.append(this.#life, this.name, this.#client.name)],
      [3, () => this.#shared.claim(this.#session, this.name)],
    ]
    let draw = this.#below(operations.reduce((sum, [weight]) => sum + weight, 0))
    for (const [weight, operation] of operations) {
      draw -= weight
      if (draw < 0) return operation()
    }
  }

  async #create(): Promise<void> {
    const { folder, name, node, path } = this.#place()
    const file = new FileModel(0, 0o644)
    const ask = () => this.#session.create(folder.inode, name, file.mode, 0, root)
    await this.#change(`create ${path}`, node ? Status.EEXIST : Status.OK, ask, made => {
      file.inode = made?.status === undefined ? (made?.inode ?? 0) : 0
      folder.names.set(name, file)
      if (made) this.#open.add(file)
    })
  }

  async #makeFolder(): Promise<void> {
    const { folder, name, node, path } = this.#place()
    const made = new FolderModel(0, 0o750)
    const ask = () => this.#session.mkdir(folder.inode, name, made.mode, 0, false, root)
    await this.#change(`mkdir ${path}`, node ? Status.EEXIST : Status.OK, ask, answer => {
      made.inode = answer?.status === undefined ? (answer?.inode ?? 0) : 0
      folder.names.set(name, made)
    })
  }

  async #symlink(): Promise<void> {
    const { folder, name, node, path } = this.#place()
    const target = `../${this.#below(1000)}`
    const ask = () => this.#session.symlink(folder.inode, name, target, root)
    await this.#change(`symlink ${path}`, node ? Status.EEXIST : Status.OK, ask, made => {
      const inode = made?.status === undefined ? (made?.inode ?? 0) : 0
      folder.names.set(name, { kind: 'symlink', inode, target })
    })
  }

  async #unlink(): Promise<void> {
    const { folder, name, node, path } = this.#place()
    const expected = !node ? Status.ENOENT : node.kind === 'folder' ? Status.EPERM : Status.OK
    const ask = () => this.#session.unlink(folder.inode, name, root)
    await this.#change(`unlink ${path}`, expected, ask, () => {
      folder.names.delete(name)
      if (node instanceof FileModel) node.links--
    })
  }

  async #removeFolder(): Promise<void> {
    const { folder, name, node, path } = this.#place()
    const refusal = !node ? Status.ENOENT : node.kind !== 'folder' ? Status.ENOTDIR : undefined
    const isEmpty = node?.kind === 'folder' && node.names.size === 0
    const expected = refusal ?? (isEmpty ? Status.OK : Status.ENOTEMPTY)
    const ask = () => this.#session.rmdir(folder.inode, name, root)
    await this.#change(`rmdir ${path}`, expected, ask, () => folder.names.delete(name))
  }

  async #rename(): Promise<void> {
    const from = this.#place()
    const to = this.#place()
    const { node } = from
    // What is asked of folders here is only what always succeeds.
    if ((node?.kind === 'folder' && (to.node || isBelow(to.folder, node))) || to.node?.kind === 'folder') return
    const same = node !== undefined && node === to.node
    const ask = () => this.#session.rename(from.folder.inode, from.name, to.folder.inode, to.name, root)
    await this.#change(`rename ${from.path} ${to.path}`, node ? Status.OK : Status.ENOENT, ask, () => {
      if (!node || same) return
      from.folder.names.delete(from.name)
      to.folder.names.set(to.name, node)
      if (to.node instanceof FileModel) to.node.links--
    })
  }

  async #link(): Promise<void> {
    const source = this.#place()
    const { folder, name, node, path } = this.#place()
    const file = source.node
    if (!(file instanceof FileModel)) return
    const ask = () => this.#session.link(file.inode, folder.inode, name, root)
    await this.#change(`link ${source.path} ${path}`, node ? Status.EEXIST : Status.OK, ask, () => {
      folder.names.set(name, file)
      file.links++
    })
  }

  async #opened(file: FileModel): Promise<void> {
    if (this.#open.has(file)) return
    if (this.#open.size >= OPEN_MAX) await this.#closeOne([...this.#open][0] as FileModel)
    const opened = await this.#session.open(file.inode, OpenFlag.READ | OpenFlag.WRITE, root)
    this.#expect(`open ${file.inode}`, opened.status, Status.OK)
    this.#open.add(file)
  }

  async #write(): Promise<void> {
    const file = this.#someFile()
    if (!file) return
    await this.#opened(file)
    const times = 1 + this.#below(3)
    for (let i = 0; i < times; i++) {
      const { offset, size } = this.#someRange(WRITE_BYTES_MAX)
      const data = Buffer.alloc(size, `${this.name}.${this.#tag++}|`)
      file.write(offset, data)
      const error = await this.#session.data(file.inode).write(offset, data)
      this.#note(`write ${file.inode} ${size} bytes at ${offset}: ${error}`)
      if (error !== 0) this.#violated(`writing to inode ${file.inode} failed with errno ${error}`)
    }
    if (this.#below(2) === 0) await this.#flushFile(file)
  }

  async #flush(): Promise<void> {
    const file = [...this.#open].find(({ isFlushed }) => !isFlushed)
    if (file) await this.#flushFile(file)
  }

  async #flushFile(file: FileModel): Promise<void> {
    const how = this.#below(2) === 0 ? 'flush' : 'sync'
    const error = await this.#session.data(file.inode)[how]()
    this.#note(`${how} ${file.inode}: ${error}`)
    if (error !== 0) this.#violated(`${how} of inode ${file.inode} failed with errno ${error}`)
    if (how === 'sync') file.synced()
    else file.flushed()
    this.acknowledged++
  }

  async #read(): Promise<void> {
    const file = this.#someFile()
    if (!file) return
    await this.#opened(file)
    await this.#compareRange(this.#session, file, 'read')
  }

  async #compareRange(session: ClusterSession, file: FileModel, what: string): Promise<void> {
    const life = this.#life
    const { offset, size } = this.#someRange(PART_BYTES)
    const bytes = await readRange(session, file.inode, offset, size)
    if (life.isOver) return
    this.#note(`${what} ${file.inode} ${size} bytes at ${offset}`)
    const wrong = firstDifference(bytes, file.expected(offset, size), offset)
    if (wrong) this.#violated(`${what} of inode ${file.inode}: ${wrong}`)
    this.acknowledged++
  }

  async #truncate(): Promise<void> {
    const file = this.#someFile()
    if (!file) return
    await this.#opened(file)
    const { offset: length } = this.#someRange(10)
    const ask = async () => {
      for (;;) {
        const answer = await this.#session.truncate(file.inode, true, root, length)
        // The chunk at the end may have to be copied first, and all disks be full for a while.
        if (answer.status !== Status.NOSPACE) return answer
        await this.#life.sleep(1000)
      }
    }
    await this.#change(`truncate ${file.inode} to ${length}`, Status.OK, ask, () => file.truncate(length))
  }

  async #chmod(): Promise<void> {
    const { node, path } = this.#place()
    if (!node || node.kind === 'symlink') return
    const mode = 0o600 + this.#below(0o100)
    const set = { setmask: SETATTR_MODE, mode, uid: 0, gid: 0, atime: 0, mtime: 0, sugidClearMode: 0 }
    const ask = () => this.#session.setattr(node.inode, false, root, set)
    await this.#change(`chmod ${path} ${mode.toString(8)}`, Status.OK, ask, () => {
      node.mode = mode
    })
  }

  async #setAttribute(): Promise<void> {
    const file = this.#someFile()
    if (!file || file.links === 0) return
    const name = `user.${this.#below(2)}`
    const value = `${this.name} ${this.#below(1000)}`
    // Until there is an answer, either value will do.
    file.attributes.delete(name)
    const status = await this.#session.setxattr(file.inode, name, Buffer.from(value), 0, root)
    this.#expect(`setxattr ${file.inode} ${name}`, status, Status.OK)
    file.attributes.set(name, value)
  }

  async #list(): Promise<void> {
    const { folder, path } = this.#place()
    const found = await findTree(this.#session, folder.inode)
    this.#note(`list ${path}/..`)
    const wrong = differences(folder, found, path.slice(0, path.lastIndexOf('/')))
    if (wrong.length > 0) this.#violated(wrong.join('\n'))
    this.acknowledged++
  }

  async #snapshot(): Promise<void> {
    const source = this.#place()
    const { folder, name, node, path } = this.#place()
    const file = source.node
    if (!(file instanceof FileModel) || node) return
    if (!file.isFlushed) await this.#flushFile(file)
    const request = { msgid: 0, inode: file.inode, parent: folder.inode, name, caller: root, umask: 0 }
    const body = fuseSnapshot.encode({ ...request, mode: SNAPSHOT_OVERWRITE }).subarray(12)
    const ask = async () => (await this.#session.forward(fuseSnapshot.code, body)).body[0] ?? Status.IO
    await this.#change(`snapshot ${source.path} ${path}`, Status.OK, ask, () => folder.names.set(name, file.copy()))
    if (folder.names.get(name)?.inode === 0) await this.#learn(folder, name)
  }

  /** Looks up the inode of what was made without an answer that names it. */
  async #learn(folder: FolderModel, name: string): Promise<void> {
    const node = folder.names.get(name)
    const there = await this.#session.lookup(folder.inode, name, root)
    this.#expect(`lookup ${name} in ${folder.inode}`, there.status, Status.OK)
    if (node && there.status === undefined) node.inode = there.inode
  }

  /** Somebody else sees at once what was flushed. */
  async #observe(): Promise<void> {
    const life = this.#life
    const other = this.#oneOf(this.#others)
    const file = this.#someFile()
    if (!other.life || !file || file.links === 0) return
    if (!file.isFlushed) await this.#flushFile(file)
    // Either of the two programs may die meanwhile.
    await Promise.race([this.#observeAt(other, file), other.life?.ended])
    if (life.isOver) await new Promise(() => {})
  }

  async #observeAt(other: Client, file: FileModel): Promise<void> {
    const life = this.#life
    const session = other.life?.session
    if (!session) return
    const opened = await session.open(file.inode, OpenFlag.READ, root)
    if (life.isOver) return
    this.#expect(`open ${file.inode} at ${other.name}`, opened.status, Status.OK)
    await this.#compareRange(session, file, `read at ${other.name}`)
    session.release(file.inode)
  }

  async #close(): Promise<void> {
    const [file] = this.#open
    if (file) await this.#closeOne(file)
  }

  async #closeOne(file: FileModel): Promise<void> {
    if (!file.isFlushed) await this.#flushFile(file)
    this.#open.delete(file)
    file.closed()
    this.#session.release(file.inode)
    this.#note(`close ${file.inode}`)
  }

  async #closeAll(): Promise<void> {
    for (const file of [...this.#open]) await this.#closeOne(file)
  }

  // --- at the end

  /** Compares everything with what another client sees. */
  async check(session: ClusterSession): Promise<void> {
    const found = await findTree(session, this.tree.inode)
    const wrong = differences(this.tree, found, `/${this.name}`)
    if (wrong.length > 0) this.#violated(`at the end:\n${wrong.join('\n')}`)
    for (const [file, path] of filesBelow(this.tree, `/${this.name}`)) {
      const problem = await checkContents(session, file)
      if (problem) this.#violated(`at the end: ${path} (inode ${file.inode}): ${problem}`)
      await this.#checkAttributes(session, file, path)
    }
  }

  async #checkAttributes(session: ClusterSession, file: FileModel, path: string): Promise<void> {
    for (const [name, value] of file.attributes) {
      const got = await session.getxattr(file.inode, name, false, root)
      const text = got.status === undefined ? got.value.toString() : statusName(got.status)
      if (text !== value) this.#violated(`at the end: attribute ${name} of ${path} is ${text}, not ${value}`)
    }
  }
}

function isBelow(folder: FolderModel, top: FolderModel): boolean {
  return folder === top || [...top.names.values()].some(node => node.kind === 'folder' && isBelow(folder, node))
}
