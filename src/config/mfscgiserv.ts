// mfscgiserv.cfg. The original has only a command line (spec daemons-and-config 10), which counts more than this file.
import { commonOptions } from './common.ts'
import { flag, hosts, listenHost, port, whole } from './kinds.ts'
import { configFile, type Values } from './option.ts'

const common = commonOptions('mfscgiserv')

export const cgiservConfigFile = configFile({
  program: 'mfscgiserv',
  options: {
    ...common,
    // Who looks at a cluster must not be in its way.
    DISABLE_OOM_KILLER: { ...common.DISABLE_OOM_KILLER, default: false },
    NICE_LEVEL: { ...common.NICE_LEVEL, kind: whole({ min: -20, max: 19 }), default: 0 },
    MASTER_HOST: {
      kind: hosts,
      default: 'mfsmaster',
      doc: 'The master that is shown, or all masters of a cluster: a,b,c. No other is asked, whatever a URL says.',
    },
    MASTER_PORT: { kind: port, default: 9421, doc: 'Its port for clients.' },
    HTTP_LISTEN_HOST: { kind: listenHost, default: '*', doc: 'Address for browsers.', needsRestart: true },
    HTTP_LISTEN_PORT: { kind: port, default: 9425, doc: 'Port for browsers.', needsRestart: true },
    ALLOW_COMMANDS: {
      kind: flag,
      default: true,
      doc: 'Whether pages may remove servers and mounts and switch maintenance; 0: they only show.',
    },
    LOG_REQUESTS: { kind: flag, default: false, doc: 'Write each request to the log.' },
  },
})

export type CgiservConfig = Values<typeof cgiservConfigFile.options>
