// A master of ours as a process of its own, for tests: master-process.ts DATA_FOLDER HOST.

import { masterConfigFile } from '../../src/config/mfsmaster.ts'
import { parseConfig } from '../../src/config/parse.ts'
import { realEnv } from '../../src/env/real.ts'
import { textLog } from '../../src/env/real-log.ts'
import { chunkOptions } from '../../src/master/chunks/options.ts'
import { parseExports } from '../../src/master/clients/exports.ts'
import { Master } from '../../src/master/master.ts'

const [dataFolder = '', host = ''] = process.argv.slice(2)
const env = realEnv(textLog('mfsmaster', 'info', line => process.stderr.write(line)))
const nobody = { uid: () => undefined, gid: () => undefined }
const options = {
  dataFolder,
  exports: parseExports('* / rw,alldirs,admin,maproot=0:0\n* . rw\n', 'mfsexports.cfg', nobody),
  clientsHost: host,
  clientsPort: 9421,
  metaloggersHost: host,
  metaloggersPort: 9419,
  preserveSeconds: 1800,
  chunkserversHost: host,
  chunkserversPort: 9420,
  sync: { kind: 'commit' },
  backLogs: 50,
  keepPrevious: 1,
  saveEveryHours: 1,
  chunks: { ...chunkOptions(parseConfig(masterConfigFile, '', '').values), replicationsDelaySeconds: 2 },
  changelogBytesMax: 0,
  chunkserverTimeoutSeconds: 10,
  sessionSustainSeconds: 86400,
  inodeReuseDelaySeconds: 86400,
  monitorCommandsFrom: [[0, 0xffffffff]],
  missingLogCapacity: 1000,
  admission: { authCode: undefined, remap: { bits: 0, source: 0, destination: 0 } },
  client: { atimeMode: 2, maxHardLinks: 32767, quotaGraceSeconds: 604_800 },
} as const
const master = await Master.start(env, options, error => {
  process.stderr.write(`${error.message}\n`)
  process.exit(1)
})
process.stdout.write('serving\n')
process.on('SIGTERM', () => void master.stop().then(() => process.exit(0)))
