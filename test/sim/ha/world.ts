// One simulated history of a cluster of masters: clients at work, faults of every kind, then peace; and what must hold.

import { parseLog } from '../../../src/ha/records.ts'
import { canonicalLines } from '../../../src/metadata/checkpoint/canonical.ts'
import { SimHost } from '../host.ts'
import { SimNetwork } from '../net.ts'
import { Scheduler } from '../scheduler.ts'
import { ANSWER_MS_MAX, SimClient } from './client.ts'
import { EtcdModel, REQUEST_MS } from './etcd-model.ts'
import { KeepalivedModel } from './keepalived-model.ts'
import { isLinearizable, type Operation, TooWide } from './linearizable.ts'
import { type Broken, SimMaster } from './master.ts'
import { SimMetalogger } from './metalogger.ts'
import { type Call, namesModel, type Result } from './names.ts'
import { SimWitness } from './witness.ts'

/** Each fault of the list is as likely as the others; one that stands there twice, twice as likely. */
export const everyFault = [
  'kill',
  'killLeader',
  'killAll',
  'powerCut',
  'freeze',
  'freezeLeader',
  'isolate',
  'isolateLeader',
  'strandLeader',
  'strandLateLeader',
  'cutEtcd',
  'cutEtcdOfLeader',
  'partitionMasters',
  'partitionClient',
  'troubledEtcd',
  'lateAnswers',
  'cutConnection',
  'rejoinUnderFire',
  'switchOver',
  'stop',
  'stopLeader',
  'loseDisk',
  'checkpoint',
  'failDisk',
  'muteLeader',
  'deafenLeader',
  'jumpClock',
  'partitionMetalogger',
  'killMetalogger',
] as const
/** Those that are hard on two masters without a third vote, and mean nothing where masters stand by themselves. */
export const pairFaults = [
  'promoteOther',
  'promoteBoth',
  'cutAndKill',
  'wakeAlone',
  'killInTurn',
  'freezeInTurn',
  'leadAlone',
  'promoteUnseen',
  'sleepWhileStanding',
] as const
/** Those that are about a witness. */
export const witnessFaults = [
  'killWitness',
  'powerCutWitness',
  'freezeWitness',
  'partitionWitness',
  'failWitnessDisk',
  'loseWitnessDisk',
  'leaveToWitness',
  'sleepBesideWitness',
  'loseAllButWitness',
  'claimBehindBack',
] as const
export type Fault = (typeof everyFault)[number] | (typeof pairFaults)[number] | (typeof witnessFaults)[number]

export interface WorldOptions {
  seed: number
  broken?: Broken
  /** Faults are made for so long. */
  faultMs?: number
  faults?: readonly Fault[]
  /** Milliseconds between faults at most. */
  faultEveryMs?: number
  /**
   * Clocks run at half or twice the speed of the world's. What is read may then be old, but no change that was
   * acknowledged may be lost or undone: changes never depend on clocks. `slowly`: those of all masters are slow.
   */
  clocksLie?: boolean | 'slowly'
  /** The first client changes things, the others look. */
  oneWriter?: boolean
  /** Two masters and keepalived, no etcd. */
  pair?: boolean
  /** A metalogger that acknowledges lines. */
  witness?: boolean
  /** By chance where nothing is said. */
  masters?: number
  /** Clients soon try another master. */
  isImpatient?: boolean
}

export interface WorldReport {
  seed: number
  faults: number
  acknowledged: number
  unanswered: number
  epochs: number
  fetches: number
  cuts: number
  /** How often the metalogger followed a master that did not lead. */
  relayed: number
  /** How often a master got from the witness what it lacked, or nothing. */
  retrieved: number
}

/** What must never be, was. */
export class Broke extends Error {
  override readonly name = 'Broke'
}

/** What the masters of the world that broke logged, in the order of time. */
export function messagesOf(error: unknown): string[] {
  const { messages = [] } = error as { messages?: string[] }
  return messages
}

const CLIENTS = 3
const IMPATIENT_MS = 500
/** Each client works on names of a group; a rename stays inside its group, so groups can be judged apart. */
const GROUPS = 2
const NAMES_PER_GROUP = 3
const SETTLE_MS = 90_000
/** A clock that lies lets somebody who is not the leader any more read for so long. */
const LIES_LAST_MS = 8000

const METALOGGER = '10.0.2.1'
const WITNESS = '10.0.3.1'
const RESTORES = 20
const clientAddress = (i: number) => `10.0.1.${i + 1}`

class World {
  readonly scheduler: Scheduler
  readonly network: SimNetwork
  readonly etcd: EtcdModel
  readonly masters: SimMaster[] = []
  readonly clients: SimClient[] = []
  readonly metalogger: SimMetalogger
  readonly witness: SimWitness | undefined
  relayed = 0
  readonly minInSync: number
  keepalived: KeepalivedModel | undefined
  faults = 0
  readonly #faults: readonly Fault[]
  readonly #clocksLie: boolean | 'slowly'
  readonly #isQuiet: boolean
  readonly #isPair: boolean
  /** From and to. */
  readonly #blocked = new Set<readonly [string, string]>()
  readonly #cutFromEtcd = new Set<SimMaster>()
  readonly #pending = new Set<Promise<void>>()

