// The follower's side of its connection to the leader, from the call to the end.
import { createHash, type Hash } from 'node:crypto'
import type { Env } from '../env/env.ts'
import { ProtocolError } from '../protocol/codec.ts'
import { VERSION } from '../protocol/constants.ts'
import * as matoma from '../protocol/matoma.ts'
import { type EpochTable, lastEpoch, planJoin } from './epochs.ts'
import { isProof, Link, proofOf } from './link.ts'
import { Progress } from './progress.ts'
import { type LeaderRecord, type MemberAddress, type MemberId, memberName } from './records.ts'
import { type CheckpointTarget, type Replica, ReplicaError, type ReplicaStore } from './replica.ts'

export interface FollowingOptions {
  cluster: string
  /** HA_AUTH_CODE. */
  secret: string | undefined
  connectMs: number
  /** A leader that is silent for longer is left. */
  silenceMs: number
  /** For tests of the tests: takes lines of any epoch, and looks only at numbers of lines. */
  ignoresEpochs?: boolean
}

/** What it comes for. */
export interface Errand {
  /** A checkpoint is wanted, whatever lies here. */
  readonly mustFetch: boolean
  /** Only the log is kept here, as a copy that is reached there. */
  readonly witness?: MemberAddress
  /**
   * The other side is no leader but a witness: it shall take nothing more of this epoch, and what it has is wanted. Its
   * own epoch counts as the next one meanwhile.
   */
  readonly claimed?: number
}

/** How it ended, and what must be done before the next attempt. */
export type FollowingEnd =
  | { readonly kind: 'closed'; readonly why: string }
  /** All that the witness has is on the disk here, and it takes nothing more of that epoch. */
  | { readonly kind: 'retrieved' }
  /** The log here has lines that are not in the leader's, from `at` on. */
  | { readonly kind: 'cut'; readonly at: number }
  /** The replica is closed, with a checkpoint installed or (`why`) not: open the folder anew. */
  | { readonly kind: 'reopen'; readonly why?: string }
  /** The leader's lines do not fit to the state here. */
  | { readonly kind: 'differs'; readonly why: string }
  /** The disk here has failed. */
  | { readonly kind: 'failed'; readonly error: Error }
  /** This master does not belong to that cluster: nothing that time will mend. */
  | { readonly kind: 'foreign'; readonly why: string }

/** More than this is not taken off the network before it is on the disk. */
const UNWRITTEN_BYTES_MAX = 16 << 20

type Welcome = ReturnType<(typeof matoma.welcome)['decode']>

export class Following {
  readonly leader: LeaderRecord
  readonly #env: Env
  readonly #self: MemberId
  readonly #replica: Replica
  readonly #store: ReplicaStore
  readonly #options: FollowingOptions
  readonly #errand: Errand
  readonly #onEnd: (end: FollowingEnd) => void
  #fence: number
  #link: Link | undefined
  #nonce: Buffer
  #isEnded = false
  #isStreaming = false
  #transfer: Transfer | undefined
  /** Waits until the lines are as far as the checkpoint that came beside them; or does not, at the end. */
  #whenDurable: { version: number; goOn: (isDurable: boolean) => void } | undefined
  /** As the leader told last. */
  isInSync = false
  leaderVersion = 0
  committed = 0

  /**
   * @param fence lowest epoch that is listened to
   */
  constructor(
    env: Env,
    self: MemberId,
    leader: LeaderRecord,
    fence: number,
    { replica, store }: { replica: Replica; store: ReplicaStore },
    options: FollowingOptions,
    errand: Errand,
    onEnd: (end: FollowingEnd) => void,
  ) {
    this.#env = env
    this.#self = self
    this.leader = leader
    this.#fence = fence
    this.#replica = replica
    this.#store = store
    this.#options = options
    this.#errand = errand
    this.#onEnd = onEnd
    this.#nonce = env.random.bytes(matoma.NONCE_BYTES)
    void this.#connect()
  }

