// The command mfschunkserver (spec daemons-and-config 4).
import { readFileSync } from 'node:fs'
import { Chunkserver } from '../chunkserver/chunkserver.ts'
import { FolderError } from '../chunkserver/disks/folder.ts'
import { type ChunkserverOptions, chunkserverOptions } from '../chunkserver/options.ts'
import { type ChunkserverConfig, chunkserverConfigFile } from '../config/mfschunkserver.ts'
import { findListFile, StartError } from '../daemon/config-file.ts'
import { explained } from '../daemon/explain.ts'
import { type DaemonContext, type RunningDaemon, runDaemon } from '../daemon/run-daemon.ts'
import { VERSION_TEXT } from '../protocol/constants.ts'

/** @throws StartError when the list of folders cannot be read */
function readFolderList(config: ChunkserverConfig): string {
  const path = findListFile(config.HDD_CONF_FILENAME)
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code !== 'ENOENT') throw new StartError(`hdd space configuration file: ${message}`)
    throw new StartError(
      `hdd space configuration file (${path}) not found - please create one: a line for each folder that may hold ` +
        'chunks, for example /mnt/hdd1',
    )
  }
}

async function start(context: DaemonContext<ChunkserverConfig>): Promise<RunningDaemon<ChunkserverConfig>> {
  const { env, config, configValue, fatal } = context
  const options = (now: ChunkserverConfig): ChunkserverOptions =>
    chunkserverOptions(now, readFolderList(now), configValue)
  const server = await Chunkserver.start(env, options(config), fatal).catch(error => {
    throw explained(error, [FolderError])
  })
  return {
    stop: () => server.stop(),
    reload: changed => server.reload(options(changed)),
    info: () => {
      env.log.notice(`port ${server.port}, ${server.registered ? 'registered with' : 'looking for'} the master`)
      for (const line of server.describe()) env.log.notice(line)
    },
    scrub: () => server.scrub(),
  }
}

await runDaemon({
  name: 'mfschunkserver',
  version: VERSION_TEXT,
  description: 'A chunkserver: keeps the data of files, in chunks, on the disks of one machine.',
  configFile: chunkserverConfigFile,
  openFiles: 16384,
  restoreSwitches: false,
  scrubs: true,
  reloads: Object.entries(chunkserverConfigFile.options)
    .filter(([, option]) => !('needsRestart' in option))
    .map(([name]) => name),
  start,
})
