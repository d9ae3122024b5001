import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Cluster, NodeAttributes } from '../client/cluster.ts'
import { WireNames } from '../client/wire-names.ts'
import type { Clock } from '../env/env.ts'
import { realClock } from '../env/real.ts'
import { MattrFlag } from '../protocol/attributes.ts'
import { OpenFlag, SetMask } from '../protocol/cltoma.ts'
import { EXTENDED_VERSION } from '../protocol/constants.ts'
import { LookupFlag, OpenedFlag } from '../protocol/matocl.ts'
import { Status } from '../protocol/status.ts'
import { CallerGroups } from './caller-groups.ts'
import { ClusterFileSystem, type ClusterFileSystemOptions } from './cluster-file-system.ts'
import type { Created, DirectoryEntries, Entry, Opened, Request } from './file-system.ts'
import { OpenAnswerFlag } from './fuse/abi.ts'
import * as errno from './fuse/errno.ts'
import { OperationLog } from './operation-log.ts'
import { SpecialFiles } from './special-files.ts'
import { Statistics } from './statistics.ts'

const by = (uid = 0, pid = 10): Request => ({ uid, gid: uid, pid, interrupted: false, onInterrupt: undefined })

const file: NodeAttributes = {
  flags: MattrFlag.ALLOWDATACACHE | MattrFlag.NOXATTR,
  type: 1,
  mode: 0o644,
  uid: 1,
  gid: 2,
  atime: 3,
  mtime: 4,
  ctime: 5,
  nlink: 1,
  length: 100,
  winattr: 0,
}
const folder: NodeAttributes = { ...file, type: 2, mode: 0o755, nlink: 2 }
const ALL_RIGHTS = 0xff

/** A cluster that answers everything kindly, keeps what it was asked, and answers otherwise where told. */
function setup(answers: Partial<Cluster> = {}, options: Partial<ClusterFileSystemOptions> = {}) {
  const asked: string[] = []
  const say = (...words: unknown[]) =>
    void asked.push(
      words
        .map(word => JSON.stringify(word))
        .join(' ')
        .replaceAll('"', ''),
    )
  const cluster: Cluster = {
    extended: false,
    parameters: {
      flags: 0,
      umask: 0,
      rootUid: 0,
      rootGid: 0,
      mapAllUid: 0,
      mapAllGid: 0,
      minGoal: 1,
      maxGoal: 9,
      minTrashSeconds: 0,
      maxTrashSeconds: 0xffffffff,
      disables: 0,
    },
    lookup: async (parent, name) => {
      say('lookup', parent, name)
      return { inode: 5, attributes: file, lookupFlags: ALL_RIGHTS }
    },
    access: async (inode, _caller, mask) => {
      say('access', inode, mask)
      return Status.OK
    },
    getattr: async (inode, opened) => {
      say('getattr', inode, opened)
      return { attributes: file }
    },
    setattr: async (inode, _opened, caller, { setmask, mode }) => {
      say('setattr', inode, caller.uid, setmask, mode.toString(8))
      return { attributes: { ...file, mode } }
    },
    truncate: async (inode, opened, _caller, length) => {
      say('truncate', inode, opened, length)
      return { attributes: { ...file, length } }
    },
    readlink: async () => ({ target: 'there' }),
    symlink: async () => ({ inode: 6, attributes: { ...file, type: 3 } }),
    mknod: async (parent, name, type, mode, umask, rdev) => {
      say('mknod', parent, name, type, mode.toString(8), umask.toString(8), rdev)
      return { inode: 6, attributes: { ...file, type } }
    },
    mkdir: async (_parent, _name, _mode, _umask, copySgid) => {
      say('mkdir', copySgid)
      return { inode: 7, attributes: folder }
    },
    unlink: async () => Status.OK,
    rmdir: async () => Status.ENOTEMPTY,
    rename: async () => ({ inode: 5, attributes: file }),
    link: async () => ({ status: Status.NOSPACE }),
    readdir: async (inode, withAttributes) => {
      say('readdir', inode, withAttributes)
      const attributes = withAttributes ? file : undefined
      return {
        names: [
          { name: '.', inode, type: 2, attributes: withAttributes ? folder : undefined },
          { name: '..', inode: 1, type: 2, attributes: withAttributes ? folder : undefined },
          { name: 'listed', inode: 8, type: 1, attributes },
        ],
      }
    },
    open: async (inode, flags, caller) => {
      say('open', inode, flags, caller.gids)
      return { flags: OpenedFlag.KEEPCACHE, attributes: file }
    },
    create: async (parent, name) => {
      say('create', parent, name)
      return { inode: 9, attributes: file, flags: 0 }
    },
    release: inode => say('release', inode),
    reserveAppend: async (inode, bytes) => {
      say('reserveAppend', inode, bytes)
      return { offset: 1000 }
    },
    data: inode => ({
      read: async (offset, size) => {
        say('read', inode, offset, size)
        return [Buffer.from('data')]
      },
      write: async (offset, data) => {
        say('write', inode, offset, data.length)
        return 0
      },
      flush: async () => {
        say('flush', inode)
        return 0
      },
      seek: async (what, offset, length) => {
        say('seek', inode, what, offset, length)
        return offset >= length ? undefined : what === 'data' ? offset : length
      },
      sync: async () => {
        say('sync', inode)
        return 0
      },
    }),
    getxattr: async (inode, name) => {
      say('getxattr', inode, name)
      return { status: Status.ENOATTR }
    },
    setxattr: async (inode, name, value, mode) => {
      say('setxattr', inode, name, value.length, mode)
      return Status.OK
    },
    getfacl: async () => ({ status: Status.ENOATTR }),
    setfacl: async (inode, uid, type, { users }) => {
      say('setfacl', inode, uid, type, users.length)
      return Status.OK
    },
    flock: async (inode, _requestId, owner, command) => {
      say('flock', inode, String(owner), command)
      return Status.OK
    },
    posixLock: async (inode, _requestId, owner, _pid, command, type) => {
      say('posixLock', inode, String(owner), command, type)
      return { status: Status.OK }
    },
    statfs: async () => ({ total: 65536 * 10, available: 65536 * 6, free: 65536 * 7, inodes: 3 }),
    ...answers,
  }
  let now = 0
  const clock: Clock = { ...realClock, monotonicMs: () => now, nowMs: () => 1_700_000_000_000 }
  const special = new SpecialFiles({
    masterInfo: () => ({ host: '127.0.0.1', port: 1, sessionId: 2, masterVersion: 3 }),
    params: () => '',
    statistics: new Statistics(),
    log: new OperationLog(),
    clock,
  })
  const groups = new CallerGroups(
    clock,
    300,
    () => true,
    () => 'Groups:\t77 78\n',
  )
  const problems: string[] = []
  const log = {
    debug() {},
    info() {},
    notice() {},
    warning() {},
    error: (message: string) => void problems.push(message),
  }
  const all = {
    attributeSeconds: 1,
    entrySeconds: 0,
    folderEntrySeconds: 1,
    negativeEntrySeconds: 0,
    xattrSeconds: 30,
    cacheMode: 'AUTO' as const,
    copySgid: true,
    sugidClearMode: 4,
    xattrs: true,
    kernelPermissions: false,
    syncToDisk: true,
    ...options,
  }
  const fs = new ClusterFileSystem(cluster, special, groups, all, clock, log)
  const pass = (ms: number) => {
    now += ms
  }
  return { fs, asked, pass, problems }
}

