// Our mfscli and the original's say the same, to the byte, of the same cluster, and end with the same code.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { runMonitor } from '../../src/cli/monitor/run.ts'
import { Cluster, MASTER_IP, whyNot } from './cluster.ts'
import { installPackages } from './packages.ts'
import { MASTER_HOST, StandIns } from './stand-in-daemons.ts'

const BIN = join(import.meta.dirname, '../../bin')
const OURS = join(BIN, 'mfscli')
const THEIRS = 'mfscli'

function finished(process: ChildProcess): Promise<Said> {
  let stdout = ''
  process.stdout?.setEncoding('utf8').on('data', text => {
    stdout += text
  })
  return new Promise(resolve => process.on('close', code => resolve({ stdout, code: code ?? -1 })))
}

interface Said {
  stdout: string
  code: number
}
type Run = (program: string, args: readonly string[]) => Promise<Said>

/** Of daemons in use something may change while the two ask. */
const ATTEMPTS = 4

async function assertSame(run: Run, line: string, settled = (text: string) => text): Promise<void> {
  const args = ['-n', '-s', '|', ...line.split(' ')]
  for (let attempt = 1; ; attempt++) {
    const said = await Promise.all([run(THEIRS, args), run(OURS, args)])
    const [theirs, ours] = said.map(({ stdout, code }) => `${settled(stdout)}exit code ${code}\n`)
    assert.doesNotMatch(theirs as string, /Traceback/, line)
    if (ours === theirs) return
    if (attempt === ATTEMPTS) assert.equal(ours, theirs, line)
  }
}

const SETUP = `
mkdir -p d1/sub d2 d3; printf hello > d1/small; : > d1/empty; head -c 200000 /dev/zero > d1/sub/medium; ln d1/small d1/hard
mkdir -p gone; printf x > gone/trash; rm gone/trash; printf x > "d1/$(printf 'odd \\344 name')"
mfsscadmin create -m strict A,B sc_ab; mfsscadmin create -m loose A+B,2* sc_c
mfsscadmin create -a 1 -C '[A+B]C,D' -K AB+C,* -A AB,2C -d 7 sc_arch
mfssetsclass sc_c d2 d1/empty; mfssetgoal 1 d1/sub/medium; mfssetgoal 2 d1/small; mfssetgoal 3 d2
mfssetquota -i 100 -I 120 -l 10M -L 20Mi -p 1h d1; mfssetquota -s 1G d2; mfssetquota -i 1 d3; touch d3/a d3/b
`

/** Holds files open and locked in two ways, until it is killed. */
const HOLDER = `
import fcntl, time, sys
locked = open(sys.argv[1] + '/d1/small', 'r+')
fcntl.flock(locked, fcntl.LOCK_SH)
other = open(sys.argv[1] + '/d1/empty', 'r+')
fcntl.lockf(other, fcntl.LOCK_EX, 10, 5)
fcntl.lockf(other, fcntl.LOCK_SH, 0, 50)
print('held', flush=True)
time.sleep(600)
`

const EXPORTS = `* / rw,alldirs,admin,maproot=0:0
* . rw
1.2.3.4-1.2.3.9 /bar ro,ignoregid,mingoal=2,maxgoal=5,mintrashtime=1h,maxtrashtime=2w
10.1.0.0/16 /foo rw,dynamicip,maproot=5:6,mapall=100:200,password=x,minversion=2.5.1,umask=022,disable=chown
`

const CHARTS = 'ucpu,+scpu,cpu,mem,+usedspace,create,prcvd'
const SERVER_CHARTS = ['ucpu', '+mem', 'load', 'rtime', 'hdrbytesr', '9422:+masterin'].map(name => `10.88.0.2:${name}`)

const QUESTIONS = [
  '-SIN -SCS -SMB -SHD -SEX -SMS -SMO -m 1 -SSC -SOF -SQU -SMC -SCC',
  '-SIC -m 1 -SHD -m 3 -o 2 -r -SCS -o 5 -r -SQU -o 4 -SSC -o 4 -r -SEX -o 3 -SOF -i 1 -SAL -i 5',
  // The original's master mixes its memory up when it tells of both kinds of locks at once.
  `-SAL -i 6 -SMC -m 2 -b ${CHARTS} -a 3 -SCC -c 2 -d ${SERVER_CHARTS.join(',')}`,
  '-C RS/1 -C RS/99 -C RC/10.88.0.2/9422 -C RC/1.2.3.4/5 -C BW/10.88.0.2/9422 -C BW/1.2.3.4/5 -SMB',
  '-C M1/10.88.0.3/9422 -SCS',
  '-C M0/10.88.0.3/9422 -SCS',
]

