// What must not, or can not, be written says so by the errno that programs know: EROFS, ENOSPC, EDQUOT, EMLINK.
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster, whyNot } from './cluster.ts'
import { installPackages } from './packages.ts'

const skip = whyNot() ?? false
const OURS = join(import.meta.dirname, '../../bin/mfsmaster')
const SERVER = join(import.meta.dirname, '../../bin/mfschunkserver')

/** The beginning of every script: it works in the folder that is given. */
const CALLS = `
import errno, os, sys
os.chdir(sys.argv[1])
def came_to(call):
    try:
        call()
        return 'OK'
    except OSError as e:
        return errno.errorcode[e.errno]
def put(path, size, flags=os.O_WRONLY | os.O_CREAT):
    fd = os.open(path, flags, 0o644)
    try:
        done = 0
        while done < size:
            done += os.write(fd, b'x' * min(1 << 20, size - done))
        os.fsync(fd)
    finally:
        os.close(fd)
`

/** One of every kind that changes something, on what is there: folder/file, folder/empty, folder/link. */
const CHANGES = `${CALLS}
file = 'folder/file'
reader = os.open(file, os.O_RDONLY)
changes = {
    'open to write': lambda: os.open(file, os.O_WRONLY),
    'open to read and write': lambda: os.open(file, os.O_RDWR),
    'open to cut': lambda: os.open(file, os.O_RDONLY | os.O_TRUNC),
    'open to append': lambda: os.open(file, os.O_WRONLY | os.O_APPEND),
    'create': lambda: os.open('folder/new', os.O_WRONLY | os.O_CREAT),
    'mkdir': lambda: os.mkdir('folder/new'),
    'mknod': lambda: os.mknod('folder/new', 0o10644),
    'symlink': lambda: os.symlink('file', 'folder/new'),
    'link': lambda: os.link(file, 'folder/new'),
    'rename': lambda: os.rename(file, 'folder/new'),
    'rename over': lambda: os.rename(file, 'folder/link'),
    'unlink': lambda: os.unlink(file),
    'rmdir': lambda: os.rmdir('folder/empty'),
    'chmod': lambda: os.chmod(file, 0o600),
    'fchmod': lambda: os.fchmod(reader, 0o600),
    'chown': lambda: os.chown(file, 1, 1),
    'lchown': lambda: os.lchown('folder/link', 1, 1),
    'utimes': lambda: os.utime(file, (1, 1)),
    'utimes now': lambda: os.utime(file),
    'truncate': lambda: os.truncate(file, 1),
    'setxattr': lambda: os.setxattr(file, 'user.a', b'b'),
    'removexattr': lambda: os.removexattr(file, 'user.kept'),
    'access to write': lambda: None if os.access(file, os.W_OK) else (_ for _ in ()).throw(OSError(errno.EROFS, '')),
}
for name, call in changes.items():
    print(name, came_to(call))
looks = [os.read(reader, 10) == b'text', os.readlink('folder/link') == 'file', sorted(os.listdir('folder')) == ['empty', 'file', 'link'],
         os.getxattr(file, 'user.kept') == b'kept', os.stat(file).st_size == 4, os.access(file, os.R_OK)]
print('looks', 'OK' if all(looks) else looks)
`

async function inCluster(prepare: (cluster: Cluster) => void, run: (cluster: Cluster) => Promise<void> | void) {
  installPackages()
  const cluster = new Cluster()
  try {
    prepare(cluster)
    cluster.startMasterWith(OURS)
    cluster.startChunkserverWith(SERVER, 2)
    await sleep(4000)
    await run(cluster)
  } finally {
    await cluster.close()
  }
}

/** What the calls of a script come to, by their names. */
function results(cluster: Cluster, script: string, folder: string): Map<string, string> {
  const { stdout, stderr, status } = cluster.feed(script, 'python3', '-', folder)
  assert.equal(status, 0, stdout + stderr)
  return new Map(
    stdout
      .trimEnd()
      .split('\n')
      .map(line => [line.slice(0, line.lastIndexOf(' ')), line.slice(line.lastIndexOf(' ') + 1)]),
  )
}

/** @param access what access(2) comes to: the kernel knows of its own read-only mounts, not of the session's rights */
function assertReadOnly(cluster: Cluster, folder: string, access: 'EROFS' | 'OK'): void {
  const found = results(cluster, CHANGES, folder)
  assert.equal(found.get('looks'), 'OK')
  found.delete('looks')
  assert.equal(found.size, 23)
  assert.equal(found.get('access to write'), access)
  found.delete('access to write')
  for (const [call, result] of found) assert.equal(result, 'EROFS', call)
}

