// The simulated doors keep the promises that the real ones make, and break the ones that the real ones break.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Connection } from '../../src/env/net.ts'
import { realDisk } from '../../src/env/real-disk.ts'
import { SimHost } from './host.ts'
import { SimNetwork } from './net.ts'
import { Scheduler } from './scheduler.ts'

function world(seed: number) {
  const scheduler = new Scheduler(seed)
  const network = new SimNetwork(scheduler)
  const host = (address: string) => new SimHost(scheduler, network, address)
  /** Runs an async story on virtual time. */
  const play = async (story: () => Promise<void>): Promise<void> => {
    let end: { error?: unknown } | undefined
    story().then(
      () => {
        end = {}
      },
      error => {
        end = { error }
      },
    )
    await scheduler.until(() => end !== undefined, 60_000, 'story')
    if (end?.error) throw end.error
  }
  return { scheduler, network, host, play }
}

test('who waits while somebody else waits goes on at the moment that he waits for', async () => {
  const { scheduler, play } = world(1)
  const tick = () => void scheduler.at(1, tick)
  tick()
  await play(async () => {
    for (let i = 0; i < 5; i++) {
      const wantedMs = scheduler.nowMs + 10
      await scheduler.until(() => scheduler.nowMs >= wantedMs, 1000, 'a moment')
      assert.ok(scheduler.nowMs <= wantedMs + 2, `${scheduler.nowMs} instead of ${wantedMs}`)
    }
  })
})

test('synced bytes survive a power cut, un-synced ones may not', async () => {
  let losses = 0
  for (let seed = 1; seed <= 20; seed++) {
    const { host, play } = world(seed)
    const machine = host('10.0.0.1')
    await play(async () => {
      const { disk } = machine.env('writer')
      await disk.makeFolder('/data')
      const file = await disk.open('/data/log', 'a+')
      await file.write(Buffer.from('kept'), 0)
      await file.sync()
      await disk.syncFolder('/data')
      await file.write(Buffer.from(' lost?'), 0)
    })
    machine.powerCut()
    await play(async () => {
      const text = (await machine.env('reader').disk.readFile('/data/log')).toString()
      assert.ok('kept lost?'.startsWith(text) || text.startsWith('kept'), text)
      assert.equal(text.slice(0, 4), 'kept')
      if (text !== 'kept lost?') losses++
    })
  }
  assert.ok(losses > 0 && losses < 20, `${losses} of 20 power cuts lost something`)
})

test('a new name is durable only after its folder was synced', async () => {
  const outcomes = new Set<string>()
  for (let seed = 1; seed <= 20; seed++) {
    const { host, play } = world(seed)
    const machine = host('10.0.0.1')
    await play(async () => {
      const { disk } = machine.env('writer')
      await disk.makeFolder('/data')
      await (await disk.open('/data/new', 'w+')).sync()
    })
    machine.powerCut()
    await play(async () => void outcomes.add((await machine.env('reader').disk.list('/data')).join()))
  }
  assert.deepEqual([...outcomes].sort(), ['', 'new'])
})

test('a kill keeps what was written and silences the dead program', async () => {
  const { scheduler, host, play } = world(7)
  const machine = host('10.0.0.1')
  let ticks = 0
  await play(async () => {
    const { disk, clock } = machine.env('writer')
    clock.every(10, () => ticks++)
    await disk.makeFolder('/data')
    await (await disk.open('/data/log', 'a+')).write(Buffer.from('written'), 0)
  })
  machine.kill()
  ticks = 0
  await scheduler.run(1000)
  assert.equal(ticks, 0)
  await play(async () => assert.equal((await machine.env('reader').disk.readFile('/data/log')).toString(), 'written'))
})

test('bytes of one connection arrive in order, and the peer hears of the end', async () => {
  const { scheduler, host } = world(3)
  const [server, client] = [host('10.0.0.1').env('server'), host('10.0.0.2').env('client')]
  let heard = ''
  let closed = false
  await server.net.listen('*', 9421, connection => {
    connection.handle({
      data: bytes => {
        heard += bytes.toString()
      },
      closed: () => {
        closed = true
      },
    })
  })
  void client.net.connect('10.0.0.1', 9421, { timeoutMs: 1000 }).then(connection => {
    connection.handle({ data() {}, closed() {} })
    for (const word of ['one ', 'two ', 'three']) connection.write(Buffer.from(word))
    connection.end()
  })
  await scheduler.until(() => closed, 1000, 'end of connection')
  assert.equal(heard, 'one two three')
})

