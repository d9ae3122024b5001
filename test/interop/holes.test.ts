// Holes through our mount, beside a local file system: what is told of them, and what programs make of it.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster, whyNot } from './cluster.ts'
import { installPackages } from './packages.ts'

const MIB = 1 << 20

/**
 * Writes the same file here and there, and looks at both before anything is closed. Data must never be told to be a
 * hole; where whole chunks are missing, or blocks at the end of one, ours must be one.
 */
const SEEKER = `
import errno, os, sys
MIB = 1 << 20
CHUNK = 64 * MIB
writes = [(0, 10), (3 * CHUNK - 5, 10), (4 * CHUNK + 65536 * 3, 70000), (6 * CHUNK, CHUNK)]
length = 9 * CHUNK + 1
fds = []
for folder in sys.argv[1:]:
    fd = os.open(os.path.join(folder, 'sparse'), os.O_RDWR | os.O_CREAT)
    for offset, size in writes:
        done = 0
        while done < size:
            done += os.pwrite(fd, b'x' * min(MIB, size - done), offset + done)
    os.ftruncate(fd, length)
    os.pwrite(fd, b'y', 5)
    fds.append(fd)

def seek(fd, offset, whence):
    try:
        return os.lseek(fd, offset, whence)
    except OSError as e:
        return errno.errorcode[e.errno]

local, ours = fds
places = {0, 1, length - 1, length, length + 1}
for offset, size in writes:
    for edge in (offset, offset + size):
        places |= {edge - 1, edge, edge + 1, edge // CHUNK * CHUNK, edge // 65536 * 65536 + 65536}
for at in sorted(place for place in places if place >= 0):
    data, hole = seek(local, at, os.SEEK_DATA), seek(local, at, os.SEEK_HOLE)
    data_here, hole_here = seek(ours, at, os.SEEK_DATA), seek(ours, at, os.SEEK_HOLE)
    if at >= length:
        assert (data_here, hole_here) == ('ENXIO', 'ENXIO'), (at, data_here, hole_here)
    if data != 'ENXIO':
        assert data_here != 'ENXIO' and at <= data_here <= data, (at, data, data_here)
    if hole != 'ENXIO':
        assert hole_here >= hole, (at, hole, hole_here)

expected = [
    (0, 'hole', 65536), (0, 'data', 0), (65536, 'data', 2 * CHUNK), (65536, 'hole', 65536), (CHUNK + 7, 'hole', CHUNK + 7),
    (2 * CHUNK, 'hole', 3 * CHUNK + 65536), (4 * CHUNK, 'hole', 4 * CHUNK + 65536 * 5), (4 * CHUNK + 65536 * 5, 'data', 6 * CHUNK),
    (6 * CHUNK, 'hole', 7 * CHUNK), (7 * CHUNK, 'data', 'ENXIO'), (length - 1, 'hole', length - 1),
]
for at, what, wanted in expected:
    got = seek(ours, at, os.SEEK_DATA if what == 'data' else os.SEEK_HOLE)
    assert got == wanted, (at, what, wanted, got)

# What waits to be written counts, as soon as write(2) has returned.
os.pwrite(ours, b'z', 8 * CHUNK)
assert seek(ours, 7 * CHUNK, os.SEEK_DATA) == 8 * CHUNK
os.pwrite(ours, b'z', length)
assert seek(ours, length, os.SEEK_DATA) <= length
os.ftruncate(ours, CHUNK)
assert seek(ours, 65536, os.SEEK_DATA) == 'ENXIO'
assert seek(ours, 65536, os.SEEK_HOLE) == 65536
empty = os.open(os.path.join(sys.argv[2], 'empty'), os.O_RDWR | os.O_CREAT)
assert seek(empty, 0, os.SEEK_DATA) == 'ENXIO' and seek(empty, 0, os.SEEK_HOLE) == 'ENXIO'
`

