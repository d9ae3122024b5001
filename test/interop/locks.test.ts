// flock and fcntl locks of processes on two mounts: ours beside ours, and ours beside the original, on our master.
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster, whyNot } from './cluster.ts'
import { installPackages } from './packages.ts'
import { Actor } from './posix/actor.ts'
import { compileSyscalls } from './posix/differential.ts'

const skip = whyNot() ?? false
const [SHARED, EXCLUSIVE, NOW, UNLOCK] = [1, 2, 4, 8]
const [READ, WRITE, FREE] = [0, 1, 2]

interface Stage {
  cluster: Cluster
  /** A process on the first mount, or on the second, with `name` open in slot 0. */
  actor(mount: 1 | 2, name: string): Promise<Actor>
  second: string
  killActors(): Promise<void>
}

async function onTwoMounts(other: 'ours' | 'real', run: (stage: Stage) => Promise<void>): Promise<void> {
  installPackages()
  const cluster = new Cluster()
  const actors: Actor[] = []
  const killActors = async () => {
    for (const actor of actors.splice(0)) await actor.kill()
  }
  try {
    const program = compileSyscalls(cluster.folder)
    const second = join(cluster.folder, 'second')
    mkdirSync(second)
    await cluster.startOurMaster()
    await cluster.startOurChunkserver(2)
    await sleep(2000)
    cluster.mountOurs()
    if (other === 'ours') cluster.mountOursAt(second)
    else cluster.mountWith('mfsmount', second)
    const actor = async (mount: 1 | 2, name: string) => {
      const made = new Actor(program, mount === 1 ? cluster.mountPoint : second)
      actors.push(made)
      await made.pid()
      assert.equal(await made.call(`open 0 ${name} 0102 0666`), '0')
      return made
    }
    await run({ cluster, actor, second, killActors })
  } finally {
    await killActors()
    await cluster.close()
  }
}

/** Asks until the answer comes, at most half a minute: what another process lets go of is free a moment later. */
async function becomes(answer: string, actor: Actor, call: string): Promise<void> {
  let last = ''
  for (let i = 0; i < 300; i++) {
    last = await actor.call(call)
    if (last === answer) return
    await sleep(100)
  }
  assert.equal(last, answer, call)
}

async function isWaiting(call: Promise<string>): Promise<boolean> {
  return (await Promise.race([call, sleep(500, 'waits')])) === 'waits'
}

async function flocks({ actor }: Stage): Promise<void> {
  const [a, b] = [await actor(1, 'flocked'), await actor(2, 'flocked')]
  // Shared and exclusive.
  assert.equal(await a.call(`flock 0 ${SHARED}`), '0')
  assert.equal(await b.call(`flock 0 ${SHARED | NOW}`), '0')
  assert.equal(await b.call(`flock 0 ${EXCLUSIVE | NOW}`), 'EAGAIN', 'no upgrade beside another reader')
  assert.equal(await a.call(`flock 0 ${UNLOCK}`), '0')
  await becomes('0', b, `flock 0 ${EXCLUSIVE | NOW}`)
  assert.equal(await a.call(`flock 0 ${SHARED | NOW}`), 'EAGAIN')
  assert.equal(await b.call(`flock 0 ${SHARED | NOW}`), '0', 'downgrade')
  assert.equal(await a.call(`flock 0 ${SHARED | NOW}`), '0')
  for (const each of [a, b]) await each.call(`flock 0 ${UNLOCK}`)
  // Waiting, and being interrupted.
  assert.equal(await a.call(`flock 0 ${EXCLUSIVE}`), '0')
  const waiting = b.call(`flock 0 ${EXCLUSIVE}`)
  assert.ok(await isWaiting(waiting))
  assert.equal(await a.call(`flock 0 ${UNLOCK}`), '0')
  assert.equal(await waiting, '0')
  const interrupted = a.call(`flock 0 ${SHARED}`)
  assert.ok(await isWaiting(interrupted))
  await a.interrupt()
  assert.equal(await interrupted, 'EINTR')
  assert.equal(await b.call(`flock 0 ${UNLOCK}`), '0')
  // A lock belongs to the open file: it goes with its last descriptor, or with the process.
  assert.equal(await a.call(`flock 0 ${EXCLUSIVE | NOW}`), '0')
  assert.equal(await a.call('dup 0 1'), '0')
  assert.equal(await a.call('close 0'), '0')
  assert.equal(await b.call(`flock 0 ${SHARED | NOW}`), 'EAGAIN')
  assert.equal(await a.call('close 1'), '0')
  await becomes('0', b, `flock 0 ${EXCLUSIVE | NOW}`)
  const third = await actor(1, 'flocked')
  const left = third.call(`flock 0 ${EXCLUSIVE}`)
  assert.ok(await isWaiting(left))
  await b.kill()
  assert.equal(await left, '0')
}

