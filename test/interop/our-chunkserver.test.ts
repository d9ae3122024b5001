// Our chunkservers under real masters and mounts, beside real chunkservers, and on each other's disks.
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster, whyNot } from './cluster.ts'
import { installPackages } from './packages.ts'
import { chunkCounts, copyTree, differences, dropCaches, FEW_FILES, FILES, makeTree } from './tree.ts'

const skip = whyNot() ?? false

type Kind = 'our' | 'real'

async function withCluster(
  master: Kind,
  servers: Kind[],
  files: number,
  run: (cluster: Cluster, tree: string, copy: string) => Promise<void>,
): Promise<void> {
  installPackages()
  const cluster = new Cluster()
  try {
    if (master === 'our') await cluster.startOurMaster()
    else cluster.startRealMaster()
    for (const [i, kind] of servers.entries()) await start(cluster, i + 2, kind)
    await sleep(2500)
    cluster.mountReal()
    const tree = join(cluster.folder, 'tree')
    makeTree(tree, files)
    execFileSync('dd', ['if=/dev/urandom', `of=${join(tree, 'big')}`, 'bs=1M', 'count=70'], { stdio: 'ignore' })
    await run(cluster, tree, join(cluster.mountPoint, 'tree'))
  } catch (error) {
    for (const [host, log] of cluster.chunkserverLogs) console.error(`chunkserver ${host}:\n${log()}`)
    throw error
  } finally {
    await cluster.close()
  }
}

async function start(cluster: Cluster, host: number, kind: Kind): Promise<void> {
  if (kind === 'our') await cluster.startOurChunkserver(host)
  else cluster.startRealChunkserver(host)
}

async function stop(cluster: Cluster, host: number, kind: Kind): Promise<void> {
  if (kind === 'our') await cluster.stopOurChunkserver(host, 'SIGTERM')
  else cluster.stopRealChunkserver(host)
}

const combinations: [Kind, Kind[], number][] = [
  ['real', ['our', 'our'], FEW_FILES],
  ['real', ['our', 'real'], FILES],
  ['our', ['our', 'our'], FILES],
  ['our', ['our', 'real'], FILES],
]
for (const [master, servers, files] of combinations) {
  test(`a tree goes to ${servers.join(' and ')} chunkservers under the ${master} master and comes back`, { skip }, () =>
    withCluster(master, servers, files, async (_cluster, tree, copy) => {
      copyTree(tree, copy)
      dropCaches()
      assert.equal(differences(tree, copy), '')
    }),
  )
}

for (const [first, second] of [
  ['our', 'real'],
  ['real', 'our'],
] as [Kind, Kind][]) {
  test(`what one chunkserver (${first}) stored, another (${second}) serves`, { skip }, () =>
    withCluster('real', [first], FILES, async (cluster, tree, copy) => {
      copyTree(tree, copy)
      await stop(cluster, 2, first)
      await start(cluster, 2, second)
      await sleep(4000)
      dropCaches()
      assert.equal(differences(tree, copy), '')
    }),
  )
}

test('copies that were on a lost server are made anew, by ours from a real one and the other way round', { skip }, () =>
  withCluster('our', ['our', 'real', 'our'], FEW_FILES, async (cluster, tree, copy) => {
    copyTree(tree, copy)
    await cluster.stopOurChunkserver(4, 'SIGKILL')
    const underGoal = () => chunkCounts(cluster.folder, [2, 3]).filter(count => count < 2).length
    assert.ok(underGoal() > 0)
    for (let second = 0; second < 300 && underGoal() > 0; second++) await sleep(1000)
    assert.equal(underGoal(), 0)
    dropCaches()
    assert.equal(differences(tree, copy), '')
    await cluster.stopOurChunkserver(2, 'SIGTERM')
    dropCaches()
    assert.equal(differences(tree, copy), '')
  }),
)

test("the original's tool finds nothing wrong with our files", { skip }, () =>
  withCluster('real', ['our', 'our'], FEW_FILES, async ({ folder, mountPoint }, tree, copy) => {
    copyTree(tree, copy)
    const script = `
      mfsmakesnapshot tree snapshot
      for i in 100 200 300; do echo more >> snapshot/d0/f$i; done
      truncate -s 5000 snapshot/d50/f150; truncate -s 200000 tree/d60/f160; truncate -s 2m snapshot/big
      dd if=/dev/zero of=holes bs=1M count=3; printf x | dd of=holes bs=1 seek=2000000 conv=notrunc`
    execFileSync('sh', ['-c', script], { cwd: mountPoint, stdio: 'ignore' })
    await sleep(1000)
    const files = [2, 3].flatMap(host => {
      const disk = join(folder, `disk${host}`)
      const names = readdirSync(disk, { recursive: true, encoding: 'utf8' }).filter(name => name.endsWith('.mfs'))
      return names.map(name => join(disk, name))
    })
    assert.ok(files.length > 200)
    const { status, stdout, stderr } = spawnSync('mfschunktool', ['-e', ...files], { encoding: 'utf8' })
    assert.deepEqual([status, stdout, stderr], [0, '', ''])
  }),
)
