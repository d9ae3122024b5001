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
}

interface Moment {
  readonly monotonicMs: number
  readonly wallMs: number
}

const AGAIN_MS = 100

export class PairArbiter implements Arbiter {
  readonly isAutomatic = false
  events: ArbiterEvents | undefined
  readonly #env: Env
  readonly #options: PairOptions
  readonly #store: RecordStore
  readonly #timer: Timer
  #record: LogRecord | undefined
  #held: LogRecord | undefined
  #asked: Moment | undefined
  /** Since when the other one gives no answer; undefined while it does. */
  #silentSinceMs: number | undefined
  #isProbing = false
  /** It did not answer last time, but its machine did. */
  #isMute = false
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
    this.#timer = env.clock.every(options.probeMs, () => void this.#probe())
  }

  /** The two never draw the same number: the one with the higher address leads odd epochs. */
  nextEpoch(after: number): number {
    const { address, peer } = this.#options
    const next = Math.max(after, this.#peerEpoch) + 1
    const isOdd = address.address > peer.host ? 1 : 0
    return next + ((next + isOdd) % 2)
  }

  // --- the other one

  async #order(command: AdminCommand): Promise<AdminAnswer | undefined> {
    const { clock } = this.#env
    const asked = { monotonicMs: clock.monotonicMs(), wallMs: clock.nowMs() }
    try {
      const answer = await askMaster(this.#env, this.#options.peer, command)
      this.#silentSinceMs = undefined
      this.#isMute = false
      this.#asked = asked
      return answer
    } catch (error) {
      if (error instanceof MasterRefusal) return this.#refused(error, asked)
      this.#silentSinceMs ??= asked.monotonicMs
      const { code } = error as NodeJS.ErrnoException
      this.#isMute = code === undefined || code === 'ECONNREFUSED' || code === 'ECONNRESET'
      // That it does not answer is all that can be known.
      this.#asked = asked
      return undefined
    }
  }

  /** It is there, but the two do not understand each other: another HA_AUTH_CODE, or another version. */
  #refused(error: MasterRefusal, asked: Moment): AdminAnswer {
    this.#env.log.error(error.message)
    this.#silentSinceMs = undefined
    this.#isMute = false
    this.#asked = asked
    return { ok: false, text: error.message }
  }

  async #ask(): Promise<MemberStatus | undefined> {
    const status = (await this.#order({ command: 'status' }))?.status
    this.#peerEpoch = Math.max(this.#peerEpoch, status?.epoch ?? 0)
    return status
  }

  async #probe(): Promise<void> {
    if (!this.#held || this.#isProbing) return
    this.#isProbing = true
    const { epoch } = this.#held
    const peer = await this.#ask()
    this.#isProbing = false
    if (this.#held?.epoch !== epoch) return
    if (peer && peer.fence > epoch) {
      this.#held = undefined
      this.events?.lost(`${peer.name} is ${peer.role}, and nothing below epoch ${peer.fence} counts there`)
    } else if (this.certain()) this.events?.renewed()
  }

  // --- who leads

  async view(): Promise<PairView> {
    const peer = await this.#ask()
    const held = this.#held
    const { address } = this.#options
    if (peer?.role === 'leading' && peer.epoch > (held?.epoch ?? 0)) {
      const { host, port } = this.#options.peer
      return { leader: { member: peer.member, epoch: peer.epoch, address: host, port }, log: this.#record, peer }
    }
    const leader = held && { member: held.leader, epoch: held.epoch, ...address }
    return { leader, log: this.#record, peer, isPeerMute: this.#isMute }
  }

  whyNot(candidate: Candidate, { peer }: PairView): string | undefined {
    return whyNotPromote(candidate, this.#record, peer, this.#options.silenceMs)
  }

  certain(): boolean {
    if (!this.#held || !this.#asked) return false
    const { clock } = this.#env
    const { certainMs } = this.#options
    return (
      clock.monotonicMs() - this.#asked.monotonicMs < certainMs &&
      Math.abs(clock.nowMs() - this.#asked.wallMs) < certainMs
    )
  }

  /** The other one, if it can be reached, must agree that nothing of an earlier epoch counts any more. */
  async stand(_view: View, log: LogRecord): Promise<boolean> {
    const answer = await this.#order({ command: 'fence', epoch: log.epoch })
    if (answer && !answer.ok) return false
    await this.#write(log)
    this.#held = log
    return true
  }

  async #write(log: LogRecord): Promise<void> {
    await this.#store.write(recordText(log))
    this.#record = log
  }

  async recordInSync(inSync: readonly MemberId[]): Promise<boolean> {
    const held = this.#held
    const isSmaller = held !== undefined && inSync.length < held.inSync.length
    if (isSmaller && !(await this.#leaveBehind(held))) return false
    if (!held || this.#held !== held) return false
    const log = { ...held, inSync }
    this.#held = log
    await this.#write(log)
    return this.#held === log
  }

  /** The other one must know that it is not in sync any more, or have been silent for so long that it must suppose it. */
  async #leaveBehind(held: LogRecord): Promise<boolean> {
    const { clock } = this.#env
    while (this.#held === held) {
      const answer = await this.#order({ command: 'outOfSync', epoch: held.epoch })
      if (answer) return answer.ok
      if (clock.monotonicMs() - (this.#silentSinceMs ?? clock.monotonicMs()) >= this.#options.silenceMs) return true
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
    this.#timer.cancel()
    this.#held = undefined
  }
}
