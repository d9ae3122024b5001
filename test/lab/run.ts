// `npm run lab [-- --failovers N] [--fault KIND] [--keep]`: the laboratory. Failovers under load with a journal of what
// was acknowledged, their times, and everything removed afterwards; or left running to play with.
import { parseArgs } from 'node:util'
import { explain, keepEvidence } from './evidence.ts'
import { inflict, type LabFault, labFaults, witnessFaults } from './faults.ts'
import { Lab } from './lab.ts'
import { finishLoad, longestPause, startLoad } from './load.ts'

const USAGE = `usage: npm run lab [-- --failovers N] [--fault KIND[,KIND]...] [--writers N] [--movers N] [--slow MS] [--witness]
                   [--keep]
  --failovers N  how many (6)
  --fault KIND   ${labFaults.join(', ')} (all in turn)
  --writers N    applications that write files meanwhile (2)
  --movers N     applications that only move names meanwhile (2)
  --slow MS      logs and packets are kept if a new file had to wait for longer
  --witness      a metalogger that acknowledges lines; one more KIND: ${witnessFaults}
  --keep         only set it up, and leave it running until Ctrl-C`

const string = { type: 'string' } as const
const boolean = { type: 'boolean' } as const
const { values } = parseArgs({
  options: {
    failovers: string,
    fault: string,
    writers: string,
    movers: string,
    slow: string,
    witness: boolean,
    keep: boolean,
    help: boolean,
  },
})
const possible: readonly LabFault[] = values.witness ? [...labFaults, ...witnessFaults] : labFaults
const chosen = (values.fault?.split(',') ?? possible) as readonly LabFault[]
const failovers = Number(values.failovers ?? 6)
const slowMs = Number(values.slow ?? Number.POSITIVE_INFINITY)
const load = { writers: Number(values.writers ?? 2), movers: Number(values.movers ?? 2) }
const isWrong =
  chosen.some(kind => !possible.includes(kind)) || ![failovers, load.writers, load.movers].every(count => count >= 0)
if (values.help || isWrong) {
  console.log(USAGE)
  process.exit(isWrong ? 64 : 0)
}

const percentile = (sorted: readonly number[], share: number) =>
  sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN

async function failOver(lab: Lab): Promise<boolean> {
  const times = new Map<string, number[]>()
  const note = (what: string, ms: number) => times.set(what, [...(times.get(what) ?? []), ms])
  let isSlow = false
  startLoad(lab, load)
  for (let i = 0; i < failovers; i++) {
    const fault = chosen[i % chosen.length] as LabFault
    const begunMs = Date.now()
    const ms = await inflict(lab, fault)
    isSlow ||= ms > slowMs
    const pauseMs = longestPause(lab, load, begunMs)
    note(`${fault}, a new file`, ms)
    note(`${fault}, the longest operation`, pauseMs)
    const when = new Date(begunMs).toISOString()
    console.log(
      `${when} ${i + 1} of ${failovers}: ${fault}: a new file after ${Math.round(ms)} ms, paused ${pauseMs} ms`,
    )
  }
  const report = await finishLoad(lab, load)
  for (const [what, ms] of times) console.log(distribution(what, ms))
  const { acknowledged, moved, lost, strange, errors } = report
  console.log(
    `${acknowledged} files written, ${moved} names made, moved and removed, ${lost.length} lost, ${strange.length} strange, ${errors.length} errors`,
  )
  const wrong = explain(lab, report)
  console.log(wrong)
  if (isSlow && wrong === '') console.log(`logs, changelogs and packets: ${keepEvidence(lab)}`)
  return wrong === '' && acknowledged > 0
}

function distribution(what: string, ms: number[]): string {
  const sorted = ms.sort((a, b) => a - b)
  const [p50, p99, most] = [percentile(sorted, 0.5), percentile(sorted, 0.99), sorted.at(-1) ?? 0]
  const seconds = [p50, p99, most].map(ms => (ms / 1000).toFixed(2))
  return `${what}: ${sorted.length} times, p50 ${seconds[0]} s, p99 ${seconds[1]} s, at most ${seconds[2]} s`
}

function play(lab: Lab): Promise<boolean> {
  console.log(`masters 192.168.1.8 and .9, address 192.168.1.99, mount ${lab.mountPoint}, logs in ${lab.folder}`)
  console.log('Ctrl-C removes everything')
  return new Promise(() => {})
}

const lab = new Lab('etcd', 'real', values.witness ?? false)
// Nothing stays behind when a run is broken off.
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void lab.close().finally(() => process.exit(1)))
}
try {
  await lab.open()
  process.exitCode = (await (values.keep ? play(lab) : failOver(lab))) ? 0 : 1
} finally {
  await lab.close()
}
