import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bytesText, healthText, StatusDisplay } from './status.ts'

const health = {
  serversConnected: 2,
  folders: 1,
  files: 3,
  chunks: 4,
  undergoal: 2,
  missing: 1,
  availableBytes: 5 * 1024 ** 3,
}

test('the state of the cluster in one line', () => {
  assert.equal(
    healthText(health, 3),
    'chunkservers 2/3 | files 3 | folders 1 | chunks 4 | with too few copies 2 | WITHOUT ANY COPY 1 | free 5.0 GiB',
  )
  assert.match(healthText({ ...health, undergoal: 0, missing: 0 }, 3), /all copies there/)
  assert.equal(healthText(undefined, 3), 'the master does not answer')
  assert.deepEqual([0, 1023, 1536, 99 * 1024 ** 2].map(bytesText), ['0 B', '1023 B', '1.5 KiB', '99 MiB'])
})

test('a file gets a line for each change', () => {
  let text = ''
  const display = new StatusDisplay(
    piece => (text += piece),
    false,
    () => 80,
  )
  for (const line of ['one', 'one', 'two']) display.show(line)
  display.say('hello')
  assert.equal(text, 'one\ntwo\nhello\n')
})

test('a terminal gets one line that changes, below the messages, never wider than the window', () => {
  let text = ''
  const display = new StatusDisplay(
    piece => (text += piece),
    true,
    () => 21,
  )
  display.show('a line that is longer than the window')
  assert.equal(text, '\r\x1b[Ka line that is longe')
  text = ''
  display.say('hello')
  assert.equal(text, '\r\x1b[Khello\na line that is longe')
})
