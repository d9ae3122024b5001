// Which chunks are being written: a list on the disk, for the start after a crash.
//
// A block and its CRC lie in two places of a chunk's file. Where the power goes, or the server is killed, between the
// two, the block is taken for damaged, and with it what was synced there long before; if that happens to all servers of
// a chunk at once, nobody can read it any more. So the id of a chunk is put into this list, and the list on the disk,
// before anything changes in a chunk of which something may have been synced. At the next start blocks of the chunks in
// the list get the CRC of what lies there: what was synced is as it was, and of what was not there may be some or nothing.
//
// With the power goes, besides, what was written and not synced. So chunks are in the list, too, that are new, only not at
// once: nobody waits for it, and the system keeps such changes in memory for longer. After a loss of power the copies of
// all chunks in the list are told to the master as unsure, and nobody reads or writes them before it says that they are
// good. Since none of them says that something is on the disk, whatever was synced after the loss raised the version: a
// copy of the right version has all that ever was synced.
//
// A chunk that was deleted may be there again as well, and may lack even that. So it is in the list as deleted before
// anybody hears of it, and is deleted again.
//
//   0    signature "ELKMARK2"
//   8    id of the boot of the system (36 characters) when the server was stopped in order, zeros otherwise
//   44   id of the boot of the system that the list was last used in
//   128  chunk ids:64, big endian, the highest bit for those that are only new, the next one for deleted ones; 0: free
//
// A server that was stopped left nothing in the middle, and the system has it until it ends itself. The list is a help and
// no more: where it cannot be written chunks are written without it.
import type { Disk, DiskFile } from '../../env/disk.ts'
import type { Env } from '../../env/env.ts'
import { SharedRun } from '../../util/shared-run.ts'
import { errnoOf } from './chunk-error.ts'

export const MARKS_NAME = '.writing'
/** Another one each time the system starts. */
const BOOT_ID = '/proc/sys/kernel/random/boot_id'

const SIGNATURE = Buffer.from('ELKMARK2', 'latin1')
const BOOT_BYTES = 36
const STOP_POSITION = 8
const USE_POSITION = 44
const HEADER_BYTES = 128
const ID_BYTES = 8
/** What may have happened to a chunk, and the bits of its entry. */
const kinds = { written: 0n, new: 1n << 63n, deleted: 1n << 62n } as const
type Kind = keyof typeof kinds
const ANY_KIND = kinds.new | kinds.deleted
/** Of a new list, so that it rarely grows. */
const FIRST_SLOTS = 4096
const NOTHING = Buffer.alloc(0)
/** A longer list is none: so many chunks are not written in the time that they are kept. */
const LIST_BYTES_MAX = 8 << 20
/** What was written that long ago lies on the disk: Linux writes back after 30 s. */
const KEPT_MS = 180_000

interface Mark {
  /** Undefined as long as the mark is nowhere but here. */
  slot: number | undefined
  kind: Kind
  usedMs: number
  /** Undefined once the mark is on the disk, and before it is put there. */
  durable: Promise<void> | undefined
}

export class WriteMarks {
  readonly #env: Env
  readonly #disk: () => Disk
  readonly #folder: string
  readonly #marks = new Map<number, Mark>()
  /** Chunks that a life before this one was writing, and whose blocks have not been looked at since. */
  readonly #suspects = new Set<number>()
  /** Chunks that may lack what was written last: the power was gone. */
  readonly #unsure = new Set<number>()
  /** Chunks that were deleted, and may be there again. */
  readonly #deleted = new Set<number>()
  /** Whether the list is still that of the life before the power was lost. */
  #lostPower = false
  /** The ids, slot by slot, as they are in the file or are about to be. */
  #list: Buffer = NOTHING
  #slots = 0
  #free: number[] = []
  #isThere = false
  #file: Promise<DiskFile> | undefined
  #hasComplained = false
  readonly #sync = new SharedRun(async () => (await this.#opened()).sync())

