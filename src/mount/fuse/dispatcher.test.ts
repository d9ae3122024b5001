import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Clock } from '../../env/env.ts'
import type { Log } from '../../env/log.ts'
import type { Answer, FileSystem, Request } from '../file-system.ts'
import { MemoryFileSystem } from '../memory-file-system.ts'
import * as abi from './abi.ts'
import { Opcode } from './abi.ts'
import { Dispatcher, INTERRUPT_PATIENCE_MS } from './dispatcher.ts'
import * as errno from './errno.ts'
import type { Struct } from './struct.ts'

interface Reply {
  unique: number
  error: number
  body: Buffer
}

/** A kernel's side: sends requests, keeps the answers. */
class Kernel {
  readonly replies: Reply[] = []
  readonly warnings: string[] = []
  readonly timers: { ms: number; action: () => void }[] = []
  readonly dispatcher: Dispatcher
  #unique = 0

  constructor(fs: (clock: Clock) => FileSystem) {
    const clock: Clock = {
      nowMs: () => 1_700_000_000_000,
      utcOffsetSeconds: () => 0,
      monotonicMs: () => 0,
      after: (ms, action) => {
        this.timers.push({ ms, action })
        return { cancel() {} }
      },
      every: () => ({ cancel() {} }),
      soon: action => void setImmediate(action),
      sleep: async () => {},
    }
    const warn = (message: string) => void this.warnings.push(message)
    const log: Log = { debug() {}, info() {}, notice() {}, warning: warn, error: warn }
    const send = (message: Buffer) => {
      const { len, error, unique } = abi.outHeader.read(message, 0)
      assert.equal(len, message.length)
      this.replies.push({ unique, error: Math.abs(error), body: Buffer.from(message.subarray(16)) })
    }
    this.dispatcher = new Dispatcher(fs(clock), { send, sendParts: parts => send(Buffer.concat(parts)) }, log, clock)
  }

  /** Sends a request without looking for its answer. */
  post(opcode: number, nodeid: number, ...parts: (Buffer | string)[]): number {
    const body = Buffer.concat(parts.map(part => (typeof part === 'string' ? Buffer.from(`${part}\0`) : part)))
    const header = Buffer.alloc(40)
    this.#unique += 2
    const unique = this.#unique
    abi.inHeader.write(header, 0, { len: 40 + body.length, opcode, unique, nodeid, uid: 7, gid: 8, pid: 9 })
    this.dispatcher.dispatch(Buffer.concat([header, body]))
    return unique
  }

  /** Sends a request and waits for its answer. */
  async ask(opcode: number, nodeid: number, ...parts: (Buffer | string)[]): Promise<Reply> {
    const unique = this.post(opcode, nodeid, ...parts)
    for (let turn = 0; turn < 10; turn++) {
      const reply = this.replies.find(candidate => candidate.unique === unique)
      if (reply) return reply
      await new Promise(resolve => setImmediate(resolve))
    }
    throw new Error(`no answer to ${abi.opcodeName(opcode)}`)
  }
}

function pack<V>(layout: Struct<V>, values: Partial<V>): Buffer {
  const view = Buffer.alloc(layout.bytes)
  layout.write(view, 0, values)
  return view
}

const memory = () => new Kernel(clock => new MemoryFileSystem(clock))

async function makeFile(kernel: Kernel, name: string): Promise<{ inode: number; fh: number }> {
  const { error, body } = await kernel.ask(Opcode.CREATE, 1, pack(abi.createIn, { mode: 0o100644 }), name)
  assert.equal(error, 0)
  return { inode: abi.entryOut.read(body, 0).nodeid, fh: abi.openOut.read(body, 128).fh }
}

test('INIT agrees on the version, 1 MiB requests and no more than the kernel offers', async () => {
  const kernel = memory()
  const init = pack(abi.initIn, { major: 7, minor: 45, max_readahead: 131072, flags: 0xffff_ffff })
  const { error, body } = await kernel.ask(Opcode.INIT, 0, init, Buffer.alloc(48))
  assert.equal(error, 0)
  const answer = abi.initOut.read(body, 0)
  assert.equal(answer.major, 7)
  assert.equal(answer.minor, 38)
  assert.equal(answer.max_write, 1024 * 1024)
  assert.equal(answer.max_pages, 256)
  assert.equal(answer.max_readahead, 131072)
  assert.ok(answer.flags & abi.InitFlag.ATOMIC_O_TRUNC)
  assert.equal(answer.flags & (1 << 20), 0, 'POSIX_ACL would make the kernel check permissions')
  await kernel.dispatcher.ready
  const old = await kernel.ask(Opcode.INIT, 0, pack(abi.initIn, { major: 7, minor: 20 }))
  assert.equal(old.error, errno.EPROTO)
  const modest = await kernel.ask(Opcode.INIT, 0, pack(abi.initIn, { major: 7, minor: 31, flags: 1 }))
  assert.equal(abi.initOut.read(modest.body, 0).flags, 1)
  assert.equal(abi.initOut.read(modest.body, 0).minor, 31)
})

