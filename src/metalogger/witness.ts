// A metalogger that acknowledges lines: it follows the leader as a master does, but keeps the log only and never leads.
// When nobody who is in sync can lead, another master may, by what it has (docs/high-availability.md, "A witness").
import type { Env, Timer } from '../env/env.ts'
import { type AdminAnswer, type AdminCommand, askMaster, type MemberStatus } from '../ha/admin.ts'
import { Backlog } from '../ha/backlog.ts'
import { lastEpoch } from '../ha/epochs.ts'
import { Feed } from '../ha/feed.ts'
import { Following, type FollowingEnd, type FollowingOptions } from '../ha/following.ts'
import { FrontDoor, refuse } from '../ha/front-door.ts'
import { type Link, proofOf } from '../ha/link.ts'
import { type LeaderRecord, type MemberAddress, type MemberId, memberId, memberName } from '../ha/records.ts'
import { VERSION, VERSION_TEXT } from '../protocol/constants.ts'
import * as matoma from '../protocol/matoma.ts'
import { resolveHosts, splitHosts } from '../util/hosts.ts'
import type { KeepOptions } from './files.ts'
import { WitnessFolder } from './witness-folder.ts'
import type { WitnessLog } from './witness-log.ts'

export interface WitnessOptions extends KeepOptions {
  dataFolder: string
  /** One in the cluster. */
  name: string
  /** Where masters reach this witness; they listen at the same port. */
  address: MemberAddress
  listenHost: string
  /** Names or addresses of all masters (util/hosts.ts). */
  masterHost: string
  following: FollowingOptions
  /** How often masters are asked who leads, while none is followed. */
  pollMs: number
  heartbeatMs: number
  /** How often a changelog begins. */
  rotateEveryMs: number
  /** Hours between checkpoints (META_DOWNLOAD_FREQ). */
  downloadEveryHours: number
  /** For tests of the tests: rules to break. */
  broken?: { promisesUnsynced?: boolean; keepsTaking?: boolean }
}

const HOUR_MS = 3_600_000

type Claim = ReturnType<(typeof matoma.claim)['decode']>

export class Witness {
  readonly #env: Env
  readonly #options: WitnessOptions
  readonly #folder: WitnessFolder
  readonly #door: FrontDoor
  readonly #onFatal: (error: Error) => void
  #log: WitnessLog
  #following: Following | undefined
  #mustFetch = false
  /** Nothing of a lower epoch is taken any more. */
  #fence = 0
  /** Masters that get what is here, so that one of them may lead, and the epoch that counts as this witness's for them. */
  readonly #claims = new Map<Feed, number>()
  #timers: readonly Timer[] = []
  #tasks: Promise<void> = Promise.resolve()
  #isLooking = false
  #isChangingFolder = false
  #isStopped = false

  /** @param onFatal this process must end; what is here stays as it is */
  static async start(env: Env, options: WitnessOptions, onFatal: (error: Error) => void): Promise<Witness> {
    let witness: Witness | undefined
    const onFailure = (error: Error) => {
      if (witness) witness.#fail(error)
    }
    const folder = new WitnessFolder(env, options.dataFolder, options, onFailure)
    witness = new Witness(env, options, folder, await folder.open(), onFatal)
    await witness.#start()
    return witness
  }

