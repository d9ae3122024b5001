// A master as a member of a cluster: who it is to the others over time.
//
//             nobody leads, may stand          elected
//   following ───────────────────────► standing ──────► leading
//       ▲ ▲                               │ somebody was faster   │ lease lost, handed over, not wanted
//       │ └───────────────────────────────┘                       │
//       └── the folder is opened anew ◄───────────────────────────┘
//
// A former leader reads its folder again: it may hold lines that were never acknowledged, and the next leader says
// which. Changes of role come one after the other (#task); whatever is decided on old news fails at the arbiter.
import type { Env, Timer } from '../env/env.ts'
import { VERSION, VERSION_TEXT } from '../protocol/constants.ts'
import * as matoma from '../protocol/matoma.ts'
import type { AdminAnswer, AdminCommand, MemberStatus } from './admin.ts'
import { type Arbiter, ArbiterError, type View } from './arbiter.ts'
import { lastEpoch } from './epochs.ts'
import { Following, type FollowingEnd, type FollowingOptions } from './following.ts'
import { FrontDoor, refuse } from './front-door.ts'
import { Leadership, type LeadershipOptions } from './leadership.ts'
import { type Link, proofOf } from './link.ts'
import { type LeaderRecord, type LogRecord, type MemberId, memberId, memberName } from './records.ts'
import type { Replica, ReplicaStore } from './replica.ts'

/** The master around the log: what it does only while it leads. */
export interface LeadingProgram {
  /** Serves clients and chunkservers from the replica's state. Resolves once it does. */
  lead(replica: Replica, leadership: Leadership): Promise<void>
  /** Takes no more requests, and finishes those that it has. */
  pause(): void
  resume(): void
  /** Nothing is written to the log any more. */
  endLog(): void
  /** Ends everything that lead() began. */
  leave(): Promise<void>
  /** The role has changed, or who leads: for redirects. */
  roleChanged(role: Role, leader: LeaderRecord | undefined): void
  /** This master cannot go on; the process must end. */
  fatal(error: Error): void
}

export type Role = 'following' | 'standing' | 'leading' | 'leaving' | 'stopped'

export interface MemberOptions {
  listenHost: string
  listenPort: number
  /** How often the arbiter is asked who leads. */
  pollMs: number
  following: FollowingOptions
  leadership: LeadershipOptions
  /** A new file system is not begun before this, if another master may bring its metadata. */
  newFileSystemAfterMs: number
  /** After handing over, this long somebody else gets the chance to lead. */
  holdOffMs: number
  /** For tests of the tests: anybody may be elected. */
  anyCandidate?: boolean
  /** For tests of the tests: with a witness in the record, stands without asking it, or by what it once had from one. */
  broken?: { standsUnfetched?: boolean; trustsOldFetch?: boolean }
}

const RECONNECT_MS = 200
const ANNOUNCE_MS = 1000
const SETTLE_MS = 5000
const SETTLE_POLL_MS = 5
const SUCCESSION_MS = 1000
/** Longer than keepalived takes to notice that nobody leads. */
const UNASKED_MS = 5000
/** Long enough for keepalived to see it. */
const WITHDRAWN_MS = 1500
/** So long a member that is in sync has the chance to stand before another one asks a witness. */
const MEMBERS_FIRST_MS = 1000