async function openFile(fs: ClusterFileSystem, flags = 2, request = by()): Promise<Opened> {
  const opened = await fs.open(request, 5, flags, false)
  assert.ok(typeof opened === 'object', String(opened))
  return opened
}

test('names of folders are believed for a second, names of files not at all', async () => {
  const { fs } = setup({
    lookup: async (_, name) => ({ inode: 5, attributes: name === 'd' ? folder : file, lookupFlags: 1 }),
  })
  const seconds = async (name: string) => ((await fs.lookup(by(), 1, name)) as Entry).entrySeconds
  assert.equal(await seconds('f'), 0)
  assert.equal(await seconds('d'), 1)
})

test('flags of the master switch the caches off', async () => {
  const attributes = { ...folder, flags: MattrFlag.NOACACHE | MattrFlag.NOECACHE }
  const { fs } = setup({ lookup: async () => ({ inode: 5, attributes, lookupFlags: 1 }) })
  const { entrySeconds, attributeSeconds } = (await fs.lookup(by(), 1, 'd')) as Entry
  assert.deepEqual([entrySeconds, attributeSeconds], [0, 0])
})

test('a missing name is remembered only when asked to and the master allows it', async () => {
  const missing = (status: number) => ({ lookup: async () => ({ status }) })
  assert.equal(await setup(missing(3)).fs.lookup(by(), 1, 'x'), errno.ENOENT)
  const { fs } = setup(missing(3), { negativeEntrySeconds: 2 })
  const entry = (await fs.lookup(by(), 1, 'x')) as Entry
  assert.deepEqual([entry.attributes.inode, entry.entrySeconds], [0, 2])
  assert.equal(await setup(missing(48), { negativeEntrySeconds: 2 }).fs.lookup(by(), 1, 'x'), errno.ENOENT)
  const info = (await setup(missing(3)).fs.lookup(by(), 99, '.masterinfo')) as Entry
  assert.equal(info.attributes.inode, 0x7fffffff)
})

