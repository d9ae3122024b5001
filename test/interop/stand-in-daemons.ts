// A master and chunkservers that only answer monitors, with numbers drawn from one seed: what no small cluster shows in a
// minute, and the same to everybody who asks.
import { createServer, type Server as Listener, type Socket } from 'node:net'
import * as charts from '../../src/protocol/charts.ts'
import * as cltocs from '../../src/protocol/cltocs.ts'
import * as cltoma from '../../src/protocol/cltoma.ts'
import type { Body } from '../../src/protocol/codec.ts'
import { VERSION } from '../../src/protocol/constants.ts'
import * as cstocl from '../../src/protocol/cstocl.ts'
import { FrameReader } from '../../src/protocol/frame.ts'
import * as matocl from '../../src/protocol/matocl.ts'
import * as monitors from '../../src/protocol/monitors.ts'
import { Status } from '../../src/protocol/status.ts'
import { formatIpv4, parseIpv4 } from '../../src/util/ipv4.ts'
import { type Random, seeded } from '../sim/scheduler.ts'

export const MASTER_HOST = '127.0.0.1'
const OTHER_ADDRESSES = ['127.0.0.2', '127.0.0.3', '127.0.0.20', '10.1.2.3', '9.200.0.1']
const HOSTS = ['127.0.0.3', '127.0.0.2', '127.0.0.20', '127.0.0.2', '127.0.0.100', '127.0.0.3', '127.0.0.4']
const NONE = 0xffffffff
const ALL_BITS = 0xffffffffffffffffn
const CHART_POINTS = 40

const numberOf = (ip: string) => parseIpv4(ip) as number

class Draw {
  readonly random: Random

  constructor(seed: number) {
    this.random = seeded(seed)
  }

  below(bound: number): number {
    return Math.floor(this.random() * bound)
  }

  of<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)] as T
  }

  /** Small ones come twice, large ones show every unit. */
  count(bits = 32): number {
    return this.of([0, 1, this.below(4), this.below(1000), Math.floor(2 ** (this.random() * bits)) - 1])
  }

  times<T>(count: number, make: (i: number) => T): T[] {
    return Array.from({ length: count }, (_, i) => make(i))
  }

  address(): number {
    return numberOf(this.of([MASTER_HOST, ...OTHER_ADDRESSES]))
  }

  version(): number {
    return this.of([VERSION, VERSION - 2, VERSION + 1, 0x030012, 0x020100, 0x01061b, 0])
  }

  time(): number {
    return this.of([0, 1_700_000_000 + this.below(90_000_000)])
  }

  path(): string {
    return this.of(['/', '/data', '/data/sub', '/x y', '/\xc3\xa4\xc3\xb6', '/\xe4', '.', '/mnt/a', '/Z'])
  }
}

type Answer = Buffer
type Questions = Map<number, (payload: Buffer) => Answer>
/** Makes another answer of a right one. */
type Spoil = (answer: Answer) => Answer

/** Listens and answers. */
class Daemon {
  readonly #listener: Listener
  readonly #sockets = new Set<Socket>()

  constructor(answers: Questions, spoil: Spoil) {
    this.#listener = createServer(socket => {
      this.#sockets.add(socket)
      const reader = new FrameReader(1 << 20, (type, payload) => {
        const answer = answers.get(type)
        if (answer) socket.write(spoil(answer(payload)))
        else socket.destroy()
      })
      socket.on('data', bytes => reader.push(bytes as Buffer)).on('error', () => {})
    })
  }

  listen(host: string): Promise<number> {
    return new Promise(resolve => {
      this.#listener.listen(0, host, () => resolve((this.#listener.address() as { port: number }).port))
    })
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy()
    this.#listener.close()
  }
}

