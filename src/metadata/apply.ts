// The front door to every change of the state: live, on replay, on a follower. An entry holds everything that was
// decided, so the same entries on the same state give the same state.
import { Status } from '../protocol/status.ts'
import type { Entry, EntryOf, OperationName } from './changelog/entry.ts'
import { chunkOperations } from './chunks/apply.ts'
import { treeOperations } from './namespace/apply.ts'
import { attributeOperations } from './namespace/apply-attributes.ts'
import { fileOperations } from './namespace/apply-files.ts'
import { recursiveOperations } from './namespace/apply-recursive.ts'
import { snapshotOperations } from './namespace/apply-snapshot.ts'
import { trashOperations } from './namespace/apply-trash.ts'
import { expectResult, fail } from './replay-error.ts'
import { sessionOperations } from './sessions/apply.ts'
import type { State } from './state.ts'
import { ROOT } from './types.ts'

export type Operations<N extends OperationName> = { [K in N]: (state: State, entry: EntryOf<K>) => void }

const housekeeping: Operations<'IDLE' | 'SETMETAID'> = {
  IDLE() {},
  SETMETAID(state, { metaId, ts }) {
    if (state.metaId !== 0n && state.metaId !== metaId) fail(Status.EINVAL, 'the file system has another id')
    // A new file system begins with its first change, or else its root would be as old as the last replay.
    if (state.version === 1) state.nodes.setTimes(ROOT, ts)
    state.metaId = metaId
  },
}

const operations: Operations<OperationName> = {
  ...housekeeping,
  ...treeOperations,
  ...fileOperations,
  ...attributeOperations,
  ...recursiveOperations,
  ...trashOperations,
  ...snapshotOperations,
  ...chunkOperations,
  ...sessionOperations,
}

/**
 * Applies one entry and raises the version by one.
 *
 * @throws ReplayError when the entry does not fit; the state may then be changed in part and must not be used on
 */
export function apply(state: State, entry: Entry): void {
  const operation = operations[entry.op] as (state: State, entry: Entry) => void
  const { stamp } = state.nodes
  stamp.seconds = entry.ts
  stamp.nanoseconds = entry.ns ?? 0
  operation(state, entry)
  state.version++
}

/** Applies an entry that must have this number. */
export function applyNumbered(state: State, version: number, entry: Entry): void {
  expectResult('the number of the next change', version, state.version)
  apply(state, entry)
}
