// Leadership by etcd: the key `leader` hangs on the leader's lease, the key `log` is changed only by its holder.
import type { Clock } from '../env/env.ts'
import { type Arbiter, ArbiterError, type ArbiterEvents, type Candidate, type View } from './arbiter.ts'
import { type Etcd, EtcdError, type EtcdValue, type EtcdWatch, type Guard } from './etcd.ts'
import { Lease, type LeaseOptions } from './lease.ts'
import {
  type LeaderRecord,
  type LogRecord,
  type MemberAddress,
  type MemberId,
  parseLeader,
  parseLog,
  recordText,
  type WitnessRecord,
} from './records.ts'
import { whyNotStand } from './standing.ts'

export interface EtcdArbiterOptions {
  /** All keys begin with it: `/elkfs/CLUSTER/`. */
  prefix: string
  address: MemberAddress
  software: string
  lease: LeaseOptions
}

/** Also what the guards of the next change need. */
interface EtcdView extends View {
  readonly leaderLease: string | undefined
  readonly leaderRevision: number
  readonly logRevision: number
}

const RETRY_MS = 100

export class EtcdArbiter implements Arbiter {
  readonly isAutomatic = true
  events: ArbiterEvents | undefined
  readonly #clock: Clock
  readonly #etcd: Etcd
  readonly #options: EtcdArbiterOptions
  readonly #lease: Lease
  readonly #watch: EtcdWatch
  readonly #keys: { leader: string; log: string; member: string }
  /** One change of the record at a time. */
  #recording: Promise<unknown> = Promise.resolve()
  /** While this member leads. */
  #held: { log: LogRecord; leaderRevision: number; logRevision: number } | undefined