test('a read-only mount, and a mount of a read-only export, refuse every change with EROFS', { skip }, () =>
  inCluster(
    () => {},
    cluster => {
      cluster.mountOurs()
      const python = `${CALLS}
os.makedirs('folder/empty'); put('folder/file', 0)
open('folder/file', 'w').write('text'); os.symlink('file', 'folder/link'); os.setxattr('folder/file', 'user.kept', b'kept')
print('made', 'OK')`
      results(cluster, python, cluster.mountPoint)
      const asOption = join(cluster.folder, 'as-option')
      const asExport = join(cluster.folder, 'as-export')
      for (const folder of [asOption, asExport]) mkdirSync(folder)
      cluster.mountOursAt(asOption, '-o', 'ro')
      assertReadOnly(cluster, asOption, 'EROFS')
      cluster.reloadExports(OURS, '* / ro,alldirs,maproot=0:0\n')
      cluster.mountOursAt(asExport)
      assertReadOnly(cluster, asExport, 'OK')
    },
  ),
)

test('full chunkservers are ENOSPC for new data, and nothing else is refused', { skip }, () =>
  inCluster(
    // More than any disk has.
    cluster => cluster.chunkserverLines.set(2, ['HDD_LEAVE_SPACE_DEFAULT=8EiB']),
    cluster => {
      cluster.mountOurs('-o', 'mfserroronnospace')
      const script = `${CALLS}
for name, call in {
    'write': lambda: put('file', 10),
    'write much': lambda: put('much', 5 << 20),
    'create': lambda: put('empty', 0),
    'mkdir': lambda: os.mkdir('folder'),
    'lengthen': lambda: os.truncate('empty', 1 << 30),
    'shorten': lambda: os.truncate('empty', 0),
    'unlink': lambda: os.unlink('file'),
}.items():
    print(name, came_to(call))`
      assert.deepEqual(Object.fromEntries(results(cluster, script, cluster.mountPoint)), {
        ...{ write: 'ENOSPC', 'write much': 'ENOSPC' },
        ...{ create: 'OK', mkdir: 'OK', lengthen: 'OK', shorten: 'OK', unlink: 'OK' },
      })
    },
  ),
)

test('a quota is EDQUOT for what goes beyond it, and what is below it goes on', { skip }, () =>
  inCluster(
    () => {},
    cluster => {
      cluster.mountOurs()
      const limit = `cd ${cluster.mountPoint}; mkdir inodes length; mfssetquota -I 3 inodes; mfssetquota -L 1M length`
      const { status, stdout, stderr } = cluster.shell(limit)
      assert.equal(status, 0, stdout + stderr)
      const script = `${CALLS}
put('outside', 10)
for name, call in {
    'first': lambda: put('inodes/first', 0),
    'second': lambda: os.mkdir('inodes/second'),
    'third': lambda: os.symlink('x', 'inodes/third'),
    'fourth': lambda: os.mkdir('inodes/fourth'),
    'file': lambda: put('inodes/file', 0),
    'link': lambda: os.link('outside', 'inodes/link'),
    'rename into': lambda: os.rename('outside', 'inodes/moved'),
    'unlink': lambda: os.unlink('inodes/third'),
    'again': lambda: os.symlink('x', 'inodes/third'),
    'small': lambda: put('length/small', 1 << 19),
    'large': lambda: put('length/large', 1 << 20),
    'lengthen': lambda: os.truncate('length/small', 2 << 20),
    'shorten': lambda: os.truncate('length/small', 1),
    'beside': lambda: put('beside', 2 << 20),
}.items():
    print(name, came_to(call))`
      assert.deepEqual(Object.fromEntries(results(cluster, script, cluster.mountPoint)), {
        ...{ first: 'OK', second: 'OK', third: 'OK', fourth: 'EDQUOT', file: 'EDQUOT', link: 'EDQUOT' },
        ...{ 'rename into': 'EDQUOT', unlink: 'OK', again: 'OK' },
        ...{ small: 'OK', large: 'EDQUOT', lengthen: 'EDQUOT', shorten: 'OK', beside: 'OK' },
      })
    },
  ),
)

test('one link more than MAX_ALLOWED_HARD_LINKS is EMLINK', { skip }, () =>
  inCluster(
    cluster => cluster.masterLines.push('MAX_ALLOWED_HARD_LINKS=8'),
    cluster => {
      cluster.mountOurs()
      const script = `${CALLS}
put('file', 0)
for i in range(2, 10):
    print(i, came_to(lambda: os.link('file', 'link%d' % i)))
os.unlink('link2')
print('after unlink', came_to(lambda: os.link('file', 'again')))
print('folders', came_to(lambda: [os.mkdir('d%d' % i) for i in range(20)]))`
      const found = results(cluster, script, cluster.mountPoint)
      for (let links = 2; links <= 8; links++) assert.equal(found.get(String(links)), 'OK')
      assert.equal(found.get('9'), 'EMLINK')
      assert.deepEqual([found.get('after unlink'), found.get('folders')], ['OK', 'OK'])
    },
  ),
)
