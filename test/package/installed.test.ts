// The package as npm installs it: its commands run from anywhere, on the JavaScript that it carries.
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

const root = join(import.meta.dirname, '../..')
const commands = readdirSync(join(root, 'bin')).filter(name => name !== 'launch.sh')
/** Links to mfstools. A package has no links: npm makes them where it installs it. */
const tools = commands.filter(name => lstatSync(join(root, 'bin', name)).isSymbolicLink())
const programs = commands.filter(name => !tools.includes(name))
const { bin } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { bin: Record<string, string> }

test('every command of bin/ is a command of the package and has its program', () => {
  const pathOf = (name: string) => `bin/${tools.includes(name) ? 'mfstools' : name}`
  assert.deepEqual(bin, Object.fromEntries(commands.map(name => [name, pathOf(name)])))
  for (const name of programs) assert.ok(existsSync(join(root, 'src/cli', `${name}.ts`)), name)
})

test('an installed package carries JavaScript, and all its commands run', { timeout: 300_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'elkfs-package-'))
  try {
    const npm = (...args: string[]) =>
      execFileSync('npm', [...args, '--no-audit', '--no-fund', '--loglevel=error'], { cwd: folder, encoding: 'utf8' })
    const packed = npm('pack', root, '--pack-destination', folder).trim().split('\n').at(-1) as string
    writeFileSync(join(folder, 'package.json'), '{}')
    npm('install', join(folder, packed))
    const installed = join(folder, 'node_modules/elkfs')
    assert.ok(!existsSync(join(installed, 'src')))
    for (const name of [...programs, 'mfsgetgoal', 'mfsscadmin']) {
      const { status, stdout, stderr } = spawnSync(join(folder, 'node_modules/.bin', name), ['-h'], {
        encoding: 'utf8',
      })
      assert.match(stdout + stderr, new RegExp(name), `${name} -h: ${status}`)
      assert.doesNotMatch(stderr, /^\s+at .*\.js:/m, `${name} -h: ${stderr}`)
    }
    startsAndStops(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

/** The master's whole life on a new file system. */
function startsAndStops(folder: string): void {
  const data = join(folder, 'data')
  mkdirSync(data)
  writeFileSync(join(data, 'metadata.mfs'), 'MFSM NEW')
  const exports = join(folder, 'mfsexports.cfg')
  writeFileSync(exports, '* / rw,alldirs,maproot=0\n')
  const config = join(folder, 'mfsmaster.cfg')
  const ports = ['MATOCL', 'MATOCS', 'MATOML'].map((name, i) => `${name}_LISTEN_PORT=${29_421 + i}`)
  const hosts = ['MATOCL', 'MATOCS', 'MATOML'].map(name => `${name}_LISTEN_HOST=127.0.0.1`)
  const who = ['WORKING_USER=root', 'WORKING_GROUP=root'].filter(() => process.getuid?.() === 0)
  const lines = [`DATA_PATH=${data}`, `EXPORTS_FILENAME=${exports}`, ...ports, ...hosts, ...who]
  writeFileSync(config, `${lines.join('\n')}\n`)
  const master = (action: string) =>
    spawnSync(join(folder, 'node_modules/.bin/mfsmaster'), ['-c', config, action], { encoding: 'utf8' })
  const started = master('start')
  try {
    assert.equal(started.status, 0, started.stderr + started.stdout)
    assert.equal(master('test').status, 0)
  } finally {
    const stopped = master('stop')
    assert.equal(stopped.status, 0, stopped.stderr + stopped.stdout)
  }
  assert.ok(existsSync(join(data, 'metadata.mfs')))
}