test('names and contents pass through unchanged, whatever bytes they have', async () => {
  const kernel = memory()
  const { inode, fh } = await makeFile(kernel, 'caf\u00e9 \ud83d\ude00')
  const data = Buffer.from('some bytes')
  const written = await kernel.ask(Opcode.WRITE, inode, pack(abi.writeIn, { fh, offset: 3, size: data.length }), data)
  assert.equal(written.error, 0)
  assert.equal(abi.writeOut.read(written.body, 0).size, data.length)
  const read = await kernel.ask(Opcode.READ, inode, pack(abi.readIn, { fh, offset: 0, size: 100 }))
  assert.deepEqual(read.body, Buffer.concat([Buffer.alloc(3), data]))
  const found = await kernel.ask(Opcode.LOOKUP, 1, 'caf\u00e9 \ud83d\ude00')
  assert.equal(abi.entryOut.read(found.body, 0).attr.size, 13)
  assert.equal((await kernel.ask(Opcode.LOOKUP, 1, 'other')).error, errno.ENOENT)
})

test('a folder is listed in pieces of the size asked for, each name once', async () => {
  for (const opcode of [Opcode.READDIR, Opcode.READDIRPLUS]) {
    const kernel = memory()
    const names = Array.from({ length: 50 }, (_, i) => `file number ${i}`)
    for (const name of names) await makeFile(kernel, name)
    const { fh } = abi.openOut.read((await kernel.ask(Opcode.OPENDIR, 1, pack(abi.openIn, {}))).body, 0)
    const seen: string[] = []
    let offset = 0
    for (;;) {
      const { body } = await kernel.ask(opcode, 1, pack(abi.readIn, { fh, offset, size: 700 }))
      if (body.length === 0) break
      assert.ok(body.length <= 700)
      for (let at = 0; at < body.length; ) {
        const entryAt = at
        if (opcode === Opcode.READDIRPLUS) at += abi.entryOut.bytes
        const { ino, off, namelen } = abi.dirent.read(body, at)
        const name = body.toString('utf8', at + 24, at + 24 + namelen)
        if (opcode === Opcode.READDIRPLUS) {
          assert.equal(abi.entryOut.read(body, entryAt).nodeid, name.startsWith('.') ? 0 : ino)
        }
        seen.push(name)
        offset = off
        at += Math.ceil((24 + namelen) / 8) * 8
      }
    }
    assert.deepEqual(seen, ['.', '..', ...names])
  }
})

test('extended attributes: size first, then the value, ERANGE when it does not fit', async () => {
  const kernel = memory()
  const value = Buffer.from([1, 0, 2])
  const set = await kernel.ask(Opcode.SETXATTR, 1, pack(abi.shortSetxattrIn, { size: 3 }), 'user.a', value)
  assert.equal(set.error, 0)
  const get = (size: number) => kernel.ask(Opcode.GETXATTR, 1, pack(abi.getxattrIn, { size }), 'user.a')
  assert.equal(abi.getxattrOut.read((await get(0)).body, 0).size, 3)
  assert.deepEqual((await get(10)).body, value)
  assert.equal((await get(2)).error, errno.ERANGE)
  const list = await kernel.ask(Opcode.LISTXATTR, 1, pack(abi.getxattrIn, { size: 100 }))
  assert.equal(list.body.toString(), 'user.a\0')
  const init = pack(abi.initIn, { major: 7, minor: 38, flags: abi.InitFlag.SETXATTR_EXT })
  await kernel.ask(Opcode.INIT, 0, init, Buffer.alloc(48))
  const long = pack(abi.setxattrIn, { size: 2, setxattr_flags: abi.SETXATTR_ACL_KILL_SGID })
  assert.equal((await kernel.ask(Opcode.SETXATTR, 1, long, 'user.a', Buffer.from('ab'))).error, 0)
  assert.equal((await get(10)).body.toString(), 'ab')
})

