// The client of etcd against Debian's etcd.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { EtcdError } from '../../src/ha/etcd.ts'
import { Gateway } from '../../src/ha/gateway.ts'
import { EtcdProcess } from './etcd-process.ts'
import { installPackages } from './packages.ts'

async function withEtcd(run: (gateway: Gateway, etcd: EtcdProcess) => Promise<void>): Promise<void> {
  installPackages({ etcd: 'etcd-server' })
  const etcd = await EtcdProcess.start()
  try {
    await run(new Gateway({ endpoints: [etcd.url], timeoutMs: 5000 }), etcd)
  } finally {
    await etcd.stop()
  }
}

test('changes of etcd are guarded, leased keys end with their lease, and a watcher hears of it', () =>
  withEtcd(async gateway => {
    const put = (key: string, value: string, lease?: string) =>
      ({ kind: 'put', key, value, ...(lease ? { lease } : {}) }) as const
    const first = await gateway.commit([{ key: '/t/a', revision: 0 }], [put('/t/a', 'één'), put('/t/b', '2')])
    assert.ok(first.done)
    assert.deepEqual(await gateway.commit([{ key: '/t/a', revision: 0 }], [put('/t/a', 'x')]), { done: false })
    const [a, none] = await gateway.read(['/t/a', '/t/none'])
    assert.deepEqual(a, { value: 'één', revision: first.revision })
    assert.equal(none, undefined)
    assert.deepEqual(
      (await gateway.list('/t/')).map(({ key, value }) => [key, value]),
      [
        ['/t/a', 'één'],
        ['/t/b', '2'],
      ],
    )

    const { id, ttlSeconds } = await gateway.grantLease(10)
    assert.ok(ttlSeconds >= 10)
    await gateway.commit([{ key: '/t/a', revision: first.revision }], [put('/t/leased', 'mine', id)])
    assert.equal((await gateway.read(['/t/leased']))[0]?.lease, id)
    assert.equal(await gateway.keepAlive(id), ttlSeconds)
    let changes = 0
    const watch = gateway.watch('/t/leased', () => changes++)
    for (let i = 0; i < 200 && changes === 0; i++) await sleep(50)
    const before = changes
    await gateway.revokeLease(id)
    for (let i = 0; i < 200 && changes === before; i++) await sleep(50)
    assert.ok(changes > before)
    watch.close()
    assert.equal((await gateway.read(['/t/leased']))[0], undefined)
    assert.equal(await gateway.keepAlive(id), 0)
    await gateway.revokeLease(id)
    await assert.rejects(gateway.commit([], [put('/t/leased', 'x', id)]), EtcdError)
  }))

test('etcd that does not answer is an error that names it', () =>
  withEtcd(async (_gateway, etcd) => {
    await etcd.suspend()
    const gateway = new Gateway({ endpoints: [etcd.url], timeoutMs: 300 })
    await assert.rejects(gateway.read(['/t/a']), {
      name: 'EtcdError',
      message: /127\.0\.0\.1:\d+: no answer in 300 ms/,
    })
    etcd.process.kill('SIGCONT')
    await etcd.stop()
    await assert.rejects(gateway.read(['/t/a']), { name: 'EtcdError', message: /ECONNREFUSED|reset|hang up/i })
  }))
