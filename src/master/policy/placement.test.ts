import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LabelsMode } from './labels.ts'
import { UniqueMode } from './matching.ts'
import { type PlacementServer, placeCopies } from './placement.ts'

const GIB = 2 ** 30
const any = [0, 0, 0, 0]
const [A, B, C, D] = [1, 2, 4, 8] as const
const label = (mask: number) => [mask, 0, 0, 0]

interface Named extends PlacementServer {
  name: string
}

function server(name: string, more: Partial<PlacementServer> = {}): Named {
  const ip = 0x0a000000 + name.charCodeAt(0)
  const calm = { isSound: true, isStrained: false, isOverloaded: false, writing: 0, incoming: 0 }
  return { name, ip, rack: 0, labels: 0, available: 100 * GIB, credit: 0, ...calm, ...more }
}

/** A sequence of draws from one seed. */
function draws(seed: number) {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

const plain = (copies: number) => ({
  wanted: Array.from({ length: copies }, () => any),
  mode: LabelsMode.STANDARD,
  unique: UniqueMode.NONE,
})

const labelled = (mode: LabelsMode, ...masks: number[]) => ({ ...plain(0), wanted: masks.map(label), mode })

function names(placed: ReturnType<typeof placeCopies<Named>>): string {
  return 'servers' in placed
    ? placed.servers
        .map(({ name }) => name)
        .sort()
        .join('')
    : placed.refused
}

test('copies of one chunk go to distinct servers', () => {
  const servers = ['a', 'b', 'c'].map(name => server(name))
  assert.equal(names(placeCopies(servers, plain(3), draws(1))), 'abc')
})

test('fewer servers than copies give fewer copies', () => {
  assert.equal(names(placeCopies([server('a')], plain(2), draws(1))), 'a')
  assert.equal(names(placeCopies([], plain(2), draws(1))), 'none')
})

test('a server without room for what is being written on it gets no new chunk', () => {
  const full = server('a', { available: 60 << 20 })
  const busy = server('b', { available: GIB, writing: 2 })
  const free = server('c', { available: GIB, writing: 1 })
  assert.equal(names(placeCopies([full, busy, free], plain(1), draws(1))), 'c')
})

test('servers fill in proportion to their free space, within two in a hundred', () => {
  for (const copies of [1, 2, 3]) {
    const sizes = [100, 150, 200, 300, 400, 250, 120, 80, 500, 350]
    const servers = sizes.map((size, i) => server(String.fromCharCode(97 + i), { available: size * 100 * GIB }))
    const counts = new Map(servers.map(s => [s, 0]))
    const draw = draws(copies)
    const whole = servers.reduce((sum, { available }) => sum + available, 0)
    for (let chunk = 0; chunk < 10_000; chunk++) {
      const placed = placeCopies(servers, plain(copies), draw)
      assert.ok('servers' in placed)
      for (const s of placed.servers) counts.set(s, (counts.get(s) ?? 0) + 1)
    }
    for (const s of servers) {
      const share = (10_000 * copies * s.available) / whole
      const off = Math.abs((counts.get(s) ?? 0) / share - 1)
      assert.ok(off < 0.02, `${copies} copies: ${s.name} got ${counts.get(s)} instead of ${share}`)
    }
  }
})

test('two chunks in a row seldom go to the same servers', () => {
  const servers = Array.from({ length: 10 }, (_, i) => server(String.fromCharCode(97 + i)))
  const draw = draws(7)
  const pairs = new Set(Array.from({ length: 300 }, () => names(placeCopies(servers, plain(2), draw))))
  assert.ok(pairs.size > 30, `${pairs.size} of 45 pairs`)
})

test('a big server gets no more than one copy of each chunk, and others all the rest', () => {
  const servers = [server('a', { available: 10_000 * GIB }), server('b'), server('c')]
  const draw = draws(3)
  const counts = { a: 0, b: 0, c: 0 } as Record<string, number>
  for (let i = 0; i < 1000; i++) for (const name of names(placeCopies(servers, plain(2), draw))) counts[name]! += 1
  assert.equal(counts.a, 1000)
  assert.ok(Math.abs((counts.b ?? 0) - 500) < 10, JSON.stringify(counts))
})

test('strained servers are left alone while they are few', () => {
  const strained = server('a', { isStrained: true })
  const calm = ['b', 'c', 'd', 'e', 'f'].map(name => server(name))
  const draw = draws(1)
  for (let i = 0; i < 100; i++) assert.ok(!names(placeCopies([strained, ...calm], plain(2), draw)).includes('a'))
  assert.equal(names(placeCopies([strained, server('b')], plain(2), draw)), 'ab')
})

test('a client waits for servers that are only overloaded', () => {
  const servers = [server('a'), server('b', { isOverloaded: true })]
  assert.equal(names(placeCopies(servers, plain(2), draws(1))), 'overloaded')
  assert.equal(names(placeCopies(servers, plain(3), draws(1))), 'a')
})

test('a server that many write to comes after others', () => {
  const servers = [server('a', { writing: 30 }), server('b'), server('c')]
  for (let i = 0; i < 20; i++) assert.equal(names(placeCopies(servers, plain(2), draws(i))), 'bc')
})

test('labels are honoured', () => {
  const servers = [server('a', { labels: A }), server('b', { labels: B }), server('c', { labels: C | D })]
  for (const mode of [LabelsMode.LOOSE, LabelsMode.STANDARD, LabelsMode.STRICT]) {
    assert.equal(names(placeCopies(servers, labelled(mode, A, B), draws(1))), 'ab')
    assert.equal(names(placeCopies(servers, labelled(mode, C | D), draws(1))), 'c')
  }
})

test('without the right labels, loose and standard classes take other servers and strict ones none', () => {
  const servers = [server('a', { labels: A }), server('b', { labels: B })]
  assert.equal(names(placeCopies(servers, labelled(LabelsMode.LOOSE, A, D), draws(1))), 'ab')
  assert.equal(names(placeCopies(servers, labelled(LabelsMode.STANDARD, A, D), draws(1))), 'ab')
})

test('a strict class that wants two copies makes no chunk with one', () => {
  const servers = [server('a', { labels: A }), server('b', { labels: B })]
  assert.equal(names(placeCopies(servers, labelled(LabelsMode.STRICT, A, D), draws(1))), 'none')
  assert.equal(names(placeCopies(servers, labelled(LabelsMode.STRICT, A, B, D), draws(1))), 'ab')
  assert.equal(names(placeCopies(servers, labelled(LabelsMode.STRICT, A), draws(1))), 'a')
})

test('a server of the right label that is overloaded is waited for, but not in loose mode', () => {
  const servers = [server('a', { labels: A }), server('b'), server('d', { labels: D, isOverloaded: true })]
  assert.equal(names(placeCopies(servers, labelled(LabelsMode.STANDARD, A, D), draws(1))), 'overloaded')
  assert.equal(names(placeCopies(servers, labelled(LabelsMode.STRICT, A, D), draws(1))), 'overloaded')
  assert.equal(names(placeCopies(servers, labelled(LabelsMode.LOOSE, A, D), draws(1))), 'ab')
})

test('with unique addresses no two copies of a labelled class go to one machine', () => {
  const servers = [
    server('a', { labels: A, ip: 1 }),
    server('b', { labels: A, ip: 1 }),
    server('c', { labels: A, ip: 2 }),
  ]
  const rules = { ...labelled(LabelsMode.STRICT, A, A), unique: UniqueMode.IP }
  for (let i = 0; i < 20; i++) assert.match(names(placeCopies(servers, rules, draws(i))), /^[ab]c$/)
})

test('servers near the client come first', () => {
  const servers = ['a', 'b', 'c', 'd'].map(name => server(name))
  const near = new Set(['c', 'd'])
  const rules = { ...plain(2), isPreferred: (s: { ip: number }) => near.has(String.fromCharCode(s.ip & 0xff)) }
  for (let i = 0; i < 20; i++) assert.equal(names(placeCopies(servers, rules, draws(i))), 'cd')
})