export class Member {
  role: Role = 'following'
  leader: LeaderRecord | undefined
  /** Why it does not lead although nobody does; undefined when there is nothing to say. */
  waiting: string | undefined
  leadership: Leadership | undefined
  readonly #env: Env
  readonly #name: string
  readonly #options: MemberOptions
  readonly #arbiter: Arbiter
  readonly #store: ReplicaStore
  readonly #program: LeadingProgram
  #replica: Replica
  #following: Following | undefined
  #fence = 0
  #mustFetch = false
  /** As it was before a witness promised to take nothing more of the last epoch and gave this member all that it had. */
  #retrieved: View | undefined
  /** Since when nobody leads, as far as this member has looked. */
  #leaderlessSinceMs: number | undefined
  #witnessTurn = 0
  #unfit: string | undefined
  #holdOffUntilMs = 0
  /** Somebody said that this master shall lead; counts where none does so by himself. */
  #isWanted = false
  /** While it stands: it has won, and begins to lead. */
  #isElected = false
  /** When it last looked. */
  #wasInSync = false
  /** To whom it handed over, and where that one's log may begin its epoch: lines from there on were never acknowledged. */
  #heir: { member: MemberId; version: number } | undefined
  /** As of the last look: this master leads, or could. */
  isFit = false
  /** Since when it could lead, nobody does, and nobody has said that it shall. */
  #unaskedSinceMs: number | undefined
  readonly #startedMs: number
  readonly #door: FrontDoor
  #timers: Timer[] = []
  #tasks: Promise<void> = Promise.resolve()
  #isLookQueued = false
  #isStopping = false
  #isChangingFolder = false
  #reconnectAtMs = 0

