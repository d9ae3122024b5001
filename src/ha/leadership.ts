// What a master does while it leads: feeds its followers, knows what is committed, keeps the in-sync set true.
import type { Clock, Timer } from '../env/env.ts'
import type { Log } from '../env/log.ts'
import * as matoma from '../protocol/matoma.ts'
import type { FollowerStatus } from './admin.ts'
import type { Arbiter } from './arbiter.ts'
import { Backlog } from './backlog.ts'
import { CommitQueue } from './commit-queue.ts'
import { Feed } from './feed.ts'
import { type FollowerState, type InSyncRules, nextInSync } from './in-sync.ts'
import type { Link } from './link.ts'
import { type LogRecord, type MemberAddress, type MemberId, memberName, type WitnessRecord } from './records.ts'
import type { Replica } from './replica.ts'

export interface LeadershipOptions extends InSyncRules {
  heartbeatMs: number
  /** Newest lines kept in memory. */
  backlogBytes: number
  /** For tests of the tests: rules to break. */
  broken?: { shrinkAfterAck?: boolean; growBeforeWait?: boolean; electsWitness?: boolean }
}

export class Leadership {
  readonly epoch: number
  /** Every line below it is on the disk of every member and witness that the record names. */
  committed: number
  readonly #clock: Clock
  readonly #log: Log
  readonly #self: MemberId
  readonly #replica: Replica
  readonly #arbiter: Arbiter
  readonly #options: LeadershipOptions
  readonly #onOver: (why: string) => void
  readonly #feeds = new Map<MemberId, Feed>()
  readonly #backlog: Backlog
  readonly #queue = new CommitQueue()
  readonly #timer: Timer
  /** Who counts for commits as etcd has it: members in sync, and witnesses. */
  #recorded: readonly MemberId[]
  /** Followers that keep the log only, and where they are reached. */
  readonly #witnesses = new Map<MemberId, MemberAddress>()
  /** On its way into the record; perhaps it is there already. */
  #pending: readonly MemberId[] | undefined
  /** Followers, once in sync, that are waited for: how far their disks were when last heard of. */
  readonly #acked = new Map<MemberId, number>()
  #isOver = false
  #tickMs: number
  /** When the arbiter was heard last. */
  #renewedMs: number

  /**
   * @param log as this member has written it when it was elected
   * @param onOver called once: this member does not lead any more, and nothing that waits will be answered
   */
  constructor(
    doors: { clock: Clock; log: Log },
    self: MemberId,
    replica: Replica,
    arbiter: Arbiter,
    log: LogRecord,
    options: LeadershipOptions,
    onOver: (why: string) => void,
  ) {
    this.#clock = doors.clock
    this.#log = doors.log
    this.#self = self
    this.#replica = replica
    this.#arbiter = arbiter
    this.#options = options
    this.#onOver = onOver
    this.epoch = log.epoch
    // All of this log is the history that counts, from the election on.
    this.committed = replica.version
    replica.settled(replica.version)
    this.#recorded = log.inSync
    this.#backlog = new Backlog(replica.version, options.backlogBytes)
    this.#tickMs = this.#renewedMs = doors.clock.monotonicMs()
    replica.onBatch = batch => {
      this.#backlog.push(batch)
      for (const feed of this.#feeds.values()) feed.offer(batch)
    }
    replica.onDurable = () => this.#advance()
    this.#timer = doors.clock.every(options.heartbeatMs, () => this.#tick())
  }

  /** Who may be elected, as etcd has it for certain. */
  get inSync(): readonly MemberId[] {
    return this.#membersOf(this.#recorded)
  }

  /** Who has all of the log too, as etcd has it for certain. */
  get witnesses(): readonly MemberId[] {
    return this.#recorded.filter(copy => this.#isWitness(copy))
  }

  #isWitness(copy: MemberId): boolean {
    return this.#witnesses.has(copy) && !this.#options.broken?.electsWitness
  }

  #membersOf(copies: readonly MemberId[]): readonly MemberId[] {
    return copies.filter(copy => !this.#isWitness(copy))
  }

