// The command mfsmetalogger (spec daemons-and-config 5).
import { type MetaloggerConfig, metaloggerConfigFile } from '../config/mfsmetalogger.ts'
import { StartError } from '../daemon/config-file.ts'
import { explained } from '../daemon/explain.ts'
import { type DaemonContext, type RunningDaemon, runDaemon } from '../daemon/run-daemon.ts'
import { Metalogger, type MetaloggerOptions } from '../metalogger/metalogger.ts'
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

async function start({ env, config }: DaemonContext<MetaloggerConfig>): Promise<RunningDaemon<MetaloggerConfig>> {
  await resolveHosts(host => env.net.resolve(host), splitHosts(config.MASTER_HOST)).catch(() => {
    throw new StartError(`can't resolve master host/port (${config.MASTER_HOST}:${config.MASTER_PORT})`)
  })
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