test('an open right after the lookup is answered at once and told to the master afterwards', async () => {
  const { fs, asked } = setup()
  await fs.lookup(by(), 1, 'f')
  const opened = fs.open(by(), 5, 2, false)
  assert.ok(typeof opened === 'object' && !(opened instanceof Promise))
  assert.equal(asked.at(-1), `open 5 ${3 | OpenFlag.AFTER_CREATE | OpenFlag.CACHE_CLEARED} [0]`)
  assert.equal(await fs.write(by(), 5, opened.handle, 0, Buffer.alloc(3), false, false), 0)
})

test('rights of the lookup decide such an open', async () => {
  for (const [lookupFlags, flags, expected] of [
    [0b10001, 1, errno.EACCES],
    [0b10001, 0, 0],
    [ALL_RIGHTS | LookupFlag.READ_ONLY, 1, errno.EROFS],
    [ALL_RIGHTS | LookupFlag.IMMUTABLE, 2, errno.EPERM],
    [ALL_RIGHTS | LookupFlag.IMMUTABLE, 0, 0],
  ] as const) {
    const { fs } = setup({ lookup: async () => ({ inode: 5, attributes: file, lookupFlags }) })
    await fs.lookup(by(), 1, 'f')
    const opened = await fs.open(by(), 5, flags, false)
    assert.equal(typeof opened === 'number' ? opened : 0, expected)
  }
})

test('an open by another process, a later one, or with truncation asks the master', async () => {
  const { fs, asked, pass } = setup()
  await fs.lookup(by(), 1, 'f')
  await openFile(fs, 0, by(0, 11))
  assert.equal(asked.at(-1), 'open 5 1 [0]')
  await openFile(fs, 0o1001)
  assert.equal(asked.at(-1), `open 5 ${OpenFlag.WRITE | OpenFlag.TRUNCATE} [0]`)
  await fs.lookup(by(), 1, 'f')
  pass(1001)
  await openFile(fs, 0, by(9))
  assert.equal(asked.at(-1), 'open 5 1 [9,77,78]')
})

test('a program is not emptied while it runs', async () => {
  const [execute, empty, write] = [0o40, 0o1000, 0o1001]
  const { fs, asked } = setup()
  const programs = [await openFile(fs, execute), await openFile(fs, execute)]
  for (const { handle } of programs) {
    const before = asked.length
    assert.equal(await fs.open(by(), 5, empty, false), errno.ETXTBSY)
    assert.equal(asked.length, before)
    await fs.release(by(), 5, handle, undefined)
  }
  await openFile(fs, empty)
  assert.equal(asked.at(-1), `open 5 ${OpenFlag.READ | OpenFlag.TRUNCATE} [0]`)
  // Whether it may be written is the kernel's to say, which knows first when it has ended.
  await openFile(fs, execute)
  await openFile(fs, write)
})

test('an open that the master refuses afterwards fails the first write and the close', async () => {
  const { fs } = setup({ open: async () => ({ status: Status.ENOENT }) })
  await fs.lookup(by(), 1, 'f')
  const { handle } = await openFile(fs)
  assert.equal(await fs.write(by(), 5, handle, 0, Buffer.alloc(1), false, false), errno.ENOENT)
  assert.equal(await fs.flush(by(), 5, handle, 0n), errno.ENOENT)
})

test('the data cache is kept when the master says so, and bypassed where it must be', async () => {
  const flagsOf = async (openedFlags: number, openFlags = 0, options: Partial<ClusterFileSystemOptions> = {}) => {
    const { fs } = setup({ open: async () => ({ flags: openedFlags, attributes: file }) }, options)
    return (await openFile(fs, openFlags)).flags
  }
  const direct = OpenAnswerFlag.DIRECT_IO | OpenAnswerFlag.PARALLEL_DIRECT_WRITES
  assert.equal(await flagsOf(OpenedFlag.KEEPCACHE), OpenAnswerFlag.KEEP_CACHE)
  assert.equal(await flagsOf(0), 0)
  assert.equal(await flagsOf(OpenedFlag.KEEPCACHE, 0, { cacheMode: 'NO' }), 0)
  assert.equal(await flagsOf(0, 0, { cacheMode: 'YES' }), OpenAnswerFlag.KEEP_CACHE)
  assert.equal(await flagsOf(OpenedFlag.KEEPCACHE, 0, { cacheMode: 'DIRECT' }), direct)
  assert.equal(await flagsOf(OpenedFlag.DIRECTMODE), direct)
  assert.equal(await flagsOf(OpenedFlag.APPENDONLY), direct)
  assert.equal(await flagsOf(OpenedFlag.KEEPCACHE, 0o2001), direct)
})

