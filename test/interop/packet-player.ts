// Plays packets to a master and tells what it answers: packet-player.ts HOST PORT, steps as one JSON array on stdin,
// what came back as one JSON array on stdout. It knows nothing of the protocol but frames and NOPs.
import { Socket } from 'node:net'
import { FrameReader } from '../../src/protocol/frame.ts'
import type { Played, Step } from './message-script.ts'

const [host = '', port = ''] = process.argv.slice(2)
/** When nothing came for so long, nothing will. */
const SILENCE_MS = 400
const LIMIT_MS = 8000

class Player {
  readonly #socket = new Socket()
  readonly packets: { type: number; payload: Buffer }[] = []
  closed = false
  #changed: (() => void) | undefined

  /** Until something came, or `limitMs` went by. */
  change(limitMs: number): Promise<void> {
    return new Promise(resolve => {
      const timer = setTimeout(resolve, limitMs)
      this.#changed = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  async open(): Promise<void> {
    const frames = new FrameReader(50_000_000, (type, payload) => {
      if (type === 0) return
      this.packets.push({ type, payload: Buffer.from(payload) })
      this.#changed?.()
    })
    this.#socket.setNoDelay(true)
    this.#socket.on('data', (bytes: Buffer) => frames.push(bytes))
    this.#socket.on('error', () => {})
    this.#socket.on('close', () => {
      this.closed = true
      this.#changed?.()
    })
    await new Promise<void>((resolve, reject) => {
      this.#socket.once('error', reject)
      this.#socket.connect(Number(port), host, () => resolve())
    })
  }

  send(bytes: Buffer): void {
    if (!this.closed) this.#socket.write(bytes)
  }

  end(): void {
    this.#socket.destroy()
  }
}

const pause = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))

const players = new Map<string, Player>()

async function play(step: Step): Promise<Played> {
  if (step.pauseMs) await pause(step.pauseMs)
  const player = players.get(step.on) ?? new Player()
  if (!players.has(step.on)) {
    players.set(step.on, player)
    await player.open()
  }
  if (step.hangUp) {
    player.end()
    return { packets: [], closed: true }
  }
  const bytes = Buffer.from(step.send, 'hex')
  player.send(bytes)
  const answer = bytes.readUInt32BE(0) + 1
  const isAnswered = () => !step.untilClosed && player.packets.some(({ type }) => type === answer)
  const isThere = () => player.closed || isAnswered()
  const limit = step.silent ? SILENCE_MS : LIMIT_MS
  for (const end = Date.now() + limit; Date.now() < end && !isThere(); ) await player.change(end - Date.now())
  const packets = player.packets.splice(0).map(({ type, payload }) => ({ type, payload: payload.toString('hex') }))
  return { packets, closed: player.closed }
}

let input = ''
for await (const piece of process.stdin) input += String(piece)
const played: Played[] = []
const steps = JSON.parse(input) as Step[]
for (const [i, step] of steps.entries()) {
  try {
    played.push(await play(step))
  } catch (error) {
    process.stderr.write(`${steps[i - 1]?.about}, then ${step.about}: ${String(error)}\n`)
    process.exit(1)
  }
}
process.stdout.write(JSON.stringify(played), () => process.exit(0))
