// The command as administrators use it, through bin/.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { realDisk } from '../env/real-disk.ts'
import { inspectCheckpoint } from '../journal/checkpoint-files.ts'

const folder = mkdtempSync(join(tmpdir(), 'elkfs-mfsmaster-'))
const data = join(folder, 'data')
const configFile = join(folder, 'mfsmaster.cfg')
const program = join(import.meta.dirname, '../../bin/mfsmaster')

function mfsmaster(...args: string[]): { status: number | null; text: string } {
  const { status, stdout, stderr } = spawnSync(program, ['-c', configFile, ...args], { encoding: 'utf8' })
  return { status, text: stdout + stderr }
}

function freePort(): Promise<number> {
  return new Promise(resolve => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })
}

before(async () => {
  mkdirSync(data)
  writeFileSync(join(folder, 'exports.cfg'), '* / rw,alldirs,maproot=0:0\n')
  const lines = [
    '# a comment',
    `DATA_PATH = ${data}`,
    'WORKING_USER = #0',
    'WORKING_GROUP = #0',
    `EXPORTS_FILENAME = ${folder}/exports.cfg`,
    ...['MATOCL', 'MATOCS', 'MATOML'].map(port => `${port}_LISTEN_HOST = 127.0.0.1`),
    `MATOCL_LISTEN_PORT = ${await freePort()}`,
    `MATOCS_LISTEN_PORT = ${await freePort()}`,
    `MATOML_LISTEN_PORT = ${await freePort()}`,
    'BACK_LOG = 5',
  ]
  writeFileSync(configFile, `${lines.join('\n')}\n`)
})

after(() => {
  mfsmaster('kill')
  rmSync(folder, { recursive: true })
})

test('an empty data folder is refused, with what to do about it', () => {
  const { status, text } = mfsmaster('start')
  assert.equal(status, 1)
  assert.match(text, /For a new file system put the 8 bytes "MFSM NEW" into/)
  assert.match(text, /unknown option BACK_LOG, ignored/)
})

test('start returns when the master serves; stop when it has ended', () => {
  writeFileSync(join(data, 'metadata.mfs'), 'MFSM NEW')
  assert.deepEqual(mfsmaster('test'), { status: 1, text: 'mfsmaster is not running\n' })
  const started = mfsmaster('start')
  assert.equal(started.status, 0, started.text)
  assert.match(started.text, /lockfile created and locked\n(.*\n)*mfsmaster daemon initialized properly\n$/)

  const pid = spawnSync('cat', [join(data, '.mfsmaster.lock')], { encoding: 'utf8' }).stdout.trim()
  assert.deepEqual(mfsmaster('test'), { status: 0, text: `mfsmaster pid: ${pid}\n` })
  assert.equal(readFileSync(`/proc/${pid}/comm`, 'utf8'), 'mfsmaster\n')
  assert.match(readFileSync(`/proc/${pid}/cmdline`, 'utf8'), /^mfsmaster -c /)

  const second = mfsmaster('start')
  assert.equal(second.status, 1)
  assert.match(second.text, /can't start: lockfile is already locked by another process/)
  assert.deepEqual(mfsmaster('reload'), { status: 0, text: 'reload signal has been sent\n' })
  assert.deepEqual(mfsmaster('info'), { status: 0, text: 'info signal has been sent\n' })

  const stopped = mfsmaster('stop')
  assert.equal(stopped.status, 0)
  assert.match(stopped.text, /^sending SIGTERM to lock owner \(pid:\d+\)\nwaiting for termination terminated\n$/)
  assert.ok(existsSync(join(data, 'metadata.mfs')), 'the checkpoint of an orderly end')
  assert.ok(!existsSync(join(data, 'metadata.mfs.back')))
})

test('after a kill it starts by itself, and a helper makes a verified checkpoint', async () => {
  assert.equal(mfsmaster('start').status, 0)
  assert.equal(mfsmaster('kill').status, 0)
  assert.ok(!existsSync(join(data, 'metadata.mfs')))
  // A change that no checkpoint holds: the next start has something to replay.
  const { version, metaId } = await inspectCheckpoint(realDisk, join(data, 'metadata.mfs.back'))
  appendFileSync(join(data, 'changelog.0.mfs'), `${version}: 1700000000|SETMETAID(${metaId})\n`)
  const started = mfsmaster('start')
  assert.equal(started.status, 0, started.text)
  assert.match(started.text, /and 1 changes of the changelogs/)
  // Between two renames there is none of this name.
  const stored = () =>
    inspectCheckpoint(realDisk, join(data, 'metadata.mfs.back')).then(
      ({ version }) => version,
      (error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error
        return version
      },
    )
  // The helper has the lowest priority: on a busy machine this is long.
  for (let i = 0; i < 3600 && (await stored()) === version; i++) await new Promise(resolve => setTimeout(resolve, 50))
  // That change, and the ids that each start leaves out.
  assert.equal(await stored(), version + 2)
  assert.equal(mfsmaster('stop').status, 0)
  assert.ok(existsSync(join(data, 'metadata.mfs')))
})

test('actions on a master that does not run', () => {
  assert.deepEqual(mfsmaster('stop'), { status: 0, text: "can't find process to terminate\n" })
  assert.deepEqual(mfsmaster('reload'), { status: 1, text: "can't find process to send reload signal\n" })
  assert.equal(mfsmaster('try-restart').status, 1)
})

test('a missing configuration file, and unknown words', () => {
  const { status, stderr } = spawnSync(program, ['-c', '/nonexistent'], { encoding: 'utf8' })
  assert.deepEqual([status, stderr], [1, 'main config file (/nonexistent) not found\n'])
  assert.match(mfsmaster('begin').text, /^usage: mfsmaster /)
})
