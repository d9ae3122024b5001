import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Pace } from './pace.ts'

/** A disk that takes so long for one action after the other, which begin `everyMs`. Where each was done. */
function run(timesMs: number[], everyMs = 2): boolean[] {
  let nowMs = 1000
  const pace = new Pace(() => nowMs)
  return timesMs.map((takesMs, index) => {
    nowMs = Math.max(nowMs, 1000 + index * everyMs)
    return pace.inPlace(() => {
      nowMs += takesMs
    })
  })
}

describe('what the loop does itself', () => {
  it('is all that a quick disk takes', () => {
    assert.ok(run(new Array(100).fill(0.2)).every(inPlace => inPlace))
  })

  it('goes on when a quick disk has paused for a moment', () => {
    const times = new Array(100).fill(0.2)
    times[20] = 300
    times[60] = 20
    assert.ok(run(times).every(inPlace => inPlace))
  })

  it('ends soon when the disk is slow, but for one try a quarter of a second', () => {
    const inPlace = run(new Array(1000).fill(8))
    assert.deepEqual(inPlace.slice(0, 4), [true, true, true, false])
    const tries = inPlace.slice(4).filter(Boolean).length
    assert.ok(tries >= 7 && tries <= 9, `${tries} tries in two seconds`)
  })

  it('begins again when the disk is quick again', () => {
    const inPlace = run([...new Array(10).fill(8), ...new Array(300).fill(0.2)])
    assert.ok(inPlace.slice(-100).every(done => done))
  })
})
