// What a master does by the clock: empty the trash, let go of unlinked files, free inode numbers, watch the quotas
// (spec metadata 5.1).
import { abandonedFiles, expiredTrash } from '../metadata/namespace/apply-trash.ts'
import { graceEnd, isOverSoftLimit } from '../metadata/quota/usage.ts'
import type { Inode } from '../metadata/types.ts'
import type { Ledger } from './ledger.ts'

const FREE_INODES_EVERY = 60
const HOUR = 3600
/** Buckets and files in them that are looked at in one second: a small trash is gone through every second. */
const LOOKS_PER_TICK = 20_000

export class Rounds {
  readonly #ledger: Ledger
  readonly #inodeReuseDelay: number
  readonly #quotaGraceSeconds: number
  #turn = 0
  #hour: number
  #trashBucket = 0
  #sustainedBucket = 0

  /** @param inodeReuseDelay seconds */
  constructor(ledger: Ledger, inodeReuseDelay: number, quotaGraceSeconds: number) {
    this.#ledger = ledger
    this.#inodeReuseDelay = inodeReuseDelay
    this.#quotaGraceSeconds = quotaGraceSeconds
    this.#hour = Math.floor(ledger.now() / HOUR)
  }

  /** Once a second. */
  tick(): void {
    const { trashLists, sustainedLists } = this.#ledger.state
    this.#trashBucket = this.#goThrough(trashLists, this.#trashBucket, bucket => this.#emptyTrash(bucket))
    this.#sustainedBucket = this.#goThrough(sustainedLists, this.#sustainedBucket, b => this.#emptySustained(b))
    if (this.#turn % FREE_INODES_EVERY === 0) this.#freeInodes()
    this.#checkQuotas()
    this.#turnHour()
    this.#turn++
  }

  /** What sessions did in the hour that is over is kept until the next one is. */
  #turnHour(): void {
    const hour = Math.floor(this.#ledger.now() / HOUR)
    if (hour === this.#hour) return
    this.#hour = hour
    for (const [, session] of this.#ledger.state.sessions.entries()) {
      session.lastCounters = session.currentCounters
      session.currentCounters = new Uint32Array(session.lastCounters.length)
    }
  }

  /** Each bucket at most once, as many as there is time for. @returns where to go on */
  #goThrough(lists: readonly number[], from: number, visit: (bucket: number) => void): number {
    const { length } = this.#ledger.state.lists
    let bucket = from
    for (let looks = 0, n = 0; n < lists.length && looks < LOOKS_PER_TICK; n++) {
      const files = length.get(lists[bucket] as number)
      looks += 1 + files
      if (files > 0) visit(bucket)
      bucket = (bucket + 1) % lists.length
    }
    return bucket
  }

  #emptyTrash(bucket: number): void {
    const ts = this.#ledger.now()
    const inodes = expiredTrash(this.#ledger.state, bucket, ts)
    if (inodes.length === 0) return
    const kept = inodes.filter(inode => this.#ledger.state.openFiles.isOpen(inode)).length
    this.#ledger.commit({ op: 'EMPTYTRASH', ts, bucket, freed: inodes.length - kept, kept, checksum: xor(inodes) })
  }

  #emptySustained(bucket: number): void {
    const inodes = abandonedFiles(this.#ledger.state, bucket)
    if (inodes.length === 0) return
    const ts = this.#ledger.now()
    this.#ledger.commit({ op: 'EMPTYSUSTAINED', ts, bucket, freed: inodes.length, checksum: xor(inodes) })
  }

  #freeInodes(): void {
    const { state } = this.#ledger
    const ts = this.#ledger.now()
    const delay = this.#inodeReuseDelay
    const inodes: Inode[] = []
    for (const { inode, freedAt } of state.freeInodes.entries()) {
      if (freedAt + delay >= ts) break
      inodes.push(inode)
    }
    if (inodes.length === 0) return
    const kept = inodes.filter(inode => state.openFiles.isOpen(inode)).length
    this.#ledger.commit({ op: 'FREEINODES', ts, delay, freed: inodes.length - kept, kept, checksum: xor(inodes) })
  }

  #checkQuotas(): void {
    const { state } = this.#ledger
    const ts = this.#ledger.now()
    for (const [inode, quota] of [...state.quotas.entries()]) {
      const over = isOverSoftLimit(quota, state.lists.stats(state.nodes.directoryRow(inode)))
      const softSince = over ? quota.softSince || ts : 0
      const exceeded = over && graceEnd({ ...quota, softSince }, this.#quotaGraceSeconds) < ts
      if (softSince === quota.softSince && exceeded === quota.exceeded) continue
      this.#ledger.commit({ op: 'QUOTA', ts, inode, ...quota, softSince, exceeded })
    }
  }
}

const xor = (inodes: Inode[]) => inodes.reduce((sum, inode) => (sum ^ inode) >>> 0, 0)