/** Sizes of processes, times, and what is free on the disk of this machine change all the time. */
const settled = (text: string) =>
  text
    .replace(/^(metadata servers:\|[^|]*\|[^|]*\|[^|]*)\|[^|]*(\|[^|]*\|[^|]*)\|[^|]*\|[^|]*/gm, '$1|T$2|RAM|CPU')
    .replace(/^(master info:\|(?:RAM used|CPU used.*|\w+ space)\|).*$/gm, '$1N')
    .replace(/^(chunk servers:(?:\|[^|]*){8})\|\d+/gm, '$1|N')
    .replace(/^(disks:.*)\|\d+\|(\d+)$/gm, '$1|N|$2')
    // A point that is not known, which the original takes for a number when it is of a chunkserver.
    .replace(
      /\|(?:30744573456182\.59%|18446744073709551615(?: threads)?|30744573456\.18%|293203100740\.267MB\/s)/g,
      '|-',
    )
    .replace(/^(active quotas:\|[^|]*\|[^|]*\|[^|]*)\|\d+/gm, '$1|N')

async function withCluster(startMaster: (cluster: Cluster) => void): Promise<void> {
  const cluster = new Cluster()
  const run: Run = (program, args) => finished(cluster.spawn(program, '-H', MASTER_IP, ...args))
  try {
    cluster.exports = EXPORTS
    startMaster(cluster)
    cluster.chunkserverLines.set(2, ['LABELS=A,C'])
    for (const host of [2, 3]) cluster.startRealChunkserver(host)
    cluster.startChunkserverWith(join(BIN, 'mfschunkserver'), 4)
    await sleep(3000)
    cluster.mountReal()
    const { stderr } = cluster.shell(`cd ${cluster.mountPoint} && { ${SETUP.trim().replaceAll('\n', ';')}; } 2>&1`)
    assert.equal(stderr, '')
    const script = join(cluster.folder, 'holder.py')
    writeFileSync(script, HOLDER)
    const holder = cluster.spawn('python3', script, cluster.mountPoint)
    await new Promise(resolve => holder.stdout?.once('data', resolve))
    await sleep(3000)
    for (const question of QUESTIONS) await assertSame(run, question, settled)
    cluster.stopRealChunkserver(3)
    await sleep(1000)
    await assertSame(run, '-SLI -SCS -o 3 -SMB', settled)
    holder.kill('SIGKILL')
  } finally {
    await cluster.close()
  }
}

const onThisMachine: Run = (program, args) => finished(spawn(program, args))

/** Ours without a process of its own: for many questions. */
async function inThisProcess(args: readonly string[]): Promise<Said> {
  let stdout = ''
  const print = (text: string) => {
    stdout += text
  }
  const code = await runMonitor(args, { print, complain: () => {}, columns: undefined, isUtf8: true })
  return { stdout, code }
}

/** Columns by which the original can sort, by section; by others it dies when one of the rows has a dash there. */
const SORTABLE: Readonly<Record<string, readonly number[]>> = {
  MF: [1, 2, 3, 4, 5],
  CS: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
  MB: [1, 2],
  HD: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
  EX: [1, 2, 3, 4, 6, 7, 8, 20],
  MS: [1, 2, 3, 4, 5, 6, 7, 8, 9, 20, 21],
  MO: [1, 2, 3, 10, 18, 19],
  SC: [1, 2, 3, 4, 5, 6, 7, 8, 12, 13, 14, 16, 17, 19, 20, 22],
  OF: [1, 3, 4, 5, 6],
  AL: [1, 2, 4, 5, 6, 7, 8, 9, 10, 11],
  QU: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 17, 20, 22],
}

/** Every section by a column each, every other time reversed: as often as the section with the most columns wants. */
function sortedQuestions(first: number, step: number): string[] {
  const most = Math.max(...Object.values(SORTABLE).map(({ length }) => length))
  return Array.from({ length: Math.floor((most - first - 1) / step) + 1 }, (_, i) => {
    const sections = Object.entries(SORTABLE).flatMap(([code, columns], j) => {
      const column = columns[first + step * i]
      return column === undefined ? [] : [`-S${code} -o ${column}${(i + j) % 2 ? ' -r' : ''}`]
    })
    return sections.join(' ')
  })
}

