import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Labelled, matchServers, UniqueMode } from './matching.ts'

const [A, B, C] = [1, 2, 4] as const
const any = [0, 0, 0, 0]
const label = (...masks: number[]) => [...masks, 0, 0, 0, 0].slice(0, 4)
const server = (name: string, labels: number, rack = 0, ip = name.charCodeAt(0)) => ({ name, labels, rack, ip })
type Named = Labelled & { name: string }
const names = (matched: (Named | undefined)[]) => matched.map(found => found?.name ?? '-').join('')

const sorted = (matched: (Named | undefined)[]) => [...names(matched)].sort().join('')

const [a, ab, b, c] = [server('a', A), server('x', A | B), server('b', B), server('c', C)]

test('a server that serves two wanted copies is left to the one that has no other', () => {
  assert.equal(names(matchServers([label(A), label(B)], [[ab, a]], UniqueMode.NONE)), 'ax')
  assert.equal(names(matchServers([label(A), label(B)], [[ab, b]], UniqueMode.NONE)), 'xb')
})

test('an expression of several sets of labels is served by any of them, each as a whole', () => {
  assert.equal(names(matchServers([label(A | B)], [[a, b, ab]], UniqueMode.NONE)), 'x')
  assert.equal(names(matchServers([label(A | B, C)], [[a, b, c]], UniqueMode.NONE)), 'c')
  assert.equal(names(matchServers([any, label(C)], [[c, a]], UniqueMode.NONE)), 'ac')
})

test('as many servers as possible come from the first tier', () => {
  assert.equal(names(matchServers([label(A)], [[ab], [a]], UniqueMode.NONE)), 'x')
  assert.equal(names(matchServers([label(A), label(B)], [[ab], [a]], UniqueMode.NONE)), 'ax')
})

test('what no server is good for stays without one', () => {
  assert.equal(names(matchServers([label(A), label(C)], [[a, b]], UniqueMode.NONE)), 'a-')
})

test('a group gives one server: by address, or by rack', () => {
  const [one, two, three] = [server('1', A, 7, 9), server('2', A, 8, 9), server('3', A, 7, 5)]
  assert.equal(sorted(matchServers([any, any], [[one, two]], UniqueMode.IP)), '-1')
  assert.equal(sorted(matchServers([any, any], [[one, two, three]], UniqueMode.IP)), '13')
  assert.equal(sorted(matchServers([any, any], [[one, three]], UniqueMode.RACK)), '-1')
  assert.equal(sorted(matchServers([any, any], [[one, three, two]], UniqueMode.RACK)), '12')
  assert.equal(sorted(matchServers([any, any], [[a, b]], UniqueMode.RACK)), 'ab')
})
