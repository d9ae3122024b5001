// A small process beside a leader: when the leader's process is gone, however that came, it gives the lease back and takes
// the address away at once. The kernel closes the pipe between the two only when the leader has ended for good, so nobody
// is left who could answer. Without it others wait for the end of the lease.
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Gateway, type GatewayOptions } from './gateway.ts'

export interface Guarded {
  readonly lease: string
  readonly etcd: GatewayOptions
  /** Gets "1": this machine has no leader. */
  readonly trackFile: string
}

/** What the leader tells its guard. */
export interface LeaseGuard {
  /** Undefined: there is nothing to give back. */
  hold(guarded: Guarded | undefined): void
  close(): void
}

const ARGUMENT = 'lease-guard'
/** It does next to nothing. */
const HEAP_MIB = 16

/** Starts the process. One that cannot be started, or ends, costs only time in a failover. */
export function startLeaseGuard(onFailure: (why: string) => void): LeaseGuard {
  const program = fileURLToPath(import.meta.url)
  const child = spawn(process.execPath, [`--max-old-space-size=${HEAP_MIB}`, program, ARGUMENT], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  let isClosed = false
  const failed = (why: string) => {
    if (!isClosed) onFailure(why)
  }
  child.on('error', error => failed(error.message))
  child.on('exit', (code, signal) => failed(`it ended (${signal ?? code})`))
  child.stdin.on('error', () => {})
  child.unref()
  return {
    hold: guarded => void child.stdin.write(`${JSON.stringify(guarded ?? null)}\n`),
    close: () => {
      isClosed = true
      child.stdin.end('null\n')
    },
  }
}

/** The process itself: remembers the last line, and acts when there are no more. */
async function guard(): Promise<void> {
  let held: Guarded | null = null
  for await (const line of createInterface({ input: process.stdin })) held = JSON.parse(line) as Guarded | null
  if (!held) return
  const { lease, etcd, trackFile } = held
  try {
    writeFileSync(trackFile, '1\n')
  } catch {
    // The folder is gone too: keepalived sees that by itself.
  }
  for (const endpoint of etcd.endpoints) {
    try {
      return await new Gateway({ ...etcd, endpoints: [endpoint] }).revokeLease(lease)
    } catch {
      // The next member, or the lease ends by itself.
    }
  }
}

if (process.argv[2] === ARGUMENT && process.argv[1] === fileURLToPath(import.meta.url)) {
  // A signal to the group of the leader is not for this process: it has its say afterwards.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})
  await guard()
  process.exit(0)
}
