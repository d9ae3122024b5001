// The command mfsmetalogger (spec daemons-and-config 5).
import { hostname } from 'node:os'
import { type MetaloggerConfig, metaloggerConfigFile } from '../config/mfsmetalogger.ts'
import { StartError } from '../daemon/config-file.ts'
import { explained } from '../daemon/explain.ts'
import { type DaemonContext, type RunningDaemon, runDaemon } from '../daemon/run-daemon.ts'
import { isMemberName } from '../ha/records.ts'
import { Metalogger, type MetaloggerOptions } from '../metalogger/metalogger.ts'
import { Witness, type WitnessOptions } from '../metalogger/witness.ts'
import { retireWitness } from '../metalogger/witness-folder.ts'
import { VERSION_TEXT } from '../protocol/constants.ts'
import { resolveHosts, splitHosts } from '../util/hosts.ts'

function metaloggerOptions(config: MetaloggerConfig): MetaloggerOptions {
  return {
    dataFolder: config.DATA_PATH,
    masterHost: config.MASTER_HOST,
    masterPort: config.MASTER_PORT,
    bindHost: config.BIND_HOST === '*' ? undefined : config.BIND_HOST,
    reconnectSeconds: config.MASTER_RECONNECTION_DELAY,
    timeoutSeconds: config.MASTER_TIMEOUT,
    downloadEveryHours: config.META_DOWNLOAD_FREQ,
    backLogs: config.BACK_LOGS,
    keepPrevious: config.BACK_META_KEEP_PREVIOUS,
  }
}

const POLL_MS = 500
const HEARTBEAT_MS = 300
const CONNECT_MS = 1000
const ROTATE_EVERY_MS = 3_600_000

/** @throws StartError saying which option is missing or does not fit */
function witnessOptions(config: MetaloggerConfig): WitnessOptions {
  const { HA_ADDRESS, HA_NAME, HA_CLUSTER, HA_AUTH_CODE } = config
  if (!HA_ADDRESS) throw new StartError('METALOGGER_ACK = 1 needs HA_ADDRESS: the own address of this machine')
  const name = HA_NAME ?? hostname()
  if (!isMemberName(name)) throw new StartError(`HA_NAME = ${name}: write letters, digits, "-", "_" and "."`)
  const { dataFolder, masterHost, downloadEveryHours, backLogs, keepPrevious } = metaloggerOptions(config)
  return {
    ...{ dataFolder, masterHost, downloadEveryHours, backLogs, keepPrevious, name },
    address: { address: HA_ADDRESS, port: config.HA_LISTEN_PORT },
    listenHost: config.HA_LISTEN_HOST,
    following: {
      cluster: HA_CLUSTER,
      secret: HA_AUTH_CODE,
      connectMs: CONNECT_MS,
      silenceMs: config.HA_FOLLOWER_TIMEOUT,
    },
    pollMs: POLL_MS,
    heartbeatMs: HEARTBEAT_MS,
    rotateEveryMs: ROTATE_EVERY_MS,
  }
}

async function startWitness({
  env,
  config,
  fatal,
}: DaemonContext<MetaloggerConfig>): Promise<RunningDaemon<MetaloggerConfig>> {
  const witness = await Witness.start(env, witnessOptions(config), fatal).catch(error => {
    throw explained(error)
  })
  return {
    stop: () => witness.stop(),
    reload: async changed => witness.reconfigure(metaloggerOptions(changed)),
    info: () => {
      const { role, leader = 'none', isInSync, version } = witness.status()
      env.log.notice(`${role}, leader: ${leader}, ${isInSync ? 'in sync' : 'not in sync'}, next change ${version}`)
    },
  }
}

async function start(context: DaemonContext<MetaloggerConfig>): Promise<RunningDaemon<MetaloggerConfig>> {
  const { env, config } = context
  await resolveHosts(host => env.net.resolve(host), splitHosts(config.MASTER_HOST)).catch(() => {
    throw new StartError(`can't resolve master host/port (${config.MASTER_HOST}:${config.MASTER_PORT})`)
  })
  if (config.METALOGGER_ACK) return startWitness(context)
  await retireWitness(env, config.DATA_PATH)
  const metalogger = await Metalogger.start(env, metaloggerOptions(config)).catch(error => {
    throw explained(error)
  })
  return {
    stop: () => metalogger.stop(),
    reload: async changed => metalogger.reload(metaloggerOptions(changed)),
    info: () => {
      const { lastId, following } = metalogger
      env.log.notice(`${following ? 'following' : 'looking for'} the master, last change ${lastId ?? 'none'}`)
    },
  }
}

await runDaemon({
  name: 'mfsmetalogger',
  version: VERSION_TEXT,
  description: 'A metalogger: keeps copies of the metadata and of every change beside a running master.',
  configFile: metaloggerConfigFile,
  openFiles: 4096,
  restoreSwitches: false,
  reloads: Object.entries(metaloggerConfigFile.options)
    .filter(([, option]) => !('needsRestart' in option))
    .map(([name]) => name),
  start,
})
