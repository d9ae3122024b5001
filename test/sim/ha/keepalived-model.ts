// Keepalived on two masters: one of them has the address, as long as it may have it; who gets it is told to lead, and who
// loses it not to. It looks at the address only, never at who leads.
import type { Member } from '../../../src/ha/member.ts'
import type { Scheduler } from '../scheduler.ts'
import type { SimMaster } from './master.ts'

const LOOK_MS = 100
/** Without an advertisement for so long the other one takes the address. */
const TAKEOVER_MS = 400
/** Until mfsha has been started and has said its word. */
const NOTIFY_MS = 300
/** A master that hangs for so long is found out by the age of its file. */
const STALE_MS = 2500

export class KeepalivedModel {
  readonly #scheduler: Scheduler
  readonly #masters: readonly SimMaster[]
  readonly #spawn: (work: () => Promise<void>) => void
  readonly #aliveMs = new Map<SimMaster, number>()
  readonly #lives = new Map<SimMaster, Member>()
  #holder: SimMaster | undefined
  #vacantMs = 0
  /** Notices nothing before this. */
  blindUntilMs = 0

  constructor(scheduler: Scheduler, masters: readonly SimMaster[], spawn: (work: () => Promise<void>) => void) {
    this.#scheduler = scheduler
    this.#masters = masters
    this.#spawn = spawn
    this.#look()
  }

  /** By the file that its master writes; one that was killed takes it away at once. */
  #mayHave(master: SimMaster): boolean {
    const { nowMs } = this.#scheduler
    if (!master.member) return false
    // One that was started again offers itself a moment later, so that its former life is seen to be over.
    if (this.#lives.get(master) !== master.member) {
      this.#lives.set(master, master.member)
      return false
    }
    if (!master.freezer.isFrozen) this.#aliveMs.set(master, nowMs)
    return master.member.isFit && nowMs - (this.#aliveMs.get(master) ?? 0) < STALE_MS
  }

  #look(): void {
    this.#scheduler.at(LOOK_MS, () => this.#look())
    const { nowMs } = this.#scheduler
    if (nowMs < this.blindUntilMs) return
    const former = this.#holder
    if (former && !this.#mayHave(former)) {
      this.#holder = undefined
      this.#vacantMs = nowMs
      this.#notify(former, 'demote')
    }
    if (!this.#holder && nowMs - this.#vacantMs >= TAKEOVER_MS) {
      this.#holder = this.#masters.find(master => this.#mayHave(master))
      if (this.#holder) this.#notify(this.#holder, 'promote')
    }
  }

  #notify(master: SimMaster, command: 'promote' | 'demote'): void {
    this.#scheduler.at(NOTIFY_MS, () => {
      const { member } = master
      if (!member) return
      // It reaches a process that was stopped when that goes on.
      master.freezer.gate(() =>
        this.#spawn(async () => void (await (command === 'promote' ? member.promote(false) : member.demote()))),
      )
    })
  }
}
