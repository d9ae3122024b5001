import assert from 'node:assert/strict'
import { test } from 'node:test'
import { metricText } from './metric-text.ts'

test('labels are escaped, numbers are exact, and a name without samples is left out', () => {
  const text = metricText([
    { name: 'a_bytes', type: 'gauge', help: 'A.', samples: [{ labels: { path: 'x"\\\n' }, value: 2 ** 60 }] },
    { name: 'b_total', type: 'counter', help: 'B.', samples: [] },
    { name: 'c_total', type: 'counter', help: 'C.', samples: [{ value: 0.5 }] },
  ])
  assert.equal(
    text,
    '# HELP a_bytes A.\n# TYPE a_bytes gauge\na_bytes{path="x\\"\\\\\\n"} 1152921504606847000\n' +
      '# HELP c_total C.\n# TYPE c_total counter\nc_total 0.5\n',
  )
})
