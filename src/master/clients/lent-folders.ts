// Folders that are lent to mounts of ours: as long as a mount has one, it says by itself which names are not in it.
//
// Whoever else changes names in such a folder, all who have it are told to give it back, and until they have nothing that
// follows from the change leaves this master: no answer, to nobody. So no one sees an effect of the change while a mount
// may still deny it. The change itself is made and goes to the log meanwhile.
//
// A mount that is gone holds nobody up for long. It trusts what it was lent only for LENT_MS after it sent a question that
// was answered, by its own clock, which says nothing of times of ours but how long they are. So HELD_MS after the
// last word to it the folder is back by itself, whether we hear of it or not. For the same reason a master that has just
// begun to lead waits as long with its first change of names: it does not know what the one before it had lent.
import type { Clock } from '../../env/env.ts'
import type { Entry, OperationName } from '../../metadata/changelog/entry.ts'
import type { Inode } from '../../metadata/types.ts'
import { HELD_MS, LENT_AT_MOST_MS } from '../../protocol/lending.ts'
import * as matocl from '../../protocol/matocl.ts'
import type { CommitRule } from '../live-ledger.ts'
import type { ClientPeer } from './context.ts'

/** To one mount; one that wants more has forgotten the oldest. */
const FOLDERS_MAX = 2000
/** Who keeps others waiting for longer gets no more on this connection. */
const SLOW_MS = 50

interface Loan {
  /** As the mount calls the folder. */
  readonly shown: Inode
  readonly sinceMs: number
}

/** The answer to a change of names waits for this. */
interface Recall {
  /** Of the state before the change. */
  readonly version: number
  readonly folder: Inode
  /** Undefined for what a former master may have lent. */
  readonly to: ClientPeer | undefined
  readonly sinceMs: number
}

/** The log's lines that leave all names where they are, and who may step into folders as well. */
const leavesNames: ReadonlySet<OperationName> = new Set([
  ...(['ACCESS', 'AMTIME', 'LENGTH', 'TRUNC', 'WRITE', 'UNLOCK', 'ROLLBACK', 'APPEND', 'SETFILECHUNK'] as const),
  ...(['REPAIR', 'SETPATH', 'PURGE', 'SETSCLASS', 'SETGOAL', 'SETTRASHTIME', 'ARCHCHG', 'QUOTA'] as const),
  ...(['SETXATTR', 'IDLE', 'SETMETAID', 'FREEINODES', 'EMPTYTRASH', 'EMPTYSUSTAINED', 'RENUMERATEEDGES'] as const),
  ...(['SESADD', 'SESCHANGED', 'SESDEL', 'SESDISCONNECTED', 'SESSION', 'CUSTOMER', 'ACQUIRE', 'RELEASE'] as const),
  ...(['FLOCK', 'POSIXLOCK', 'SCSET', 'SCDUP', 'SCREN', 'SCDEL', 'CSDBOP', 'CSADD', 'CSDEL'] as const),
  ...(['CHUNKADD', 'CHUNKDEL', 'SETVERSION', 'INCVERSION', 'NEXTCHUNKID'] as const),
])

/** Folders in which a line changes a name, or whom it lets step in; 'any' where the line does not say. */
export function foldersChanged(entry: Entry): readonly Inode[] | 'any' {
  if (leavesNames.has(entry.op)) return []
  switch (entry.op) {
    case 'CREATE':
    case 'SYMLINK':
    case 'LINK':
    case 'UNLINK':
      return [entry.parent]
    case 'MOVE':
      return [entry.parentSource, entry.parentTarget]
    case 'ATTR':
    case 'SETACL':
      return [entry.inode]
    default:
      return 'any'
  }
}

function callBack(to: ClientPeer, { shown }: Loan): void {
  if (to.sessionId !== 0) to.send(matocl.recallFolder.encode({ msgid: 0, inode: shown }))
}

