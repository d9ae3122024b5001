// The leader's side of one follower: everything from where it stopped, from disk, then from memory, then as it comes;
// or a whole checkpoint first.
import { createHash } from 'node:crypto'
import type { Clock } from '../env/env.ts'
import type { Log } from '../env/log.ts'
import { ProtocolError } from '../protocol/codec.ts'
import * as matoma from '../protocol/matoma.ts'
import { type Backlog, withoutFirst } from './backlog.ts'
import type { Link } from './link.ts'
import { Progress } from './progress.ts'
import { type MemberId, memberName } from './records.ts'
import type { Batch, Replica } from './replica.ts'

/** No more is sent while this much has not left; also what a slow follower costs in memory. */
const QUEUED_BYTES_MAX = 8 << 20
const PIECE_BYTES = 1 << 20
/** Of a checkpoint that goes out beside lines: they wait behind it, and commits for them. */
const QUEUED_BESIDE_LINES_MAX = 1 << 20

export interface FeedEvents {
  /** The follower told how far its disk is. */
  acked(): void
  closed(why: string): void
}

export class Feed {
  readonly member: MemberId
  acked = 0
  readonly #clock: Clock
  readonly #log: Log
  readonly #link: Link
  readonly #replica: Replica
  readonly #backlog: Backlog
  readonly #epoch: number
  readonly #events: FeedEvents
  /** Next line to send; undefined before the follower asked for lines. */
  #position: number | undefined
  #isPumping = false
  #isCopying = false
  #drained: (() => void)[] = []
  #progressMs: number

  constructor(
    doors: { clock: Clock; log: Log },
    link: Link,
    member: MemberId,
    epoch: number,
    replica: Replica,
    backlog: Backlog,
    events: FeedEvents,
  ) {
    this.#clock = doors.clock
    this.#log = doors.log
    this.#link = link
    this.member = member
    this.#epoch = epoch
    this.#replica = replica
    this.#backlog = backlog
    this.#events = events
    this.#progressMs = doors.clock.monotonicMs()
    link.handOver({
      packet: (type, payload) => this.#onPacket(type, payload),
      drained: () => this.#onDrained(),
      closed: why => {
        this.#onDrained()
        this.#events.closed(why)
      },
    })
  }

  get isConnected(): boolean {
    return this.#link.isOpen
  }

  get address(): string {
    return this.#link.remoteAddress
  }

  /** Whether it has asked for lines: only then can it be in sync. */
  get follows(): boolean {
    return this.#position !== undefined
  }

  /** Since its last sign of life, or since its disk should have got further. */
  get silentMs(): number {
    if (this.acked >= this.#backlog.end) this.#progressMs = this.#clock.monotonicMs()
    return Math.max(this.#link.silentMs, this.#clock.monotonicMs() - this.#progressMs)
  }

  send(packet: Buffer): void {
    this.#link.send(packet)
  }

  close(why: string): void {
    this.#link.close(why)
  }

  /** A new batch is in the backlog. */
  offer(batch: Batch): void {
    if (this.#position === batch.firstVersion && !this.#isPumping && this.#hasRoom()) this.#sendLines(batch)
    else this.#pump()
  }

  #onPacket(type: number, payload: Buffer): void {
    switch (type) {
      case matoma.ack.code:
        return this.#onAck(matoma.ack.decode(payload))
      case matoma.follow.code:
        return this.#onFollow(matoma.follow.decode(payload).from)
      case matoma.fetch.code:
        matoma.fetch.decode(payload)
        void this.#sendCheckpoint()
        return
      default:
        throw new ProtocolError(`message ${type} from a follower`)
    }
  }

  #onAck({ epoch, durable }: { epoch: number; durable: number }): void {
    if (epoch !== this.#epoch) throw new ProtocolError(`acknowledgement of epoch ${epoch}, this is ${this.#epoch}`)
    if (durable > this.#replica.version || durable < this.acked) {
      throw new ProtocolError(
        `lines below ${durable} acknowledged, ${this.acked} before, ${this.#replica.version} written`,
      )
    }
    if (durable > this.acked) this.#progressMs = this.#clock.monotonicMs()
    this.acked = durable
    this.#events.acked()
  }

  #onFollow(from: number): void {
    if (this.follows) throw new ProtocolError('second FOLLOW')
    if (from > this.#replica.version)
      throw new ProtocolError(`FOLLOW from ${from}, the log ends at ${this.#replica.version}`)
    this.#position = from
    this.#progressMs = this.#clock.monotonicMs()
    this.#pump()
  }

  #hasRoom(): boolean {
    return this.#link.isOpen && this.#link.queuedBytes < QUEUED_BYTES_MAX
  }

  #sendLines(batch: Batch): void {
    const { firstVersion, count, digest, lines } = batch
    this.#link.send(matoma.lines.encode({ epoch: this.#epoch, firstVersion, count, digest, lines }))
    this.#position = firstVersion + count
  }