const infoOf = (draw: Draw): Body<typeof matocl.info> => ({
  version: VERSION,
  memory: draw.count(50),
  systemCpu: draw.of([0, draw.count(40)]),
  userCpu: draw.count(40),
  total: draw.count(52),
  available: draw.count(52),
  free: draw.count(52),
  trashSpace: draw.count(52),
  trashNodes: draw.count(),
  sustainedSpace: draw.count(52),
  sustainedNodes: draw.count(),
  nodes: draw.count(),
  folders: draw.count(),
  files: draw.count(),
  chunks: draw.count(),
  copies: draw.count(),
  regularCopies: draw.count(),
  lastStore: draw.time(),
  lastDuration: draw.count(),
  lastStatus: draw.of([0, 1, 2, 3, 255]),
  ...{ state: 255, nextState: 255, stable: 255, sync: 255, leaderIp: 0, stateChange: 0 },
  metaVersion: draw.count(52),
  exportsChecksum: BigInt(draw.count(52)),
  microseconds: draw.of([0, 1_795_859_029_402_900, 1_795_859_029_000_001]),
  lastChangelog: 0,
})

type Server = Body<typeof matocl.cservList>['servers'][number]

function serverOf(draw: Draw, ip: number, port: number, serverId: number): Server {
  const version = (draw.version() || VERSION) & 0xffffff
  return {
    flags: draw.of([0, 0, 0, 2, 6, 1, 3, 7]),
    ...{ versionHigh: version >>> 16, versionLow: version & 0xffff, ip, port, serverId },
    ...{ used: draw.count(50), total: draw.count(50), chunks: draw.count() },
    ...{ removalUsed: draw.count(50), removalTotal: draw.of([0, draw.count(50)]), removalChunks: draw.count() },
    ...{ errors: draw.count(), load: draw.count(12) },
    grace: draw.of([0, 0, 5, 0x80000000, 0xc0000000]),
    labels: draw.of([0, 1, 5, 0x2000000, 0x3ffffff]),
    removalStatus: draw.of([0, 1, 2, 3]),
  }
}

const statisticsOf = (draw: Draw): cstocl.DiskStatistics => ({
  bytesRead: draw.count(40),
  bytesWritten: draw.count(40),
  usecRead: draw.count(30),
  usecWrite: draw.count(30),
  usecSync: draw.count(30),
  ...{ reads: draw.count(), writes: draw.count(), syncs: draw.count() },
  ...{ usecReadMax: draw.count(), usecWriteMax: draw.count(), usecSyncMax: draw.count() },
})

const noStatistics: cstocl.DiskStatistics = {
  ...{ bytesRead: 0, bytesWritten: 0, usecRead: 0, usecWrite: 0, usecSync: 0, reads: 0, writes: 0, syncs: 0 },
  ...{ usecReadMax: 0, usecWriteMax: 0, usecSyncMax: 0 },
}

const folderOf = (draw: Draw, i: number) => {
  const statistics = () => draw.of([noStatistics, statisticsOf(draw), statisticsOf(draw)])
  const flags = draw.of([0, 0, 0, 1, 2, 3, 4, 5])
  const hasError = draw.below(2) === 0
  return {
    ...{ path: `/${draw.of(['disk', 'b/c', '\xc3\xa4'])}/${i}/`, flags },
    ...(hasError
      ? { errorChunkId: 5, errorTime: 1_700_000_000 + draw.below(90_000_000) }
      : { errorChunkId: 0, errorTime: 0 }),
    ...{ used: flags & 4 ? draw.below(101) : draw.count(50), total: flags & 4 ? 0 : draw.count(50) },
    ...{ chunks: draw.count(), minute: statistics(), hour: statistics(), day: statistics() },
  }
}

const ownersOf = (draw: Draw) => {
  const id = () => draw.of([0, 1000, 65534])
  return { rootUid: id(), rootGid: id(), mapallUid: id(), mapallGid: id() }
}
const boundsOf = (draw: Draw) => ({
  minGoal: draw.of([0, 1, 2]),
  maxGoal: draw.of([9, 5, 0, 10]),
  minTrashSeconds: draw.of([0, 0, 90_061]),
  maxTrashSeconds: draw.of([NONE, NONE, 1_209_600, 100]),
})
const countersOf = (draw: Draw) => Uint32Array.from(draw.times(16, () => draw.count(20)))