test('an appender writes where the master has reserved room', async () => {
  const { fs, asked } = setup()
  const { handle } = await openFile(fs, 0o2001)
  await fs.write(by(), 5, handle, 7, Buffer.alloc(3), false, false)
  assert.deepEqual(asked.slice(-2), ['reserveAppend 5 3', 'write 5 1000 3'])
  await fs.write(by(), 5, handle, 4096, Buffer.alloc(3), false, true)
  assert.deepEqual(asked.slice(-1), ['write 5 4096 3'], 'a changed page belongs where it is')
})

test('a write without the right to keep them clears set-uid and set-gid once', async () => {
  const { fs, asked } = setup({ open: async () => ({ flags: 0, attributes: { ...file, mode: 0o6755 } }) })
  const { handle } = await openFile(fs)
  await fs.write(by(), 5, handle, 0, Buffer.alloc(1), false, false)
  assert.equal(asked.includes(`setattr 5 0 ${SetMask.MODE} 755`), false)
  await fs.write(by(9), 5, handle, 0, Buffer.alloc(1), true, false)
  await fs.write(by(9), 5, handle, 0, Buffer.alloc(1), true, false)
  assert.deepEqual(asked.slice(-3), [`setattr 5 9 ${SetMask.MODE} 755`, 'write 5 0 1', 'write 5 0 1'])
})

test('the first write takes capabilities away from a file with extended attributes', async () => {
  const { fs, asked } = setup({ open: async () => ({ flags: 0, attributes: { ...file, flags: 4 } }) })
  const { handle } = await openFile(fs)
  await fs.write(by(), 5, handle, 0, Buffer.alloc(1), false, false)
  await fs.write(by(), 5, handle, 1, Buffer.alloc(1), false, false)
  assert.deepEqual(asked.slice(-3), ['setxattr 5 security.capability 0 3', 'write 5 0 1', 'write 5 1 1'])
})

test('closing waits for the data, reports its errors, and gives locks back', async () => {
  const full = async () => errno.EDQUOT
  const failing = {
    data: () => ({ read: async () => 0, write: async () => 0, flush: full, sync: full, seek: async () => undefined }),
  }
  const { fs, asked } = setup()
  const { handle } = await openFile(fs)
  await fs.setlk(by(), 5, handle, 33n, { type: 1, start: 0n, end: 5n, pid: 1 }, false)
  const second = await openFile(fs)
  asked.length = 0
  assert.equal(await fs.flush(by(), 5, second.handle, 33n), 0)
  assert.deepEqual(asked, ['sync 5', 'posixLock 5 33 1 0'], 'closing any descriptor drops record locks')
  await fs.flock(by(), 5, handle, 44n, 1, true)
  asked.length = 0
  await fs.release(by(), 5, handle, 44n)
  await fs.release(by(), 5, second.handle, undefined)
  assert.deepEqual(asked, ['flush 5', 'flock 5 44 6', 'release 5', 'flush 5', 'release 5'])
  assert.deepEqual([...fs.openInodes], [])
  const broken = setup(failing).fs
  const opened = await openFile(broken)
  assert.equal(await broken.fsync(by(), 5, opened.handle), errno.EDQUOT)
  assert.equal(await broken.flush(by(), 5, opened.handle, 0n), errno.EDQUOT)
})

test('where memory is good enough, fsync and close do not wait for disks', async () => {
  const { fs, asked } = setup({}, { syncToDisk: false })
  const { handle } = await openFile(fs)
  asked.length = 0
  await fs.fsync(by(), 5, handle)
  await fs.flush(by(), 5, handle, 0n)
  assert.deepEqual(asked, ['flush 5', 'flush 5'])
})

test('a lock is answered only when the kernel has dropped what others changed', async () => {
  const { fs } = setup()
  const { handle } = await openFile(fs)
  let dropped: (() => void) | undefined
  fs.changedElsewhere(
    5,
    new Promise(resolve => {
      dropped = resolve
    }),
  )
  let granted = false
  const waiting = Promise.resolve(fs.flock(by(), 5, handle, 1n, 0, true)).then(() => {
    granted = true
  })
  await new Promise(resolve => setImmediate(resolve))
  assert.equal(granted, false)
  dropped?.()
  await waiting
})

test('while a folder is open, its reader gets lookups from the listing', async () => {
  const { fs, asked, pass } = setup()
  const { handle } = (await fs.opendir(by(), 1)) as Opened
  const listing = (await fs.readdir(by(), 1, handle, 0, true)) as DirectoryEntries
  assert.deepEqual(
    Array.from({ length: listing.length }, (_, index) => listing.at(index)?.name),
    ['.', '..', 'listed'],
  )
  assert.deepEqual(asked, ['readdir 1 true'])
  assert.equal(((await fs.lookup(by(), 1, 'listed')) as Entry).attributes.inode, 8)
  assert.deepEqual(asked, ['readdir 1 true'])
  await fs.lookup(by(0, 11), 1, 'listed')
  assert.equal(asked.at(-1), 'lookup 1 listed', 'another process asks the master')
  asked.length = 0
  await fs.unlink(by(), 1, 'other')
  await fs.lookup(by(), 1, 'listed')
  assert.equal(asked.at(-1), 'lookup 1 listed', 'a change in the folder ends it')
  await fs.readdir(by(), 1, handle, 0, true)
  pass(10_001)
  await fs.lookup(by(), 1, 'listed')
  assert.equal(asked.at(-1), 'lookup 1 listed', 'so does time')
  await fs.releasedir(by(), 1, handle)
})

