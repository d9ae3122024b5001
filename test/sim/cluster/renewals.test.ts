// A copy that cannot be put on its disk is given up by a write without bytes. What the application writes meanwhile must
// not suffer from the end of that one.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { copyFiles } from './chunk-copies.ts'
import { SimCluster } from './cluster.ts'
import { root } from './tree-model.ts'

const ROOT = 1
const PART_BYTES = 3000
const LIMIT_MS = 600_000

/** An application appends in steps of some milliseconds and syncs, and a server of its file loses its power. */
async function story(seed: number, stepMs: number): Promise<void> {
  const cluster = new SimCluster(seed, { servers: 3, syncChunks: false, sync: { kind: 'commit' } })
  cluster.start()
  await cluster.until(() => cluster.isUp, 60_000, 'the start of the cluster')
  const play = async () => {
    const session = await cluster.connect(cluster.addClientHost().env('client'))
    const made = await session.create(ROOT, 'file', 0o644, 0, root)
    const data = session.data(made.status === undefined ? made.inode : 0)
    const append = (part: number) => data.write(part * PART_BYTES, Buffer.alloc(PART_BYTES, part + 1))
    assert.equal(await append(0), 0)
    assert.equal(await data.flush(), 0)
    const answers: Promise<number>[] = []
    for (let part = 1; part < 40; part++) {
      const [copy] = part === 10 ? copyFiles(cluster) : []
      if (copy) cluster.killServer(copy.node, true, 10 + cluster.scheduler.between(0, 200))
      await cluster.sleep(cluster.scheduler.random() * stepMs)
      answers.push(append(part))
      if (part % 2 === 0) answers.push(data.sync())
    }
    const errors = [...(await Promise.all(answers)), await data.sync()]
    assert.deepEqual(new Set(errors), new Set([0]), `seed ${seed}`)
  }
  await cluster.run(play(), LIMIT_MS, 'the story')
}

test('a file is written on while a copy that lost its power is given up', async () => {
  for (let seed = 36; seed <= 48; seed++) await story(seed, seed % 20)
})
