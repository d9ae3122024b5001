import assert from 'node:assert/strict'
import { test } from 'node:test'
import { periodSeconds, quantity } from './quantities.ts'

test('numbers of bytes and of things, with units', () => {
  assert.equal(quantity('10', false), 10n)
  assert.equal(quantity('2k', false), 2000n)
  assert.equal(quantity('3Ki', false), 3072n)
  assert.equal(quantity('.5Mi', true), 524288n)
  assert.equal(quantity('2.5M', true), 2_500_000n)
  assert.equal(quantity('1.5TB', true), 1_500_000_000_000n)
  assert.equal(quantity('1Ei', true), 2n ** 60n)
})

test('what is no number is refused', () => {
  for (const text of ['', '5.', 'K', '1K', '1kk', '-1', '1e3', '1 k', 'B'])
    assert.equal(quantity(text, true), undefined, text)
  assert.equal(quantity('1kB', false), undefined)
})

test('times with units', () => {
  assert.equal(periodSeconds('90'), 90)
  assert.equal(periodSeconds('1.5h'), 5400)
  assert.equal(periodSeconds('2 d'), 172_800)
  assert.equal(periodSeconds('1w'), 604_800)
  for (const text of ['', 'h', '1y', '5.', '-1', '5000000000']) assert.equal(periodSeconds(text), undefined, text)
})