/** A master that has so many names, `.` and `..` among them. The edge id of a name is its index and a thousand. */
function manyNames(count: number, asked: string[]): Partial<Cluster> {
  return {
    readdir: async (_inode, withAttributes, _caller, part) => {
      const from = part?.from ? Number(part.from) - 1000 : 0
      const end = Math.min(count, from + (part?.maxNames ?? count))
      asked.push(`${from}-${end} ${withAttributes ? 'with attributes' : 'names'}`)
      const names = Array.from({ length: end - from }, (_, index) => {
        const attributes = withAttributes ? { ...file } : undefined
        return { name: `n${from + index}`, inode: 10 + from + index, type: 1, attributes }
      })
      return { names, next: end < count ? BigInt(1000 + end) : undefined }
    },
  }
}

test('of a large folder the first names come with attributes, the rest as the kernel asks for it', async () => {
  for (const [plus, rest] of [
    [false, 'names'],
    [true, 'with attributes'],
  ] as const) {
    const asked: string[] = []
    const { fs } = setup(manyNames(2000, asked))
    const { handle } = (await fs.opendir(by(), 1)) as Opened
    const read = async (offset: number) => (await fs.readdir(by(), 1, handle, offset, plus)) as DirectoryEntries
    assert.equal((await read(0)).length, 512)
    assert.equal((await read(200)).at(200)?.name, 'n200')
    assert.deepEqual(asked, ['0-512 with attributes'])
    const [one, other] = await Promise.all([read(512), read(600)])
    assert.deepEqual([one?.length, one?.at(512)?.name, one?.at(1999)?.entry.attributes.inode], [2000, 'n512', 2009])
    assert.equal(other, one)
    assert.deepEqual(asked, ['0-512 with attributes', `512-2000 ${rest}`])
    assert.equal((await read(2000)).at(2000), undefined, 'the end')
    assert.equal((await read(511)).at(511)?.name, 'n511', 'a step back')
    assert.equal(asked.length, 2)
    assert.equal(((await fs.lookup(by(), 1, 'n100')) as Entry).attributes.inode, 110)
    const last = (await fs.lookup(by(), 1, 'n1500')) as Entry
    assert.equal(last.attributes.inode, plus ? 1510 : 5, 'without attributes the master is asked')
    await read(0)
    assert.deepEqual(asked.slice(2), ['0-512 with attributes'], 'a rewind')
  }
})

/** A master of ours that has these names, as it sends them. */
function sentNames(names: () => string[], asked: string[]): Partial<Cluster> {
  const attributes = { ...file }
  return {
    extended: true,
    readdir: async (_inode, withAttributes, _caller, part) => {
      const all = names()
      asked.push(
        `${Math.min(all.length, part?.maxNames ?? all.length)} ${withAttributes ? 'with attributes' : 'names'}`,
      )
      if (withAttributes) return { names: all.map(name => ({ name, inode: 10, type: 1, attributes })) }
      const bytes = Buffer.concat(all.map(name => Buffer.from([name.length, ...Buffer.from(name), 0, 0, 0, 10, 1])))
      return { names: new WireNames(bytes, EXTENDED_VERSION, false, (_, attributes) => attributes) }
    },
  }
}

async function readFolder(fs: ClusterFileSystem, request = by()): Promise<{ flags: number; handle: number }> {
  const opened = (await fs.opendir(request, 1)) as Opened
  if ((opened.flags & OpenAnswerFlag.KEEP_CACHE) === 0) await fs.readdir(request, 1, opened.handle, 0, true)
  return opened
}

