import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LENT_AT_MOST_MS, LENT_MS } from '../protocol/lending.ts'
import { BorrowedFolders } from './borrowed-folders.ts'

const FOLDER = 5
const caller = { uid: 0, gids: [0] }

/** A master with one folder, and the clock. */
function setup(names: string[] | 'refused' = ['old']) {
  const world = { nowMs: 1000, answeredMs: 1000, asked: 0, returned: [] as number[], isSlow: false }
  let answer = () => {}
  const folders = new BorrowedFolders({
    nowMs: () => world.nowMs,
    answeredSinceMs: () => world.answeredMs,
    borrow: async () => {
      world.asked++
      if (world.isSlow) await new Promise<void>(resolve => (answer = resolve))
      return names === 'refused' ? undefined : names
    },
    giveBack: folder => world.returned.push(folder),
  })
  const turn = () => new Promise(setImmediate)
  const miss = async (times = 3) => {
    for (let i = 0; i < times; i++) folders.missed(FOLDER, caller)
    await turn()
  }
  const answerNow = async () => {
    answer()
    await turn()
  }
  return { world, folders, miss, turn, answerNow }
}

const place = (name: string) => ({ folder: FOLDER, name })

test('a folder is borrowed when names were not there some times', async () => {
  const { world, folders, miss } = setup()
  await miss(2)
  assert.equal(folders.lacks(FOLDER, 'new'), false)
  world.nowMs += 10_000
  world.answeredMs = world.nowMs
  await miss(2)
  assert.equal(world.asked, 0, 'that was long ago')
  await miss(1)
  assert.equal(world.asked, 1)
  assert.equal(folders.lacks(FOLDER, 'new'), true)
  assert.equal(folders.lacks(FOLDER, 'old'), false)
  assert.equal(folders.lacks(FOLDER, '..'), false)
  assert.equal(folders.lacks(FOLDER + 1, 'new'), false)
})

test('it is trusted while the master answers, and not for ever', async () => {
  const { world, folders, miss } = setup()
  await miss()
  world.nowMs += LENT_MS - 1
  assert.equal(folders.lacks(FOLDER, 'new'), true)
  world.nowMs += 1
  assert.equal(folders.lacks(FOLDER, 'new'), false)
  world.answeredMs = world.nowMs
  assert.equal(folders.lacks(FOLDER, 'new'), true)
  world.answeredMs = world.nowMs += LENT_AT_MOST_MS
  assert.equal(folders.lacks(FOLDER, 'new'), false)
  await miss()
  assert.equal(world.asked, 2)
})

test('changes of ours are followed', async () => {
  const { folders, miss } = setup()
  await miss()
  let made = () => {}
  const making = folders.follow([place('new')], new Promise<void>(resolve => (made = resolve)))
  assert.equal(folders.lacks(FOLDER, 'new'), false, 'it may be there already')
  made()
  await making
  assert.equal(folders.lacks(FOLDER, 'new'), false)
  await folders.follow([place('new'), place('newer')], Promise.resolve(), () => true)
  assert.equal(folders.lacks(FOLDER, 'new'), true)
  assert.equal(folders.lacks(FOLDER, 'newer'), false)
  await assert.rejects(folders.follow([place('newer')], Promise.reject(new Error('lost')), () => true))
  assert.equal(folders.lacks(FOLDER, 'newer'), false, 'nobody knows')
})

test('of two changes of a name at a time nobody knows which was first', async () => {
  const { folders, miss } = setup()
  await miss()
  let [made, removed] = [() => {}, () => {}]
  const making = folders.follow([place('x')], new Promise<void>(resolve => (made = resolve)))
  const wait = new Promise<void>(resolve => (removed = resolve))
  const removing = folders.follow([place('x')], wait, () => true)
  removed()
  await removing
  made()
  await making
  assert.equal(folders.lacks(FOLDER, 'x'), false)
  await folders.follow([place('x')], Promise.resolve(), () => true)
  assert.equal(folders.lacks(FOLDER, 'x'), true)
})

test('what we change while the names are on their way may be there', async () => {
  const { world, folders, miss, answerNow, turn } = setup()
  world.isSlow = true
  let made = () => {}
  const making = folders.follow([place('before')], new Promise<void>(resolve => (made = resolve)))
  await miss()
  await folders.follow([place('meanwhile')], Promise.resolve())
  const removing = folders.follow([place('old')], turn(), () => true)
  await answerNow()
  await removing
  made()
  await making
  for (const name of ['before', 'meanwhile', 'old']) assert.equal(folders.lacks(FOLDER, name), false, name)
  assert.equal(folders.lacks(FOLDER, 'other'), true)
})

test('what the master calls back is given back and rests', async () => {
  const { world, folders, miss } = setup()
  await miss()
  folders.recalled(FOLDER)
  assert.deepEqual(world.returned, [FOLDER])
  assert.equal(folders.lacks(FOLDER, 'new'), false)
  await miss()
  assert.equal(world.asked, 1)
  world.nowMs += 30_000
  world.answeredMs = world.nowMs
  await miss()
  assert.equal(folders.lacks(FOLDER, 'new'), true)
})

test('what is called back, or lost with the connection, on its way is not used', async () => {
  for (const end of ['recalled', 'forgetAll'] as const) {
    const { world, folders, miss, answerNow } = setup()
    world.isSlow = true
    await miss()
    folders[end](FOLDER)
    await answerNow()
    assert.equal(folders.lacks(FOLDER, 'new'), false, end)
  }
})

test('a master that does not lend is not asked all the time', async () => {
  const { world, folders, miss } = setup('refused')
  await miss(50)
  await miss(50)
  assert.equal(folders.lacks(FOLDER, 'new'), false)
  assert.equal(world.asked, 1)
  world.nowMs += 60_000
  await miss()
  assert.equal(world.asked, 2)
})

test('the oldest folders go when there are too many names', async () => {
  const names = Array.from({ length: 15_000 }, (_, i) => `n${i}`)
  const { folders, turn } = setup(names)
  for (let folder = 1; folder <= 20; folder++) {
    for (let i = 0; i < 3; i++) folders.missed(folder, caller)
    await turn()
  }
  assert.equal(folders.lacks(1, 'new'), false)
  assert.equal(folders.lacks(20, 'new'), true)
  const kept = Array.from({ length: 20 }, (_, i) => folders.lacks(i + 1, 'new')).filter(Boolean).length
  assert.equal(kept, Math.floor(200_000 / 15_000))
})
