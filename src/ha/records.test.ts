import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type LogRecord, parseLog, recordText } from './records.ts'

const before = { epoch: 3, firstVersion: 50, leader: 'a/1', inSync: ['a/1', 'b/2'] }
const witness = { member: 'w/3', address: '10.0.0.3', port: 9423 }

test('a record from before there were witnesses names none', () => {
  assert.deepEqual(parseLog('log', JSON.stringify(before)), { ...before, witnesses: [] })
})

test('witnesses come out of a record as they went in', () => {
  const log: LogRecord = { ...before, witnesses: [witness] }
  assert.deepEqual(parseLog('log', recordText(log)), log)
})

test('a witness without an address is an error that names the key', () => {
  const text = JSON.stringify({ ...before, witnesses: [{ member: 'w/3' }] })
  assert.throws(() => parseLog('log', text), /etcd key log: "witnesses" is missing or wrong/)
})
