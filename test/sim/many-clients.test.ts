// A thousand sessions with a hundred thousand open files and ten thousand locks.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as cltoma from '../../src/protocol/cltoma.ts'
import * as matocl from '../../src/protocol/matocl.ts'
import { Status } from '../../src/protocol/status.ts'
import { MasterAndClients, type RawClient } from './master-and-clients.ts'

const SESSIONS = 1000
const FILES = 1000
const OPEN_EACH = 100
const LOCKS_EACH = 10
const ROOT = 1

test('a thousand sessions hold files and locks, and one that ends frees just its own', async () => {
  const world = new MasterAndClients(1)
  await world.play(async () => {
    await world.start()
    const maker = await world.mount()
    const clients: RawClient[] = [maker]
    const beat = () => {
      for (const client of clients) client.talk.send(matocl.nop.encode({ msgid: 0 }))
      world.scheduler.at(3000, beat)
    }
    beat()
    const inodes: number[] = []
    for (let i = 0; i < FILES; i++) inodes.push(((await maker.create(ROOT, `f${i}`)) as { inode: number }).inode)
    for (let i = 1; i < SESSIONS; i++) clients.push(await world.mount({ address: `10.9.${10 + (i >> 8)}.${i & 255}` }))
    const opened = (i: number) => Array.from({ length: OPEN_EACH }, (_, k) => inodes[(i * 7 + k * 3) % FILES] as number)
    for (const [i, client] of clients.entries()) {
      client.talk.send(cltoma.fuseSustainedInodes.encode({ inodes: opened(i) }))
      // Byte ranges of its own, so that nobody waits.
      for (let k = 0; k < LOCKS_EACH; k++) {
        const range = { type: 2, start: BigInt(i), end: BigInt(i + 1) }
        const lock = { inode: opened(i)[k] as number, requestId: k, owner: 1n, pid: 7, command: 2, ...range }
        client.talk.send(cltoma.fusePosixLock.encode({ msgid: 100 + k, ...lock }))
      }
    }
    for (const client of clients) {
      for (let k = 0; k < LOCKS_EACH; k++) {
        assert.equal((await client.answerTo(100 + k, matocl.fusePosixLock)).status, Status.OK)
      }
    }
    const { openFiles } = world.state
    const open = () => clients.reduce((sum, { sessionId }) => sum + openFiles.inodesOf(sessionId).size, 0)
    const all = SESSIONS * OPEN_EACH
    assert.equal(open(), all)
    // The end of one is a matter of what it had, not of what there is.
    const lines: string[] = []
    world.master.ledger.listen((_, body) => lines.push(body))
    const leaving = clients[500] as RawClient
    await leaving.unmount()
    assert.equal(openFiles.inodesOf(leaving.sessionId).size, 0)
    assert.equal(open(), all - OPEN_EACH)
    assert.ok(lines.length <= OPEN_EACH + LOCKS_EACH + 2, `${lines.length} lines`)
    const other = clients[501] as RawClient
    const lock = { requestId: 1, owner: 9n, pid: 8, command: 2, type: 2, start: 500n, end: 501n }
    for (const inode of opened(500).slice(0, LOCKS_EACH)) {
      if (!openFiles.has(other.sessionId, inode)) continue
      const answer = await other.ask(cltoma.fusePosixLock, { inode, ...lock }, matocl.fusePosixLock)
      assert.equal(answer.status, Status.OK, 'what it had locked is free')
    }
  })
})