  /** Nothing of an epoch below is taken or acknowledged any more. */
  raiseFence(epoch: number): void {
    this.#fence = Math.max(this.#fence, epoch)
    if (!this.#options.ignoresEpochs && this.leader.epoch < this.#fence) this.close('its epoch is over')
  }

  tick(): void {
    const { silenceMs } = this.#options
    if (this.#link && this.#link.silentMs > silenceMs) this.close(`the leader was silent for ${silenceMs} ms`)
  }

  close(why: string): void {
    this.#end({ kind: 'closed', why })
  }

  #end(end: FollowingEnd): void {
    // What is being installed in place of the log here is not broken off: its end is the end.
    if (this.#isEnded || (this.#transfer?.isInstalling && !this.#isStreaming && end.kind !== 'reopen')) return
    this.#isEnded = true
    this.isInSync = false
    if (this.#isStreaming) this.#replica.onDurable = undefined
    const why = ('why' in end ? end.why : undefined) ?? end.kind
    this.#link?.close(why)
    this.#whenDurable?.goOn(false)
    this.#transfer?.fail(new Error(why))
    this.#onEnd(end)
  }

  async #connect(): Promise<void> {
    const { address, port } = this.leader
    try {
      const connection = await this.#env.net.connect(address, port, { timeoutMs: this.#options.connectMs })
      if (this.#isEnded) return connection.destroy()
      this.#link = new Link(this.#env.clock, connection)
      this.#link.open({
        packet: (type, payload) => this.#onPacket(type, payload),
        closed: why => this.#end({ kind: 'closed', why }),
      })
    } catch (error) {
      this.#end({ kind: 'closed', why: (error as Error).message })
    }
  }

  #onPacket(type: number, payload: Buffer): void {
    if (this.#isEnded) return
    switch (type) {
      case matoma.challenge.code:
        return this.#onChallenge(matoma.challenge.decode(payload))
      case matoma.refused.code:
        return this.#end({ kind: 'closed', why: matoma.refused.decode(payload).reason })
      case matoma.welcome.code:
        return this.#onWelcome(matoma.welcome.decode(payload))
      case matoma.lines.code:
        return this.#onLines(matoma.lines.decode(payload))
      case matoma.heartbeat.code:
        return this.#onHeartbeat(matoma.heartbeat.decode(payload))
      case matoma.checkpointBegin.code:
        return this.#onCheckpointBegin(matoma.checkpointBegin.decode(payload))
      case matoma.checkpointPart.code:
        return this.#transfer?.part(matoma.checkpointPart.decode(payload).contents)
      case matoma.checkpointEnd.code:
        return this.#transfer?.end(matoma.checkpointEnd.decode(payload).sum)
      default:
        throw new ProtocolError(`message ${type} from the leader`)
    }
  }

  #onChallenge({ protocol, nonce }: { protocol: number; nonce: Buffer }): void {
    if (protocol !== matoma.HA_PROTOCOL) {
      throw new ProtocolError(`the leader speaks protocol ${protocol}, this master ${matoma.HA_PROTOCOL}`)
    }
    const { secret, cluster } = this.#options
    const { witness, claimed } = this.#errand
    const visitor = { protocol, proof: proofOf(secret, nonce), nonce: this.#nonce, cluster, member: this.#self }
    if (claimed !== undefined) return this.#link?.send(matoma.claim.encode({ ...visitor, epoch: claimed }))
    const { metaId, seen, version } = this.#replica
    const digest = this.#replica.digest()
    this.#link?.send(matoma.hello.encode({ ...visitor, software: VERSION, metaId, seen, version, digest, witness }))
  }

  /** The newest epoch that lines from there may belong to. */
  get #epochOfLines(): number {
    return this.#errand.claimed ?? this.leader.epoch
  }

