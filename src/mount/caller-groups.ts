// The groups of the process that asks. FUSE tells uid and primary gid; the others are read from /proc
// (spec client-master 4.1, 7.3).
import { readFileSync } from 'node:fs'
import type { Clock } from '../env/env.ts'
import type { Request } from './file-system.ts'

interface Known {
  uid: number
  gid: number
  groups: number[]
  untilMs: number
}

/** Processes remembered; when there are more, all are forgotten. */
const KNOWN_MAX = 10_000
/** Linux allows 65536; the master's packets have their own limit. */
const GROUPS_MAX = 65_536

export class CallerGroups {
  readonly #clock: Clock
  readonly #keepMs: number
  readonly #known = new Map<number, Known>()
  readonly #rootIsRoot: () => boolean
  readonly #readStatus: (pid: number) => string

  /**
   * @param keepSeconds 0: send the primary group only, as the original does with mfsgroupscacheto=0
   * @param rootIsRoot whether the master lets user 0 do everything: its groups then do not matter
   */
  constructor(clock: Clock, keepSeconds: number, rootIsRoot: () => boolean, readStatus = readProcStatus) {
    this.#clock = clock
    this.#keepMs = keepSeconds * 1000
    this.#rootIsRoot = rootIsRoot
    this.#readStatus = readStatus
  }

  /** The primary group first, then the supplementary ones. The array is shared: do not change it. */
  of(request: Request): number[] {
    const { pid, uid, gid } = request
    if (this.#keepMs === 0 || pid === 0) return [gid]
    // Programs that change their groups and go on asking are root's.
    if (uid === 0) return this.#rootIsRoot() ? [gid] : this.#read(pid, gid)
    const now = this.#clock.monotonicMs()
    const known = this.#known.get(pid)
    if (known && known.uid === uid && known.gid === gid && now < known.untilMs) return known.groups
    const groups = this.#read(pid, gid)
    if (this.#known.size >= KNOWN_MAX) this.#known.clear()
    this.#known.set(pid, { uid, gid, groups, untilMs: now + this.#keepMs })
    return groups
  }

  #read(pid: number, gid: number): number[] {
    try {
      const line = /^Groups:\s*(.*)$/m.exec(this.#readStatus(pid))?.[1] ?? ''
      const others = line.split(/\s+/).filter(Boolean).map(Number)
      return [gid, ...new Set(others.filter(other => other !== gid && Number.isInteger(other)))].slice(0, GROUPS_MAX)
    } catch {
      // The process is gone, or hidden from us.
      return [gid]
    }
  }
}

function readProcStatus(pid: number): string {
  return readFileSync(`/proc/${pid}/status`, 'latin1')
}
