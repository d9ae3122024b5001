// Charts of our master and chunkserver and of theirs: the same is counted, asked for in the same way, and kept in the same file.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { chunkserverCharts } from '../../src/chunkserver/statistics.ts'
import { Cluster, MASTER_IP, whyNot } from './cluster.ts'
import { installPackages } from './packages.ts'

const OURS = join(import.meta.dirname, '../../bin/mfsmaster')

const WORK = `
for i in 1 2 3 4 5 6 7 8 9 10; do mkdir d$i; echo text > d$i/file; done
rm -r d1 d2; ln d3/file d3/hard; mv d3/hard d4/moved; ln -s d4 link; readlink link; mkfifo fifo; rm fifo
truncate -s 1 d5/file; chmod 600 d6/file; cat d7/file d8/file; rmdir missing; ls d9
`

/** What that is in numbers, whoever counts. */
const COUNTED = [
  ...['mkdir', 'rmdir', 'symlink', 'readlink', 'mknod', 'unlink', 'rename', 'link', 'write'],
  ...['setattr', 'create', 'create_ok', 'create_err', 'change', 'change_ok', 'change_err', 'replicate'],
]
/** What is never nothing. */
const LEVELS = ['memoryrss', 'memoryvirt', 'totalspace', 'ucpu', 'prcvd', 'psent', 'brcvd', 'bsent']

/** More than the whole test takes on the busiest machine, so that no minute of the work is left out. */
const MINUTES = 30

/** Raw numbers of the newest minutes; those of minutes without numbers are 0. */
function chartRows(cluster: Cluster): Record<string, number>[] {
  const columns = [...COUNTED, ...LEVELS]
  const asked = columns.map(name => `+${name}`).join(',')
  const { stdout, stderr } = cluster.shell(`mfscli -n -H ${MASTER_IP} -s '|' -SMC -a ${MINUTES} -b ${asked}`)
  const rows = stdout.split('\n').filter(row => row.startsWith('Master chart data:'))
  assert.equal(rows.length, MINUTES, stdout + stderr)
  return rows.map(row => {
    const values = row.split('|').slice(2)
    return Object.fromEntries(columns.map((name, i) => [name, Number.parseFloat(values[i] ?? '') || 0]))
  })
}

/** The numbers of the last minutes together. */
function summed(rows: Record<string, number>[]): Record<string, number> {
  const names = [...COUNTED, ...LEVELS]
  return Object.fromEntries(names.map(name => [name, rows.reduce((sum, row) => sum + (row[name] ?? 0), 0)]))
}

const counted = (sums: Record<string, number>) => COUNTED.map(name => [name, sums[name]])

const untilNextMinute = () => sleep(60_000 - (Date.now() % 60_000) + 1500)

interface Png {
  isPng: boolean
  width: number
  height: number
}

/** Asks for charts as a monitor does. */
function images(cluster: Cluster, questions: number[][]): Png[] {
  const script = `
    const net = require('node:net')
    const ask = ([id, ...size]) => new Promise((resolve, reject) => {
      const payload = Buffer.alloc(4 + 2 * size.length)
      payload.writeUInt32BE(id)
      size.forEach((each, i) => payload.writeUInt16BE(each, 4 + 2 * i))
      const head = Buffer.alloc(8)
      head.writeUInt32BE(504)
      head.writeUInt32BE(payload.length, 4)
      const socket = net.connect(9421, '${MASTER_IP}', () => socket.write(Buffer.concat([head, payload])))
      let got = Buffer.alloc(0)
      socket.on('error', reject).on('data', data => {
        got = Buffer.concat([got, data])
        if (got.length < 8 || got.length < 8 + got.readUInt32BE(4)) return
        socket.destroy()
        resolve({ isPng: got.toString('latin1', 9, 12) === 'PNG', width: got.readUInt32BE(24), height: got.readUInt32BE(28) })
      })
    })
    const all = async () => { const out = []; for (const each of ${JSON.stringify(questions)}) out.push(await ask(each)); return out }
    all().then(out => console.log(JSON.stringify(out)))`
  return JSON.parse(cluster.run(process.execPath, '-e', script)) as Png[]
}

