// A real mount loses answers, and its applications notice nothing.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import * as matocl from '../../src/protocol/matocl.ts'
import { Cluster, whyNot } from './cluster.ts'
import { installPackages } from './packages.ts'
import { Wiretap } from './wiretap.ts'

const skip = whyNot() ?? false
const TAP_HOST = 4
const TAP_IP = `10.88.0.${TAP_HOST}`

async function withCluster(run: (cluster: Cluster) => Promise<void>): Promise<void> {
  installPackages()
  const cluster = new Cluster()
  try {
    await cluster.startOurMaster()
    for (const host of [2, 3]) cluster.startRealChunkserver(host)
    await sleep(2000)
    await run(cluster)
  } finally {
    await cluster.close()
  }
}

/** Commands of one operation each, the answer that gets lost, and what is there afterwards. */
const operations: [string, number, string, string][] = [
  ['mkdir made', matocl.fuseMkdir.code, 'stat -c %F made', 'directory\n'],
  ['rmdir empty', matocl.fuseRmdir.code, 'ls -d empty 2>&1 | wc -l; ls -d empty 2>/dev/null | wc -l', '1\n0\n'],
  ['rm file', matocl.fuseUnlink.code, 'ls file 2>/dev/null | wc -l', '0\n'],
  ['mv -T from to', matocl.fuseRename.code, 'ls from 2>/dev/null | wc -l; cat to', '0\nfrom\n'],
  ['ln linked hard', matocl.fuseLink.code, 'stat -c %h hard', '2\n'],
  ['ln -s somewhere soft', matocl.fuseSymlink.code, 'readlink soft', 'somewhere\n'],
  ['mkfifo fifo', matocl.fuseMknod.code, 'stat -c %F fifo', 'fifo\n'],
  ['(set -C; echo new > fresh)', matocl.fuseCreate.code, 'cat fresh', 'new\n'],
  ['chmod 600 linked', matocl.fuseSetattr.code, 'stat -c %a linked', '600\n'],
  ['truncate -s 3 to', matocl.fuseTruncate.code, 'cat to', 'fro'],
  ['echo more >> linked', matocl.fuseWriteChunkEnd.code, 'cat linked', 'linked\nmore\n'],
  ['mfsmakesnapshot tree copy', matocl.fuseSnapshot.code, 'cat copy/inside', 'inside\n'],
  ['mfssetgoal 2+ linked', matocl.fuseSetsclass.code, 'mfsgetgoal linked', 'linked: 2\n'],
]

const PREPARE = `mkdir empty tree; echo file > file; echo from > from; echo to > to; echo linked > linked
  echo inside > tree/inside; mfssetgoal 1 linked; sync`

test('a real mount that loses an answer asks again, and its application sees one success', { skip }, () =>
  withCluster(async cluster => {
    const wiretap = await Wiretap.start(cluster, TAP_HOST)
    try {
      cluster.mountReal(TAP_IP)
      const shell = (line: string) => cluster.shell(`cd ${cluster.mountPoint} && { ${line}; }`)
      assert.equal(shell(PREPARE).stderr, '')
      for (const [command, answer, look, seen] of operations) {
        await wiretap.lose(answer)
        const { status, stderr } = shell(command)
        assert.deepEqual({ command, status, stderr }, { command, status: 0, stderr: '' })
        assert.equal(shell(look).stdout, seen, command)
        const lost = await wiretap.hears(packet => packet.lost && packet.type === answer)
        const sent = wiretap.packets.filter(
          ({ from, type, payload }) =>
            from === 'client' && type === answer - 1 && payload.startsWith(lost.payload.slice(0, 8)),
        )
        const again = sent.find(({ connection }) => connection > lost.connection)
        const before = sent.findLast(({ connection }) => connection === lost.connection)
        assert.equal(again?.payload, before?.payload, `${command}: the request comes again, byte for byte`)
        wiretap.packets.length = 0
      }
    } finally {
      wiretap.close()
    }
  }),
)

interface Report {
  operations: number
  failures: string[]
  slowestMs: number
  slowest: string
}

/** Applications at work in the mount, each in a folder of its own. */
function busyApplications(cluster: Cluster, count: number, seconds: number): Promise<Report[]> {
  const program = join(import.meta.dirname, 'busy-application.ts')
  const run = (i: number) =>
    new Promise<Report>((resolve, reject) => {
      const child = spawn(process.execPath, [program, join(cluster.mountPoint, `app${i}`), String(seconds)])
      let told = ''
      child.stdout.on('data', text => {
        told += text
      })
      child.once('exit', code => (code === 0 ? resolve(JSON.parse(told)) : reject(new Error(`application: ${code}`))))
    })
  return Promise.all(Array.from({ length: count }, (_, i) => run(i)))
}

test('applications on a real mount see no error while the master is killed again and again', { skip }, () =>
  withCluster(async cluster => {
    cluster.mountReal()
    const reports = busyApplications(cluster, 4, 18)
    for (let round = 0; round < 4; round++) {
      await sleep(2500 + round * 130)
      await cluster.stopOurMaster('SIGKILL')
      await cluster.startOurMaster()
    }
    for (const { failures, operations, slowest, slowestMs } of await reports) {
      assert.deepEqual(failures, [])
      // The shortest wait for a lease that nobody holds any more is 16 s.
      assert.ok(slowestMs < 16_000, `${slowest} took ${slowestMs} ms`)
      assert.ok(operations > 100, `only ${operations} operations`)
    }
  }),
)

test('a real master replays a log with answers in it to the state that we had', { skip }, () =>
  withCluster(async cluster => {
    cluster.mountReal()
    await busyApplications(cluster, 2, 4)
    cluster.shell(`cd ${cluster.mountPoint} && mkdir -p a/b && echo kept > a/b/kept && mfsmakesnapshot a/b a/c`)
    await cluster.stopOurMaster('SIGKILL')
    const answers = cluster.shell(`grep -c ';A' ${cluster.masterFolder}/changelog.0.mfs`).stdout
    assert.ok(Number(answers) > 100, `${answers} answers in the log`)
    const more = cluster.shell(`grep -c ';M$' ${cluster.masterFolder}/changelog.0.mfs`).stdout
    assert.ok(Number(more) > 10, `${more} requests of several lines in the log`)
    cluster.startRealMaster('-a')
    const { stdout } = cluster.shell(`cat ${cluster.mountPoint}/a/b/kept ${cluster.mountPoint}/a/c/kept`)
    assert.equal(stdout, 'kept\nkept\n')
    cluster.stopRealMaster()
  }),
)
