// The public recipe's own topology: two masters, keepalived and nothing else. Keepalived says who leads, through mfsha.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { whyNot } from '../interop/cluster.ts'
import { inflict, type LabFault } from './faults.ts'
import { Lab, otherMaster } from './lab.ts'
import { finishLoad, startLoad } from './load.ts'

const WRITERS = 2
const faults: readonly LabFault[] = ['kill', 'switchover', 'freeze']
const LIMIT_MS = 30_000

/** Keepalived ends on the leader: the address goes, and the lead goes with it. */
async function stopKeepalived(lab: Lab): Promise<void> {
  const leader = lab.leader()
  assert.ok(leader)
  await lab.end(`keepalived-${leader}`, 'SIGTERM')
  await lab.until('the other master leads', 30, () => lab.leader() === otherMaster(leader))
  lab.startKeepalived(leader)
}

/** The follower ends, the leader goes on alone and ends too: the one that missed something may not lead. */
async function checkStaleIsRefused(lab: Lab): Promise<void> {
  const leader = lab.leader()
  assert.ok(leader)
  const stale = otherMaster(leader)
  await lab.end(stale, 'SIGKILL')
  assert.equal(lab.shell('client', `timeout 30 sh -c 'echo alone > ${lab.mountPoint}/alone'`), 0)
  await lab.end(leader, 'SIGKILL')
  lab.startMaster(stale)
  await lab.until('the stale master answers', 30, () => lab.status(stale))
  const refused = lab.mfsha(stale, 'promote')
  assert.equal(refused.status, 1, refused.stdout)
  assert.match(refused.stderr, /may be missing here/)
  lab.startMaster(leader)
  await lab.until('the master that has everything leads', 30, () => lab.leader() === leader)
  await lab.until('both in sync', 60, () => lab.areInSync())
}

test('two masters with keepalived alone lose nothing when one of them ends', { skip: whyNot() ?? false }, async () => {
  const lab = new Lab('keepalived')
  try {
    await lab.open()
    startLoad(lab, WRITERS)
    for (const fault of faults) {
      const ms = await inflict(lab, fault)
      console.log(`${fault}: a file could be made again after ${Math.round(ms)} ms`)
      assert.ok(ms < LIMIT_MS, `${fault}: ${ms} ms`)
    }
    await stopKeepalived(lab)
    await lab.until('both in sync', 60, () => lab.areInSync())
    await checkStaleIsRefused(lab)
    const { acknowledged, lost, strange, errors } = await finishLoad(lab, WRITERS)
    assert.ok(acknowledged > 20, `${acknowledged} acknowledged: this run proves nothing`)
    assert.deepEqual({ lost, strange, errors }, { lost: [], strange: [], errors: [] })
  } finally {
    await lab.close()
  }
})
