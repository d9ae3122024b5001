// Answers to monitors: what the cluster is made of and how it is (spec tools-and-admin A.5). Anybody may ask.
import type { Charts } from '../../charts/charts.ts'
import type { Env } from '../../env/env.ts'
import { Maintenance } from '../../metadata/chunks/known-servers.ts'
import { tableMemory } from '../../metadata/memory.ts'
import { lengthOf } from '../../metadata/namespace/lists.ts'
import type { State } from '../../metadata/state.ts'
import * as messages from '../../protocol/charts.ts'
import * as cltoma from '../../protocol/cltoma.ts'
import { VERSION } from '../../protocol/constants.ts'
import * as matocl from '../../protocol/matocl.ts'
import * as monitors from '../../protocol/monitors.ts'
import { Status } from '../../protocol/status.ts'
import type { Memory } from '../../util/memory.ts'
import { type ChunkServer, LoadState } from '../chunks/chunk-server.ts'
import { WORK_KINDS } from '../chunks/work-report.ts'
import type { Place } from '../place.ts'
import type { ClientServices } from './context.ts'
import { classList, fileCheck, missingChunks } from './monitors/chunks.ts'
import * as sessions from './monitors/sessions.ts'
import { quotaList, resolvedPaths } from './monitors/tree.ts'

/** What monitors are told of the master itself. */
export interface MasterLife {
  use(): { memory: number; systemCpu: number; userCpu: number }
  lastSaved(): { atSeconds: number; durationMs: number }
  place(): Place
}

/** How the last checkpoint was made: always beside the master. */
const SAVED_IN_BACKGROUND = 0

interface Monitored extends sessions.SessionKeeper {
  readonly env: Env
  readonly life: MasterLife
  readonly charts: Charts
  /** Those that are connected. */
  metaloggers(): { version: number; ip: number }[]
}

/** Bit of the progress in the matrix of chunks. */
const REGISTRATION_GOES_ON = 2

/** @returns the answer; undefined for a message that is none of these questions */
export function answerMonitor(master: Monitored, type: number, payload: Buffer): Buffer | undefined {
  switch (type) {
    case cltoma.cservList.code:
      cltoma.cservList.decode(payload)
      return matocl.cservList.encode({ servers: serverList(master.services) })
    case cltoma.info.code:
      cltoma.info.decode(payload)
      return matocl.info.encode(infoOf(master))
    case cltoma.chunksMatrix.code: {
      const { kind } = cltoma.chunksMatrix.decode(payload)
      return matocl.chunksMatrix.encode({ body: chunksMatrix(master.services, kind) })
    }
    case cltoma.chunksTestInfo.code:
      cltoma.chunksTestInfo.decode(payload)
      return matocl.chunksTestInfo.encode({ numbers: chunksTest(master.services) })
    case cltoma.csservCommand.code:
      return matocl.csservCommand.encode({ status: carryOut(master.services, cltoma.csservCommand.decode(payload)) })
  }
  return answerCharts(master.charts, type, payload) ?? answerSection(master, type, payload)
}

function answerCharts(charts: Charts, type: number, payload: Buffer): Buffer | undefined {
  switch (type) {
    case messages.chart.code: {
      const { chartId, size } = messages.chart.decode(payload)
      return messages.chartImage.encode({ image: charts.image(chartId, size) })
    }
    case messages.chartData.code: {
      const { chartId, maxEntries } = messages.chartData.decode(payload)
      return messages.chartValues.encode({ series: charts.data(chartId, maxEntries) })
    }
    case monitors.monotonicData.code:
      monitors.monotonicData.decode(payload)
      return monitors.totals.encode({ counters: [...charts.totals] })
  }
  return undefined
}

function answerSection(master: Monitored, type: number, payload: Buffer): Buffer | undefined {
  const { services, exports } = master
  const { ledger } = services
  const { state } = ledger
  switch (type) {
    case monitors.sessionList.code:
      return sessions.sessionList(master, monitors.sessionList.decode(payload).detail)
    case monitors.sessionCommand.code: {
      const { command, sessionId } = monitors.sessionCommand.decode(payload)
      return sessions.sessionCommand(master, command, sessionId)
    }
    case monitors.exportsInfo.code:
      return sessions.exportList(exports, monitors.exportsInfo.decode(payload).detail)
    case monitors.fstestInfo.code:
      return fileCheck(services, monitors.fstestInfo.decode(payload).detail)
    case monitors.missingChunks.code:
      return missingChunks(services, monitors.missingChunks.decode(payload).detail)
    case monitors.sclassInfo.code:
      monitors.sclassInfo.decode(payload)
      return classList(services)
    case monitors.quotaInfo.code:
      monitors.quotaInfo.decode(payload)
      return quotaList(state, ledger.now(), services.options.quotaGraceSeconds)
    case monitors.mlogList.code:
      monitors.mlogList.decode(payload)
      return monitors.metaloggers.encode({ metaloggers: master.metaloggers() })
    case monitors.memoryInfo.code:
      monitors.memoryInfo.decode(payload)
      return monitors.memoryUsage.encode({ tables: memoryOf(services) })
    case monitors.moduleInfo.code: {
      const { msgid } = monitors.moduleInfo.decode(payload)
      const itself = { type: monitors.MODULE_MASTER, version: VERSION, id: 0, leaderIp: 0, leaderPort: 0 }
      return monitors.moduleIs.encode({ msgid, answer: { ...itself, metaId: state.metaId } })
    }
    case monitors.listOpenFiles.code: {
      const { msgid, sessionId } = monitors.listOpenFiles.decode(payload)
      return sessions.openFiles(state, msgid, sessionId)
    }
    case monitors.listAcquiredLocks.code: {
      const { msgid, inode } = monitors.listAcquiredLocks.decode(payload)
      return sessions.lockList(state, msgid, inode)
    }
    case monitors.massResolvePaths.code:
      return resolvedPaths(state, monitors.massResolvePaths.decode(payload).inodes)
  }
  return undefined
}