/** Sizes as wished, too small, too large, between two steps, and left open; ids of every form, and two of nothing. */
const QUESTIONS = [
  ...[[0], [1, 0, 0], [72, 300, 165], [83, 10, 10], [1000, 5000, 2000], [1031, 640, 220]],
  ...[[0x55435055], [0x75637075], [0x7263766d], [5], [9990]],
]

async function work(cluster: Cluster): Promise<Record<string, number>> {
  for (const host of [2, 3]) cluster.startRealChunkserver(host)
  await sleep(3000)
  cluster.mountReal()
  const { status, stderr } = cluster.shell(
    `cd ${cluster.mountPoint} && { ${WORK.trim().replaceAll('\n', '; ')}; true; }`,
  )
  assert.equal(status, 0, stderr)
  // What was written goes out by itself within a second or two.
  await sleep(4000)
  await untilNextMinute()
  return summed(chartRows(cluster))
}

async function masters(): Promise<void> {
  installPackages({ mfscli: 'moosefs-cli', mfsstatsdump: 'moosefs-master' })
  const [real, ours] = [new Cluster(), new Cluster()]
  try {
    real.startRealMaster()
    ours.startMasterWith(OURS)
    const [theirs, mine] = await Promise.all([work(real), work(ours)])
    assert.deepEqual(counted(mine), counted(theirs))
    assert.equal(mine.mkdir, 10)
    for (const name of LEVELS) assert.ok((mine[name] ?? 0) > 0, name)
    assert.deepEqual(images(ours, QUESTIONS), images(real, QUESTIONS))
    ours.run(OURS, '-c', join(ours.folder, 'master.cfg'), 'stop')
    const dumped = ours.run('mfsstatsdump', '-i', join(ours.masterFolder, 'stats.mfs'), '-f', 'mkdir')
    assert.equal(sumOfColumn(dumped), mine.mkdir)
    ours.startRealMaster()
    assert.deepEqual(counted(summed(chartRows(ours))), counted(mine), 'their master goes on with our history')
    real.stopRealMaster()
    real.startMasterWith(OURS)
    assert.deepEqual(counted(summed(chartRows(real))), counted(theirs), 'our master goes on with their history')
  } finally {
    await ours.close()
    await real.close()
  }
}

function sumOfColumn(dump: string): number {
  const values = dump.split('\n').map(line => Number.parseFloat(line.split('\t')[1] ?? ''))
  return values.filter(value => !Number.isNaN(value)).reduce((sum, value) => sum + value, 0)
}

const OUR_CHUNKSERVER = join(import.meta.dirname, '../../bin/mfschunkserver')
const SERVERS = [2, 3]

/** What chunkservers count alike to the last byte; the rest depends on what they keep in memory, and on time. */
const COUNTED_BY_SERVERS = [
  ...['databytesw', 'datallopw', 'hlopr', 'hlopw', 'repl', 'create', 'delete', 'version', 'duplicate', 'truncate'],
  ...['duptrunc', 'test', 'change', 'csrepin', 'csrepout', 'movels', 'movehs'],
]
const POSITIVE_OF_SERVERS = [
  ...['ucpu', 'masterin', 'masterout', 'hdrbytesr', 'hdrbytesw', 'hdrllopr', 'hdrllopw', 'databytesr', 'datallopr'],
  ...['rtime', 'wtime', 'load', 'memoryrss', 'memoryvirt'],
]
/** Bytes of the connections with clients may differ by those that only say that nothing happens. */
const ABOUT_EQUAL = ['csservin', 'csservout']
const IDLE_BYTES = 4000

interface Charted {
  counted: Record<string, number>[]
  pictures: (number | boolean)[][]
}

