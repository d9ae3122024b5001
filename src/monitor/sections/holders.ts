// Whose a file that is open or locked is.
import type { Cluster } from '../cluster.ts'
import type { Choice } from '../section.ts'
import { mountsOf } from './mounts.ts'

export interface Holder {
  readonly ip: number
  readonly host: string
  readonly mountPoint: string
}

const UNKNOWN: Holder = { ip: 0, host: 'unknown', mountPoint: 'unknown' }

/** The mount of a session. */
export async function holderOf(cluster: Cluster, choice: Choice): Promise<(sessionId: number) => Holder> {
  const holders = new Map<number, Holder>((await mountsOf(cluster, choice)).map(mount => [mount.sessionId, mount]))
  return sessionId => holders.get(sessionId) ?? UNKNOWN
}