/** In the order of the message. */
function memoryOf({ ledger, chunks }: ClientServices): Memory[] {
  const tables = tableMemory(ledger.state)
  return [
    ...[tables.chunkIndex, tables.chunks, chunks.copiesMemory()],
    ...[tables.edgeIndex, tables.edges, tables.inodeIndex, tables.inodes, tables.freeInodes],
    ...[tables.chunkLists, tables.symlinks, tables.quotas],
  ]
}

function serverList(services: ClientServices) {
  const { ledger, chunks } = services
  const connected = new Map<string, ChunkServer>()
  for (const server of chunks.servers()) connected.set(`${server.ip}:${server.port}`, server)
  return [...ledger.state.knownServers.values()].map(({ ip, port, id, maintenance }) => {
    const server = connected.get(`${ip}:${port}`)
    const { DISCONNECTED, MAINTENANCE, TEMPORARY_MAINTENANCE } = matocl.ServerFlag
    const inMaintenance = maintenance === Maintenance.OFF ? 0 : MAINTENANCE
    const flags =
      (server ? 0 : DISCONNECTED) | inMaintenance | (maintenance === Maintenance.TEMPORARY ? TEMPORARY_MAINTENANCE : 0)
    return {
      flags,
      versionHigh: ((server?.version ?? 0) >>> 16) & 0xff,
      versionLow: (server?.version ?? 0) & 0xffff,
      ip,
      port,
      serverId: id,
      used: server?.used ?? 0,
      total: server?.total ?? 0,
      chunks: server?.copies ?? 0,
      removalUsed: server?.removedUsed ?? 0,
      removalTotal: server?.removedTotal ?? 0,
      removalChunks: server?.removedChunks ?? 0,
      errors: server?.errors ?? 0,
      load: server?.load ?? 0,
      grace: server ? graceOf(services, server) : 0,
      labels: server?.labels ?? 0,
      removalStatus: 0,
    }
  })
}

function infoOf({ env, services, exports, life }: Monitored) {
  const { state } = services.ledger
  const { total, available, free } = services.chunks.space()
  let copies = 0
  for (const server of services.chunks.servers()) copies += server.copies
  return {
    version: VERSION,
    ...life.use(),
    total,
    available,
    free,
    ...held(state),
    nodes: state.nodes.count,
    folders: state.nodes.directoryCount,
    files: state.nodes.fileCount,
    chunks: state.chunks.count,
    copies,
    regularCopies: copies,
    lastStore: life.lastSaved().atSeconds,
    lastDuration: life.lastSaved().durationMs,
    lastStatus: SAVED_IN_BACKGROUND,
    ...life.place(),
    metaVersion: state.version,
    exportsChecksum: exports.checksum,
    microseconds: Math.floor(env.clock.nowMs() * 1000),
  }
}

/** Files that are in no folder any more. */
function held(state: State) {
  const sum = (lists: readonly number[]) => {
    let [length, files] = [0, 0]
    for (const list of lists) {
      length += lengthOf(state.lists.stats(list))
      files += state.lists.length.get(list)
    }
    return { length, files }
  }
  const [trash, sustained] = [sum(state.trashLists), sum(state.sustainedLists)]
  return {
    trashSpace: trash.length,
    trashNodes: trash.files,
    sustainedSpace: sustained.length,
    sustainedNodes: sustained.files,
  }
}

/** Chunks by the copies that their class wants (rows) and the good copies that there are (columns). */
function chunksMatrix({ chunks }: ClientServices, kind: number | undefined): Buffer {
  const { all, regular } = chunks.tally
  if (kind !== undefined) return numbersOf(kind === 0 ? all : regular)
  const progress = Buffer.from([chunks.areSettling ? REGISTRATION_GOES_ON : 0])
  return Buffer.concat([progress, numbersOf(all), numbersOf(regular)])
}

function numbersOf(counts: Uint32Array): Buffer {
  const out = Buffer.alloc(counts.length * 4)
  for (const [i, count] of counts.entries()) out.writeUInt32BE(count, i * 4)
  return out
}

function chunksTest({ chunks }: ClientServices): number[] {
  const { from, to, done, waiting, moved } = chunks.lastWork()
  const pairs = WORK_KINDS.flatMap(kind => [done[kind], waiting[kind]])
  return [from, to, ...pairs, moved, 0, chunks.tally.kept, 0]
}

/** @returns the status; undefined for the old form, whose answer is empty */
function carryOut(
  { chunks }: ClientServices,
  { command, ip, port }: { command: number | undefined; ip: number; port: number },
): number | undefined {
  const { ServerCommand } = cltoma
  switch (command) {
    case undefined:
      chunks.removeServer(ip, port)
      return undefined
    case ServerCommand.REMOVE:
      return chunks.removeServer(ip, port)
    case ServerCommand.BACK_TO_WORK:
      return chunks.backToWork(ip, port) ? Status.OK : Status.NOTFOUND
    case ServerCommand.MAINTENANCE_ON:
    case ServerCommand.MAINTENANCE_OFF:
      return chunks.setMaintenance(ip, port, command === ServerCommand.MAINTENANCE_ON)
    default:
      return Status.EINVAL
  }
}

/** Seconds of grace, or why a server gets less to do (spec tools-and-admin A.5.1). */
function graceOf({ chunks }: ClientServices, server: ChunkServer): number {
  if (server.loadState === LoadState.OVERLOADED) return 0xc0000000
  if (server.loadState === LoadState.REBALANCE) return 0x80000000
  return chunks.graceSeconds(server)
}
