// The monitor in the browser, of a cluster with our master and of one with theirs.
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster, MASTER_IP, whyNot } from './cluster.ts'
import { installPackages } from './packages.ts'

const MONITOR = join(import.meta.dirname, '../../bin/mfscgiserv')
const OUR_MASTER = join(import.meta.dirname, '../../bin/mfsmaster')
const MONITOR_URL = `http://${MASTER_IP}:9425`
const REAL_SERVER = '10.88.0.3:9422'

interface Request {
  readonly path: string
  /** Of a POST. */
  readonly form?: string
}

interface Answer {
  status: number
  location: string | null
  type: string | null
  body: Buffer
  text: string
}

/** Asks the monitor from inside the namespace, one after the other. */
function browse(cluster: Cluster, requests: readonly Request[]): Answer[] {
  const script = `
    const all = async () => {
      const answers = []
      for (const { path, form } of ${JSON.stringify(requests)}) {
        const headers = { Origin: '${MONITOR_URL}', 'Content-Type': 'application/x-www-form-urlencoded' }
        const how = form === undefined ? {} : { method: 'POST', headers, body: form }
        const answer = await fetch('${MONITOR_URL}' + path, { redirect: 'manual', ...how })
        const body = Buffer.from(await answer.arrayBuffer()).toString('base64')
        const { status, headers: got } = answer
        answers.push({ status, location: got.get('location'), type: got.get('content-type'), body })
      }
      console.log(JSON.stringify(answers))
    }
    all()`
  const answers = JSON.parse(cluster.run(process.execPath, '-e', script)) as (Answer & { body: string })[]
  return answers.map(answer => {
    const body = Buffer.from(answer.body, 'base64')
    return { ...answer, body, text: body.toString() }
  })
}

function monitor(cluster: Cluster, action: 'start' | 'stop'): void {
  const config = join(cluster.folder, 'monitor.cfg')
  writeFileSync(config, `DATA_PATH=${cluster.folder}\nWORKING_USER=root\nWORKING_GROUP=root\n`)
  cluster.run(MONITOR, '-c', config, '-H', MASTER_IP, '-M', MASTER_IP, action)
}

/** Where somebody mounts who means no good. */
const HOSTILE = '<img src=x>&"'

/** All chunks have their copies from the beginning, so that numbers stay as they are. */
const WORK = `
mkdir -p d1/sub d2; mfssetgoal -r 2 d1; mfssetgoal 1 d2
head -c 200000 /dev/zero > d1/big; printf hello > d2/small; printf x > d2/gone; rm d2/gone
mfssetquota -I 100 -L 20M d1; mfsscadmin create A,B sc_ab
`

/** Three chunks of a cluster with two chunkservers, a mount and a monitor. */
async function fill(cluster: Cluster): Promise<void> {
  cluster.startChunkserverWith(join(import.meta.dirname, '../../bin/mfschunkserver'), 2)
  cluster.startRealChunkserver(3)
  await sleep(2500)
  cluster.mountReal()
  const hostile = join(cluster.folder, HOSTILE)
  mkdirSync(hostile)
  cluster.mountWith('mfsmount', hostile)
  const work = `cd ${cluster.mountPoint} && { ${WORK.trim().replaceAll('\n', '; ')}; }`
  const { status, stderr } = cluster.shell(work)
  assert.equal(status, 0, stderr)
  monitor(cluster, 'start')
  // What was written goes out by itself within a second or two.
  await sleep(2500)
}

/** What stands on each tab, whoever the master is. */
const TABS: Record<string, RegExp[]> = {
  IN: [/3\.0\.117/, /chunks/i, /endangered/i],
  CS: [/10\.88\.0\.2/, /10\.88\.0\.3/, /CSmaintenanceon=10\.88\.0\.3%3A9422/],
  HD: [/10\.88\.0\.2:9422:[^<]*disk2/, /10\.88\.0\.3:9422:[^<]*disk3/, /<progress/],
  EX: [/0\.0\.0\.0/, /META/],
  MS: [/10\.88\.0\.1/, /\/mnt/, /\/&lt;img src=x&gt;&amp;&quot;/],
  MO: [/\/mnt/, /getattr/],
  RS: [/sc_ab/, /A , B/],
  QU: [/\/d1/],
  MC: [/chart\.cgi\?host=10\.88\.0\.1&amp;port=9421&amp;id=1000&amp;/],
  CC: [/chart\.cgi\?host=10\.88\.0\.2&amp;port=9422&amp;id=1000&amp;/],
}

function checkTabs(cluster: Cluster): void {
  const codes = Object.keys(TABS)
  const answers = browse(
    cluster,
    [...codes, 'CS|QU'].map(code => ({ path: `/mfs.cgi?sections=${code}` })),
  )
  for (const [i, code] of codes.entries()) {
    const { status, text } = answers[i] as Answer
    assert.equal(status, 200, `${code}: ${text}`)
    assert.doesNotMatch(text, /no answer/, code)
    for (const expected of TABS[code] ?? []) assert.match(text, expected, code)
    assert.ok(!text.includes('<img src=x>'), code)
  }
  assert.match(answers.at(-1)?.text ?? '', /10\.88\.0\.2.*\/d1/s)
}

