// Runs a TypeScript program of this project with the Node that the project wants.
// Plain JavaScript for Node >= 20, because it is what a fresh clone starts with: it installs the packages when they
// are missing or older than package-lock.json, then hands over to node_modules' Node.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const node = join(root, 'node_modules/node/bin/node')
// Contents, not times: git gives files the time of the checkout.
const stamp = join(root, 'node_modules/.elkfs-lock-digest')
const wanted = createHash('sha256')
  .update(readFileSync(join(root, 'package-lock.json')))
  .digest('hex')

function packagesAreCurrent() {
  return existsSync(node) && existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted
}

function ci() {
  const npm = ['ci', '--no-audit', '--no-fund', '--loglevel=error']
  const { status } = spawnSync('npm', npm, { cwd: root, stdio: ['ignore', 2, 2] })
  return status === 0 && existsSync(node)
}

function installPackages() {
  console.error('elkfs: installing packages (once)')
  // npm may fail of its own cleaning up (ENOTEMPTY) where a second attempt, which begins with an empty folder, does not.
  if (!ci()) {
    console.error('elkfs: npm ci failed: once more')
    if (!ci()) {
      console.error('elkfs: npm ci failed: see the messages above; the npm registry must be reachable once')
      process.exit(1)
    }
  }
  writeFileSync(stamp, wanted)
}

const [program, ...args] = process.argv.slice(2)
if (!program) {
  console.error('usage: node scripts/run.mjs PROGRAM.ts [ARGUMENT...]')
  process.exit(64)
}
if (!packagesAreCurrent()) installPackages()

const child = spawn(node, [join(root, program), ...args], { stdio: 'inherit' })
// A supervisor's signal reaches only npm, which passes it on to us. Ctrl-C in a terminal reaches the whole group.
for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
process.on('SIGINT', () => {
  if (!process.stdin.isTTY) child.kill('SIGINT')
})
child.on('exit', (code, signal) => {
  if (!signal) process.exit(code ?? 1)
  process.removeAllListeners(signal)
  process.kill(process.pid, signal)
})
