// Files that have not changed for as long as their storage class says become archived: their chunks then want the copies
// of its archive definition (spec master-behaviour 6.7).
import { changeArchived } from '../metadata/namespace/apply-recursive.ts'
import type { State } from '../metadata/state.ts'
import type { Inode, Seconds } from '../metadata/types.ts'
import type { Ledger } from './ledger.ts'

const DAY_SECONDS = 86_400
/** Every file is looked at once in that time, whatever their number. */
const PASS_SECONDS = 3300
const SET = 1
const ROOT_UID = 0

export class Archiving {
  readonly #ledger: Ledger
  #cursor: Inode = 1

  constructor(ledger: Ledger) {
    this.#ledger = ledger
  }

  /** Once a second. */
  tick(): void {
    const { state } = this.#ledger
    if (!state.storageClasses.entries().some(([, { archiveDelayDays }]) => archiveDelayDays > 0)) return
    for (let left = Math.ceil(state.nodes.maxInode / PASS_SECONDS); left > 0; left--) {
      this.#cursor = this.#cursor >= state.nodes.maxInode ? 1 : this.#cursor + 1
      this.#look(this.#cursor)
    }
  }

  #look(inode: Inode): void {
    const { state } = this.#ledger
    const ts = this.#ledger.now()
    if (!isDue(state, inode, ts)) return
    const change = { inode, uid: ROOT_UID, command: SET }
    const counts = changeArchived(state, change, undefined)
    if (counts.changed > 0) this.#ledger.commit({ op: 'ARCHCHG', ts, ...change, ...counts })
  }
}

function isDue({ nodes, storageClasses }: State, inode: Inode, now: Seconds): boolean {
  if (!nodes.isFile(inode)) return false
  const days = storageClasses.get(nodes.sclassId.get(inode))?.archiveDelayDays ?? 0
  return days > 0 && nodes.ctime.get(inode) + days * DAY_SECONDS < now
}