  constructor({
    seed,
    broken = {},
    faults = everyFault,
    clocksLie = false,
    oneWriter = false,
    pair = false,
    witness = false,
    masters,
    isImpatient = false,
  }: WorldOptions) {
    this.#faults = faults
    this.#clocksLie = clocksLie
    this.#isQuiet = oneWriter
    this.scheduler = new Scheduler(seed)
    this.network = new SimNetwork(this.scheduler)
    this.etcd = new EtcdModel(this.scheduler)
    this.#isPair = pair
    const chosen = this.scheduler.between(0, 2) === 0 || pair ? 2 : 3
    const count = masters ?? chosen
    this.minInSync = this.scheduler.between(0, 5) === 0 && !pair ? 2 : 1
    for (let i = 1; i <= count; i++) this.masters.push(this.#makeMaster(i, broken))
    const addresses = this.masters.map(({ host }) => host.address)
    this.metalogger = new SimMetalogger(this.scheduler, this.network, METALOGGER, addresses)
    this.metalogger.onFollowing = address => {
      const isRelayed = this.masters.some(
        ({ host, member }) => host.address === address && member?.role === 'following',
      )
      if (isRelayed) this.relayed++
    }
    if (witness) this.witness = new SimWitness(this.scheduler, this.network, WITNESS, addresses, broken)
    for (let i = 0; i < CLIENTS; i++) {
      const env = new SimHost(this.scheduler, this.network, clientAddress(i)).env('client')
      this.clients.push(
        new SimClient(this.scheduler, env, addresses, isImpatient ? IMPATIENT_MS : ANSWER_MS_MAX, () =>
          this.#pickCall(oneWriter ? 0 : i % GROUPS, oneWriter && i > 0),
        ),
      )
    }
  }

  #makeMaster(i: number, broken: Broken): SimMaster {
    const { scheduler, network, etcd, minInSync } = this
    const way = { isCut: () => this.#cutFromEtcd.has(master), troubleOneIn: 0, answerLateMs: 0 }
    const options = { broken, minInSync, clocksLie: this.#clocksLie, isQuiet: this.#isQuiet }
    const peer = this.#isPair ? { peer: `10.0.0.${3 - i}` } : {}
    const master: SimMaster = new SimMaster(scheduler, network, `10.0.0.${i}`, etcd, way, `m${i}`, {
      ...options,
      ...peer,
    })
    return master
  }

  #pickCall(group: number, onlyLooks: boolean): Call {
    const any = () => `${'ab'[group]}${this.scheduler.between(1, NAMES_PER_GROUP)}`
    const name = any()
    if (onlyLooks) return { op: 'lookup', name }
    switch (this.scheduler.between(0, 7)) {
      case 0:
      case 1:
      case 2:
        return { op: 'create', name }
      case 3:
        return { op: 'unlink', name }
      case 4: {
        const to = any()
        return to === name ? { op: 'lookup', name } : { op: 'rename', name, to }
      }
      default:
        return { op: 'lookup', name }
    }
  }

  /** Starts work that goes on beside. */
  spawn(work: () => Promise<void>): void {
    const promise: Promise<void> = work().then(
      () => void this.#pending.delete(promise),
      error => {
        this.#pending.delete(promise)
        this.broke ??= error
      },
    )
    this.#pending.add(promise)
  }

  broke: Error | undefined

  /** What comes of it, in the time of the simulation. */
  async outcome<T>(work: () => Promise<T>): Promise<T> {
    let done: { value: T } | undefined
    this.spawn(async () => {
      done = { value: await work() }
    })
    await this.scheduler.until(() => done !== undefined || this.broke !== undefined, SETTLE_MS, 'an outcome')
    if (!done) throw this.broke
    return (done as { value: T }).value
  }

  // --- faults

  #any<T>(items: readonly T[]): T | undefined {
    return items[this.scheduler.between(0, items.length - 1)]
  }

