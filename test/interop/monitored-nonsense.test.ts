// Whatever masters and chunkservers answer, mfscli shows it or says that it makes no sense, and ends.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runMonitor } from '../../src/cli/monitor/run.ts'
import { type Random, seeded } from '../sim/scheduler.ts'
import { MASTER_HOST, StandIns } from './stand-in-daemons.ts'

const ROUNDS = 100
const HEADER_BYTES = 8
const SECTIONS = ['-SIN', '-SCS', '-SMB', '-SHD', '-SEX', '-SMS', '-SMO', '-SSC', '-SOF', '-SAL', '-SQU']
const CHARTS = ['-SMC', '-b', 'ucpu,cpu,+mem']

/** A frame whose length fits what is in it, so that nobody waits for the rest. */
function framed(type: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(HEADER_BYTES)
  head.writeUInt32BE(type)
  head.writeUInt32BE(payload.length, 4)
  return Buffer.concat([head, payload])
}

const randomBytes = (random: Random, length: number) => Buffer.from(Array.from({ length }, () => random() * 256))

/** Other bytes in the answer, less of it, more, something else, or another type; now and then it stays as it is. */
function spoiler(random: Random): (answer: Buffer) => Buffer {
  const below = (bound: number) => Math.floor(random() * bound)
  return answer => {
    const type = answer.readUInt32BE(0)
    const payload = Buffer.from(answer.subarray(HEADER_BYTES))
    const flipped = () => {
      for (let i = 0; i <= below(8); i++) payload[below(payload.length)] = below(256)
      return framed(type, payload)
    }
    const ways = [
      () => answer,
      flipped,
      flipped,
      () => framed(type, payload.subarray(0, below(payload.length))),
      () => framed(type, Buffer.concat([payload, randomBytes(random, 1 + below(80))])),
      () => framed(type, randomBytes(random, below(400))),
      () => framed(type + 1, payload),
    ]
    return (ways[below(ways.length)] as () => Buffer)()
  }
}

/** @returns what was printed, with complaints */
async function shown(port: number, columns: number | undefined): Promise<string> {
  let text = ''
  const output = {
    print: (more: string) => {
      text += more
    },
    complain: (line: string) => {
      text += `${line}\n`
    },
    ...{ columns, isUtf8: true },
  }
  const args = ['-H', MASTER_HOST, '-P', String(port), '-n', ...SECTIONS, ...CHARTS]
  const code = await runMonitor(args, output)
  assert.ok(code === 0 || code === 1)
  return text
}

test('answers that make no sense are told, and end nothing', { timeout: 60_000 }, async t => {
  const first = Math.floor(Math.random() * 1e6)
  t.diagnostic(`seeds ${first} to ${first + ROUNDS - 1}`)
  let refusals = 0
  for (let seed = first; seed < first + ROUNDS; seed++) {
    const stand = await StandIns.start(seed, spoiler(seeded(seed)))
    try {
      const text = await shown(stand.port, seed % 2 ? 200 : undefined)
      refusals += text.split('mfscli: ').length - 1
    } catch (error) {
      assert.fail(`seed ${seed}: ${(error as Error).stack}`)
    } finally {
      stand.close()
    }
  }
  assert.ok(refusals > ROUNDS, `${refusals} complaints`)
})

test('a master of another version is told, and not guessed at', async () => {
  const version = 0x00043b04
  const stand = await StandIns.start(1, answer => {
    const payload = Buffer.concat([answer.subarray(HEADER_BYTES), Buffer.alloc(56)])
    payload.writeUInt32BE(version)
    return framed(answer.readUInt32BE(0), payload)
  })
  try {
    const text = await shown(stand.port, undefined)
    assert.match(
      text,
      /its answer of 205 bytes is that of a master of version 4\.59\.2; only those of 3\.0\.112 and later/,
    )
    assert.match(text, /section 'CS' not allowed/)
  } finally {
    stand.close()
  }
})