/** Has two chunkservers work, or only asks them. @param master none: `-` */
async function charted(cluster: Cluster, master: string): Promise<Charted> {
  const script = join(import.meta.dirname, 'chart-worker.ts')
  const addresses = SERVERS.map(host => `10.88.0.${host}`)
  const child = cluster.spawn(process.execPath, script, master, ...addresses, JSON.stringify(SERVER_QUESTIONS))
  let [output, errors] = ['', '']
  child.stdout?.on('data', text => {
    output += text
  })
  child.stderr?.on('data', text => {
    errors += text
  })
  await new Promise(resolve => child.once('close', resolve))
  assert.equal(errors, '')
  const { counted: rows, pictures } = JSON.parse(output) as { counted: number[][]; pictures: Charted['pictures'] }
  const names = chunkserverCharts.series.map(({ name }) => name)
  return { counted: rows.map(row => Object.fromEntries(names.map((name, i) => [name, row[i] ?? 0]))), pictures }
}

const SERVER_QUESTIONS = [
  ...[[0], [1, 0, 0], [332, 300, 165], [1083, 10, 10], [1000, 5000, 2000], [1031, 640, 220]],
  ...[[0x55435055], [0x75637075], [0x7263766d], [5], [340], [1090], [9990]],
]

const alike = ({ counted: rows }: Charted) => rows.map(row => COUNTED_BY_SERVERS.map(name => [name, row[name]]))

function startServers(cluster: Cluster, program: string): void {
  for (const host of SERVERS) {
    cluster.chunkserverLines.set(host, ['HDD_TEST_SPEED=0'])
    cluster.startChunkserverWith(program, host)
  }
}

function stopServers(cluster: Cluster, program: string): void {
  for (const host of SERVERS) cluster.run(program, '-c', join(cluster.folder, `chunkserver${host}.cfg`), 'stop')
}

async function chunkservers(): Promise<void> {
  installPackages({ mfscsstatsdump: 'moosefs-chunkserver' })
  const [real, ours] = [new Cluster(), new Cluster()]
  try {
    const begun = [charted(real, MASTER_IP), charted(ours, MASTER_IP)] as const
    startServers(real, 'mfschunkserver')
    startServers(ours, OUR_CHUNKSERVER)
    const [theirs, mine] = await Promise.all(begun)
    assert.deepEqual(alike(mine), alike(theirs))
    for (const name of POSITIVE_OF_SERVERS) assert.ok((mine.counted[0]?.[name] ?? 0) > 0, name)
    for (const name of ABOUT_EQUAL) {
      const [here, there] = [mine, theirs].map(({ counted: [row] }) => row?.[name] ?? 0) as [number, number]
      assert.ok(Math.abs(here - there) < IDLE_BYTES, `${name}: ${here} ${there}`)
    }
    assert.deepEqual(mine.pictures, theirs.pictures)
    stopServers(real, 'mfschunkserver')
    stopServers(ours, OUR_CHUNKSERVER)
    const dumped = ours.run('mfscsstatsdump', '-i', join(ours.folder, 'cs2/csstats.mfs'), '-f', 'create')
    assert.equal(sumOfColumn(dumped), mine.counted[0]?.create)
    startServers(real, OUR_CHUNKSERVER)
    startServers(ours, 'mfschunkserver')
    await sleep(1000)
    assert.deepEqual(alike(await charted(ours, '-')), alike(mine), 'their chunkserver goes on with our history')
    assert.deepEqual(alike(await charted(real, '-')), alike(theirs), 'our chunkserver goes on with their history')
  } finally {
    await ours.close()
    await real.close()
  }
}

// Both wait for the clock's next minute most of the time.
describe('charts', { skip: whyNot() ?? false, concurrency: true }, () => {
  test('charts count what theirs count, and history goes from one to the other', masters)
  test('chunkservers count what theirs count, and history goes from one to the other', chunkservers)
})