  /** @param name of this master, one in its cluster */
  constructor(clock: Clock, etcd: Etcd, name: string, options: EtcdArbiterOptions) {
    this.#clock = clock
    this.#etcd = etcd
    this.#options = options
    const { prefix, lease } = options
    this.#keys = {
      leader: `${prefix}leader`,
      log: `${prefix}log`,
      member: `${prefix}members/${name}`,
    }
    this.#lease = new Lease(
      clock,
      etcd,
      lease,
      () => this.events?.renewed(),
      why => {
        this.#held = undefined
        this.events?.lost(why)
      },
    )
    this.#watch = etcd.watch(this.#keys.leader, () => this.events?.changed())
  }

  /** While it holds one. */
  get lease(): string | undefined {
    return this.#lease.id
  }

  async view(): Promise<EtcdView> {
    const { leader, log } = this.#keys
    try {
      const [leaderValue, logValue] = await this.#etcd.read([leader, log])
      return {
        leader: leaderValue && parseLeader(leader, leaderValue.value),
        log: logValue && parseLog(log, logValue.value),
        leaderLease: leaderValue?.lease,
        leaderRevision: leaderValue?.revision ?? 0,
        logRevision: logValue?.revision ?? 0,
      }
    } catch (cause) {
      throw new ArbiterError((cause as Error).message, { cause })
    }
  }

  certain(): boolean {
    return this.#held !== undefined && this.#lease.certain()
  }

  async stand(view: EtcdView, log: LogRecord): Promise<boolean> {
    try {
      const lease = await this.#lease.acquire()
      const { leader: leaderKey, log: logKey } = this.#keys
      const leader: LeaderRecord = { member: log.leader, epoch: log.epoch, ...this.#options.address }
      const guards: Guard[] = [
        { key: leaderKey, revision: 0 },
        { key: logKey, revision: view.logRevision },
      ]
      const outcome = await this.#etcd.commit(guards, [
        { kind: 'put', key: leaderKey, value: recordText(leader), lease },
        { kind: 'put', key: logKey, value: recordText(log) },
      ])
      if (outcome.done) this.#held = { log, leaderRevision: outcome.revision, logRevision: outcome.revision }
      return outcome.done
    } catch (error) {
      if (!(error instanceof EtcdError)) throw error
      // It may be done, now or later. Without its lease it can't be, and the next look finds out.
      await this.resign()
      return false
    }
  }

  recordInSync(inSync: readonly MemberId[], witnesses: readonly WitnessRecord[]): Promise<boolean> {
    // What is asked for in one epoch says nothing of the next one, even if this member leads that too.
    const epoch = this.#held?.log.epoch
    const recorded = this.#recording.then(() => this.#recordInSync({ inSync, witnesses }, epoch))
    this.#recording = recorded
    return recorded
  }

  async #recordInSync(copies: Pick<LogRecord, 'inSync' | 'witnesses'>, epoch: number | undefined): Promise<boolean> {
    while (this.#held && this.#held.log.epoch === epoch && this.#lease.certain()) {
      const { log: before, leaderRevision, logRevision } = this.#held
      const log = { ...before, ...copies }
      const isRecorded = await this.#tryRecord(log, leaderRevision, logRevision)
      if (isRecorded === false) break
      if (isRecorded) return true
      await this.#clock.sleep(RETRY_MS)
    }
    return false
  }

  /** @returns undefined when the outcome is not known; the same may then be tried again */
  async #tryRecord(log: LogRecord, leaderRevision: number, logRevision: number): Promise<boolean | undefined> {
    const value = recordText(log)
    const guards = [
      { key: this.#keys.leader, revision: leaderRevision },
      { key: this.#keys.log, revision: logRevision },
    ]
    try {
      const outcome = await this.#etcd.commit(guards, [{ kind: 'put', key: this.#keys.log, value }])
      if (outcome.done) return this.#recorded(log, leaderRevision, outcome.revision)
      // The answer to an earlier attempt may have been lost.
      const [leader, found] = await this.#etcd.read([this.#keys.leader, this.#keys.log])
      const isMine = leader?.revision === leaderRevision && found?.value === value
      return isMine ? this.#recorded(log, leaderRevision, (found as EtcdValue).revision) : false
    } catch (error) {
      if (!(error instanceof EtcdError)) throw error
      return undefined
    }
  }

  #recorded(log: LogRecord, leaderRevision: number, logRevision: number): boolean {
    if (this.#held?.leaderRevision !== leaderRevision) return false
    this.#held = { log, leaderRevision, logRevision }
    return true
  }

  whyNot(candidate: Candidate, view: View): string | undefined {
    return whyNotStand(candidate, view)
  }

  nextEpoch(after: number): number {
    return after + 1
  }

  /** Whoever may lead sees by itself that nobody does. */
  handedOver(): void {}

  /** Here only the lease and the record count. */
  answered(): void {}
  leftBehind(): void {}
  async yielded(): Promise<void> {}

  async requestLead(): Promise<undefined> {
    return undefined
  }

  async resign(): Promise<void> {
    this.#held = undefined
    try {
      await this.#lease.release()
    } catch (error) {
      // Then it runs out by itself.
      if (!(error instanceof EtcdError)) throw error
    }
  }

  /** Ends the lease that a former life of this member left behind. @throws ArbiterError */
  async clearFormerLead({ leaderLease }: EtcdView): Promise<void> {
    if (leaderLease === undefined || leaderLease === this.#lease.id) return this.resign()
    try {
      await this.#etcd.revokeLease(leaderLease)
    } catch (cause) {
      throw new ArbiterError((cause as Error).message, { cause })
    }
  }

  async announce(member: MemberId, role: string, version: number, epoch: number, metaId: bigint): Promise<void> {
    const { address, software } = this.#options
    const record = { member, version, epoch, role, software, metaId: metaId.toString(16), ...address }
    try {
      const lease = await this.#lease.acquire()
      await this.#etcd.commit([], [{ kind: 'put', key: this.#keys.member, value: recordText(record), lease }])
    } catch (error) {
      // For people only; the next announcement comes soon.
      if (!(error instanceof EtcdError)) throw error
    }
  }

  async close(): Promise<void> {
    this.#watch.close()
    await this.resign()
  }
}
