import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Clock } from '../env/env.ts'
import { realClock } from '../env/real.ts'
import type { Opened, Request } from './file-system.ts'
import { EACCES, ENOENT, EPERM } from './fuse/errno.ts'
import { MemoryFileSystem } from './memory-file-system.ts'
import { ObservedFileSystem, OperationLog } from './operation-log.ts'
import { SpecialFiles } from './special-files.ts'
import { Statistics } from './statistics.ts'

const by = (uid: number): Request => ({ uid, gid: uid, pid: 12, interrupted: false, onInterrupt: undefined })

function setup(clock: Clock = realClock) {
  const statistics = new Statistics()
  const log = new OperationLog()
  const files = new SpecialFiles({
    masterInfo: () => ({ host: '127.0.0.1', port: 0x89c9, sessionId: 2, masterVersion: 0x300ea }),
    params: () => 'mfsmaster: here\n',
    statistics,
    log,
    clock,
  })
  const observed = new ObservedFileSystem(new MemoryFileSystem(clock), log, statistics, clock)
  let handle = 0
  const open = (name: string, uid = 0, flags = 0) => {
    const { inode } = files.lookup(name).attributes
    const opened = files.open(by(uid), inode, flags, ++handle)
    return opened as number | Opened
  }
  const read = async (name: string): Promise<string> => {
    const opened = open(name)
    assert.ok(typeof opened === 'object')
    return String(await files.read(opened.handle, 0, 100_000))
  }
  return { statistics, log, files, observed, open, read }
}

test('.masterinfo holds the address of the proxy, the session and the version', async () => {
  const { files, open } = setup()
  const opened = open('.masterinfo', 1000)
  assert.ok(typeof opened === 'object')
  const content = (await files.read(opened.handle, 0, 100)) as Buffer
  assert.equal(content.toString('hex'), '7f00000189c900000002000300ea')
  const { inode, mode, size } = files.lookup('.masterinfo').attributes
  assert.deepEqual([inode, mode, size], [0x7fffffff, 0o100444, 14])
})

test('the special files are in the root; .masterinfo steps in elsewhere', () => {
  const { files } = setup()
  assert.equal(files.names(1, '.stats'), true)
  assert.equal(files.names(2, '.stats'), false)
  assert.equal(files.stepsIn('.masterinfo'), true)
  assert.equal(files.stepsIn('.stats'), false)
  assert.equal(files.owns(0x7ffffff5), true)
  assert.equal(files.getattr(0x7ffffff9), ENOENT)
})

test('what is for user 0 only is kept from others, what is read only is not written', () => {
  const { open, files } = setup()
  assert.equal(open('.params', 1000), EACCES)
  assert.equal(open('.oplog', 1000), EACCES)
  assert.equal(open('.masterinfo', 0, 1), EACCES)
  assert.equal(typeof open('.stats', 1000), 'object')
  assert.equal(files.setattr(0x7fffffff), EPERM)
})

test('.stats counts operations level by level, and writing to it begins anew', async () => {
  const { observed, files, open, read } = setup()
  await observed.lookup(by(0), 1, 'nothing')
  await observed.mkdir(by(0), 1, 'folder', 0o755, 0)
  assert.match(await read('.stats'), /^fuse_ops: 2\n.*fuse_ops.lookup: 1\n.*fuse_ops.mkdir: 1\n/s)
  const opened = open('.stats', 0, 1)
  assert.ok(typeof opened === 'object')
  files.write(opened.handle)
  files.release(opened.handle)
  assert.match(await read('.stats'), /^fuse_ops: 0\n/)
})

test('.ophistory tells what was done, in the words of the original', async () => {
  const { observed, read } = setup({ ...realClock, nowMs: () => new Date(2026, 10, 24, 14, 38, 5).getTime() + 1.5 })
  await observed.lookup(by(0), 1, 'f1')
  await observed.create(by(7), 1, 'f1', 0o100666, 0o22, 0o1101)
  await observed.write(by(7), 2, 1, 0, Buffer.from('xy'), false, false)
  await observed.read(by(7), 2, 1, 0, 4096)
  await observed.rename(by(7), 1, 'f1', 1, 'f4', 0)
  const [lookup, create, write, read_, rename] = (await read('.ophistory')).split('\n')
  assert.equal(
    lookup,
    '11.24 14:38:05.001500: uid:0 gid:0 pid:12 cmd:lookup (1,f1): ENOENT (No such file or directory)',
  )
  assert.match(
    create ?? '',
    /cmd:create \(1,f1,O_WRONLY\|O_CREAT\|O_TRUNC,-rw-rw-rw-:0100666\): OK \(1\.0,2,1\.0,\[-rw-r--r--:0100644,1,7,7,/,
  )
  assert.match(write ?? '', /cmd:write \(2,2,0\) \[handle:00000001\]: OK$/)
  assert.match(read_ ?? '', /cmd:read \(2,4096,0\) \[handle:00000001\]: OK \(2\)$/)
  assert.match(rename ?? '', /cmd:rename \(1,f1,1,f4,0\): OK$/)
})

test('.oplog waits for the next operation, and says # when there is none', async () => {
  const timers: (() => void)[] = []
  const after = (_ms: number, action: () => void) => {
    timers.push(action)
    return { cancel() {} }
  }
  const { observed, files, open } = setup({ ...realClock, after })
  await observed.lookup(by(0), 1, 'before')
  const opened = open('.oplog')
  assert.ok(typeof opened === 'object')
  const waiting = files.read(opened.handle, 0, 1000)
  await observed.lookup(by(0), 1, 'after')
  assert.match(String(await waiting), /^[^\n]*cmd:lookup \(1,after\)[^\n]*\n$/)
  const quiet = files.read(opened.handle, 0, 1000)
  timers.at(-1)?.()
  assert.equal(String(await quiet), '#\n')
})

test('reading the log is not logged: it would have no end', async () => {
  const { observed, log, files } = setup()
  await observed.lookup(by(0), 1, 'before')
  const { end } = log
  for (const name of ['.oplog', '.ophistory']) {
    await observed.read(by(0), files.lookup(name).attributes.inode, 1, 0, 1000)
  }
  assert.equal(log.end, end)
  await observed.read(by(0), files.lookup('.stats').attributes.inode, 1, 0, 1000)
  assert.equal(log.end, end + 1)
})
