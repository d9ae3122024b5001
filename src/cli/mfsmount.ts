// The command mfsmount.
import type { Env } from '../env/env.ts'
import { realEnv } from '../env/real.ts'
import { type LogLevel, textLog } from '../env/real-log.ts'
import { connectCluster } from '../mount/connect.ts'
import { mfsmount } from '../mount/main.ts'

function makeEnv(level: LogLevel, foreground: boolean, busyPollMicroseconds: number): Env {
  // In the background nobody reads what we print; until the mount is up the terminal is still there.
  const write = (line: string) => {
    try {
      process.stderr.write(line)
    } catch {
      // The terminal is gone.
    }
  }
  return realEnv(textLog('mfsmount', foreground ? level : 'warning', write), busyPollMicroseconds)
}

process.exitCode = await mfsmount(process.argv.slice(2), connectCluster, makeEnv)
