// Looks after all chunks: notices which have too few copies, too many or useless ones, and has that mended, the most
// urgent first (spec master-behaviour 6.2, 6.3).
//
// Nothing walks the table of chunks. Whatever changes a chunk tells so; it is looked at once the turn of the event loop
// is over, and if it needs something, it waits in the queue of its priority. Queues are served whenever a server may be
// free again: after every answer. So the cost follows the number of chunks that need work.
import type { Env } from '../../env/env.ts'
import { bytes8 } from '../../util/column.ts'
import { RowQueue } from '../../util/row-queue.ts'
import type { Ledger } from '../ledger.ts'
import {
  isAnyFree,
  PRIORITIES,
  Priority,
  planRepair,
  priorityOf,
  type RepairChunk,
  type RepairRules,
  type Work,
} from '../policy/repair.ts'
import type { ChunkServer } from './chunk-server.ts'
import type { Copies } from './copies.ts'
import type { Deletions } from './deletions.ts'
import type { Leases } from './leases.ts'
import type { Replications } from './replications.ts'
import type { Servers } from './servers.ts'
import type { Tally } from './tally.ts'
import { classOf, wantedBy } from './wishes.ts'
import type { WorkKind, WorkReport } from './work-report.ts'

/** A chunk looked at costs a microsecond or two: so many at once keep nobody waiting for longer than a disk does. */
const LOOKED_AT_ONCE = 2000
const TRIED_AT_ONCE = 500
/** After so many chunks in a row that no server is free for, the rest of a queue waits until one is. */
const REFUSED_AT_ONCE = 32
/** After a copy could not be made, the chunk is left alone for so long. */
const REST_SECONDS = 5
/** Whoever wrote a chunk waits no longer for its copies. */
const SAFE_WITHIN_MS = 30_000

// Marks of a chunk.
const CHANGED = 0x80
const STUCK = 0x40
/** Number of its queue plus one; 0 when it waits in none. */
const QUEUE_BITS = 0x0f

export interface RepairParts {
  servers: Servers
  copies: Copies
  leases: Leases
  replications: Replications
  deletions: Deletions
  /** Whether an operation on the chunk is under way. */
  isBusy: (row: number) => boolean
  /** Whether nothing should be done with a useless copy for now. */
  isUnclear: (row: number, server: ChunkServer) => boolean
  /** Makes copies of a wrong version count as good when that is surely right. @returns whether it did */
  fixVersion: (row: number) => boolean
  /** The chunk is no more: its row may be another chunk's next. */
  removed: (row: number) => void
  report: WorkReport
  tally: Tally
  /** Something useful to do while no chunk needs anything. */
  whenIdle: () => void
}

export class Repairer {
  readonly #env: Env
  readonly #ledger: Ledger
  readonly #parts: RepairParts
  readonly #rules: RepairRules
  readonly #delaySeconds: number
  readonly #marks = bytes8()
  /** Chunks to look at. */
  readonly #changed = new RowQueue()
  /** Chunks that need something, by priority. What is out of date in them is skipped. */
  readonly #queues = Array.from({ length: PRIORITIES }, () => new RowQueue())
  /** Chunks that nothing can be done for before the servers change. */
  #stuck: number[] = []
  /** Chunks that somebody has written and waits for. */
  readonly #awaitedSafe = new Map<number, { untilMs: number; done: (() => void)[] }>()
  /** Chunks that are left alone for a moment. */
  readonly #resting = new Set<number>()
  #pumping = false

  constructor(env: Env, ledger: Ledger, parts: RepairParts, rules: RepairRules, delaySeconds: number) {
    this.#env = env
    this.#ledger = ledger
    this.#parts = parts
    this.#rules = rules
    this.#delaySeconds = delaySeconds
  }

  /** Something about the chunk is not as it was. */
  changed(row: number): void {
    const marks = this.#marks.get(row)
    if (marks & CHANGED) return
    this.#marks.set(row, marks | CHANGED)
    this.#changed.push(row)
    this.pump()
  }

