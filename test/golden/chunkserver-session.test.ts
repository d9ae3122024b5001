// The requests that a real chunkserver got in a recorded session, sent to ours: it answers with the same bytes.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import * as cltocs from '../../src/protocol/cltocs.ts'
import { VERSION_TEXT } from '../../src/protocol/constants.ts'
import { crc32 } from '../../src/util/crc32.ts'
import { frame, Machines, type Packet, type Talk } from '../sim/chunkserver-machines.ts'

const SERVER = '10.9.9.5'

interface Line {
  step: string
  dir: 'm2cs' | 'cs2m' | 'c2cs' | 'cs2c'
  type: number
  len: number
  hex: string
  truncated?: boolean
}

/** Steps with time, space or other servers in them; they have tests of their own. */
const apart = /^(register|hdd list|monotonic|chart|idle|unknown|replicate|damaged|stop|set version 1|get blocks)/

/** Only the first bytes of long data were kept: other data takes its place. */
function payloadOf({ type, len, hex, truncated }: Line): Buffer {
  const payload = Buffer.concat([Buffer.from(hex, 'hex')], len)
  if (truncated && type === cltocs.writeData.code) payload.writeUInt32BE(crc32(payload.subarray(24)), 20)
  return payload
}

/** The same, but for CRCs and bytes of data that is not the recorded one. */
function compare(answer: Packet, expected: Line): void {
  assert.equal(answer.type, expected.type, expected.step)
  if (expected.type === 202) {
    assert.equal(answer.payload.length, expected.len)
    assert.equal(answer.payload.subarray(0, 16).toString('hex'), expected.hex.slice(0, 32), expected.step)
  } else if (expected.type === 11) {
    assert.equal(answer.payload.toString('latin1').slice(-VERSION_TEXT.length), VERSION_TEXT)
  } else if (expected.type === 531) {
    // The master's port is not that of the recorded session.
    assert.equal(answer.payload.subarray(0, 19).toString('hex'), expected.hex.slice(0, 38))
  } else assert.equal(answer.payload.toString('hex'), expected.hex, expected.step)
}

test('requests of a recorded session get the recorded answers', async () => {
  const machines = new Machines(1)
  await machines.startMaster()
  const server = await machines.startServer(SERVER)
  const lines = readFileSync(join(import.meta.dirname, 'chunkserver/direct-session-1.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as Line)
  const reports = [101, 102, 103, 105, 106]
  let client: Talk | undefined
  let answers = 0
  for (const line of lines.filter(({ step }) => !apart.test(step) || step.startsWith('set version 1'))) {
    if (line.dir === 'm2cs') machines.master(SERVER).send(frame(line.type, payloadOf(line)))
    else if (line.dir === 'c2cs') {
      if (!client || client.closed) client = await machines.client(SERVER)
      client.send(frame(line.type, payloadOf(line)))
    } else if (!reports.includes(line.type)) {
      const talk = line.dir === 'cs2m' ? machines.master(SERVER) : client
      assert.ok(talk)
      compare(await talk.next([line.type]), line)
      answers++
    }
  }
  assert.ok(answers >= 60, `${answers} answers compared`)
  assert.deepEqual(machines.faults, [])
  await machines.run(server.stop())
})