const sessionOf = (draw: Draw, sessionId: number) => ({
  ...{ sessionId, ip: draw.address(), version: draw.version() },
  ...{ openFiles: draw.count(), connections: draw.of([0, 1, 1, 1, 2]), expiresSeconds: draw.of([NONE, 0, 61, 86_399]) },
  ...{
    info: draw.path(),
    path: draw.of(['.', draw.path(), draw.path()]),
    flags: draw.below(32),
    umask: draw.of([0, 0o22, 0o7]),
  },
  ...{ ...ownersOf(draw), ...boundsOf(draw), disables: draw.of([0, 3, 0x1ffffff, 0x10]) },
  ...{ current: countersOf(draw), last: countersOf(draw) },
})

const ruleOf = (draw: Draw) => ({
  ...{ fromIp: draw.address(), toIp: draw.of([NONE, draw.address()]), path: draw.path(), minVersion: draw.version() },
  ...{ extraFlags: draw.below(4), flags: draw.below(32), umask: draw.of([0, 0o22, 0o7]) },
  ...{ ...ownersOf(draw), ...boundsOf(draw), disables: draw.of([0, 3, 0x1ffffff, 0x10]) },
})

const usageOf = (draw: Draw) => ({
  ...{ inodes: draw.count(), length: draw.count(50), size: draw.count(50), realsize: draw.count(50) },
})
/** Limits without their flag are 0. */
const limitsOf = (draw: Draw, flags: number): ReturnType<typeof usageOf> => {
  const limits = usageOf(draw)
  const kinds = ['inodes', 'length', 'size', 'realsize'] as const
  for (const [bit, kind] of kinds.entries()) if (!(flags & (1 << bit))) limits[kind] = 0
  return limits
}
const quotaOf = (draw: Draw, i: number) => {
  const flags = draw.below(256)
  return {
    ...{ inode: draw.below(50), path: `/${'dbcaflkjeghi'[i]}${draw.path()}`, flags, exceeded: draw.below(2) },
    ...{ graceSeconds: draw.of([0, NONE, 3600, 100_000]), secondsToBlock: draw.of([NONE, 0, 59, 700_000]) },
    ...{ soft: limitsOf(draw, flags), hard: limitsOf(draw, flags >> 4), current: usageOf(draw) },
  }
}

const wishOf = (draw: Draw): monitors.Wish => ({
  fulfilment: draw.of([0, 1, 2, 3] as const),
  terms: draw.times(1 + draw.below(3), () => ({
    masks: draw.of([
      [0, 0, 0, 0],
      [1, 0, 0, 0],
      [3, 4, 0, 0],
      [1, 2, 4, 0x2000005],
    ]),
    servers: draw.below(4),
  })),
})
const classOf = (draw: Draw, id: number): monitors.MonitoredClass => ({
  ...{ id, name: draw.of([String(id), 'archive', 'sch\xc3\xb6n', 'Fast']), files: draw.count(), folders: draw.count() },
  ...{ underStandard: draw.count(40), underArchived: draw.count(40) },
  ...{ exactStandard: draw.count(40), exactArchived: draw.count(40) },
  ...{ overStandard: draw.count(40), overArchived: draw.count(40) },
  ...{ adminOnly: draw.below(2), mode: draw.below(4), archiveDelayDays: draw.of([0, 0, 7, 30]) },
  ...{ create: wishOf(draw), keep: wishOf(draw), archive: wishOf(draw) },
})

const lockOf = (draw: Draw) => {
  const isBsd = draw.below(2) === 0
  return {
    ...{ inode: draw.of([5, 6, 1000]), sessionId: draw.below(30), owner: BigInt(draw.count(52)) },
    ...(isBsd ? { pid: 0, start: 0n, end: 0n } : { pid: draw.count(20), start: BigInt(draw.count(40)) }),
    ...(isBsd ? {} : { end: draw.of([ALL_BITS, 1n << 63n, (1n << 63n) - 1n, BigInt(draw.count(40))]) }),
    kind: draw.below(3),
  } as { inode: number; sessionId: number; owner: bigint; pid: number; start: bigint; end: bigint; kind: number }
}

