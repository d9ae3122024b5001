// Folders that are listed again and again: the kernel keeps their names, and shows every change all the same.
import assert from 'node:assert/strict'
import {
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Random, seeded } from '../sim/scheduler.ts'
import { Cluster, whyNot } from './cluster.ts'
import { installPackages } from './packages.ts'
import { Actor } from './posix/actor.ts'
import { compileSyscalls } from './posix/differential.ts'

const CHANGES = 500
/** Attributes are believed so long, by which an open folder knows that it has changed. */
const BELIEVED_MS = 1000

/** Names and types, as the master has them by another way than the one that is looked at. */
type Model = Map<string, 'file' | 'folder'>

const listed = (folder: string) =>
  readdirSync(folder, { withFileTypes: true })
    .map(entry => `${entry.name} ${entry.isDirectory() ? 'folder' : 'file'}`)
    .sort()
const expected = (model: Model) => [...model].map(([name, type]) => `${name} ${type}`).sort()

/** Does one change of a file in `folder` and to the model of it. */
function changeFiles(folder: string, model: Model, random: Random): string {
  const pick = (max: number) => `n${Math.floor(random() * max)}`
  const [name, other] = [pick(30), pick(30)]
  const [path, otherPath] = [join(folder, name), join(folder, other)]
  const isNew = !model.has(name)
  if (isNew && model.has(other)) linkSync(otherPath, path)
  else if (isNew) writeFileSync(path, '')
  model.set(name, 'file')
  if (isNew) return `${name} is made`
  if (random() < 0.5 && name !== other) {
    renameSync(path, otherPath)
    model.set(other, 'file')
    // Two names of one file are left as they are by a rename (POSIX).
    if (!exists(path)) model.delete(name)
    return `${name} becomes ${other}`
  }
  unlinkSync(path)
  model.delete(name)
  return `${name} is removed`
}

/** Makes a folder or removes it: through one mount only, as names of folders are believed for a while. */
function changeFolders(folder: string, model: Model, random: Random): string {
  const name = `d${Math.floor(random() * 5)}`
  if (model.delete(name)) {
    rmdirSync(join(folder, name))
    return `${name} is removed`
  }
  mkdirSync(join(folder, name))
  model.set(name, 'folder')
  return `${name} is made`
}

const exists = (path: string) => lstatSync(path, { throwIfNoEntry: false }) !== undefined

/** How often the mount was asked to read a folder. */
function readdirCount(mountPoint: string): number {
  const line = /fuse_ops\.readdir: (\d+)/.exec(readFileSync(join(mountPoint, '.stats'), 'latin1'))
  return Number(line?.[1])
}

test('listings that the kernel keeps', { skip: whyNot() ?? false }, async t => {
  installPackages()
  const cluster = new Cluster()
  let reader: Actor | undefined
  try {
    const [here, there] = [cluster.mountPoint, join(cluster.folder, 'second')]
    mkdirSync(there)
    await cluster.startOurMaster()
    await cluster.startOurChunkserver(2)
    await sleep(2000)
    cluster.mountOurs()
    cluster.mountOursAt(there)

    await t.test('a folder that stays as it is is asked for no name', () => {
      mkdirSync(join(here, 'still'))
      for (let i = 0; i < 700; i++) writeFileSync(join(here, 'still', `file${i}`), '')
      const names = readdirSync(join(here, 'still'))
      assert.equal(names.length, 700)
      assert.deepEqual(readdirSync(join(here, 'still')), names)
      const before = readdirCount(here)
      for (let i = 0; i < 10; i++) assert.deepEqual(readdirSync(join(here, 'still')), names)
      assert.equal(readdirCount(here) - before, 0)
    })

    await t.test('each change is in the next listing, whoever made it', () => {
      const random = seeded(3)
      const model: Model = new Map()
      mkdirSync(join(here, 'lively'))
      for (let i = 0; i < CHANGES; i++) {
        const maker = random() < 0.5 ? here : there
        const what =
          random() < 0.2
            ? changeFolders(join(here, 'lively'), model, random)
            : changeFiles(join(maker, 'lively'), model, random)
        // Sometimes often enough for the kernel to keep it, and by one mount or both.
        for (let times = Math.floor(random() * 4); times > 0; times--) {
          for (const mount of [here, there].filter(() => random() < 0.7)) {
            assert.deepEqual(listed(join(mount, 'lively')), expected(model), `change ${i}, ${what}`)
          }
        }
      }
    })

    await t.test('an open folder that is rewound shows changes', async () => {
      reader = new Actor(compileSyscalls(cluster.folder), here)
      const folder = join(here, 'still')
      assert.equal(await reader.call('open 0 still 0200000 0'), '0')
      const list = async () =>
        (await (reader as Actor).call('flist 0')).split(' ').filter(name => /^(new|file1:)/.test(name))
      for (let i = 0; i < 3; i++) assert.deepEqual(await list(), ['file1:8'])
      for (let i = 0; i < 3; i++) {
        writeFileSync(join(folder, `new${i}`), '')
        assert.equal((await list()).length, 2 + 2 * i, 'of the same machine at once')
        writeFileSync(join(there, 'still', `newer${i}`), '')
        await sleep(BELIEVED_MS + 100)
        assert.equal((await list()).length, 3 + 2 * i, 'of another one as attributes do')
        assert.equal(readdirSync(folder).length, 702 + 2 * i)
      }
    })

    await t.test('who looks at the files after that gets their attributes', () => {
      for (let i = 0; i < 3; i++) readdirSync(join(here, 'still'))
      const names = readdirSync(join(here, 'still'))
      for (const name of names) assert.ok(lstatSync(join(here, 'still', name)).isFile())
    })
  } finally {
    await reader?.kill()
    await cluster.close()
  }
})