  /** Milliseconds that a fault lasts: mostly short, sometimes longer than every lease and time-out. */
  #span(): number {
    const { scheduler } = this
    return scheduler.random() < 0.7 ? 50 + scheduler.random() * 1500 : 1500 + scheduler.random() * 7000
  }

  #partition(a: string, b: string, ms = this.#span()): void {
    this.#block(a, b, ms)
    this.#block(b, a, ms)
  }

  #block(from: string, to: string, ms: number): void {
    const way = [from, to] as const
    this.#blocked.add(way)
    this.network.block(from, to)
    this.scheduler.at(ms, () => {
      this.#blocked.delete(way)
      this.network.heal()
      for (const [from, to] of this.#blocked) this.network.block(from, to)
    })
  }

  #restartLater(master: SimMaster | SimWitness, ms: number): void {
    this.scheduler.at(ms, () => {
      if (!master.isUp && !this.isPeace) this.spawn(() => master.start())
    })
  }

  isPeace = false

  makeFault(): void {
    const any = this.#any(this.masters.filter(({ isUp }) => isUp))
    if (!any) return
    this.faults++
    const leader = this.leader() ?? any
    const makers: Record<Fault, () => void> = {
      kill: () => this.#kill(any),
      killLeader: () => this.#kill(leader),
      killAll: () => this.#killAll(),
      powerCut: () => this.#powerCut(any),
      freeze: () => this.#freeze(any),
      freezeLeader: () => this.#freeze(leader),
      isolate: () => this.#isolate(any),
      isolateLeader: () => this.#isolate(leader),
      strandLeader: () => this.#strand(leader),
      strandLateLeader: () => this.#strandLate(leader),
      cutEtcd: () => this.#cutEtcd(any),
      cutEtcdOfLeader: () => this.#cutEtcd(leader),
      partitionMasters: () => this.#partition(any.host.address, this.#any(this.masters)?.host.address ?? ''),
      partitionClient: () => this.#partition(any.host.address, clientAddress(this.scheduler.between(0, CLIENTS - 1))),
      troubledEtcd: () => this.#troubleEtcd(any),
      lateAnswers: () => this.#delayAnswers(leader),
      cutConnection: () => this.network.cutSome(),
      rejoinUnderFire: () => this.#rejoinUnderFire(leader),
      switchOver: () => this.spawn(async () => void (await leader.member?.switchOver(undefined))),
      stop: () => this.#stop(any),
      stopLeader: () => this.#stop(leader),
      loseDisk: () => this.#loseDisk(any),
      checkpoint: () => this.spawn(() => leader.checkpoint()),
      failDisk: () => this.#failDisk(any),
      muteLeader: () => this.#loseOneWay(leader, (own, other) => [own, other]),
      deafenLeader: () => this.#loseOneWay(leader, (own, other) => [other, own]),
      jumpClock: () => this.#jumpClock(any),
      partitionMetalogger: () => this.#partition(any.host.address, METALOGGER),
      killMetalogger: () => this.#killMetalogger(),
      promoteOther: () => this.#promoteOther(leader),
      promoteBoth: () => this.#promoteBoth(),
      cutAndKill: () => this.#cutAndKill(leader),
      wakeAlone: () => this.#wakeAlone(leader),
      killInTurn: () => this.#killInTurn(leader),
      freezeInTurn: () => this.#freezeInTurn(leader),
      leadAlone: () => this.#leadAlone(leader),
      promoteUnseen: () => this.#promoteUnseen(leader),
      sleepWhileStanding: () => this.#sleepWhileStanding(leader),
      ...this.#witnessMakers(leader),
    }
    const fault = this.#any(this.#faults)
    if (fault) makers[fault]()
  }

  #witnessMakers(leader: SimMaster): Record<(typeof witnessFaults)[number], () => void> {
    const { witness } = this
    const make = (fault: (witness: SimWitness) => void) => () => {
      if (witness?.isUp) fault(witness)
    }
    const endWith = (end: (witness: SimWitness) => void) =>
      make(witness => {
        end(witness)
        this.#restartLater(witness, this.#span())
      })
    return {
      killWitness: endWith(witness => witness.kill()),
      powerCutWitness: endWith(witness => witness.powerCut()),
      freezeWitness: make(witness => this.#freeze(witness)),
      partitionWitness: make(witness => {
        this.#partition(witness.host.address, this.#any(this.masters)?.host.address ?? '')
      }),
      failWitnessDisk: make(witness => this.#failDisk(witness)),
      loseWitnessDisk: make(witness => this.#loseDisk(witness)),
      leaveToWitness: make(() => this.#leaveToWitness(leader)),
      sleepBesideWitness: make(() => this.#sleepBesideWitness(leader)),
      loseAllButWitness: make(() => this.#loseAllButWitness(leader)),
      claimBehindBack: make(witness => this.#claimBehindBack(leader, witness)),
    }
  }

  leader(): SimMaster | undefined {
    return this.masters.find(({ member }) => member?.role === 'leading')
  }

  #kill(master: SimMaster): void {
    master.kill()
    this.#restartLater(master, this.#span())
  }

  #powerCut(master: SimMaster): void {
    master.powerCut()
    this.#restartLater(master, this.#span())
  }

  #killAll(): void {
    for (const master of this.masters) this.scheduler.random() < 0.5 ? this.#kill(master) : this.#powerCut(master)
  }

  #freeze(master: SimMaster | SimWitness): void {
    const { freezer } = master
    freezer.freeze()
    this.scheduler.at(this.#span(), () => freezer.thaw())
  }

  #killMetalogger(): void {
    const { metalogger, scheduler } = this
    if (!metalogger.metalogger) return
    metalogger.end(scheduler.random() < 0.5)
    scheduler.at(this.#span(), () => this.spawn(() => metalogger.start()))
  }

  /** From the other masters, perhaps from etcd, not from the clients. */
  #isolate(master: SimMaster): void {
    for (const other of this.masters) if (other !== master) this.#partition(master.host.address, other.host.address)
    if (this.scheduler.random() < 0.6) this.#cutEtcd(master)
  }

  /** The other masters and perhaps a client hear it and are not heard, or the other way round; etcd perhaps neither. */
  #loseOneWay(master: SimMaster, direction: (own: string, other: string) => [from: string, to: string]): void {
    const ms = this.#span()
    const others = this.masters.filter(other => other !== master).map(({ host }) => host.address)
    if (this.scheduler.random() < 0.5) others.push(clientAddress(this.scheduler.between(0, CLIENTS - 1)))
    for (const other of others) this.#block(...direction(master.host.address, other), ms)
    if (this.scheduler.random() < 0.4) this.#cutEtcd(master, ms)
  }

  /** The clock on the wall; and back. */
  #jumpClock(master: SimMaster): void {
    const ms = (this.scheduler.random() - 0.5) * 2 * (this.scheduler.random() < 0.5 ? 5000 : 7_200_000)
    this.#setClockAhead(master, ms, this.#span())
  }

  #setClockAhead({ freezer }: SimMaster, aheadMs: number, forMs: number): void {
    freezer.wallAheadMs = aheadMs
    this.scheduler.at(forMs, () => {
      freezer.wallAheadMs = 0
    })
  }

  /** From everything but some of its clients, for longer than any lease. */
  #strand(master: SimMaster): void {
    const ms = 4000 + this.scheduler.random() * 2000
    const others = this.masters.filter(other => other !== master).map(({ host }) => host.address)
    if (this.witness) others.push(WITNESS)
    for (const other of [...others, clientAddress(0)]) this.#partition(master.host.address, other, ms)
    this.#cutEtcd(master, ms)
  }

  /** The same, when the answers to its keep-alives have been late for a while. */
  #strandLate(master: SimMaster): void {
    master.way.answerLateMs = REQUEST_MS * 0.95
    this.scheduler.at(800 + this.scheduler.random() * 1200, () => this.#strand(master))
    this.scheduler.at(8000, () => {
      master.way.answerLateMs = 0
    })
  }

  #cutEtcd(master: SimMaster, ms = this.#span()): void {
    this.#cutFromEtcd.add(master)
    this.scheduler.at(ms, () => this.#cutFromEtcd.delete(master))
  }

  /** A follower comes back while etcd answers late, loses the leader again, and the leader loses its power. */
  #rejoinUnderFire(leader: SimMaster): void {
    const { scheduler } = this
    const follower = this.#any(this.masters.filter(master => master !== leader))
    if (!follower) return
    this.#delayAnswers(leader)
    this.network.cutBetween(leader.host.address, follower.host.address)
    const [a, b] = [leader.host.address, follower.host.address]
    scheduler.at(200 + scheduler.random() * 300, () => this.#partition(a, b))
    scheduler.at(300 + scheduler.random() * 600, () => this.#powerCut(leader))
  }

  #troubleEtcd(master: SimMaster): void {
    master.way.troubleOneIn = this.scheduler.between(1, 6)
    this.scheduler.at(this.#span() * 2, () => {
      master.way.troubleOneIn = 0
    })
  }

  /** By nearly as much as is waited for. */
  #delayAnswers(master: SimMaster): void {
    master.way.answerLateMs = REQUEST_MS * (0.5 + this.scheduler.random() * 0.45)
    this.scheduler.at(this.#span() * 2, () => {
      master.way.answerLateMs = 0
    })
  }

  // --- faults of two masters

  #promote(master: SimMaster): void {
    this.spawn(async () => void (await master.member?.promote(false)))
  }

  #otherOf(master: SimMaster): SimMaster {
    return this.masters.find(other => other !== master) ?? master
  }

  /** A leader hangs, and a client loses it; somebody tells the other one to lead; then the first one goes on. */
  #promoteOther(leader: SimMaster): void {
    const other = this.#otherOf(leader)
    this.#partition(leader.host.address, clientAddress(0), 6000)
    leader.freezer.freeze()
    this.#promote(other)
    const thaw = () => leader.freezer.thaw()
    const thawWhenOtherLeads = () => {
      if (other.member?.role !== 'leading') this.scheduler.at(50, thawWhenOtherLeads)
      else this.scheduler.at(200 + this.scheduler.random() * 1000, thaw)
    }
    if (this.scheduler.random() < 0.5) thawWhenOtherLeads()
    // However that goes.
    this.scheduler.at(1500 + this.scheduler.random() * 3000, thaw)
  }

  /** Both have the address: keepalived's advertisements get lost, all else arrives. */
  #promoteBoth(): void {
    for (const master of this.masters) {
      master.kill()
      this.#restartLater(master, 300)
    }
    this.scheduler.at(500 + this.scheduler.random() * 1000, () => {
      for (const master of this.masters) this.#promote(master)
    })
  }

  /**
   * The same, but the other one hangs when the first one goes on: when it leads already, or a moment before it would.
   * Keepalived hangs with both.
   */
  #freezeInTurn(leader: SimMaster): void {
    const other = this.#otherOf(leader)
    if (this.keepalived) this.keepalived.blindUntilMs = this.scheduler.nowMs + 11_000
    leader.freezer.freeze()
    this.#promote(other)
    const leads = this.scheduler.random() < 0.5
    const ms = (leads ? 4500 : 1600) + this.scheduler.random() * 500
    this.scheduler.at(ms, () => leader.freezer.thaw())
    this.scheduler.at(leads ? ms : ms + 500, () => other.freezer.freeze())
    this.scheduler.at(11_000, () => other.freezer.thaw())
  }

  /** Somebody has the other one lead and it ends, all while keepalived hangs: the address stays at the first one. */
  #promoteUnseen(leader: SimMaster): void {
    const other = this.#otherOf(leader)
    if (this.keepalived) this.keepalived.blindUntilMs = this.scheduler.nowMs + 9000
    this.#promote(other)
    this.scheduler.at(5000 + this.scheduler.random() * 1500, () => other.kill())
    this.#restartLater(other, 7000)
  }

  /**
   * The follower is told to lead while the leader hangs, and hangs itself before it does. The leader learns of it and takes
   * the lead back; as soon as it has it, or seconds later when it has just ended, the other one wakes.
   */
  #sleepWhileStanding(leader: SimMaster): void {
    const { scheduler } = this
    const other = this.#otherOf(leader)
    if (this.keepalived) this.keepalived.blindUntilMs = scheduler.nowMs + 11_000
    leader.freezer.freeze()
    this.#promote(other)
    this.#when(
      () => other.member?.role === 'standing',
      3000,
      () => {
        // It has given up asking the leader, and waits for the end of that one's lease.
        scheduler.at(1100, () => leader.freezer.thaw())
        scheduler.at(1100 + scheduler.random() * 25, () => other.freezer.freeze())
        scheduler.at(1400, () => this.#promote(leader))
      },
    )
    const endMs = 7500 + scheduler.random() * 1500
    const wake = () => scheduler.at(scheduler.random() * 200, () => other.freezer.thaw())
    if (scheduler.random() < 0.5)
      scheduler.at(1600, () => this.#when(() => leader.member?.role === 'leading', 5000, wake))
    scheduler.at(endMs, () => {
      leader.freezer.thaw()
      leader.kill()
      wake()
    })
    this.#restartLater(leader, endMs + 5000)
  }

  /** Does something as soon as it `is` so, if that is within the time. */
  #when(is: () => boolean, withinMs: number, action: () => void): void {
    if (is()) action()
    else if (withinMs > 0) this.scheduler.at(20, () => this.#when(is, withinMs - 20, action))
  }

  /** The leader loses its follower, goes on or not, and its power before the follower has come again. */
  #cutAndKill(leader: SimMaster): void {
    this.network.cutBetween(leader.host.address, this.#otherOf(leader).host.address)
    this.scheduler.at(10 + this.scheduler.random() * 250, () => leader.powerCut())
    this.#restartLater(leader, 8000)
  }

  /** A follower wakes after a long time, just when its leader has ended, with or without its machine. */
  #wakeAlone(leader: SimMaster): void {
    const { freezer } = this.#otherOf(leader)
    const ms = 5000 + this.scheduler.random() * 3000
    freezer.freeze()
    this.scheduler.at(ms - this.scheduler.random() * 500, () =>
      this.scheduler.random() < 0.5 ? leader.kill() : leader.powerCut(),
    )
    this.scheduler.at(ms, () => freezer.thaw())
    this.#restartLater(leader, ms + 8000)
  }

  /** The follower ends, the leader goes on and ends too; both are started again and told to lead. */
  #killInTurn(leader: SimMaster): void {
    const other = this.#otherOf(leader)
    other.kill()
    this.scheduler.at(4000, () => leader.kill())
    for (const master of [leader, other]) this.#restartLater(master, 4300)
    this.scheduler.at(4500 + this.scheduler.random() * 1000, () => this.#promote(other))
  }

  /** The leader is killed, leads again at once, and ends before its follower has come back; that one is told to lead. */
  #leadAlone(leader: SimMaster): void {
    const { scheduler } = this
    const other = this.#otherOf(leader)
    leader.kill()
    this.#restartLater(leader, 200 + scheduler.random() * 300)
    const promote = () => {
      if (leader.member) this.#promote(leader)
      else if (!this.isPeace) scheduler.at(20, promote)
    }
    scheduler.at(500, promote)
    const endWhenItLeads = () => {
      if (leader.member?.role !== 'leading') return this.isPeace || scheduler.at(5, endWhenItLeads)
      return scheduler.at(50 + scheduler.random() * 150, () => leader.kill())
    }
    scheduler.at(510, endWhenItLeads)
    scheduler.at(1500 + scheduler.random() * 500, () => this.#promote(other))
    this.#restartLater(leader, 8000)
  }

  // --- faults of masters with a witness

  /** Everything to all other masters, both ways. */
  #cutFromMasters(master: SimMaster, ms: number): void {
    for (const other of this.masters) {
      if (other !== master) this.#partition(master.host.address, other.host.address, ms)
    }
  }

  /** The leader goes on with the witness only, and ends; another master may lead by what the witness has. */
  #leaveToWitness(leader: SimMaster): void {
    const { scheduler } = this
    const ms = 2500 + scheduler.random() * 2500
    this.#cutFromMasters(leader, ms)
    scheduler.at(ms, () => (scheduler.random() < 0.5 ? leader.kill() : leader.powerCut()))
    this.#restartLater(leader, ms + (scheduler.random() < 0.5 ? 50 : 7000 * scheduler.random()))
  }

  /** The same, but it only sleeps for a while. */
  #sleepBesideWitness(leader: SimMaster): void {
    const { freezer } = leader
    this.#cutFromMasters(leader, 3000)
    this.scheduler.at(3000, () => freezer.freeze())
    this.scheduler.at(7500 + this.scheduler.random() * 500, () => freezer.thaw())
  }

  /** The same, and its disk is lost. */
  #loseAllButWitness(leader: SimMaster): void {
    const ms = 3000 + this.scheduler.random() * 1000
    this.#cutFromMasters(leader, ms)
    this.scheduler.at(ms, () => this.#loseDisk(leader))
  }

  /**
   * The leader, with the witness only, loses etcd and may not notice for a while; the witness loses its power when
   * another master leads by what it had, and hears nothing of that one when it is back.
   */
  #claimBehindBack(leader: SimMaster, witness: SimWitness): void {
    const { scheduler } = this
    const other = this.#otherOf(leader)
    this.#cutFromMasters(leader, 14_000)
    scheduler.at(5000, () => {
      this.#cutEtcd(leader, 8000)
      // Or its clock on the wall would tell it, however slow the other one is.
      if (this.#clocksLie) this.#setClockAhead(leader, -10_000, 8000)
    })
    const strike = () => {
      if (other.member?.role !== 'leading') return this.isPeace || scheduler.at(20, strike)
      this.#partition(other.host.address, WITNESS, 3000)
      witness.powerCut()
      this.#restartLater(witness, 50)
    }
    if (scheduler.random() < 0.7) scheduler.at(8000, strike)
  }

  #stop(master: SimMaster): void {
    this.spawn(async () => {
      const { freezer } = master
      if (freezer.isFrozen) freezer.thaw()
      await master.stop()
    })
    this.#restartLater(master, 6000 + this.#span())
  }

  #failDisk(master: SimMaster | SimWitness): void {
    const { disk } = master.host
    disk.fault = this.scheduler.random() < 0.5 ? { writes: 'ENOSPC' } : { syncs: 'EIO' }
    this.scheduler.at(this.#span(), () => {
      disk.fault = {}
      this.#restartLater(master, this.#span())
    })
  }

  /** Only while another copy of the log that is in sync has everything: nothing survives the loss of the last one. */
  #loseDisk(master: SimMaster | SimWitness): void {
    const lost = master instanceof SimMaster ? master.member?.id : master.witness?.id
    if (this.#isLosing || lost === undefined) return
    this.#isLosing = true
    master.kill()
    const { life } = master
    // What it sent to etcd before it was killed may still arrive, also if another fault has started and killed it since.
    this.scheduler.at(4000, () => {
      if (master.life === life && this.#hasCopy()) master.loseDisk()
      this.#restartLater(master, 0)
      this.#untilForgotten(lost)
    })
  }

  #isLosing = false

  #hasCopy(): boolean {
    const copies = [...this.masters.map(({ member }) => member?.id), this.witness?.witness?.id]
    return copies.some(id => id !== undefined && this.#isInSync(id))
  }

  #isInSync(member: string): boolean {
    const text = this.etcd.value('/sim/log')
    if (text === undefined) return false
    const { inSync, witnesses } = parseLog('log', text)
    return inSync.includes(member) || witnesses.some(witness => witness.member === member)
  }

  /** The next disk is lost only when this one's log has left the record. */
  #untilForgotten(member: string): void {
    if (this.#isInSync(member)) this.scheduler.at(100, () => this.#untilForgotten(member))
    else this.#isLosing = false
  }

  // --- peace

  /** Everything works again and everybody is started. */
  makePeace(): void {
    this.isPeace = true
    this.#blocked.clear()
    this.#cutFromEtcd.clear()
    this.network.heal()
    for (const master of this.masters) {
      master.way.troubleOneIn = 0
      master.way.answerLateMs = 0
      master.host.disk.fault = {}
      master.freezer.wallAheadMs = 0
      if (master.freezer.isFrozen) master.freezer.thaw()
    }
    const { witness } = this
    if (witness) {
      witness.host.disk.fault = {}
      if (witness.freezer.isFrozen) witness.freezer.thaw()
    }
    const revive = () => {
      for (const host of [...this.masters, ...(witness ? [witness] : [])]) {
        if (!host.isUp) this.spawn(() => host.start())
      }
      // Always: a stop that was asked for in the war may come to its end later.
      this.scheduler.at(500, revive)
    }
    revive()
  }

  /** One leads, and all others are in sync with it. */
  isSettled(): boolean {
    const leading = this.masters.filter(({ member }) => member?.role === 'leading')
    const [leader] = leading
    if (leading.length !== 1 || !leader?.member?.leadership) return false
    const { inSync, witnesses, epoch } = leader.member.leadership
    // A leader that has just woken may still think so of those who lead since then.
    const following = this.masters.filter(({ member }) => {
      const it = member?.following
      return it?.isInSync && it.leader.epoch === epoch
    })
    const areAllThere = inSync.length === this.masters.length && following.length === this.masters.length - 1
    return areAllThere && witnesses.length === (this.witness ? 1 : 0)
  }
}