function matrixOf(draw: Draw): Buffer {
  const body = Buffer.alloc(969)
  body[0] = draw.below(4)
  for (let at = 1; at < body.length; at += 4) body.writeUInt32BE(draw.of([0, 0, 0, draw.count()]), at)
  return body
}

/** Of every kind of series; some points are not known. */
function chartOf(draw: Draw): Questions {
  const values = draw.times(CHART_POINTS, () => draw.of([ALL_BITS, BigInt(draw.count(45)), BigInt(draw.count(45))]))
  return new Map([
    [
      charts.chartData.code,
      payload => {
        const { chartId, maxEntries = CHART_POINTS } = charts.chartData.decode(payload)
        const shift = chartId % CHART_POINTS
        const rolled = [...values.slice(shift), ...values.slice(0, shift)].slice(0, maxEntries)
        return charts.chartValues.encode({ series: { time: 1_795_859_040, values: rolled } })
      },
    ],
  ])
}

const STATUSES = [Status.OK, Status.NOTFOUND, Status.ACTIVE, Status.EPERM, Status.EINVAL]
const refusal = (number: number) => STATUSES[number % STATUSES.length] as Status

function masterAnswers(draw: Draw, servers: readonly Server[]): Questions {
  const [sessions, files, locks] = [
    draw.times(14, i => sessionOf(draw, 1 + ((11 * i) % 30))),
    draw.times(12, () => ({ sessionId: draw.below(30), inode: draw.of([2, 77, 500, 999, 1000]) })),
    draw.times(12, () => lockOf(draw)),
  ]
  const hasLooked = draw.below(4) > 0
  const fixed: [number, Buffer][] = [
    [cltoma.info.code, matocl.info.encode(infoOf(draw))],
    [cltoma.cservList.code, matocl.cservList.encode({ servers: [...servers] })],
    [monitors.memoryInfo.code, monitors.memoryUsage.encode({ tables: memoryOf(draw) })],
    [cltoma.chunksMatrix.code, matocl.chunksMatrix.encode({ body: matrixOf(draw) })],
    [cltoma.chunksTestInfo.code, matocl.chunksTestInfo.encode({ numbers: chunksTestOf(draw, hasLooked) })],
    [monitors.fstestInfo.code, monitors.fstestOf(0).encode(fstestOf(draw, hasLooked))],
    [
      monitors.missingChunks.code,
      monitors.missingChunksOf(1).encode({ chunks: draw.times(10, () => missingOf(draw)) }),
    ],
    [
      monitors.mlogList.code,
      monitors.metaloggers.encode({
        metaloggers: draw.times(8, () => ({ version: draw.version(), ip: draw.address() })),
      }),
    ],
    [monitors.sessionList.code, monitors.sessionsOf(4).encode({ counters: 16, sessions })],
    [monitors.exportsInfo.code, monitors.exportsOf(3).encode({ rules: draw.times(12, () => ruleOf(draw)) })],
    [
      monitors.sclassInfo.code,
      monitors.classes.encode({ servers: servers.length, classes: draw.times(12, i => classOf(draw, i + 1)) }),
    ],
    [monitors.quotaInfo.code, monitors.quotas.encode({ quotas: draw.times(12, i => quotaOf(draw, i)) })],
  ]
  return new Map([
    ...fixed.map(([code, answer]) => [code, () => answer] as const),
    [
      monitors.listOpenFiles.code,
      payload => {
        const { sessionId } = monitors.listOpenFiles.decode(payload)
        const answer = files.filter(each => sessionId === 0 || each.sessionId === sessionId)
        return monitors.openFilesOf(sessionId).encode({ msgid: undefined, answer })
      },
    ],
    [
      monitors.listAcquiredLocks.code,
      payload => {
        const { inode } = monitors.listAcquiredLocks.decode(payload)
        const answer = locks.filter(each => inode === 0 || each.inode === inode)
        return monitors.locksOf(inode).encode({ msgid: undefined, answer })
      },
    ],
    [monitors.massResolvePaths.code, payload => resolved(monitors.massResolvePaths.decode(payload).inodes)],
    [
      cltoma.csservCommand.code,
      payload => matocl.csservCommand.encode({ status: refusal(cltoma.csservCommand.decode(payload).port) }),
    ],
    [
      monitors.sessionCommand.code,
      payload =>
        monitors.sessionCommandDone.encode({
          status: refusal(monitors.sessionCommand.decode(payload).sessionId),
        }),
    ],
    ...chartOf(draw),
  ])
}

