// Every message of clients and tools, from clients of every version, is answered by our master as by the real one.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { life } from './client-life.ts'
import { Cluster, MASTER_IP, whyNot } from './cluster.ts'
import { type Played, p, type Step, Tour } from './message-script.ts'
import { installPackages } from './packages.ts'

const versions = [
  ...['1.5.13', '1.6.20', '1.6.21', '1.6.26', '1.7.28', '1.7.32', '2.0.0', '3.0.9', '3.0.40', '3.0.92', '3.0.101'],
  ...['3.0.107', '3.0.112', '3.0.117', '4.0.0', '4.18.0', '4.59.2'],
]

/** Every number that may be a message. */
const numbers = [
  ...[0, 1, 2, 3, 9, 10, 11, 80, 81, 82, 349, 362, 600, 699, 700, 701, 702, 704, 706, 707, 9999],
  ...Array.from({ length: 12 }, (_, i) => 350 + i),
  ...Array.from({ length: 100 }, (_, i) => 400 + i),
]

/** Messages of no sense: each on a connection of its own, because most end it. */
function nonsense(session: number): Step[] {
  const steps: Step[] = []
  for (const type of numbers) {
    for (const [what, payload] of [
      ['a msgid', p().u32(7)],
      ['200 zeros', p().raw(Buffer.alloc(200))],
    ] as const) {
      const stranger = new Tour('3.0.117', `stranger ${type} ${what}`)
      steps.push(...stranger.say(`${type} with ${what} before registration`, type, payload, { silent: true }).steps)
      const tool = new Tour('3.0.117', `tool ${type} ${what}`)
      tool.registerTool(session).say(`${type} with ${what} from a tool`, type, payload, { silent: true })
      steps.push(...tool.steps)
    }
  }
  return steps
}

function script(chosen = versions): Step[] {
  let [next, session] = [2, 1]
  return chosen.flatMap(version => {
    const { steps, next: after } = life(version, session++, next)
    next = after
    return steps
  })
}

function play(cluster: Cluster, steps: Step[]): Played[] {
  const program = join(import.meta.dirname, 'packet-player.ts')
  const { stdout, stderr, status } = cluster.feed(JSON.stringify(steps), process.execPath, program, MASTER_IP, '9421')
  if (status !== 0) throw new Error(stderr)
  return JSON.parse(stdout)
}

/** Where ours answers other bytes on purpose, of the same length or not: what may be compared. */
function sameInBoth({ about }: Step, type: number, payload: Buffer): Buffer {
  // The text of the version is ours, and whoever lists in pages is told where to go on.
  if (type === 11) return payload.subarray(0, 4)
  if (type === 429 && about.includes('paged') && payload.length > 12) payload.fill(0, 4, 12)
  return payload
}

/** The same text for the same answer of another master at another time. */
function comparable(step: Step, played: Played, window: [number, number]): string {
  const packets = played.packets.map(({ type, payload }) => {
    const bytes = sameInBoth(step, type, Buffer.from(payload, 'hex'))
    for (let i = 0; i + 4 <= bytes.length; i++) {
      const value = bytes.readUInt32BE(i)
      if (value >= window[0] && value <= window[1]) bytes.writeUInt32BE(0x54545454, i)
    }
    return `${type} ${type === 705 || type === 401 ? bytes.length : bytes.toString('hex')}`
  })
  return `${packets.join(' | ')}${played.closed ? ' closed' : ''}`
}

async function answers(startMaster: (cluster: Cluster) => Promise<void>, steps: Step[]): Promise<string[]> {
  const cluster = new Cluster()
  try {
    const from = Math.floor(Date.now() / 1000)
    await startMaster(cluster)
    const played = play(cluster, steps)
    const window: [number, number] = [from - 5, Math.floor(Date.now() / 1000) + 5]
    return played.map((one, i) => comparable(steps[i] as Step, one, window))
  } finally {
    await cluster.close()
  }
}

if (process.env.NODE_TEST_CONTEXT)
  test('every message of every version is answered as by the real master', { skip: whyNot() ?? false }, async () => {
    installPackages()
    const steps = [...script(), ...new Tour('3.0.117', 'mount').register().steps, ...nonsense(versions.length + 1)]
    const real = await answers(async cluster => cluster.startRealMaster(), steps)
    const ours = await answers(cluster => cluster.startOurMaster(), steps)
    const differing = steps.flatMap(({ about }, i) =>
      ours[i] === real[i] ? [] : [`${about}\n  ours: ${ours[i]}\n  real: ${real[i]}`],
    )
    assert.equal(differing.join('\n'), '')
  })
