// Requests on large trees: others are served meanwhile, nobody sees half a snapshot, and what one master began another
// one ends.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as cltoma from '../../src/protocol/cltoma.ts'
import * as matocl from '../../src/protocol/matocl.ts'
import { Status } from '../../src/protocol/status.ts'
import { MasterAndClients, type RawClient } from './master-and-clients.ts'
import { treeBelow } from './random-tree.ts'

const ROOT = 1
const caller = { uid: 0, gids: [0] }
/** So many that the work on them takes longer than messages are on their way. */
const FILES = 200

/** A folder `source` in the root with folders and files, and a master that takes it in very small parts. */
async function prepared(story: (world: MasterAndClients, client: RawClient, source: number) => Promise<void>) {
  const world = new MasterAndClients(1, { treeSlices: { weight: 2, steps: 2 } })
  await world.play(async () => {
    await world.start()
    const client = await world.mount()
    const source = inodeOf(await client.mkdir(ROOT, 'source'))
    const inner = inodeOf(await client.mkdir(source, 'inner'))
    for (let i = 0; i < FILES; i++) await client.create(i % 2 ? source : inner, `f${i}`)
    await story(world, client, source)
    await world.stop()
  })
  assert.deepEqual(world.failures, [])
}

function inodeOf(answer: { inode?: number | undefined; status?: number | undefined }): number {
  assert.ok(answer.inode !== undefined, `refused with ${answer.status}`)
  return answer.inode
}

const sleep = (world: MasterAndClients, ms: number) => new Promise<void>(done => world.scheduler.at(ms, done))

/** Waits for the first lines of the request on a tree that was sent. */
async function begun(world: MasterAndClients): Promise<void> {
  const { version } = world.state
  while (world.state.version < version + 6) await sleep(world, 0.1)
}

const snapshotOf = (inode: number) => ({ inode, parent: ROOT, name: 'copy', caller, mode: 0, umask: 0 })
const removal = { inode: 0, parent: ROOT, name: 'copy', caller, mode: 0x80, umask: 0 }

const childrenOf = (world: MasterAndClients, name: string) =>
  Object.keys(treeBelow(world.state, ROOT)).filter(path => path.startsWith(`/${name}/`)).length

test('others are served while a snapshot is made; who names it or changes its source waits', () =>
  prepared(async (world, client, source) => {
    const other = await world.mount({ address: '10.9.9.101' })
    const order: string[] = []
    const note = (what: string, answer: Promise<{ status?: number | undefined }>) =>
      answer.then(({ status = 0 }) => order.push(`${what} ${status}`))
    const asked = client.ask(cltoma.fuseSnapshot, snapshotOf(source), matocl.fuseSnapshot)
    await begun(world)
    await Promise.all([
      note('snapshot', asked),
      note('lookup', other.lookup(ROOT, 'copy')),
      note('create', other.create(source, 'late')),
      note('elsewhere', other.create(ROOT, 'elsewhere')),
      note('read', other.lookup(source, 'inner')),
    ])
    assert.deepEqual(order.slice(0, 2).sort(), ['elsewhere 0', 'read 0'])
    assert.deepEqual(order.slice(2).sort(), ['create 0', 'lookup 0', 'snapshot 0'])
    assert.equal(childrenOf(world, 'copy'), FILES + 1)
    assert.equal(childrenOf(world, 'source'), FILES + 2)
  }))

test('a request that a tool has given up and sends again is not done twice', () =>
  prepared(async (world, client, source) => {
    const asked = [1, 2].map(() => client.ask(cltoma.fuseSnapshot, snapshotOf(source), matocl.fuseSnapshot))
    assert.deepEqual(
      (await Promise.all(asked)).map(({ status }) => status),
      [0, 0],
    )
    assert.equal(childrenOf(world, 'copy'), FILES + 1)
  }))

const requests: Record<string, (client: RawClient, source: number) => Promise<unknown>> = {
  snapshot: (client, source) => client.askAs(77, cltoma.fuseSnapshot, snapshotOf(source), matocl.fuseSnapshot),
  removal: client => client.askAs(77, cltoma.fuseSnapshot, removal, matocl.fuseSnapshot),
  trashtime: client =>
    client.askAs(77, cltoma.fuseSettrashtime, { inode: ROOT, uid: 0, seconds: 7200, mode: 4 }, matocl.fuseSettrashtime),
}

for (const [name, request] of Object.entries(requests)) {
  test(`a ${name} that a killed master left is ended by the next one, and answered as if nothing had been`, async () => {
    let expected: { answer: unknown; tree: unknown } | undefined
    for (const killAfterMs of [undefined, 0, 1, 2, 3, 5, 8]) {
      await prepared(async (world, client, source) => {
        if (name === 'removal') await client.ask(cltoma.fuseSnapshot, snapshotOf(source), matocl.fuseSnapshot)
        const versionBefore = world.state.version
        const first = request(client, source)
        let answer: unknown
        if (killAfterMs === undefined) answer = await first
        else {
          first.catch(() => {})
          await sleep(world, killAfterMs)
          world.kill()
          await world.start()
          const again = await world.connect()
          assert.equal(await again.reconnect(client.sessionId), Status.OK)
          answer = await request(again, source)
        }
        assert.ok(world.state.version > versionBefore + 3, 'it takes several lines')
        const tree = timeless(treeBelow(world.state, ROOT))
        expected ??= { answer, tree }
        assert.deepEqual({ answer, tree }, expected, `killed after ${killAfterMs} ms`)
      })
    }
  })
}

test('a removal that nobody asks for again is ended all the same, or was never begun', async () => {
  const outcomes = new Set<number>()
  for (const killAfterMs of [1, 1.5, 2, 2.5, 3, 4, 6]) {
    await prepared(async (world, client, source) => {
      await client.ask(cltoma.fuseSnapshot, snapshotOf(source), matocl.fuseSnapshot)
      void client.ask(cltoma.fuseSnapshot, removal, matocl.fuseSnapshot).catch(() => {})
      await sleep(world, killAfterMs)
      const isPartial = ![0, FILES + 1].includes(childrenOf(world, 'copy'))
      world.kill()
      await world.start()
      await sleep(world, 1000)
      const left = childrenOf(world, 'copy')
      assert.ok(left === 0 || left === FILES + 1, `killed after ${killAfterMs} ms: ${left} are left`)
      if (isPartial) outcomes.add(left)
    })
  }
  assert.ok(outcomes.has(0), 'one that was under way is ended')
})

/** Without times: those of lines that were done anew are later. */
function timeless(tree: Record<string, unknown>): unknown {
  return Object.fromEntries(Object.entries(tree).map(([path, facts]) => [path, { ...(facts as object), times: [] }]))
}
