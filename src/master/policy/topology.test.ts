import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseIpv4 } from '../../util/ipv4.ts'
import { FLAT, parseTopology } from './topology.ts'

const ip = (text: string) => parseIpv4(text) as number

const { topology, warnings } = parseTopology(
  `# racks of two rooms
10.1.1.0/24      a|b|c
10.1.2.0/24      a|b|d
10.1.3.1-10.1.3.9  a|x|y   # a range
10.1.4.0/255.255.255.0 a|b|c
10.1.1.77        z
nonsense         a|b
10.1.5.0/24
`,
  'mfstopology.cfg',
)

test('distances are those of the examples', () => {
  const cases: [string, string, number][] = [
    ['10.1.1.1', '10.1.1.1', 0],
    ['10.1.1.1', '10.1.1.2', 1],
    ['10.1.1.1', '10.1.4.2', 1],
    ['10.1.1.1', '10.1.2.1', 2],
    ['10.1.1.1', '10.1.3.5', 3],
    ['10.1.1.1', '10.9.9.9', 4],
    ['10.9.9.8', '10.9.9.9', 1],
  ]
  for (const [a, b, distance] of cases) {
    assert.equal(topology.distance(ip(a), ip(b)), distance, `${a} ${b}`)
    assert.equal(topology.distance(ip(b), ip(a)), distance, `${b} ${a}`)
  }
})

test('equal paths are one rack, later lines override earlier ones, and what has no line is in none', () => {
  assert.equal(topology.rackOf(ip('10.1.1.1')), topology.rackOf(ip('10.1.4.1')))
  assert.notEqual(topology.rackOf(ip('10.1.1.77')), topology.rackOf(ip('10.1.1.76')))
  assert.equal(topology.rackOf(ip('10.1.3.10')), 0)
})

test('bad lines are named and left out', () => {
  assert.equal(warnings.length, 2)
  assert.match(warnings[0] ?? '', /^mfstopology\.cfg:7:/)
  assert.match(warnings[1] ?? '', /^mfstopology\.cfg:8:/)
})

test('without a file everything is equally near', () => {
  assert.equal(FLAT.distance(1, 1), 0)
  assert.equal(FLAT.distance(1, 2), 1)
  assert.equal(FLAT.rackOf(1), 0)
})

test('a file that says the same in other words is the same topology', () => {
  const read = (text: string) => parseTopology(text, 'mfstopology.cfg').topology
  const once = read('10.1.0.0/16 a|b\n10.2.0.0/16 c\n')
  assert.ok(once.isSame(read('# racks\n10.1.0.0/255.255.0.0   a|b # near\n\n10.2.0.0/16 c')))
  assert.ok(!once.isSame(read('10.1.0.0/16 a|b\n10.2.0.0/16 b\n')))
  assert.ok(!once.isSame(read('10.2.0.0/16 c\n10.1.0.0/16 a|b\n')))
})