  /**
   * @param name of this master, one in its cluster
   * @param replica as opened from `store`
   */
  constructor(
    env: Env,
    name: string,
    replica: Replica,
    store: ReplicaStore,
    arbiter: Arbiter,
    program: LeadingProgram,
    options: MemberOptions,
  ) {
    this.#env = env
    this.#name = name
    this.#replica = replica
    this.#store = store
    this.#arbiter = arbiter
    this.#program = program
    this.#options = options
    this.#startedMs = env.clock.monotonicMs()
    this.#door = new FrontDoor(env, options.following, {
      hello: (link, hello) => void this.#onHello(link, hello),
      admin: command => this.#obey(command),
    })
  }

  /** Changes when a checkpoint is fetched: what the record says of the log that was here is not true of the new one. */
  get id(): MemberId {
    return memberId(this.#name, this.#replica.logId)
  }

  get replica(): Replica {
    return this.#replica
  }

  get following(): Following | undefined {
    return this.#following
  }

  async start(): Promise<void> {
    const { clock } = this.#env
    const { listenHost, listenPort, pollMs, leadership } = this.#options
    // Whoever asks gets an answer from here on: what was promised before a restart holds.
    this.#raiseFence(this.#replica.seen)
    await this.#door.listen(listenHost, listenPort)
    this.#arbiter.events = {
      renewed: () => this.leadership?.resume(),
      lost: why => this.#onLeaseLost(why),
      changed: () => this.look(),
    }
    this.#timers = [
      clock.every(pollMs, () => this.look()),
      clock.every(leadership.heartbeatMs, () => this.#tick()),
      clock.every(ANNOUNCE_MS, () => void this.#announce()),
    ]
    void this.#announce()
    this.look()
  }

  /** Hands over if it leads, and ends. */
  async stop(): Promise<void> {
    this.#isStopping = true
    await this.#task(async () => {
      if (this.role === 'leading') await this.#handOver(undefined)
      if (this.leadership) await this.#leave('this master is stopping')
      this.#setRole('stopped')
    })
    for (const timer of this.#timers) timer.cancel()
    this.#following?.close('this master is stopping')
    this.#door.dismiss('this master is stopping')
    await this.#arbiter.close()
    await this.#door.close()
    await this.#replica.close()
  }

  /** The log has failed: nothing is answered any more, and another member may lead at once. */
  async abandon(): Promise<void> {
    this.leadership?.close('its log has failed')
    this.#following?.close('its log has failed')
    this.role = 'stopped'
    for (const timer of this.#timers) timer.cancel()
    await this.#arbiter.resign()
  }

  /** Asks the arbiter who leads, and acts on it. */
  look(): void {
    if (this.#isLookQueued) return
    this.#isLookQueued = true
    void this.#task(async () => {
      this.#isLookQueued = false
      await this.#look()
    })
  }

  #tick(): void {
    this.#following?.tick()
    const isInSync = this.#isInSync()
    // An arbiter that must hear that from the leader asks at once.
    if (isInSync && !this.#wasInSync) this.look()
    this.#wasInSync = isInSync
  }

  /** One change of role at a time, in the order asked for. */
  #task<T>(action: () => Promise<T>): Promise<T> {
    const done = this.#tasks.then(action)
    this.#tasks = done.then(
      () => {},
      error => this.#onTaskFailed(error),
    )
    return done
  }

  #onTaskFailed(error: Error): void {
    if (this.role !== 'stopped') this.#program.fatal(error)
  }

  #setRole(role: Role): void {
    if (this.role !== role) this.#env.log.notice(`this master is now ${role}`)
    this.role = role
    this.#program.roleChanged(role, this.leader)
    void this.#announce()
  }

  async #announce(): Promise<void> {
    if (this.role === 'stopped') return
    const { version, seen, metaId } = this.#replica
    await this.#arbiter.announce(this.id, this.role, version, seen, metaId)
  }

  // --- who leads

  async #look(): Promise<void> {
    if (this.role === 'stopped') return
    let view: View
    try {
      view = await this.#arbiter.view()
    } catch (error) {
      if (!(error instanceof ArbiterError)) throw error
      return this.#setWaiting(this.role === 'leading' ? undefined : `it is not known who leads: ${error.message}`)
    }
    const { leader } = view
    if (leader) this.#leaderlessSinceMs = undefined
    else this.#leaderlessSinceMs ??= this.#env.clock.monotonicMs()
    this.isFit = this.role === 'leading' || this.#isOffered(view)
    if (this.role === 'leading') {
      const isMine = leader?.member === this.id && leader.epoch === this.leadership?.epoch
      if (!isMine) await this.#leave('another member leads')
      return
    }
    if (this.role !== 'following' || this.#isChangingFolder) return
    this.#fence = Math.max(this.#fence, this.#replica.seen)
    if (leader?.member === this.id) {
      await this.#clearFormerLead(view)
      this.look()
    } else if (leader) this.#follow(leader)
    else await this.#onNobodyLeads(view)
  }

  #couldLead(view: View): boolean {
    if (this.#env.clock.monotonicMs() < this.#holdOffUntilMs) return false
    return view.leader ? this.#isInSync() : this.#whyNot(view) === undefined
  }

  /**
   * Where an address decides, its holder may not know that it is to lead: the other one led while the address stayed
   * here. That is said only when the address moves, so for a moment this one is not offered any more.
   */
  #isOffered(view: View): boolean {
    const couldLead = this.#couldLead(view)
    if (!couldLead || view.leader || this.#isWanted || this.#arbiter.isAutomatic) {
      this.#unaskedSinceMs = undefined
      return couldLead
    }
    const nowMs = this.#env.clock.monotonicMs()
    this.#unaskedSinceMs ??= nowMs
    return (nowMs - this.#unaskedSinceMs) % (UNASKED_MS + WITHDRAWN_MS) < UNASKED_MS
  }

  async #clearFormerLead(view: View): Promise<void> {
    try {
      await this.#arbiter.clearFormerLead(view)
    } catch (error) {
      if (!(error instanceof ArbiterError)) throw error
      this.#setWaiting(`what it left behind as a leader cannot be removed: ${error.message}`)
    }
  }

  #isInSync(): boolean {
    return this.#following?.isInSync === true
  }

  #setLeader(leader: LeaderRecord | undefined): void {
    if (this.leader?.member === leader?.member && this.leader?.epoch === leader?.epoch) return
    this.leader = leader
    this.#program.roleChanged(this.role, leader)
  }

  #setWaiting(why: string | undefined): void {
    if (why !== undefined && why !== this.waiting) this.#env.log.warning(`this master does not lead: ${why}`)
    this.waiting = why
  }

  // --- following

  #follow(leader: LeaderRecord): void {
    // Somebody else has had the chance. Where an address decides, it must have the time to go there.
    const addressMs = this.#arbiter.isAutomatic ? 0 : WITHDRAWN_MS
    this.#holdOffUntilMs = Math.min(this.#holdOffUntilMs, this.#env.clock.monotonicMs() + addressMs)
    this.#setLeader(leader)
    this.#setWaiting(undefined)
    const { member, epoch } = leader
    if (this.#following?.leader.member === member && this.#following.leader.epoch === epoch) return
    this.#raiseFence(epoch)
    this.#following?.close('another member leads')
    if (!this.#options.broken?.trustsOldFetch) this.#retrieved = undefined
    // What it takes over from somebody else comes to its end first.
    if (!this.#following) this.#connect(leader)
  }

  /** @param claimed the view by which `to` is a witness, and what it has of the last epoch is wanted */
  #connect(to: LeaderRecord, claimed?: View & { log: LogRecord }): void {
    if (this.#env.clock.monotonicMs() < this.#reconnectAtMs) return
    const errand = { mustFetch: this.#mustFetch, ...(claimed ? { claimed: claimed.log.epoch } : {}) }
    const following: Following = new Following(
      this.#env,
      this.id,
      to,
      this.#fence,
      { replica: this.#replica, store: this.#store },
      this.#options.following,
      errand,
      end => {
        if (end.kind === 'retrieved') this.#retrieved = claimed
        this.#onFollowingEnd(following, end)
      },
    )
    this.#following = following
  }

  #raiseFence(epoch: number): void {
    this.#fence = Math.max(this.#fence, epoch)
    this.#following?.raiseFence(this.#fence)
  }

  #onFollowingEnd(following: Following, end: FollowingEnd): void {
    if (this.#following === following) this.#following = undefined
    const { member, epoch } = following.leader
    // Perhaps it leads on; that is asked before anybody is sent there.
    if (this.leader?.member === member && this.leader.epoch === epoch) this.#setLeader(undefined)
    const { clock, log } = this.#env
    const name = memberName(following.leader.member)
    if (end.kind === 'retrieved') {
      log.notice(`has all that the witness ${name} had`)
      return this.look()
    }
    this.#reconnectAtMs = clock.monotonicMs() + RECONNECT_MS
    clock.after(RECONNECT_MS, () => this.look())
    switch (end.kind) {
      case 'closed':
        log.notice(`no longer following ${name}: ${end.why}`)
        return
      case 'cut':
        return this.#changeFolder(() => this.#cut(end.at))
      case 'reopen':
        if (end.why) log.error(`the checkpoint of ${name} was not taken over: ${end.why}`)
        return this.#changeFolder(() => this.#reopen(end.why === undefined))
      case 'differs':
        this.#unfit = `its state differs from that of ${name} (${end.why}); it fetches a checkpoint when there is a leader`
        this.#mustFetch = true
        log.error(`its state differs from that of ${name}: ${end.why}: fetching a checkpoint`)
        return
      case 'failed':
        return this.#program.fatal(end.error)
      case 'foreign':
        return this.#program.fatal(new Error(`${end.why}: this data folder belongs to another cluster`))
    }
  }

  /** Until it is done, this member neither follows nor stands: the replica that it has is not the one that will be. */
  #changeFolder(change: () => Promise<void>): void {
    this.#isChangingFolder = true
    void this.#task(async () => {
      await change()
      this.#isChangingFolder = false
    })
  }

  /** Lines that are not in the leader's history leave the log; they stay in a folder aside. */
  async #cut(at: number): Promise<void> {
    await this.#replica.close()
    if (!(await this.#store.cut(at))) {
      this.#mustFetch = true
      this.#env.log.warning(`its checkpoint holds changes from ${at} on that were never acknowledged`)
    }
    this.#replica = await this.#store.open()
  }

  async #reopen(isFetched: boolean): Promise<void> {
    this.#replica = await this.#store.open()
    if (!isFetched) return
    this.#mustFetch = false
    this.#unfit = undefined
  }

  // --- standing and leading

  async #onNobodyLeads(view: View): Promise<void> {
    this.#setLeader(undefined)
    // Whoever led the last epoch does not any more: nothing of it is taken or acknowledged from here on.
    if (view.log) this.#raiseFence(view.log.epoch + 1)
    const why = this.#whyNot(view)
    const isToldTo = this.#arbiter.isAutomatic || this.#isWanted
    this.#setWaiting(why ?? (isToldTo ? undefined : 'nobody has said "mfsha promote" here, which keepalived does'))
    if (!isToldTo || this.#env.clock.monotonicMs() < this.#holdOffUntilMs) return
    if (why === undefined) return this.#stand(view)
    // By the view from before: if the record has changed since, what was retrieved may not be all, and this fails.
    const retrieved = this.#takeRetrieved(view)
    if (retrieved) await this.#stand(retrieved)
    else this.#retrieve(view)
  }

  /** Counts once. */
  #takeRetrieved(view: View): View | undefined {
    const { standsUnfetched, trustsOldFetch } = this.#options.broken ?? {}
    if (standsUnfetched && view.log?.witnesses.length) return view
    const retrieved = this.#retrieved
    if (trustsOldFetch) return retrieved && view
    this.#retrieved = undefined
    return retrieved
  }

  /** Who is not in sync may lead all the same once it has what a witness has, and the witness is through with that epoch. */
  #retrieve({ leader, log, ...rest }: View): void {
    const witness = log?.witnesses[this.#witnessTurn % log.witnesses.length]
    if (!log || !witness || this.#following) return
    const nowMs = this.#env.clock.monotonicMs()
    const leaderlessMs = nowMs - (this.#leaderlessSinceMs ?? nowMs)
    if (nowMs < this.#reconnectAtMs) return
    if (log.inSync.some(member => member !== log.leader) && leaderlessMs < MEMBERS_FIRST_MS) return
    this.#witnessTurn++
    this.#env.log.notice(`asking the witness ${memberName(witness.member)} for what it has of epoch ${log.epoch}`)
    this.#connect({ ...witness, epoch: log.epoch + 1 }, { ...rest, leader, log })
  }

  #whyNot(view: View): string | undefined {
    const { version, metaId, epochs } = this.#replica
    if (this.#options.anyCandidate && version > 0) return undefined
    const why = this.#arbiter.whyNot({ self: this.id, version, epochs, metaId, unfit: this.#unfit }, view)
    const isNew = !view.log && metaId === 0n
    const tooEarly = this.#env.clock.monotonicMs() - this.#startedMs < this.#options.newFileSystemAfterMs
    return why ?? (isNew && tooEarly ? 'a new file system is begun only if no other master has one' : undefined)
  }

  async #stand(view: View): Promise<void> {
    this.#isElected = false
    this.#setRole('standing')
    const replica = this.#replica
    const epoch = this.#arbiter.nextEpoch(Math.max(view.log?.epoch ?? 0, replica.seen, this.#fence - 1))
    this.#raiseFence(epoch)
    await this.#untilDurable()
    const log: LogRecord = { epoch, firstVersion: replica.version, leader: this.id, inSync: [this.id], witnesses: [] }
    const isElected = await this.#arbiter.stand(view, log)
    // The other one of two may have been faster meanwhile.
    if (isElected && this.#fence > epoch) await this.#arbiter.resign()
    if (!isElected || this.#fence > epoch) {
      this.#setRole('following')
      this.#env.clock.after(SETTLE_POLL_MS, () => this.look())
      return
    }
    this.#isElected = true
    await replica.setEpochs([...replica.epochs, { epoch, firstVersion: log.firstVersion, leader: this.id }], epoch)
    await this.#lead(log)
  }

  /** Resolves when all that was applied here is on the disk. */
  async #untilDurable(): Promise<void> {
    const replica = this.#replica
    if (replica.durable >= replica.version) return
    await new Promise<void>(resolve => {
      replica.onDurable = () => {
        if (replica.durable >= replica.version) resolve()
      }
    })
    replica.onDurable = undefined
  }

  async #lead(log: LogRecord): Promise<void> {
    const { clock, log: messages } = this.#env
    const doors = { clock, log: messages }
    const { leadership: options } = this.#options
    const leadership = new Leadership(doors, this.id, this.#replica, this.#arbiter, log, options, why => {
      void this.#task(() => this.#leave(why))
    })
    this.leadership = leadership
    this.leader = undefined
    this.#env.log.notice(`elected: epoch ${log.epoch} begins with version ${log.firstVersion}`)
    this.#heir = undefined
    await this.#program.lead(this.#replica, leadership)
    this.#setRole('leading')
  }

  #onLeaseLost(why: string): void {
    this.leadership?.close(why)
    if (this.leadership) void this.#task(() => this.#leave(why))
  }

  /** From leader to follower. */
  async #leave(why: string): Promise<void> {
    if (await this.#stepDown(why)) await this.#comeBack()
  }

  /**
   * Nothing leaves this master from the first line on.
   * @param beforeClients what is waited for before clients are let go
   * @returns whether this master led
   */
  async #stepDown(why: string, beforeClients = async () => {}): Promise<boolean> {
    const { leadership } = this
    if (!leadership || this.role === 'stopped') return false
    this.#env.log.warning(`this master does not lead any more: ${why}`)
    leadership.close(why)
    this.#program.endLog()
    this.leadership = undefined
    // Until the next look: nobody shall be offered what this one is about to leave.
    this.isFit = false
    this.#setRole('leaving')
    await this.#arbiter.resign()
    await beforeClients()
    await this.#program.leave()
    return true
  }

  /** As a follower, with the log read anew. */
  async #comeBack(): Promise<void> {
    if (this.#isStopping) return
    await this.#replica.close()
    this.#replica = await this.#store.open()
    this.#setRole('following')
    this.look()
  }

  // --- by command

  /** Hands the lead to `target`, or to the follower in sync that is furthest. */
  switchOver(target: string | undefined): Promise<AdminAnswer> {
    return new Promise((resolve, reject) => {
      this.#task(() => this.#handOver(target, resolve)).then(resolve, reject)
    })
  }

  /** @param tell gets the answer as soon as the successor leads: what this master has yet to leave takes a while */
  async #handOver(target: string | undefined, tell: (answer: AdminAnswer) => void = () => {}): Promise<AdminAnswer> {
    const { leadership } = this
    if (this.role !== 'leading' || !leadership) return { ok: false, text: 'this master does not lead' }
    const successor = this.#successor(leadership, target)
    if (!successor) {
      const inSync = leadership.inSync.filter(member => member !== this.id).map(memberName)
      const who = inSync.length > 0 ? `in sync: ${inSync.join(', ')}` : 'no follower is in sync'
      return { ok: false, text: `nobody can take over${target ? ` as ${target}` : ''}: ${who}` }
    }
    this.#program.pause()
    const isReady = await this.#untilCaughtUp(leadership, successor)
    // With others in sync too, only the one that is wanted may be elected.
    if (!isReady || !(await this.#arbiter.recordInSync([this.id, successor], []))) {
      this.#program.resume()
      return { ok: false, text: `${memberName(successor)} has not caught up in ${SETTLE_MS} ms: nothing was changed` }
    }
    this.#holdOffUntilMs = this.#env.clock.monotonicMs() + this.#options.holdOffMs
    this.#isWanted = false
    this.#heir = { member: successor, version: leadership.committed }
    const answer = { ok: true, text: `handed over to ${memberName(successor)}` }
    await this.#stepDown(answer.text, async () => {
      this.#arbiter.handedOver()
      if (await this.#untilSomebodyLeads()) tell(answer)
    })
    // Whoever asked for it need not wait for this.
    void this.#task(() => this.#comeBack())
    return answer
  }

  /** Clients are let go when there is somebody to send them to: they come again within a millisecond. */
  async #untilSomebodyLeads(): Promise<boolean> {
    const { clock } = this.#env
    for (const untilMs = clock.monotonicMs() + SUCCESSION_MS; clock.monotonicMs() < untilMs; ) {
      const { leader } = await this.#arbiter.view().catch(() => ({ leader: undefined }))
      if (leader) {
        this.#setLeader(leader)
        return true
      }
      await clock.sleep(SETTLE_POLL_MS)
    }
    return false
  }

  #successor(leadership: Leadership, target: string | undefined): MemberId | undefined {
    const fit = [...leadership.followers()].filter(
      ([member, { isConnected }]) =>
        isConnected && leadership.inSync.includes(member) && (target === undefined || memberName(member) === target),
    )
    return fit.sort(([, a], [, b]) => b.acked - a.acked)[0]?.[0]
  }

  async #untilCaughtUp(leadership: Leadership, successor: MemberId): Promise<boolean> {
    const { clock } = this.#env
    const untilMs = clock.monotonicMs() + SETTLE_MS
    while (clock.monotonicMs() < untilMs && leadership.certain()) {
      const { version } = this.#replica
      const follower = leadership.followers().get(successor)
      if (leadership.committed === version && follower?.acked === version) return true
      await clock.sleep(SETTLE_POLL_MS)
    }
    return false
  }

  /** Does not lead any more, whether there is somebody who can take over or not. */
  demote(): Promise<AdminAnswer> {
    return this.#task(async () => {
      this.#isWanted = false
      const isLeading = this.role === 'leading'
      const answer = await this.#handOver(undefined)
      if (this.#arbiter.isAutomatic || answer.ok) return answer
      if (!isLeading) return { ok: true, text: answer.text }
      await this.#leave('told so by mfsha demote')
      return { ok: true, text: `this master does not lead any more, and ${answer.text}` }
    })
  }

  /** Has the leader hand over to this member. @returns the view after that, or why it will not */
  async #requestLead(leader: LeaderRecord): Promise<View | string> {
    const { clock } = this.#env
    let refusal: string | undefined
    void this.#arbiter.requestLead(this.#name).then(answer => {
      if (answer?.ok !== true) refusal = answer?.text ?? 'hand over there with "mfsha switchover"'
    })
    for (const untilMs = clock.monotonicMs() + SETTLE_MS; clock.monotonicMs() < untilMs && refusal === undefined; ) {
      await clock.sleep(SETTLE_POLL_MS)
      const view = await this.#arbiter.view()
      if (!view.leader) return view
    }
    return `${memberName(leader.member)} leads: ${refusal ?? 'it does not hand over'}`
  }

  /** Leads although it may lack changes that were acknowledged. */
  promote(isForced: boolean): Promise<AdminAnswer> {
    return this.#task(async () => {
      this.#isWanted = true
      if (this.role === 'leading') return { ok: true, text: 'this master leads already' }
      let view = await this.#arbiter.view()
      if (this.role !== 'following' || this.#isChangingFolder) return { ok: false, text: `this master is ${this.role}` }
      if (view.leader && view.leader.member !== this.id) {
        const result = await this.#requestLead(view.leader)
        if (typeof result === 'string') return { ok: false, text: result }
        view = result
      }
      const why = this.#whyNot(view)
      if (this.#replica.version === 0) return { ok: false, text: why ?? 'there is no metadata here' }
      if (why !== undefined && !isForced) return { ok: false, text: `${why}. --force leads all the same` }
      if (why !== undefined) this.#env.log.warning(`promoted by force although ${why}`)
      await this.#stand(view)
      const ok = (this.role as Role) === 'leading'
      return {
        ok,
        text: ok
          ? `leads epoch ${this.leadership?.epoch}`
          : 'another master was faster, or this one was held up: it tries again',
      }
    })
  }

  // --- the port for other masters and mfsha

  async #obey(command: AdminCommand): Promise<AdminAnswer> {
    switch (command.command) {
      case 'status':
        this.#arbiter.answered()
        return { ok: true, text: '', status: this.status() }
      case 'promote':
        return this.promote(command.force)
      case 'demote':
        return this.demote()
      case 'fence':
        return this.#onFence(command.epoch)
      case 'outOfSync':
        return this.#onOutOfSync(command.epoch)
      case 'switchover':
        return this.switchOver(command.target)
    }
  }

  /** Not in turn with changes of role: the other one waits for the answer, and may be asked the same by this one. */
  async #onFence(epoch: number): Promise<AdminAnswer> {
    const leads = this.role === 'leading' || (this.role === 'standing' && this.#isElected)
    // An equal one is the same attempt again: the two never draw the same number.
    if (leads || epoch < this.#fence) {
      return { ok: false, text: `epoch ${epoch} cannot begin: this master is ${this.role} and has seen ${this.#fence}` }
    }
    this.#raiseFence(epoch)
    await this.#arbiter.yielded()
    return { ok: true, text: `nothing below epoch ${epoch} counts any more` }
  }

  #onOutOfSync(epoch: number): AdminAnswer {
    if (this.#fence > epoch || this.role === 'leading') return { ok: false, text: `epoch ${this.#fence} has begun` }
    this.#arbiter.leftBehind()
    this.#following?.close('the leader goes on without this master')
    return { ok: true, text: 'this master does not count as in sync any more' }
  }

  status(): MemberStatus {
    const { version, seen, metaId, epochs } = this.#replica
    const { leadership, leader, waiting } = this
    const following = this.#following
    return {
      name: this.#name,
      member: this.id,
      role: this.role,
      software: VERSION_TEXT,
      epoch: leadership?.epoch ?? seen,
      version,
      logEpoch: lastEpoch(epochs),
      fence: this.#fence,
      ...(this.#heir ? { heir: this.#heir } : {}),
      committed: leadership?.committed ?? following?.committed ?? 0,
      metaId: metaId.toString(16),
      ...(leader ? { leader: memberName(leader.member), leaderAddress: leader.address } : {}),
      ...(leadership ? leadership.status() : {}),
      ...(following ? { behind: Math.max(0, following.leaderVersion - version), isInSync: following.isInSync } : {}),
      ...(waiting === undefined ? {} : { waiting }),
    }
  }

  async #onHello(link: Link, hello: ReturnType<(typeof matoma.hello)['decode']>): Promise<void> {
    const { secret } = this.#options.following
    const { leadership } = this
    if (!leadership?.certain()) return refuse(link, 'this master does not lead')
    if (hello.witness && !this.#arbiter.isAutomatic) return refuse(link, 'two masters alone have no use for a witness')
    if (hello.seen > leadership.epoch && !this.#options.following.ignoresEpochs) {
      return refuse(link, `it has seen epoch ${hello.seen}, this is ${leadership.epoch}`)
    }
    const replica = this.#replica
    const oldest = await replica.oldest()
    if (this.leadership !== leadership || !link.isOpen) return link.close('this master does not lead any more')
    const { metaId, version, epochs } = replica
    leadership.adopt(link, hello.member, hello.witness)
    const role = hello.witness ? ' as a witness' : ''
    this.#env.log.notice(`${memberName(hello.member)} follows${role}, its log ends at ${hello.version}`)
    link.send(
      matoma.welcome.encode({
        proof: proofOf(secret, hello.nonce),
        software: VERSION,
        member: this.id,
        metaId,
        epoch: leadership.epoch,
        version,
        oldest,
        epochs: [...epochs],
      }),
    )
  }
}
