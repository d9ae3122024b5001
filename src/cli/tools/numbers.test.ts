import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cell, column, noColumn, numberStyle } from './numbers.ts'

// What the original shows, by its options (-n is no option, -k and so on).
test('numbers stand in columns as the original puts them', () => {
  const bytes = (letters: string, value: bigint) => column(value, 'bytes', numberStyle([...letters], undefined))
  assert.equal(bytes('', 270200015n), '           270200015')
  assert.equal(bytes('k', 270200015n), '           263867')
  assert.equal(bytes('m', 270200015n), '           257')
  assert.equal(bytes('g', 270200015n), '          0')
  assert.equal(bytes('h', 270200015n), '258MiB')
  assert.equal(bytes('H', 270200015n), '270MB')
  assert.equal(bytes('H', 20971520n), ' 21MB')
  assert.equal(bytes('h', 0n), '    0B')
  assert.equal(column(4, 'counter', numberStyle([], undefined)), '         4')
  assert.equal(column(4, 'counter', numberStyle(['h'], undefined)), '     4')
  assert.equal(column(4, 'counter', numberStyle(['H'], undefined)), '    4')
})

test('the last of the letters counts, and the environment when there is none', () => {
  const shown = (letters: string, environment?: string) =>
    column(2048, 'bytes', numberStyle([...letters], environment)).trim()
  assert.equal(shown('hn'), '2048')
  assert.equal(shown('nh'), '2.0KiB')
  assert.equal(shown('', 'h'), '2.0KiB')
  assert.equal(shown('', '2'), '2.0kB')
  assert.equal(shown('', 'H+'), '2.0kB (                2048)')
  assert.equal(shown('', '7'), '2048')
  assert.equal(shown('n', '3'), '2048')
})

test('a short number keeps two digits where it can, and is rounded', () => {
  const short = (value: bigint, letter: string) => cell(value, 'bytes', numberStyle([letter], undefined)).trim()
  assert.equal(short(999n, 'h'), '999B')
  assert.equal(short(1000n, 'h'), '1.0KiB')
  assert.equal(short(9_949n, 'H'), '9.9kB')
  assert.equal(short(9_950n, 'H'), '10kB')
  assert.equal(short(2n ** 64n - 1n, 'h'), '16EiB')
})

test('what is not set has its column', () => {
  assert.equal(noColumn('bytes', numberStyle(['h'], undefined)), '     -')
  assert.equal(noColumn('count', numberStyle([], undefined)).length, 20)
})
