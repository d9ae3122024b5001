import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

test('docs/monitor.md names every metric, and no other', () => {
  const sources = readdirSync(import.meta.dirname).filter(name => name.endsWith('metrics.ts'))
  const named = sources.flatMap(name => [
    ...readFileSync(join(import.meta.dirname, name), 'utf8').matchAll(/'(mfs_\w+)'/g),
  ])
  const page = readFileSync(join(import.meta.dirname, '../../docs/monitor.md'), 'utf8')
  const inPage = new Set([...page.matchAll(/`(mfs_\w+)`/g)].map(match => match[1]))
  assert.deepEqual([...inPage].sort(), named.map(match => match[1]).sort())
})