const memoryOf = (draw: Draw) => draw.times(11, () => ({ allocated: draw.count(45), used: draw.count(45) }))

const chunksTestOf = (draw: Draw, hasLooked: boolean) =>
  hasLooked
    ? [1_795_000_000 + draw.below(1000), 1_795_000_500, ...draw.times(16, () => draw.count())]
    : draw.times(18, () => 0)

const fstestOf = (draw: Draw, hasLooked: boolean) => ({
  ...(hasLooked ? { from: 1_795_000_000, to: 1_795_000_000 + draw.below(1000) } : { from: 0, to: 0 }),
  ...{ files: draw.count(), undergoalFiles: draw.count(), missingFiles: draw.count() },
  ...{ missingTrash: draw.count(), missingSustained: draw.count() },
  ...{ chunks: draw.count(), undergoalChunks: draw.count(), missingChunks: draw.count() },
  messages: draw.of(['', 'currently unavailable file 5 (d/\xe4)\n', 'one\ntwo < & three\n']),
})

const missingOf = (draw: Draw) => ({
  ...{ chunkId: draw.count(52), inode: draw.of([2, 77, 500, 999, 1000]), index: draw.count(10), kind: draw.below(4) },
})

const FORGOTTEN = 500

/** Some inodes have several names, some none, and one is left out. */
function resolved(inodes: readonly number[]): Buffer {
  const paths = (inode: number) => Array.from({ length: inode % 3 }, (_, i) => `d${i}/name ${inode} \xe4\xc3\xa4`)
  const known = inodes.filter(inode => inode !== FORGOTTEN)
  return monitors.resolvedPaths.encode({ inodes: known.map(inode => ({ inode, paths: paths(inode) })) })
}

export class StandIns {
  port = 0
  readonly #daemons: Daemon[] = []
  readonly #servers: Server[] = []
  readonly #spoil: Spoil

  private constructor(spoil: Spoil) {
    this.#spoil = spoil
  }

  static async start(seed: number, spoil: Spoil = answer => answer): Promise<StandIns> {
    const stand = new StandIns(spoil)
    const draw = new Draw(seed)
    for (const [i, host] of HOSTS.entries()) {
      const folders = draw.times(1 + draw.below(4), i => folderOf(draw, i))
      const disks = cstocl.hddList.encode({ folders })
      const port = await stand.#listen(host, new Map([[cltocs.hddList.code, () => disks], ...chartOf(draw)]))
      stand.#servers.push(serverOf(draw, numberOf(host), port, 7 - i))
    }
    // Nobody listens there.
    for (const port of [1, 2]) {
      const flags = draw.of([1, 3, 7])
      stand.#servers.push({ ...serverOf(draw, numberOf('127.0.0.9'), port, 8 + port), flags })
    }
    stand.port = await stand.#listen(MASTER_HOST, masterAnswers(draw, stand.#servers))
    return stand
  }

  async #listen(host: string, answers: Questions): Promise<number> {
    const daemon = new Daemon(answers, this.#spoil)
    this.#daemons.push(daemon)
    return daemon.listen(host)
  }

  /** @returns its address and port */
  closeConnectedChunkserver(): string {
    const at = this.#servers.findIndex(({ flags }) => !(flags & matocl.ServerFlag.DISCONNECTED))
    const { ip, port } = this.#servers[at] as Server
    this.#daemons[at]?.close()
    return `${formatIpv4(ip)}:${port}`
  }

  close(): void {
    for (const daemon of this.#daemons) daemon.close()
  }
}
