// Which chunks are being written: a list on the disk, for the start after a crash.
//
// A block and its CRC lie in two places of a chunk's file. Where the power goes, or the server is killed, between the
// two, the block is taken for damaged, and with it what was synced there long before; if that happens to all servers of
// a chunk at once, nobody can read it any more. So the id of a chunk is put into this list, and the list on the disk,
// before anything changes in a chunk of which something may have been synced. At the next start blocks of the chunks in
// the list get the CRC of what lies there: what was synced is as it was, and of what was not there may be some or nothing.
//
//   0    signature "ELKMARKS"
//   8    id of the boot of the system (36 characters) when the server was stopped in order, zeros otherwise
//   64   chunk ids:64, big endian; 0: free
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

const SIGNATURE = Buffer.from('ELKMARKS', 'latin1')
const BOOT_POSITION = 8
const BOOT_BYTES = 36
const HEADER_BYTES = 64
const ID_BYTES = 8
/** Of a new list, so that it rarely grows. */
const FIRST_SLOTS = 4096
/** A longer list is none: so many chunks are not written in the time that they are kept. */
const LIST_BYTES_MAX = 64 << 20
/** What was written that long ago lies on the disk: Linux writes back after 30 s. */
const KEPT_MS = 180_000

interface Mark {
  readonly slot: number
  usedMs: number
  /** Undefined once the mark is on the disk. */
  durable: Promise<void> | undefined
}

export class WriteMarks {
  readonly #env: Env
  readonly #disk: () => Disk
  readonly #folder: string
  readonly #marks = new Map<number, Mark>()
  /** Chunks that a life before this one was writing, and whose blocks have not been looked at since. */
  readonly #suspects = new Set<number>()
  #free: number[] = []
  #slots = 0
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
    const stoppedIn = bytes.subarray(BOOT_POSITION, BOOT_POSITION + BOOT_BYTES)
    const wasStopped = stoppedIn.equals(await this.#bootId())
    const usedMs = this.#env.clock.monotonicMs()
    for (const chunkId of slotsIn(bytes)) {
      const slot = this.#slots++
      if (chunkId === 0 || this.#marks.has(chunkId)) this.#free.push(slot)
      else {
        this.#marks.set(chunkId, { slot, usedMs, durable: undefined })
        if (!wasStopped) this.#suspects.add(chunkId)
      }
    }
    await this.#takeOver(wasStopped).catch(error => this.#complain(error))
  }

  /** What the last life wrote last may be in memory only. */
  async #takeOver(wasStopped: boolean): Promise<void> {
    if (wasStopped) await this.#noteStop(Buffer.alloc(BOOT_BYTES))
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

  async #noteStop(bootId: Buffer): Promise<void> {
    await (await this.#opened()).write(bootId, BOOT_POSITION)
  }

  /** Forgets suspects that are not in this folder any more. */
  keepOnly(isHere: (chunkId: number) => boolean): void {
    for (const chunkId of this.#suspects) if (!isHere(chunkId)) this.#suspects.delete(chunkId)
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
    const usedMs = this.#env.clock.monotonicMs()
    const known = this.#marks.get(chunkId)
    if (known) {
      known.usedMs = usedMs
      return known.durable
    }
    const mark: Mark = { slot: this.#free.pop() ?? this.#slots++, usedMs, durable: undefined }
    this.#marks.set(chunkId, mark)
    mark.durable = this.#put(mark.slot, chunkId)
      .then(() => this.#sync.run())
      .catch(error => this.#complain(error))
      .then(() => {
        mark.durable = undefined
      })
    return mark.durable
  }

  /** Once a second: forgets chunks that nobody has written for long. */
  tick(): void {
    const since = this.#env.clock.monotonicMs() - KEPT_MS
    const free = this.#free
    for (const [chunkId, { slot, usedMs, durable }] of this.#marks) {
      if (usedMs > since || durable || this.#suspects.has(chunkId)) continue
      this.#marks.delete(chunkId)
      // Where that is lost the chunk is looked at once in vain.
      void this.#put(slot, 0)
        .catch(() => undefined)
        .then(() => free.push(slot))
    }
  }

  async #put(slot: number, chunkId: number): Promise<void> {
    const bytes = Buffer.alloc(ID_BYTES)
    bytes.writeBigUInt64BE(BigInt(chunkId))
    await (await this.#opened()).write(bytes, positionOf(slot))
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
      SIGNATURE.copy(empty)
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
    const bootId = await this.#bootId()
    // Chunks that nobody has looked at since a crash may still lack something.
    const isClean = isAtRest && this.#isThere && this.#suspects.size === 0 && bootId.length === BOOT_BYTES
    if (isClean) await this.#noteStop(bootId).catch(() => undefined)
    await this.#letGo()
  }

  async #letGo(): Promise<void> {
    const file = await this.#file?.catch(() => undefined)
    this.#file = undefined
    this.#isThere = false
    this.#slots = 0
    this.#free = []
    this.#marks.clear()
    this.#suspects.clear()
    await file?.close().catch(() => undefined)
  }
}

/** Chunk ids in a list, slot by slot; 0: free, or no id of a chunk. */
export function slotsIn(list: Buffer): number[] {
  const count = Math.max(0, Math.floor((list.length - HEADER_BYTES) / ID_BYTES))
  return Array.from({ length: count }, (_, slot) => {
    const chunkId = Number(list.readBigUInt64BE(positionOf(slot)))
    return Number.isSafeInteger(chunkId) ? chunkId : 0
  })
}

const positionOf = (slot: number) => HEADER_BYTES + slot * ID_BYTES
