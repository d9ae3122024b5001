// Servers that come back after a loss of power. What was written shortly before and was not on the disk yet is lost with it,
// and the copies look as good as before: they have the right version. The server knows which they may be
// (chunkserver/disks/write-marks.ts), tells so before it tells of the copies, and lets nobody read or write them before it
// hears that they count. Each of them is compared with one that its server vouches for, and counts again when both are the
// same. Where there is none the first one is taken as it is, and others are compared with that: of what was never synced
// any part may be lost, but what is there must be the same on all servers. If one comes after all that is vouched for, it
// is the measure for those.
//
// The original takes such copies for good.
import type { Clock } from '../../env/env.ts'
import type { Log } from '../../env/log.ts'
import type { ChunkId } from '../../metadata/types.ts'
import * as cltocs from '../../protocol/cltocs.ts'
import { UNSURE_MAX } from '../../protocol/cstoma.ts'
import * as matocs from '../../protocol/matocs.ts'
import type { Ledger } from '../ledger.ts'
import type { ChunkServer } from './chunk-server.ts'
import { type Copies, CopyState } from './copies.ts'

const ASKED_AT_ONCE = 64
/** Who does not tell a checksum within this time is asked again. */
const ANSWER_WITHIN_MS = 10_000

interface Doubt {
  readonly row: number
  readonly chunkId: ChunkId
  /** Whose copy is doubted. */
  readonly server: ChunkServer
  /** Which the copy has, and the chunk had when its server came back. */
  readonly version: number
}

interface Question extends Doubt {
  readonly other: ChunkServer
  readonly untilMs: number
  readonly answers: Map<ChunkServer, number | undefined>
}

export interface ReturnParts {
  clock: Clock
  log: Log
  ledger: Ledger
  copies: Copies
  /** Whether somebody writes to the chunk, or an operation on it is under way. */
  isInUse: (row: number) => boolean
  /** The chunk may be used and looked after again. */
  freed: (row: number) => void
}

export class Returns {
  readonly #parts: ReturnParts
  /** Copies that their server does not vouch for, until it tells of them. */
  readonly #unsure = new Map<ChunkServer, Set<ChunkId>>()
  /** Copies of that kind that count, for there was none that is vouched for. */
  readonly #unproven = new Map<ChunkId, Set<ChunkServer>>()
  /** How many copies of a chunk are in doubt, by row. */
  readonly #rows = new Map<number, number>()
  /** To be asked about, from #next on. */
  #waiting: Doubt[] = []
  #next = 0
  /** Those that wait for others to be done with the chunk. */
  #deferred: Doubt[] = []
  #asked: Question[] = []
  #isPumping = false

  constructor(parts: ReturnParts) {
    this.#parts = parts
  }

  /** The server does not vouch for copies that it is going to tell of. */
  unsure(server: ChunkServer, chunkIds: Iterable<ChunkId>): void {
    const all = this.#unsure.get(server) ?? new Set()
    for (const chunkId of chunkIds) if (all.size < UNSURE_MAX) all.add(chunkId)
    if (all.size > 0) this.#unsure.set(server, all)
  }

  /** Whether the server vouches for a copy that it told of with another version than the right one, or will tell of. */
  isSure(server: ChunkServer, chunkId: ChunkId): boolean {
    return !this.#unsure.get(server)?.has(chunkId)
  }

  left(server: ChunkServer): void {
    this.#unsure.delete(server)
    for (const [chunkId, servers] of this.#unproven) {
      if (servers.delete(server) && servers.size === 0) this.#unproven.delete(chunkId)
    }
    this.#drop(server)
  }

  #drop(server: ChunkServer): void {
    const waiting = this.#waiting.slice(this.#next)
    const all: Doubt[] = [...this.#asked, ...waiting, ...this.#deferred]
    const isLeft = (doubt: Doubt) => doubt.server !== server
    const asked = this.#asked.filter(isLeft)
    this.#asked = asked.filter(({ other }) => other !== server)
    // Where it was the measure, another copy is.
    this.#waiting = [...asked.filter(({ other }) => other === server), ...waiting.filter(isLeft)]
    this.#next = 0
    this.#deferred = this.#deferred.filter(isLeft)
    for (const doubt of all) if (!isLeft(doubt)) this.#close(doubt)
    this.#resume()
  }

  /** Whether the copy of the right version that a server has just told of is to be compared before it counts. Once. */
  isDoubtful(server: ChunkServer, chunkId: ChunkId, row: number): boolean {
    if (!this.#unsure.get(server)?.delete(chunkId)) return false
    if (this.#measureOf(row)) return true
    this.#takeUnproven(chunkId, server)
    this.#tellSure(server, chunkId)
    return false
  }

  /** The copy counts, for whatever reason. */
  counts(server: ChunkServer, chunkId: ChunkId): void {
    if (this.#unsure.get(server)?.delete(chunkId)) this.#tellSure(server, chunkId)
  }

  #tellSure(server: ChunkServer, chunkId: ChunkId): void {
    server.send(matocs.chunksSure.encode({ chunkIds: [chunkId] }))
  }

  #takeUnproven(chunkId: ChunkId, server: ChunkServer): void {
    const servers = this.#unproven.get(chunkId)
    if (servers) servers.add(server)
    else this.#unproven.set(chunkId, new Set([server]))
  }

  /** A server has told of a copy that counts: if it vouches for it, those that had to be taken as they were are compared with it. */
  arrived(row: number, chunkId: ChunkId, server: ChunkServer): void {
    const servers = this.#unproven.get(chunkId)
    const { copies, isInUse } = this.#parts
    if (!servers || servers.has(server) || !server.isOurs || isInUse(row)) return
    this.#unproven.delete(chunkId)
    for (const other of servers) {
      const copy = copies.find(row, other)
      if (copy === 0 || copies.state(copy) !== CopyState.VALID) continue
      copies.setState(row, copy, CopyState.UNCHECKED)
      this.doubt(row, chunkId, other)
    }
  }

  /** A server whose copy is good, and that can be asked. */
  #measureOf(row: number): ChunkServer | undefined {
    return this.#parts.copies.good(row).find(({ isOurs }) => isOurs)
  }

