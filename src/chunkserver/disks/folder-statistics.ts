// What a disk did: for the lists of the monitoring tools.
import type { DiskFile, FileChange } from '../../env/disk.ts'
import type { Clock } from '../../env/env.ts'
import type { DiskStatistics } from '../../protocol/cstocl.ts'

const MINUTES_KEPT = 1440

function nothing(): DiskStatistics {
  return {
    bytesRead: 0,
    bytesWritten: 0,
    usecRead: 0,
    usecWrite: 0,
    usecSync: 0,
    reads: 0,
    writes: 0,
    syncs: 0,
    usecReadMax: 0,
    usecWriteMax: 0,
    usecSyncMax: 0,
  }
}

type Key = keyof DiskStatistics
const keys = Object.keys(nothing()) as Key[]
const within32Bits = (value: number) => Math.min(value, 0xffffffff)

function add(sum: DiskStatistics, more: DiskStatistics): void {
  for (const key of keys) sum[key] = key.endsWith('Max') ? Math.max(sum[key], more[key]) : sum[key] + more[key]
}

export class FolderStatistics {
  readonly total = nothing()
  readonly #clock: Clock
  #minute = nothing()
  #minuteIndex: number
  /** Minutes that are over, newest last; undefined where nothing happened. */
  #past: (DiskStatistics | undefined)[] = []

  constructor(clock: Clock) {
    this.#clock = clock
    this.#minuteIndex = this.#now()
  }

  #now(): number {
    return Math.floor(this.#clock.monotonicMs() / 60_000)
  }

  #turn(): void {
    const now = this.#now()
    if (now === this.#minuteIndex) return
    const idle = Math.min(now - this.#minuteIndex - 1, MINUTES_KEPT)
    this.#past.push(this.#minute, ...Array<undefined>(idle).fill(undefined))
    if (this.#past.length > MINUTES_KEPT) this.#past.splice(0, this.#past.length - MINUTES_KEPT)
    this.#minute = nothing()
    this.#minuteIndex = now
  }

  note(kind: 'read' | 'write' | 'sync', bytes: number, usec: number): void {
    this.#turn()
    for (const sum of [this.#minute, this.total]) {
      switch (kind) {
        case 'read':
          sum.bytesRead += bytes
          sum.usecRead += usec
          sum.reads = within32Bits(sum.reads + 1)
          sum.usecReadMax = within32Bits(Math.max(sum.usecReadMax, usec))
          break
        case 'write':
          sum.bytesWritten += bytes
          sum.usecWrite += usec
          sum.writes = within32Bits(sum.writes + 1)
          sum.usecWriteMax = within32Bits(Math.max(sum.usecWriteMax, usec))
          break
        case 'sync':
          sum.usecSync += usec
          sum.syncs = within32Bits(sum.syncs + 1)
          sum.usecSyncMax = within32Bits(Math.max(sum.usecSyncMax, usec))
      }
    }
  }

  /** The last whole minute, hour and day. */
  recent(): { minute: DiskStatistics; hour: DiskStatistics; day: DiskStatistics } {
    this.#turn()
    const [minute, hour, day] = [1, 60, MINUTES_KEPT].map(minutes => {
      const sum = nothing()
      for (const past of this.#past.slice(-minutes)) if (past) add(sum, past)
      return sum
    })
    return { minute: minute ?? nothing(), hour: hour ?? nothing(), day: day ?? nothing() }
  }
}

const sizeOf = (parts: readonly Buffer[]) => parts.reduce((sum, { length }) => sum + length, 0)

function bytesOf(changes: readonly FileChange[]): number {
  return changes.reduce((sum, change) => sum + ('size' in change ? 0 : sizeOf(change.parts)), 0)
}

/** The same file, with everything it does noted. */
export function noted(file: DiskFile, statistics: FolderStatistics, clock: Clock): DiskFile {
  async function timed<T>(kind: 'read' | 'write' | 'sync', action: Promise<T>, bytesIn: (result: T) => number) {
    const startMs = clock.monotonicMs()
    const result = await action
    statistics.note(kind, bytesIn(result), Math.round((clock.monotonicMs() - startMs) * 1000))
    return result
  }
  return {
    read: (target, position) => timed('read', file.read(target, position), bytes => bytes),
    write: (source, position) => timed('write', file.write(source, position), () => source.length),
    writev: (sources, position) => timed('write', file.writev(sources, position), () => sizeOf(sources)),
    change: changes => timed('write', file.change(changes), () => bytesOf(changes)),
    sync: () => timed('sync', file.sync(), () => 0),
    readNow(target, position) {
      const startMs = clock.monotonicMs()
      const bytes = file.readNow(target, position)
      if (bytes === target.length) statistics.note('read', bytes, Math.round((clock.monotonicMs() - startMs) * 1000))
      return bytes
    },
    writeSync: (source, position) => file.writeSync(source, position),
    writeLittle: (source, position) => file.writeLittle(source, position),
    syncLittle: () => file.syncLittle(),
    truncate: size => file.truncate(size),
    stat: () => file.stat(),
    close: () => file.close(),
  }
}
