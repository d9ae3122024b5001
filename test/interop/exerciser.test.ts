// A file that is changed in every way, in random order, through mounts of ours: each byte is compared.
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster, whyNot } from './cluster.ts'
import { installPackages } from './packages.ts'

const OPERATIONS = 1200
const CHUNK_BYTES = 64 << 20
/** Half of what is changed lies before the border of two chunks. */
const AT_BORDER = CHUNK_BYTES - 200 * 1024

test('a file that is changed in every way has its bytes, also in another mount', {
  skip: whyNot() ?? false,
}, async t => {
  installPackages()
  const cluster = new Cluster()
  try {
    const program = join(cluster.folder, 'exerciser')
    execFileSync('gcc', ['-O1', '-Wall', '-o', program, join(import.meta.dirname, 'posix/exerciser.c')])
    const [gathering, other] = [join(cluster.folder, 'gathering'), join(cluster.folder, 'other')]
    for (const folder of [gathering, other]) mkdirSync(folder)
    await cluster.startOurMaster()
    for (const host of [2, 3]) await cluster.startOurChunkserver(host)
    await sleep(2000)
    cluster.mountOurs()
    cluster.mountOursAt(other)
    cluster.mountOursAt(gathering, '-o', 'writeback')
    const mounts = [cluster.mountPoint, gathering]
    for (const [seed, mount] of [...mounts, ...mounts].entries()) {
      const base = seed < 2 ? 0 : AT_BORDER
      const what = `seed ${seed} from byte ${base} on${mount === gathering ? ', with writeback' : ''}`
      await t.test(what, () => {
        const name = `file${seed}`
        const args = [join(mount, name), String(seed), String(OPERATIONS), String(base), join(other, name)]
        const { status, stdout } = spawnSync(program, args, { encoding: 'utf8', timeout: 180_000 })
        assert.equal(status, 0, stdout)
      })
    }
  } finally {
    await cluster.close()
  }
})
