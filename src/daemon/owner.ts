// Ending the process that holds a lock, and waiting for it (spec daemons-and-config 1.6).
import { setTimeout as sleep } from 'node:timers/promises'
import { writeTerminal } from './messages.ts'

const CHECK_MS = 50
const DOT_MS = 10_000

/**
 * Signals the owner until there is none, or `timeoutSeconds` are over. The owner may change while we wait: the new one
 * is signalled too.
 *
 * @param owner who holds the lock now
 * @returns whether nobody holds it any more
 */
export async function endOwner(
  owner: () => number | undefined,
  signal: 'SIGTERM' | 'SIGKILL',
  timeoutSeconds: number,
): Promise<boolean> {
  let signalled: number | undefined
  const until = performance.now() + timeoutSeconds * 1000
  let nextDot = performance.now() + DOT_MS
  for (let pid = owner(); pid !== undefined; pid = owner()) {
    if (pid !== signalled) {
      writeTerminal(`${signalled ? '\n' : ''}sending ${signal} to lock owner (pid:${pid})\n`)
      if (!trySignal(pid, signal)) return false
      writeTerminal('waiting for termination ')
      signalled = pid
    }
    if (performance.now() >= until) {
      writeTerminal(':giving up\n')
      return false
    }
    if (performance.now() >= nextDot) {
      writeTerminal('.')
      nextDot += DOT_MS
    }
    await sleep(CHECK_MS)
  }
  if (signalled) writeTerminal('terminated\n')
  return true
}

/** Sends a signal; says why when it cannot. A process that has just ended is fine. */
export function trySignal(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(pid, signal)
    return true
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ESRCH') return true
    writeTerminal(`can't send ${signal} to the lock owner (pid:${pid}): ${code}\n`)
    return false
  }
}
