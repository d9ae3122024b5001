// The real kernel on our FUSE protocol, with a file system in memory behind it. Needs root and /dev/fuse.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import * as fs from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import type { Log } from '../../src/env/log.ts'
import { realClock } from '../../src/env/real.ts'
import { MountedFileSystem } from '../../src/mount/fuse/mounted.ts'
import { MemoryFileSystem } from '../../src/mount/memory-file-system.ts'

const run = promisify(execFile)
const skip =
  process.geteuid?.() !== 0
    ? 'needs root to mount'
    : existsSync('/dev/fuse')
      ? false
      : 'needs /dev/fuse (modprobe fuse)'

const complaints: string[] = []
const complain = (message: string) => void complaints.push(message)
const log: Log = { debug() {}, info() {}, notice() {}, warning: complain, error: complain }

// All calls below are asynchronous: this very process answers them, and must not wait for itself.
let target = ''
let memory: MemoryFileSystem
let mounted: MountedFileSystem

const request = {
  source: 'mfs#test:9421',
  readOnly: false,
  allowOther: true,
  setUid: false,
  devices: false,
  noExec: false,
  noAtime: false,
}

before(async () => {
  if (skip) return
  target = await fs.mkdtemp(join(tmpdir(), 'elkfs fuse-'))
  memory = new MemoryFileSystem(realClock)
  mounted = await MountedFileSystem.mount(memory, { ...request, target }, log, realClock)
})

after(async () => {
  if (skip) return
  await mounted.unmount()
  assert.equal(memory.destroyed, true)
  assert.equal(memory.openHandles.size, 0, 'every open was released')
  await fs.rmdir(target)
  assert.deepEqual(complaints, [])
})

test('the mount table shows source and type', { skip }, async () => {
  const line = (await fs.readFile('/proc/mounts', 'utf8'))
    .split('\n')
    .find(entry => entry.includes('mfs\\043test:9421'))
  assert.match(line ?? '', /^mfs\\043test:9421 \S+ fuse rw,nosuid,nodev,relatime,user_id=0,group_id=0,allow_other 0 0$/)
})

test('names, links, modes and times', { skip }, async () => {
  const folder = join(target, 'names')
  await fs.mkdir(folder)
  await fs.writeFile(join(folder, 'caf\u00e9 \ud83d\ude00 \n'), 'x', { mode: 0o640 })
  await fs.link(join(folder, 'caf\u00e9 \ud83d\ude00 \n'), join(folder, 'hard'))
  await fs.symlink('some/where', join(folder, 'soft'))
  await fs.rename(join(folder, 'hard'), join(folder, 'harder'))
  await fs.utimes(join(folder, 'harder'), 1000, 2000)
  assert.deepEqual((await fs.readdir(folder)).sort(), ['caf\u00e9 \ud83d\ude00 \n', 'harder', 'soft'])
  const stat = await fs.stat(join(folder, 'harder'))
  assert.deepEqual([stat.nlink, stat.mode & 0o777, stat.atimeMs, stat.mtimeMs], [2, 0o640, 1_000_000, 2_000_000])
  assert.equal(await fs.readlink(join(folder, 'soft')), 'some/where')
  await assert.rejects(fs.rmdir(folder), { code: 'ENOTEMPTY' })
  await fs.rm(folder, { recursive: true })
  await assert.rejects(fs.stat(folder), { code: 'ENOENT' })
})

test('two thousand entries are listed, with and without attributes', { skip }, async () => {
  const folder = join(target, 'many')
  await fs.mkdir(folder)
  await run('sh', ['-c', 'cd "$1" && seq 2000 | xargs touch', 'sh', folder])
  assert.equal((await fs.readdir(folder)).length, 2000)
  const { stdout } = await run('ls', ['-lU', folder], { maxBuffer: 10_000_000 })
  assert.equal(stdout.split('\n').length, 2002)
})

test('large and unaligned reads and writes come back as they went', { skip }, async () => {
  const path = join(target, 'large')
  const data = Buffer.from(Array.from({ length: 5_000_001 }, (_, i) => (i * 7) ^ (i >> 8)))
  await fs.writeFile(path, data)
  const file = await fs.open(path, 'r+')
  try {
    await file.write(Buffer.from('patch'), 0, 5, 1_234_567)
    data.write('patch', 1_234_567)
    await file.sync()
    await mounted.invalidateData((await file.stat()).ino, 0, 0)
    assert.ok(data.equals(await fs.readFile(path)))
    await file.truncate(1_000_000)
    await file.truncate(1_000_010)
    const tail = Buffer.alloc(20)
    const { bytesRead } = await file.read(tail, 0, 20, 999_995)
    assert.equal(bytesRead, 15)
    assert.deepEqual([...tail.subarray(5, 15)], Array(10).fill(0))
  } finally {
    await file.close()
  }
})

test('an open file that was unlinked can still be read and written', { skip }, async () => {
  const path = join(target, 'gone')
  const file = await fs.open(path, 'w+')
  await fs.unlink(path)
  await file.write('still here')
  const view = Buffer.alloc(10)
  await file.read(view, 0, 10, 0)
  assert.equal(view.toString(), 'still here')
  assert.equal((await file.stat()).nlink, 0)
  await file.close()
})

test('extended attributes, mmap, locks and programs on the mount', { skip }, async () => {
  const script = `
import fcntl, mmap, os, sys
os.chdir(sys.argv[1])
with open('mapped', 'w+b') as f:
    f.truncate(100000)
    with mmap.mmap(f.fileno(), 0) as m:
        m[50000:50005] = b'hello'
        m.flush()
    f.seek(50000)
    assert f.read(5) == b'hello'
    os.setxattr('mapped', 'user.colour', b'blue')
    assert os.getxattr('mapped', 'user.colour') == b'blue'
    assert os.listxattr('mapped') == ['user.colour']
    fcntl.lockf(f, fcntl.LOCK_EX)
    pid = os.fork()
    if pid == 0:
        with open('mapped', 'r+b') as g:
            try:
                fcntl.lockf(g, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os._exit(7)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
fd = os.open('held', os.O_RDWR | os.O_CREAT)
fcntl.flock(fd, fcntl.LOCK_EX)
other = os.open('held', os.O_RDWR)
try:
    fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    sys.exit('two exclusive locks')
except BlockingIOError:
    pass
assert os.statvfs('.').f_bsize == 65536
try:
    os.open('.', os.O_TMPFILE | os.O_RDWR)
    sys.exit('O_TMPFILE should be refused')
except OSError as error:
    assert error.errno == 95, error
`
  await run('python3', ['-c', script, target])
})

test('cp -a and diff agree', { skip }, async () => {
  await run('cp', ['-a', '/usr/share/perl5', join(target, 'tree')])
  await run('diff', ['-r', '--no-dereference', '/usr/share/perl5', join(target, 'tree')])
})

test('a signal ends the wait for a lock', { skip }, async () => {
  const path = join(target, 'waited')
  await fs.writeFile(path, '')
  const { stdout } = await run('sh', [
    '-c',
    'exec 9<"$1"; flock -x 9; timeout -s TERM 0.5 flock -x "$1" true; echo "$?"',
    'sh',
    path,
  ])
  assert.equal(stdout.trim(), '124')
})

test('somebody else may unmount, and we notice', { skip }, async () => {
  const folder = await fs.mkdtemp(join(tmpdir(), 'elkfs-fuse-'))
  const second = await MountedFileSystem.mount(
    new MemoryFileSystem(realClock),
    { ...request, target: folder },
    log,
    realClock,
  )
  await run('umount', [folder])
  await second.closed
  await fs.rmdir(folder)
})
