// What one client writes and removes is what others see: appends from many clients, files without names through kills
// of the master, close-to-open between two mounts.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster, whyNot } from './cluster.ts'
import { installPackages } from './packages.ts'
import { Actor } from './posix/actor.ts'
import { compileSyscalls } from './posix/differential.ts'

const WRITERS = 4
const RECORDS = 150

test('several clients of one file system', { skip: whyNot() ?? false }, async t => {
  installPackages()
  const cluster = new Cluster()
  const actors: Actor[] = []
  try {
    const program = compileSyscalls(cluster.folder)
    const mounts = [cluster.mountPoint, ...['second', 'real'].map(name => join(cluster.folder, name))]
    for (const folder of mounts.slice(1)) mkdirSync(folder)
    const [first = '', second = '', real = ''] = mounts
    await cluster.startOurMaster()
    for (const host of [2, 3]) await cluster.startOurChunkserver(host)
    await sleep(2000)
    cluster.mountOurs()
    cluster.mountOursAt(second)
    cluster.mountWith('mfsmount', real)
    const actor = (folder: string) => {
      const made = new Actor(program, folder)
      actors.push(made)
      return made
    }

    await t.test('appended records are whole, and none is lost', () => appendFromAll([first, second], first))

    await t.test('appended records of ours and of the original mount are whole', () => {
      // The original's mount answers EEXIST when another client makes the file at the same moment.
      writeFileSync(join(first, 'mixed'), '')
      return appendFromAll([first, real], second, 'mixed')
    })

    await t.test('a file without a name lives through kills of the master', async () => {
      const [holder, other] = [actor(first), actor(second)]
      assert.equal(await holder.call('open 0 nameless 0102 0600'), '0')
      assert.equal(await holder.call('write 0 200000 1'), '200000')
      assert.equal(await other.call('unlink nameless'), '0')
      const bytes = await holder.call('pread 0 0 300000')
      for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
        await cluster.stopOurMaster(signal)
        await cluster.startOurMaster()
        assert.equal(await holder.call('pread 0 0 300000'), bytes)
        assert.equal(await holder.call('pwrite 0 100000 1000 7'), '1000')
        assert.equal(await holder.call('fsync 0'), '0')
        assert.match(await holder.call('fstat 0'), /^100600 0 .* size=200000 /)
        assert.equal(await holder.call('pwrite 0 100000 1000 1'), '1000')
      }
      assert.equal(await other.call('lstat nameless'), 'ENOENT')
    })

    await t.test('what was there when a file was closed is there when it is opened elsewhere', async () => {
      for (let round = 0; round < 20; round++) {
        const [from, to] = round % 2 === 0 ? [first, second] : [second, first]
        const text = `${'x'.repeat(round * 777)}round ${round}`
        writeFileSync(join(from, 'handed'), text)
        assert.equal(readFileSync(join(to, 'handed'), 'utf8'), text, `round ${round}`)
        assert.equal(statSync(join(to, 'handed')).size, text.length)
      }
    })

    await t.test('a name that was missing is there as soon as another client has made it', () => {
      // Who misses names in a folder soon knows all that are there, until others change it.
      for (let round = 0; round < 30; round++) {
        const [looker, maker] = round % 2 === 0 ? [first, real] : [second, first]
        const folder = `missing${round}`
        mkdirSync(join(looker, folder))
        for (let i = 0; i < 6; i++) assert.equal(existsSync(join(looker, folder, `not${i}`)), false)
        writeFileSync(join(looker, folder, 'own'), '')
        assert.equal(existsSync(join(looker, folder, 'own')), true)
        const makers: Record<number, () => void> = {
          0: () => writeFileSync(join(maker, folder, 'name'), ''),
          1: () => mkdirSync(join(maker, folder, 'name')),
          2: () => renameSync(join(maker, folder, 'own'), join(maker, folder, 'name')),
          3: () => symlinkSync('own', join(maker, folder, 'name')),
          4: () => linkSync(join(maker, folder, 'own'), join(maker, folder, 'name')),
        }
        makers[round % 5]?.()
        assert.ok(lstatSync(join(looker, folder, 'name')), `round ${round}`)
        rmSync(join(maker, folder), { recursive: true })
        assert.equal(existsSync(join(looker, folder, 'own')), false)
      }
    })

    await t.test('an open file shows what another client has written and synced', async () => {
      const [writer, reader] = [actor(first), actor(second)]
      assert.equal(await writer.call('open 0 shared 0102 0666'), '0')
      assert.equal(await reader.call('open 0 shared 02 0'), '0')
      for (let round = 0; round < 10; round++) {
        assert.equal(await writer.call(`pwrite 0 ${round * 1000} 5000 ${round}`), '5000')
        assert.equal(await writer.call('fsync 0'), '0')
        const written = await writer.call('pread 0 0 100000')
        await becomes(() => reader.call('pread 0 0 100000'), written)
      }
      assert.equal(await reader.call('ftruncate 0 10'), '0')
      await becomes(() => writer.call('pread 0 0 100000'), await reader.call('pread 0 0 100000'))
    })

    await t.test('names and attributes of others are seen when what is remembered is too old', async () => {
      const [maker, looker] = [actor(first), actor(second)]
      assert.equal(await looker.call('lstat new'), 'ENOENT')
      assert.equal(await maker.call('mkdir new 0755'), '0')
      await becomes(async () => (await looker.call('lstat new')).slice(0, 6), '040755')
      assert.equal(await maker.call('chmod new 0711'), '0')
      await becomes(async () => (await looker.call('lstat new')).slice(0, 6), '040711')
      assert.equal(await maker.call('rename new newer'), '0')
      await becomes(() => looker.call('lstat new'), 'ENOENT')
      assert.equal(await maker.call('rmdir newer'), '0')
      await becomes(() => looker.call('lstat newer'), 'ENOENT')
    })
  } finally {
    for (const each of actors) await each.kill()
    await cluster.close()
  }
})

