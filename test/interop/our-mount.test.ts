// Our mount at the table of real masters and chunkservers, with what people do on file systems.
import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  closeSync,
  constants,
  copyFileSync,
  createReadStream,
  openSync,
  readFileSync,
  readSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster, whyNot } from './cluster.ts'
import { installPackages } from './packages.ts'
import { chunkCounts, copyTree, differences, dropCaches, FEW_FILES, FILES, makeTree } from './tree.ts'

const skip = whyNot() ?? false
const MIB = 1 << 20

type Kind = 'ours' | 'real'
const ours = { master: 'ours', servers: 'ours' } as const

async function withMount(
  kinds: { master: Kind; servers: Kind },
  run: (cluster: Cluster) => Promise<void>,
  hosts = [2, 3],
) {
  installPackages()
  const cluster = new Cluster()
  try {
    if (kinds.master === 'ours') await cluster.startOurMaster()
    else cluster.startRealMaster()
    for (const host of hosts) {
      if (kinds.servers === 'ours') await cluster.startOurChunkserver(host)
      else cluster.startRealChunkserver(host)
    }
    await sleep(3000)
    cluster.mountOurs()
    await run(cluster)
  } finally {
    await cluster.close()
  }
}

const combinations = [
  { master: 'real', servers: 'real', files: FILES },
  { master: 'ours', servers: 'real', files: FEW_FILES },
  { master: 'real', servers: 'ours', files: FEW_FILES },
  { ...ours, files: FILES },
] as const
for (const kinds of combinations) {
  const { master, servers, files } = kinds
  test(`a tree goes through our mount, ${master} master, ${servers} servers, and comes back the same`, { skip }, () =>
    withMount(kinds, async ({ folder, mountPoint }) => {
      const tree = join(folder, 'tree')
      makeTree(tree, files)
      copyTree(tree, join(mountPoint, 'tree'))
      dropCaches()
      assert.equal(differences(tree, join(mountPoint, 'tree')), '')
    }),
  )
}

async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const bytes of createReadStream(path, { highWaterMark: MIB })) hash.update(bytes)
  return hash.digest('hex')
}

test('big, sparse, overwritten and mapped files keep their bytes', { skip }, () =>
  withMount(ours, async ({ folder, mountPoint }) => {
    const big = join(mountPoint, 'big')
    const shadow = join(folder, 'shadow')
    // Bytes that tell where they belong, so that a block in the wrong place shows.
    const block = Buffer.alloc(MIB)
    const file = openSync(big, 'w')
    const hash = createHash('sha256')
    for (let i = 0; i < 2048; i++) {
      for (let at = 0; at < MIB; at += 512) block.writeDoubleLE(i * MIB + at, at)
      hash.update(block)
      writeSync(file, block)
    }
    closeSync(file)
    assert.equal(statSync(big).size, 2048 * MIB)
    dropCaches()
    assert.equal(await sha256(big), hash.digest('hex'))

    execFileSync('dd', [`if=/dev/urandom`, `of=${shadow}`, 'bs=1M', 'count=80', 'status=none'])
    const target = join(mountPoint, 'overwritten')
    execFileSync('cp', [shadow, target])
    const files = [openSync(shadow, 'r+'), openSync(target, 'r+')]
    const random = seeded(5)
    for (let i = 0; i < 2000; i++) {
      const bytes = Buffer.alloc(1 + Math.floor(random() * 20_000), i)
      const at = Math.floor(random() * (80 * MIB - bytes.length))
      for (const fd of files) writeSync(fd, bytes, 0, bytes.length, at)
      if (i % 10 !== 0) continue
      const read = files.map(fd => {
        const got = Buffer.alloc(30_000)
        readSync(fd, got, 0, got.length, Math.max(0, at - 5000))
        return got
      })
      assert.ok(read[0]?.equals(read[1] as Buffer), `bytes around ${at} after write ${i}`)
    }
    for (const fd of files) closeSync(fd)
    dropCaches()
    assert.equal(await sha256(target), await sha256(shadow))

    const sparse = join(mountPoint, 'sparse')
    const hole = openSync(sparse, 'w+')
    writeSync(hole, 'end', 300 * MIB)
    closeSync(hole)
    dropCaches()
    const contents = readFileSync(sparse)
    assert.equal(contents.length, 300 * MIB + 3)
    assert.ok(contents.subarray(0, 300 * MIB).equals(Buffer.alloc(300 * MIB)))
    assert.equal(contents.toString('latin1', 300 * MIB), 'end')

    const mapped = join(mountPoint, 'mapped')
    const script =
      'import mmap,sys\n' +
      'f=open(sys.argv[1],"w+b"); f.truncate(3000000); m=mmap.mmap(f.fileno(),3000000)\n' +
      'm[0:5]=b"first"; m[2000000:2000006]=b"second"; m.flush(); m.close(); f.close()\n' +
      'g=open(sys.argv[1],"rb"); d=g.read(); assert d[0:5]==b"first" and d[2000000:2000006]==b"second" and len(d)==3000000\n'
    execFileSync('python3', ['-c', script, mapped])
    dropCaches()
    assert.equal(readFileSync(mapped).toString('latin1', 2_000_000, 2_000_006), 'second')
  }),
)

