import assert from 'node:assert/strict'
import { test } from 'node:test'
import { placeCopies } from './placement.ts'

const any = [0, 0, 0, 0]
const server = (available: number, labels = 0) => ({ available, total: 1000, labels })

/** A fixed sequence of draws, evenly spread. */
function draws() {
  let n = 0
  return () => (n++ * 0.6180339887) % 1
}

test('copies of one chunk go to distinct servers', () => {
  const servers = [server(10), server(10), server(10)]
  assert.equal(new Set(placeCopies(servers, [any, any, any], false, draws())).size, 3)
})

test('fewer servers than copies give fewer copies', () => {
  assert.equal(placeCopies([server(10)], [any, any], false, draws()).length, 1)
})

test('a full server gets no new chunk', () => {
  const [full, free] = [server(0), server(10)]
  assert.deepEqual(placeCopies([full, free], [any, any], false, draws()), [free])
})

test('servers fill in proportion to their free space', () => {
  const servers = [server(100), server(300), server(600)]
  const counts = new Map(servers.map(s => [s, 0]))
  const draw = draws()
  for (let i = 0; i < 10000; i++) {
    const [chosen] = placeCopies(servers, [any], false, draw)
    if (chosen) counts.set(chosen, (counts.get(chosen) ?? 0) + 1)
  }
  for (const s of servers) assert.ok(Math.abs((counts.get(s) ?? 0) - s.available * 10) < 200, String(counts.get(s)))
})

test('labels are honoured, and given up only when not strict', () => {
  const [a, b] = [server(10, 1), server(10, 2)]
  assert.deepEqual(placeCopies([a, b], [[2, 0, 0, 0]], true, draws()), [b])
  assert.deepEqual(placeCopies([a], [[2, 0, 0, 0]], true, draws()), [])
  assert.deepEqual(placeCopies([a], [[2, 0, 0, 0]], false, draws()), [a])
})
