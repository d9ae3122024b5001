// mfsmetalogger.cfg (spec daemons-and-config 5).
import { commonOptions } from './common.ts'
import { haOptions } from './ha.ts'
import { flag, hosts, listenHost, port, whole } from './kinds.ts'
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
    METALOGGER_ACK: {
      kind: flag,
      default: false,
      doc: 'Be a witness of a cluster of masters with HA_MODE = etcd: changes count when they are on the disk here too.',
      needsRestart: true,
    },
    HA_CLUSTER: { ...haOptions.HA_CLUSTER, doc: 'Of a witness: name of the cluster.' },
    HA_NAME: {
      ...haOptions.HA_NAME,
      doc: 'Of a witness: its name, one in the cluster, masters included; empty: the name of the machine.',
    },
    HA_ADDRESS: {
      ...haOptions.HA_ADDRESS,
      doc: 'Of a witness: own address of this machine, at which masters reach it.',
    },
    HA_LISTEN_HOST: { ...haOptions.HA_LISTEN_HOST, doc: 'Of a witness: address for masters and mfsha.' },
    HA_LISTEN_PORT: {
      ...haOptions.HA_LISTEN_PORT,
      doc: 'Of a witness: port for masters and mfsha, and the port of that name of all masters.',
    },
    HA_AUTH_CODE: { ...haOptions.HA_AUTH_CODE, doc: 'Of a witness: the secret of the cluster.' },
    HA_FOLLOWER_TIMEOUT: {
      ...haOptions.HA_FOLLOWER_TIMEOUT,
      doc: 'Of a witness: a leader that is silent for so long is left.',
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
