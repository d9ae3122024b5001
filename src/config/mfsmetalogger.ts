// mfsmetalogger.cfg (spec daemons-and-config 5).
import { commonOptions } from './common.ts'
import { hosts, listenHost, port, whole } from './kinds.ts'
import { configFile, type Values } from './option.ts'

export const metaloggerConfigFile = configFile({
  program: 'mfsmetalogger',
  options: {
    ...commonOptions('mfsmetalogger'),
    BACK_LOGS: { kind: whole({ min: 5, max: 10000 }), default: 50, doc: 'Older changelogs kept.' },
    BACK_META_KEEP_PREVIOUS: { kind: whole({ min: 0, max: 99 }), default: 3, doc: 'Older checkpoints kept.' },
    META_DOWNLOAD_FREQ: {
      kind: whole({ min: 1 }),
      default: 24,
      unit: 'hours',
      doc: 'How often a checkpoint is fetched from the master; at most half of BACK_LOGS.',
    },
    MASTER_RECONNECTION_DELAY: {
      kind: whole({ min: 1 }),
      default: 5,
      unit: 'seconds',
      doc: 'Time between attempts to connect.',
    },
    BIND_HOST: { kind: listenHost, default: '*', doc: 'Local address of the connection to the master.' },
    MASTER_HOST: { kind: hosts, default: 'mfsmaster', doc: 'The master, or all masters of a cluster: a,b,c.' },
    MASTER_PORT: { kind: port, default: 9419, doc: 'Its port for metaloggers.' },
    MASTER_TIMEOUT: {
      kind: whole({ min: 10, max: 65535 }),
      default: 10,
      unit: 'seconds',
      doc: 'A master that is silent for so long is left.',
    },
  },
  reconcile({ BACK_LOGS, META_DOWNLOAD_FREQ }) {
    const hoursMax = Math.floor(BACK_LOGS / 2)
    return META_DOWNLOAD_FREQ > hoursMax
      ? {
          values: { META_DOWNLOAD_FREQ: hoursMax },
          notes: [`META_DOWNLOAD_FREQ is more than half of BACK_LOGS, using ${hoursMax}`],
        }
      : { values: {}, notes: [] }
  },
})

export type MetaloggerConfig = Values<typeof metaloggerConfigFile.options>
