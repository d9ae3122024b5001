// The command as administrators use it, through bin/.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'

const folder = mkdtempSync(join(tmpdir(), 'elkfs-mfscgiserv-'))
const configFile = join(folder, 'mfscgiserv.cfg')
const program = join(import.meta.dirname, '../../bin/mfscgiserv')
const isRoot = process.getuid?.() === 0
/** Of the monitor, and one where no master is. */
let [port, nobody] = [0, 0]

function mfscgiserv(...args: string[]): { status: number | null; text: string } {
  const { status, stdout, stderr } = spawnSync(program, ['-c', configFile, ...args], { encoding: 'utf8' })
  return { status, text: stdout + stderr }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  return port
}

before(async () => {
  port = await freePort()
  nobody = await freePort()
  const user = ['WORKING_USER = #0', 'WORKING_GROUP = #0'].filter(() => isRoot)
  writeFileSync(
    configFile,
    [`DATA_PATH = ${folder}`, ...user, `HTTP_LISTEN_PORT = ${nobody}`, 'MASTER_HOST = elsewhere', ''].join('\n'),
  )
})

after(() => {
  mfscgiserv('stop')
  rmSync(folder, { recursive: true })
})

const where = () => ['-H', '127.0.0.1', '-P', String(port), '-M', `127.0.0.1:${nobody}`]

test('help, and what is not understood', () => {
  for (const option of ['-h', '--help']) {
    const { status, text } = mfscgiserv(option)
    assert.equal(status, 0)
    assert.match(text, /usage: mfscgiserv \[-H host\]/)
    assert.match(text, /ALLOW_COMMANDS/)
  }
  for (const args of [['-Z'], ['begin'], ['start', 'now'], ['-t', 'soon'], ['-P']]) {
    const { status, text } = mfscgiserv(...args)
    assert.equal(status, 1, args.join(' '))
    assert.match(text, /^usage: mfscgiserv/)
  }
  const { status, text } = mfscgiserv('-P', '70000', 'start')
  assert.equal(status, 1)
  assert.match(text, /command line: HTTP_LISTEN_PORT = 70000: cannot be read; write a port number/)
})

test('a whole life: the command line counts more than the file, and one at a time has the data folder', async () => {
  assert.equal(mfscgiserv('test').status, 1)
  const started = mfscgiserv(...where(), '-R', '/usr/share/mfscgi', 'start')
  assert.equal(started.status, 0, started.text)
  assert.match(started.text, /-R has no effect/)
  const pid = readFileSync(join(folder, '.mfscgiserv.lock'), 'utf8').trim()
  assert.deepEqual(mfscgiserv('test'), { status: 0, text: `mfscgiserv pid: ${pid}\n` })
  const page = await fetch(`http://127.0.0.1:${port}/`)
  assert.equal(page.status, 503)
  assert.match(await page.text(), new RegExp(`Tried 127.0.0.1:${nobody}`))
  assert.equal(mfscgiserv(...where(), 'start').status, 1, 'it runs')
  assert.equal(mfscgiserv('reload').status, 0)
  assert.match(await (await fetch(`http://127.0.0.1:${port}/`)).text(), new RegExp(`Tried 127.0.0.1:${nobody}`))
  const restarted = mfscgiserv(...where(), 'restart')
  assert.equal(restarted.status, 0, restarted.text)
  assert.notEqual(readFileSync(join(folder, '.mfscgiserv.lock'), 'utf8').trim(), pid)
  assert.equal(mfscgiserv('stop').status, 0)
  assert.equal(mfscgiserv('stop').status, 0, 'nothing to stop')
})

test('a port that is in use is said to be', async () => {
  const other = createServer().listen(port, '127.0.0.1')
  await once(other, 'listening')
  const { status, text } = mfscgiserv(...where(), 'start')
  other.close()
  assert.equal(status, 1)
  assert.match(text, /EADDRINUSE.*127\.0\.0\.1/)
})

test('a lock file of another user, as the original leaves one, is named with what to do', { skip: !isRoot }, () => {
  const data = join(folder, 'other')
  mkdirSync(data)
  chownSync(data, 65_534, 65_534)
  chmodSync(folder, 0o755)
  writeFileSync(join(data, '.mfscgiserv.lock'), '1', { mode: 0o600 })
  const config = join(folder, 'other.cfg')
  writeFileSync(config, `DATA_PATH = ${data}\nWORKING_USER = #65534\nWORKING_GROUP = #65534\n`)
  const { status, text } = mfscgiserv(...where(), '-c', config, 'start')
  assert.equal(status, 1)
  assert.match(text, /mfscgiserv\.lock'?: it belongs to another user; remove it when no mfscgiserv runs/)
})

test('in the foreground it shows requests when wanted, and ends with the signal', async () => {
  const child = spawn(program, ['-c', configFile, ...where(), '-fv'])
  let text = ''
  child.stderr.on('data', data => {
    text += data
  })
  while (!text.includes('initialized properly')) await once(child.stderr, 'data')
  await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
  child.kill('SIGTERM')
  const [code] = await once(child, 'exit')
  assert.equal(code, 0)
  assert.match(text, /127\.0\.0\.1 GET \/metrics 200/)
})