test('a partition holds messages back and a kill ends connections', async () => {
  const { scheduler, network, host } = world(4)
  const machine = host('10.0.0.1')
  const client = host('10.0.0.2').env('client')
  let heard = ''
  let ended = false
  await machine.env('server').net.listen('*', 9421, connection => {
    connection.handle({
      data: bytes => {
        heard += bytes.toString()
      },
      closed() {},
    })
  })
  void client.net.connect('10.0.0.1', 9421, { timeoutMs: 1000 }).then(connection => {
    connection.handle({
      data() {},
      closed: () => {
        ended = true
      },
    })
    network.partition('10.0.0.1', '10.0.0.2')
    connection.write(Buffer.from('late'))
  })
  await scheduler.run(500)
  assert.equal(heard, '')
  network.heal()
  await scheduler.until(() => heard === 'late', 1000, 'message after healing')
  machine.kill()
  await scheduler.until(() => ended, 1000, 'the end')
})

test('a program killed in the middle of a write leaves it undone, done or done in part', async () => {
  const lengths = new Set<string>()
  for (let seed = 1; seed <= 30; seed++) {
    const { scheduler, host, play } = world(seed)
    const machine = host('10.0.0.1')
    let heard = false
    await play(async () => {
      const { disk } = machine.env('writer')
      await disk.makeFolder('/data')
      const file = await disk.open('/data/log', 'a+')
      void file.write(Buffer.alloc(1000), 0).then(() => {
        heard = true
      })
      machine.kill()
    })
    await scheduler.run(10)
    assert.equal(heard, false)
    const { length } = machine.disk.peek('/data/log')
    lengths.add(length === 0 ? 'undone' : length === 1000 ? 'done' : 'in part')
  }
  assert.deepEqual([...lengths].sort(), ['done', 'in part', 'undone'])
})

test('a killed program gets no connection that it had asked for', async () => {
  const { scheduler, network, host } = world(5)
  const server = host('10.0.0.1')
  const client = host('10.0.0.2')
  await server.env('server').net.listen('*', 9421, connection => connection.handle({ data() {}, closed() {} }))
  void client.env('client').net.connect('10.0.0.1', 9421, { timeoutMs: 1000 })
  client.kill()
  await scheduler.run(5000)
  assert.equal(network.connections, 0)
})

test('a killed program that closes its listener leaves that of the next one alone', async () => {
  const { host, play } = world(1)
  const [server, client] = [host('10.0.0.1'), host('10.0.0.2')]
  await play(async () => {
    const former = await server.env('former').net.listen('*', 9000, () => {})
    server.kill()
    await server.env('next').net.listen('*', 9000, () => {})
    await former.close()
    await client.env('client').net.connect('10.0.0.1', 9000, { timeoutMs: 100 })
  })
})

test('a program that does not read makes the other side queue', async () => {
  const { scheduler, host } = world(6)
  let received = 0
  let reader: Connection | undefined
  await host('10.0.0.1')
    .env('server')
    .net.listen('*', 9421, connection => {
      reader = connection
      connection.handle({
        data: bytes => {
          received += bytes.length
        },
        closed() {},
      })
      connection.pause()
    })
  let writer: Connection | undefined
  void host('10.0.0.2')
    .env('client')
    .net.connect('10.0.0.1', 9421, { timeoutMs: 1000 })
    .then(connection => {
      writer = connection
      connection.handle({ data() {}, closed() {} })
      for (let i = 0; i < 100; i++) connection.write(Buffer.alloc(10_000))
    })
  await scheduler.run(1000)
  assert.equal(received, 0)
  assert.ok((writer?.queuedBytes ?? 0) > 500_000)
  reader?.resume()
  await scheduler.until(() => received === 1_000_000, 1000, 'everything')
  assert.equal(writer?.queuedBytes, 0)
})

test('a disk is full when its files take all of its room, and has room again without them', async () => {
  const { host, play } = world(8)
  const { disk } = host('10.0.0.1')
  disk.capacityBytes = 1000
  await play(async () => {
    await disk.makeFolder('/d')
    const file = await disk.open('/d/a', 'w+')
    await file.write(Buffer.alloc(900), 0)
    await assert.rejects(file.write(Buffer.alloc(200), 900), { code: 'ENOSPC' })
    assert.equal((await file.stat()).size, 1000)
    await file.write(Buffer.alloc(200), 0)
    await file.truncate(500)
    assert.equal((await disk.space()).availableBytes, 500)
    await disk.rename('/d/a', '/d/b')
    assert.equal(disk.usedBytes, 500)
    await disk.unlink('/d/b')
    assert.equal(disk.usedBytes, 0)
  })
})

test('one seed gives one history', async () => {
  const history = async (seed: number) => {
    const { scheduler } = world(seed)
    const events: string[] = []
    for (let i = 0; i < 50; i++) {
      const delay = scheduler.between(0, 100)
      scheduler.at(delay, () => events.push(`${i}@${scheduler.nowMs}`))
    }
    await scheduler.run(200)
    return events.join(' ')
  }
  assert.equal(await history(5), await history(5))
  assert.notEqual(await history(5), await history(6))
})

test('the simulated disk has every door of the real one', () => {
  const { host } = world(1)
  const { disk } = host('10.0.0.1')
  for (const door of Object.keys(realDisk)) assert.equal(typeof Reflect.get(disk, door), 'function', door)
})
