import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type EpochTable, parseEpochFile, partingPoint, planJoin, printEpochFile } from './epochs.ts'

const table = (...epochs: [number, number, string][]): EpochTable =>
  epochs.map(([epoch, firstVersion, leader]) => ({ epoch, firstVersion, leader }))

const twice = table([1, 1, 'a'], [2, 500, 'b'])

test('a log that is a beginning of the other one parts from it at its end', () => {
  assert.equal(partingPoint({ epochs: table([1, 1, 'a']), end: 480 }, { epochs: twice, end: 900 }), 480)
  assert.equal(partingPoint({ epochs: twice, end: 600 }, { epochs: twice, end: 900 }), 600)
})

test('lines that the next leader never had are where a log parts from its log', () => {
  assert.equal(partingPoint({ epochs: table([1, 1, 'a']), end: 512 }, { epochs: twice, end: 900 }), 500)
})

test('the same epoch number under two leaders is no common epoch', () => {
  const other = table([1, 1, 'a'], [2, 490, 'a'])
  assert.equal(partingPoint({ epochs: other, end: 700 }, { epochs: twice, end: 900 }), 490)
  assert.equal(partingPoint({ epochs: table([1, 1, 'x']), end: 10 }, { epochs: twice, end: 900 }), undefined)
})

test('an epoch that was announced before any of its lines came proves nothing', () => {
  const announced = table([1, 1, 'a'], [2, 500, 'b'], [3, 800, 'c'])
  assert.equal(
    partingPoint({ epochs: announced, end: 450 }, { epochs: table([1, 1, 'a'], [4, 460, 'd']), end: 900 }),
    450,
  )
})

test('a log that has just been fetched follows, even when it ends before the first epoch', () => {
  const first = table([1, 5000, 'a'])
  for (const end of [4000, 5000]) {
    const plan = planJoin({ epochs: first, end }, { epochs: first, end: 5000, oldest: 4000 })
    assert.deepEqual(plan, { kind: 'follow', from: end })
  }
})

test('the plan to join is to follow, to cut, or to fetch', () => {
  const leader = { epochs: twice, end: 900, oldest: 300 }
  assert.deepEqual(planJoin({ epochs: twice, end: 900 }, leader), { kind: 'follow', from: 900 })
  assert.deepEqual(planJoin({ epochs: twice, end: 901 }, leader), { kind: 'cut', at: 900 })
  assert.deepEqual(planJoin({ epochs: table([1, 1, 'a']), end: 512 }, leader), { kind: 'cut', at: 500 })
  assert.equal(planJoin({ epochs: twice, end: 299 }, leader).kind, 'fetch')
  assert.equal(planJoin({ epochs: [], end: 20 }, leader).kind, 'fetch')
  assert.equal(planJoin({ epochs: [], end: 0 }, leader).kind, 'fetch')
})

test('the file of epochs is read back as it was written, and never guessed at', () => {
  const file = { logId: '00f1e2d3c4b5a697', seen: 7, epochs: twice, putAside: '/data/diverged-1' }
  assert.deepEqual(parseEpochFile(printEpochFile(file)), file)
  assert.throws(() => parseEpochFile('log 00f1e2d3c4b5a697\nseen 7'), /not finished/)
  assert.throws(() => parseEpochFile('log 00f1e2d3c4b5a697\nepoch x 1 a\n'), /line 2/)
  assert.throws(() => parseEpochFile('seen 7\n'), /"log ID"/)
})
