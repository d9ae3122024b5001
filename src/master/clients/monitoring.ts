// Answers to monitors: what the cluster is made of and how it is (spec tools-and-admin A.5). Anybody may ask.
import type { Env } from '../../env/env.ts'
import { Maintenance } from '../../metadata/chunks/known-servers.ts'
import { statsOf } from '../../metadata/namespace/tree.ts'
import type { State } from '../../metadata/state.ts'
import { ROOT } from '../../metadata/types.ts'
import * as cltoma from '../../protocol/cltoma.ts'
import { VERSION } from '../../protocol/constants.ts'
import * as matocl from '../../protocol/matocl.ts'
import type { ChunkServer } from '../chunks/chunk-server.ts'
import type { ClientServices } from './context.ts'
import type { Exports } from './exports.ts'

interface Monitored {
  readonly env: Env
  readonly services: ClientServices
  readonly exports: Exports
}

/** What the four fields on leadership hold in a master that is alone. */
const NO_LEADERSHIP = 0xff
const MATRIX_SIDE = 11
const MATRIX_BYTES = MATRIX_SIDE * MATRIX_SIDE * 4

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
      const matrix = chunksMatrix(master.services)
      return matocl.chunksMatrix.encode({
        body: kind === undefined ? Buffer.concat([Buffer.from([0]), matrix, matrix]) : matrix,
      })
    }
  }
  return undefined
}

function serverList({ ledger, chunks }: ClientServices) {
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
      grace: 0,
      labels: server?.labels ?? 0,
      removalStatus: 0,
    }
  })
}

function infoOf({ env, services, exports }: Monitored) {
  const { state } = services.ledger
  const { total, available, free } = services.chunks.space()
  const whole = statsOf(state, ROOT)
  let copies = 0
  for (const server of services.chunks.servers()) copies += server.copies
  return {
    version: VERSION,
    memory: 0,
    systemCpu: 0,
    userCpu: 0,
    total,
    available,
    free,
    ...held(state),
    nodes: state.nodes.count,
    folders: whole.dirs,
    files: whole.files,
    chunks: state.chunks.count,
    copies,
    regularCopies: copies,
    lastStore: 0,
    lastDuration: 0,
    lastStatus: 0,
    state: NO_LEADERSHIP,
    nextState: NO_LEADERSHIP,
    stable: NO_LEADERSHIP,
    sync: NO_LEADERSHIP,
    leaderIp: 0,
    stateChange: 0,
    metaVersion: state.version,
    exportsChecksum: exports.checksum,
    microseconds: Math.floor(env.clock.nowMs() * 1000),
    lastChangelog: 0,
  }
}

/** Files that are in no folder any more. */
function held(state: State) {
  const sum = (lists: readonly number[]) => {
    let [length, files] = [0, 0]
    for (const list of lists) {
      length += state.lists.stats(list).length
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
function chunksMatrix({ ledger, chunks }: ClientServices): Buffer {
  const matrix = Buffer.alloc(MATRIX_BYTES)
  const { state } = ledger
  for (const row of state.chunks.rows()) {
    const sclass = state.storageClasses.get(state.chunks.sclassId(row))
    const labels = state.chunks.isArchived(row) ? sclass?.archive : sclass?.keep
    const wanted = Math.min(labels?.length ?? 0, MATRIX_SIDE - 1)
    const good = Math.min(chunks.goodCopies(row), MATRIX_SIDE - 1)
    const at = (wanted * MATRIX_SIDE + good) * 4
    matrix.writeUInt32BE(matrix.readUInt32BE(at) + 1, at)
  }
  return matrix
}
