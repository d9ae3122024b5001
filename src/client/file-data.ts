// The data of one file: writes are collected and sent in the background, reads are served from chunks and from what was
// read ahead.
import { constants } from 'node:os'
import type { Env } from '../env/env.ts'
import * as cltoma from '../protocol/cltoma.ts'
import { MFSCHUNKSIZE } from '../protocol/constants.ts'
import * as matocl from '../protocol/matocl.ts'
import type { Located } from './chunk-locator.ts'
import type { ChunkReader } from './chunk-reader.ts'
import type { ChunkSyncer } from './chunk-syncer.ts'
import { ChunkWriter, type WriteServices } from './chunk-writer.ts'
import type { FileData } from './cluster.ts'
import type { HoleFinder } from './holes.ts'
import { pauseMs } from './retry.ts'

const { errno } = constants
/** Pieces that are read ahead; a whole number of them makes a chunk. */
const SEGMENT_BYTES = 1 << 20
const SEGMENTS_AHEAD = 4
/** Reads in sequence before anything is read ahead. */
const SEQUENTIAL_READS = 2

export interface DataServices extends WriteServices {
  env: Env
  reader: ChunkReader
  syncer: ChunkSyncer
  holes: HoleFinder
  /** Waits until so many bytes may wait to be written, and counts them. */
  admit(bytes: number): Promise<void>
  /** Reading ahead may take so many bytes more; false when it may not. */
  readAheadAllowed(bytes: number): boolean
  readAheadFreed(bytes: number): void
  /** The file was read or written now. */
  touched(inode: number, what: 'read' | 'written'): void
}

type Segment = Promise<{ buffers: Buffer[]; length: number } | number>

export class ClusterFileData implements FileData {
  readonly #services: DataServices
  readonly #inode: number
  readonly #writers = new Map<number, ChunkWriter>()
  /** Chunks with bytes that may be in the memory of their servers only. */
  readonly #unsynced = new Map<number, Located>()
  /** What is being put on disks, by chunk. */
  readonly #syncs = new Map<number, { located: Located; done: Promise<boolean> }>()
  /** Writes without bytes that are under way, by chunk. */
  readonly #renewals = new Map<number, Promise<unknown>>()
  /** Calls of sync() that wait. */
  #syncers = 0
  #error = 0
  #idleWaiters: (() => void)[] = []
  readonly #segments = new Map<number, Segment>()
  #nextOffset = 0
  #inSequence = 0

  constructor(services: DataServices, inode: number) {
    this.#services = services
    this.#inode = inode
  }

  get isIdle(): boolean {
    return this.#writers.size === 0
  }

  /** Length that the file will have when everything that waits is written; 0 when nothing waits. */
  get pendingLength(): number {
    let length = 0
    for (const [index, writer] of this.#writers) {
      if (writer.waitingTo > 0) length = Math.max(length, index * MFSCHUNKSIZE + writer.waitingTo)
    }
    return length
  }

  // --- writing

  async write(offset: number, data: Buffer): Promise<number> {
    // The caller's buffer is his again when we answer, so nothing may be awaited before it is copied, unless it is full.
    await this.#services.admit(data.length)
    if (this.#error !== 0) {
      this.#services.freed(data.length)
      return this.#takeError()
    }
    this.#forgetSegments(offset, data.length)
    let counted = 0
    for (let done = 0; done < data.length; ) {
      const at = offset + done
      const index = Math.floor(at / MFSCHUNKSIZE)
      const inside = at % MFSCHUNKSIZE
      const length = Math.min(MFSCHUNKSIZE - inside, data.length - done)
      counted += this.#writer(index).put(inside, data.subarray(done, done + length))
      done += length
    }
    this.#services.freed(data.length - counted)
    this.#services.touched(this.#inode, 'written')
    return 0
  }

  #writer(index: number): ChunkWriter {
    const present = this.#writers.get(index)
    if (present) return present
    const writer: ChunkWriter = new ChunkWriter(this.#services, this.#inode, index, {
      idle: () => {
        if (this.#writers.get(index) === writer && writer.isIdle) this.#writers.delete(index)
        if (this.#writers.size === 0) for (const waiter of this.#idleWaiters.splice(0)) waiter()
      },
      failed: reason => {
        this.#error = reason
      },
      written: (located, synced) => {
        this.#unsynced.set(index, located)
        // Beside what the master is still to be told.
        if (this.#syncers > 0) void this.#syncChunk(index, located, synced)
      },
      wantsSync: () => this.#syncers > 0,
      mayBegin: () => this.#renewals.get(index),
    })
    this.#writers.set(index, writer)
    return writer
  }

  #takeError(): number {
    const error = this.#error
    this.#error = 0
    return error
  }

