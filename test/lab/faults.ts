// What is done to the leader of the lab, and how long clients wait for it.
import { existsSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { chunkHosts, type Lab, type MasterHost, otherMaster } from './lab.ts'

export const labFaults = [
  'kill',
  'switchover',
  'freeze',
  'cable',
  'loseFolder',
  'killBoth',
  'mute',
  'deafen',
  'fillDisk',
  'restartAll',
  'suspend',
] as const
/** Only where there is a witness. */
export const witnessFaults = ['loseAllButWitness'] as const
export type LabFault = (typeof labFaults)[number] | (typeof witnessFaults)[number]

/** Longer than anybody waits for anybody. */
const SUSPENDED_MS = 20_000
/** So much is acknowledged that only the leader and the witness have. */
const ALONE_MS = 3000

let probes = 0

/** Milliseconds until a file can be made on the mount. */
async function untilCreate(lab: Lab, startedMs: number): Promise<number> {
  const path = join(lab.mountPoint, `probe-${process.pid}-${probes++}`)
  const done = join(lab.folder, `probe-${probes}`)
  // In a process of its own: a mount that hangs must not stop this one.
  lab.background(`probe-${probes}`, 'client', `until : > ${path}; do sleep 0.05; done; : > ${done}`)
  await lab.until('a new file', 60, () => existsSync(done))
  const madeMs = statSync(done).mtimeMs - performance.timeOrigin
  rmSync(done)
  return madeMs - startedMs
}

/** These are no single fault: clients may work in the middle of them, and are waited for when they are over. */
const takesItsTime: ReadonlySet<LabFault> = new Set(['restartAll', 'suspend', 'loseAllButWitness'])

/** Does it, measures the time to the first new file, and brings the host back. Resolves when both are in sync again. */
export async function inflict(lab: Lab, fault: LabFault): Promise<number> {
  // A machine that is too busy may have cost the leader its lease right now, and the next one is alone at first.
  await lab.until(`both in sync before ${fault}`, 60, () => lab.areInSync())
  const leader = lab.leader() as MasterHost
  const begunMs = performance.now()
  await strike(lab, fault, leader)
  const ms = await untilCreate(lab, takesItsTime.has(fault) ? performance.now() : begunMs)
  await heal(lab, fault, leader)
  await lab.until(`both in sync after ${fault}`, 60, () => lab.areInSync())
  return ms
}

async function strike(lab: Lab, fault: LabFault, leader: MasterHost): Promise<void> {
  switch (fault) {
    case 'kill':
      return lab.end(leader, 'SIGKILL')
    case 'cable':
      return lab.setCable(leader, false)
    case 'freeze':
      return lab.signal(leader, 'SIGSTOP')
    case 'switchover': {
      const { status, stderr } = lab.mfsha(leader, 'switchover')
      if (status !== 0) throw new Error(`switchover: ${stderr}`)
      return
    }
    case 'loseFolder':
      await lab.end(leader, 'SIGKILL')
      return lab.emptyDataFolder(leader)
    case 'loseAllButWitness':
      return loseAllButWitness(lab, leader)
    case 'killBoth':
      await Promise.all([lab.end(leader, 'SIGKILL'), lab.end(otherMaster(leader), 'SIGKILL')])
      lab.startMaster(otherMaster(leader))
      return lab.startMaster(leader)
    case 'mute':
      return lab.lose(leader, 'output')
    case 'deafen':
      return lab.lose(leader, 'input')
    case 'fillDisk':
      lab.setDiskFull(leader, true)
      // The last page of its changelog may have room for a few more lines.
      return lab.until('a master whose disk is full ends', 30, () => !lab.isRunning(leader))
    case 'restartAll':
      return restartAll(lab, leader)
    case 'suspend':
      lab.signalAll('SIGSTOP')
      await sleep(SUSPENDED_MS)
      return lab.signalAll('SIGCONT')
  }
}

async function heal(lab: Lab, fault: LabFault, leader: MasterHost): Promise<void> {
  switch (fault) {
    case 'kill':
      return lab.startMaster(leader)
    case 'cable':
      return lab.setCable(leader, true)
    case 'freeze':
      return lab.signal(leader, 'SIGCONT')
    case 'loseFolder':
    case 'loseAllButWitness':
      return lab.startMaster(leader)
    case 'mute':
    case 'deafen':
      return lab.loseNoMore(leader)
    case 'fillDisk':
      lab.setDiskFull(leader, false)
      return lab.startMaster(leader)
    case 'switchover':
    case 'killBoth':
    case 'restartAll':
    case 'suspend':
      return
  }
}

/** The follower is not there, the leader goes on and is lost with all that it has, and the follower comes back. */
async function loseAllButWitness(lab: Lab, leader: MasterHost): Promise<void> {
  await lab.end(otherMaster(leader), 'SIGKILL')
  await lab.until('only the witness is in sync', 30, () => lab.isAloneWithWitness())
  await sleep(ALONE_MS)
  await lab.end(leader, 'SIGKILL')
  lab.emptyDataFolder(leader)
  lab.startMaster(otherMaster(leader))
}

/** As for an upgrade: the follower first, then the leader, then one chunkserver after the other. */
async function restartAll(lab: Lab, leader: MasterHost): Promise<void> {
  for (const host of [otherMaster(leader), leader]) {
    await lab.end(host, 'SIGTERM')
    lab.startMaster(host)
    await lab.until(`both in sync after the restart of ${host}`, 60, () => lab.areInSync())
  }
  for (const host of chunkHosts) {
    await lab.end(host, 'SIGTERM')
    lab.startChunkserver(host)
    await lab.until(`${host} is back`, 30, () => lab.shell(host, 'ss -ltn | grep -q :9422') === 0)
  }
}
