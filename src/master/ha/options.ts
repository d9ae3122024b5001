// What a master in a cluster is told, from mfsmaster.cfg.
import type { MasterConfig } from '../../config/mfsmaster.ts'
import { StartError } from '../../daemon/config-file.ts'
import type { GatewayOptions } from '../../ha/gateway.ts'
import type { LeaseOptions } from '../../ha/lease.ts'
import type { MemberOptions } from '../../ha/member.ts'
import type { PairOptions } from '../../ha/pair-arbiter.ts'
import { isMemberName } from '../../ha/records.ts'

/** Who decides which master leads. */
export type ArbiterChoice =
  | { readonly kind: 'etcd'; readonly etcd: GatewayOptions; readonly lease: LeaseOptions }
  | { readonly kind: 'pair'; readonly pair: PairOptions }

export interface ClusterOptions {
  name: string
  cluster: string
  address: string
  /** What clients know, when keepalived carries one from master to master. */
  virtualAddress: string | undefined
  arbiter: ArbiterChoice
  member: MemberOptions
  /** Tells keepalived whether this master leads. */
  trackFile: string
}

/** Clocks of machines are taken to run alike to one in ten. */
const MARGIN_SHARE = 0.1
const HEARTBEAT_MS = 300
const POLL_MS = 500
const BACKLOG_BYTES = 32 << 20
const CONNECT_MS = 1000
/** How long a new master waits for others that may bring metadata, before it begins a new file system. */
const NEW_FILE_SYSTEM_AFTER_MS = 3000
const HOLD_OFF_MS = 5000
/** Two masters ask each other so often, and wait so long for the answer. */
const PROBE_MS = 400
const PROBE_ANSWER_MS = 700
/** With two masters, time for keepalived to notice and to call mfsha while the other one still counts as in sync. */
const PAIR_SILENCE_MS = 3300
/** A follower asks again sooner than that. */
const PAIR_LEADER_SILENCE_MS = 1000

/** @param machine name of this machine. @throws StartError saying which option is missing or does not fit */
export function clusterOptions(config: MasterConfig, machine: string): ClusterOptions {
  const { HA_MODE, HA_ADDRESS, HA_NAME, HA_CLUSTER, HA_AUTH_CODE, CHANGELOG_SYNC } = config
  if (!HA_ADDRESS) throw new StartError(`HA_MODE = ${HA_MODE} needs HA_ADDRESS: the own address of this machine`)
  if (CHANGELOG_SYNC.kind !== 'commit') {
    throw new StartError(
      'several masters need CHANGELOG_SYNC = commit: masters promise each other what is on their disks',
    )
  }
  const name = HA_NAME ?? machine
  if (!isMemberName(name)) throw new StartError(`HA_NAME = ${name}: write letters, digits, "-", "_" and "."`)
  const isPair = HA_MODE === 'keepalived'
  const silenceMs = isPair ? Math.max(config.HA_FOLLOWER_TIMEOUT, PAIR_SILENCE_MS) : config.HA_FOLLOWER_TIMEOUT
  return {
    name,
    cluster: HA_CLUSTER,
    address: HA_ADDRESS,
    virtualAddress: config.HA_VIRTUAL_ADDRESS,
    arbiter: isPair ? pairChoice(config, HA_ADDRESS, silenceMs) : etcdChoice(config),
    member: {
      listenHost: config.HA_LISTEN_HOST,
      listenPort: config.HA_LISTEN_PORT,
      pollMs: POLL_MS,
      following: {
        cluster: HA_CLUSTER,
        secret: HA_AUTH_CODE,
        connectMs: CONNECT_MS,
        silenceMs: isPair ? PAIR_LEADER_SILENCE_MS : silenceMs,
      },
      leadership: {
        silenceMs,
        minInSync: config.HA_MIN_INSYNC,
        heartbeatMs: HEARTBEAT_MS,
        backlogBytes: BACKLOG_BYTES,
      },
      newFileSystemAfterMs: NEW_FILE_SYSTEM_AFTER_MS,
      holdOffMs: HOLD_OFF_MS,
    },
    trackFile: `${config.DATA_PATH}/${TRACK_FILE}`,
  }
}

function etcdChoice(config: MasterConfig): ArbiterChoice {
  const { HA_LEASE_TTL } = config
  return {
    kind: 'etcd',
    etcd: {
      endpoints: config.HA_ETCD,
      timeoutMs: (HA_LEASE_TTL * 1000) / 4,
      ca: config.HA_ETCD_CA,
      cert: config.HA_ETCD_CERT,
      key: config.HA_ETCD_KEY,
    },
    lease: { ttlSeconds: HA_LEASE_TTL, marginMs: HA_LEASE_TTL * 1000 * MARGIN_SHARE },
  }
}

/** @throws StartError when the other master is not named */
function pairChoice(config: MasterConfig, address: string, silenceMs: number): ArbiterChoice {
  const { HA_PEER, HA_LISTEN_PORT: port, HA_CLUSTER: cluster, HA_AUTH_CODE: secret } = config
  if (!HA_PEER || HA_PEER === address) {
    throw new StartError('HA_MODE = keepalived needs HA_PEER: the own address of the other master')
  }
  if (secret === undefined) throw new StartError('HA_MODE = keepalived needs HA_AUTH_CODE, the same on both masters')
  return {
    kind: 'pair',
    pair: {
      address: { address, port },
      peer: { host: HA_PEER, port, cluster, secret, timeoutMs: PROBE_ANSWER_MS },
      probeMs: PROBE_MS,
      certainMs: config.HA_LEASE_TTL * 1000,
      silenceMs,
      marginMs: silenceMs * MARGIN_SHARE,
    },
  }
}

/**
 * Holds 0 while this master leads, else 1; with HA_MODE = keepalived 0 also while it could lead. Written anew twice a
 * second, so its age shows a master that hangs.
 */
export const TRACK_FILE = 'not-leader'