  private constructor(
    env: Env,
    options: WitnessOptions,
    folder: WitnessFolder,
    log: WitnessLog,
    onFatal: (error: Error) => void,
  ) {
    this.#env = env
    this.#options = options
    this.#folder = folder
    this.#log = log
    this.#onFatal = onFatal
    this.#fence = log.seen
    this.#door = new FrontDoor(env, options.following, {
      claim: (link, claim) => this.#onClaim(link, claim),
      admin: async command => this.#obey(command),
    })
  }

  /** Changes when the log is fetched anew, as that of a master. */
  get id(): MemberId {
    return memberId(this.#options.name, this.#log.logId)
  }

  /** Whether it follows a leader. */
  get following(): boolean {
    return this.#following !== undefined
  }

  /** Number of the line after the last one that is on the disk. */
  get durable(): number {
    return this.#log.durable
  }

  async #start(): Promise<void> {
    const { clock } = this.#env
    const { listenHost, address, pollMs, heartbeatMs, rotateEveryMs } = this.#options
    await this.#door.listen(listenHost, address.port)
    this.#timers = [
      clock.every(pollMs, () => void this.#look()),
      clock.every(heartbeatMs, () => this.#tick()),
      clock.every(rotateEveryMs, () => void this.#task(() => this.#rotate())),
    ]
    void this.#look()
  }

  reconfigure(keep: KeepOptions): void {
    this.#folder.keep = keep
    this.#log.files.keep = keep
  }

  async stop(): Promise<void> {
    this.#end('this witness is stopping')
    this.#door.dismiss('this witness is stopping')
    await this.#tasks
    await this.#door.close()
    await this.#log.close()
  }

  #end(why: string): void {
    this.#isStopped = true
    for (const timer of this.#timers) timer.cancel()
    this.#following?.close(why)
    this.#closeClaims(why)
  }

  #fail(error: Error): void {
    if (this.#isStopped) return
    this.#end(error.message)
    this.#onFatal(error)
  }

  /** One at a time, in the order asked for. */
  #task(action: () => Promise<void>): Promise<void> {
    this.#tasks = this.#tasks.then(action).catch(error => this.#fail(error))
    return this.#tasks
  }

  #tick(): void {
    this.#following?.tick()
    const { version } = this.#log
    for (const [feed, epoch] of this.#claims) {
      feed.send(matoma.heartbeat.encode({ epoch, version, committed: 0, inSync: 0 }))
    }
  }

  // --- following

  /** Asks the masters who leads, and follows that one. */
  async #look(): Promise<void> {
    if (this.#isLooking || this.#isStopped || this.#following || this.#isChangingFolder) return
    this.#isLooking = true
    const leader = await this.#findLeader()
    this.#isLooking = false
    if (!leader || this.#isStopped || this.#following || this.#isChangingFolder) return
    // It may have claimed what is here meanwhile.
    if (leader.epoch >= this.#fence) this.#follow(leader)
  }

  /** The one of the highest epoch, of those who say that they lead. */
  async #findLeader(): Promise<LeaderRecord | undefined> {
    const { masterHost } = this.#options
    const addresses = await resolveHosts(host => this.#env.net.resolve(host), splitHosts(masterHost)).catch(() => [])
    const found = await Promise.all(addresses.map(address => this.#leaderAt(address)))
    return found.filter(leader => leader !== undefined).sort((a, b) => b.epoch - a.epoch)[0]
  }

  async #leaderAt(host: string): Promise<LeaderRecord | undefined> {
    const { address, following } = this.#options
    const { port } = address
    const { cluster, secret, connectMs: timeoutMs } = following
    try {
      const { status } = await askMaster(this.#env, { host, port, cluster, secret, timeoutMs }, { command: 'status' })
      if (status?.role !== 'leading') return undefined
      return { member: status.member, epoch: status.epoch, address: host, port }
    } catch {
      // It is down, or will not talk; asked again soon.
      return undefined
    }
  }

  #follow(leader: LeaderRecord): void {
    this.#fence = leader.epoch
    this.#closeClaims(`${memberName(leader.member)} leads`)
    const following: Following = new Following(
      this.#env,
      this.id,
      leader,
      this.#fence,
      { replica: this.#log, store: this.#folder },
      this.#options.following,
      { mustFetch: this.#mustFetch, witness: this.#options.address },
      end => this.#onFollowingEnd(following, end),
    )
    this.#following = following
    this.#env.log.notice(`following ${memberName(leader.member)}, epoch ${leader.epoch}, from ${this.#log.version} on`)
  }

  #onFollowingEnd(following: Following, end: FollowingEnd): void {
    if (this.#following === following) this.#following = undefined
    const name = memberName(following.leader.member)
    const { log } = this.#env
    switch (end.kind) {
      case 'cut':
        return this.#changeFolder(() => this.#cut(end.at))
      case 'reopen':
        if (end.why) log.error(`the checkpoint of ${name} was not taken over: ${end.why}`)
        return this.#changeFolder(async () => {
          this.#log = await this.#folder.open()
          if (end.why === undefined) this.#mustFetch = false
        })
      case 'differs':
        this.#mustFetch = true
        return log.error(`lines of ${name} do not fit: ${end.why}: fetching a checkpoint`)
      case 'failed':
        return this.#fail(end.error)
      case 'foreign':
        return this.#fail(new Error(`${end.why}: this data folder belongs to another cluster`))
      default:
        log.notice(`no longer following ${name}: ${end.kind === 'closed' ? end.why : end.kind}`)
    }
  }

  #changeFolder(change: () => Promise<void>): void {
    this.#isChangingFolder = true
    void this.#task(async () => {
      await change()
      this.#isChangingFolder = false
      void this.#look()
    })
  }

  async #cut(at: number): Promise<void> {
    await this.#log.close()
    if (!(await this.#folder.cut(at))) {
      this.#mustFetch = true
      this.#env.log.warning(`its checkpoint holds changes from ${at} on that were never acknowledged`)
    }
    this.#log = await this.#folder.open()
  }

  /** The changelog rotates, and a checkpoint is fetched when the one here is old. */
  async #rotate(): Promise<void> {
    const { clock, disk } = this.#env
    const { files } = this.#log
    if (this.#isStopped || !files.checkpoint) return
    const isFull = await files.isFull()
    if (!isFull) this.#log.rotate()
    const { mtimeMs } = await disk.stat(files.checkpoint.path)
    const isOld = clock.nowMs() - mtimeMs >= this.#options.downloadEveryHours * HOUR_MS
    if (isFull || isOld) this.#following?.refreshCheckpoint()
  }

  // --- for a master that may lead when it has what is here

  #onClaim(link: Link, claim: Claim): void {
    if (!this.#options.broken?.keepsTaking) {
      this.#fence = Math.max(this.#fence, claim.epoch + 1)
      this.#following?.raiseFence(this.#fence)
    }
    void this.#task(() => this.#serve(link, claim))
  }

  #whyNotServe(epoch: number): string | undefined {
    if (this.#isStopped) return 'this witness is stopping'
    if (this.#log.version === 0) return 'this witness has nothing yet'
    if (this.#options.broken?.keepsTaking) return undefined
    if (this.#following) return `this witness follows ${memberName(this.#following.leader.member)}`
    return this.#fence > epoch + 1 ? `epoch ${this.#fence} has begun` : undefined
  }

  /** Nothing of that epoch is taken from here on, whatever becomes of this process: only then its end is told. */
  async #serve(link: Link, { member, nonce, epoch }: Claim): Promise<void> {
    const log = this.#log
    const next = epoch + 1
    const why = this.#whyNotServe(epoch)
    if (why !== undefined) return refuse(link, why)
    await log.flushed()
    if (!this.#options.broken?.promisesUnsynced) await log.setEpochs(log.epochs, Math.max(log.seen, next))
    const oldest = await log.oldest()
    // A leader may have been found meanwhile.
    const whyNotNow = this.#whyNotServe(epoch)
    if (whyNotNow !== undefined) return refuse(link, whyNotNow)
    if (!link.isOpen) return
    this.#env.log.notice(`${memberName(member)} gets what is here, and nothing of epoch ${epoch} is taken any more`)
    this.#feed(link, member, next)
    const { metaId, version, epochs } = log
    const proof = proofOf(this.#options.following.secret, nonce)
    const welcome = { proof, software: VERSION, member: this.id, metaId, epoch: next, version, oldest }
    link.send(matoma.welcome.encode({ ...welcome, epochs: [...epochs] }))
  }

  #feed(link: Link, member: MemberId, epoch: number): void {
    const { clock, log } = this.#env
    const backlog = new Backlog(this.#log.version, 0)
    const feed: Feed = new Feed({ clock, log }, link, member, epoch, this.#log, backlog, {
      acked() {},
      closed: () => void this.#claims.delete(feed),
    })
    this.#claims.set(feed, epoch)
  }

  #closeClaims(why: string): void {
    for (const feed of [...this.#claims.keys()]) feed.close(why)
  }

  // --- for mfsha

  #obey({ command }: AdminCommand): AdminAnswer {
    if (command === 'status') return { ok: true, text: '', status: this.status() }
    return { ok: false, text: 'this is a witness: it never leads' }
  }

  status(): MemberStatus {
    const { version, durable, seen, metaId, epochs } = this.#log
    const following = this.#following
    return {
      name: this.#options.name,
      member: this.id,
      role: 'witness',
      software: VERSION_TEXT,
      epoch: seen,
      version,
      logEpoch: lastEpoch(epochs),
      fence: this.#fence,
      committed: following?.committed ?? 0,
      metaId: metaId.toString(16),
      ...(following
        ? {
            leader: memberName(following.leader.member),
            leaderAddress: following.leader.address,
            behind: Math.max(0, following.leaderVersion - durable),
            isInSync: following.isInSync,
          }
        : {}),
    }
  }
}