test('a waiting lock is answered when it is free, and EINTR when a signal comes first', async () => {
  const kernel = memory()
  const { inode, fh } = await makeFile(kernel, 'locked')
  const lock = (owner: bigint, type: number) => pack(abi.lkIn, { fh, owner, lk: { start: 0n, end: 99n, type, pid: 1 } })
  assert.equal((await kernel.ask(Opcode.SETLK, inode, lock(1n, 1))).error, 0)
  assert.equal((await kernel.ask(Opcode.SETLK, inode, lock(2n, 0))).error, errno.EAGAIN)
  const probe = await kernel.ask(Opcode.GETLK, inode, lock(2n, 0))
  assert.equal(abi.lkOut.read(probe.body, 0).lk.type, 1)
  const waiting = kernel.post(Opcode.SETLKW, inode, lock(2n, 0))
  const interrupted = kernel.post(Opcode.SETLKW, inode, lock(3n, 0))
  assert.equal(kernel.dispatcher.pendingCount, 2)
  kernel.post(Opcode.INTERRUPT, 0, pack(abi.interruptIn, { unique: interrupted }))
  await new Promise(resolve => setImmediate(resolve))
  assert.equal(kernel.replies.find(reply => reply.unique === interrupted)?.error, errno.EINTR)
  await kernel.ask(Opcode.FLUSH, inode, pack(abi.flushIn, { fh, lock_owner: 1n }))
  assert.equal(kernel.replies.find(reply => reply.unique === waiting)?.error, 0)
  assert.equal(kernel.dispatcher.pendingCount, 0)
})

test('a caller with a signal gets EINTR when the servers stay silent, and the late answer goes nowhere', async () => {
  let answerLate: ((status: number) => void) | undefined
  class Silent extends MemoryFileSystem {
    override unlink(_request: Request): Answer {
      return new Promise(resolve => {
        answerLate = resolve
      })
    }
  }
  const kernel = new Kernel(clock => new Silent(clock))
  const unique = kernel.post(Opcode.UNLINK, 1, 'x')
  kernel.post(Opcode.INTERRUPT, 0, pack(abi.interruptIn, { unique }))
  kernel.post(Opcode.INTERRUPT, 0, pack(abi.interruptIn, { unique }))
  assert.equal(kernel.replies.length, 0)
  assert.deepEqual(
    kernel.timers.map(timer => timer.ms),
    [INTERRUPT_PATIENCE_MS],
  )
  kernel.timers[0]?.action()
  assert.deepEqual(
    kernel.replies.map(reply => reply.error),
    [errno.EINTR],
  )
  answerLate?.(0)
  await new Promise(resolve => setImmediate(resolve))
  assert.equal(kernel.replies.length, 1)
})

test('unknown requests are ENOSYS, broken ones EINVAL, and nothing throws', async () => {
  const kernel = memory()
  assert.equal((await kernel.ask(4711, 1)).error, errno.ENOSYS)
  assert.equal((await kernel.ask(Opcode.COPY_FILE_RANGE, 1, Buffer.alloc(56))).error, errno.ENOSYS)
  assert.equal((await kernel.ask(Opcode.IOCTL, 1, Buffer.alloc(32))).error, errno.ENOTTY)
  const noReply = new Set<number>([Opcode.FORGET, Opcode.BATCH_FORGET, Opcode.INTERRUPT, Opcode.NOTIFY_REPLY])
  for (const opcode of Object.values(Opcode)) {
    for (let length = 0; length < 100; length += 3) {
      const unique = kernel.post(opcode, 1, Buffer.alloc(length, 0xff))
      await new Promise(resolve => setImmediate(resolve))
      const answered = kernel.replies.some(reply => reply.unique === unique)
      if (!noReply.has(opcode)) assert.ok(answered, `${abi.opcodeName(opcode)} with ${length} bytes`)
    }
  }
  kernel.dispatcher.dispatch(Buffer.alloc(3))
  kernel.dispatcher.dispatch(Buffer.alloc(60, 0xff))
})

test('an error inside the file system is EIO for the caller and a line in the log', async () => {
  class Broken extends MemoryFileSystem {
    override rmdir(): Answer {
      throw new Error('broken here')
    }
    override async unlink(): Promise<number> {
      throw new Error('broken there')
    }
  }
  const kernel = new Kernel(clock => new Broken(clock))
  assert.equal((await kernel.ask(Opcode.RMDIR, 1, 'x')).error, errno.EIO)
  assert.equal((await kernel.ask(Opcode.UNLINK, 1, 'x')).error, errno.EIO)
  assert.match(kernel.warnings.join('\n'), /RMDIR failed: .*broken here.*UNLINK failed: .*broken there/s)
})

test('the bytes of a write stay untouched until it is answered', async () => {
  const kernel = memory()
  const { inode, fh } = await makeFile(kernel, 'f')
  const header = pack(abi.inHeader, { len: 40 + 40 + 4, opcode: Opcode.WRITE, unique: 999, nodeid: inode })
  const message = Buffer.concat([header, pack(abi.writeIn, { fh, size: 4 }), Buffer.from('abcd')])
  const inUse = kernel.dispatcher.dispatch(message)
  assert.ok(inUse)
  await inUse
  message.fill(0)
  assert.equal(kernel.replies.at(-1)?.unique, 999)
  const read = await kernel.ask(Opcode.READ, inode, pack(abi.readIn, { fh, size: 10 }))
  assert.equal(read.body.toString(), 'abcd')
})
