import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resolveHosts, splitHosts } from './hosts.ts'

test('lists of masters are written with commas, blanks or semicolons', () => {
  assert.deepEqual(splitHosts('a,b;c  d, '), ['a', 'b', 'c', 'd'])
})

test('a name that is not known does not hide the others', async () => {
  const known: Record<string, string[]> = { a: ['10.0.0.1', '10.0.0.2'], b: ['10.0.0.2'] }
  const resolve = async (host: string) => {
    const addresses = known[host]
    if (!addresses) throw new Error(`${host} is not known`)
    return addresses
  }
  assert.deepEqual(await resolveHosts(resolve, ['x', 'b', 'a']), ['10.0.0.2', '10.0.0.1'])
  await assert.rejects(resolveHosts(resolve, ['x', 'y']), /x is not known/)
})
