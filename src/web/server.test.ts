// The monitor's door, with a master that says little.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { after, before, beforeEach, test } from 'node:test'
import * as charts from '../protocol/charts.ts'
import * as cltoma from '../protocol/cltoma.ts'
import { VERSION } from '../protocol/constants.ts'
import { FrameReader } from '../protocol/frame.ts'
import * as matocl from '../protocol/matocl.ts'
import * as monitors from '../protocol/monitors.ts'
import { Status } from '../protocol/status.ts'
import { parseIpv4 } from '../util/ipv4.ts'
import { type WebOptions, WebServer } from './server.ts'

const PNG = Buffer.from('89504e470d0a1a0a00', 'hex')

const infoNumbers = {
  ...{ version: VERSION, memory: 1, systemCpu: 0, userCpu: 0, total: 1000, available: 500, free: 500 },
  ...{ trashSpace: 0, trashNodes: 0, sustainedSpace: 0, sustainedNodes: 0, nodes: 3, folders: 2, files: 1, chunks: 1 },
  ...{ copies: 1, regularCopies: 1, lastStore: 0, lastDuration: 0, lastStatus: 0, state: 255, nextState: 255 },
  ...{ stable: 255, sync: 255, leaderIp: 0, stateChange: 0, metaVersion: 7, exportsChecksum: 1n, microseconds: 1e6 },
  lastChangelog: 0,
}
/** A chunkserver that is connected, at an address where nobody listens. */
const server = {
  ...{ flags: 0, versionHigh: 3, versionLow: 234, ip: parseIpv4('127.0.0.9') as number, port: 9422, serverId: 1 },
  ...{ used: 1, total: 2, chunks: 1, removalUsed: 0, removalTotal: 0, removalChunks: 0, errors: 0, load: 0, grace: 0 },
  ...{ labels: 0, removalStatus: 0 },
}

/** Answers what it is asked, and remembers commands. */
class StandInMaster {
  readonly commands: unknown[] = []
  isSilent = false
  timesAsked = 0
  answers: number = Status.OK
  readonly #server: Server = createServer(socket => this.#serve(socket))
  readonly #sockets = new Set<Socket>()

  async start(): Promise<number> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return (this.#server.address() as AddressInfo).port
  }

  stop(): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket)
    const reader = new FrameReader(1000, (type, payload) => {
      this.timesAsked++
      const answer = this.isSilent ? undefined : this.#answer(type, payload)
      if (answer) socket.write(answer)
    })
    socket.on('data', (bytes: Buffer) => reader.push(bytes)).on('error', () => {})
  }

  #answer(type: number, payload: Buffer): Buffer | undefined {
    switch (type) {
      case cltoma.info.code:
        return matocl.info.encode(infoNumbers)
      case cltoma.cservList.code:
        return matocl.cservList.encode({ servers: [server] })
      case charts.chart.code:
        return charts.chartImage.encode({ image: PNG })
      case cltoma.csservCommand.code:
        this.commands.push(cltoma.csservCommand.decode(payload))
        return matocl.csservCommand.encode({ status: this.answers })
      case monitors.sessionCommand.code:
        this.commands.push(monitors.sessionCommand.decode(payload))
        return monitors.sessionCommandDone.encode({ status: this.answers })
    }
    return undefined
  }
}

const master = new StandInMaster()
let masterPort = 0
let web: WebServer
let port = 0
const options = (more: Partial<WebOptions> = {}): WebOptions => ({
  ...{ masterHost: '127.0.0.1', masterPort, allowsCommands: true, logsRequests: false },
  ...more,
})

before(async () => {
  masterPort = await master.start()
  web = new WebServer(options(), message => assert.fail(message))
  port = await web.listen('127.0.0.1', 0)
})
after(async () => {
  master.stop()
  await web.stop()
})
beforeEach(() => {
  master.commands.length = 0
  master.answers = Status.OK
  web.reconfigure(options())
})

interface Answer {
  status: number
  headers: IncomingHttpHeaders
  body: Buffer
  text: string
}

async function ask(path: string, how: { method?: string; headers?: Record<string, string>; body?: string } = {}) {
  const { method = 'GET', headers = {}, body } = how
  const request = httpRequest({ host: '127.0.0.1', port, path, method, headers, agent: false })
  request.end(body)
  const [response] = await once(request, 'response')
  const pieces: Buffer[] = []
  for await (const piece of response) pieces.push(piece)
  const all = Buffer.concat(pieces)
  return { status: response.statusCode, headers: response.headers, body: all, text: all.toString() } as Answer
}

const ORIGIN = () => ({ Origin: `http://127.0.0.1:${port}` })
const FORM = { 'Content-Type': 'application/x-www-form-urlencoded' }
const order = (body: string, headers: Record<string, string> = { ...ORIGIN(), ...FORM }, query = '?sections=CS') =>
  ask(`/mfs.cgi${query}`, { method: 'POST', headers, body })