  /**
   * Runs `done` once the chunk has all the copies that its class wants, or that servers can be found for; at once when
   * it has. Copies that are away are not waited for, nor is the end of the delay after a start. After 30 s it runs in any
   * case.
   */
  whenSafe(row: number, done: () => void): void {
    if (this.#isSafe(row)) return done()
    const awaited = this.#awaitedSafe.get(row)
    if (awaited) awaited.done.push(done)
    else this.#awaitedSafe.set(row, { untilMs: this.#env.clock.monotonicMs() + SAFE_WITHIN_MS, done: [done] })
    this.pump()
  }

  #isSafe(row: number): boolean {
    if (!this.#isThere(row)) return true
    const { wanted, valid } = this.view(row)
    return valid.length >= wanted.length
  }

  /** Brings a chunk one step nearer to safety, and lets those go on who wait, when it is there or can't be. */
  #makeSafe(row: number, { untilMs, done }: { untilMs: number; done: (() => void)[] }): void {
    if (!this.#isSafe(row) && this.#stepToSafety(row)) {
      if (this.#env.clock.monotonicMs() < untilMs) return
      const chunkId = this.#ledger.state.chunks.id(row).toString(16)
      this.#env.log.warning(`chunk ${chunkId} was written, and some of its copies can't be made within 30 s`)
    }
    this.#awaitedSafe.delete(row)
    for (const goOn of done) goOn()
  }

  /** @returns false when no server can help */
  #stepToSafety(row: number): boolean {
    if (!this.isIdle(row)) return true
    const chunk = { ...this.view(row), awaited: 0, awaitedSoon: 0 }
    const work = planRepair(chunk, this.#parts.servers.connected, this.#rules, () => this.#draw())
    if (work.do === 'stuck' || work.do === 'nothing') return false
    this.#carryOut(row, work)
    return true
  }

  /** Servers came, went, or got room: what was hopeless may be possible now. */
  serversChanged(): void {
    const stuck = this.#stuck
    this.#stuck = []
    for (const row of stuck) {
      this.#marks.set(row, this.#marks.get(row) & ~STUCK)
      this.changed(row)
    }
  }

  /** A copy of the chunk could not be made. */
  rest(row: number): void {
    this.#resting.add(row)
    this.#env.clock.after(REST_SECONDS * 1000, () => {
      this.#resting.delete(row)
      this.changed(row)
    })
  }

  /** Starts what servers are free for, once everything that has arrived is handled. */
  pump(): void {
    if (this.#pumping) return
    this.#pumping = true
    this.#env.clock.soon(() => {
      this.#pumping = false
      this.#lookAtChanged()
      for (const [row, awaited] of [...this.#awaitedSafe]) this.#makeSafe(row, awaited)
      if (this.#mayWork) this.#serveAll()
      if (this.#mayWork && !this.#isUrgent) this.#parts.whenIdle()
      if (this.#changed.length > 0) this.pump()
    })
  }

  /** A master that has just started waits for its servers to tell what they have. */
  get #mayWork(): boolean {
    return this.#parts.servers.ageMs >= this.#delaySeconds * 1000
  }

  #lookAtChanged(): void {
    for (let left = LOOKED_AT_ONCE; left > 0 && this.#changed.length > 0; left--) {
      const row = this.#changed.shift()
      this.#marks.set(row, this.#marks.get(row) & ~CHANGED)
      this.look(row)
    }
  }

  /** Puts a chunk into the queue that it belongs to. */
  look(row: number): void {
    const priority = this.#isThere(row) ? this.#account(row) : undefined
    if (!this.#isThere(row)) this.#parts.tally.forget(row)
    const queue = priority === undefined ? 0 : priority + 1
    const marks = this.#marks.get(row)
    if ((marks & QUEUE_BITS) === queue) return
    this.#marks.set(row, (marks & ~QUEUE_BITS) | queue)
    if (priority !== undefined) this.#queues[priority]?.push(row)
  }

  /** Counts the chunk as it stands. @returns the queue that it belongs to */
  #account(row: number): Priority | undefined {
    const { chunks } = this.#ledger.state
    const view = this.view(row)
    const { wanted, valid, marked } = view
    const count = { wanted: wanted.length, all: valid.length + marked.length, regular: valid.length }
    const kept = chunks.references.get(row) === 0 && this.#parts.leases.isLocked(row)
    this.#parts.tally.account(row, { classId: chunks.sclassId(row), archived: chunks.isArchived(row), kept, ...count })
    return priorityOf(view, this.#rules.unique)
  }

  #isThere(row: number): boolean {
    return this.#ledger.state.chunks.id(row) !== 0
  }

  #serveAll(): void {
    for (const [priority, queue] of this.#queues.entries()) {
      if (queue.length > 0 && this.#isAnyFree(priority)) this.#serve(priority, queue)
    }
  }

  /** Copies are missing or wrong. When a server is full, moving others makes the room that is missing. */
  get #isUrgent(): boolean {
    const isWaiting = this.#queues.some((queue, priority) => priority < Priority.OVERGOAL && queue.length > 0)
    return isWaiting && !this.#parts.servers.connected.some(({ isFull }) => isFull)
  }

  /** Chunks that wait, by what for. */
  waiting(): Partial<Record<WorkKind, number>> {
    const lengthOf = (priority: Priority) => this.#queues[priority]?.length ?? 0
    const missing = this.#queues.slice(0, Priority.WRONG_LABELS).reduce((sum, { length }) => sum + length, 0)
    return {
      stale: lengthOf(Priority.USELESS),
      overgoal: lengthOf(Priority.OVERGOAL),
      labels: lengthOf(Priority.WRONG_LABELS),
      undergoal: missing + this.#stuck.length,
    }
  }

  /** Whether nobody works with the chunk. */
  isIdle(row: number): boolean {
    const { leases, replications, isBusy } = this.#parts
    return !isBusy(row) && !replications.isRunning(row) && !leases.isLocked(row) && !this.#resting.has(row)
  }

  #isAnyFree(priority: number): boolean {
    return isAnyFree(this.#parts.servers.connected, priority as Priority, this.#rules)
  }

  #serve(priority: number, queue: RowQueue): void {
    let [refused, left] = [0, Math.min(queue.length, TRIED_AT_ONCE)]
    for (; left > 0 && refused < REFUSED_AT_ONCE; left--) {
      const row = queue.shift()
      const marks = this.#marks.get(row)
      if ((marks & QUEUE_BITS) !== priority + 1) continue
      this.#marks.set(row, marks & ~QUEUE_BITS)
      if (!this.#work(row)) {
        refused++
        this.#marks.set(row, marks)
        queue.push(row)
      } else if (!this.#isAnyFree(priority)) return
    }
    if (left === 0 && queue.length > refused) this.pump()
  }

  /** Does one step for a chunk. @returns false when it must wait for a server to be free */
  #work(row: number): boolean {
    // Whoever works with it tells of a change in the end.
    if (!this.#isThere(row) || !this.isIdle(row)) return true
    const chunk = this.view(row)
    if (chunk.valid.length + chunk.marked.length === 0 && chunk.wanted.length > 0) {
      if (!this.#parts.fixVersion(row)) this.#setAside(row)
      return true
    }
    if (chunk.wanted.length === 0 && this.#parts.copies.first(row) === 0) return this.#removeChunk(row)
    const work = planRepair(chunk, this.#parts.servers.connected, this.#rules, () => this.#draw())
    return this.#carryOut(row, work)
  }

  #carryOut(row: number, work: Work<ChunkServer>): boolean {
    switch (work.do) {
      case 'nothing':
        return true
      case 'wait':
        return false
      case 'stuck':
        this.#setAside(row)
        return true
      case 'delete':
        for (const server of work.servers) this.#parts.deletions.start(row, server)
        this.#parts.report.count(work.reason)
        // Whatever is left to do is found out when they are answered.
        return true
      case 'replicate':
        this.#parts.replications.start(row, { source: work.source, target: work.target, blocks: true })
        this.#parts.report.count(work.purpose)
        return true
    }
  }

  #setAside(row: number): void {
    const marks = this.#marks.get(row)
    if (marks & STUCK) return
    this.#marks.set(row, marks | STUCK)
    this.#stuck.push(row)
  }

  #draw(): number {
    return this.#env.random.below(2 ** 32) / 2 ** 32
  }

  /** A chunk without files and copies goes, once it is certain that no server has one. */
  #removeChunk(row: number): boolean {
    const { chunks } = this.#ledger.state
    if (!this.#parts.servers.knowAll) this.#setAside(row)
    else {
      const [chunkId, version] = [chunks.id(row), chunks.version.get(row)]
      this.#ledger.commit({ op: 'CHUNKDEL', ts: this.#ledger.now(), chunkId, version })
      this.#parts.removed(row)
      this.#marks.set(row, this.#marks.get(row) & (CHANGED | STUCK))
    }
    return true
  }

  /** A chunk as the rules of repair see it. */
  view(row: number): RepairChunk<ChunkServer> {
    const { state } = this.#ledger
    const { awaited, ...copies } = this.#parts.copies.survey(row)
    const unclear = copies.stale.filter(server => this.#parts.isUnclear(row, server))
    if (unclear.length > 0) {
      copies.stale = copies.stale.filter(server => !unclear.includes(server))
      copies.unsteady.push(...unclear)
    }
    return {
      ...copies,
      wanted: wantedBy(state, row),
      mode: (classOf(state, row)?.mode ?? 1) as 0 | 1 | 2,
      awaited: awaited.length,
      awaitedSoon: awaited.filter(server => this.#parts.servers.isBrieflyAway(server)).length,
    }
  }
}
