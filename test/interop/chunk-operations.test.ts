// Everything that masters have chunkservers do, in each mixture of the original's and ours: both servers hold the same
// in the end, and it is what was written.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster, whyNot } from './cluster.ts'
import { installPackages } from './packages.ts'

const HOSTS = [2, 3]
const ours = (program: string) => join(import.meta.dirname, '../../bin', program)
const HEADER_BYTES = 8192
/** Names do not change as often as they can be read. */
const LOOKS_MAX = 100

/** Each line is also done to a plain folder, which says what is right. */
const LINES = [
  // create, write, truncate in both directions
  'cat SOURCE > cut; cat SOURCE > grown; truncate -s 100001 cut; truncate -s 5000000 grown; truncate -s 0 grown',
  'cat SOURCE > again; truncate -s 70000 again; cat SOURCE >> again; truncate -s 12 again',
  // duplicate and duplicate with a cut: chunks that two files hold
  'cat SOURCE > one; COPY one two; echo more >> two; COPY one three; truncate -s 65537 three; COPY one four',
  'truncate -s 400000 four; printf X | dd of=one bs=1 seek=150000 conv=notrunc status=none',
  // a hole, and more than a chunk
  'printf end | dd of=holes bs=1 seek=70000000 conv=notrunc status=none; truncate -s 68000000 holes',
  // delete
  'cat SOURCE > gone; rm gone',
]

/** What a server holds, by chunk: version and contents without the header. Copies in the making change their names. */
function held(cluster: Cluster, host: number): Map<string, string> {
  for (let tries = 0; ; tries++) {
    try {
      return heldNow(join(cluster.folder, `disk${host}`))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || tries === LOOKS_MAX) throw error
    }
  }
}

function heldNow(disk: string): Map<string, string> {
  const names = readdirSync(disk, { recursive: true, encoding: 'utf8' }).filter(name =>
    /chunk_[0-9A-F]{16}_/.test(name),
  )
  return new Map(
    names.map(name => {
      const [, chunk, version] = /chunk_([0-9A-F]{16})_([0-9A-F]{8})/.exec(name) as unknown as [string, string, string]
      const data = readFileSync(join(disk, name)).subarray(HEADER_BYTES)
      return [chunk, `${version} ${createHash('md5').update(data).digest('hex')}`]
    }),
  )
}

const sums = (folder: string) => spawnSync('sh', ['-c', `cd ${folder} && md5sum *`], { encoding: 'utf8' }).stdout

function remount(cluster: Cluster): void {
  spawnSync('umount', [cluster.mountPoint])
  cluster.mountReal()
}

const mixtures: [string, string, string][] = [
  ['mfsmaster', ours('mfschunkserver'), 'mfschunkserver'],
  [ours('mfsmaster'), ours('mfschunkserver'), 'mfschunkserver'],
  [ours('mfsmaster'), 'mfschunkserver', 'mfschunkserver'],
]
const named = (program: string) => (program.includes('/') ? 'our' : 'real')

for (const [master, first, second] of mixtures) {
  const what = `${named(master)} master, ${named(first)} and ${named(second)} chunkserver`
  test(`every operation on chunks leaves equal and right copies: ${what}`, { skip: whyNot() ?? false }, async () => {
    installPackages()
    const cluster = new Cluster()
    try {
      cluster.masterLines.push('REPLICATIONS_DELAY_INIT = 0', 'CHUNKS_LOOP_MIN_TIME = 60')
      cluster.startMasterWith(master)
      const programs = [first, second]
      for (const [i, host] of HOSTS.entries()) cluster.startChunkserverWith(programs[i] as string, host)
      await sleep(4000)
      cluster.mountReal()
      const [plain, there] = [join(cluster.folder, 'plain'), join(cluster.mountPoint, 'there')]
      cluster.shell(`mkdir -p ${plain} ${there}; head -c 300000 /dev/urandom > ${cluster.folder}/source`)
      cluster.shell(`mfssettrashtime 0 ${there}`)
      const both = (line: string) => {
        for (const [folder, copy] of [
          [plain, 'cp'],
          [there, 'mfsmakesnapshot'],
        ]) {
          const script = line.replaceAll('SOURCE', `${cluster.folder}/source`).replaceAll('COPY', copy as string)
          const { status, stderr } = cluster.shell(`cd ${folder} && { ${script}; }`)
          assert.equal(status, 0, `${line}: ${stderr}`)
        }
      }
      for (const line of LINES) both(line)
      remount(cluster)
      assert.equal(sums(there), sums(plain))
      // A server that missed a write gets its copies anew: versions, deletion of old copies, replication.
      cluster.killRealChunkserver(HOSTS[1] as number)
      both('cat SOURCE >> cut; printf Y | dd of=two bs=1 seek=9 conv=notrunc status=none; cat SOURCE > later')
      cluster.startChunkserverWith(second, HOSTS[1] as number)
      const equal = () => {
        const [here, other] = HOSTS.map(host => held(cluster, host)) as [Map<string, string>, Map<string, string>]
        return here.size === other.size && [...here].every(([chunk, text]) => other.get(chunk) === text)
      }
      for (let tries = 0; tries < 200 && !equal(); tries++) await sleep(1000)
      assert.deepEqual(held(cluster, 2), held(cluster, 3))
      for (const host of HOSTS) {
        cluster.killRealChunkserver(host)
        remount(cluster)
        assert.equal(sums(there), sums(plain), `without server ${host}`)
        cluster.startChunkserverWith(programs[HOSTS.indexOf(host)] as string, host)
        await sleep(4000)
      }
    } finally {
      await cluster.close()
    }
  })
}
