// The public POSIX suite pjdfstest finds nothing on our mount that it does not find on ext4, and with the original's mount
// on our master nothing but what that mount does with its own. The suite is no part of this project:
//   PJDFSTEST=/folder/with/pjdfstest/and/tests node --test test/interop/pjdfstest.test.ts
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { globSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster, whyNot } from './cluster.ts'
import { installPackages } from './packages.ts'
import { LocalDisk } from './posix/local-disk.ts'

const suite = process.env.PJDFSTEST
const AT_A_TIME = 4
/** In the original's mount anybody may open a fifo, and times are whole seconds up to 2106. */
const faultsOfTheOriginal = ['open/06.t', 'utimensat/08.t', 'utimensat/09.t']

if (suite !== undefined) test('the public suite pjdfstest', { skip: whyNot() ?? false }, t => run(suite, t))

async function run(suite: string, t: TestContext): Promise<void> {
  installPackages({ 'mkfs.ext4': 'e2fsprogs', openssl: 'openssl' })
  const cluster = new Cluster()
  let disk: LocalDisk | undefined
  try {
    disk = new LocalDisk(cluster.folder)
    const real = join(cluster.folder, 'real')
    mkdirSync(real)
    await cluster.startOurMaster()
    await cluster.startOurChunkserver(2)
    await sleep(2000)
    cluster.mountOurs('-o', 'mfsdev,mfssuid')
    cluster.mountWith('mfsmount', real)
    const files = globSync('*/*.t', { cwd: join(suite, 'tests') }).sort()
    assert.notEqual(files.length, 0, `no tests in ${suite}`)
    const onDisk = await failures(suite, files, disk.mountPoint)

    await t.test('our mount fails only where ext4 does', async () => {
      assert.deepEqual(withoutThoseOf(onDisk, await failures(suite, files, cluster.mountPoint)), [])
    })

    await t.test('the original mount fails only where it does with its own master', async () => {
      const comparable = files.filter(file => !faultsOfTheOriginal.includes(file))
      assert.deepEqual(withoutThoseOf(onDisk, await failures(suite, comparable, real)), [])
    })
  } finally {
    disk?.close()
    await cluster.close()
  }
}

/** What failed, by the file and number of the case, with what was said about it. */
type Failures = Map<string, string>

function withoutThoseOf(known: Failures, found: Failures): string[] {
  return [...found].flatMap(([at, text]) => (known.has(at) ? [] : [`${at}: ${text}`]))
}

/** Runs the files in a folder, some at a time. */
async function failures(suite: string, files: readonly string[], folder: string): Promise<Failures> {
  const found: Failures = new Map()
  const left = [...files]
  const work = async () => {
    for (let file = left.shift(); file !== undefined; file = left.shift()) {
      for (const [at, text] of failedCases(await output(join(suite, 'tests', file), folder)))
        found.set(`${file} ${at}`, text)
    }
  }
  await Promise.all(Array.from({ length: AT_A_TIME }, work))
  return found
}

function output(file: string, folder: string): Promise<string> {
  const child = spawn('sh', [file], { cwd: folder, stdio: ['ignore', 'pipe', 'ignore'] })
  return new Promise((resolve, reject) => {
    let text = ''
    child.stdout.setEncoding('utf8').on('data', part => {
      text += part
    })
    child.once('error', reject)
    child.once('close', () => resolve(text))
  })
}

/** Reads TAP. A file that says more or less than it planned has failed as a whole. */
function failedCases(tap: string): [at: string, text: string][] {
  const cases = [...tap.matchAll(/^(not )?ok (\d+)(.*)$/gm)]
  const failed = cases.filter(([, not, , text]) => not && !text?.includes('# TODO'))
  const planned = Number(/^1\.\.(\d+)/m.exec(tap)?.[1])
  const told: [string, string][] = failed.map(([, , at = '', text = '']) => [at, text])
  return cases.length === planned ? told : [...told, ['plan', `${cases.length} of ${planned} cases`]]
}
