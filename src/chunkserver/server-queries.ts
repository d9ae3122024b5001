// Questions about this server, for the monitoring tools (spec chunkserver 3.7).
import type { Charts } from '../charts/charts.ts'
import * as chartMessages from '../protocol/charts.ts'
import * as cltocs from '../protocol/cltocs.ts'
import { ProtocolError } from '../protocol/codec.ts'
import { VERSION, VERSION_TEXT } from '../protocol/constants.ts'
import * as cstocl from '../protocol/cstocl.ts'
import type { ChunkStore } from './disks/chunk-store.ts'
import type { Folder } from './disks/folder.ts'
import type { Identity } from './identity.ts'

const SERVER_IS_CHUNKSERVER = 2
const PATH_MAX = 255

export interface ServerFacts {
  readonly store: ChunkStore
  readonly identity: Identity
  readonly charts: Charts
  configValue(option: string): string
  masterAddress(): { ip: number; port: number }
}

/** @returns the answer; undefined for a message that is none of these questions */
export function answerServerQuery(facts: ServerFacts, type: number, payload: Buffer): Buffer | undefined {
  switch (type) {
    case cltocs.getVersion.code: {
      const { msgid } = cltocs.getVersion.decode(payload)
      const about = { version: VERSION, text: Buffer.from(VERSION_TEXT) }
      return msgid === undefined ? cstocl.plainVersion.encode(about) : cstocl.version.encode({ msgid, ...about })
    }
    case cltocs.getConfig.code: {
      const { msgid, option } = cltocs.getConfig.decode(payload)
      // Whoever may ask for options may not learn the password this way.
      const value = option === 'AUTH_CODE' ? '' : facts.configValue(option)
      return cstocl.configValue.encode({ msgid, value: value.slice(0, 255) })
    }
    case cltocs.moduleInfo.code: {
      cltocs.moduleInfo.decode(payload)
      const { ip, port } = facts.masterAddress()
      const { serverId, metaId = 0n } = facts.identity
      const about = { kind: SERVER_IS_CHUNKSERVER, version: VERSION, serverId, metaId }
      return cstocl.moduleInfo.encode({ ...about, masterIp: ip, masterPort: port })
    }
    case cltocs.hddList.code: {
      cltocs.hddList.decode(payload)
      const folders = facts.store.liveFolders.toReversed().map(folder => ({
        ...folderEntry(folder),
        ...folder.statistics.recent(),
      }))
      return cstocl.hddList.encode({ folders })
    }
    case cltocs.monotonicData.code: {
      cltocs.monotonicData.decode(payload)
      const folders = facts.store.liveFolders.toReversed().map(folder => ({
        ...folderEntry(folder),
        statistics: folder.statistics.total,
      }))
      return cstocl.monotonicData.encode({ counters: [...facts.charts.totals], folders })
    }
    case chartMessages.chart.code: {
      const { chartId, size } = chartMessages.chart.decode(payload)
      return chartMessages.chartImage.encode({ image: facts.charts.image(chartId, size) })
    }
    case chartMessages.chartData.code: {
      const { chartId, maxEntries } = chartMessages.chartData.decode(payload)
      return chartMessages.chartValues.encode({ series: facts.charts.data(chartId, maxEntries) })
    }
    default:
      if (type > 0xffff) throw new ProtocolError(`message ${type}`)
      return undefined
  }
}

function folderEntry(folder: Folder) {
  const { line, state, lastError, chunkCount, totalBytes, availableBytes, scanPercent } = folder
  const scanning = state === 'scanning'
  const { path } = line
  const flags =
    (line.markedForRemoval ? cstocl.DiskFlag.MARKED_FOR_REMOVAL : 0) |
    (state === 'damaged' ? cstocl.DiskFlag.DAMAGED : 0) |
    (scanning ? cstocl.DiskFlag.SCANNING : 0)
  return {
    path: path.length > PATH_MAX ? `(...)${path.slice(-(PATH_MAX - 5))}` : path,
    flags,
    errorChunkId: lastError.chunkId,
    errorTime: lastError.seconds,
    used: scanning ? scanPercent : totalBytes - availableBytes,
    total: scanning ? 0 : totalBytes,
    chunks: chunkCount,
  }
}
