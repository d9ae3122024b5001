// What a monitor is told of files whose chunks are missing.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FileCheck } from '../../src/master/file-check.ts'
import { MissingKind } from '../../src/protocol/monitors.ts'
import { ChunkWorld, type LightServer, worldOptions } from './chunk-world.ts'

const room = 1000

async function begin(servers: number): Promise<{ world: ChunkWorld; check: FileCheck; aPass: () => Promise<void> }> {
  const world = new ChunkWorld(1, Array(servers).fill({ room }), worldOptions)
  const check = new FileCheck(world.ledger, world.manager, 2)
  await world.begin()
  const aPass = async () => {
    for (let second = 0; second < 130; second++) {
      await world.scheduler.run(1000)
      check.tick()
    }
  }
  return { world, check, aPass }
}

test('files are counted by what is left of their chunks, some minutes after the start', async () => {
  const { world, check, aPass } = await begin(3)
  const [whole, thin, lost] = ['whole', 'thin', 'lost'].map(name => world.makeFile(name, name === 'thin' ? 3 : 1))
  for (const inode of [whole, thin, lost] as number[]) await world.written(inode, 0)
  for (const index of [1, 2, 3]) await world.written(lost as number, index)
  await aPass()
  assert.equal(check.last.to, 0, 'servers may still be on their way')
  await aPass()
  await aPass()
  assert.deepEqual([check.last.files, check.last.chunks, check.last.missingChunks], [3, 6, 0])
  for (const chunkId of [3, 4, 5]) {
    const holder = world.servers.find(({ disk }) => disk.has(chunkId)) as LightServer
    if (chunkId === 5) {
      holder.broken.add(chunkId)
      if (holder.link) world.manager.copyDamaged(holder.link, chunkId)
      continue
    }
    holder.remove(chunkId)
    if (holder.link) world.manager.copyLost(holder.link, chunkId)
  }
  const thinHolder = world.servers.find(({ disk }) => disk.has(2)) as LightServer
  for (const server of world.servers) server.refuses.set(150, 16)
  thinHolder.remove(2)
  if (thinHolder.link) world.manager.copyLost(thinHolder.link, 2)
  await aPass()
  const { files, undergoalFiles, missingFiles, chunks, undergoalChunks, missingChunks } = check.last
  assert.deepEqual({ files, undergoalFiles, missingFiles }, { files: 3, undergoalFiles: 1, missingFiles: 1 })
  assert.deepEqual({ chunks, undergoalChunks, missingChunks }, { chunks: 6, undergoalChunks: 1, missingChunks: 3 })
  assert.equal(check.missing.length, 2, 'no more are remembered than there is room for')
  assert.deepEqual(check.missing[0], { chunkId: 3, inode: lost, index: 0, kind: MissingKind.NO_COPY })
  assert.equal(world.manager.missingKind(world.ledger.state.chunks.find(5)), MissingKind.INVALID_COPIES)
})
