// A small process beside a leader: when the leader's process is gone, however that came, it gives the lease back, takes
// the address away, and for a moment sends those who come to the leader's ports to its successor: clients of the original
// that are refused make a pause of two seconds. The kernel closes the pipe between the two only when the leader has ended
// for good, so nobody is left who could answer. Without the guard others wait for the end of the lease.
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { realClock } from '../../env/real.ts'
import { listenOnDescriptor } from '../../env/real-net.ts'
import { Gateway, type GatewayOptions } from '../../ha/gateway.ts'
import { parseIpv4 } from '../../util/ipv4.ts'
import { CHALLENGE_BYTES, type Reception, redirectChunkserver, redirectClient } from './redirect.ts'
import { Visitor } from './visitor.ts'

export interface Guarded {
  /** Where leadership hangs on one. */
  readonly lease?: { readonly id: string; readonly etcd: GatewayOptions }
  /** Gets "1": this machine has no leader. */
  readonly trackFile: string
  /** Address of whoever will lead, if that is known. */
  readonly successor: string | undefined
}

/** What the leader tells its guard. */
export interface Guard {
  /** Undefined: there is nothing to give back. */
  hold(guarded: Guarded | undefined): void
  close(): void
}

/** The ports that go on, as the system numbers them. */
export interface GuardedPorts {
  readonly clients: number
  readonly chunkservers: number
}

const ARGUMENT = 'leader-guard'
/** It does next to nothing. */
const HEAP_MIB = 32
/** Numbers of the ports in the process of the guard. */
const FIRST_DESCRIPTOR = 3
const receptions: readonly Reception[] = [redirectClient, redirectChunkserver]
/** Clients come within milliseconds. Not longer, because a new master wants the ports. */
const DOORS_OPEN_MS = 1500
/** The address stays while clients come and are sent on. */
const ADDRESS_MS = 150

/** Starts the process. One that cannot be started, or ends, costs only time in a failover. */
export function startGuard(ports: GuardedPorts | undefined, onFailure: (why: string) => void): Guard {
  const program = fileURLToPath(import.meta.url)
  const descriptors = ports ? [ports.clients, ports.chunkservers] : []
  const child = spawn(process.execPath, [`--max-old-space-size=${HEAP_MIB}`, program, ARGUMENT], {
    stdio: ['pipe', 'ignore', 'ignore', ...descriptors],
    detached: true,
  })
  let isClosed = false
  const failed = (why: string) => {
    if (!isClosed) onFailure(why)
  }
  child.on('error', error => failed(error.message))
  child.on('exit', (code, signal) => failed(`it ended (${signal ?? code})`))
  child.stdin?.on('error', () => {})
  child.unref()
  return {
    hold: guarded => void child.stdin?.write(`${JSON.stringify(guarded ?? null)}\n`),
    close: () => {
      isClosed = true
      child.stdin?.end('null\n')
    },
  }
}

/** Sends everybody who comes to the successor. */
async function openDoors(successor: string): Promise<void> {
  const leader = parseIpv4(successor) ?? 0
  for (const [i, reception] of receptions.entries()) {
    await listenOnDescriptor(FIRST_DESCRIPTOR + i, connection => {
      const challenge = randomBytes(CHALLENGE_BYTES)
      new Visitor(connection, { clock: realClock, reception, challenge, leader: () => leader, gone: () => {} })
    })
  }
}

async function revoke({ id, etcd }: NonNullable<Guarded['lease']>): Promise<void> {
  for (const endpoint of etcd.endpoints) {
    try {
      return await new Gateway({ ...etcd, endpoints: [endpoint] }).revokeLease(id)
    } catch {
      // The next member, or the lease ends by itself.
    }
  }
}

async function giveAddressAway(trackFile: string): Promise<void> {
  await sleep(ADDRESS_MS)
  try {
    writeFileSync(trackFile, '1\n')
  } catch {
    // The folder is gone too: keepalived sees that by itself.
  }
}

/** The process itself: remembers the last line, and acts when there are no more. */
async function guard(): Promise<void> {
  let held: Guarded | null = null
  for await (const line of createInterface({ input: process.stdin })) held = JSON.parse(line) as Guarded | null
  if (!held) return
  const { lease, trackFile, successor } = held
  const open = successor === undefined ? Promise.resolve() : openDoors(successor).catch(() => {})
  await Promise.all([open, lease && revoke(lease), giveAddressAway(trackFile)])
  if (successor !== undefined) await sleep(DOORS_OPEN_MS)
}

if (process.argv[2] === ARGUMENT && process.argv[1] === fileURLToPath(import.meta.url)) {
  // A signal to the group of the leader is not for this process: it has its say afterwards.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})
  await guard()
  process.exit(0)
}
