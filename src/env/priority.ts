// The nice value of a whole process. The system keeps one per thread, and Node has threads (collecting garbage,
// compiling, waiting for disks) before the first line of a program runs.
import { readdirSync } from 'node:fs'
import { setPriority } from 'node:os'

/**
 * Sets the nice value of these threads of the process, all by default; those that they make later inherit it.
 * @throws Error with code EACCES, EPERM
 */
export function setPriorityOfThreads(nice: number, which: (thread: string) => boolean = () => true): void {
  for (const thread of readdirSync('/proc/self/task').filter(which)) {
    try {
      setPriority(Number(thread), nice)
    } catch (error) {
      // It has ended meanwhile.
      if ((error as { info?: { code: string } }).info?.code !== 'ESRCH') throw error
    }
  }
}
