import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatLabels, parseLabels } from './label-expression.ts'

/** In brackets, or what is wrong with it. */
function shown(text: string): string {
  const parsed = parseLabels(text)
  return 'copies' in parsed ? formatLabels(parsed.copies) : parsed.complaints.join('\n')
}

test('each copy has four masks, ascending', () => {
  assert.deepEqual(parseLabels('2*,b+a'), {
    copies: [
      [0, 0, 0, 0],
      [0, 0, 0, 0],
      [1, 2, 0, 0],
    ],
  })
  assert.deepEqual(parseLabels('Z'), { copies: [[1 << 25, 0, 0, 0]] })
})

const understood: readonly (readonly [text: string, meaning: string])[] = [
  ['A', '[A]'],
  ['A,B;c', '[A] , [B] , [C]'],
  ['2', '[*] , [*]'],
  [' 2 ', '[*] , [*]'],
  ['*;2*', '[*] , [*] , [*]'],
  ['2 A', '[A] , [A]'],
  ['3A+B', '[A+B] , [A+B] , [A+B]'],
  ['A\tB', '[AB]'],
  ['A*B', '[AB]'],
  ['A&&B', '[AB]'],
  ['A||B|C', '[A+B+C]'],
  ['A+BC', '[A+BC]'],
  ['(A+B)(C+D)', '[AC+BC+AD+BD]'],
  ['A+A+A+A+A', '[A]'],
  ['(A+B)(A+B)(A+B)(A+B)', '[A+B+AB]'],
  ['A+(B+(C+[D]))', '[A+B+C+D]'],
  ['3 (A + B) C * d , [ab]|c ; *', '[ACD+BCD] , [ACD+BCD] , [ACD+BCD] , [AB+C] , [*]'],
]
for (const [text, meaning] of understood) test(`'${text}' is ${meaning}`, () => assert.equal(shown(text), meaning))

const refused: readonly (readonly [text: string, complaints: string])[] = [
  ['', 'parse error, next code: 0x00'],
  ['A|', 'parse error, next code: 0x00'],
  ['A\nB', 'parse error, next code: 0x0A'],
  ['10A', "parse error, next char: '0'"],
  ['A,,B', "parse error, next char: ','"],
  ['2,A', "parse error, next char: ','"],
  ['A)', "parse error, next char: ')'"],
  ['A++B', "parse error, next char: '+'"],
  ['(A', 'parse error, closing round bracket expected, next code: 0x00'],
  ['[A)', "parse error, closing round bracket expected, next char: ')'"],
  ['(2A)', "parse error, next char: '2'\nparse error, closing round bracket expected, next char: '2'"],
  ['A+*', "parse error, next char: '*'\nparse error, next code: 0x00"],
  ['[*]', "parse error, next char: '*'\nparse error, next char: ']'"],
  ['5A,5B', 'parse error, too many copies'],
  ['9A,|', 'parse error, too many copies'],
  ['A+B+C+D+E', "Too many 'or' groups (max: 4)"],
  ['(A+B+C+D+E)(ABCDE)', "Too many 'or' groups (max: 4)"],
  ['A+B+C+D+E)', "parse error, next char: ')'"],
]
for (const [text, complaints] of refused)
  test(`${JSON.stringify(text)} is refused`, () => assert.equal(shown(text), complaints))

test('what is shown means what it was made of', () => {
  const masks = fc.uniqueArray(fc.integer({ min: 1, max: (1 << 26) - 1 }), { maxLength: 4 })
  const copy = masks.map(some => [...some.sort((a, b) => a - b), 0, 0, 0, 0].slice(0, 4))
  const property = fc.property(fc.array(copy, { minLength: 1, maxLength: 9 }), copies => {
    // There is no star in brackets in the language.
    assert.deepEqual(parseLabels(formatLabels(copies).replaceAll('[*]', '*')), { copies })
  })
  fc.assert(property)
})