export class LentFolders {
  readonly #clock: Clock
  readonly #folders = new Map<Inode, Map<ClientPeer, Loan>>()
  readonly #counts = new Map<ClientPeer, number>()
  readonly #slow = new WeakSet<ClientPeer>()
  /** Whose present request changes names: it knows that itself. */
  #author: ClientPeer | undefined
  /** In the order of the log. */
  #recalls: Recall[] = []
  /** What waits for them, in the order in which it became due. */
  #held: { version: number; action: () => void }[] = []
  /** Until then a mount may hold what a master before this one has lent it; 0 when that is over. */
  #formerUntilMs: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.#formerUntilMs = clock.monotonicMs() + HELD_MS
  }

  /**
   * Lends a folder until it is given back, or for LENT_AT_MOST_MS.
   * @param shown its number as the mount knows it
   * @returns false when it has too many, or was slow to give one back
   */
  lend(folder: Inode, shown: Inode, to: ClientPeer): boolean {
    if (this.#slow.has(to)) return false
    const loans = this.#folders.get(folder) ?? new Map<ClientPeer, Loan>()
    const count = this.#counts.get(to) ?? 0
    if (!loans.has(to)) {
      if (count >= FOLDERS_MAX) return false
      this.#counts.set(to, count + 1)
    }
    loans.set(to, { shown, sinceMs: this.#clock.monotonicMs() })
    this.#folders.set(folder, loans)
    return true
  }

  /** Runs a request that its sender applies to what it was lent itself. */
  byBorrower(author: ClientPeer, request: () => void): void {
    this.#author = author
    try {
      request()
    } finally {
      this.#author = undefined
    }
  }

  /** A line was applied. @param version of the state before it */
  changed(entry: Entry, version: number): void {
    if (this.#folders.size === 0 && this.#formerUntilMs === 0) return
    const folders = foldersChanged(entry)
    if (folders.length === 0) return
    if (this.#formerUntilMs !== 0) this.#awaitFormer(version)
    // What is changed besides what was asked for, such as by a snapshot, nobody works out for himself.
    const author = folders === 'any' ? undefined : this.#author
    for (const folder of folders === 'any' ? [...this.#folders.keys()] : folders) this.#recall(folder, author, version)
  }

  #awaitFormer(version: number): void {
    const nowMs = this.#clock.monotonicMs()
    if (nowMs >= this.#formerUntilMs) this.#formerUntilMs = 0
    else this.#await({ version, folder: 0, to: undefined, sinceMs: nowMs }, this.#formerUntilMs - nowMs)
  }

  #recall(folder: Inode, author: ClientPeer | undefined, version: number): void {
    const nowMs = this.#clock.monotonicMs()
    for (const [to, loan] of this.#folders.get(folder) ?? []) {
      if (to === author) continue
      const leftMs = to.saidMs + HELD_MS - nowMs
      callBack(to, loan)
      this.#drop(folder, to)
      if (leftMs > 0) this.#await({ version, folder, to, sinceMs: nowMs }, leftMs)
    }
  }

  #await(recall: Recall, mostMs: number): void {
    this.#recalls.push(recall)
    this.#clock.after(mostMs, () => this.#settle(one => one === recall))
  }

  /** A mount does not use a folder any more that was called back from it. */
  returned(shown: Inode, rootInode: Inode, from: ClientPeer): void {
    const folder = shown === 1 ? rootInode : shown
    this.#settle(recall => recall.to === from && recall.folder === folder)
  }

  /** The client says on another connection that it has given this one up: it trusts nothing of it. */
  gaveUp(borrower: ClientPeer): void {
    this.#forget(borrower)
    this.#settle(({ to }) => to === borrower)
  }

  #settle(isOver: (recall: Recall) => boolean): void {
    const left: Recall[] = []
    const slowBeforeMs = this.#clock.monotonicMs() - SLOW_MS
    for (const recall of this.#recalls) {
      if (!isOver(recall)) left.push(recall)
      else if (recall.to && recall.sinceMs < slowBeforeMs) this.#slow.add(recall.to)
    }
    if (left.length === this.#recalls.length) return
    this.#recalls = left
    while (this.#held[0] && this.#isFree(this.#held[0].version)) this.#held.shift()?.action()
  }

  /** Whether nothing below this version waits for a folder. */
  #isFree(version: number): boolean {
    const first = this.#recalls[0]
    return first === undefined || first.version >= version
  }

  /** What `rule` lets go leaves when the folders are back, too. */
  heldBack(rule: CommitRule): CommitRule {
    return (version, action) => rule(version, () => this.#whenBack(version, action))
  }

  #whenBack(version: number, action: () => void): void {
    if (this.#held.length === 0 && this.#isFree(version)) action()
    else this.#held.push({ version, action })
  }

  /**
   * Every some seconds: ends loans of folders that are gone, for their number may be given to another one, and forgets
   * those that have ended by themselves.
   */
  sweep(exists: (folder: Inode) => boolean): void {
    const nowMs = this.#clock.monotonicMs()
    const isOver = (to: ClientPeer, { sinceMs }: Loan) =>
      nowMs > sinceMs + LENT_AT_MOST_MS + HELD_MS || (to.sessionId === 0 && nowMs > to.saidMs + HELD_MS)
    for (const [folder, loans] of this.#folders) {
      const isGone = !exists(folder)
      for (const [to, loan] of loans) {
        if (isGone) callBack(to, loan)
        if (isGone || isOver(to, loan)) this.#drop(folder, to)
      }
    }
  }

  #forget(borrower: ClientPeer): void {
    if (!this.#counts.has(borrower)) return
    for (const folder of this.#folders.keys()) this.#drop(folder, borrower)
  }

  #drop(folder: Inode, to: ClientPeer): void {
    const loans = this.#folders.get(folder)
    if (!loans?.delete(to)) return
    if (loans.size === 0) this.#folders.delete(folder)
    const count = (this.#counts.get(to) ?? 0) - 1
    if (count > 0) this.#counts.set(to, count)
    else this.#counts.delete(to)
  }
}