  #onWelcome(welcome: Welcome): void {
    if (!isProof(this.#options.secret, this.#nonce, welcome.proof)) {
      return this.#end({ kind: 'closed', why: 'it does not know HA_AUTH_CODE' })
    }
    if (!this.#isCurrent(welcome.epoch)) return
    const { metaId, epochs, version: end } = this.#replica
    if (metaId !== 0n && welcome.metaId !== 0n && metaId !== welcome.metaId) {
      const why = `the leader has file system ${welcome.metaId.toString(16)}, this folder ${metaId.toString(16)}`
      return this.#end({ kind: 'foreign', why })
    }
    const { claimed, mustFetch } = this.#errand
    if (claimed !== undefined) {
      const why = whyNotTrust(welcome, this.leader.member, claimed)
      if (why !== undefined) return this.close(why)
    }
    this.leaderVersion = welcome.version
    const { version, oldest } = welcome
    const mine = this.#options.ignoresEpochs ? welcome.epochs : epochs
    const plan = planJoin({ epochs: mine, end }, { epochs: welcome.epochs, end: version, oldest })
    if (mustFetch || plan.kind === 'fetch') return this.#fetch(plan.kind === 'fetch' ? plan.why : 'it must')
    if (plan.kind === 'cut') return this.#end({ kind: 'cut', at: plan.at })
    void this.#follow(welcome.epochs, plan.from)
  }

  /** The epochs are on disk before any line is acknowledged in their name. */
  async #follow(epochs: EpochTable, from: number): Promise<void> {
    try {
      await this.#replica.setEpochs(epochs, Math.max(this.#epochOfLines, this.#replica.seen))
    } catch (error) {
      return this.#end({ kind: 'failed', error: error as Error })
    }
    if (this.#isEnded) return
    this.#isStreaming = true
    this.#replica.onDurable = () => this.#onDurable()
    this.#link?.send(matoma.follow.encode({ from }))
    this.#onDurable()
  }

  #onDurable(): void {
    this.#acknowledge()
    const { durable } = this.#replica
    if (this.#whenDurable && durable >= this.#whenDurable.version) this.#whenDurable.goOn(true)
    if (this.#errand.claimed !== undefined && durable >= this.leaderVersion) this.#end({ kind: 'retrieved' })
  }

  #acknowledge(): void {
    this.#link?.send(matoma.ack.encode({ epoch: this.leader.epoch, durable: this.#replica.durable }))
  }

  /** Whether a message of this epoch may be listened to; else it ends. */
  #isCurrent(epoch: number): boolean {
    if (this.#options.ignoresEpochs) return true
    if (epoch < this.#fence) this.close(`epoch ${epoch} is over, this is ${this.#fence}`)
    else if (epoch !== this.leader.epoch) this.close(`it leads epoch ${epoch}, not ${this.leader.epoch}`)
    return !this.#isEnded
  }

  #onLines({ epoch, firstVersion, count, digest, lines }: ReturnType<(typeof matoma.lines)['decode']>): void {
    if (!this.#isCurrent(epoch)) return
    if (!this.#isStreaming) throw new ProtocolError('lines before FOLLOW')
    try {
      this.#replica.append({ firstVersion, count, lines, digest })
    } catch (error) {
      if (!(error instanceof ReplicaError)) throw error
      return this.#end({ kind: 'differs', why: error.message })
    }
    this.leaderVersion = Math.max(this.leaderVersion, firstVersion + count)
  }

  #onHeartbeat({ epoch, version, committed, inSync }: ReturnType<(typeof matoma.heartbeat)['decode']>): void {
    if (!this.#isCurrent(epoch)) return
    this.leaderVersion = version
    this.committed = committed
    this.isInSync = inSync === 1
    // Before it streams, lines may be here that the leader does not have; what a witness has need not be committed.
    if (!this.#isStreaming || this.#errand.claimed !== undefined) return
    this.#replica.settled(committed)
    this.#acknowledge()
  }

  #fetch(why: string): void {
    this.#env.log.notice(`fetching a checkpoint from ${memberName(this.leader.member)}: ${why}`)
    this.#link?.send(matoma.fetch.encode({}))
  }

  /** Asks for a newer checkpoint, which comes beside the lines. */
  refreshCheckpoint(): void {
    if (this.#isStreaming && !this.#transfer) this.#link?.send(matoma.fetch.encode({}))
  }

  #onCheckpointBegin(begin: { version: number; size: number; epochs: EpochTable }): void {
    if (this.#transfer) throw new ProtocolError('unexpected checkpoint')
    if (this.#isStreaming) this.#beginRefresh(begin)
    else this.#beginTakeOver(begin)
  }

  /** In place of the log that is here. */
  #beginTakeOver({ version, size, epochs }: { version: number; size: number; epochs: EpochTable }): void {
    const seen = Math.max(this.#epochOfLines, this.#replica.seen)
    this.#transfer = this.#begin(this.#store.receive(), version, size, {
      install: async target => {
        await this.#replica.close()
        await target.install(epochs, seen)
      },
      failed: error => this.#end({ kind: 'closed', why: `the checkpoint was not taken over: ${error.message}` }),
      installed: error => this.#end({ kind: 'reopen', ...(error ? { why: error.message } : {}) }),
    })
  }

  /** Beside the log that is here, which goes on; it must not be behind its own checkpoint. */
  #beginRefresh({ version, size, epochs }: { version: number; size: number; epochs: EpochTable }): void {
    const replica = this.#replica
    if (!replica.receive) throw new ProtocolError('unexpected checkpoint')
    const isOver = (error?: Error) => {
      this.#transfer = undefined
      if (error) this.#env.log.warning(`the checkpoint was not taken: ${error.message}`)
    }
    this.#transfer = this.#begin(replica.receive(), version, size, {
      install: async target => {
        if (await this.#isDurable(version)) return target.install(epochs, replica.seen)
        await target.discard()
        throw new Error('the lines up to it have not come')
      },
      failed: isOver,
      installed: isOver,
    })
  }

  #isDurable(version: number): Promise<boolean> {
    if (this.#replica.durable >= version) return Promise.resolve(true)
    return new Promise(goOn => {
      this.#whenDurable = { version, goOn }
    })
  }

  #begin(target: Promise<CheckpointTarget>, version: number, size: number, events: TransferEvents): Transfer {
    const progress = new Progress(this.#env.clock, this.#env.log, `checkpoint of version ${version}`, size)
    return new Transfer(target, this.#link as Link, size, progress, events)
  }
}

/** @returns why what a witness has may not be all that was acknowledged up to the end of `epoch` */
function whyNotTrust({ member, epochs }: Welcome, wanted: MemberId, epoch: number): string | undefined {
  if (member !== wanted) return `${member} answers, ${wanted} has what is wanted`
  const last = lastEpoch(epochs)
  return last === epoch ? undefined : `its log ends in epoch ${last} and not ${epoch}: its folder is an older one`
}

interface TransferEvents {
  install(target: CheckpointTarget): Promise<void>
  /** Nothing was changed here. */
  failed(error: Error): void
  /** With an error: it was begun. */
  installed(error?: Error): void
}

/** A checkpoint that comes in: its parts are written one after the other. */
class Transfer {
  isInstalling = false
  readonly #link: Link
  readonly #size: number
  readonly #progress: Progress
  readonly #events: TransferEvents
  readonly #sum: Hash = createHash('sha256')
  readonly #target: Promise<CheckpointTarget>
  #work: Promise<void>
  #received = 0
  #written = 0
  #isOver = false

  constructor(target: Promise<CheckpointTarget>, link: Link, size: number, progress: Progress, events: TransferEvents) {
    this.#link = link
    this.#size = size
    this.#progress = progress
    this.#events = events
    this.#target = target
    this.#work = this.#target.then(
      () => {},
      error => this.fail(error),
    )
  }

  part(contents: Buffer): void {
    if (this.#isOver) return
    this.#received += contents.length
    if (this.#received > this.#size) return this.fail(new Error('it is longer than announced'))
    this.#sum.update(contents)
    if (this.#received - this.#written > UNWRITTEN_BYTES_MAX) this.#link.pause()
    this.#then(async target => {
      await target.write(contents)
      this.#written += contents.length
      this.#progress.reached(this.#written)
      this.#link.resume()
    })
  }

  end(sum: Buffer): void {
    if (this.#isOver) return
    const isWhole = this.#received === this.#size && sum.equals(this.#sum.digest())
    if (!isWhole) return this.fail(new Error('it was damaged on the way'))
    this.#then(async target => {
      this.isInstalling = true
      const error = await this.#events.install(target).then(
        () => undefined,
        error => error as Error,
      )
      this.#isOver = true
      this.#events.installed(error)
    })
  }

  /** Lets go of what has come; what is being installed comes to an end of its own. */
  fail(error: Error): void {
    if (this.#isOver || this.isInstalling) return
    this.#isOver = true
    void this.#work
      .then(() => this.#target)
      .then(
        target => target.discard(),
        () => {},
      )
    this.#events.failed(error)
  }

  #then(action: (target: CheckpointTarget) => Promise<void>): void {
    this.#work = this.#work
      .then(async () => {
        if (!this.#isOver) await action(await this.#target)
      })
      .catch(error => this.fail(error))
  }
}
