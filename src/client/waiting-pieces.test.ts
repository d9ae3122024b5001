import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MFSBLOCKSIZE } from '../protocol/constants.ts'
import { BufferPool } from '../util/buffer-pool.ts'
import { type Piece, WaitingPieces } from './waiting-pieces.ts'

const blocks = new BufferPool(MFSBLOCKSIZE, 8)
const never = () => false
const always = () => true

/** A small generator of numbers below `limit`, the same on each run. */
function draws(seed: number): (limit: number) => number {
  let state = seed
  return limit => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * limit)
  }
}

test('whatever the order in which pieces go and come back, the last bytes written count', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const draw = draws(seed)
    const waiting = new WaitingPieces(blocks)
    const [should, is] = [Buffer.alloc(4 * MFSBLOCKSIZE), Buffer.alloc(4 * MFSBLOCKSIZE)]
    const onTheirWay: Piece[] = []
    let bytes = 0
    const busy = (block: number) => onTheirWay.some(piece => piece.block === block)
    const arrive = () => {
      const [piece] = onTheirWay.splice(draw(onTheirWay.length), 1) as [Piece]
      piece.data.copy(is, piece.block * MFSBLOCKSIZE + piece.from)
      bytes -= piece.to - piece.from
      piece.release(blocks)
    }
    for (let step = 0; step < 400; step++) {
      const from = draw(60_000)
      const data = Buffer.alloc(1 + draw(MFSBLOCKSIZE - from), 1 + draw(255))
      const block = draw(4)
      data.copy(should, block * MFSBLOCKSIZE + from)
      bytes += waiting.put(block, from, data, step)
      const piece = draw(2) === 0 ? waiting.next(busy, never, false) : undefined
      if (piece) onTheirWay.push(piece)
      if (onTheirWay.length > 0 && draw(3) === 0) arrive()
      if (draw(40) === 0) for (const lost of onTheirWay.splice(0)) waiting.putBack(lost)
    }
    while (!waiting.isEmpty || onTheirWay.length > 0) {
      const piece = waiting.next(busy, never, true)
      if (piece) onTheirWay.push(piece)
      else arrive()
    }
    assert.ok(is.equals(should), `seed ${seed}`)
    assert.equal(bytes, 0, `seed ${seed}`)
  }
})

test('only the block that is being written to waits for its rest', () => {
  const waiting = new WaitingPieces(blocks)
  for (const block of [5, 3]) waiting.put(block, 100, Buffer.alloc(10), 0)
  assert.equal(waiting.next(never, always, false)?.block, 5)
  assert.equal(waiting.next(never, always, false), undefined)
  assert.equal(waiting.next(never, never, false)?.block, 3)
  waiting.put(1, 0, Buffer.alloc(MFSBLOCKSIZE), 0)
  assert.equal(waiting.next(never, always, true)?.block, 1, 'a whole block waits for nothing')
})

test('all incomplete blocks wait for their rest when enough are on their way', () => {
  const waiting = new WaitingPieces(blocks)
  for (const block of [5, 3]) waiting.put(block, 100, Buffer.alloc(10), 0)
  assert.equal(waiting.next(never, always, true), undefined)
  waiting.put(5, 50_000, Buffer.alloc(10), 0)
  assert.equal(waiting.next(never, always, true)?.from, 100, 'a part after which there is a gap gets no more')
})

test('it is known which bytes wait', () => {
  const waiting = new WaitingPieces(blocks)
  waiting.put(1, 100, Buffer.alloc(100), 0)
  const start = MFSBLOCKSIZE + 100
  for (const [from, to, touches] of [
    [0, start, false],
    [start + 99, start + 5000, true],
    [0, start + 1, true],
    [start + 100, start + 200, false],
    [0, 2 ** 26, true],
  ] as const) {
    assert.equal(waiting.touches(from, to), touches, `${from} to ${to}`)
  }
})
