// The command mfsmaster (spec daemons-and-config 3).
import { readFileSync } from 'node:fs'
import { homedir, hostname } from 'node:os'
import { type MasterConfig, masterConfigFile } from '../config/mfsmaster.ts'
import { findListFile, StartError } from '../daemon/config-file.ts'
import { explained } from '../daemon/explain.ts'
import { type DaemonContext, type RunningDaemon, runDaemon } from '../daemon/run-daemon.ts'
import { systemNames } from '../daemon/user.ts'
import type { Env } from '../env/env.ts'
import { realClock } from '../env/real.ts'
import { emergencyPaths, storeCheckpoint } from '../journal/checkpoint-files.ts'
import { settleTail } from '../journal/commit-tail.ts'
import { RecoveryError, type RecoveryListener, recover } from '../journal/recovery.ts'
import { type Exports, parseExports } from '../master/clients/exports.ts'
import { ClusterMaster, type StartGuard } from '../master/ha/cluster-master.ts'
import { startGuard } from '../master/ha/guard.ts'
import { clusterOptions } from '../master/ha/options.ts'
import { Master } from '../master/master.ts'
import { masterOptions } from '../master/options.ts'
import { FLAT, parseTopology, type Topology } from '../master/policy/topology.ts'
import { VERSION_TEXT } from '../protocol/constants.ts'

/** @throws StartError when the file is missing or allows nobody anything */
function loadExports(config: MasterConfig, log: Env['log']): Exports {
  const path = findListFile(config.EXPORTS_FILENAME)
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code !== 'ENOENT') throw new StartError(`mfsexports configuration file: ${message}`)
    throw new StartError(
      `mfsexports configuration file (${path}) not found - please create one: it says who may mount what, for example ` +
        '"* / rw,alldirs,maproot=0" and "* . rw"',
    )
  }
  const exports = parseExports(text, path, systemNames)
  for (const warning of exports.warnings) log.warning(warning)
  if (exports.rules.length === 0) throw new StartError(`no exports defined in ${path} !!!`)
  log.info('exports file has been loaded')
  return exports
}

/** A file that is missing, or can't be read, means no topology. */
function loadTopology(config: MasterConfig, log: Env['log']): Topology {
  const path = findListFile(config.TOPOLOGY_FILENAME)
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const why = code === 'ENOENT' ? 'not found' : message
    log.warning(`mfstopology configuration file (${path}) ${why} - using defaults`)
    return FLAT
  }
  const { topology, warnings } = parseTopology(text, path)
  for (const warning of warnings) log.warning(warning)
  log.info('topology file has been loaded')
  return topology
}

async function start({
  env,
  config,
  command,
  fatal,
}: DaemonContext<MasterConfig>): Promise<RunningDaemon<MasterConfig>> {
  const { log } = env
  const exports = loadExports(config, log)
  log.info('loading metadata ...')
  if (config.HA_MODE !== 'none') return startInCluster({ env, config, fatal }, exports)
  const options = { ...masterOptions(config, exports), ...recoverySwitches({ env, command }) }
  const master = await Master.start(env, options, fatal).catch(error => {
    throw explained(error, [RecoveryError])
  })
  master.setTopology(loadTopology(config, log))
  log.info(`master <-> chunkservers module: listen on ${config.MATOCS_LISTEN_HOST}:${config.MATOCS_LISTEN_PORT}`)
  log.info(`main master server module: listen on ${config.MATOCL_LISTEN_HOST}:${config.MATOCL_LISTEN_PORT}`)
  return {
    stop: () => master.stop(),
    reload: async changed => {
      master.reconfigure(masterOptions(changed, loadExports(changed, log)))
      master.setTopology(loadTopology(changed, log))
    },
    info: () => {
      const { state } = master.ledger
      log.notice(
        `metadata version ${state.version}, ${state.nodes.count} inodes, ${state.chunks.count} chunks, ` +
          `${master.connectedChunkservers} chunkservers`,
      )
    },
  }
}

