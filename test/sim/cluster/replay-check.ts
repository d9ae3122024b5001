// What a restart would make of the master's folder is what the master has now.
import { recover } from '../../../src/journal/recovery.ts'
import { canonicalLines } from '../../../src/metadata/checkpoint/canonical.ts'
import { DATA, type SimCluster, Violation } from './cluster.ts'

/** @throws Violation when they differ. For moments when nobody changes anything. */
export async function checkReplay(cluster: SimCluster): Promise<void> {
  const { master, masterHost } = cluster
  if (!master) throw new Violation('the master is gone')
  const { ledger } = master
  await cluster.run(new Promise<void>(resolve => ledger.whenCommitted(resolve)), 60_000, 'the changelog')
  const live = canonicalLines(ledger.state)
  // The master's rounds go on meanwhile.
  const until = ledger.state.version
  const recovery = recover(masterHost.disk, DATA, { now: ledger.now(), until })
  const { state } = await cluster.run(recovery, 60_000, 'recovery')
  const replayed = canonicalLines(state)
  const at = live.findIndex((line, i) => line !== replayed[i])
  if (at >= 0 || live.length !== replayed.length) {
    throw new Violation(`replay differs:\nlive     ${live[at]}\nreplayed ${replayed[at]}`)
  }
  if (ledger.state.digest() !== ledger.state.digestFromScratch()) throw new Violation('the rolling digest is wrong')
}
