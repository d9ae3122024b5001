import assert from 'node:assert/strict'
import { test } from 'node:test'
import { realClock } from '../env/real.ts'
import { type Change, type Etcd, EtcdError, type EtcdValue, type Guard, type Outcome } from './etcd.ts'
import { EtcdArbiter } from './etcd-arbiter.ts'

/** Etcd in memory; while `isSilent` nothing is carried out or answered. */
class FakeEtcd implements Etcd {
  isSilent = false
  readonly #keys = new Map<string, EtcdValue>()
  #revision = 0
  #leases = 0

  #answer<T>(action: () => T): Promise<T> {
    return this.isSilent ? Promise.reject(new EtcdError('no answer')) : Promise.resolve().then(action)
  }

  value(key: string): string | undefined {
    return this.#keys.get(key)?.value
  }

  read(keys: readonly string[]): Promise<(EtcdValue | undefined)[]> {
    return this.#answer(() => keys.map(key => this.#keys.get(key)))
  }

  async list(): Promise<[]> {
    return []
  }

  commit(guards: readonly Guard[], changes: readonly Change[]): Promise<Outcome> {
    return this.#answer(() => {
      if (guards.some(({ key, revision }) => (this.#keys.get(key)?.revision ?? 0) !== revision)) return { done: false }
      const revision = ++this.#revision
      for (const change of changes) {
        if (change.kind === 'delete') this.#keys.delete(change.key)
        else this.#keys.set(change.key, { ...change, revision })
      }
      return { done: true, revision }
    })
  }

  grantLease(ttlSeconds: number): Promise<{ id: string; ttlSeconds: number }> {
    return this.#answer(() => ({ id: String(++this.#leases), ttlSeconds }))
  }

  keepAlive(): Promise<number> {
    return this.#answer(() => 3)
  }

  async revokeLease(lease: string): Promise<void> {
    for (const [key, value] of this.#keys) if (value.lease === lease) this.#keys.delete(key)
  }

  watch(): { close(): void } {
    return { close() {} }
  }
}

test('a change of the in-sync set that was asked for in one epoch is not made in the next', async () => {
  const etcd = new FakeEtcd()
  const arbiter = new EtcdArbiter(realClock, etcd, 'a', {
    prefix: '/',
    address: { address: '10.0.0.1', port: 9423 },
    software: 'x',
    lease: { ttlSeconds: 3, marginMs: 300 },
  })
  const lead = async (epoch: number) =>
    arbiter.stand(await arbiter.view(), { epoch, firstVersion: 1, leader: 'a/1', inSync: ['a/1'], witnesses: [] })
  try {
    assert.ok(await lead(1))
    etcd.isSilent = true
    const late = arbiter.recordInSync(['a/1', 'b/1'], [])
    await new Promise(resolve => setImmediate(resolve))
    await arbiter.resign()
    etcd.isSilent = false
    assert.ok(await lead(2))
    assert.equal(await late, false)
    assert.deepEqual(JSON.parse(etcd.value('/log') ?? '').inSync, ['a/1'])
  } finally {
    await arbiter.close()
  }
})