for (const master of ['ours', 'real'] as const) {
  test(`holes are told where they are, ${master} master`, { skip: whyNot() ?? false }, async () => {
    installPackages()
    const cluster = new Cluster()
    try {
      const { folder, mountPoint } = cluster
      if (master === 'ours') await cluster.startOurMaster()
      else cluster.startRealMaster()
      if (master === 'ours') await cluster.startOurChunkserver(2)
      else cluster.startRealChunkserver(2)
      await sleep(3000)
      cluster.mountOurs()
      const local = join(folder, 'local')
      mkdirSync(local)
      execFileSync('python3', ['-c', SEEKER, local, mountPoint], { timeout: 180_000 })
      if (master === 'ours') copySparse(local, mountPoint)
      longFiles(cluster, master === 'ours' ? 2n ** 53n - 1n : 2n ** 56n + 1n)
    } finally {
      await cluster.close()
    }
  })
}

/** Files of such lengths together are longer than what a number counts: all that tells of them goes on, and comes back. */
function longFiles(cluster: Cluster, length: bigint): void {
  const { folder, mountPoint } = cluster
  const maker = join(folder, 'real')
  mkdirSync(maker)
  cluster.mountWith('mfsmount', maker)
  const shell = (line: string) => {
    const { status, stdout, stderr } = cluster.shell(`set -e; cd ${mountPoint}; ${line}`)
    assert.equal(status, 0, `${line}: ${stdout}${stderr}`)
    return stdout
  }
  shell('mkdir long; printf abc > long/short')
  const lengths = () => shell(`df . > /dev/null; mfsdirinfo -n -l long`)
  const before = lengths()
  for (let i = 0; i < 3; i++) shell(`truncate -s ${length} '${maker}/long/file${i}'`)
  const told = Number(/\d+/.exec(lengths())?.[0])
  assert.ok(Math.abs(told / (Number(length) * 3) - 1) < 1e-12, String(told))
  const shown = length > 2n ** 53n ? 2n ** 53n - 1n : length
  assert.equal(shell('stat -c %s long/file0').trim(), String(shown))
  shell('rm long/file0; df . > /dev/null')
  shell(`mfssettrashtime -r 0 long > /dev/null; rm long/file1 long/file2; df . > /dev/null`)
  assert.equal(lengths(), before)
  assert.equal(shell('cat long/short'), 'abc')
}

/** Programs that ask for holes copy a file to the same bytes, and leave out what it does not have. */
function copySparse(local: string, mountPoint: string): void {
  const [source, target] = [join(local, 'image'), join(mountPoint, 'image')]
  const shell = (line: string) => execFileSync('sh', ['-ec', line], { cwd: mountPoint, timeout: 180_000 })
  shell(`truncate -s 320M '${source}'; echo begin | dd conv=notrunc of='${source}' status=none`)
  shell(`echo middle | dd conv=notrunc of='${source}' bs=64M seek=3 status=none; cp --sparse=always '${source}' image`)
  shell(`cp --sparse=auto image '${local}/copied'; cmp '${source}' '${local}/copied'`)
  shell(
    `tar -S -cf '${local}/image.tar' image; mkdir out; tar -xf '${local}/image.tar' -C out; cmp '${source}' out/image`,
  )
  // Holes of any size: half a petabyte is passed over.
  shell(`truncate -s 1P huge; echo far | dd conv=notrunc of=huge bs=1M seek=500000000 status=none`)
  shell(
    `python3 -c 'import os; f = os.open("huge", os.O_RDONLY); assert os.lseek(f, 0, os.SEEK_DATA) == 500000000 << 20'`,
  )
  assert.equal(statSync(target).size, 320 * MIB)
  assert.equal(statSync(target).blocks * 512, 2 * 64 * MIB, 'two chunks')
  assert.ok(statSync(join(local, 'copied')).blocks * 512 <= 2 * MIB, 'holes were left out')
  assert.ok(statSync(join(local, 'image.tar')).size <= 2 * MIB, 'holes were left out')
}
