// A chunkserver of ours as a process of its own, for tests:
// chunkserver-process.ts DATA_FOLDER FOLDER_LIST HOST MASTER [OPTION=VALUE]...
import { readFileSync } from 'node:fs'
import { Chunkserver } from '../../src/chunkserver/chunkserver.ts'
import { chunkserverOptions } from '../../src/chunkserver/options.ts'
import { chunkserverConfigFile } from '../../src/config/mfschunkserver.ts'
import { parseConfig } from '../../src/config/parse.ts'
import { realEnv } from '../../src/env/real.ts'
import { textLog } from '../../src/env/real-log.ts'

const [dataFolder = '', folderList = '', host = '', master = '', ...more] = process.argv.slice(2)
const env = realEnv(textLog('mfschunkserver', 'info', line => process.stderr.write(line)))
const lines = [
  `DATA_PATH=${dataFolder}`,
  'HDD_LEAVE_SPACE_DEFAULT=64MiB',
  `MASTER_HOST=${master}`,
  `BIND_HOST=${host}`,
  `CSSERV_LISTEN_HOST=${host}`,
  'MASTER_RECONNECTION_DELAY=1',
  ...more,
]
const fail = (error: Error) => {
  process.stderr.write(`${error.stack}\n`)
  process.exit(1)
}
const { values } = parseConfig(chunkserverConfigFile, 'mfschunkserver.cfg', lines.join('\n'))
const options = () => chunkserverOptions(values, readFileSync(folderList, 'utf8'))
const server = await Chunkserver.start(env, options(), fail)
process.stdout.write('serving\n')
process.on('SIGHUP', () => void server.reload(options()))
process.on('SIGTERM', () => void server.stop().then(() => process.exit(0)))
