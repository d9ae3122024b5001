import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Cluster } from '../client/cluster.ts'
import { realClock } from '../env/real.ts'
import { Status } from '../protocol/status.ts'
import { FileLocks } from './file-locks.ts'
import { LockType, type RecordLock, type Request } from './file-system.ts'
import { EAGAIN, EINTR } from './fuse/errno.ts'

type Answer = Awaited<ReturnType<Cluster['posixLock']>>
const free: Answer = { pid: 0, type: 0, start: 0n, end: 0n }
const request = (): Request => ({ uid: 0, gid: 0, pid: 77, interrupted: false, onInterrupt: undefined })
const range = (type: number, start = 0n, end = 99n): RecordLock => ({ type, start, end, pid: 77 })

/** A master that answers as told and keeps what it was asked. */
function fake(record: (command: number) => Promise<Answer>, flock: (command: number) => Promise<number>) {
  const asked: string[] = []
  const master: Pick<Cluster, 'flock' | 'posixLock'> = {
    posixLock: (inode, requestId, owner, pid, command, type, start, end) => {
      asked.push(`record ${inode} ${owner} pid ${pid} command ${command} type ${type} [${start},${end})`)
      assert.ok(requestId >= 0)
      return record(command)
    },
    flock: (inode, _requestId, owner, command) => {
      asked.push(`flock ${inode} ${owner} command ${command}`)
      return flock(command)
    },
  }
  return { locks: new FileLocks(master, 5, realClock), asked }
}

const willing = () =>
  fake(
    async () => ({ status: Status.OK }),
    async () => Status.OK,
  )

test('ranges become half open, and reach the end of the file', async () => {
  const { locks, asked } = willing()
  await locks.setRecordLock(request(), 9n, range(LockType.WRITE), false)
  await locks.setRecordLock(request(), 9n, range(LockType.READ, 5n, 0x7fff_ffff_ffff_ffffn), true)
  await locks.setRecordLock(request(), 9n, range(LockType.UNLOCK, 5n, 5n), false)
  assert.deepEqual(asked, [
    'record 5 9 pid 77 command 2 type 2 [0,100)',
    'record 5 9 pid 77 command 1 type 1 [5,18446744073709551615)',
    'record 5 9 pid 77 command 1 type 0 [5,6)',
  ])
})

test('any close by an owner of record locks gives them all back, others give nothing', async () => {
  const { locks, asked } = willing()
  await locks.setRecordLock(request(), 9n, range(LockType.WRITE), false)
  asked.length = 0
  await locks.dropRecordLocks(8n)
  assert.deepEqual(asked, [])
  await locks.dropRecordLocks(9n)
  await locks.dropRecordLocks(9n)
  assert.deepEqual(asked, ['record 5 9 pid 0 command 1 type 0 [0,18446744073709551615)'])
})

test('what is left is given back when nobody has the file open', async () => {
  const { locks, asked } = willing()
  await locks.setRecordLock(request(), 1n, range(LockType.READ), false)
  await locks.setFlock(request(), 2n, LockType.WRITE, true)
  asked.length = 0
  await locks.dropEverything()
  assert.deepEqual(asked, ['record 5 1 pid 0 command 1 type 0 [0,18446744073709551615)', 'flock 5 2 command 6'])
})

test('the conflicting lock is told with its inclusive end', async () => {
  const { locks } = fake(
    async () => ({ pid: 12, type: 2, start: 10n, end: 0xffff_ffff_ffff_ffffn }),
    async () => 0,
  )
  const found = await locks.getRecordLock(request(), 1n, range(LockType.READ))
  assert.deepEqual(found, { type: LockType.WRITE, start: 10n, end: 0x7fff_ffff_ffff_ffffn, pid: 12 })
  const none = fake(
    async () => free,
    async () => 0,
  )
  const answer = await none.locks.getRecordLock(request(), 1n, range(LockType.READ))
  assert.equal((answer as RecordLock).type, LockType.UNLOCK)
})

test('a lock that is taken is EAGAIN for those who do not wait', async () => {
  const { locks } = fake(
    async () => ({ status: Status.EAGAIN }),
    async () => Status.EAGAIN,
  )
  assert.equal(await locks.setRecordLock(request(), 1n, range(LockType.READ), false), EAGAIN)
  assert.equal(await locks.setFlock(request(), 1n, LockType.READ, false), EAGAIN)
})

test('a signal makes the master give the waiting up', async () => {
  let release: ((status: number) => void) | undefined
  const { locks, asked } = fake(
    async () => free,
    command => {
      if (command === 5) {
        release?.(Status.EINTR)
        return Promise.resolve(Status.OK)
      }
      return new Promise(resolve => {
        release = resolve
      })
    },
  )
  const asking = request()
  const waiting = locks.setFlock(asking, 1n, LockType.WRITE, true)
  asking.onInterrupt?.()
  assert.equal(await waiting, EINTR)
  assert.deepEqual(asked, ['flock 5 1 command 4', 'flock 5 1 command 5'])
})
