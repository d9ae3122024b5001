// Folders that a master of ours has lent to us: we know all of their names, and say by ourselves which are not there.
//
// The master calls a folder back before it tells anybody that somebody else has changed a name in it. What it can't reach us
// to say we must not deny: so a folder is trusted only for LENT_MS after we sent a question that was answered on the same
// connection, and a word from the master that came before the answer has been heard by then (protocol/lending.ts).
//
// Our own changes are applied here as they come back. A name that is being changed may be there or not until then, and so may
// one that two of us changed at a time.
import type { Caller } from '../protocol/attributes.ts'
import { LENT_AT_MOST_MS, LENT_MS } from '../protocol/lending.ts'
import { Recent } from '../util/recent.ts'

/** After so many names that were not there ... */
const MISSED_NAMES = 3
/** ... within this time a folder is worth its names. */
const MISSED_MS = 10_000
/** A folder in which others work is asked for again after ... */
const RECALLED_MS = 30_000
/** ... and one that the master did not lend after ... */
const REFUSED_MS = 60_000
const REMEMBERED = 1000
/** In all folders. */
const NAMES_MAX = 200_000
const FOLDERS_MAX = 500

/** The master, as far as it lends. */
export interface Lender {
  nowMs(): number
  /** When the last question was sent that has been answered on the present connection. */
  answeredSinceMs(): number
  /** All names of a folder, which is lent from the moment that they are of; undefined when it is not. */
  borrow(folder: number, caller: Caller): Promise<Iterable<string> | undefined>
  giveBack(folder: number): void
}

interface Borrowed {
  /** All that may be there. */
  readonly names: Set<string>
  readonly untilMs: number
}

/** A name in a folder. */
interface Place {
  readonly folder: number
  readonly name: string
}

/** A name that we are changing. */
interface Changing extends Place {
  /** The folder as it was borrowed before. */
  readonly borrowed: Borrowed | undefined
  /** Nobody else of us has changed the name meanwhile. */
  isAlone: boolean
}

export class BorrowedFolders {
  readonly #lender: Lender
  /** The oldest first. */
  readonly #folders = new Map<number, Borrowed>()
  /** Folders whose names are on their way, with those that we have changed since they were asked for. */
  readonly #asked = new Map<number, Set<string>>()
  readonly #changing = new Map<number, Set<Changing>>()
  readonly #missed: Recent<number, number>
  /** Not to be asked for again yet. */
  readonly #resting: Recent<number, true>
  #names = 0

  constructor(lender: Lender) {
    this.#lender = lender
    const nowMs = () => lender.nowMs()
    this.#missed = new Recent(REMEMBERED, nowMs)
    this.#resting = new Recent(REMEMBERED, nowMs)
  }

  /** Whether the name is not in the folder, for sure. */
  lacks(folder: number, name: string): boolean {
    const borrowed = this.#folders.get(folder)
    if (!borrowed || borrowed.names.has(name) || name === '.' || name === '..') return false
    const nowMs = this.#lender.nowMs()
    if (nowMs >= borrowed.untilMs) this.#drop(folder)
    else return nowMs < this.#lender.answeredSinceMs() + LENT_MS
    return false
  }

  /** The master has said that a name is not there: where many are not, it shall lend the folder. */
  missed(folder: number, caller: Caller): void {
    const times = (this.#missed.get(folder) ?? 0) + 1
    this.#missed.set(folder, times, MISSED_MS)
    if (times < MISSED_NAMES || this.#folders.has(folder) || this.#asked.has(folder)) return
    if (!this.#resting.get(folder)) void this.#borrow(folder, caller)
  }

  async #borrow(folder: number, caller: Caller): Promise<void> {
    const touched = new Set<string>()
    for (const { name } of this.#changing.get(folder) ?? []) touched.add(name)
    this.#asked.set(folder, touched)
    const untilMs = this.#lender.nowMs() + LENT_AT_MOST_MS
    const names = await this.#lender.borrow(folder, caller)
    // It has been called back already, or the connection is another one.
    if (this.#asked.get(folder) !== touched) return
    this.#asked.delete(folder)
    if (!names) return this.#resting.set(folder, true, REFUSED_MS)
    for (const name of names) touched.add(name)
    this.#folders.set(folder, { names: touched, untilMs })
    this.#names += touched.size
    this.#trim()
  }

  #trim(): void {
    for (const folder of this.#folders.keys()) {
      if (this.#names <= NAMES_MAX && this.#folders.size <= FOLDERS_MAX) return
      this.#drop(folder)
    }
  }

  #drop(folder: number): void {
    this.#names -= this.#folders.get(folder)?.names.size ?? 0
    this.#folders.delete(folder)
  }

  /**
   * Lets folders follow a change of ours whose question is sent.
   * @param places the names that may be there from now on
   * @param isGone whether the first of them is surely not there any more
   */
  async follow<T>(places: readonly Place[], change: Promise<T>, isGone = (_result: T) => false): Promise<T> {
    const changing = places.map(place => this.#begun(place))
    let wasRemoved = false
    try {
      const result = await change
      wasRemoved = isGone(result)
      return result
    } finally {
      for (const [i, one] of changing.entries()) this.#ended(one, i === 0 && wasRemoved)
    }
  }

  #begun({ folder, name }: Place): Changing {
    const borrowed = this.#folders.get(folder)
    if (borrowed) this.#add(borrowed, name)
    this.#asked.get(folder)?.add(name)
    const going = this.#changing.get(folder) ?? new Set()
    const changing = { folder, name, borrowed, isAlone: true }
    for (const other of going) {
      if (other.name === name) other.isAlone = changing.isAlone = false
    }
    this.#changing.set(folder, going.add(changing))
    return changing
  }

  #ended(changing: Changing, isGone: boolean): void {
    const { folder, name, borrowed, isAlone } = changing
    const going = this.#changing.get(folder)
    going?.delete(changing)
    if (going?.size === 0) this.#changing.delete(folder)
    if (!isGone || !isAlone || !borrowed || this.#folders.get(folder) !== borrowed) return
    if (borrowed.names.delete(name)) this.#names--
  }

  #add(borrowed: Borrowed, name: string): void {
    const before = borrowed.names.size
    if (borrowed.names.add(name).size > before) this.#names++
  }

  /** Somebody else changes names in the folder. */
  recalled(folder: number): void {
    this.#drop(folder)
    this.#asked.delete(folder)
    this.#resting.set(folder, true, RECALLED_MS)
    this.#lender.giveBack(folder)
  }

  /** The connection is gone, and with it all that was lent. */
  forgetAll(): void {
    this.#folders.clear()
    this.#asked.clear()
    this.#names = 0
  }
}
