import assert from 'node:assert/strict'
import { test } from 'node:test'
import { apply } from '../metadata/apply.ts'
import type { Entry } from '../metadata/changelog/entry.ts'
import { newState } from '../metadata/state.ts'
import { Archiving } from './archiving.ts'
import type { Ledger } from './ledger.ts'

const DAY = 86_400
const START = 1_700_000_000

function ledgerAt(start: number) {
  const state = newState(start)
  const ledger = {
    state,
    seconds: start,
    now: () => ledger.seconds,
    commit: (entry: Entry) => apply(state, entry),
    whenCommitted: (action: () => void) => action(),
  }
  return ledger
}

test('a file that has not changed for as long as its class says becomes archived, others do not', () => {
  const ledger = ledgerAt(START)
  const { state } = ledger
  const any = [0, 0, 0, 0]
  const counts = { createCount: 1, keepCount: 2, archiveCount: 1 }
  const masks = [...any, ...any, ...any, ...any]
  const sclass = { name: 'cold', isNew: true, ...counts, mode: 1, archiveDelayDays: 10, adminOnly: false, masks }
  ledger.commit({ op: 'SCSET', ts: START, ...sclass, classId: 10 })
  const owner = { uid: 5, gid: 5, rdev: 0, cumask: 0, type: 1, mode: 0o600, parent: 1 }
  const rows = [10, 10, 2].map((classId, i) => {
    const inode = state.nodes.nextInode()
    ledger.commit({ op: 'CREATE', ts: START + i * 5 * DAY, name: `f${i}`, ...owner, inode })
    state.nodes.sclassId.set(inode, classId)
    const chunkId = state.chunks.nextChunkId
    ledger.commit({ op: 'WRITE', ts: START, inode, index: 0, raiseVersion: true, touch: false, chunkId })
    return state.chunks.find(chunkId)
  })
  const archiving = new Archiving(ledger as unknown as Ledger)
  const archivedAfter = (days: number) => {
    ledger.seconds = START + days * DAY + 1
    for (let i = 0; i < 10; i++) archiving.tick()
    return rows.map(row => state.chunks.isArchived(row))
  }
  assert.deepEqual(archivedAfter(9), [false, false, false])
  assert.deepEqual(archivedAfter(11), [true, false, false])
  assert.deepEqual(archivedAfter(16), [true, true, false])
})