  async flush(): Promise<number> {
    await this.settle()
    return this.#takeError()
  }

  /** Waits until nothing waits to be written any more. What went wrong is for the next flush to tell. */
  async settle(): Promise<void> {
    while (this.#writers.size > 0) {
      for (const writer of this.#writers.values()) writer.hurry()
      await new Promise<void>(resolve => this.#idleWaiters.push(resolve))
    }
  }

  async sync(): Promise<number> {
    this.#syncers++
    return this.#sync().finally(() => this.#syncers--)
  }

  async #sync(): Promise<number> {
    for (let failures = 0; ; ) {
      const error = await this.flush()
      if (error !== 0 || this.#unsynced.size === 0) return error
      const synced = await Promise.all([...this.#unsynced].map(([index, located]) => this.#syncChunk(index, located)))
      if (synced.every(done => done)) continue
      if (++failures >= this.#services.retry.ioRetries) return errno.EIO
      await this.#services.env.clock.sleep(pauseMs(failures))
    }
  }

  /** The file was cut, or grew, to this length: chunks behind it are gone, and must not be asked for again. */
  truncated(length: number): void {
    for (const index of [...this.#unsynced.keys()]) if (index * MFSCHUNKSIZE >= length) this.#unsynced.delete(index)
    this.changed(0, 0)
  }

  /**
   * Puts the copies of a chunk on their disks, once for all who want that.
   *
   * @param begun whether what is under way already will have done it
   * @returns whether it is done
   */
  #syncChunk(index: number, located: Located, begun?: Promise<boolean>): Promise<boolean> {
    const going = this.#syncs.get(index)
    if (going?.located === located) return going.done
    const done = this.#syncCopies(index, located, begun).finally(() => {
      if (this.#syncs.get(index)?.located === located) this.#syncs.delete(index)
    })
    this.#syncs.set(index, { located, done })
    return done
  }

  /** A copy that could not be put on a disk must not count any more: the master is made to go on without it. */
  async #syncCopies(index: number, located: Located, begun: Promise<boolean> | undefined): Promise<boolean> {
    const done = (await begun) || (await this.#services.syncer.sync(located.chunkId, located.copies))
    if (this.#unsynced.get(index) !== located) return true
    if (done) this.#unsynced.delete(index)
    // Whoever is writing the chunk finds the copies that are left by himself.
    else if (!this.#writers.has(index)) await this.#renew(index, located)
    return done
  }

  /** Alone: the end of one write of a client ends the other ones of the same chunk. */
  async #renew(index: number, located: Located): Promise<void> {
    const renewal = this.#renewed(index).finally(() => this.#renewals.delete(index))
    this.#renewals.set(index, renewal)
    const renewed = await renewal
    if (renewed && this.#unsynced.get(index) === located) this.#unsynced.set(index, renewed)
  }

  /** The copies that are left, as the beginning of another write makes the master find them. */
  async #renewed(index: number): Promise<Located | undefined> {
    const { master } = this.#services
    const inode = this.#inode
    const begun = await master.ask(cltoma.fuseWriteChunk, { inode, index, flags: 0 }, matocl.fuseWriteChunk)
    if (!begun || begun.status !== undefined) return undefined
    const { chunkId, version, copies } = begun
    const end = { chunkId, inode, index, length: 0, flags: 0 }
    await master.ask(cltoma.fuseWriteChunkEnd, end, matocl.fuseWriteChunkEnd)
    return { chunkId, version, copies }
  }

  // --- reading

  async read(offset: number, size: number): Promise<Buffer[] | number> {
    // A write that failed is for fsync and close to tell, not for a reader.
    if (this.#mustFlushFor(offset, size)) await this.settle()
    this.#services.touched(this.#inode, 'read')
    this.#inSequence = offset === this.#nextOffset ? this.#inSequence + 1 : 0
    this.#nextOffset = offset + size
    if (this.#inSequence < SEQUENTIAL_READS && !this.#segments.has(Math.floor(offset / SEGMENT_BYTES))) {
      return this.#readDirectly(offset, size)
    }
    return this.#readThroughSegments(offset, size)
  }

  async seek(what: 'data' | 'hole', offset: number, length: number): Promise<number | undefined> {
    await this.settle()
    return this.#services.holes.seek(this.#inode, what, offset, length)
  }

  /** Whether bytes of this range are not with the servers yet. */
  #isWaiting(from: number, to: number): boolean {
    for (const [index, writer] of this.#writers) {
      const start = index * MFSCHUNKSIZE
      if (writer.overlaps(from - start, to - start)) return true
    }
    return false
  }

  /** Own bytes that wait must be read back, and a file is as long as they make it. */
  #mustFlushFor(offset: number, size: number): boolean {
    for (const [index, writer] of this.#writers) {
      const start = index * MFSCHUNKSIZE
      if (writer.overlaps(offset - start, offset + size - start)) return true
      if (start + writer.waitingTo > offset && this.#services.locator.knownLength(this.#inode) < offset + size)
        return true
    }
    return false
  }

  async #readDirectly(offset: number, size: number): Promise<Buffer[] | number> {
    const buffers: Buffer[] = []
    for (let done = 0; done < size; ) {
      const at = offset + done
      const inside = at % MFSCHUNKSIZE
      const length = Math.min(MFSCHUNKSIZE - inside, size - done)
      const part = await this.#services.reader.read(this.#inode, Math.floor(at / MFSCHUNKSIZE), inside, inside + length)
      if (typeof part === 'number') return part
      const bytes = part.buffers.reduce((sum, { length }) => sum + length, 0)
      buffers.push(...part.buffers)
      if (bytes < length) break
      done += length
    }
    return buffers
  }

  async #readThroughSegments(offset: number, size: number): Promise<Buffer[] | number> {
    const first = Math.floor(offset / SEGMENT_BYTES)
    const last = Math.floor((offset + size - 1) / SEGMENT_BYTES)
    this.#dropSegmentsBefore(first)
    for (let segment = first; segment <= last + SEGMENTS_AHEAD; segment++) this.#fetch(segment, segment <= last)
    const buffers: Buffer[] = []
    for (let segment = first; segment <= last; segment++) {
      const got = await (this.#segments.get(segment) ?? this.#request(segment))
      if (typeof got === 'number') return got
      const start = segment * SEGMENT_BYTES
      const from = Math.max(0, offset - start)
      const to = Math.min(SEGMENT_BYTES, offset + size - start)
      const taken = slice(got.buffers, from, to)
      buffers.push(...taken)
      if (taken.reduce((sum, { length }) => sum + length, 0) < to - from) break
    }
    return buffers
  }

  #request(segment: number): Segment {
    const start = segment * SEGMENT_BYTES
    const inside = start % MFSCHUNKSIZE
    const index = Math.floor(start / MFSCHUNKSIZE)
    return this.#services.reader.read(this.#inode, index, inside, inside + SEGMENT_BYTES)
  }

  #fetch(segment: number, needed: boolean): void {
    if (this.#segments.has(segment)) return
    const length = this.#services.locator.knownLength(this.#inode)
    if (!needed && segment * SEGMENT_BYTES >= length) return
    // What comes from the servers now lacks these bytes, and must not be kept.
    if (this.#isWaiting(segment * SEGMENT_BYTES, (segment + 1) * SEGMENT_BYTES)) return
    if (!this.#services.readAheadAllowed(SEGMENT_BYTES)) return
    const coming = this.#request(segment)
    this.#segments.set(segment, coming)
    void coming.then(got => {
      // An error is for the one who asks next to find.
      if (typeof got === 'number') this.#dropSegment(segment, coming)
    })
  }

  #dropSegment(segment: number, only?: Segment): void {
    const present = this.#segments.get(segment)
    if (!present || (only && present !== only)) return
    this.#segments.delete(segment)
    this.#services.readAheadFreed(SEGMENT_BYTES)
  }

  /** One behind the reader is kept for readers that go on in small steps, out of order. */
  #dropSegmentsBefore(segment: number): void {
    for (const known of this.#segments.keys()) if (known < segment - 1) this.#dropSegment(known)
  }

  #forgetSegments(offset: number, size: number): void {
    if (this.#segments.size === 0) return
    const first = Math.floor(offset / SEGMENT_BYTES)
    const last = Math.floor((offset + size - 1) / SEGMENT_BYTES)
    for (const known of [...this.#segments.keys()]) if (known >= first && known <= last) this.#dropSegment(known)
  }

  /** What was read ahead may be stale: bytes from here on have changed; `length` 0 is to the end. */
  changed(offset: number, length: number): void {
    this.#forgetSegments(offset, length || Number.MAX_SAFE_INTEGER - offset)
  }

  /** Nobody has the file open any more. */
  close(): void {
    for (const segment of [...this.#segments.keys()]) this.#dropSegment(segment)
  }
}

/** Views of the bytes `from` to `to` of joined buffers. */
function slice(buffers: readonly Buffer[], from: number, to: number): Buffer[] {
  const slices: Buffer[] = []
  let at = 0
  for (const buffer of buffers) {
    const start = Math.max(0, from - at)
    const end = Math.min(buffer.length, to - at)
    if (end > start) slices.push(buffer.subarray(start, end))
    at += buffer.length
    if (at >= to) break
  }
  return slices
}
