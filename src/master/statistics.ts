// What the charts of the master show (spec tools-and-admin A.5.8), and how it is counted. Each number is of one minute.
import { type ChartSet, networkBytes, packets, plain, processorTime, type Series } from '../charts/series.ts'
import type { Env, Usage } from '../env/env.ts'
import type { Message } from '../protocol/codec.ts'
import * as matocl from '../protocol/matocl.ts'
import * as matocs from '../protocol/matocs.ts'
import { Status } from '../protocol/status.ts'
import type { SpaceTotals } from './policy/space.ts'

const count = <N extends string>(name: N, code: string, scale = plain) => ({ name, code, join: 'sum', scale }) as const
const level = <N extends string>(name: N, code: string) => ({ name, code, join: 'max', scale: plain }) as const

/** In the order of their numbers. */
const series = [
  count('ucpu', 'UCPU', processorTime),
  count('scpu', 'SCPU', processorTime),
  count('delete', 'DELC'),
  count('replicate', 'REPC'),
  count('statfs', 'STFS'),
  count('getattr', 'GATR'),
  count('setattr', 'SATR'),
  count('lookup', 'LOOK'),
  count('mkdir', 'MKDI'),
  count('rmdir', 'RMDI'),
  count('symlink', 'SLNK'),
  count('readlink', 'RLNK'),
  count('mknod', 'MKND'),
  count('unlink', 'UNLK'),
  count('rename', 'RENA'),
  count('link', 'LINK'),
  count('readdir', 'RDIR'),
  count('open', 'OPEN'),
  count('read', 'READ'),
  count('write', 'WRIT'),
  level('memoryrss', 'MEMR'),
  count('prcvd', 'PRCV', packets),
  count('psent', 'PSNT', packets),
  count('brcvd', 'BRCV', networkBytes),
  count('bsent', 'BSNT', networkBytes),
  level('memoryvirt', 'MEMV'),
  level('usedspace', 'USPC'),
  level('totalspace', 'TSPC'),
  count('create', 'NEWC'),
  count('change', 'INTC'),
  count('delete_ok', 'DELO'),
  count('delete_err', 'DELE'),
  count('replicate_ok', 'REPO'),
  count('replicate_err', 'REPE'),
  count('create_ok', 'NEWO'),
  count('create_err', 'NEWE'),
  count('change_ok', 'INTO'),
  count('change_err', 'INTE'),
] as const satisfies readonly Series[]

export const masterCharts: ChartSet = {
  series,
  stacked: [
    { name: 'cpu', code: 'TCPU', layers: [{ of: 'ucpu' }, { of: 'scpu' }] },
    { name: 'mem', code: 'TMEM', layers: [{ of: 'memoryvirt', less: 'memoryrss' }, { of: 'memoryrss' }] },
    { name: 'space', code: 'SPAC', layers: [{ of: 'totalspace', less: 'usedspace' }, { of: 'usedspace' }] },
    { name: 'delete_stat', code: 'DELS', layers: [{ of: 'delete_err' }, { of: 'delete_ok' }] },
    { name: 'replicate_stat', code: 'REPS', layers: [{ of: 'replicate_err' }, { of: 'replicate_ok' }] },
    { name: 'create_stat', code: 'NEWS', layers: [{ of: 'create_err' }, { of: 'create_ok' }] },
    { name: 'change_stat', code: 'INTS', layers: [{ of: 'change_err' }, { of: 'change_ok' }] },
  ],
}

type SeriesName = (typeof series)[number]['name']
type Counts = Partial<Record<SeriesName, number>>

/** Which series counts what is answered with these messages, by code. */
const operations = byCode([
  [matocl.fuseStatfs, 'statfs'],
  [matocl.fuseGetattr, 'getattr'],
  [matocl.fuseSetattr, 'setattr'],
  [matocl.fuseTruncate, 'setattr'],
  [matocl.fuseLookup, 'lookup'],
  [matocl.fuseMkdir, 'mkdir'],
  [matocl.fuseRmdir, 'rmdir'],
  [matocl.fuseSymlink, 'symlink'],
  [matocl.fuseReadlink, 'readlink'],
  [matocl.fuseMknod, 'mknod'],
  [matocl.fuseCreate, 'mknod'],
  [matocl.fuseUnlink, 'unlink'],
  [matocl.fuseRename, 'rename'],
  [matocl.fuseLink, 'link'],
  [matocl.fuseReaddir, 'readdir'],
  [matocl.fuseOpen, 'open'],
  [matocl.fuseReadChunk, 'read'],
  [matocl.fuseWriteChunk, 'write'],
])

/** Which series counts a command to a chunkserver, by code; `_ok` and `_err` count how it went. */
const commands = byCode([
  [matocs.create, 'create'],
  [matocs.remove, 'delete'],
  [matocs.replicate, 'replicate'],
  [matocs.setVersion, 'change'],
  [matocs.duplicate, 'change'],
  [matocs.truncate, 'change'],
  [matocs.duptrunc, 'change'],
])

function byCode<N extends SeriesName>(messages: readonly (readonly [{ code: number }, N])[]): ReadonlyMap<number, N> {
  return new Map(messages.map(([{ code }, name]) => [code, name]))
}

export class MasterStatistics {
  readonly #env: Env
  /** Of the present minute, by series. */
  #counts: Counts = {}
  #before: Usage

  constructor(env: Env) {
    this.#env = env
    this.#before = env.usage()
  }

  #add(name: SeriesName, amount = 1): void {
    this.#counts[name] = (this.#counts[name] ?? 0) + amount
  }

  /** A client is answered; what failed does not count. */
  answered<T>({ code }: Message<T>, body: T): void {
    const name = operations.get(code)
    const { status = Status.OK } = body as { status?: number }
    if (name !== undefined && status === Status.OK) this.#add(name)
  }

  /** Packets and bytes are those of clients. */
  receivedBytes(byteCount: number): void {
    this.#add('brcvd', byteCount)
  }

  receivedPacket(): void {
    this.#add('prcvd')
  }

  sentPacket(packet: Buffer): void {
    this.#add('psent')
    this.#add('bsent', packet.length)
  }

  /** @param code of a message to a chunkserver */
  sentToServer(code: number): void {
    const name = commands.get(code)
    if (name !== undefined) this.#add(name)
  }

  /** @param code of a message from a chunkserver: that of a command and one more. Its last byte is the status then. */
  receivedFromServer(code: number, payload: Buffer): void {
    const name = commands.get(code - 1)
    if (name !== undefined) this.#add(`${name}_${payload.at(-1) === Status.OK ? 'ok' : 'err'}`)
  }

  /** The numbers of the minute that is over, in the order of the series; the next one begins. @param space of now */
  take({ total, available }: SpaceTotals): number[] {
    const usage = this.#env.usage()
    const values: Counts = {
      ...this.#counts,
      ucpu: usage.userMicroseconds - this.#before.userMicroseconds,
      scpu: usage.systemMicroseconds - this.#before.systemMicroseconds,
      memoryrss: usage.memoryBytes,
      memoryvirt: usage.virtualBytes,
      usedspace: total - available,
      totalspace: total,
    }
    this.#before = usage
    this.#counts = {}
    return series.map(({ name }) => values[name] ?? 0)
  }
}
