// The public recipe's own topology: two masters, keepalived and nothing else. Keepalived says who leads, through mfsha.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { whyNot } from '../interop/cluster.ts'
import { explain } from './evidence.ts'
import { inflict, type LabFault } from './faults.ts'
import { Lab, masterHosts, otherMaster } from './lab.ts'
import { finishLoad, startLoad } from './load.ts'

const load = { writers: 2, movers: 1 }
const faults: readonly LabFault[] = ['kill', 'switchover', 'freeze', 'cable']
const LIMIT_MS = 30_000
/** So long at most a master that has handed over is not offered the address. */
const HOLD_OFF_MS = 5000

/** Keepalived ends on the leader: the address goes, and the lead goes with it. */
async function stopKeepalived(lab: Lab): Promise<void> {
  const leader = lab.leader()
  assert.ok(leader)
  await lab.end(`keepalived-${leader}`, 'SIGTERM')
  await lab.until('the other master leads', 30, () => lab.leader() === otherMaster(leader))
  lab.startKeepalived(leader)
}

/** While keepalived hangs the other master is promoted, leads and ends: keepalived knows nothing of it. */
async function promoteUnseen(lab: Lab): Promise<void> {
  const leader = lab.leader()
  assert.ok(leader)
  const other = otherMaster(leader)
  const pids = masterHosts.map(host => Number(readFileSync(join(lab.folder, `${host}--vrrp_pid`), 'utf8')))
  for (const pid of pids) process.kill(pid, 'SIGSTOP')
  assert.equal(lab.mfsha(other, 'promote').status, 0)
  await lab.until('both in sync', 60, () => lab.leader() === other && lab.areInSync())
  await sleep(HOLD_OFF_MS)
  await lab.end(other, 'SIGKILL')
  lab.startMaster(other)
  await lab.until('both could lead', 30, () => masterHosts.every(host => lab.status(host)?.role === 'following'))
  await sleep(2000)
  for (const pid of pids) process.kill(pid, 'SIGCONT')
  await lab.until('one of them is told to lead', 30, () => lab.leader())
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

/**
 * The two are cut off from each other, and keepalived with them, but not from the clients: both lead. When they meet again
 * one does, and nothing from before is lost.
 */
async function checkCut(lab: Lab): Promise<void> {
  const former = lab.leader()
  assert.ok(former)
  const next = otherMaster(former)
  assert.equal(lab.shell('client', `echo before > ${lab.mountPoint}/before`), 0)
  for (const direction of ['output', 'input'] as const) lab.lose(former, direction, next)
  const leads = (host: typeof former) => lab.status(host)?.role === 'leading'
  await lab.until('both lead', 30, () => masterHosts.every(leads))
  assert.equal(lab.shell('client', `timeout 30 sh -c 'echo apart > ${lab.mountPoint}/apart'`), 0)
  lab.loseNoMore(former)
  await lab.until('one leads and both are in sync', 60, () => lab.areInSync() && !masterHosts.every(leads))
  assert.equal(lab.shell('client', `timeout 30 sh -c 'echo before | cmp - ${lab.mountPoint}/before'`), 0)
  assert.equal(lab.shell('client', `timeout 30 sh -c 'echo after > ${lab.mountPoint}/after'`), 0)
}

test('two masters with keepalived alone lose nothing when one of them ends', { skip: whyNot() ?? false }, async () => {
  const lab = new Lab('keepalived')
  try {
    await lab.open()
    startLoad(lab, load)
    for (const fault of faults) {
      const ms = await inflict(lab, fault)
      console.log(`${fault}: a file could be made again after ${Math.round(ms)} ms`)
      assert.ok(ms < LIMIT_MS, `${fault}: ${ms} ms`)
    }
    for (const trouble of [stopKeepalived, promoteUnseen]) {
      await trouble(lab)
      await lab.until('both in sync', 60, () => lab.areInSync())
    }
    await checkStaleIsRefused(lab)
    const report = await finishLoad(lab, load)
    assert.ok(report.acknowledged > 20, `${report.acknowledged} acknowledged: this run proves nothing`)
    assert.equal(explain(lab, report), '')
    await checkCut(lab)
  } finally {
    await lab.close()
  }
})
