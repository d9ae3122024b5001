import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MetaCluster, NodeAttributes, SessionParameters } from '../client/cluster.ts'
import { realClock } from '../env/real.ts'
import type { Entry, Opened, Request } from './file-system.ts'
import { EACCES, ENOENT, EPERM } from './fuse/errno.ts'
import { MetaFileSystem } from './meta-file-system.ts'
import { OperationLog } from './operation-log.ts'
import { SpecialFiles } from './special-files.ts'
import { Statistics } from './statistics.ts'

const TRASH = 0x7ffffff8
const UNDEL = 0x7ffffff9
const SUSTAINED = 0x7ffffffa
const by = (uid: number): Request => ({ uid, gid: uid, pid: 12, interrupted: false, onInterrupt: undefined })

const attributes: NodeAttributes = {
  flags: 4,
  type: 1,
  mode: 0o644,
  uid: 7,
  gid: 8,
  atime: 1,
  mtime: 2,
  ctime: 3,
  nlink: 0,
  length: 6,
  winattr: 0,
}

const parameters: SessionParameters = {
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
}

/** A master with one file in the trash: inode 0x1008, of bucket 8. */
function setup(flat = false) {
  const done: string[] = []
  const cluster: MetaCluster = {
    parameters,
    trash: async bucket => ({ entries: bucket === undefined || bucket === 8 ? [{ name: 'd|f', inode: 0x1008 }] : [] }),
    sustained: async () => ({ entries: [{ name: 'open', inode: 9 }] }),
    detachedAttributes: async (inode, kind) => {
      const known = (inode === 0x1008 && kind !== 2) || (inode === 9 && kind !== 1)
      return known ? { attributes } : { status: 3 }
    },
    trashPath: async () => ({ path: 'd/f' }),
    setTrashPath: async (inode, path) => {
      done.push(`path ${inode} ${path}`)
      return 0
    },
    undelete: async inode => {
      done.push(`undelete ${inode}`)
      return 0
    },
    purge: async inode => {
      done.push(`purge ${inode}`)
      return 0
    },
  }
  const special = new SpecialFiles({
    masterInfo: () => ({ host: '127.0.0.1', port: 1, sessionId: 2, masterVersion: 3 }),
    params: () => '',
    statistics: new Statistics(),
    log: new OperationLog(),
    clock: realClock,
  })
  return { fs: new MetaFileSystem(cluster, special, flat, realClock), done }
}

async function inodeOf(answer: Promise<Entry | number>): Promise<number> {
  const entry = await answer
  return typeof entry === 'number' ? -entry : entry.attributes.inode
}

test('the tree is that of the original', async () => {
  const { fs } = setup()
  assert.equal(await inodeOf(fs.lookup(by(0), 1, 'trash')), TRASH)
  assert.equal(await inodeOf(fs.lookup(by(0), 1, 'sustained')), SUSTAINED)
  assert.equal(await inodeOf(fs.lookup(by(0), TRASH, 'undel')), UNDEL)
  assert.equal(await inodeOf(fs.lookup(by(0), TRASH, '008')), 0x7fff0008)
  assert.equal(await inodeOf(fs.lookup(by(0), 0x7fff0008, '00001008|d|f')), 0x1008)
  assert.equal(await inodeOf(fs.lookup(by(0), 0x7fff0009, '00001008|d|f')), -ENOENT)
  assert.equal(await inodeOf(fs.lookup(by(0), SUSTAINED, '00000009|open')), 9)
  assert.equal(await inodeOf(fs.lookup(by(0), 1, '.masterinfo')), 0x7fffffff)
  const names = async (inode: number) => {
    const listing = await fs.readdir(by(0), inode, inode, 0)
    return typeof listing === 'number' ? [] : listing.map(({ name }) => name)
  }
  assert.deepEqual(await names(1), ['.', '..', 'trash', 'sustained'])
  assert.equal((await names(TRASH)).length, 4096 + 3)
  assert.deepEqual(await names(0x7fff0008), ['.', '..', 'undel', '00001008|d|f'])
  assert.deepEqual(await names(SUSTAINED), ['.', '..', '00000009|open'])
})

test('with a flat trash the files are in the folder itself', async () => {
  const { fs } = setup(true)
  assert.equal(await inodeOf(fs.lookup(by(0), TRASH, '00001008|d|f')), 0x1008)
  const listing = await fs.readdir(by(0), TRASH, 1, 0)
  assert.deepEqual(typeof listing === 'number' ? [] : listing.map(({ name }) => name), [
    '.',
    '..',
    'undel',
    '00001008|d|f',
  ])
})

test('rename to undel restores, unlink destroys, nothing else moves', async () => {
  const { fs, done } = setup()
  assert.equal(await fs.rename(by(0), 0x7fff0008, '00001008|d|f', UNDEL, 'any name', 0), 0)
  assert.equal(await fs.unlink(by(0), 0x7fff0008, '00001008|d|f'), 0)
  assert.equal(await fs.rename(by(0), 0x7fff0008, '00001008|d|f', TRASH, 'x', 0), EPERM)
  assert.equal(await fs.unlink(by(0), SUSTAINED, '00000009|open'), EPERM)
  assert.deepEqual(done, ['undelete 4104', 'purge 4104'])
})

test('a trash file contains its path, and writing sets it at close', async () => {
  const { fs, done } = setup()
  const opened = (await fs.open(by(0), 0x1008, 0)) as Opened
  assert.equal(String(await fs.read(by(0), 0x1008, opened.handle, 0, 100)), 'd/f\n')
  const writer = (await fs.open(by(0), 0x1008, 0o1001)) as Opened
  assert.equal(await fs.write(by(0), 0x1008, writer.handle, 0, Buffer.from('new/place\nrest')), 0)
  assert.equal(await fs.flush(by(0), 0x1008, writer.handle), 0)
  assert.equal(await fs.flush(by(0), 0x1008, writer.handle), 0)
  assert.deepEqual(done, ['path 4104 new/place'])
})

test('nobody but user 0 gets in', async () => {
  const { fs, done } = setup()
  assert.equal(await fs.lookup(by(5), TRASH, '008'), EACCES)
  assert.equal(await fs.opendir(by(5), TRASH), EACCES)
  assert.equal(await fs.open(by(5), 0x1008, 0), EACCES)
  assert.equal(await fs.unlink(by(5), 0x7fff0008, '00001008|d|f'), EACCES)
  assert.equal(await fs.access(by(5), TRASH, 4), EACCES)
  assert.equal(typeof (await fs.opendir(by(5), 1)), 'object')
  assert.deepEqual(done, [])
})
