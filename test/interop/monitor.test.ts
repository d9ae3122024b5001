// The original's monitor shows the same of a cluster with our master as of one with theirs.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster, MASTER_IP, whyNot } from './cluster.ts'
import { installPackages } from './packages.ts'

const SETUP = `
mkdir -p d1/sub d2; printf hello > d1/small; : > d1/empty; head -c 200000 /dev/zero > d1/sub/medium; ln d1/small d1/hard
ln -s small d1/link; mkfifo d1/fifo; mkdir -p gone; for n in 1 2 3; do printf x > gone/trash$n; rm gone/trash$n; done
mfsscadmin create -m strict A,B sc_ab; mfsscadmin create -m loose A+B,2* sc_c; mfsscadmin create -C 2 -K '*' -A 3 -d 30 sc_arch
mfssetsclass sc_c d2 d1/empty; mfssetgoal 1 d1/sub/medium; mfssetgoal 2 d1/small; mfssetgoal 3 d2
mfssetquota -i 100 -I 120 -l 10M -L 20Mi -p 1h d1; mfssetquota -s 1G d2
`

/** Holds a file open and locked in two ways, until it is killed. */
const HOLDER = `
import fcntl, time, sys
locked = open(sys.argv[1] + '/d1/small', 'r+')
fcntl.flock(locked, fcntl.LOCK_SH)
other = open(sys.argv[1] + '/d1/empty', 'r+')
fcntl.lockf(other, fcntl.LOCK_EX, 10, 5)
print('held', flush=True)
time.sleep(600)
`

/** Sections with the options that belong to them. Each start of the monitor takes a second. */
const SECTIONS = [
  '-SIG -SIC -SIL -SMF -SLI -SCS -SMB -SEX -SMS -SSC -SOF -SQU -SIM -SMU',
  // The original mixes its memory up when it tells of both kinds of locks at once.
  ...['-SIC -m 1 -SAL -i 5', '-SAL -i 6'],
]

const volatileRows = [
  // Sizes of processes and times.
  /^(master info:\|(RAM used|last successful store|last save duration|last save status|master version))\|.*$/,
  /^(metadata servers:\|[^|]*\|[^|]*\|[^|]*)\|.*$/,
  /^(memory usage detailed info:\|[^|]*)\|.*$/,
]

function settled(text: string): string {
  const rows = text.split('\n').map(row => {
    const pattern = volatileRows.find(each => each.test(row))
    return pattern ? row.replace(pattern, '$1|…') : row
  })
  return (
    rows
      .join('\n')
      .replace(/^(chunk loop\|(start|end):)\|.*$/gm, '$1|T')
      // One row before the first whole minute of the clock, two rows after it.
      .replace(/^master info:\|CPU used.*\n/gm, '')
      .replace(/ space\|\d+/g, ' space|N')
      .replace(/^(chunk servers:.*\|)\d+\|\d+(\|-\|)/gm, '$1N|N$2')
      .replace(/(FLOCK|POSIX)\|\d+\|[1-9]\d*/g, '$1|OWNER|PID')
      .replace(/(FLOCK|POSIX)\|\d+\|/g, '$1|OWNER|')
  )
}

async function shown(startMaster: (cluster: Cluster) => void): Promise<Map<string, string>> {
  const cluster = new Cluster()
  try {
    startMaster(cluster)
    for (const host of [2, 3]) cluster.startRealChunkserver(host)
    await sleep(3000)
    cluster.mountReal()
    const { stderr, stdout } = cluster.shell(
      `cd ${cluster.mountPoint} && { ${SETUP.trim().replaceAll('\n', ';')}; } 2>&1`,
    )
    assert.equal(stderr, '', stdout)
    const script = join(cluster.folder, 'holder.py')
    writeFileSync(script, HOLDER)
    const holder = cluster.spawn('python3', script, cluster.mountPoint)
    await new Promise(resolve => holder.stdout?.once('data', resolve))
    await sleep(4000)
    const shown = new Map<string, string>()
    for (const section of SECTIONS) {
      const { stdout, stderr } = cluster.shell(`mfscli -n -H ${MASTER_IP} -s '|' ${section}`)
      shown.set(section, settled(stdout + stderr).replaceAll(cluster.folder, ''))
    }
    const { stdout: memory } = cluster.shell(`mfscli -n -H ${MASTER_IP} -s '|' -SMU`)
    for (const table of ['chunks', 'cs lists', 'edge hash', 'edges', 'nodes', 'symlinks', 'quota']) {
      const [, used = 0, allocated = 0] = new RegExp(`\\|?${table}\\|(\\d+)\\|(\\d+)`).exec(memory)?.map(Number) ?? []
      assert.ok(used > 0 && allocated >= used, `${table} ${memory}`)
    }
    holder.kill('SIGKILL')
    return shown
  } finally {
    await cluster.close()
  }
}

test('every section of the monitor shows the same as with the real master', { skip: whyNot() ?? false }, async () => {
  installPackages({ mfscli: 'moosefs-cli' })
  const real = await shown(cluster => cluster.startRealMaster())
  const ours = await shown(cluster => cluster.startMasterWith(join(import.meta.dirname, '../../bin/mfsmaster')))
  for (const section of SECTIONS) assert.equal(ours.get(section), real.get(section), section)
})