  #witnessesOf(copies: readonly MemberId[]): readonly WitnessRecord[] {
    return copies
      .filter(copy => this.#isWitness(copy))
      .map(member => ({ member, ...(this.#witnesses.get(member) as MemberAddress) }))
  }

  /** Whether anything may leave this master: it leads for certain, right now. */
  certain(): boolean {
    return !this.#isOver && this.#arbiter.certain()
  }

  /** Runs `action` once every line below `version` is committed and this member certainly leads; perhaps never. */
  whenCommitted(version: number, action: () => void): void {
    if (this.#isOver) return
    if (this.#queue.isEmpty && version <= this.committed && this.#arbiter.certain()) action()
    else this.#queue.push(version, action)
  }

  /** Certainty was prolonged: what waited for it may go on. */
  resume(): void {
    this.#renewedMs = this.#clock.monotonicMs()
    this.#reviewInSync()
    this.#queue.run(this.committed, () => this.certain())
  }

  /**
   * A follower has said hello and was welcomed.
   * @param witness where it is reached, if it keeps the log only
   */
  adopt(link: Link, member: MemberId, witness: MemberAddress | undefined): void {
    if (witness) this.#witnesses.set(member, witness)
    this.#feeds.get(member)?.close('it has connected again')
    const feed: Feed = new Feed(
      { clock: this.#clock, log: this.#log },
      link,
      member,
      this.epoch,
      this.#replica,
      this.#backlog,
      {
        acked: () => this.#onAcked(feed),
        closed: why => this.#onClosed(feed, why),
      },
    )
    this.#feeds.set(member, feed)
  }

  followers(): ReadonlyMap<MemberId, FollowerState> {
    const states = new Map<MemberId, FollowerState>()
    for (const [member, { isConnected, follows, acked, silentMs }] of this.#feeds) {
      if (follows) states.set(member, { isConnected, acked, silentMs })
    }
    return states
  }

  /** Of all masters that follow and are connected. */
  get addresses(): string[] {
    const masters = [...this.#feeds.values()].filter(feed => feed.isConnected && !this.#isWitness(feed.member))
    return masters.map(({ address }) => address)
  }

  /** Address of a follower that could lead next; the one that is furthest. */
  get successor(): string | undefined {
    const { inSync } = this
    const fit = [...this.#feeds.values()].filter(feed => feed.isConnected && inSync.includes(feed.member))
    return fit.sort((a, b) => b.acked - a.acked)[0]?.address
  }

  status(): { inSync: string[]; witnesses: string[]; followers: FollowerStatus[] } {
    const followers = [...this.#feeds.values()].map(feed => ({
      name: memberName(feed.member),
      member: feed.member,
      isInSync: this.#recorded.includes(feed.member),
      isWitness: this.#isWitness(feed.member),
      acknowledged: feed.acked,
      silentMs: Math.round(feed.silentMs),
    }))
    return { inSync: this.inSync.map(memberName), witnesses: this.witnesses.map(memberName), followers }
  }

  #nameOf(copy: MemberId): string {
    return this.#isWitness(copy) ? `${memberName(copy)} (witness)` : memberName(copy)
  }

  /** Ends it without a word to `onOver`. */
  close(why: string): void {
    this.#isOver = true
    this.#timer.cancel()
    this.#replica.onBatch = undefined
    this.#replica.onDurable = undefined
    this.#queue.clear()
    for (const feed of [...this.#feeds.values()]) feed.close(why)
  }

  #over(why: string): void {
    if (this.#isOver) return
    this.close(why)
    this.#onOver(why)
  }

  #onAcked(feed: Feed): void {
    if (this.#acked.has(feed.member)) this.#acked.set(feed.member, feed.acked)
    this.#advance()
    if (!this.#recorded.includes(feed.member)) this.#reviewInSync()
  }

  #onClosed(feed: Feed, why: string): void {
    if (this.#feeds.get(feed.member) !== feed) return
    this.#feeds.delete(feed.member)
    this.#log.notice(`follower ${memberName(feed.member)} is gone: ${why}`)
    this.#reviewInSync()
  }

  #advance(): void {
    if (this.#isOver || this.#recorded.length < this.#options.minInSync) return
    let committed = this.#replica.durable
    for (const member of this.#waitedFor()) committed = Math.min(committed, this.#acked.get(member) ?? 0)
    if (committed <= this.committed) return
    this.committed = committed
    this.#replica.settled(committed)
    this.#queue.run(committed, () => this.certain())
  }

  *#waitedFor(): Generator<MemberId> {
    const { shrinkAfterAck, growBeforeWait } = this.#options.broken ?? {}
    for (const member of new Set([...this.#recorded, ...(this.#pending ?? [])])) {
      if (member === this.#self) continue
      if (shrinkAfterAck && this.#pending && !this.#pending.includes(member)) continue
      if (growBeforeWait && !this.#recorded.includes(member)) continue
      yield member
    }
  }

  #tick(): void {
    if (this.#isOver) return
    const nowMs = this.#clock.monotonicMs()
    const stalledMs = nowMs - this.#tickMs - this.#options.heartbeatMs
    this.#tickMs = nowMs
    const { epoch, committed } = this
    const { version } = this.#replica
    if (this.certain()) this.#replica.settled(committed)
    for (const feed of this.#feeds.values()) {
      const inSync = this.#recorded.includes(feed.member) ? 1 : 0
      feed.send(matoma.heartbeat.encode({ epoch, version, committed, inSync }))
    }
    // After a stall of this process everybody looks silent: first hear what has arrived meanwhile.
    if (stalledMs < this.#options.heartbeatMs) this.#reviewInSync()
  }

  /** The other one of two is no third who could be heard instead of it. */
  get #arbiterSilentMs(): number {
    if (!this.#arbiter.isAutomatic || this.#options.broken?.shrinkAfterAck) return 0
    return this.#clock.monotonicMs() - this.#renewedMs
  }

  #reviewInSync(): void {
    if (this.#isOver || this.#pending) return
    const { minInSync, silenceMs } = this.#options
    const rules = { minInSync, silenceMs }
    const next = nextInSync(this.#self, this.#recorded, this.followers(), this.committed, rules, this.#arbiterSilentMs)
    if (next) void this.#change(next)
  }

  async #change(next: readonly MemberId[]): Promise<void> {
    this.#pending = next
    for (const member of next) {
      const feed = this.#feeds.get(member)
      if (feed && !this.#acked.has(member)) this.#acked.set(member, feed.acked)
    }
    if (this.#options.broken?.shrinkAfterAck) this.#advance()
    const isRecorded = await this.#arbiter.recordInSync(this.#membersOf(next), this.#witnessesOf(next))
    if (this.#isOver) return
    if (!isRecorded) return this.#over('the in-sync set cannot be recorded: this master does not lead any more')
    this.#recorded = next
    this.#pending = undefined
    for (const member of [...this.#acked.keys()]) if (!next.includes(member)) this.#acked.delete(member)
    for (const member of next) {
      const feed = this.#feeds.get(member)
      if (feed) this.#acked.set(member, Math.max(feed.acked, this.#acked.get(member) ?? 0))
    }
    this.#log.notice(`in sync: ${next.map(copy => this.#nameOf(copy)).join(', ')}`)
    this.#advance()
    this.#reviewInSync()
  }
}
