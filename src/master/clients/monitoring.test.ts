import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as cltoma from '../../protocol/cltoma.ts'
import * as matocl from '../../protocol/matocl.ts'

test('answers to monitors have the sizes that tell them apart', () => {
  const zero = { ip: 0, port: 0, serverId: 0, used: 0, total: 0, chunks: 0, errors: 0, load: 0, grace: 0, labels: 0 }
  const removal = { removalUsed: 0, removalTotal: 0, removalChunks: 0, removalStatus: 0 }
  const server = { flags: 1, versionHigh: 3, versionLow: 234, ...zero, ...removal }
  const packet = matocl.cservList.encode({ servers: [server, server] })
  assert.equal(packet.length, 8 + 2 * 69)
  assert.deepEqual(matocl.cservList.decode(packet.subarray(8)).servers[1], server)
  assert.match(matocl.info.layout, /^version:32 memory:64/)
  assert.equal(cltoma.info.encode({}).toString('hex'), '000001fe00000000')
})
