// Requests on whole trees, carried out in slices: however large the tree is, everybody else is served in between.
//
// What has been done is in the log slice by slice. Behind the last line of each slice lies the request itself (trailer J),
// so that the next master goes on with it when this one dies on the way, whether its client comes back or not.
//
// A snapshot shows one moment of its source, and all of it appears at once: as long as it is being made, whoever changes
// the source or names the target waits.
import type { Env } from '../../env/env.ts'
import { PART_WEIGHT, type Sliced } from '../../metadata/namespace/parts.ts'
import { childOf, isBelow } from '../../metadata/namespace/tree.ts'
import type { Inode, SessionId } from '../../metadata/types.ts'
import type { Ledger } from '../ledger.ts'
import type { RequestContext } from './context.ts'
import { changesTree, namesIn, walksTree } from './named-inodes.ts'

/** Short beside the 50 ms that nobody is to wait longer than. */
const SLICE_MS = 8
const REPORT_MS = 5000
/** More would only fill the memory. */
const SLICES_AHEAD = 8

/** What may not be touched while a job goes on. */
export interface Held {
  /** Trees that may be read but not changed. */
  sources: readonly Inode[]
  /** The name that may not be used, and all that lies below it. */
  target: { parent: Inode; name: string }
}

/** How work is divided. */
export interface TreeSlices {
  /** Nodes and chunks that a line may cover. */
  weight: number
  /** At most so many parts are done at once, for clocks that stand still meanwhile. */
  steps: number
}

const USUAL_SLICES: TreeSlices = { weight: PART_WEIGHT, steps: 20_000 }

export interface TreeRequest<T> {
  /** For the log: what is done, such as `snapshot`. */
  title: string
  work: Sliced<T>
  done: (context: RequestContext, result: T) => void
  /** What the next master needs to go on (Trailer.job.note). */
  note: () => string
  held?: Held
  /** Nodes that there are to go through, for the log. */
  nodes: number
}

interface Job {
  readonly request: TreeRequest<unknown>
  readonly context: RequestContext
  /** The same request came again from the same session, which had given up waiting. */
  readonly joined: RequestContext[]
  readonly startedMs: number
  reportedMs: number
  lines: number
}

interface Parked {
  context: RequestContext
  run: () => void
}

export class TreeJobs {
  readonly #env: Env
  readonly #ledger: Ledger
  readonly slices: TreeSlices
  /** In turn; the first one is next. */
  #jobs: Job[] = []
  #parked: Parked[] = []
  #isDue = false
  /** Slices that are not in the log for good yet. */
  #uncommitted = 0

  constructor(env: Env, ledger: Ledger, slices: TreeSlices = USUAL_SLICES) {
    this.#env = env
    this.#ledger = ledger
    this.slices = slices
  }

  /** What goes on, for monitors and tests. */
  get count(): number {
    return this.#jobs.length
  }

  /** Does the work, as much of it as fits at once, and the rest later. Inside the ledger's together(). */
  start<T>(context: RequestContext, request: TreeRequest<T>): void {
    const now = this.#env.clock.monotonicMs()
    const job = {
      request: request as TreeRequest<unknown>,
      context,
      joined: [],
      startedMs: now,
      reportedMs: now,
      lines: 0,
    }
    if (this.#slice(job)) return
    this.#jobs.push(job)
    this.#next()
  }

  /** Whether the request has to wait for a job; `run` is called when it need not any more. */
  parks(context: RequestContext, run: () => void): boolean {
    if (this.#jobs.length === 0) return false
    const same = this.#jobs.find(job => job.context !== context && job.context.isSameAs(context))
    if (same) same.joined.push(context)
    else if (this.#jobs.some(({ request: { held } }) => held && this.#touches(context, held))) {
      this.#parked.push({ context, run })
    } else return false
    return true
  }

  #touches(context: RequestContext, { sources, target }: Held): boolean {
    const { type } = context.request
    const { state } = this.#ledger
    const changes = changesTree(context.request)
    const names = namesIn(context.request)
    const real = (inode: Inode) => (inode === 1 ? context.session.rootInode : inode)
    const at = childOf(state, target.parent, target.name)
    const above = [...sources, target.parent]
    // Who goes through a whole tree comes to what lies below.
    const reaches = (inode: Inode) => walksTree(type) && above.some(root => isBelow(state, root, inode))
    const touches = (inode: Inode) =>
      state.nodes.exists(inode) &&
      ((at !== 0 && isBelow(state, inode, at)) ||
        (changes && sources.some(root => isBelow(state, inode, root))) ||
        reaches(inode))
    if (names.inodes.some(inode => touches(real(inode)))) return true
    return names.entries.some(([given, name]) => {
      const parent = real(given)
      if (parent === target.parent && name === target.name) return true
      const child = state.nodes.isDirectory(parent) ? childOf(state, parent, name) : 0
      if (child === 0) return false
      return touches(child) || (changes && above.some(root => isBelow(state, root, child)))
    })
  }

  /** The next slice comes after what has arrived meanwhile; not before the log has nearly caught up. */
  #next(): void {
    if (this.#jobs.length === 0 || this.#isDue || this.#uncommitted >= SLICES_AHEAD) return
    this.#isDue = true
    this.#env.clock.soon(() => {
      this.#isDue = false
      if (!this.#ledger.hasEnded) this.#turn()
    })
  }

  #turn(): void {
    const job = this.#jobs.shift()
    if (!job) return
    let isDone = false
    this.#ledger.together(() => {
      isDone = this.#slice(job)
    })
    this.#uncommitted++
    this.#ledger.whenCommitted(() => {
      this.#uncommitted--
      this.#next()
    })
    if (!isDone) this.#jobs.push(job)
    if (isDone && job.request.held) this.#release()
    this.#next()
  }

  /** @returns whether the job is done */
  #slice(job: Job): boolean {
    const { clock } = this.#env
    const { request, context } = job
    const until = clock.monotonicMs() + SLICE_MS
    const linesBefore = this.#ledger.state.version
    for (let steps = 0; ; steps++) {
      if (steps >= this.slices.steps || clock.monotonicMs() > until) break
      const { done, value } = request.work.next()
      if (!done) continue
      this.#report(job, linesBefore, true)
      for (const waiting of [context, ...job.joined]) request.done(waiting, value)
      return true
    }
    if (this.#ledger.state.version !== linesBefore) context.leaveForLater(request.note())
    this.#report(job, linesBefore, false)
    return false
  }

  #report(job: Job, linesBefore: number, isDone: boolean): void {
    const { log, clock } = this.#env
    const now = clock.monotonicMs()
    job.lines += this.#ledger.state.version - linesBefore
    if (now - job.reportedMs < REPORT_MS && !(isDone && job.reportedMs !== job.startedMs)) return
    job.reportedMs = now
    const { title, nodes } = job.request
    const seconds = Math.round((now - job.startedMs) / 1000)
    const what = `${title} of ${nodes} nodes for session ${job.context.session.info || job.context.sessionId}`
    log.info(`${what}: ${isDone ? 'done' : 'goes on'} after ${seconds} s and ${job.lines} changes`)
  }

  #release(): void {
    const parked = this.#parked
    this.#parked = []
    for (const { context, run } of parked) {
      if (!context.isStale && !this.parks(context, run)) run()
    }
  }

  /** The session is over: what it waits for is not done any more. */
  forget(sessionId: SessionId): void {
    this.#parked = this.#parked.filter(({ context }) => context.sessionId !== sessionId)
  }
}