test('the first page is that of the original, with what the URL chose', async () => {
  for (const path of ['/?sections=MC', '/index.html?sections=MC']) {
    const { status, headers } = await ask(path)
    assert.deepEqual([status, headers.location], [302, 'mfs.cgi?sections=MC'])
  }
  const { status, text } = await ask('/mfs.cgi?sections=MC')
  assert.equal(status, 200)
  assert.ok(
    text.includes(`src="chart.cgi?host=127.0.0.1&amp;port=${masterPort}&amp;id=1000&amp;width=1000&amp;height=120"`),
  )
})

test('nothing of a page can come from elsewhere, be put into a frame, or be kept', async () => {
  for (const path of ['/mfs.cgi?sections=MC', '/nothing', '/metrics']) {
    const { headers } = await ask(path)
    assert.match(
      String(headers['content-security-policy']),
      /^default-src 'none'; style-src 'self'; script-src 'self';/,
    )
    assert.match(String(headers['content-security-policy']), /frame-ancestors 'none'/)
    assert.equal(headers['x-content-type-options'], 'nosniff')
    assert.equal(headers['cache-control'], 'no-store')
  }
  const { text } = await ask('/mfs.cgi?sections=MC')
  assert.doesNotMatch(text, /(?:src|href|srcset)="(?:https?:)?\/\//)
  assert.doesNotMatch(text, /style=|<script>|\son\w+=/)
})

test('style and script are known by their contents and kept for good', async () => {
  const { text } = await ask('/mfs.cgi?sections=MC')
  const urls = [...text.matchAll(/"(assets\/[^"]+)"/g)].map(match => match[1])
  assert.equal(urls.length, 3)
  for (const url of urls) {
    const { status, headers, body } = await ask(`/${url}`)
    assert.equal(status, 200)
    assert.match(String(headers['cache-control']), /immutable/)
    assert.ok(body.length > 100)
  }
  for (const path of ['/assets/assets.ts', '/assets/..%2fserver.ts', '/assets/constructor', '/../package.json']) {
    assert.equal((await ask(path)).status, 404, path)
  }
})

test('a GET with a command asks whether it is meant, and does nothing', async () => {
  const { status, text } = await ask('/mfs.cgi?sections=CS&CSmaintenanceon=127.0.0.9:9422')
  assert.equal(status, 200)
  assert.ok(text.includes('<form method="post" action="mfs.cgi?sections=CS">'))
  assert.ok(text.includes('<input type="hidden" name="CSmaintenanceon" value="127.0.0.9:9422">'))
  assert.deepEqual(master.commands, [])
})

test('a POST from a page of ours is done, and leads back to the page', async () => {
  const { status, headers } = await order('CSmaintenanceon=127.0.0.9%3A9422')
  assert.deepEqual([status, headers.location], [303, 'mfs.cgi?sections=CS'])
  await order('MSremove=17')
  assert.deepEqual(master.commands, [
    { command: cltoma.ServerCommand.MAINTENANCE_ON, ip: server.ip, port: 9422 },
    { command: monitors.SessionCommand.REMOVE, sessionId: 17 },
  ])
})

test('a POST from anywhere else is not', async () => {
  const body = 'CSremove=127.0.0.9%3A9422'
  const foreign: Record<string, string>[] = [
    {},
    { Origin: 'null' },
    { Origin: 'http://evil.example' },
    { Origin: `http://127.0.0.1:${port + 1}` },
    { Origin: `http://127.0.0.1:${port}.evil.example` },
    { ...ORIGIN(), 'Sec-Fetch-Site': 'same-site' },
    { Referer: `http://127.0.0.1:${port}/mfs.cgi` },
  ]
  for (const headers of foreign) {
    const { status, text } = await order(body, { ...headers, ...FORM })
    assert.equal(status, 403, JSON.stringify(headers))
    assert.match(text, /must come from a page of this monitor/)
  }
  assert.equal((await order(body, { ...ORIGIN(), 'Content-Type': 'text/plain' })).status, 415)
  assert.equal((await order('CSexplode=1')).status, 400)
  for (const wrong of ['CSremove=', 'CSremove=1.2.3.4', 'CSremove=1.2.3.400:1', 'CSremove=1.2.3.4:70000', 'MSremove=x'])
    assert.equal((await order(wrong)).status, 400, wrong)
  assert.equal((await order(body, undefined, '?masterhost=10.0.0.1')).status, 403)
  assert.deepEqual(master.commands, [])
})

test('what a master refuses is said, with what to do', async () => {
  const answers: [number, RegExp][] = [
    [Status.EPERM, /MONITOR_COMMANDS_FROM/],
    [Status.ACTIVE, /still connected/],
    [Status.NOTFOUND, /knows none/],
    [Status.EINVAL, /EINVAL/],
  ]
  for (const [status, said] of answers) {
    master.answers = status
    const answer = await order('CSremove=127.0.0.9:9422')
    assert.equal(answer.status, 409)
    assert.match(answer.text, said)
  }
})

test('a monitor may be one that only shows', async () => {
  web.reconfigure(options({ allowsCommands: false }))
  assert.equal((await order('CSremove=127.0.0.9:9422')).status, 403)
  assert.equal((await ask('/mfs.cgi?CSremove=127.0.0.9:9422')).status, 403)
  assert.deepEqual(master.commands, [])
})

test('other methods, other pages and other clusters are refused', async () => {
  for (const method of ['PUT', 'DELETE', 'OPTIONS', 'TRACE'])
    assert.equal((await ask('/mfs.cgi', { method })).status, 405)
  assert.equal((await ask('/metrics', { method: 'POST' })).status, 405)
  const head = await ask('/mfs.cgi?sections=MC', { method: 'HEAD' })
  assert.deepEqual([head.status, head.body.length], [200, 0])
  assert.equal((await ask('/cgi-bin/x')).status, 404)
  assert.equal((await ask('/mfs.cgi?sections=MC&masterhost=127.0.0.1')).status, 200)
  for (const query of ['masterhost=127.0.0.2', 'masterhost=example.org', 'masterport=22', 'masterhost='])
    assert.equal((await ask(`/mfs.cgi?sections=MC&${query}`)).status, 403, query)
})

test('a chart comes from a daemon of the cluster, and from nobody else', async () => {
  const { status, headers, body } = await ask(`/chart.cgi?host=127.0.0.1&port=${masterPort}&id=1000`)
  assert.deepEqual([status, headers['content-type'], body], [200, 'image/png', PNG])
  let isAsked = false
  const other = createServer(() => {
    isAsked = true
  }).listen(0, '127.0.0.1')
  await once(other, 'listening')
  const { port: otherPort } = other.address() as AddressInfo
  for (const where of [
    `host=127.0.0.1&port=${otherPort}`,
    `host=127.0.0.9&port=9423`,
    `host=localhost&port=${masterPort}`,
    '',
  ])
    assert.equal((await ask(`/chart.cgi?${where}&id=1`)).status, 403, where)
  assert.ok(!isAsked)
  other.close()
  assert.equal((await ask('/chart.cgi?host=127.0.0.9&port=9422&id=1')).status, 502, 'it is of the cluster, and down')
  for (const wrong of ['id=x', 'id=5000000000', 'id=1&width=100000&height=1'])
    assert.equal((await ask(`/chart.cgi?host=127.0.0.1&port=${masterPort}&${wrong}`)).status, 400, wrong)
})

test('what is too big is refused while it comes', async () => {
  assert.equal((await ask(`/mfs.cgi?${'x'.repeat(20_000)}`)).status, 431)
  const { status, headers } = await order(`CSremove=${'1'.repeat(5000)}`)
  assert.deepEqual([status, headers.connection], [413, 'close'])
  const socket = connect(port, '127.0.0.1')
  socket.end('GET  / nonsense\r\n\r\n')
  const [answer] = await once(socket, 'data')
  assert.match(String(answer), /^HTTP\/1.1 400/)
})

test('without a master a page says what was tried and looks again, and metrics say that there is none', async () => {
  const nowhere = createServer().listen(0, '127.0.0.1')
  await once(nowhere, 'listening')
  const { port: closed } = nowhere.address() as AddressInfo
  nowhere.close()
  web.reconfigure(options({ masterPort: closed }))
  const { status, text } = await ask('/mfs.cgi?sections=CS')
  assert.equal(status, 503)
  assert.ok(text.includes('<meta http-equiv="refresh" content="10">'))
  assert.ok(text.includes(`Tried 127.0.0.1:${closed}`))
  assert.ok(text.includes('nobody listens there'))
  const metrics = await ask('/metrics')
  assert.equal(metrics.status, 200)
  assert.match(metrics.text, /^mfs_up 0$/m)
  assert.ok(metrics.text.includes(`mfs_master_up{master="127.0.0.1:${closed}"} 0`))
  web.reconfigure(options({ masterHost: 'no-such-name.invalid' }))
  assert.match((await ask('/mfs.cgi')).text, /no address is known/)
})

test('more requests than can be served at once are sent away, and the cluster is asked once for all', async () => {
  master.isSilent = true
  master.timesAsked = 0
  const waiting = Array.from({ length: 70 }, () => ask('/mfs.cgi?sections=MC').catch(() => undefined))
  const first = await Promise.race(waiting)
  assert.deepEqual([first?.status, first?.headers['retry-after']], [503, '5'])
  assert.equal(master.timesAsked, 1)
  master.isSilent = false
  master.stop()
  await Promise.all(waiting)
})