  /** @param folder with a slash at the end */
  constructor(env: Env, disk: () => Disk, folder: string) {
    this.#env = env
    this.#disk = disk
    this.#folder = folder
  }

  get #path(): string {
    return `${this.#folder}${MARKS_NAME}`
  }

  /** Begins with what the last life left. A list that is none is made anew with the first mark. */
  async load(): Promise<void> {
    await this.#letGo()
    const bytes = await this.#contentsOf(this.#path)
    if (bytes.length < HEADER_BYTES || bytes.length > LIST_BYTES_MAX) return
    if (!bytes.subarray(0, SIGNATURE.length).equals(SIGNATURE)) return
    this.#isThere = true
    const bootId = await this.#bootId()
    const wasStopped = isOfBoot(bytes, STOP_POSITION, bootId)
    this.#lostPower = !wasStopped && !isOfBoot(bytes, USE_POSITION, bootId)
    this.#list = bytes.subarray(HEADER_BYTES)
    const usedMs = this.#env.clock.monotonicMs()
    for (const { chunkId, kind } of marksIn(bytes)) {
      const slot = this.#slots++
      if (chunkId === 0 || this.#marks.has(chunkId)) this.#free.push(slot)
      else {
        this.#marks.set(chunkId, { slot, kind, usedMs, durable: undefined })
        // A server that is killed leaves at most one block of a new chunk in the middle: that copy is damaged.
        if ((kind === 'written' && !wasStopped) || (kind === 'new' && this.#lostPower)) this.#suspects.add(chunkId)
        if (this.#lostPower) (kind === 'deleted' ? this.#deleted : this.#unsure).add(chunkId)
      }
    }
    await this.#takeOver(wasStopped).catch(error => this.#complain(error))
  }

  /** What the last life wrote last may be in memory only. */
  async #takeOver(wasStopped: boolean): Promise<void> {
    if (wasStopped) await (await this.#opened()).write(Buffer.alloc(BOOT_BYTES), STOP_POSITION)
    if (this.#marks.size > 0) await this.#sync.run()
  }

  #contentsOf(path: string): Promise<Buffer> {
    return this.#disk()
      .readFile(path)
      .catch(() => Buffer.alloc(0))
  }

  async #bootId(): Promise<Buffer> {
    return (await this.#contentsOf(BOOT_ID)).subarray(0, BOOT_BYTES)
  }

  /** All chunks of the folder are known: what is known of others is of no use any more. */
  keepOnly(isHere: (chunkId: number) => boolean): void {
    this.#deleted.clear()
    for (const chunkId of this.#suspects) if (!isHere(chunkId)) this.#suspects.delete(chunkId)
    this.vouch([...this.#unsure].filter(chunkId => !isHere(chunkId)))
  }

  /** Whether the chunk was deleted before the power was lost. */
  wasDeleted(chunkId: number): boolean {
    return this.#deleted.has(chunkId)
  }

  /** Chunks that may not be what they were before the power was lost. */
  get unsure(): ReadonlySet<number> {
    return this.#unsure
  }

  /** The master counts on these chunks. */
  vouch(chunkIds: Iterable<number>): void {
    for (const chunkId of chunkIds) this.#unsure.delete(chunkId)
    if (this.#lostPower && this.#unsure.size === 0) void this.#trust()
  }

  /** Until then a life that is killed, or stopped, leaves to the next one what this one had to tell the master. */
  async #trust(): Promise<void> {
    this.#lostPower = false
    try {
      await (await this.#opened()).write(await this.#bootId(), USE_POSITION)
    } catch (error) {
      this.#complain(error)
    }
  }

  /** Whether blocks of the chunk may lack their CRCs since a crash. */
  isSuspect(chunkId: number): boolean {
    return this.#suspects.has(chunkId)
  }

  /** The blocks of the chunk have their CRCs. */
  mended(chunkId: number): void {
    this.#suspects.delete(chunkId)
  }

  /** The chunk is going to be changed, when this is done. @returns undefined: now */
  mark(chunkId: number): Promise<void> | undefined {
    return this.#markAs('written', chunkId)
  }

  /** The chunk is going to be deleted, when this is done. */
  markDeleted(chunkId: number): Promise<void> | undefined {
    this.vouch([chunkId])
    return this.#markAs('deleted', chunkId)
  }

  /**
   * The chunk is there, and may be reported when this is done: one of the same id may have been deleted here, or a life
   * that was killed did not come to the deletion.
   */
  markThere(chunkId: number): Promise<void> | undefined {
    return this.#marks.get(chunkId)?.kind === 'deleted' ? this.#markAs('new', chunkId) : undefined
  }

  #markAs(kind: Kind, chunkId: number): Promise<void> | undefined {
    const isThere = this.#marks.get(chunkId)?.slot !== undefined
    const mark = this.#used(chunkId)
    if (isThere && mark.kind === kind) return mark.durable
    mark.kind = kind
    const slot = this.#take(chunkId, mark)
    return this.#keep([mark], slot, slot + 1)
  }

  /** Somebody writes to a chunk of which nothing is on the disk: puts it into the list soon. */
  markSoon(chunkId: number): void {
    this.#used(chunkId)
  }

  /** All of a new chunk is on the disk: it need not be in the list, if it is not there yet. */
  settled(chunkId: number): void {
    if (this.#marks.get(chunkId)?.slot === undefined) this.#marks.delete(chunkId)
  }

  #used(chunkId: number): Mark {
    const mark: Mark = this.#marks.get(chunkId) ?? { slot: undefined, kind: 'new', usedMs: 0, durable: undefined }
    mark.usedMs = this.#env.clock.monotonicMs()
    this.#marks.set(chunkId, mark)
    return mark
  }

  /** Gives the mark its place in the list. */
  #take(chunkId: number, mark: Mark): number {
    mark.slot ??= this.#free.pop() ?? this.#slots++
    this.#set(mark.slot, BigInt(chunkId) | kinds[mark.kind])
    return mark.slot
  }

  #set(slot: number, entry: bigint): void {
    const end = (slot + 1) * ID_BYTES
    if (end > this.#list.length) {
      const longer = Buffer.alloc(Math.max(end, 2 * this.#list.length, FIRST_SLOTS * ID_BYTES))
      this.#list.copy(longer)
      this.#list = longer
    }
    this.#list.writeBigUInt64BE(entry, slot * ID_BYTES)
  }

  /** Puts marks on the disk that are in these slots. */
  #keep(marks: readonly Mark[], from: number, to: number): Promise<void> {
    const durable: Promise<void> = this.#write(from, to)
      .then(() => this.#sync.run())
      .catch(error => this.#complain(error))
      .then(() => {
        // Some may have been put there anew.
        for (const mark of marks) if (mark.durable === durable) mark.durable = undefined
      })
    for (const mark of marks) mark.durable = durable
    return durable
  }

  async #write(from: number, to: number): Promise<void> {
    await (await this.#opened()).write(this.#list.subarray(from * ID_BYTES, to * ID_BYTES), positionOf(from))
  }

  /** Once a second: puts on the disk what can wait so long, and forgets chunks that nobody has written for long. */
  tick(): void {
    const nowMs = this.#env.clock.monotonicMs()
    this.#forgetOld(nowMs - KEPT_MS)
    void this.#keepNew()
  }

  /** Where that is lost chunks are looked at once in vain. */
  #forgetOld(beforeMs: number): void {
    const slots: number[] = []
    let [from, to] = [Number.POSITIVE_INFINITY, 0]
    for (const [chunkId, { slot, usedMs, durable }] of this.#marks) {
      if (slot === undefined || usedMs >= beforeMs || durable) continue
      if (this.#suspects.has(chunkId) || this.#unsure.has(chunkId)) continue
      this.#marks.delete(chunkId)
      this.#set(slot, 0n)
      slots.push(slot)
      from = Math.min(from, slot)
      to = Math.max(to, slot + 1)
    }
    if (slots.length === 0) return
    void this.#write(from, to)
      .catch(() => undefined)
      .then(() => {
        for (const slot of slots) this.#free.push(slot)
      })
  }

  #keepNew(): Promise<void> | undefined {
    const marks: Mark[] = []
    let [from, to] = [Number.POSITIVE_INFINITY, 0]
    for (const [chunkId, mark] of this.#marks) {
      if (mark.slot !== undefined) continue
      const slot = this.#take(chunkId, mark)
      marks.push(mark)
      from = Math.min(from, slot)
      to = Math.max(to, slot + 1)
    }
    return marks.length > 0 ? this.#keep(marks, from, to) : undefined
  }

  #opened(): Promise<DiskFile> {
    this.#file ??= this.#open().catch(error => {
      this.#file = undefined
      throw error
    })
    return this.#file
  }

  async #open(): Promise<DiskFile> {
    const disk = this.#disk()
    if (this.#isThere) return disk.open(this.#path, 'r+')
    const file = await disk.open(this.#path, 'w+')
    try {
      const empty = Buffer.alloc(HEADER_BYTES + FIRST_SLOTS * ID_BYTES)
      beginningIn(await this.#bootId()).copy(empty)
      await file.write(empty, 0)
      await file.sync()
      await disk.syncFolder(this.#folder.slice(0, -1) || '/')
    } catch (error) {
      await file.close().catch(() => undefined)
      throw error
    }
    this.#isThere = true
    return file
  }

  #complain(error: unknown): void {
    if (errnoOf(error) === undefined) throw error
    if (this.#hasComplained) return
    this.#hasComplained = true
    const why = `${errnoOf(error)}: chunks are written without it, and a crash may leave blocks without their CRCs`
    this.#env.log.warning(`${this.#path}: ${why}`)
  }

  /** @param isAtRest the server is being stopped, and nothing is in the middle */
  async close(isAtRest: boolean): Promise<void> {
    if (isAtRest) await this.#noteStop()
    await this.#letGo()
  }

  async #noteStop(): Promise<void> {
    // The power may be lost shortly after the end.
    await this.#keepNew()
    const bootId = await this.#bootId()
    // Chunks that nobody has looked at since a crash may still lack something.
    const isMended = this.#suspects.size === 0 && !this.#lostPower
    if (!isMended || !this.#isThere || bootId.length !== BOOT_BYTES) return
    await this.#file?.then(file => file.write(bootId, STOP_POSITION)).catch(() => undefined)
  }

  async #letGo(): Promise<void> {
    const file = await this.#file?.catch(() => undefined)
    this.#file = undefined
    this.#isThere = false
    this.#list = NOTHING
    this.#slots = 0
    this.#free = []
    this.#marks.clear()
    this.#suspects.clear()
    this.#unsure.clear()
    this.#deleted.clear()
    this.#lostPower = false
    await file?.close().catch(() => undefined)
  }
}

/** The beginning of a list that is in use. */
function beginningIn(bootId: Buffer): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES)
  SIGNATURE.copy(bytes)
  bootId.copy(bytes, USE_POSITION)
  return bytes
}

const isOfBoot = (list: Buffer, position: number, bootId: Buffer) =>
  bootId.length === BOOT_BYTES && list.subarray(position, position + BOOT_BYTES).equals(bootId)

/** What is in the slots of a list, one after the other; chunk 0: nothing, or no id of a chunk. */
export function marksIn(list: Buffer): { chunkId: number; kind: Kind }[] {
  const count = Math.max(0, Math.floor((list.length - HEADER_BYTES) / ID_BYTES))
  return Array.from({ length: count }, (_, slot) => {
    const entry = list.readBigUInt64BE(positionOf(slot))
    const chunkId = Number(entry & ~ANY_KIND)
    const kind = (entry & kinds.deleted) !== 0n ? 'deleted' : (entry & kinds.new) !== 0n ? 'new' : 'written'
    return { chunkId: Number.isSafeInteger(chunkId) ? chunkId : 0, kind }
  })
}

const positionOf = (slot: number) => HEADER_BYTES + slot * ID_BYTES
