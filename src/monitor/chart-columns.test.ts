// How the numbers of charts are written, and whether the daemons have the series that are named.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ChartOwner, chartIds, isChart, pointText } from './chart-columns.ts'

const column = (name: string, isRaw = false) => ({ name, isRaw })
const text = (owner: ChartOwner, name: string, values: bigint[], range = 0, isRaw = false) =>
  pointText(
    owner,
    column(name, isRaw),
    values.map(value => ({ time: 0, values: [value] })),
    0,
    range,
  )

test('points are written by what they count', () => {
  assert.equal(text('master', 'ucpu', [1_234_445n]), '2.06%')
  assert.equal(text('master', 'ucpu', [1_234_445n], 0, true), '2.05740833%')
  assert.equal(text('master', 'cpu', [600_000n, 600_000n]), '2.00%')
  assert.equal(text('master', 'prcvd', [147n]), '2.450/s')
  assert.equal(text('master', 'prcvd', [147n], 1), '0.408/s')
  assert.equal(text('master', 'prcvd', [147n], 0, true), '147')
  assert.equal(text('master', 'usedspace', [72_200_577_024n]), '67 GiB')
  assert.equal(text('chunkserver', 'load', [2n], 0, true), '2 threads')
  assert.equal(text('chunkserver', 'hdrbytesr', [60n * 1024n * 1024n]), '1.000MB/s')
  assert.equal(text('chunkserver', 'rtime', [30_000_000_000n]), '50.00%')
})

test('what is not known is a dash, in a sum too', () => {
  const unknown = 2n ** 64n - 1n
  assert.equal(text('master', 'ucpu', [unknown]), '-')
  assert.equal(text('master', 'cpu', [1n, unknown]), '-')
  assert.equal(pointText('master', column('cpu'), [undefined, undefined], 0, 0), '-')
  assert.equal(pointText('master', column('ucpu'), [{ time: 0, values: [] }], 7, 0), '-')
})

test('names stand for series of one daemon, some for more than one', () => {
  assert.deepEqual(chartIds('master', column('cpu'), 2), [2, 12])
  assert.deepEqual(chartIds('master', column('rmem'), 0), chartIds('master', column('memoryrss'), 0))
  assert.ok(isChart('master', 'change') && !isChart('chunkserver', 'change'))
  assert.ok(isChart('chunkserver', 'repl') && !isChart('chunkserver', 'rep'))
  assert.ok(!isChart('master', 'toString') && !isChart('master', ''))
})
