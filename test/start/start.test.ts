// `npm start` as its user meets it: it comes up, keeps its files, ends in order, and refuses without touching anything.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { whyNot } from '../interop/cluster.ts'

const project = join(import.meta.dirname, '../..')
const program = join(project, 'src/cli/start.ts')
const skip = whyNot() ?? false
/** Away from those of a cluster that somebody runs here. */
const BASE_PORT = 29_519

const inFolder = async (run: (folder: string) => Promise<void>) => {
  const folder = mkdtempSync(join(tmpdir(), 'elkfs-start-'))
  try {
    await run(folder)
  } finally {
    spawnSync('umount', ['-l', join(folder, 'mnt')], { stdio: 'ignore' })
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

const options = (...more: string[]) => ['--base-port', String(BASE_PORT), ...more]

/** A start that is expected to be refused: exit code and what it said. */
function refused(folder: string, ...args: string[]): string {
  const { status, stderr } = spawnSync(process.execPath, [program, ...args], { cwd: folder, encoding: 'utf8' })
  assert.equal(status, 1, stderr)
  return stderr
}

class Started {
  readonly #child: ChildProcess
  text = ''

  constructor(folder: string, args: string[], [command = '', ...before]: string[] = [process.execPath, program]) {
    this.#child = spawn(command, [...before, ...args], { cwd: folder })
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on('data', bytes => {
        this.text += bytes
      })
    }
  }

  /** Until it says so. */
  async says(wanted: RegExp): Promise<void> {
    while (!wanted.test(this.text)) {
      if (this.#child.exitCode !== null) throw new Error(`ended with ${this.#child.exitCode}:\n${this.text}`)
      await new Promise(resolve => setTimeout(resolve, 50))
    }
  }

  /** Ends it in order and waits. Returns the exit code. */
  stop(signal: 'SIGINT' | 'SIGTERM'): Promise<number | null> {
    return new Promise(resolve => {
      if (this.#child.exitCode !== null) return resolve(this.#child.exitCode)
      this.#child.once('exit', resolve)
      this.#child.kill(signal)
    })
  }
}

test('it mounts, keeps files over a restart, and ends on Ctrl-C and SIGTERM', { skip, timeout: 120_000 }, () =>
  inFolder(async folder => {
    const file = join(folder, 'mnt/hello')
    for (const [round, signal] of (['SIGINT', 'SIGTERM'] as const).entries()) {
      const started = new Started(folder, options())
      try {
        await started.says(/ElkFS is up/)
        assert.match(started.text, /mount +\S+\/mnt/)
        const [, monitor = ''] = /monitor +(http:\S+)/.exec(started.text) ?? []
        assert.match(await (await fetch(`${monitor}?sections=CS`)).text(), /<td[^>]*>127\.0\.0\.1<\/td>/)
        assert.match(refused(folder, ...options()), /in use by another npm start/)
        if (round === 0) writeFileSync(file, 'still here')
        assert.equal(readFileSync(file, 'utf8'), 'still here')
      } finally {
        assert.equal(await started.stop(signal), 0, started.text)
      }
      assert.deepEqual(readdirSync(join(folder, 'mnt')), [])
    }
  }),
)

test('a signal for npm alone ends all of it in order', { skip, timeout: 120_000 }, () =>
  inFolder(async folder => {
    const npm = [
      'npm',
      '--prefix',
      project,
      'start',
      '--',
      '--data',
      join(folder, 'data'),
      '--mount',
      join(folder, 'mnt'),
    ]
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      const started = new Started(folder, options(), npm)
      await started.says(/ElkFS is up/)
      await started.stop(signal)
      assert.match(started.text, new RegExp(`${signal}: stopping[^]*stopped; everything is on disk`))
      assert.deepEqual(readdirSync(join(folder, 'mnt')), [])
    }
  }),
)

test('whatever is in the way is named, and nothing is touched', () =>
  inFolder(async folder => {
    const before = () => readdirSync(folder, { recursive: true }).sort()
    mkdirSync(join(folder, 'full'))
    writeFileSync(join(folder, 'full/file'), '')
    const there = before()
    assert.match(refused(folder, ...options('--mount', 'full')), /full is not empty \(file\)/)
    assert.match(refused(folder, ...options('--data', 'full')), /full holds other files \(file\)/)
    assert.match(refused(folder, ...options('--data', 'full/file')), /file can't be used \(it is no folder\)/)
    assert.match(refused(folder, ...options('--data', '/proc/none')), /\/proc\/none can't be made \(ENOENT\)/)
    assert.match(refused(folder, '--base-port', '0'), /--base-port 0: must be a whole number/)
    const server = createServer().listen(BASE_PORT + 2, '127.0.0.1')
    await new Promise(resolve => server.once('listening', resolve))
    // Asked by another process, so that this one can go on listening.
    assert.match(await refusedMeanwhile(folder, options()), new RegExp(`port ${BASE_PORT + 2} .* is in use`))
    server.close()
    assert.deepEqual(before(), there)
  }))

function refusedMeanwhile(folder: string, args: string[]): Promise<string> {
  const child = spawn(process.execPath, [program, ...args], { cwd: folder })
  let text = ''
  child.stderr.on('data', bytes => {
    text += bytes
  })
  return new Promise(resolve => {
    child.once('close', code => {
      assert.equal(code, 1, text)
      resolve(text)
    })
  })
}

test('without /dev/fuse it says what is missing and serves all the same', { skip, timeout: 60_000 }, () =>
  inFolder(async folder => {
    const bareDev = 'mount -t tmpfs none /dev && mknod -m 666 /dev/null c 1 3 && mknod -m 666 /dev/urandom c 1 9'
    const command = ['unshare', '-m', 'sh', '-c', `${bareDev} && exec "$@"`, 'sh', process.execPath, program]
    const started = new Started(folder, options(), command)
    try {
      await started.says(/mount +none: \/dev\/fuse is missing: load the kernel module/)
      await started.says(/chunkservers 3\/3/)
    } finally {
      assert.equal(await started.stop('SIGTERM'), 0)
    }
  }),
)
