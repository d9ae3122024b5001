import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  clampSeconds,
  lowSeconds,
  moreOf,
  nanosecondsOf,
  plainSeconds,
  SECONDS_MAX,
  SECONDS_MIN,
  secondsOf,
} from './fine-times.ts'

test('times from 1833 to 2378 come back from two words', () => {
  const times = [SECONDS_MIN, -86_401, -1, 0, 1, 1_795_332_986, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 33 + 5, SECONDS_MAX]
  for (const seconds of times) {
    for (const nanoseconds of [0, 1, 500_000_000, 999_999_999]) {
      const [low, more] = [lowSeconds(seconds), moreOf(seconds, nanoseconds)]
      assert.ok(low >= 0 && low < 2 ** 32 && more >= 0 && more < 2 ** 32)
      assert.equal(secondsOf(low, more), seconds)
      assert.equal(nanosecondsOf(more), nanoseconds)
    }
  }
})

test('a time that the original can keep is the same there', () => {
  for (const seconds of [0, 1, 1_795_332_986, 2 ** 32 - 1]) {
    assert.equal(lowSeconds(seconds), seconds)
    assert.equal(moreOf(seconds, 0), 0)
  }
})

test('other times are shown as the nearest one', () => {
  assert.equal(plainSeconds(-1), 0)
  assert.equal(plainSeconds(2 ** 32), 2 ** 32 - 1)
  assert.equal(clampSeconds(-(2 ** 40)), SECONDS_MIN)
  assert.equal(clampSeconds(2 ** 40), SECONDS_MAX)
  assert.equal(clampSeconds(5), 5)
})
