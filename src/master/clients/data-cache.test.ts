import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DataCache } from './data-cache.ts'

test('data are kept only after the session has read them and while nobody else writes', () => {
  const cache = new DataCache()
  assert.equal(cache.ask(5, 1), false)
  assert.equal(cache.ask(5, 1), false)
  cache.accessed(5, 1)
  assert.equal(cache.ask(5, 1), true)
  assert.equal(cache.ask(5, 2), false)
  cache.accessed(5, 2)
  cache.changed(5, 1)
  assert.equal(cache.ask(5, 1), true)
  assert.equal(cache.ask(5, 2), false)
})

test('what is accessed without having been asked for is not remembered', () => {
  const cache = new DataCache()
  cache.accessed(5, 1)
  assert.equal(cache.ask(5, 1), false)
})

test('a new file under an old number starts without memory', () => {
  const cache = new DataCache()
  cache.ask(5, 1)
  cache.accessed(5, 1)
  cache.forget(5)
  assert.equal(cache.ask(5, 1), false)
})

test('the least recently asked files are forgotten first', () => {
  const cache = new DataCache()
  for (let inode = 1; inode <= 500_000; inode++) {
    cache.ask(inode, 1)
    cache.accessed(inode, 1)
  }
  cache.ask(1, 1)
  cache.ask(500_001, 1)
  assert.equal(cache.ask(1, 1), true)
  assert.equal(cache.ask(2, 1), false)
})
