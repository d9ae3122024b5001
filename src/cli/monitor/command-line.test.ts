// What the options of mfscli are for.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { UsageError } from '../shared/arguments.ts'
import { helpText, parseQuery, type Query, Refusal, WrongValue } from './command-line.ts'

function parsed(line: string): Query {
  const query = parseQuery(line.split(' ').filter(word => word !== ''))
  assert.ok(typeof query === 'object')
  return query
}
const chosen = (line: string) =>
  Object.fromEntries([...parsed(`-n ${line}`).sections].map(([code, { hasNames: _, ...choice }]) => [code, choice]))

test('options of a section stand behind its -S, or before the first one', () => {
  assert.deepEqual(chosen('-SMB -o 2 -r -SEX -o 3'), { MB: { order: 2, isReversed: true }, EX: { order: 3 } })
  assert.deepEqual(chosen('-o 2 -SMB -SEX'), { MB: { order: 2 }, EX: {} })
  assert.deepEqual(chosen('-SHD -m 3 -SOF -i 7'), { HD: { mode: 3 }, OF: { id: 7 } })
})

test('codes are found anywhere in a text, and those of groups have their own options', () => {
  assert.deepEqual(Object.keys(chosen('-SCS,HD')), ['CS', 'HD'])
  assert.deepEqual(chosen('-SIN -m 1 -o 2'), { IM: {}, IG: {}, MU: {}, IC: { mode: 1 }, IL: {}, MF: {} })
  assert.deepEqual(parsed('-SLI').names, ['LI'])
  assert.deepEqual(parsed('-SXX').names, [])
})

test('columns of charts are collected, and may say of which server', () => {
  const { columns, points } = parsed('-SMC -b ucpu,+cpu -b mem -a 9999').sections.get('MC') ?? {}
  const names = (columns ?? []).map(({ name, isRaw }) => `${isRaw ? '+' : ''}${name}`)
  assert.deepEqual(names, ['ucpu', '+cpu', 'mem'])
  assert.equal(points, 4095)
  assert.deepEqual(parsed('-SCC -d h:1:+load,h:ucpu').sections.get('CC')?.columns, [
    { name: 'load', isRaw: true, host: 'h', port: 1 },
    { name: 'ucpu', isRaw: false, host: 'h' },
  ])
})

test('what makes no sense is told', () => {
  assert.throws(() => parsed('-SMC -b nothing'), new Refusal('Unknown master chart name: nothing'))
  assert.throws(() => parsed('-SCC -d ucpu'), new Refusal('in chunkserver chart data server ip/host must be specified'))
  assert.throws(() => parsed('-SMB -o x'), WrongValue)
  assert.throws(() => parsed('-P 70000 -SMB'), WrongValue)
  assert.throws(() => parsed('-SOF -i -5'), WrongValue)
  assert.throws(() => parsed('-q'), UsageError)
  assert.equal(parseQuery(['-SMB', '--help']), 'help')
  assert.equal(parseQuery(['-v']), 'version')
})

test('the help fits a terminal', () => {
  for (const line of helpText().split('\n')) assert.ok(line.length <= 120, line)
})