function checkCharts(cluster: Cluster): void {
  const charts = [
    `host=${MASTER_IP}&port=9421&id=1000`,
    'host=10.88.0.2&port=9422&id=1003',
    'host=10.88.0.3&port=9422&id=2',
  ]
  const answers = browse(
    cluster,
    [...charts, 'host=10.88.0.4&port=9422&id=1'].map(chart => ({ path: `/chart.cgi?${chart}&width=400&height=220` })),
  )
  assert.equal(answers.pop()?.status, 403)
  for (const { status, type, body } of answers) {
    assert.deepEqual([status, type], [200, 'image/png'])
    assert.equal(body.toString('latin1', 1, 4), 'PNG')
    assert.deepEqual([body.readUInt32BE(16), body.readUInt32BE(20)], [400, 220])
  }
}

/** Samples by name with labels. @throws AssertionError for text that Prometheus would not take */
function parseMetrics(text: string): Map<string, number> {
  const samples = new Map<string, number>()
  assert.ok(text.endsWith('\n'))
  let family = ''
  const seen = new Set<string>()
  for (const [i, line] of text.slice(0, -1).split('\n').entries()) {
    const [, keyword, name = '', rest = ''] = /^# (HELP|TYPE) (mfs_[a-z0-9_]+) (.+)$/.exec(line) ?? []
    if (keyword === 'HELP') {
      assert.ok(!seen.has(name), `${name} comes twice`)
      seen.add(name)
      family = name
    } else if (keyword === 'TYPE') {
      assert.equal(name, family, `line ${i + 1}: ${line}`)
      assert.match(rest, /^(gauge|counter)$/)
      assert.equal(rest === 'counter', name.endsWith('_total'), name)
    } else {
      const sample =
        /^(mfs_[a-z0-9_]+)((?:\{(?:[a-z_]+="(?:[^"\\\n]|\\[\\n"])*",?)+\})?) (-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/
      const [, of = '', labels = '', value = ''] = sample.exec(line) ?? assert.fail(`line ${i + 1}: ${line}`)
      assert.equal(of, family, `line ${i + 1}: ${line}`)
      assert.ok(!samples.has(of + labels), line)
      samples.set(of + labels, Number(value))
    }
  }
  return samples
}

/** Rows of the original's mfscli by their title, without it. */
function cliRows(cluster: Cluster): (title: string) => string[][] {
  const { stdout } = cluster.shell(`mfscli -n -H ${MASTER_IP} -s '|' -SIG -SIC -SCS -SHD -SMS`)
  const rows = stdout.split('\n').map(row => row.split('|'))
  return title => rows.filter(([first]) => first === `${title}:`).map(row => row.slice(1))
}

/** Rows of `mfscli -SIG` that metrics say the same as. */
const INFO = {
  mfs_space_total_bytes: 'total space',
  mfs_objects: 'all fs objects',
  mfs_directories: 'directories',
  mfs_files: 'files',
  mfs_trash_files: 'trash files',
  mfs_chunks: 'chunks',
  'mfs_chunk_copies{disks="all"}': 'all chunk copies',
  'mfs_chunk_copies{disks="regular"}': 'regular chunk copies',
}
const STATES = ['missing', 'endangered', 'undergoal', 'stable', 'overgoal', 'pending deletion', 'to be removed']

function checkMetrics(cluster: Cluster): void {
  const [{ status, type, text }] = browse(cluster, [{ path: '/metrics' }]) as [Answer]
  assert.deepEqual([status, type], [200, 'text/plain; version=0.0.4; charset=utf-8'])
  const metrics = parseMetrics(text)
  const shown = cliRows(cluster)
  const same = (name: string, value: string | undefined) => assert.equal(metrics.get(name), Number(value), name)
  const numberOf = (title: string, row: string) => shown(title).find(([name]) => name === row)?.[1]
  for (const [name, row] of Object.entries(INFO)) same(name, numberOf('master info', row))
  for (const state of STATES) {
    const name = `mfs_chunks_by_state{disks="all",state="${state.replaceAll(' ', '_')}"}`
    same(name, numberOf('all chunks matrix', `chunkclass ${state}:`))
  }
  assert.equal(shown('chunk servers').length, 2)
  for (const [ip, port, id, , version, , , chunks] of shown('chunk servers')) {
    same(`mfs_chunkserver_up{server="${ip}:${port}"}`, '1')
    same(`mfs_chunkserver_info{server="${ip}:${port}",id="${id}",version="${version}",labels=""}`, '1')
    same(`mfs_chunkserver_chunks{server="${ip}:${port}",disks="regular"}`, chunks)
  }
  assert.equal(shown('disks').length, 2)
  for (const [place = '', chunks] of shown('disks')) {
    const [, server, path] = /^([\d.]+:\d+):(.*)$/.exec(place) ?? []
    same(`mfs_disk_chunks{server="${server}",path="${path}"}`, chunks)
  }
  same('mfs_mounts{state="active"}', String(shown('active mounts, parameters').length))
  // Masters sum them up once a minute.
  assert.ok((metrics.get('mfs_operations_total{operation="mkdir"}') ?? 4) <= 3)
}

/** What the monitor was told is shared for a second. */
const lookIsOld = () => sleep(1100)

const maintenance = ({ text }: Answer) => parseMetrics(text).get(`mfs_chunkserver_maintenance{server="${REAL_SERVER}"}`)

async function checkCommands(cluster: Cluster): Promise<void> {
  const [servers, metrics] = [{ path: '/mfs.cgi?sections=CS' }, { path: '/metrics' }]
  const order = (name: string) => ({ ...servers, form: `${name}=${REAL_SERVER}` })
  const [question, before, on, meanwhile, page, off, after, refused] = browse(cluster, [
    ...[{ path: `/mfs.cgi?sections=CS&CSmaintenanceon=${REAL_SERVER}` }, metrics],
    ...[order('CSmaintenanceon'), metrics, servers, order('CSmaintenanceoff'), metrics, order('CSremove')],
  ]) as [Answer, Answer, Answer, Answer, Answer, Answer, Answer, Answer]
  assert.match(question.text, /<form method="post"/)
  assert.deepEqual([before, meanwhile, after].map(maintenance), [0, 1, 0])
  for (const { status, location } of [on, off]) assert.deepEqual([status, location], [303, 'mfs.cgi?sections=CS'])
  assert.match(page.text, /CSmaintenanceoff=10\.88\.0\.3%3A9422/)
  assert.equal(refused.status, 409)
  assert.match(refused.text, /still connected/)
  cluster.stopRealChunkserver(3)
  await lookIsOld()
  const [gone, number, removed, left] = browse(cluster, [servers, metrics, order('CSremove'), servers]) as [
    ...[Answer, Answer, Answer, Answer],
  ]
  assert.match(gone.text, /CSremove=10\.88\.0\.3%3A9422/)
  assert.equal(parseMetrics(number.text).get(`mfs_chunkserver_up{server="${REAL_SERVER}"}`), 0)
  assert.equal(removed.status, 303)
  assert.doesNotMatch(left.text, /10\.88\.0\.3/)
}

/** Of mounts that are gone without a word: the master remembers them for a while. */
async function checkSessions(cluster: Cluster): Promise<void> {
  for (const pid of cluster.pids())
    if (readFileSync(`/proc/${pid}/comm`, 'utf8') === 'mfsmount\n') process.kill(Number(pid), 'SIGKILL')
  await lookIsOld()
  const mounts = { path: '/mfs.cgi?sections=MS' }
  const [before] = browse(cluster, [mounts]) as [Answer]
  const sessions = [...before.text.matchAll(/MSremove=(\d+)/g)].map(match => match[1])
  assert.equal(sessions.length, 2)
  const orders = sessions.map(session => ({ ...mounts, form: `MSremove=${session}` }))
  const after = browse(cluster, [...orders, mounts])
  assert.deepEqual(
    after.map(({ status }) => status),
    [303, 303, 200],
  )
  assert.doesNotMatch(after.at(-1)?.text ?? '', /MSremove|\/mnt/)
}

/** Without one, and with the same one again. */
async function checkLostMaster(cluster: Cluster): Promise<void> {
  const config = join(cluster.folder, 'master.cfg')
  cluster.run(OUR_MASTER, '-c', config, 'stop')
  await lookIsOld()
  const [page, metrics] = browse(cluster, [{ path: '/mfs.cgi' }, { path: '/metrics' }]) as [Answer, Answer]
  assert.equal(page.status, 503)
  assert.match(page.text, /Tried 10\.88\.0\.1:9421.*nobody listens there/s)
  assert.match(metrics.text, /^mfs_up 0$/m)
  cluster.run(OUR_MASTER, '-c', config, 'start')
  await lookIsOld()
  assert.equal(browse(cluster, [{ path: '/mfs.cgi' }])[0]?.status, 200)
}

async function withCluster(startMaster: (cluster: Cluster) => void, check: (cluster: Cluster) => Promise<void>) {
  installPackages({ mfscli: 'moosefs-cli' })
  const cluster = new Cluster()
  try {
    startMaster(cluster)
    await fill(cluster)
    await check(cluster)
    monitor(cluster, 'stop')
  } finally {
    await cluster.close()
  }
}

describe('the monitor in the browser', { skip: whyNot() ?? false, concurrency: true }, () => {
  test('shows a cluster with our master, gives its numbers and takes commands', () =>
    withCluster(
      cluster => cluster.startMasterWith(OUR_MASTER),
      async cluster => {
        checkTabs(cluster)
        checkCharts(cluster)
        checkMetrics(cluster)
        await checkCommands(cluster)
        await checkSessions(cluster)
        await checkLostMaster(cluster)
      },
    ))

  test('shows the same of a cluster with the real master', () =>
    withCluster(
      cluster => cluster.startRealMaster(),
      async cluster => {
        checkTabs(cluster)
        checkCharts(cluster)
        checkMetrics(cluster)
        await checkCommands(cluster)
      },
    ))
})
