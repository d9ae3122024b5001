// Leadership of two masters without a third vote: whoever calls `mfsha promote` decides, which is keepalived. What two can
// do against both leading is done: each asks the other before it leads, keeps asking while it leads, and tells it when it
// goes on without it. A cut between the two that keepalived sees as well can still make both lead (docs/high-availability.md).
import type { Env, Timer } from '../env/env.ts'
import {
  type AdminAnswer,
  type AdminCommand,
  type AdminTarget,
  askMaster,
  MasterRefusal,
  type MemberStatus,
} from './admin.ts'
import type { Arbiter, ArbiterEvents, Candidate, View } from './arbiter.ts'
import { whyNotPromote } from './pair-standing.ts'
import { type LogRecord, type MemberAddress, type MemberId, parseLog, recordText } from './records.ts'

export interface PairOptions {
  address: MemberAddress
  /** How the other master is reached. */
  peer: AdminTarget
  /** How often it is asked. */
  probeMs: number
  /** A leader that has not asked for so long is not certain. */
  certainMs: number
  /** The other one is left alone only after so long without an answer. */
  silenceMs: number
  /** For clocks that do not run alike. */
  marginMs: number
  /** For tests of the tests: rules to break. */
  broken?: PairBroken
}

export interface PairBroken {
  /** Answers however long ago it asked the other one. */
  certainForEver?: boolean
  /** Leads on when the other one listens to nothing of its epoch any more. */
  ignoresFence?: boolean
  /** Goes on without the other one, which does not know. */
  leavesAtOnce?: boolean
  /** Begins an epoch without a word to the other one. */
  standsUnasked?: boolean
  /** Draws epochs that the other one may draw too. */
  sharesEpochs?: boolean
  /** Leads if it ever was in sync. */
  trustsForEver?: boolean
  /** Counts as in sync although it was told that it is not. */
  keepsInSync?: boolean
  /** Counts on what it was although the other one has begun an epoch since. */
  keepsLead?: boolean
  /** Counts as in sync as long as the other one's machine is there. */
  refreshesLate?: boolean
  /** Leads while the other one, which hangs, may still be certain. */
  leadsAtOnce?: boolean
  /** Does not notice that it slept, and that the other one may lead since then. */
  ignoresSleep?: boolean
  /** Leads by what it saw before it slept. */
  standsOnOldView?: boolean
  /** Leads although the other one has more. */
  ignoresLongerLog?: boolean
}

/** Where a master keeps what it wrote as a leader. */
export interface RecordStore {
  /** Undefined when it never led. */
  read(): Promise<string | undefined>
  /** Resolves when it is on the disk. */
  write(text: string): Promise<void>
}

interface PairView extends View {
  readonly peer: MemberStatus | undefined
  /** How often this one had been asleep before it looked. */
  readonly naps: number
}

interface Moment {
  readonly monotonicMs: number
  readonly wallMs: number
}

const AGAIN_MS = 100
const WATCH_MS = 100
/** Of the time after which a question counts as not answered. */
const NAP_SHARE = 0.7

export class PairArbiter implements Arbiter {
  readonly isAutomatic = false
  events: ArbiterEvents | undefined
  readonly #env: Env
  readonly #options: PairOptions
  readonly #store: RecordStore
  readonly #timers: readonly Timer[]
  #record: LogRecord | undefined
  #writing: Promise<void> = Promise.resolve()
  #held: LogRecord | undefined
  #asked: Moment | undefined
  /** Since when the other one gives no answer; undefined while it does. */
  #silentSinceMs: number | undefined
  #isProbing = false
  /** It did not answer last time, but its machine did. */
  #isMute = false
  /** Its machine said last time that it does not run. */
  #isGone = false
  /** What the other one, as leader, said of its followers when it was last asked. */
  #word: { readonly inSync: readonly MemberId[]; readonly at: Moment } | undefined
  /** When the other one was last told how this one is. */
  #answeredMs = Number.NEGATIVE_INFINITY
  #awake: Moment
  /** How often it was asleep long enough for the other one to take that for silence. */
  #naps = 0
  /** Since the other one last answered: it may have asked, got no answer, and taken the lead. */
  #hasSlept = false
  /** The highest that the other one has seen. */
  #peerEpoch = 0

  /** @throws Error when the record of this master cannot be read */
  static async open(env: Env, options: PairOptions, store: RecordStore): Promise<PairArbiter> {
    const text = await store.read()
    return new PairArbiter(env, options, store, text === undefined ? undefined : parseLog('pair.mfs', text))
  }

  private constructor(env: Env, options: PairOptions, store: RecordStore, record: LogRecord | undefined) {
    this.#env = env
    this.#options = options
    this.#store = store
    this.#record = record
    this.#awake = this.#now()
    this.#timers = [
      env.clock.every(WATCH_MS, () => this.#noteSleep()),
      env.clock.every(options.probeMs, () => void this.#probe()),
    ]
  }

  #now(): Moment {
    const { clock } = this.#env
    return { monotonicMs: clock.monotonicMs(), wallMs: clock.nowMs() }
  }