describe('mfscli', { skip: whyNot() ?? false, concurrency: true }, () => {
  before(() => {
    installPackages({ mfscli: 'moosefs-cli' })
    // Some of its ends throw away what it has written to a pipe so far.
    process.env.PYTHONUNBUFFERED = '1'
  })

  test('says the same of a cluster with the real master', () => withCluster(cluster => cluster.startRealMaster()))

  test('says the same of a cluster with our master', () =>
    withCluster(cluster => cluster.startMasterWith(join(BIN, 'mfsmaster'))))

  test('says the same of numbers that no small cluster shows, in every order', async () => {
    for (const seed of [1, 2]) {
      const stand = await StandIns.start(seed)
      const run: Run = (program, args) => {
        const all = ['-H', MASTER_HOST, '-P', String(stand.port), ...args]
        return program === OURS ? inThisProcess(all) : onThisMachine(program, all)
      }
      try {
        const views = ['-SIN -SCSMBHDEXMSMOSCOFALQU', '-SIN -m 1 -SHD -m 1 -SMO -m 1', '-SHD -m 4 -SAL -i 5 -SOF -i 3']
        const charts = `-SMC -a 40 -m ${seed} -b ${CHARTS}`
        const commands = [0, 1, 2, 3, 4].map(i => `-C RC/1.2.3.4/${i} -C BW/1.2.3.4/${i} -C M1/1.2.3.4/${i} -C RS/${i}`)
        const questions = [...views, charts, commands[seed] as string, ...sortedQuestions(seed - 1, 2)]
        for (const question of questions) await assertSame(run, question)
      } finally {
        stand.close()
      }
    }
  })

  test('says the same of masters that stand by', async () => {
    for (const seed of [1, 2, 3]) {
      const stand = await StandIns.start(seed)
      try {
        const others = (await stand.standBy(seed)).join(',')
        const say = (masters: string, question: string) =>
          assertSame(
            (program, args) => onThisMachine(program, ['-H', masters, '-P', String(stand.port), ...args]),
            question,
          )
        for (const question of ['-SIM -SIG', '-SIM -o 5', '-SIM -o 4 -r -SCS'])
          await say(`${others},${MASTER_HOST}`, question)
      } finally {
        stand.close()
      }
    }
  })

  test('says the same when nobody leads, no name is known, or nothing is asked that there is', async () => {
    // Nobody listens there.
    for (const question of ['-SIN -SCS -SMB -SQU -SOF -C RS/5', '-SIG', '-C RS/5']) {
      await assertSame(onThisMachine, `-H 127.0.0.1,127.0.0.2 -P 1 ${question}`)
    }
    await assertSame(onThisMachine, '-H nowhere.invalid -SIN')
    for (const line of ['-SMC -b nothing', '-SCC -d ucpu', '-SXX', '-v']) await assertSame(onThisMachine, line)
  })

  test('a chunkserver that is gone costs its own lines only, and is told', async () => {
    const stand = await StandIns.start(3)
    const run = (line: string) =>
      onThisMachine(OURS, ['-H', MASTER_HOST, '-P', String(stand.port), '-n', ...line.split(' ')])
    try {
      const whole = (await run('-SHD')).stdout.trimEnd().split('\n')
      const lost = stand.closeConnectedChunkserver()
      const { stdout, code } = await run('-SHD -SMB')
      const disks = stdout.split('\n').filter(row => row.startsWith('disks:'))
      const rest = whole.filter(row => !row.includes(`\t${lost}:`))
      assert.ok(rest.length > 0 && rest.length < whole.length)
      assert.deepEqual(disks, rest)
      assert.match(stdout, /^metadata backup loggers:/m)
      assert.equal(code, 1)
    } finally {
      stand.close()
    }
  })

  test('wrong values end with 1, unknown options with the help and 0', async () => {
    for (const line of ['-SMB -o x', '-P x -SMB', '-SMC -b ucpu -a y']) {
      assert.deepEqual(await onThisMachine(OURS, line.split(' ')), { stdout: '', code: 1 }, line)
    }
    const { stdout, code } = await onThisMachine(OURS, ['-q'])
    assert.match(stdout, /^usage: mfscli/m)
    assert.equal(code, 0)
  })
})
