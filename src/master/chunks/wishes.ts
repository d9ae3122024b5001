// What the class of a chunk wants for it.
import type { LabelMasks, StorageClass } from '../../metadata/chunks/storage-classes.ts'
import type { State } from '../../metadata/state.ts'

const UNKNOWN_CLASS: readonly LabelMasks[] = [[0, 0, 0, 0]]

/** The class that rules a chunk; undefined when no file holds it, or when the class does not exist. */
export function classOf({ chunks, storageClasses }: State, row: number): StorageClass | undefined {
  return chunks.references.get(row) > 0 ? storageClasses.get(chunks.sclassId(row)) : undefined
}

/** One entry for each wanted copy; none when no file holds the chunk. */
export function wantedBy(state: State, row: number): readonly LabelMasks[] {
  const { chunks } = state
  if (chunks.references.get(row) === 0) return []
  const sclass = classOf(state, row)
  return (chunks.isArchived(row) ? sclass?.archive : sclass?.keep) ?? UNKNOWN_CLASS
}