test('git, sqlite and a compiler work', { skip }, () =>
  withMount(ours, async ({ mountPoint }) => {
    const sh = (script: string) => {
      const { status, stdout, stderr } = spawnSync('sh', ['-ec', script], { cwd: mountPoint, encoding: 'utf8' })
      assert.equal(status, 0, `${script}\n${stdout}${stderr}`)
      return stdout
    }
    const identity = 'git config user.email tester@localhost; git config user.name Tester'
    sh(`mkdir origin; cd origin; git init -q; ${identity}; for i in $(seq 1 300); do echo $i > file$i; done
      git add .; git commit -qm first; cd ..; git clone -q origin clone; cd clone; ${identity}
      for i in $(seq 1 100); do echo more >> file$i; done; git commit -qam second; git gc -q; git fsck --strict`)
    assert.equal(sh('cd clone; git log --oneline | wc -l').trim(), '2')
    const transactions =
      'import sqlite3\n' +
      'db=sqlite3.connect("base.db"); db.execute("create table t(a integer primary key, b text)")\n' +
      'for i in range(60):\n' +
      '  with db: db.executemany("insert into t(b) values(?)", [(str(j)*50,) for j in range(20)])\n' +
      'try:\n' +
      '  with db:\n    db.execute("delete from t"); raise ValueError\n' +
      'except ValueError: pass\n' +
      'db.close(); db=sqlite3.connect("base.db")\n' +
      'assert db.execute("select count(*) from t").fetchone()[0]==1200\n' +
      'assert db.execute("pragma integrity_check").fetchone()[0]=="ok"\n'
    writeFileSync(join(mountPoint, 'base.py'), transactions)
    sh('python3 base.py')
    sh(`printf '#include <stdio.h>\\nint main(void){puts("compiled here");}\\n' > p.c; gcc -O2 -o p p.c`)
    assert.equal(sh('./p'), 'compiled here\n')
  }),
)

test('a program that runs can neither be written nor emptied', { skip }, () =>
  withMount(ours, async ({ mountPoint }) => {
    const path = join(mountPoint, 'program')
    copyFileSync('/bin/sleep', path)
    const program = spawn(path, ['100'], { stdio: 'ignore' })
    const ended = new Promise(resolve => program.once('exit', resolve))
    await new Promise(resolve => program.once('spawn', resolve))
    const { O_RDONLY, O_WRONLY, O_RDWR, O_TRUNC } = constants
    try {
      for (const flags of [O_WRONLY, O_RDWR, O_RDWR | O_TRUNC, O_RDONLY | O_TRUNC])
        assert.throws(() => openSync(path, flags), { code: 'ETXTBSY' })
      assert.deepEqual(readFileSync(path), readFileSync('/bin/sleep'))
    } finally {
      program.kill('SIGKILL')
      await ended
    }
    closeSync(openSync(path, O_RDONLY | O_TRUNC))
    assert.equal(statSync(path).size, 0)
  }),
)

test('a chunkserver killed while files are written and read costs no error', { skip }, () =>
  withMount(
    ours,
    async cluster => {
      const { mountPoint, folder } = cluster
      const write = `for i in $(seq 1 40); do dd if=/dev/urandom of=${mountPoint}/g$i bs=1M count=4 conv=fsync 2>/dev/null && md5sum ${mountPoint}/g$i >> ${folder}/sums || exit 1; done`
      const load = new Promise(resolve => spawn('sh', ['-c', write]).once('exit', resolve))
      await sleep(1000)
      await cluster.stopOurChunkserver(3, 'SIGKILL')
      assert.equal(await load, 0)
      dropCaches()
      execFileSync('md5sum', ['--quiet', '-c', join(folder, 'sums')])
      const underGoal = () => chunkCounts(folder, [2, 4]).filter(count => count < 2).length
      for (let second = 0; second < 60 && underGoal() > 0; second++) await sleep(1000)
      assert.equal(underGoal(), 0)
    },
    [2, 3, 4],
  ),
)

test('a master killed under load: every acknowledged file is there, open files go on', { skip }, () =>
  withMount(ours, async cluster => {
    const { mountPoint, folder } = cluster
    const open = openSync(join(mountPoint, 'open'), 'w+')
    writeSync(open, 'before ')
    const acknowledged = join(folder, 'acknowledged')
    // A shell would not tell about an error of close().
    const script =
      'import { appendFileSync, writeFileSync } from "node:fs"; const [folder, noted] = process.argv.slice(1);' +
      'for (let i = 1; i <= 400; i++) { writeFileSync(folder + "/f" + i, i + "\\n"); appendFileSync(noted, i + "\\n") }'
    const args = ['--input-type=module', '-e', script, mountPoint, acknowledged]
    const load = new Promise(resolve => spawn(process.execPath, args, { stdio: 'inherit' }).once('exit', resolve))
    for (let round = 0; round < 2; round++) {
      await sleep(700)
      await cluster.stopOurMaster('SIGKILL')
      await cluster.startOurMaster()
    }
    assert.equal(await load, 0)
    const noted = readFileSync(acknowledged, 'utf8').trim().split('\n')
    assert.equal(noted.length, 400)
    for (const i of noted) assert.equal(readFileSync(join(mountPoint, `f${i}`), 'utf8'), `${i}\n`)
    writeSync(open, 'and after')
    closeSync(open)
    assert.equal(readFileSync(join(mountPoint, 'open'), 'utf8'), 'before and after')
  }),
)

/** Numbers 0 <= n < 1, the same in every run. */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}