async function recordLocks({ actor }: Stage): Promise<void> {
  const [a, b] = [await actor(1, 'locked'), await actor(2, 'locked')]
  const lock = (type: number, start: number, length: number) => `lock 0 set ${type} ${start} ${length} 0`
  const get = (type: number, start: number, length: number) => `lock 0 get ${type} ${start} ${length} 0`
  // Ranges: what is apart does not disturb, what overlaps does, to the end means to the end.
  assert.equal(await a.call(lock(WRITE, 0, 10)), '0')
  assert.equal(await b.call(lock(WRITE, 10, 10)), '0')
  assert.equal(await b.call(lock(READ, 9, 1)), 'EAGAIN')
  assert.equal(await b.call(get(WRITE, 5, 100)), 'held type=1 start=0 len=10')
  assert.equal(await a.call(lock(WRITE, 15, 0)), 'EAGAIN')
  assert.equal(await b.call(lock(FREE, 15, 5)), '0', 'splits')
  assert.equal(await a.call(lock(WRITE, 15, 0)), '0')
  assert.equal(await b.call(get(WRITE, 1_000_000, 1)), 'held type=1 start=15 len=0')
  // Upgrade and downgrade of a part.
  assert.equal(await a.call(lock(READ, 3, 4)), '0')
  assert.equal(await b.call(lock(READ, 4, 2)), '0')
  assert.equal(await a.call(lock(WRITE, 3, 4)), 'EAGAIN', 'no upgrade over another reader')
  assert.equal(await b.call(lock(FREE, 4, 2)), '0')
  await becomes('0', a, lock(WRITE, 3, 4))
  assert.equal(await b.call(get(READ, 3, 4)), 'held type=1 start=0 len=10', 'merged again')
  // Waiting, and being interrupted.
  const waiting = b.call('lock 0 wait 1 0 10 0')
  assert.ok(await isWaiting(waiting))
  assert.equal(await a.call(lock(FREE, 0, 10)), '0')
  assert.equal(await waiting, '0')
  const interrupted = a.call('lock 0 wait 0 0 10 0')
  assert.ok(await isWaiting(interrupted))
  await a.interrupt()
  assert.equal(await interrupted, 'EINTR')
  assert.equal(await b.call(lock(FREE, 0, 0)), '0')
  // Closing any descriptor of the file drops the locks of the process (the original keeps them).
  await becomes('0', a, lock(WRITE, 0, 0))
  assert.equal(await a.call('open 1 locked 02 0'), '0')
  assert.equal(await b.call(lock(WRITE, 0, 1)), 'EAGAIN')
  assert.equal(await a.call('close 1'), '0')
  await becomes('0', b, lock(WRITE, 0, 0))
  // Death of the holder.
  const left = a.call('lock 0 wait 0 5 5 0')
  assert.ok(await isWaiting(left))
  await b.kill()
  assert.equal(await left, '0')
}

