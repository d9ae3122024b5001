// The checker, on histories known to be good and known to be bad.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Status } from '../../../src/protocol/status.ts'
import { isLinearizable, type Operation } from './linearizable.ts'
import { type Call, namesModel, type Result } from './names.ts'

const { OK, ENOENT, EEXIST } = Status

type Told = Operation<Call, Result>
const done = (call: Call, invokedMs: number, atMs: number, status: number, inode?: number): Told => ({
  call,
  invokedMs,
  answer: { atMs, result: { status, ...(inode === undefined ? {} : { inode }) } },
})
const lost = (call: Call, invokedMs: number): Told => ({ call, invokedMs })
const create = (name: string): Call => ({ op: 'create', name })
const unlink = (name: string): Call => ({ op: 'unlink', name })
const lookup = (name: string): Call => ({ op: 'lookup', name })
const rename = (name: string, to: string): Call => ({ op: 'rename', name, to })

const judged = (...history: Told[]) => isLinearizable(namesModel, history)

test('what one client did after the other has one order', () => {
  assert.ok(judged(done(create('a'), 0, 1, OK, 2), done(lookup('a'), 2, 3, OK, 2), done(unlink('a'), 4, 5, OK)))
})

test('of two creations at once, either may be first', () => {
  assert.ok(judged(done(create('a'), 0, 10, EEXIST), done(create('a'), 5, 15, OK, 7)))
})

test('two creations of one name cannot both succeed', () => {
  assert.ok(!judged(done(create('a'), 0, 10, OK, 2), done(create('a'), 5, 15, OK, 3)))
})

test('a creation that was acknowledged and is not found was lost', () => {
  assert.ok(!judged(done(create('a'), 0, 1, OK, 2), done(lookup('a'), 2, 3, ENOENT)))
})

test('an old name that is still found after a rename was acknowledged is a stale read', () => {
  const before = [done(create('a'), 0, 1, OK, 2), done(rename('a', 'b'), 2, 3, OK)]
  assert.ok(!judged(...before, done(lookup('a'), 4, 5, OK, 2)))
  assert.ok(judged(...before, done(lookup('a'), 4, 5, ENOENT), done(lookup('b'), 6, 7, OK, 2)))
})

test('what was seen cannot be unseen', () => {
  const seen = [lost(create('a'), 0), done(lookup('a'), 1, 2, OK, 5)]
  assert.ok(judged(...seen))
  assert.ok(!judged(...seen, done(lookup('a'), 3, 4, ENOENT)))
})

test('an operation without an answer may have been done late, or never', () => {
  assert.ok(judged(lost(create('a'), 0), done(lookup('a'), 1, 2, ENOENT), done(lookup('a'), 3, 4, OK, 9)))
  assert.ok(judged(lost(create('a'), 0), done(lookup('a'), 1, 2, ENOENT)))
})

test('an operation that was done twice shows', () => {
  const history = [done(create('a'), 0, 1, OK, 2), done(create('b'), 2, 3, OK, 3), lost(rename('a', 'b'), 4)]
  assert.ok(judged(...history, done(lookup('b'), 5, 6, OK, 2), done(create('a'), 7, 8, OK, 4)))
  assert.ok(
    !judged(
      ...history,
      done(lookup('b'), 5, 6, OK, 2),
      done(create('a'), 7, 8, OK, 4),
      done(lookup('b'), 9, 10, OK, 4),
    ),
  )
})

test('another inode under the same name is another file', () => {
  assert.ok(!judged(done(create('a'), 0, 1, OK, 2), done(lookup('a'), 2, 3, OK, 4)))
})
