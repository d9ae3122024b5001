// The last lines before a master ended, for what it kept in memory besides the state.
import type { Disk } from '../env/disk.ts'
import { type ParsedLine, parseLine } from '../metadata/changelog/entry.ts'
import { ChangelogError } from '../metadata/changelog/fields.ts'
import { changelogPattern } from './changelog-files.ts'
import { ChangelogFile } from './changelog-reader.ts'

/** Enough for twelve seconds of the busiest master. */
const TAIL_BYTES = 16 << 20
/** A master that writes nothing for longer may have stood still: more of that time does not count. */
const QUIET_SECONDS = 10

/**
 * Reads the end of the newest changelogs, whether the state holds these lines by a checkpoint or by replay.
 *
 * @param version of the recovered state: lines at or above it are none of its past
 * @param seconds only lines not older than the last one by more than this, as the busy time of the master goes
 */
export async function recentLines(disk: Disk, folder: string, version: number, seconds: number): Promise<ParsedLine[]> {
  const found: ParsedLine[] = []
  let age = 0
  for (const path of await newestFirst(disk, folder, version)) {
    const { lines, whole } = await tailOf(disk, path)
    // From the end, because a new leader waits for this: most of a long tail is too old and is not looked at.
    for (let i = lines.length - 1; i >= 0; i--) {
      const line = parsed(lines[i] as string)
      if (!line || line.version >= version) continue
      const gap = (found.at(-1)?.entry.ts ?? line.entry.ts) - line.entry.ts
      age += Math.min(Math.max(0, gap), QUIET_SECONDS)
      if (age > seconds) return found.reverse()
      found.push(line)
    }
    if (!whole) break
  }
  return found.reverse()
}

async function newestFirst(disk: Disk, folder: string, version: number): Promise<string[]> {
  const found: { path: string; id: number }[] = []
  for (const name of await disk.list(folder)) {
    if (!changelogPattern.test(name)) continue
    const path = `${folder}/${name}`
    const id = await new ChangelogFile(disk, path).firstId()
    if (id !== undefined && id < version) found.push({ path, id })
  }
  return found.sort((a, b) => b.id - a.id).map(({ path }) => path)
}

async function tailOf(disk: Disk, path: string): Promise<{ lines: string[]; whole: boolean }> {
  const file = await disk.open(path, 'r')
  try {
    const { size } = await file.stat()
    const from = Math.max(0, size - TAIL_BYTES)
    const tail = Buffer.alloc(size - from)
    let filled = 0
    while (filled < tail.length) {
      const count = await file.read(tail.subarray(filled), from + filled)
      if (count === 0) break
      filled += count
    }
    const lines = tail.toString('latin1', 0, filled).split('\n')
    // The last piece has no end, and the first one may have no beginning.
    return { lines: lines.slice(from > 0 ? 1 : 0, -1), whole: from === 0 }
  } finally {
    await file.close()
  }
}

/** Lines that recovery did not need may be damaged; they tell nothing then. */
function parsed(text: string): ParsedLine | undefined {
  try {
    return parseLine(text)
  } catch (error) {
    if (error instanceof ChangelogError) return undefined
    throw error
  }
}
