import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Clock } from '../env/env.ts'
import { type Etcd, EtcdError } from './etcd.ts'
import { Lease } from './lease.ts'

/** A clock that is set by hand, and an etcd whose answers are given by hand. */
function world() {
  let monotonicMs = 1000
  let wallMs = 5_000_000
  let timers: { atMs: number; action: () => void }[] = []
  const pass = (ms: number) => {
    const endMs = monotonicMs + ms
    for (;;) {
      const next = timers.filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs)[0]
      if (!next) break
      timers = timers.filter(timer => timer !== next)
      wallMs += next.atMs - monotonicMs
      monotonicMs = next.atMs
      next.action()
    }
    wallMs += endMs - monotonicMs
    monotonicMs = endMs
  }
  const clock = {
    nowMs: () => wallMs,
    monotonicMs: () => monotonicMs,
    after(ms: number, action: () => void) {
      const timer = { atMs: monotonicMs + ms, action }
      timers.push(timer)
      return {
        cancel: () => {
          timers = timers.filter(other => other !== timer)
        },
      }
    },
  } as Clock
  const asked: { answer: (ttlSeconds: number) => void; fail: () => void }[] = []
  const etcd = {
    grantLease: async (ttlSeconds: number) => ({ id: 'lease', ttlSeconds }),
    keepAlive: () =>
      new Promise<number>((resolve, reject) => {
        asked.push({ answer: resolve, fail: () => reject(new EtcdError('no answer')) })
      }),
    revokeLease: async () => {},
  } as unknown as Etcd
  const lost: string[] = []
  const lease = new Lease(
    clock,
    etcd,
    { ttlSeconds: 3, marginMs: 300 },
    () => {},
    why => lost.push(why),
  )
  const jumpWall = (ms: number) => {
    wallMs += ms
  }
  return { lease, asked, lost, pass, jumpWall }
}

const settle = () => new Promise(resolve => setImmediate(resolve))

test('a lease is certain for its time less the margin, counted from the request', async () => {
  const { lease, pass, lost } = world()
  await lease.acquire()
  pass(2699)
  assert.ok(lease.certain())
  pass(2)
  assert.ok(!lease.certain())
  assert.deepEqual(lost, ['the lease was not renewed in time'])
})

test('a slow answer to a keep-alive counts from when it was asked for', async () => {
  const { lease, asked, pass } = world()
  await lease.acquire()
  pass(500)
  assert.equal(asked.length, 1)
  pass(2000)
  asked[0]?.answer(3)
  await settle()
  // Sent at 500, so certain until 500 + 2700.
  pass(699)
  assert.ok(lease.certain())
  pass(2)
  assert.ok(!lease.certain())
})

test('etcd says that the lease is over', async () => {
  const { lease, asked, pass, lost } = world()
  await lease.acquire()
  pass(500)
  asked[0]?.answer(0)
  await settle()
  assert.ok(!lease.certain())
  assert.deepEqual(lost, ['etcd has ended the lease'])
})

test('no answer prolongs nothing, and the next one is asked for', async () => {
  const { lease, asked, pass } = world()
  await lease.acquire()
  pass(500)
  asked[0]?.fail()
  await settle()
  pass(500)
  assert.equal(asked.length, 2)
})

test('a machine that was suspended trusts its wall clock against its monotonic one', async () => {
  const { lease, asked, pass, jumpWall } = world()
  await lease.acquire()
  pass(500)
  jumpWall(60_000)
  assert.ok(!lease.certain())
  asked[0]?.answer(3)
  await settle()
  assert.ok(!lease.certain(), 'the answer came to a request from before')
  pass(500)
  asked[1]?.answer(3)
  await settle()
  assert.ok(lease.certain())
})
