// Section CHNK (spec metadata 2.15). Chunks that files hold have got their rows from NODE, with version 0.
import type { CheckpointInput } from './input.ts'
import type { ReadContext } from './read.ts'

export async function readChunks(input: CheckpointInput, { state, mver }: ReadContext): Promise<void> {
  const { chunks } = state
  await input.fill(8)
  chunks.nextChunkId = input.u64n()
  const bytes = mver >= 0x11 ? 17 : 16
  let row = 0
  for (;;) {
    if (input.left < bytes) await input.fill(bytes)
    if (input.isZero(bytes)) {
      input.skip(bytes)
      return
    }
    const id = input.u64n()
    if (id === 0) input.fail('chunk id 0')
    if (id >= chunks.nextChunkId) input.fail(`chunk ${id.toString(16)} is not below the next chunk id`)
    const version = input.u32()
    if (version === 0) input.fail(`chunk ${id.toString(16)} has version 0`)
    // Our own files have chunks in the order of the files that hold them, which is that of the rows.
    row = chunks.id(row + 1) === id ? row + 1 : chunks.find(id) || chunks.add(id, 0)
    if (chunks.version.get(row) !== 0) input.fail(`chunk ${id.toString(16)} appears twice`)
    chunks.version.set(row, version)
    chunks.lockedTo.set(row, input.u32())
    if (mver >= 0x11 && input.u8() !== 0) chunks.setArchived(row, true)
  }
}
