// Real mounts and real chunkservers on our master.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { appendFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster, whyNot } from './cluster.ts'
import { installPackages } from './packages.ts'
import { chunkCounts, copyTree, differences, dropCaches, FEW_FILES, makeTree } from './tree.ts'

const skip = whyNot()

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
    makeTree(tree, FEW_FILES)
    copyTree(tree, join(mountPoint, 'tree'))
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
    for (let second = 0; second < 300 && underGoal() > 0; second++) await sleep(1000)
    assert.equal(underGoal(), 0)
  }),
)