  /** The copy is in the table as UNCHECKED. */
  doubt(row: number, chunkId: ChunkId, server: ChunkServer): void {
    this.#rows.set(row, (this.#rows.get(row) ?? 0) + 1)
    this.#waiting.push({ row, chunkId, server, version: this.#parts.ledger.state.chunks.version.get(row) })
    this.#pump()
  }

  /** The doubt is no more. Who waited for that may go on. */
  #close({ row }: Doubt): void {
    const left = (this.#rows.get(row) ?? 0) - 1
    if (left > 0) return void this.#rows.set(row, left)
    this.#rows.delete(row)
    this.#parts.freed(row)
  }

  /** Whether it is still to be found out of a copy of the chunk whether it is good. */
  isComparing(row: number): boolean {
    return this.#rows.has(row)
  }

  /** Nobody works with the chunk any more. */
  released(row: number): void {
    if (!this.#rows.has(row)) return
    const isOf = (doubt: Doubt) => doubt.row === row
    this.#waiting.push(...this.#deferred.filter(isOf))
    this.#deferred = this.#deferred.filter(doubt => !isOf(doubt))
    this.#pump()
  }

  /** Once a second. */
  tick(): void {
    const now = this.#parts.clock.monotonicMs()
    const late = this.#asked.filter(({ untilMs }) => untilMs <= now)
    for (const question of late) this.#decide(question)
    this.#resume()
  }

  #resume(): void {
    this.#waiting.push(...this.#deferred)
    this.#deferred = []
    this.#pump()
  }

  #pump(): void {
    // What is found out lets others go on, who come by here again.
    if (this.#isPumping) return
    this.#isPumping = true
    while (this.#asked.length < ASKED_AT_ONCE && this.#next < this.#waiting.length) {
      this.#ask(this.#waiting[this.#next++] as Doubt)
    }
    this.#isPumping = false
    if (this.#next < this.#waiting.length) return
    this.#waiting = []
    this.#next = 0
  }

  #ask(doubt: Doubt): void {
    const { clock, ledger, isInUse } = this.#parts
    const { row, chunkId, server, version } = doubt
    if (!this.#isOpen(doubt)) return this.#close(doubt)
    // Somebody has written to the others since.
    if (ledger.state.chunks.version.get(row) !== version) return this.#settle(doubt, CopyState.WRONG_VERSION)
    const other = this.#measureOf(row)
    // There is no better one.
    if (!other) return this.#settle(doubt, CopyState.VALID)
    if (isInUse(row)) return void this.#deferred.push(doubt)
    const untilMs = clock.monotonicMs() + ANSWER_WITHIN_MS
    this.#asked.push({ ...doubt, other, untilMs, answers: new Map() })
    const question = cltocs.getChunkChecksum.encode({ chunkId, version })
    ledger.whenCommitted(() => {
      for (const each of [server, other]) each.send(question)
    })
  }

  /** Whether the copy is still there and unchecked. */
  #isOpen({ row, chunkId, server }: Doubt): boolean {
    const { copies, ledger } = this.#parts
    if (ledger.state.chunks.find(chunkId) !== row) return false
    const copy = copies.find(row, server)
    return copy !== 0 && copies.state(copy) === CopyState.UNCHECKED
  }

  /** @param checksum undefined: the server can't tell */
  checksumTold(server: ChunkServer, chunkId: ChunkId, version: number, checksum: number | undefined): void {
    for (const question of this.#asked.filter(asked => asked.chunkId === chunkId && asked.version === version)) {
      if (server !== question.server && server !== question.other) continue
      question.answers.set(server, checksum)
      if (question.answers.size === 2) this.#decide(question)
    }
  }

  #decide(question: Question): void {
    this.#asked = this.#asked.filter(asked => asked !== question)
    const { ledger, isInUse } = this.#parts
    const { row, version, server, other, answers } = question
    const measure = answers.get(other)
    // A measure that can't tell is found damaged soon, and who writes now writes to the others only.
    const isVain = !answers.has(server) || measure === undefined || isInUse(row)
    if (isVain || ledger.state.chunks.version.get(row) !== version) this.#deferred.push(question)
    else this.#settle(question, answers.get(server) === measure ? CopyState.VALID : CopyState.INVALID)
    this.#pump()
  }

  #settle(doubt: Doubt, state: CopyState): void {
    if (this.#isOpen(doubt)) this.#judge(doubt, state)
    this.#close(doubt)
  }

  #judge({ row, chunkId, server, version }: Doubt, state: CopyState): void {
    const { copies, log } = this.#parts
    if (state === CopyState.INVALID) {
      const name = chunkId.toString(16)
      log.notice(`chunk ${name}: ${server.name} lacks what was written before it left: its copy is replaced`)
    } else if (state === CopyState.VALID) {
      if (this.#unproven.has(chunkId)) this.#takeUnproven(chunkId, server)
      this.#tellSure(server, chunkId)
    }
    copies.setState(row, copies.find(row, server), state, state === CopyState.WRONG_VERSION ? version : 0)
  }
}
