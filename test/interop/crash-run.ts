// `npm run crash -- --rounds 200 [--seed N] [--real-mount]`
import { parseArgs } from 'node:util'
import { killMasterAgainAndAgain } from './crash-loop.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '200' },
    seed: { type: 'string', default: '1' },
    'real-mount': { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
if (values.help) {
  console.log(`Kills the master with -9 again and again under clients that know what must be there (needs root).

usage: npm run crash -- [--rounds N (200)] [--seed N (1)] [--real-mount]`)
} else {
  const rounds = Number(values.rounds)
  const started = Date.now()
  const done = await killMasterAgainAndAgain(
    rounds,
    Number(values.seed),
    cluster => (values['real-mount'] ? cluster.mountReal() : cluster.mountOurs()),
    (round, operations) => console.log(`${round}/${rounds} kills, ${operations} operations acknowledged, none missing`),
  )
  console.log(
    `${rounds} kills, ${done} operations, ${Math.round((Date.now() - started) / 1000)} s: nothing lost, nothing invented`,
  )
}