function operationsOf(clients: readonly SimClient[], group: number): Operation<Call, Result>[] {
  const all = clients.flatMap(({ history }) => history).filter(({ call }) => call.name[0] === 'ab'[group])
  // A look that saw nothing explains nothing, and would only make the search wider.
  return all.filter(({ call, answer }) => answer || call.op !== 'lookup')
}

/** Every epoch has one leader, and what was acknowledged in a later one has a higher version. */
function checkEpochs(clients: readonly SimClient[]): void {
  const acknowledged = clients.flatMap(client => client.acknowledged).sort((a, b) => a.epoch - b.epoch)
  const leaders = new Map<number, string>()
  let highest = 0
  let highestBefore = 0
  let epochBefore = 0
  for (const { epoch, version, master } of acknowledged) {
    const leader = leaders.get(epoch) ?? master
    if (leader !== master) throw new Broke(`${leader} and ${master} both acknowledged in epoch ${epoch}`)
    leaders.set(epoch, master)
    if (epoch > epochBefore) {
      highestBefore = highest
      epochBefore = epoch
    }
    if (version < highestBefore) {
      throw new Broke(`version ${version} acknowledged in epoch ${epoch}, ${highestBefore} in one before`)
    }
    highest = Math.max(highest, version)
  }
}

/** Reads, and refusals for what was read, count only from `readsFromMs` on. */
function checkHistory(clients: readonly SimClient[], readsFromMs: number): void {
  for (let group = 0; group < GROUPS; group++) {
    const history = operationsOf(clients, group).filter(
      ({ call, invokedMs, answer }) =>
        invokedMs >= readsFromMs || !answer || (call.op !== 'lookup' && answer.result.status === 0),
    )
    let isRight = true
    try {
      isRight = isLinearizable(namesModel, history)
    } catch (error) {
      if (!(error instanceof TooWide)) throw error
    }
    if (!isRight) throw new Broke(`the history of group ${group} has no order:\n${historyText(history)}`)
  }
}

