import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LabelsMode } from './labels.ts'
import { UniqueMode } from './matching.ts'
import {
  LimitClass,
  Priority,
  planRepair,
  priorityOf,
  type RepairChunk,
  type RepairRules,
  type RepairServer,
  type Work,
} from './repair.ts'

interface Named extends RepairServer {
  name: string
}

function server(name: string, more: Partial<RepairServer> = {}): Named {
  const calm = { isSound: true, isFull: false, isStrained: false, incoming: 0, outgoing: 0, deletions: 0 }
  return { name, labels: 0, ip: name.charCodeAt(0), rack: 0, available: 1e9, usage: 0.5, ...calm, ...more }
}

const [a, b, c, d] = ['a', 'b', 'c', 'd'].map(name => server(name)) as [Named, Named, Named, Named]
const any = [0, 0, 0, 0]
const goal = (copies: number) => Array.from({ length: copies }, () => any)

function chunk(more: Partial<RepairChunk<Named>>): RepairChunk<Named> {
  const nothing = { valid: [], marked: [], stale: [], unsteady: [], awaited: 0, awaitedSoon: 0 }
  return { wanted: goal(2), mode: LabelsMode.STANDARD, ...nothing, ...more }
}

const rules: RepairRules = {
  writeLimits: [2, 1, 1, 4],
  readLimits: [10, 5, 2, 5],
  deletionLimit: 10,
  unique: UniqueMode.NONE,
  topology: 0,
  distance: () => 1,
}

const plan = (view: RepairChunk<Named>, servers: Named[], more: Partial<RepairRules> = {}) =>
  told(planRepair(view, servers, { ...rules, ...more }, () => 0.5))

function told(work: Work<Named>): string {
  if (work.do === 'replicate') return `${work.source.name}>${work.target.name} ${work.purpose} ${work.limit}`
  return work.do === 'delete' ? `delete ${work.servers.map(({ name }) => name).join('')} ${work.reason}` : work.do
}

test('a missing copy is made on a server that has none', () => {
  assert.equal(plan(chunk({ valid: [a] }), [a, b]), `a>b undergoal ${LimitClass.ENDANGERED}`)
  assert.equal(
    plan(chunk({ wanted: goal(3), valid: [a, b] }), [a, b, c]).slice(1),
    `>c undergoal ${LimitClass.UNDERGOAL}`,
  )
  assert.equal(plan(chunk({ valid: [a, b] }), [a, b, c]), 'nothing')
})

test('limits count what servers have to do: the last copy of a chunk may go over them', () => {
  const busy = server('e', { incoming: 1 })
  assert.equal(plan(chunk({ wanted: goal(3), valid: [a, b] }), [a, b, busy]), 'wait')
  assert.equal(plan(chunk({ valid: [a] }), [a, busy]), 'a>e undergoal 0')
  assert.equal(plan(chunk({ valid: [server('f', { outgoing: 10 })] }), [b]), 'wait')
})

test('full and unsound servers get nothing, strained ones only the last copy', () => {
  const [full, strange] = [server('f', { isFull: true }), server('s', { isSound: false })]
  assert.equal(plan(chunk({ valid: [a] }), [a, full, strange]), 'stuck')
  const strained = server('t', { isStrained: true })
  assert.equal(plan(chunk({ valid: [a] }), [a, strained]), 'a>t undergoal 0')
  assert.equal(plan(chunk({ valid: [a] }), [a, strained, b]), 'a>b undergoal 0')
  assert.equal(plan(chunk({ wanted: goal(3), valid: [a, b] }), [a, b, strained]), 'wait')
})

test('a chunk without a good copy keeps its bad ones', () => {
  assert.equal(plan(chunk({ stale: [a, b] }), [a, b, c]), 'nothing')
})

test('useless copies go when there are enough good ones, or when they take the only place', () => {
  assert.equal(plan(chunk({ valid: [a, b], stale: [c] }), [a, b, c]), 'delete c stale')
  assert.equal(plan(chunk({ wanted: goal(3), valid: [a, b], stale: [c] }), [a, b, c, d]).slice(1, 3), '>d')
  assert.equal(plan(chunk({ wanted: goal(3), valid: [a, b], stale: [c] }), [a, b, c]), 'delete c stale')
})

test('of too many copies those on the fullest servers go, and none on strained ones', () => {
  const [fuller, strained] = [server('f', { usage: 0.9 }), server('s', { usage: 0.99, isStrained: true })]
  assert.equal(plan(chunk({ valid: [a, fuller, b] }), [a, b, fuller]), 'delete f overgoal')
  assert.equal(plan(chunk({ valid: [a, strained, fuller] }), [a, strained, fuller]), 'delete f overgoal')
  const tired = { isStrained: true }
  const all = [server('x', tired), server('y', tired), server('z', tired)]
  assert.equal(plan(chunk({ valid: all }), all), 'stuck')
})

test('copies that are expected back are waited for, with the last copy only for a moment', () => {
  const three = { wanted: goal(3), valid: [a, b], awaited: 1 }
  assert.equal(plan(chunk(three), [a, b, d]), 'stuck')
  assert.equal(plan(chunk({ valid: [a], awaited: 1 }), [a, d]), 'a>d undergoal 0')
  assert.equal(plan(chunk({ valid: [a], awaited: 1, awaitedSoon: 1 }), [a, d]), 'stuck')
})

test('marked copies serve as sources and do not count', () => {
  assert.equal(plan(chunk({ valid: [a], marked: [b] }), [a, b, c]), 'a>c undergoal 1')
  assert.equal(plan(chunk({ marked: [b], wanted: goal(1) }), [b, c]), 'b>c undergoal 1')
  assert.equal(plan(chunk({ valid: [a], marked: [b] }), [a, b]), 'delete b marked')
})

test('chunks that no file holds are deleted, as fast as limits allow', () => {
  const slow = server('s', { deletions: 10 })
  assert.equal(plan(chunk({ wanted: [], valid: [a], stale: [slow] }), [a, slow]), 'delete a unused')
  assert.equal(plan(chunk({ wanted: [], valid: [slow] }), [slow]), 'wait')
})

test('the nearest source is taken where topology counts', () => {
  const distance = (one: { ip: number }, other: { ip: number }) => (one.ip + other.ip === a.ip + c.ip ? 1 : 5)
  const view = chunk({ wanted: goal(3), valid: [b, a] })
  assert.equal(plan(view, [a, b, c], { topology: 1, distance }), 'a>c undergoal 1')
})

test('priorities: the last copy first, deletions last', () => {
  const of = (view: Partial<RepairChunk<Named>>) => priorityOf(chunk(view), UniqueMode.NONE)
  assert.equal(of({ wanted: goal(3), valid: [a] }), Priority.ENDANGERED_HIGH)
  assert.equal(of({ valid: [a] }), Priority.ENDANGERED)
  assert.equal(of({ wanted: goal(3), valid: [a, b] }), Priority.UNDERGOAL)
  assert.equal(of({ valid: [a], marked: [b] }), Priority.UNDERGOAL_MARKED)
  assert.equal(of({ marked: [a, b] }), Priority.MARKED)
  assert.equal(of({ valid: [a, b, c] }), Priority.OVERGOAL)
  assert.equal(of({ valid: [a, b], stale: [c] }), Priority.USELESS)
  assert.equal(of({ valid: [a, b] }), undefined)
  assert.equal(of({}), undefined)
})
