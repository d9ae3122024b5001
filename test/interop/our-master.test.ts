// Real mounts and real chunkservers on our master.
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import {
  appendFileSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster, installPackages, whyNot } from './cluster.ts'

const FILES = 10_500
const skip = whyNot()

/** A tree with what file systems meet: many files, links of both kinds, special files, odd names, old times. */
function makeTree(root: string): void {
  mkdirSync(root)
  for (let i = 0; i < FILES; i++) {
    const folder = join(root, `d${i % 100}`)
    if (i < 100) mkdirSync(folder)
    writeFileSync(join(folder, `f${i}`), i % 10 === 0 ? 'x'.repeat((i * 37) % 100_000) : '', {
      mode: 0o600 | (i & 0o77),
    })
  }
  const at = (name: string) => join(root, name)
  symlinkSync('d0/f0', at('link'))
  linkSync(at('d0/f0'), at('hard'))
  execFileSync('mkfifo', [at('fifo')])
  execFileSync('mknod', [at('null'), 'c', '1', '3'])
  writeFileSync(Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0xff, 0xfe, 0x0a, 0x25, 0x2c])]), 'odd')
  writeFileSync(at('n'.repeat(255)), 'long')
  utimesSync(at('d1/f1'), 1_000_000_000, 1_100_000_000)
}

/** What rsync would still have to do; nothing when the trees are equal. */
function differences(source: string, target: string): string {
  const args = ['-aHc', '--delete', '--dry-run', '--itemize-changes', `${source}/`, `${target}/`]
  return execFileSync('rsync', args, { encoding: 'utf8' })
}

/** For each chunk that lies on the disks of these servers, on how many of them it does. */
function chunkCounts(folder: string, hosts: number[]): number[] {
  const counts = new Map<string, number>()
  for (const host of hosts) {
    const names = readdirSync(join(folder, `disk${host}`), { recursive: true, encoding: 'utf8' })
    for (const name of new Set(names.map(name => /chunk_([0-9A-F]{16})_/.exec(name)?.[1]))) {
      if (name) counts.set(name, (counts.get(name) ?? 0) + 1)
    }
  }
  return [...counts.values()]
}

const dropCaches = () => writeFileSync('/proc/sys/vm/drop_caches', '3')

async function withCluster(run: (cluster: Cluster) => Promise<void>): Promise<void> {
  installPackages()
  const cluster = new Cluster()
  try {
    await cluster.startOurMaster()
    for (const host of [2, 3]) cluster.startRealChunkserver(host)
    await sleep(2000)
    cluster.mountReal()
    await run(cluster)
  } finally {
    await cluster.close()
  }
}

test('a tree goes through a real mount and real chunkservers and comes back the same', { skip: skip ?? false }, () =>
  withCluster(async ({ folder, mountPoint }) => {
    const tree = join(folder, 'tree')
    makeTree(tree)
    execFileSync('cp', ['-a', tree, join(mountPoint, 'tree')])
    dropCaches()
    assert.equal(differences(tree, join(mountPoint, 'tree')), '')
  }),
)

test('a master killed under load comes back with everything it acknowledged', { skip: skip ?? false }, () =>
  withCluster(async cluster => {
    const { mountPoint, folder } = cluster
    const acknowledged = join(folder, 'acknowledged')
    const script = `for i in $(seq 1 400); do echo $i > ${mountPoint}/f$i && echo $i >> ${acknowledged}; done`
    const load = new Promise<void>((resolve, reject) => {
      spawn('sh', ['-c', script]).once('exit', code => (code === 0 ? resolve() : reject(new Error(`load: ${code}`))))
    })
    for (let round = 0; round < 2; round++) {
      await sleep(700)
      await cluster.stopOurMaster('SIGKILL')
      await cluster.startOurMaster()
    }
    await load
    const noted = readFileSync(acknowledged, 'utf8').trim().split('\n')
    assert.equal(noted.length, 400)
    for (const i of noted) assert.equal(readFileSync(join(mountPoint, `f${i}`), 'utf8'), `${i}\n`)
  }),
)

test('our master and the real one take turns under a mounted client', { skip: skip ?? false }, () =>
  withCluster(async cluster => {
    const { mountPoint } = cluster
    for (let i = 0; i < 50; i++) writeFileSync(join(mountPoint, `before${i}`), `contents ${i}`)
    await cluster.stopOurMaster('SIGTERM')
    cluster.startRealMaster()
    for (let i = 0; i < 50; i++) assert.equal(readFileSync(join(mountPoint, `before${i}`), 'utf8'), `contents ${i}`)
    appendFileSync(join(mountPoint, 'before0'), ', and more')
    cluster.stopRealMaster()
    await cluster.startOurMaster()
    assert.equal(readFileSync(join(mountPoint, 'before0'), 'utf8'), 'contents 0, and more')
    assert.equal(readdirSync(mountPoint).length, 50)
  }),
)

test('a chunkserver killed while files are written costs no error', { skip: skip ?? false }, () =>
  withCluster(async cluster => {
    const { mountPoint, folder } = cluster
    cluster.startRealChunkserver(4)
    await sleep(2000)
    const write = `for i in $(seq 1 30); do dd if=/dev/urandom of=${mountPoint}/g$i bs=1M count=4 conv=fsync 2>/dev/null || exit 1; done`
    const load = new Promise(resolve => spawn('sh', ['-c', write]).once('exit', resolve))
    await sleep(400)
    cluster.killRealChunkserver(3)
    assert.equal(await load, 0)
    dropCaches()
    for (let i = 1; i <= 30; i++) assert.equal(readFileSync(join(mountPoint, `g${i}`)).length, 4 << 20)
    const underGoal = () => chunkCounts(folder, [2, 4]).filter(count => count < 2).length
    for (let second = 0; second < 60 && underGoal() > 0; second++) await sleep(1000)
    assert.equal(underGoal(), 0)
  }),
)