const historyText = (history: readonly Operation<Call, Result>[]) =>
  [...history]
    .sort((a, b) => a.invokedMs - b.invokedMs)
    .map(({ call, invokedMs, answer }) => {
      const end = answer ? `${answer.atMs.toFixed(0)} ${JSON.stringify(answer.result)}` : 'no answer'
      return `  ${invokedMs.toFixed(0)} ${JSON.stringify(call)} ${end}`
    })
    .join('\n')

function checkStates(masters: readonly SimMaster[]): void {
  const [first, ...others] = masters.map(({ state }) => (state ? canonicalLines(state) : []))
  others.forEach((lines, i) => {
    const differing = (first ?? []).find((line, at) => line !== lines[at])
    if (differing !== undefined || lines.length !== first?.length) {
      throw new Broke(`m1 and m${i + 2} differ: ${differing}`)
    }
  })
}

/** Its folder alone leads to what the masters have, whoever served it. */
async function checkMetalogger(world: World): Promise<void> {
  const { scheduler, masters, metalogger } = world
  const alarm = metalogger.host.messages.find(message => message.includes('ALARM'))
  if (alarm) throw new Broke(alarm)
  const isUp = () => (metalogger.metalogger?.lastId ?? 0) + 1 === masters[0]?.member?.replica.version
  // Lines that nobody asked for come all the time.
  for (let tries = 0; tries < RESTORES; tries++) {
    await scheduler.until(isUp, SETTLE_MS, 'the last line at the metalogger')
    const restored = await world.outcome(() => metalogger.restored())
    if (restored === masters[0]?.state?.digest()) return
    await scheduler.run(100)
  }
  throw new Broke('the files of the metalogger lead to another state')
}

