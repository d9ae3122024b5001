// Options of a master in a cluster of masters (docs/high-availability.md).
import { ipv4, listenHost, optionalText, port, text, urls, whole, word } from './kinds.ts'
import type { Option } from './option.ts'

export const haOptions = {
  HA_MODE: {
    kind: word(['none', 'etcd', 'keepalived']),
    default: 'none' as 'none' | 'etcd' | 'keepalived',
    doc: 'How several masters agree who leads: not at all (a single master), by etcd, or two of them as keepalived says.',
    needsRestart: true,
  },
  HA_CLUSTER: {
    kind: text,
    default: 'elkfs',
    doc: 'Name of the cluster; the same on all its masters.',
    needsRestart: true,
  },
  HA_NAME: {
    kind: optionalText,
    default: undefined as string | undefined,
    doc: 'Name of this master, one in its cluster; empty: the name of the machine.',
    needsRestart: true,
  },
  HA_ADDRESS: {
    kind: ipv4,
    default: undefined as string | undefined,
    doc: 'Own address of this machine (not the virtual one), at which other masters, clients and chunkservers reach it.',
    needsRestart: true,
  },
  HA_PEER: {
    kind: ipv4,
    default: undefined as string | undefined,
    doc: 'With HA_MODE = keepalived: the own address of the other master.',
    needsRestart: true,
  },
  HA_VIRTUAL_ADDRESS: {
    kind: ipv4,
    default: undefined as string | undefined,
    doc: 'The address that keepalived carries to the leader, if there is one: clients that were sent here are called back to it.',
    needsRestart: true,
  },
  HA_LISTEN_HOST: { kind: listenHost, default: '*', doc: 'Address for other masters and mfsha.', needsRestart: true },
  HA_LISTEN_PORT: { kind: port, default: 9423, doc: 'Port for other masters and mfsha.', needsRestart: true },
  HA_AUTH_CODE: {
    kind: optionalText,
    default: undefined as string | undefined,
    doc: 'Secret that the masters of a cluster and mfsha share; without it mfsha is obeyed on the own machine only.',
    needsRestart: true,
  },
  HA_ETCD: {
    kind: urls,
    default: ['http://127.0.0.1:2379'] as readonly string[],
    doc: 'Members of etcd, tried one after the other.',
    needsRestart: true,
  },
  HA_ETCD_CA: {
    kind: optionalText,
    default: undefined as string | undefined,
    doc: 'File with the certificate that https members of etcd are checked with.',
    needsRestart: true,
  },
  HA_ETCD_CERT: {
    kind: optionalText,
    default: undefined as string | undefined,
    doc: 'File with the certificate that this master shows to etcd.',
    needsRestart: true,
  },
  HA_ETCD_KEY: {
    kind: optionalText,
    default: undefined as string | undefined,
    doc: 'File with the key of HA_ETCD_CERT.',
    needsRestart: true,
  },
  HA_LEASE_TTL: {
    kind: whole({ min: 2, max: 60 }),
    default: 3,
    unit: 'seconds',
    doc: 'After so long without a word from the leader another master may lead.',
    needsRestart: true,
  },
  HA_FOLLOWER_TIMEOUT: {
    kind: whole({ min: 500, max: 60000 }),
    default: 1500,
    unit: 'milliseconds',
    doc: 'A follower that is silent for so long is not waited for any more.',
    needsRestart: true,
  },
  HA_MIN_INSYNC: {
    kind: whole({ min: 1, max: 9 }),
    default: 1,
    doc: 'Nothing is acknowledged with fewer masters and witnesses in sync: 1 favours availability, 2 never goes on with one copy.',
    needsRestart: true,
  },
} satisfies Record<string, Option<unknown>>
