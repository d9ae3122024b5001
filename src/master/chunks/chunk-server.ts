// A chunkserver as long as one connection of it lasts, and afterwards as long as copies of it are remembered.
import { formatIpv4 } from '../../util/ipv4.ts'

/** What a server says of its load (spec chunkserver 2.4, master-behaviour 5.1). */
export const LoadState = { UNKNOWN: 0, OK: 1, OVERLOADED: 2, REBALANCE: 3 } as const
export type LoadState = (typeof LoadState)[keyof typeof LoadState]

/**
 * `connected`: it serves. `away`: the connection has ended; its copies are remembered because they may come back.
 * `dead`: nothing of it counts any more, and its copies are being swept out of the table.
 */
export type Presence = 'connected' | 'away' | 'dead'

/** A command that is not answered for so long is gone on without; the original waits for ever. */
export const UNANSWERED_MS = 30_000

/** A share of the space above this that is free lets a server take copies (spec master-behaviour 6.4). */
const FULL_SHARE = 0.01

export interface ServerIdentity {
  /** The stable number that the master gave it: 1..65535. */
  id: number
  /** IPv4 address as a big-endian number, as clients are told. */
  ip: number
  port: number
  version: number
}

export class ChunkServer {
  /** Its number in the table of copies. */
  readonly slot: number
  readonly id: number
  readonly ip: number
  readonly port: number
  readonly version: number
  readonly send: (packet: Buffer) => void
  presence: Presence = 'connected'
  /** It is known to be of our kind. */
  isOurs = false
  /** It has told all the chunks that it knew when it connected. */
  registered = false
  /** What it told is complete: nothing new came for some seconds after the registration. */
  settled = false
  /** Monotonic milliseconds of the last list of chunks, or of the registration. */
  toldMs = 0
  /** Monotonic milliseconds of the end of the connection. */
  leftMs = 0
  /** Bit 0 is label A. */
  labels = 0
  /** Number of its rack; 0 = none (spec master-behaviour 5.5). */
  rack = 0
  /** Bytes on disks in normal use, and on those marked for removal. */
  used = 0
  total = 0
  removedUsed = 0
  removedTotal = 0
  removedChunks = 0
  /** I/O errors that it told of. */
  errors = 0
  load = 0
  loadState: LoadState = LoadState.UNKNOWN
  /** Monotonic milliseconds of when its load was heavy last. */
  heavyMs: number | undefined
  /** It gets less to do after a heavy load. */
  isSpared = false
  inMaintenance = false
  /** It left a command unanswered, and nothing was heard since. */
  isSilent = false
  /** Its copies are not waited for any more where a chunk has only one other. */
  isLongAway = false
  /** Records in the table of copies. */
  copies = 0
  /** Commands that it has not answered yet. */
  deletions = 0
  incoming = 0
  outgoing = 0
  /** Chunks that clients are writing on it. */
  writing = 0
  /** How many copies it is owed by placement; negative when it got more than its share. */
  credit = 0

  constructor(slot: number, { id, ip, port, version }: ServerIdentity, send: (packet: Buffer) => void) {
    this.slot = slot
    this.id = id
    this.ip = ip
    this.port = port
    this.version = version
    this.send = send
  }

  /** For messages. */
  get name(): string {
    return `${formatIpv4(this.ip)}:${this.port}`
  }

  /** Bytes that new chunks may use. */
  get available(): number {
    return Math.max(0, this.total - this.used)
  }

  /** Its numbers make sense: it can be asked to store something. */
  get isSound(): boolean {
    return this.registered && this.total > 0 && this.used <= this.total
  }

  /** Too little is free for another copy. */
  get isFull(): boolean {
    return this.available <= this.total * FULL_SHARE
  }

  /** Share of its space that is used: 0..1. */
  get usage(): number {
    return this.total > 0 ? this.used / this.total : 1
  }

  /** It said that it can't keep up. */
  get isOverloaded(): boolean {
    return this.loadState === LoadState.OVERLOADED
  }

  /** Better left alone: it is overloaded, in a grace period after that, does not answer, or is about to be stopped. */
  get isStrained(): boolean {
    return this.isOverloaded || this.isSpared || this.isSilent || this.inMaintenance
  }
}
