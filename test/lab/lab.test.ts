// The laboratory, a short run: the five hosts of the public recipe with real chunkservers, a real mount, keepalived and
// etcd; the leader is killed, cut off, frozen and woken, and hands over, under load.
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { whyNot } from '../interop/cluster.ts'
import { explain } from './evidence.ts'
import { inflict, type LabFault } from './faults.ts'
import { addressOf, Lab, otherMaster } from './lab.ts'
import { finishLoad, startLoad } from './load.ts'
import { HeldLocks } from './locks.ts'

const load = { writers: 2, movers: 1 }
/** `npm run lab` has more, which a machine that is very busy makes last for minutes. */
const faults: readonly LabFault[] = ['kill', 'switchover', 'freeze', 'cable', 'fillDisk', 'loseFolder', 'killBoth']
/** Generous: the machine that runs the tests is busy. What is measured in peace is in docs/high-availability.md. */
const LIMIT_MS = 30_000

/** Real programs that were given the address of a follower find the leader, now and when it is another one. */
async function checkRedirects(lab: Lab): Promise<void> {
  const leader = lab.leader() ?? 'cobbler1'
  const folder = join(lab.folder, 'redirected')
  mkdirSync(folder)
  assert.ok(lab.mount(folder, addressOf(otherMaster(leader))), 'mounted by the address of a follower')
  assert.equal(lab.shell('client', `echo before > ${folder}/redirected`), 0)
  const isRegistered = () => lab.log(leader).includes(`chunkserver ${addressOf('chunk2')}:9422 is registered`)
  await lab.until('a chunkserver that knows only the other master is registered', 30, isRegistered)
  await inflict(lab, 'switchover')
  assert.equal(lab.shell('client', `timeout 30 sh -c 'echo after >> ${folder}/redirected'`), 0)
  assert.equal(lab.shell('client', `printf 'before\\nafter\\n' | cmp - ${lab.mountPoint}/redirected`), 0)
}

/**
 * Our mount knows all masters and no virtual address: it finds the one that leads, and the next one. Locks that were taken
 * through the other mount stay where they are.
 */
async function checkListOfMasters(lab: Lab): Promise<void> {
  const folder = join(lab.folder, 'listed')
  mkdirSync(folder)
  await lab.mountOurs(folder)
  assert.equal(lab.shell('client', `echo one > ${folder}/listed`), 0)
  const locks = await HeldLocks.take(lab, lab.mountPoint, folder)
  for (const fault of ['switchover', 'kill'] as const) {
    await inflict(lab, fault)
    assert.equal(lab.shell('client', `timeout 30 sh -c 'echo ${fault} >> ${folder}/listed'`), 0)
  }
  assert.deepEqual(await locks.release(), [], 'got by two')
  assert.equal(lab.shell('client', `printf 'one\\nswitchover\\nkill\\n' | cmp - ${lab.mountPoint}/listed`), 0)
}

test('a real mount on the virtual address survives every fault of the leader', {
  skip: whyNot() ?? false,
}, async () => {
  const lab = new Lab()
  try {
    await lab.open()
    await checkRedirects(lab)
    await checkListOfMasters(lab)
    startLoad(lab, load)
    for (const fault of faults) {
      const ms = await inflict(lab, fault)
      console.log(`${fault}: a file could be made again after ${Math.round(ms)} ms`)
      assert.ok(ms < LIMIT_MS, `${fault}: ${ms} ms`)
    }
    const report = await finishLoad(lab, load)
    assert.ok(report.acknowledged > 20, `${report.acknowledged} acknowledged: this run proves nothing`)
    assert.equal(explain(lab, report), '')
  } finally {
    await lab.close()
  }
})