  #onDrained(): void {
    const drained = this.#drained
    this.#drained = []
    for (const goOn of drained) goOn()
    if (this.#link.isOpen && this.follows) this.#pump()
  }

  /** Resolves when less than that is queued, or the follower is gone. */
  async #untilRoom(maxBytes: number): Promise<void> {
    while (this.#link.isOpen && this.#link.queuedBytes >= maxBytes) {
      await new Promise<void>(resolve => {
        this.#drained.push(resolve)
      })
    }
  }

  /** Sends what there is room for. What is no longer in memory is read from disk, one reader at a time. */
  #pump(): void {
    while (!this.#isPumping && this.#position !== undefined && this.#hasRoom()) {
      if (this.#position < this.#backlog.start) return void this.#pumpFromDisk(this.#position)
      const batch = this.#backlog.from(this.#position)
      if (!batch) return
      this.#sendLines(batch)
    }
  }

  async #pumpFromDisk(from: number): Promise<void> {
    this.#isPumping = true
    try {
      for await (const batch of this.#replica.linesFrom(from)) {
        await this.#untilRoom(QUEUED_BYTES_MAX)
        if (!this.#link.isOpen) return
        if (this.#position === undefined || batch.firstVersion > this.#position) throw new Error('lines are missing')
        this.#sendLines(withoutFirst(batch, this.#position))
        if (this.#position >= this.#backlog.start) break
      }
    } catch (error) {
      this.#link.close(`its lines from ${from} on cannot be read: ${(error as Error).message}`)
    } finally {
      this.#isPumping = false
    }
    this.#pump()
  }

  async #sendCheckpoint(): Promise<void> {
    if (this.#isCopying) return this.#link.close('second FETCH')
    this.#isCopying = true
    try {
      await this.#copyCheckpoint()
    } catch (error) {
      this.#link.close(`the checkpoint cannot be sent: ${(error as Error).message}`)
    } finally {
      this.#isCopying = false
    }
  }

  async #copyCheckpoint(): Promise<void> {
    const source = await this.#replica.checkpoint()
    try {
      const { version, size } = source
      const what = `checkpoint of version ${version} to ${memberName(this.member)}`
      const progress = new Progress(this.#clock, this.#log, what, size)
      const sum = createHash('sha256')
      this.#link.send(matoma.checkpointBegin.encode({ version, size, epochs: [...this.#replica.epochs] }))
      const piece = Buffer.alloc(Math.min(PIECE_BYTES, size))
      for (let position = 0; position < size; ) {
        await this.#untilRoom(this.follows ? QUEUED_BESIDE_LINES_MAX : QUEUED_BYTES_MAX)
        if (!this.#link.isOpen) return
        const count = await source.read(piece, position)
        if (count === 0) throw new Error(`it ends after ${position} of ${size} bytes`)
        const contents = piece.subarray(0, count)
        sum.update(contents)
        this.#link.send(matoma.checkpointPart.encode({ contents }))
        position += count
        progress.reached(position)
      }
      this.#link.send(matoma.checkpointEnd.encode({ sum: sum.digest() }))
    } finally {
      await source.close()
    }
  }
}
