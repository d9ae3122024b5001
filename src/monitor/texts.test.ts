// How numbers and names look.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bytesText, groupedText, hexText, pathTexts, readable, spanText, versionText } from './texts.ts'

test('bytes have three digits or less', () => {
  const expected: [bytes: number, text: string][] = [
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.0 KiB'],
    [10_188, '9.9 KiB'],
    [10_239, '10 KiB'],
    [1_023_488, '1.0 MiB'],
    [481_255_424, '459 MiB'],
    [2 ** 63, '8.0 EiB'],
  ]
  for (const [bytes, text] of expected) assert.equal(bytesText(bytes), text)
})

test('spans have one unit, and say when they are rounded', () => {
  const expected: [seconds: number, text: string][] = [
    [0, '0s'],
    [0.173, '~0.2s'],
    [59, '59s'],
    [90, '1.5m'],
    [3600, '1h'],
    [3601, '~1h'],
    [604_800, '7d'],
  ]
  for (const [seconds, text] of expected) assert.equal(spanText(seconds), text)
})

test('versions are told as peers announce them', () => {
  assert.equal(versionText(0x000300ea), '3.0.117')
  assert.equal(versionText(0x000300eb), '3.0.117 PRO')
  assert.equal(versionText(0x0001061b), '1.6.27')
  assert.equal(versionText(0), '0.0.0')
})

test('digits are grouped, and hexadecimal ones filled up', () => {
  assert.equal(groupedText(123), '123')
  assert.equal(groupedText(3_261_722), '3 261 722')
  assert.equal(hexText(0xabcn, 16), '0000000000000ABC')
})

test('names are read as UTF-8, and what has no path is said', () => {
  assert.equal(readable('sch\xc3\xb6n \xe4'), 'schön \ufffd')
  assert.deepEqual(pathTexts([]), ['./META'])
  assert.deepEqual(pathTexts(['a', '\xe4']), ['a', '\ufffd'])
})
