// Long random histories: the real master's replay of our changelog comes to our state, and what we write of the state
// the real master and the real tools read as we do.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { apply } from '../../src/metadata/apply.ts'
import { type Entry, printLine } from '../../src/metadata/changelog/entry.ts'
import { writeCheckpoint } from '../../src/metadata/checkpoint/write.ts'
import { differences } from '../../src/metadata/diff/diff.ts'
import { dumpMetadata } from '../../src/metadata/dump/dump.ts'
import { edgesOf, pathOf } from '../../src/metadata/namespace/tree.ts'
import { newState, type State } from '../../src/metadata/state.ts'
import { ROOT } from '../../src/metadata/types.ts'
import { load, pullOf } from '../golden/metadata.ts'
import { RandomHistory } from '../sim/random-history.ts'
import { whyNot } from './cluster.ts'
import { installPackages } from './packages.ts'
import { restoredByRealMaster, unexpected } from './real-restore.ts'

const skip = whyNot() ?? false
const CHANGES = 4000
const TS = 1_700_000_000

before(() => {
  if (!skip) installPackages()
})

/** What no master logs, or what the original logs and can't replay (spec metadata 12). */
function isBeyondTheOriginal(state: State, entry: Entry): boolean {
  const { flocks, posixLocks } = state
  const ofSession = (inode: number, session: number) => flocks.of(inode).some(lock => lock.session === session)
  switch (entry.op) {
    case 'REPAIR':
      return entry.version > 0
    case 'MOVE':
      return entry.parentSource === entry.parentTarget && entry.nameSource === entry.nameTarget
    case 'FLOCK':
      // Unlocking what is not locked, or changing the type of a lock without letting go of it.
      return (entry.command === 'UNLOCK') !== (flocks.held(entry.inode, entry.sessionId, entry.owner) !== undefined)
    case 'POSIXLOCK':
      return entry.command === 'UNLOCK' && !posixLocks.has(entry.inode)
    case 'RELEASE':
      return ofSession(entry.inode, entry.sessionId)
    case 'SESDEL':
      return [...flocks.entries()].some(([inode]) => ofSession(inode, entry.sessionId))
    case 'SETSCLASS':
    case 'SETTRASHTIME':
    case 'SETEATTR':
      return !(entry.mode & 4) && entry.notPermitted > 0
    default:
      return false
  }
}

/** A history of our master: its lines, and the state that it came to. */
function history(seed: number): { state: State; changelog: string } {
  const state = newState(TS)
  const lines: string[] = []
  const take = (entry: Entry) => {
    const { version } = state
    apply(state, entry)
    // After it was applied, as the live master does: a snapshot learns its results by then.
    lines.push(printLine(version, entry))
  }
  take({ op: 'SETMETAID', ts: TS, metaId: 7n })
  const random = new RandomHistory(state, seed)
  while (lines.length < CHANGES) {
    const entry = random.next()
    if (!entry || isBeyondTheOriginal(state, entry)) continue
    // The original's replay loses the first digit of every group; of 0 nothing is left to lose.
    if (entry.op === 'SNAPSHOT') entry.gids = [0]
    take(entry)
  }
  return { state, changelog: `${lines.join('\n')}\n` }
}

function tool(program: string, ...args: string[]): string {
  const { stdout, status, stderr } = spawnSync(program, args, { encoding: 'latin1', maxBuffer: 1 << 28 })
  assert.equal(status, 0, stderr)
  return stdout
}

async function ourDump(bytes: Buffer): Promise<string> {
  let text = ''
  await dumpMetadata(pullOf(bytes), {}, async piece => {
    text += piece
  })
  return text
}

for (const seed of [1, 2, Math.floor(Math.random() * 2 ** 31)]) {
  test(`a random history of ours is replayed by the real master, and its checkpoint read (seed ${seed})`, {
    skip,
  }, async () => {
    const { state, changelog } = history(seed)
    const replayed = await load(restoredByRealMaster({ 'metadata.mfs': 'MFSM NEW', 'changelog.0.mfs': changelog }))
    assert.deepEqual(unexpected(differences(state, replayed)), [], `seed ${seed}: replay`)

    const written = Buffer.concat([...writeCheckpoint(state)])
    const read = await load(restoredByRealMaster({ 'metadata.mfs.back': written }))
    assert.deepEqual(unexpected(differences(state, read)), [], `seed ${seed}: checkpoint`)

    const folder = mkdtempSync(join(tmpdir(), 'elkfs-history-'))
    try {
      const file = join(folder, 'metadata.mfs')
      writeFileSync(file, written)
      assert.equal(await ourDump(written), tool('mfsmetadump', file))
      const folders = [...edgesOf(state, state.nodes.directoryRow(ROOT))].map(edge => state.edges.child.get(edge))
      const paths = ['/', ...folders.map(inode => `/${pathOf(state, inode)}`)]
      const ours = tool(join(import.meta.dirname, '../../bin/mfsmetadirinfo'), '-f', 'J', file, ...paths)
      assert.equal(ours, tool('mfsmetadirinfo', '-f', 'J', file, ...paths))
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
}
