// Programs that tests need and Debian has. Installed when missing; no service of theirs is started.
import { spawnSync } from 'node:child_process'

/** Package by program: what all tests with real MooseFS daemons need. */
const basics: Record<string, string> = {
  mfsmaster: 'moosefs-master',
  mfschunkserver: 'moosefs-chunkserver',
  mfsmount: 'moosefs-client',
  ip: 'iproute2',
  nsenter: 'util-linux',
  rsync: 'rsync',
  git: 'git',
  gcc: 'gcc',
  python3: 'python3',
}

const isMissing = (program: string) => spawnSync('which', [program]).status !== 0

/**
 * Installs what is missing. Test files run side by side and the package manager doesn't, so one waits for the other.
 *
 * @param more package by program, beyond the basics
 * @throws Error with the output of the package manager
 */
export function installPackages(more: Record<string, string> = {}): void {
  const wanted = Object.entries({ ...basics, ...more })
  const missing = wanted.filter(([program]) => isMissing(program))
  if (missing.length === 0) return
  const names = [...new Set(missing.map(([, name]) => name))]
  console.error(`installing Debian packages that the tests need: ${names.join(' ')}`)
  // Another test file may have installed them while this one waited for the lock.
  const script = `
    all_there() { for program; do command -v "$program" >/dev/null || return 1; done; }
    all_there ${missing.map(([program]) => program).join(' ')} && exit 0
    apt-get -q update
    apt-get -q -o DPkg::Lock::Timeout=600 install -y --no-install-recommends ${names.join(' ')}`
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const command = ['/run/lock/elkfs-test-packages', 'sh', '-c', script]
  const { status, stdout, stderr } = spawnSync('flock', command, { encoding: 'utf8', env })
  if (status !== 0) throw new Error(`apt-get install ${names.join(' ')}: ${status}\n${stdout}${stderr}`)
}