async function handedOver({ actor, cluster }: Stage): Promise<void> {
  writeFileSync(join(cluster.mountPoint, 'handed'), '0')
  const actors = [await actor(1, 'handed'), await actor(2, 'handed')]
  const bytes: string[] = []
  for (let round = 0; round < 30; round++) {
    const [writer, reader] = round % 2 === 0 ? actors : [...actors].reverse()
    assert.equal(await writer?.call('lock 0 wait 1 0 0 0'), '0')
    const written = await writer?.call(`pwrite 0 ${(round * 3000) % 7000} 5000 ${round}`)
    assert.equal(written, '5000')
    const seen = await writer?.call('pread 0 0 20000')
    const handed = reader?.call('lock 0 wait 0 0 0 0')
    assert.equal(await writer?.call('lock 0 set 2 0 0 0'), '0')
    assert.equal(await handed, '0')
    assert.equal(await reader?.call('pread 0 0 20000'), seen, `round ${round}`)
    assert.equal(await reader?.call('lock 0 set 2 0 0 0'), '0')
    bytes.push(seen ?? '')
  }
  assert.equal(new Set(bytes).size, 30)
}

async function masterKilled({ actor, cluster }: Stage): Promise<void> {
  const [a, b] = [await actor(1, 'kept'), await actor(2, 'kept')]
  const [c, d] = [await actor(1, 'kept2'), await actor(2, 'kept2')]
  assert.equal(await a.call(`flock 0 ${EXCLUSIVE}`), '0')
  assert.equal(await d.call('lock 0 set 1 100 10 0'), '0')
  const waitingFlock = b.call(`flock 0 ${EXCLUSIVE}`)
  const waitingRecord = c.call('lock 0 wait 1 105 1 0')
  assert.ok(await isWaiting(waitingFlock))
  assert.ok(await isWaiting(waitingRecord))
  await cluster.stopOurMaster('SIGKILL')
  await cluster.startOurMaster()
  const [e, f] = [await actor(2, 'kept'), await actor(1, 'kept2')]
  assert.equal(await e.call(`flock 0 ${SHARED | NOW}`), 'EAGAIN')
  assert.equal(await f.call('lock 0 set 0 100 1 0'), 'EAGAIN')
  assert.ok(await isWaiting(waitingFlock), 'who waited waits on')
  assert.ok(await isWaiting(waitingRecord))
  assert.equal(await a.call(`flock 0 ${UNLOCK}`), '0')
  assert.equal(await waitingFlock, '0')
  assert.equal(await d.call('lock 0 set 2 0 0 0'), '0')
  assert.equal(await waitingRecord, '0')
}

async function sessionEnds({ actor, cluster, second, killActors }: Stage): Promise<void> {
  await killActors()
  const [third, fourth] = [await actor(1, 'left'), await actor(2, 'left')]
  assert.equal(await fourth.call(`flock 0 ${EXCLUSIVE | NOW}`), '0')
  assert.equal(await third.call(`flock 0 ${SHARED | NOW}`), 'EAGAIN')
  await fourth.kill()
  cluster.run('umount', second)
  await becomes('0', third, `flock 0 ${EXCLUSIVE | NOW}`)
}

for (const [other, name] of [
  ['ours', 'another of ours'],
  ['real', 'one of the original'],
] as const) {
  test(`locks between our mount and ${name}`, { skip }, t =>
    onTwoMounts(other, async stage => {
      await t.test('flock: kinds, waiting, interruption, close and death', () => flocks(stage))
      await t.test('fcntl: ranges, waiting, interruption, close of any descriptor, death', () => recordLocks(stage))
      await t.test('what was written under a lock is seen by its next holder', () => handedOver(stage))
      await t.test('held and waiting locks last through kill -9 of the master', () => masterKilled(stage))
      await t.test('an unmounted file system holds no locks', () => sessionEnds(stage))
    }),
  )
}