/** Runs one history. @throws Broke, or what went wrong in the masters, with the last messages of all of them */
export async function runWorld(options: WorldOptions): Promise<WorldReport> {
  const world = new World(options)
  try {
    await runStory(world, options)
    return reportOf(world, options.seed)
  } catch (error) {
    throw Object.assign(error as Error, { messages: messagesIn(world) })
  }
}

/** What all masters logged, in the order of time. */
function messagesIn({ masters, metalogger, witness }: World): string[] {
  const messages = [...masters, metalogger, ...(witness ? [witness] : [])].flatMap(({ host }) => host.messages)
  return messages.sort((a, b) => Number.parseFloat(a) - Number.parseFloat(b))
}

/** @throws Broke when the history proves nothing, or a master's state once differed from the leader's */
function reportOf(world: World, seed: number): WorldReport {
  const all = world.clients.flatMap(({ history }) => history)
  const messages = messagesIn(world)
  const differing = messages.find(message => message.includes('its state differs'))
  if (differing) throw new Broke(differing)
  const acknowledged = all.filter(({ answer }) => answer).length
  if (acknowledged === 0) throw new Broke('nothing was acknowledged: this run proves nothing')
  return {
    seed,
    faults: world.faults,
    acknowledged,
    unanswered: all.length - acknowledged,
    epochs: world.leader()?.member?.replica.epochs.length ?? 0,
    fetches: messages.filter(message => message.includes('fetching a checkpoint')).length,
    relayed: world.relayed,
    retrieved: messages.filter(message => message.includes('has all that the witness')).length,
    cuts: messages.filter(message => message.includes('never acknowledged, are kept')).length,
  }
}

