// Clients that send what no layout allows, or what fits a layout and makes no sense: they get a status or a closed
// connection, and nothing else happens.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { life } from '../interop/client-life.ts'
import { MasterAndClients, type RawClient } from './master-and-clients.ts'
import { seeded } from './scheduler.ts'

const SEEDS = [1, 2, 3]
const PACKETS = 2500
/** What the coming and going of clients, and reading, leave in the log. */
const HOUSEKEEPING = /\|(SESADD|SESDEL|SESDISCONNECTED|SESCHANGED|ACCESS|ACQUIRE|RELEASE|IDLE)\(/

type Random = () => number
const below = (random: Random, limit: number) => Math.floor(random() * limit)

/** Interesting values of a field. */
const odd = [0, 1, 2, 0x7f, 0x80, 0xff, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff, 0x2f, 0x2e]

/** Spoils a packet: cut, longer, other bytes, other numbers. The header tells the true length, or a wrong type. */
function spoiled(packet: Buffer, random: Random): Buffer {
  let payload = Buffer.from(packet.subarray(8))
  const type = packet.readUInt32BE(0)
  switch (below(random, 5)) {
    case 0:
      payload = payload.subarray(0, below(random, payload.length + 1))
      break
    case 1:
      payload = Buffer.concat([payload, Buffer.alloc(1 + below(random, 300), below(random, 256))])
      break
    case 2:
      for (let i = below(random, 4); i >= 0 && payload.length > 0; i--) {
        payload[below(random, payload.length)] = below(random, 256)
      }
      break
    default:
      if (payload.length >= 8) {
        const at = 4 + below(random, payload.length - 7)
        payload.writeUInt32BE(odd[below(random, odd.length)] as number, at)
      }
  }
  const head = Buffer.alloc(8)
  head.writeUInt32BE(below(random, 50) === 0 ? below(random, 1000) : type, 0)
  head.writeUInt32BE(payload.length, 4)
  return Buffer.concat([head, payload])
}

for (const seed of SEEDS) {
  test(`spoiled packets leave the master as it was (seed ${seed})`, async () => {
    const world = new MasterAndClients(seed)
    const random = seeded(seed)
    const version = ['3.0.117', '1.6.20', '2.0.0'][seed % 3] as string
    const packets = life(version, 1, 2).steps.map(({ send }) => Buffer.from(send, 'hex'))
    await world.play(async () => {
      await world.start()
      const lines: string[] = []
      world.master.ledger.listen((_, body) => lines.push(body))
      let client: RawClient | undefined
      for (let i = 0; i < PACKETS; i++) {
        if (!client || client.talk.closed) client = await world.mount()
        const good = packets[1 + below(random, packets.length - 2)] as Buffer
        const bad = spoiled(good, random)
        lines.length = 0
        client.talk.packets.length = 0
        client.talk.send(bad)
        await settle(world)
        const [answer] = client.talk.packets.filter(({ type }) => type !== 0)
        const refused = client.talk.closed || (answer?.payload.length === 5 && answer.payload[4] !== 0)
        const changes = lines.filter(line => !HOUSEKEEPING.test(line))
        if (refused) assert.deepEqual(changes, [], `packet ${i}: ${bad.toString('hex').slice(0, 400)}`)
      }
      const complaints = world.host.messages.filter(message => / (error|warning): /.test(message))
      assert.deepEqual(complaints, [])
      assert.deepEqual(world.failures, [])
      client?.close()
      await settle(world)
      const digest = world.state.digest()
      world.kill()
      assert.equal((await world.recovered()).digest(), digest, 'everything that changed is in the log')
      await world.start()
      assert.deepEqual(world.failures, [])
    })
  })
}

const settle = (world: MasterAndClients) => new Promise<void>(resolve => void world.scheduler.at(30, resolve))
