// `npm run lab [-- --failovers N] [--fault KIND] [--keep]`: the laboratory. Failovers under load with a journal of what
// was acknowledged, their times, and everything removed afterwards; or left running to play with.
import { parseArgs } from 'node:util'
import { inflict, type LabFault, labFaults } from './faults.ts'
import { Lab } from './lab.ts'
import { finishLoad, startLoad } from './load.ts'

const USAGE = `usage: npm run lab [-- --failovers N] [--fault KIND[,KIND]...] [--writers N] [--keep]
  --failovers N  how many (6)
  --fault KIND   ${labFaults.join(', ')} (all in turn)
  --writers N    applications at work meanwhile (2)
  --keep         only set it up, and leave it running until Ctrl-C`

const string = { type: 'string' } as const
const boolean = { type: 'boolean' } as const
const { values } = parseArgs({
  options: { failovers: string, fault: string, writers: string, keep: boolean, help: boolean },
})
const chosen = (values.fault?.split(',') ?? labFaults) as readonly LabFault[]
const [failovers, writers] = [Number(values.failovers ?? 6), Number(values.writers ?? 2)]
const isWrong = chosen.some(kind => !labFaults.includes(kind)) || !(failovers >= 0) || !(writers >= 0)
if (values.help || isWrong) {
  console.log(USAGE)
  process.exit(isWrong ? 64 : 0)
}

const percentile = (sorted: readonly number[], share: number) =>
  sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN

async function failOver(lab: Lab): Promise<boolean> {
  const times = new Map<LabFault, number[]>()
  startLoad(lab, writers)
  for (let i = 0; i < failovers; i++) {
    const fault = chosen[i % chosen.length] as LabFault
    const ms = await inflict(lab, fault)
    times.set(fault, [...(times.get(fault) ?? []), ms])
    console.log(`${i + 1} of ${failovers}: ${fault}: ${Math.round(ms)} ms`)
  }
  const report = await finishLoad(lab, writers)
  for (const [fault, unsorted] of times) {
    const sorted = unsorted.sort((a, b) => a - b)
    const [p50, p99] = [percentile(sorted, 0.5), percentile(sorted, 0.99)].map(ms => (ms / 1000).toFixed(2))
    console.log(
      `${fault}: ${sorted.length} times, p50 ${p50} s, p99 ${p99} s, at most ${((sorted.at(-1) ?? 0) / 1000).toFixed(2)} s`,
    )
  }
  const { acknowledged, lost, strange, errors } = report
  console.log(`${acknowledged} acknowledged, ${lost.length} lost, ${strange.length} strange, ${errors.length} errors`)
  for (const line of [...lost, ...strange, ...errors].slice(0, 20)) console.log(`  ${line}`)
  return lost.length + strange.length + errors.length === 0 && acknowledged > 0
}

function play(lab: Lab): Promise<boolean> {
  console.log(`masters 192.168.1.8 and .9, address 192.168.1.99, mount ${lab.mountPoint}, logs in ${lab.folder}`)
  console.log('Ctrl-C removes everything')
  return new Promise(() => {})
}

const lab = new Lab()
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