async function runStory(
  world: World,
  { faultMs = 10_000, faultEveryMs = 2000, clocksLie = false, pair = false }: WorldOptions,
): Promise<void> {
  const { scheduler, masters, clients } = world
  const checkBroke = () => {
    const failure = world.broke ?? [world.witness, ...masters].find(host => host?.failure)?.failure
    if (failure) throw failure
  }
  world.spawn(async () => {
    for (const master of masters) await master.format()
    for (const master of masters) world.spawn(() => master.start())
    for (const client of clients) world.spawn(() => client.run())
    world.spawn(() => world.metalogger.start())
    if (world.witness) world.spawn(async () => world.witness?.start())
    if (pair) world.keepalived = new KeepalivedModel(scheduler, masters, work => world.spawn(work))
  })
  await scheduler.until(() => world.leader() !== undefined || world.broke !== undefined, SETTLE_MS, 'the first leader')
  await scheduler.run(500 + scheduler.random() * 1000)
  for (let untilMs = scheduler.nowMs + faultMs; scheduler.nowMs < untilMs; ) {
    await scheduler.run(scheduler.random() * faultEveryMs)
    world.makeFault()
    checkBroke()
  }
  world.makePeace()
  const peaceMs = scheduler.nowMs + LIES_LAST_MS
  await untilPeace(world)
  checkBroke()
  // Readers see what became of every name.
  const answered = clients.reduce((sum, client) => sum + client.acknowledged.length, 0)
  const enough = () => clients.reduce((sum, client) => sum + client.acknowledged.length, 0) > answered + 20
  await scheduler.until(() => enough() || world.broke !== undefined, SETTLE_MS, 'answers after peace')
  for (const client of clients) client.isStopped = true
  await scheduler.run(ANSWER_MS_MAX)
  await scheduler.until(() => world.isSettled() || world.broke !== undefined, SETTLE_MS, 'peace at the end')
  checkBroke()
  checkEpochs(clients)
  checkHistory(clients, clocksLie === false ? 0 : peaceMs)
  const versions = () => new Set(masters.map(({ member }) => member?.replica.version))
  await scheduler.until(() => versions().size === 1, SETTLE_MS, 'the same version everywhere')
  checkStates(masters)
  await checkMetalogger(world)
  if (world.witness) await checkWitness(world, world.witness)
}

/** @throws Broke when a cluster with a witness cannot go on: then a copy that was to be used could not be */
async function untilPeace(world: World): Promise<void> {
  const isOver = () => world.isSettled() || world.broke !== undefined
  try {
    await world.scheduler.until(isOver, SETTLE_MS, 'peace')
  } catch (error) {
    throw world.witness ? new Broke((error as Error).message) : error
  }
}

/** Its folder alone leads to what the masters have. */
async function checkWitness(world: World, witness: SimWitness): Promise<void> {
  const { scheduler, masters } = world
  for (let tries = 0; tries < RESTORES; tries++) {
    const isUp = () => witness.witness?.durable === masters[0]?.member?.replica.version
    await scheduler.until(isUp, SETTLE_MS, 'the last line at the witness')
    if ((await world.outcome(() => witness.restored())) === masters[0]?.state?.digest()) return
    await scheduler.run(100)
  }
  throw new Broke('the files of the witness lead to another state')
}