test('a folder that is read by name is asked for names, which the kernel keeps as long as they are the same', async () => {
  const asked: string[] = []
  let names = ['.', '..', 'a', 'b']
  const { fs } = setup(sentNames(() => names, asked))
  const read = async (request = by()) => {
    const { flags, handle } = await readFolder(fs, request)
    await fs.releasedir(request, 1, handle)
    return flags
  }
  const { CACHE_DIR, KEEP_CACHE } = OpenAnswerFlag
  assert.deepEqual([await read(), await read(), await read()], [0, CACHE_DIR, CACHE_DIR | KEEP_CACHE])
  assert.deepEqual(asked, ['4 with attributes', '4 names', '4 names'])
  names = ['.', '..', 'a', 'c']
  assert.deepEqual([await read(), await read()], [CACHE_DIR, CACHE_DIR | KEEP_CACHE])
  assert.equal(await read({ ...by(), interrupted: true }), 0, 'who got a signal may never see the answer')
  asked.length = 0
  const { flags, handle } = await readFolder(fs)
  assert.equal(flags, CACHE_DIR | KEEP_CACHE)
  names = ['.', '..', 'd']
  const rewound = (await fs.readdir(by(), 1, handle, 0, true)) as DirectoryEntries
  assert.equal(rewound.at(2)?.name, 'd', 'the first question for names is one for what is true now')
  assert.equal(await read(), 0, 'what this one may have put into the kernel is kept by nobody')
  await fs.releasedir(by(), 1, handle)
  assert.deepEqual([await read(), await read()], [CACHE_DIR, CACHE_DIR | KEEP_CACHE])
})

test('a reader by name who looks at what he reads gets all attributes with one question, and the next time at once', async () => {
  const asked: string[] = []
  const names = ['.', '..', 'a', 'b', 'c']
  const { fs, asked: lookups } = setup(sentNames(() => names, asked))
  for (let i = 0; i < 2; i++) await fs.releasedir(by(), 1, (await readFolder(fs)).handle)
  const open = await readFolder(fs)
  asked.length = 0
  for (const name of ['a', 'b', 'c', 'missing']) await fs.lookup(by(), 1, name)
  assert.deepEqual(asked, ['5 with attributes'])
  assert.deepEqual(lookups, ['lookup 1 a', 'lookup 1 missing'], 'one look may be the only one')
  await fs.lookup(by(0, 11), 1, 'b')
  assert.equal(lookups.at(-1), 'lookup 1 b', 'another process asks the master')
  await fs.releasedir(by(), 1, open.handle)
  await fs.releasedir(by(), 1, (await readFolder(fs)).handle)
  assert.deepEqual(asked.slice(1), ['5 with attributes'])
  await readFolder(fs)
  assert.deepEqual(asked.slice(2), ['5 names'], 'who does not look gets names again')
})

test('who looks at what he has listed when the folder is closed gets attributes the next time', async () => {
  const asked: string[] = []
  const { fs } = setup(sentNames(() => ['.', '..', 'a'], asked))
  const read = async () => void (await fs.releasedir(by(), 1, (await readFolder(fs)).handle))
  await read()
  await fs.lookup(by(0, 11), 1, 'a')
  await read()
  assert.deepEqual(asked, ['3 with attributes', '3 names'], 'another process has its own ways')
  await fs.lookup(by(), 1, 'a')
  await read()
  assert.deepEqual(asked.slice(2), ['3 with attributes'])
})

test('names of the original master, whose times are whole seconds, are not kept', async () => {
  const asked: string[] = []
  const { fs } = setup({ ...sentNames(() => ['.', '..', 'a'], asked), extended: false })
  for (let i = 0; i < 3; i++) {
    const { flags, handle } = await readFolder(fs)
    assert.equal(flags, 0)
    await fs.releasedir(by(), 1, handle)
  }
  assert.deepEqual(asked, new Array(3).fill('3 with attributes'))
})

test('a folder that goes away while it is read ends with the error of the master', async () => {
  const asked: string[] = []
  const many = manyNames(2000, asked)
  const { fs } = setup({
    readdir: async (inode, withAttributes, caller, part) =>
      part?.from
        ? { status: Status.ENOENT }
        : (many.readdir as Cluster['readdir'])(inode, withAttributes, caller, part),
  })
  const { handle } = (await fs.opendir(by(), 1)) as Opened
  assert.equal(((await fs.readdir(by(), 1, handle, 0, false)) as DirectoryEntries).length, 512)
  assert.equal(await fs.readdir(by(), 1, handle, 512, false), errno.ENOENT)
  assert.equal(((await fs.readdir(by(), 1, handle, 500, false)) as DirectoryEntries).at(500)?.name, 'n500')
})

test('a rewind lists anew, a folder that may not be searched is listed by name', async () => {
  const { fs, asked } = setup()
  const { handle } = (await fs.opendir(by(), 1)) as Opened
  await fs.readdir(by(), 1, handle, 0, true)
  await fs.readdir(by(), 1, handle, 2, true)
  assert.equal(asked.length, 1)
  await fs.readdir(by(), 1, handle, 0, true)
  assert.equal(asked.length, 2)
  const names = async (_inode: number, withAttributes: boolean) =>
    withAttributes ? { status: Status.EACCES } : { names: [{ name: 'n', inode: 3, type: 1, attributes: undefined }] }
  const narrow = setup({ readdir: names }).fs
  const opened = (await narrow.opendir(by(), 1)) as Opened
  const entry = ((await narrow.readdir(by(), 1, opened.handle, 0, true)) as DirectoryEntries).at(0)
  assert.deepEqual([entry?.name, entry?.entry.entrySeconds], ['n', -1])
  const closed = setup({ readdir: async () => ({ status: Status.EACCES }) }).fs
  assert.equal(await closed.opendir(by(), 1), errno.EACCES)
})