/** Asks until the answer comes: caches may be a second behind, the machine busy. */
async function becomes(ask: () => Promise<string>, answer: string): Promise<void> {
  let last = ''
  for (let i = 0; i < 100; i++) {
    last = await ask()
    if (last === answer) return
    await sleep(100)
  }
  assert.equal(last, answer)
}

/** Processes on all mounts append lines of their own to one file at once. */
async function appendFromAll(folders: string[], reader: string, name = 'log'): Promise<void> {
  const script = 'for i in $(seq "$2"); do printf "%s %s %s\\n" "$1" "$i" "$3" >> "$4" || exit 1; done'
  const padding = 'p'.repeat(300)
  const ends = Array.from({ length: WRITERS }, (_, writer) => {
    const path = join(folders[writer % folders.length] as string, name)
    const child = spawn('sh', ['-c', script, 'sh', String(writer), String(RECORDS), padding, path], {
      stdio: 'inherit',
    })
    return new Promise(resolve => child.once('exit', resolve))
  })
  assert.deepEqual(await Promise.all(ends), new Array(WRITERS).fill(0))
  await becomes(async () => String(statSync(join(reader, name)).size), String(expectedBytes(padding.length)))
  const lines = readFileSync(join(reader, name), 'latin1').trimEnd().split('\n')
  const expected = Array.from(
    { length: WRITERS * RECORDS },
    (_, i) => `${i % WRITERS} ${Math.floor(i / WRITERS) + 1} ${padding}`,
  )
  assert.deepEqual([...lines].sort(), expected.sort())
}

function expectedBytes(padding: number): number {
  let bytes = 0
  for (let writer = 0; writer < WRITERS; writer++)
    for (let record = 1; record <= RECORDS; record++) bytes += `${writer} ${record} \n`.length + padding
  return bytes
}
