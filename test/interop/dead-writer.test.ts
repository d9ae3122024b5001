// A mount that is killed in the middle of a write holds up other mounts for seconds, not for the time of its lease.
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster, whyNot } from './cluster.ts'
import { installPackages } from './packages.ts'

const ours = (program: string) => join(import.meta.dirname, '../../bin', program)

/** The lease has 120 s, and the original's mounts wait for its end. */
const WAIT_MAX_SECONDS = 40

/** Goes on appending to two files. */
const WRITER = `
import os, sys, time
files = [os.open(path, os.O_RDWR | os.O_APPEND) for path in sys.argv[1:]]
while True:
    for file in files: os.write(file, b'A' * 300000)
    time.sleep(0.05)`

const READER = `
import os, sys
print(os.read(os.open(sys.argv[1], os.O_RDONLY), 5).decode())`

const OVERWRITER = `
import os, sys
file = os.open(sys.argv[1], os.O_RDWR)
os.pwrite(file, b'later', 0)
os.fsync(file)
print(os.pread(file, 5, 0).decode())`

/** Ends the program behind a mount as a crash does. */
function killMount(cluster: Cluster, folder: string): void {
  const served = cluster.pids().find(pid => readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(`on: ${folder})`))
  assert.ok(served, `no mount at ${folder}`)
  process.kill(Number(served), 'SIGKILL')
}

/** Runs a script. @returns what it printed, and the seconds that it took */
async function timed(child: ChildProcess): Promise<{ output: string; seconds: number }> {
  const beganMs = Date.now()
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', text => {
      output += text
    })
  }
  await new Promise(resolve => child.once('close', resolve))
  return { output: output.trim(), seconds: (Date.now() - beganMs) / 1000 }
}

test('a mount that is killed while it writes holds up readers and writers for seconds', {
  skip: whyNot() ?? false,
}, async () => {
  installPackages()
  const cluster = new Cluster()
  try {
    cluster.startMasterWith(ours('mfsmaster'))
    for (const host of [2, 3]) cluster.startChunkserverWith(ours('mfschunkserver'), host)
    await sleep(3000)
    const [first, second, third] = ['a', 'b', 'c'].map(name => join(cluster.folder, name)) as [string, string, string]
    for (const folder of [first, second, third]) {
      mkdirSync(folder)
      cluster.mountWith('mfsmount', folder)
    }
    cluster.shell(`mfssetgoal 2 ${first}; cd ${first}; echo first > x; echo first > y; sync x y`)
    const writer = cluster.spawn('python3', '-c', WRITER, join(first, 'x'), join(first, 'y'))
    await sleep(3000)
    killMount(cluster, first)
    writer.kill('SIGKILL')
    const [read, written] = await Promise.all([
      timed(cluster.spawn('python3', '-c', READER, join(second, 'x'))),
      timed(cluster.spawn('python3', '-c', OVERWRITER, join(third, 'y'))),
    ])
    assert.deepEqual([read.output, written.output], ['first', 'later'])
    for (const { seconds } of [read, written]) assert.ok(seconds < WAIT_MAX_SECONDS, `${seconds} s`)
  } finally {
    await cluster.close()
  }
})