test('what has no extended attributes is not asked for them, and answers are remembered', async () => {
  const { fs, asked, pass } = setup()
  await fs.lookup(by(), 1, 'f')
  assert.equal(await fs.getxattr(by(), 5, 'security.selinux'), errno.ENODATA)
  assert.equal(asked.length, 1)
  pass(1001)
  assert.equal(await fs.getxattr(by(), 5, 'user.x'), errno.ENODATA)
  assert.equal(await fs.getxattr(by(), 5, 'user.x'), errno.ENODATA)
  assert.equal(asked.length, 2)
  await fs.setxattr(by(), 5, 'user.x', Buffer.from('v'), 1, false)
  await fs.getxattr(by(), 5, 'user.x')
  assert.deepEqual(asked.slice(-2), ['setxattr 5 user.x 1 1', 'getxattr 5 user.x'])
  assert.equal(await fs.setxattr(by(), 5, 'user.x', Buffer.alloc(65537), 0, false), errno.ERANGE)
  assert.equal(await setup({}, { xattrs: false }).fs.getxattr(by(), 5, 'user.x'), errno.EOPNOTSUPP)
})

test('ACL names go their own way', async () => {
  const { fs, asked } = setup()
  const acl = Buffer.from('0200000001000600ffffffff04000500ffffffff20000400ffffffff', 'hex')
  assert.equal(await fs.setxattr(by(4), 5, 'system.posix_acl_access', acl, 0, false), 0)
  assert.equal(await fs.removexattr(by(4), 5, 'system.posix_acl_default'), 0)
  assert.equal(await fs.setxattr(by(4), 5, 'system.posix_acl_access', Buffer.from('x'), 0, false), errno.EINVAL)
  assert.deepEqual(asked, ['setfacl 5 4 1 0', 'setfacl 5 4 2 0'])
})

test('times go on as they are, with their nanoseconds', async () => {
  const seen: unknown[][] = []
  const { fs } = setup({
    setattr: async (_inode, _opened, _caller, { setmask, atime, mtime, atimeNs, mtimeNs }) => {
      seen.push([setmask, atime, mtime, atimeNs, mtimeNs])
      return { attributes: file }
    },
  })
  await fs.setattr(by(), 5, { atime: -5, atimeNs: 7, mtime: 2 ** 33, killPrivileges: false })
  await fs.setattr(by(), 5, { atime: 'now', mtime: 'now', killPrivileges: false })
  assert.deepEqual(seen, [
    [SetMask.ATIME | SetMask.MTIME, -5, 2 ** 33, 7, 0],
    [SetMask.ATIME_NOW | SetMask.MTIME_NOW, 1_700_000_000, 1_700_000_000, 0, 0],
  ])
})

test('size goes by truncate, the rest by setattr', async () => {
  const { fs, asked } = setup()
  await fs.setattr(by(), 5, { size: 10, killPrivileges: false })
  await fs.setattr(by(), 5, { size: 10, handle: 3, mode: 0o600, killPrivileges: false })
  assert.deepEqual(asked, ['truncate 5 false 10', 'truncate 5 true 10', `setattr 5 0 ${SetMask.MODE} 600`])
  assert.equal(await fs.setattr(by(), 5, { size: 2 ** 53, killPrivileges: false }), errno.EFBIG)
})

test('fallocate grows, zeroes, and refuses what cannot be done', async () => {
  const { fs, asked } = setup()
  const { handle } = await openFile(fs)
  assert.equal(await fs.fallocate(by(), 5, handle, 0, 50, 100), 0)
  assert.equal(asked.at(-1), 'truncate 5 true 150')
  asked.length = 0
  assert.equal(await fs.fallocate(by(), 5, handle, 3, 90, 100), 0)
  assert.deepEqual(
    asked.filter(line => line.startsWith('write') || line.startsWith('truncate')),
    ['write 5 90 10'],
  )
  assert.equal(await fs.fallocate(by(), 5, handle, 8, 0, 10), errno.EOPNOTSUPP)
})