  /** By both clocks: the monotonic one may stand still while a machine is suspended. */
  #ageMs({ monotonicMs, wallMs }: Moment): number {
    const now = this.#now()
    return Math.max(now.monotonicMs - monotonicMs, Math.abs(now.wallMs - wallMs))
  }

  #noteSleep(): void {
    const { certainMs, peer, broken } = this.#options
    const ms = broken?.ignoresSleep ? 0 : this.#ageMs(this.#awake)
    if (ms > peer.timeoutMs * NAP_SHARE) this.#naps++
    // The other one does not lead sooner than `certainMs` after a leader has last asked it.
    if (ms > certainMs / 2) {
      this.#hasSlept = true
      this.#silentSinceMs = undefined
    }
    this.#awake = this.#now()
  }

  /** Whether the other one may lead without that this one could know. */
  get #mayBeDeposed(): boolean {
    return this.#hasSlept && this.#held !== undefined && this.#held.inSync.length > 1
  }

  /** The two never draw the same number: the one with the higher address leads odd epochs. */
  nextEpoch(after: number): number {
    const { address, peer, broken } = this.#options
    const next = Math.max(after, this.#peerEpoch) + 1
    if (broken?.sharesEpochs) return next
    const isOdd = address.address > peer.host ? 1 : 0
    return next + ((next + isOdd) % 2)
  }

  // --- the other one

  async #order(command: AdminCommand): Promise<AdminAnswer | undefined> {
    const asked = this.#now()
    try {
      const answer = await askMaster(this.#env, this.#options.peer, command)
      this.#answers(asked)
      return answer
    } catch (error) {
      if (error instanceof MasterRefusal) return this.#refused(error, asked)
      this.#noteSleep()
      this.#silentSinceMs ??= asked.monotonicMs
      const { code } = error as NodeJS.ErrnoException
      this.#isGone = code === 'ECONNREFUSED'
      this.#isMute = this.#isGone || code === undefined || code === 'ECONNRESET'
      // That it does not answer is all that can be known.
      if (!this.#mayBeDeposed) this.#asked = asked
      return undefined
    }
  }

  #answers(asked: Moment): void {
    this.#silentSinceMs = undefined
    this.#isMute = false
    this.#isGone = false
    this.#hasSlept = false
    this.#asked = asked
  }

  /** It is there, but the two do not understand each other: another HA_AUTH_CODE, or another version. */
  #refused(error: MasterRefusal, asked: Moment): AdminAnswer {
    this.#env.log.error(error.message)
    this.#answers(asked)
    return { ok: false, text: error.message }
  }

  async #ask(): Promise<MemberStatus | undefined> {
    const asked = this.#now()
    const status = (await this.#order({ command: 'status' }))?.status
    this.#peerEpoch = Math.max(this.#peerEpoch, status?.epoch ?? 0)
    if (status?.role === 'leading') {
      const inSync = (status.followers ?? []).filter(({ isInSync }) => isInSync).map(({ member }) => member)
      this.#word = { inSync, at: asked }
    } else if (!status && this.#isMute) this.#refreshWord(asked)
    return status
  }

  /**
   * The other one does not answer, but its machine does: whatever it does next, it can tell this one before it goes on
   * without it. Only while it is not too late: nobody knows what happened after that.
   */
  #refreshWord(asked: Moment): void {
    if (!this.#word) return
    if (this.#options.broken?.refreshesLate || this.#ageMs(this.#word.at) <= this.#trustMs)
      this.#word = { ...this.#word, at: asked }
  }

  /** So long after a word of the leader a follower counts as in sync: less than the leader waits. */
  get #trustMs(): number {
    const { silenceMs, marginMs, broken } = this.#options
    return broken?.trustsForEver ? Number.MAX_VALUE : silenceMs - marginMs
  }

  answered(): void {
    this.#answeredMs = this.#env.clock.monotonicMs()
  }

  leftBehind(): void {
    if (!this.#options.broken?.keepsInSync) this.#word = undefined
  }

  /** From now on this one neither led last nor has all that was acknowledged. */
  async yielded(): Promise<void> {
    if (this.#options.broken?.keepsLead) return
    this.#word = undefined
    if (this.#record) await this.#write({ ...this.#record, inSync: [] })
  }

  async #probe(): Promise<void> {
    if (!this.#held || this.#isProbing) return
    this.#isProbing = true
    const { epoch } = this.#held
    const peer = await this.#ask()
    this.#isProbing = false
    if (this.#held?.epoch !== epoch) return
    if (peer && peer.fence > epoch && !this.#options.broken?.ignoresFence) {
      this.#held = undefined
      this.events?.lost(`${peer.name} is ${peer.role}, and nothing below epoch ${peer.fence} counts there`)
    } else if (this.certain()) this.events?.renewed()
  }

  // --- who leads

  async view(): Promise<PairView> {
    this.#noteSleep()
    const naps = this.#naps
    const peer = await this.#ask()
    const held = this.#held
    const { address } = this.#options
    if (peer?.role === 'leading' && peer.epoch > (held?.epoch ?? 0)) {
      const { host, port } = this.#options.peer
      return {
        leader: { member: peer.member, epoch: peer.epoch, address: host, port },
        log: this.#record,
        peer,
        naps,
      }
    }
    const leader = held && { member: held.leader, epoch: held.epoch, ...address }
    return { leader, log: this.#record, peer, naps }
  }

  whyNot(candidate: Candidate, { peer }: PairView): string | undefined {
    const { broken } = this.#options
    const word = this.#word
    const isTrusted = word?.inSync.includes(candidate.self) === true && this.#ageMs(word.at) <= this.#trustMs
    const longest = broken?.ignoresLongerLog && peer ? { ...peer, logEpoch: 0 } : peer
    return whyNotPromote(candidate, this.#record, longest, isTrusted)
  }

  certain(): boolean {
    if (!this.#held || !this.#asked) return false
    const { certainMs, marginMs, broken } = this.#options
    return broken?.certainForEver === true || this.#ageMs(this.#asked) < certainMs - marginMs
  }

  /**
   * The other one, if it can be reached, must agree that nothing of an earlier epoch counts any more. If it hangs, it may
   * be certain of its lead for as long as what it was told last allows. Whoever is asleep meanwhile, so that a question of
   * the other one has no answer, has to look again: that one may have led without it, and hang or be dead by now.
   */
  async stand({ naps }: PairView, log: LogRecord): Promise<boolean> {
    if (!this.#options.broken?.standsUnasked && !(await this.#fenceOther(log.epoch, naps))) return false
    const former = this.#record
    await this.#write(log)
    if (this.#hasNappedSince(naps)) {
      if (former) await this.#write(former)
      return false
    }
    this.#word = undefined
    this.#hasSlept = false
    this.#held = log
    return true
  }

  async #fenceOther(epoch: number, naps: number): Promise<boolean> {
    const answer = await this.#order({ command: 'fence', epoch })
    if (answer) return answer.ok
    if (!this.#isGone && !this.#options.broken?.leadsAtOnce) await this.#untilOtherIsUncertain()
    return !this.#hasNappedSince(naps)
  }

  #hasNappedSince(naps: number): boolean {
    this.#noteSleep()
    return this.#naps !== naps && !this.#options.broken?.standsOnOldView
  }

  async #untilOtherIsUncertain(): Promise<void> {
    const { clock } = this.#env
    // By its word: what it is told from now on is that its epoch is over.
    const leftMs = this.#answeredMs + this.#options.certainMs - clock.monotonicMs()
    if (leftMs > 0) await clock.sleep(leftMs)
  }

  #write(log: LogRecord): Promise<void> {
    this.#record = log
    const written = this.#writing.then(() => this.#store.write(recordText(log)))
    this.#writing = written.catch(() => {})
    return written
  }

  async recordInSync(inSync: readonly MemberId[]): Promise<boolean> {
    const held = this.#held
    const isSmaller = held !== undefined && inSync.length < held.inSync.length
    if (isSmaller && !(await this.#leaveBehind(held))) return false
    if (!held || this.#held !== held) return false
    const log = { ...held, inSync }
    this.#held = log
    try {
      await this.#write(log)
    } catch (error) {
      this.#lose(held, error as Error)
    }
    return this.#held === log
  }

  /** Who can't say any more who is in sync with him must not lead. @param log what his disk says of that */
  #lose(log: LogRecord, { message }: Error): void {
    this.#record = log
    this.#held = undefined
    this.events?.lost(`the in-sync set cannot be recorded: ${message}`)
  }

  /** The other one must know that it is not in sync any more, or have been silent for so long that it must suppose it. */
  async #leaveBehind(held: LogRecord): Promise<boolean> {
    const { clock } = this.#env
    if (this.#options.broken?.leavesAtOnce) return true
    while (this.#held === held) {
      const answer = await this.#order({ command: 'outOfSync', epoch: held.epoch })
      if (answer) return answer.ok || this.#options.broken?.ignoresFence === true
      const silentMs = clock.monotonicMs() - (this.#silentSinceMs ?? clock.monotonicMs())
      if (silentMs >= this.#options.silenceMs) return !this.#mayBeDeposed
      await clock.sleep(AGAIN_MS)
    }
    return false
  }

  async resign(): Promise<void> {
    this.#held = undefined
  }

  async clearFormerLead(): Promise<void> {
    this.#held = undefined
  }

  handedOver(): void {
    void this.#order({ command: 'promote', force: false })
  }

  requestLead(name: string): Promise<AdminAnswer | undefined> {
    return this.#order({ command: 'switchover', target: name })
  }

  async announce(): Promise<void> {}

  async close(): Promise<void> {
    for (const timer of this.#timers) timer.cancel()
    this.#held = undefined
  }
}
