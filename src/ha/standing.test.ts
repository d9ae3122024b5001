import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Candidate } from './arbiter.ts'
import type { LogRecord } from './records.ts'
import { whyNotStand } from './standing.ts'

const log: LogRecord = { epoch: 3, firstVersion: 50, leader: 'a/1', inSync: ['a/1', 'b/2'], witnesses: [] }
const epochs = [{ epoch: 3, firstVersion: 50, leader: 'a/1' }]
const candidate: Candidate = { self: 'b/2', version: 60, epochs, unfit: undefined, metaId: 1n }
const why = (changes: Partial<Candidate>, record: LogRecord | undefined = log) =>
  whyNotStand({ ...candidate, ...changes }, { leader: undefined, log: record })

test('a member that is in sync may stand', () => {
  assert.equal(why({}), undefined)
})

test('a member that is not in sync may not, and is told who is', () => {
  assert.match(why({ self: 'c/3' }) ?? '', /not in sync.*In sync: a, b/)
})

test('a folder that was lost is another member, whatever its name', () => {
  assert.match(why({ self: 'b/9' }) ?? '', /not in sync/)
})

test('an older copy of a folder that counts as in sync may not stand', () => {
  assert.match(why({ epochs: [{ epoch: 2, firstVersion: 1, leader: 'a/1' }] }) ?? '', /its folder is an older one/)
})

test('a leader that was killed before its own epoch reached its disk may stand again', () => {
  assert.equal(why({ self: 'a/1', epochs: [{ epoch: 2, firstVersion: 1, leader: 'a/1' }] }), undefined)
})

test('without a record only a log that never was part of a cluster begins one', () => {
  assert.equal(whyNotStand({ ...candidate, epochs: [] }, { leader: undefined, log: undefined }), undefined)
  assert.match(whyNotStand(candidate, { leader: undefined, log: undefined }) ?? '', /promote --force/)
})

test('nothing and something wrong do not lead', () => {
  assert.match(why({ version: 0 }) ?? '', /no metadata/)
  assert.equal(why({ unfit: 'its state differs' }), 'its state differs')
})