test('names of special files and too long ones never reach the master', async () => {
  const { fs, asked } = setup()
  const long = 'n'.repeat(256)
  assert.equal(await fs.lookup(by(), 1, long), errno.ENAMETOOLONG)
  assert.equal(await fs.mkdir(by(), 1, long, 0o755, 0), errno.ENAMETOOLONG)
  assert.equal(await fs.symlink(by(), 1, 's', 't'.repeat(4096)), errno.ENAMETOOLONG)
  assert.equal(await fs.unlink(by(), 1, '.masterinfo'), errno.EACCES)
  assert.equal(await fs.rename(by(), 1, 'a', 1, '.stats', 0), errno.EACCES)
  assert.equal(await fs.link(by(), 0x7ffffff0, 1, 'x'), errno.EACCES)
  assert.equal(await fs.rename(by(), 1, 'a', 1, 'b', 1), errno.EINVAL)
  assert.deepEqual(asked, [])
  assert.equal(await fs.link(by(), 5, 1, 'x'), errno.EMLINK)
  assert.equal(await fs.rmdir(by(), 1, 'x'), errno.ENOTEMPTY)
})

test('devices keep their number, and creation counts as an open', async () => {
  const { fs, asked } = setup({
    mknod: async (_p, _n, type) => ({ inode: 6, attributes: { ...file, type, length: 0xae5 } }),
  })
  const { attributes } = (await fs.mknod(by(), 1, 'c', 0o020600, 0xae5, 0)) as Entry
  assert.deepEqual([attributes.mode & 0o170000, attributes.rdev, attributes.size], [0o020000, 0xae5, 0])
  const created = (await fs.create(by(), 1, 'new', 0o100644, 0o22, 2)) as Created
  assert.deepEqual([...fs.openInodes], [9])
  await fs.release(by(), 9, created.handle, undefined)
  assert.deepEqual(asked.slice(-2), ['flush 9', 'release 9'])
})

test('the space is told in blocks, the inodes in use on top of those free', async () => {
  const { fs } = setup()
  assert.deepEqual(await fs.statfs(), {
    blockBytes: 65536,
    blocks: 10,
    blocksFree: 6,
    blocksAvailable: 6,
    inodes: 1_003_011_704,
    inodesFree: 1_003_011_701,
    nameBytesMax: 255,
  })
})

test('a file that another client makes at the same moment is opened, unless it must be new', async () => {
  const { fs } = setup({ create: async () => ({ status: Status.EEXIST }) })
  const O_CREAT = 0o100
  const O_EXCL = 0o200
  assert.equal(await fs.create(by(), 1, 'log', 0o644, 0, O_CREAT), errno.ESTALE, 'the kernel looks again')
  assert.equal(await fs.create(by(), 1, 'log', 0o644, 0, O_CREAT | O_EXCL), errno.EEXIST)
})

test('what the kernel asks of a folder after a change is asked right behind the change, and used once', async () => {
  const { fs, asked } = setup({}, { kernelPermissions: true })
  await fs.unlink(by(), 3, 'name')
  assert.deepEqual(asked, ['getattr 3 false'])
  await fs.getattr(by(), 3, undefined)
  assert.deepEqual(asked, ['getattr 3 false'], 'the answer was there')
  await fs.getattr(by(), 3, undefined)
  assert.equal(asked.length, 2, 'and is used up')
  await fs.rename(by(), 3, 'name', 4, 'other', 0)
  assert.deepEqual(asked.slice(2), ['getattr 3 false', 'getattr 4 false'])
  await fs.getattr(by(1), 4, undefined)
  assert.equal(asked.length, 5, 'another caller may be shown another owner')
  await fs.setattr(by(), 3, { mode: 0o700, killPrivileges: false })
  asked.length = 0
  await fs.getattr(by(), 3, undefined)
  assert.deepEqual(asked, ['getattr 3 false'], 'what was told before a change is not believed after it')
})

test('nothing is asked ahead where the kernel does not ask, or believes nothing', async () => {
  for (const options of [{ kernelPermissions: false }, { kernelPermissions: true, attributeSeconds: 0 }]) {
    const { fs, asked } = setup({}, options)
    await fs.unlink(by(), 3, 'name')
    assert.deepEqual(asked, [])
  }
})

test('data and holes are looked for up to the end that the file has now; behind it there are none', async () => {
  const [SEEK_DATA, SEEK_HOLE] = [3, 4]
  const { fs, asked } = setup()
  const { handle } = await openFile(fs)
  asked.length = 0
  assert.deepEqual(await fs.lseek(by(), 5, handle, 1, SEEK_HOLE), { offset: file.length })
  assert.equal(await fs.lseek(by(), 5, handle, file.length, SEEK_DATA), errno.ENXIO)
  assert.deepEqual(
    asked.filter(line => line.startsWith('seek')),
    [`seek 5 hole 1 ${file.length}`, `seek 5 data ${file.length} ${file.length}`],
  )
  assert.equal(await fs.lseek(by(), 5, handle, 0, 5), errno.EINVAL)
  assert.equal(await fs.lseek(by(), 5, 4711, 0, SEEK_DATA), errno.EINVAL)
})