async function startInCluster(
  { env, config, fatal }: Pick<DaemonContext<MasterConfig>, 'env' | 'config' | 'fatal'>,
  exports: Exports,
): Promise<RunningDaemon<MasterConfig>> {
  const { log } = env
  const cluster = clusterOptions(config, hostname())
  const guard: StartGuard = ports =>
    startGuard(ports, why => log.warning(`the guard of this master is gone, failover takes longer: ${why}`))
  const master = await ClusterMaster.start(env, masterOptions(config, exports), cluster, guard, fatal).catch(error => {
    throw explained(error, [RecoveryError])
  })
  log.info(`member ${cluster.name} of cluster ${cluster.cluster}: listen on port ${config.HA_LISTEN_PORT}`)
  return {
    stop: () => master.stop(),
    reload: async changed => master.reconfigure(masterOptions(changed, loadExports(changed, log))),
    info: () => log.notice(master.info()),
  }
}

/** What -x and -x -x tell of a start (spec metadata 6.2). */
function recoveryListener(log: Env['log'], verbosity: number): RecoveryListener {
  const range = (id: number | undefined) => id ?? '???'
  return {
    candidate({ path, version, metaId }) {
      if (verbosity > 1) log.info(`metadata file: ${path} (version: ${version} ; id: 0x${metaId.toString(16)})`)
    },
    loading({ path, version, metaId }) {
      log.info(`chosen most recent metadata file: ${path} (version: ${version} ; id: 0x${metaId.toString(16)})`)
    },
    file(path, first, last, isUsed) {
      log.info(`${isUsed ? 'using' : 'skipping'} changelog file: ${path} (changes: ${range(first)} - ${range(last)})`)
    },
    applied(path, { text }) {
      log.info(`${path}: change ${text}`)
    },
  }
}

/** How -i and -x change what a start or restore does. */
function recoverySwitches({ env, command }: Pick<DaemonContext<MasterConfig>, 'env' | 'command'>) {
  const { ignoreInconsistencies, verbosity } = command
  return {
    ignoresFlaws: ignoreInconsistencies,
    emergencyPaths: emergencyPaths(homedir()),
    ...(verbosity > 0 ? { recoveryListener: recoveryListener(env.log, verbosity) } : {}),
  }
}

/** `mfsmaster restore`: leaves one metadata.mfs that holds all that the files of the data folder promise. */
async function restore({ env, config, command }: DaemonContext<MasterConfig>): Promise<void> {
  const now = Math.floor(realClock.nowMs() / 1000)
  const switches = recoverySwitches({ env, command })
  try {
    const putBack = await settleTail(env.disk, config.DATA_PATH)
    if (putBack) env.log.warning(putBack)
    const { state, checkpoint, replayed, notes } = await recover(env.disk, config.DATA_PATH, {
      now,
      ignoresFlaws: switches.ignoresFlaws,
      elsewhere: switches.emergencyPaths,
      ...(switches.recoveryListener ? { tell: switches.recoveryListener } : {}),
    })
    for (const note of notes) env.log.warning(note)
    env.log.info(`using ${checkpoint} and ${replayed} changes of the changelogs`)
    await storeCheckpoint(env.disk, config.DATA_PATH, 'metadata.mfs', state)
    env.log.info(`stored ${config.DATA_PATH}/metadata.mfs, metadata version ${state.version}`)
  } catch (error) {
    throw explained(error, [RecoveryError])
  }
}

await runDaemon({
  name: 'mfsmaster',
  version: VERSION_TEXT,
  description: 'The master: keeps all metadata of the file system and knows where the data is.',
  configFile: masterConfigFile,
  openFiles: 16384,
  restoreSwitches: true,
  reloads: [
    ...['EXPORTS_FILENAME', 'TOPOLOGY_FILENAME', 'AUTH_CODE'],
    ...['REMAP_BITS', 'REMAP_SOURCE_IP_CLASS', 'REMAP_DESTINATION_IP_CLASS'],
    ...['BACK_LOGS', 'BACK_META_KEEP_PREVIOUS', 'METADATA_SAVE_FREQ'],
    ...['CHANGELOG_SIZE_MAX', 'CHANGELOG_PRESERVE_SECONDS'],
  ],
  busyPollMicroseconds: config => config.BUSY_POLL,
  start,
  restore,
})
