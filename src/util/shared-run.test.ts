import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SharedRun } from './shared-run.ts'

const turn = () => new Promise(resolve => setImmediate(resolve))

test('those who ask during a run share the next one', async () => {
  const ends: (() => void)[] = []
  const shared = new SharedRun(() => new Promise(resolve => ends.push(resolve)))
  const done: string[] = []
  const ask = (name: string) => shared.run().then(() => done.push(name))
  void ask('first')
  void ask('second')
  void ask('third')
  await turn()
  assert.equal(ends.length, 1)
  ends[0]?.()
  await turn()
  assert.deepEqual(done, ['first'])
  assert.equal(ends.length, 2)
  ends[1]?.()
  await turn()
  assert.deepEqual(done, ['first', 'second', 'third'])
  void ask('fourth')
  assert.equal(ends.length, 3)
})

test('a run that fails is the failure of those who shared it only', async () => {
  let fails = true
  const shared = new SharedRun(async () => {
    await turn()
    if (fails) throw new Error('no')
  })
  const first = shared.run()
  const second = shared.run()
  await assert.rejects(first)
  fails = false
  await second
})
