// Who comes to a master that does not lead is kept waiting, sent on, or served at last; and called to the virtual address.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Connection } from '../../../src/env/net.ts'
import { redirectClient } from '../../../src/master/ha/redirect.ts'
import { StandbyDoors } from '../../../src/master/ha/standby-doors.ts'
import * as cltoma from '../../../src/protocol/cltoma.ts'
import { SimHost } from '../host.ts'
import { SimNetwork } from '../net.ts'
import { Scheduler } from '../scheduler.ts'

const PORT = 9421
const ADDRESS = '10.0.0.1'
const LEADER = 0x0a000002
const reconnect = cltoma.fuseRegister.encode({
  blob: Buffer.alloc(64),
  kind: cltoma.RegisterCode.RECONNECT,
  body: Buffer.alloc(8),
})
/** A 4-byte answer to a registration: where the leader is. */
const redirectTo = (address: number) => {
  const packet = Buffer.alloc(12)
  packet.writeUInt32BE(401, 0)
  packet.writeUInt32BE(4, 4)
  packet.writeUInt32BE(address, 8)
  return packet
}

async function world() {
  const scheduler = new Scheduler(1)
  const network = new SimNetwork(scheduler)
  const env = new SimHost(scheduler, network, ADDRESS).env('master')
  const client = new SimHost(scheduler, network, '10.0.1.1').env('client')
  const it = { leader: 0, certain: true, served: Buffer.alloc(0), scheduler, client, doors: undefined as never }
  const doors = new StandbyDoors(env, () => it.leader)
  let isOpen = false
  void doors.open('*', PORT, redirectClient).then(() => {
    isOpen = true
  })
  await scheduler.until(() => isOpen, 1000, 'the port')
  const serve = () =>
    doors
      .envOf(() => it.certain)
      .net.listen('*', PORT, connection =>
        connection.handle({
          data: bytes => {
            it.served = Buffer.concat([it.served, bytes])
          },
          closed() {},
        }),
      )
  const visit = async () => {
    const visitor = { heard: Buffer.alloc(0), isClosed: false }
    let connection: Connection | undefined
    void client.net.connect(ADDRESS, PORT, { timeoutMs: 1000 }).then(made => {
      connection = made
      made.handle({
        data: bytes => {
          visitor.heard = Buffer.concat([visitor.heard, bytes])
        },
        closed: () => {
          visitor.isClosed = true
        },
      })
      made.write(reconnect)
    })
    await scheduler.until(() => connection !== undefined, 2000, 'a connection')
    await scheduler.run(100)
    return visitor
  }
  return { ...it, it, doors, serve, visit }
}

test('while nobody is known to lead, who comes waits, and is sent on as soon as somebody is', async () => {
  const { it, doors, visit, scheduler } = await world()
  const visitor = await visit()
  assert.equal(visitor.heard.length, 0)
  assert.ok(!visitor.isClosed)
  it.leader = LEADER
  doors.leaderIsKnown()
  await scheduler.run(100)
  assert.deepEqual(visitor.heard, redirectTo(LEADER))
})

for (const [what, packet] of [
  ['never reads', cltoma.getVersion.encode({})],
  ['never comes to the point', Buffer.alloc(8)],
] as const) {
  test(`who ${what} is let go, long before his time is over`, async () => {
    const { client, scheduler } = await world()
    let isClosed = false
    let sent = 0
    void client.net.connect(ADDRESS, PORT, { timeoutMs: 1000 }).then(async connection => {
      connection.handle({
        data() {},
        closed: () => {
          isClosed = true
        },
      })
      connection.pause()
      for (const many = Buffer.concat(Array(8192).fill(packet)); !isClosed && sent < 1 << 26; sent += many.length) {
        connection.write(many)
        await client.clock.sleep(1)
      }
    })
    await scheduler.run(5000)
    assert.ok(isClosed)
    assert.ok(sent < 1 << 24, `${sent} bytes`)
  })
}

test('who waits at the master that is elected is served there, from his first byte on', async () => {
  const { it, serve, visit, scheduler } = await world()
  const visitor = await visit()
  void serve()
  await scheduler.run(100)
  assert.deepEqual(it.served, reconnect)
  assert.equal(visitor.heard.length, 0)
  assert.ok(!visitor.isClosed)
})

test('a master that may not lead any more says nothing, and lets its clients go', async () => {
  const { it, doors, visit, scheduler } = await world()
  const served: Connection[] = []
  void doors
    .envOf(() => it.certain)
    .net.listen('*', PORT, connection => {
      served.push(connection)
      connection.handle({
        data() {},
        closed: () => {
          isLetGo = true
        },
      })
    })
  let isLetGo = false
  await scheduler.run(10)
  const visitor = await visit()
  it.certain = false
  served[0]?.write(Buffer.from('an answer'))
  await scheduler.run(100)
  assert.equal(visitor.heard.length, 0)
  assert.ok(isLetGo)
})

test('clients that came by another address are called to the virtual one, everybody else is served', async () => {
  const { it, doors, serve, visit, client, scheduler } = await world()
  void serve()
  await scheduler.run(10)
  const before = await visit()
  doors.callHome('10.0.0.99')
  await scheduler.run(100)
  assert.ok(before.isClosed)
  const after = await visit()
  assert.deepEqual(after.heard, redirectTo(0x0a000063))
  it.served = Buffer.alloc(0)
  const tool = cltoma.fuseRegister.encode({
    blob: Buffer.alloc(64),
    kind: cltoma.RegisterCode.TOOLS,
    body: Buffer.alloc(8),
  })
  void client.net.connect(ADDRESS, PORT, { timeoutMs: 1000 }).then(connection => connection.write(tool))
  await scheduler.run(500)
  assert.deepEqual(it.served, tool)
})

test('who came while this master followed is not called to the virtual address, and let go when it leads no more', async () => {
  const { it, doors, serve, client, scheduler } = await world()
  const kept: Connection[] = []
  void doors.open(
    '*',
    PORT + 1,
    () => ({ kind: 'keep' }),
    connection => void kept.push(connection),
  )
  await scheduler.run(10)
  let isClosed = false
  void client.net.connect(ADDRESS, PORT + 1, { timeoutMs: 1000 }).then(connection => {
    connection.handle({
      data() {},
      closed: () => {
        isClosed = true
      },
    })
    connection.write(reconnect)
  })
  await scheduler.run(100)
  void serve()
  const served = doors.envOf(() => it.certain).net.listen('*', PORT + 1, () => {})
  doors.guardEarly('*', PORT + 1, kept[0] as Connection, () => it.certain).handle({ data() {}, closed() {} })
  doors.callHome('10.0.0.99')
  await scheduler.run(100)
  assert.ok(!isClosed)
  void served.then(listener => listener.close())
  await scheduler.run(100)
  assert.ok(isClosed)
})
