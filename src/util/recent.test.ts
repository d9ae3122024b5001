import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Recent } from './recent.ts'

test('what is over its time is gone', () => {
  let now = 0
  const recent = new Recent<string, number>(10, () => now)
  recent.set('a', 1, 100)
  now = 99
  assert.equal(recent.get('a'), 1)
  now = 100
  assert.equal(recent.get('a'), undefined)
})

test('what came first makes room, also when it was set anew', () => {
  const recent = new Recent<number, number>(3, () => 0)
  for (const key of [1, 2, 3, 1, 4, 5]) recent.set(key, key, 1)
  assert.deepEqual(
    [1, 2, 3, 4, 5].map(key => recent.get(key)),
    [undefined, undefined, 3, 4, 5],
  )
})

test('after any changes it holds what came last, as a plain list does', () => {
  const recent = new Recent<number, number>(8, () => 0)
  let list: number[] = []
  let seed = 42
  const below = (limit: number) => {
    seed = (seed * 1103515245 + 12345) % 2147483648
    return Math.floor((seed / 2147483648) * limit)
  }
  for (let i = 0; i < 20_000; i++) {
    const key = below(20)
    const action = below(100)
    if (action === 0) {
      recent.clear()
      list = []
    } else if (action < 20) {
      recent.delete(key)
      list = list.filter(other => other !== key)
    } else {
      recent.set(key, i, 1)
      assert.equal(recent.get(key), i)
      list = list.includes(key) ? list : [...list, key].slice(-8)
    }
    const held = Array.from({ length: 20 }, (_, other) => other).filter(other => recent.get(other) !== undefined)
    assert.deepEqual(
      held,
      list.toSorted((a, b) => a - b),
      `after ${i} steps`,
    )
  }
})
