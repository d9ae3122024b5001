import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Env } from '../env/env.ts'
import { realClock } from '../env/real.ts'
import { dialFirst } from './dial.ts'

/** Addresses that answer, refuse, or say nothing. */
function world(answers: Record<string, 'yes' | 'no' | 'silence'>) {
  const destroyed: string[] = []
  const connect = (address: string) => {
    if (answers[address] === 'no') return Promise.reject(new Error(`${address} refuses`))
    if (answers[address] === 'silence') return new Promise<never>(() => {})
    return Promise.resolve({ remoteAddress: address, destroy: () => destroyed.push(address) })
  }
  const env = { clock: realClock, net: { connect } } as unknown as Env
  return (addresses: string[]) => dialFirst(env, addresses, 9421, { timeoutMs: 1000 })
}

test('the first address that answers is taken, past those that refuse or say nothing', async () => {
  const dial = world({ a: 'no', b: 'silence', c: 'yes', d: 'yes' })
  assert.equal((await dial(['c', 'd'])).remoteAddress, 'c')
  assert.equal((await dial(['a', 'c'])).remoteAddress, 'c')
  assert.equal((await dial(['b', 'c'])).remoteAddress, 'c')
})

test('when none answers the last one says why', async () => {
  const dial = world({ a: 'no', b: 'no' })
  await assert.rejects(dial(['a', 'b']), /b refuses/)
  await assert.rejects(dial([]), /no master is named/)
})
