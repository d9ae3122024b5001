// The changelogs of one log, as replication reads them: which file holds what, and their lines in batches of whole requests.
import type { Disk, DiskFile } from '../env/disk.ts'
import type { Batch } from '../ha/replica.ts'
import { ChangelogFile, changeIdOf } from '../journal/changelog-reader.ts'
import { saysMore } from '../metadata/changelog/trailer.ts'

const BATCH_BYTES = 1 << 20
const FIRST_LINE_BYTES = 32
const NO_DIGEST = Buffer.alloc(0)

interface NumberedFile {
  path: string
  firstVersion: number
}

/** The changelogs whose names match and that hold lines, oldest first. */
export async function changelogsByAge(disk: Disk, folder: string, pattern: RegExp): Promise<NumberedFile[]> {
  const found: NumberedFile[] = []
  for (const name of (await disk.list(folder)).filter(name => pattern.test(name))) {
    const path = `${folder}/${name}`
    const firstVersion = await firstVersionOf(disk, path)
    if (firstVersion !== undefined) found.push({ path, firstVersion })
  }
  return found.sort((a, b) => a.firstVersion - b.firstVersion)
}

async function firstVersionOf(disk: Disk, path: string): Promise<number | undefined> {
  const file = await openIfThere(disk, path)
  if (!file) return undefined
  try {
    const head = Buffer.alloc(FIRST_LINE_BYTES)
    return changeIdOf(head.toString('latin1', 0, await file.read(head, 0)))
  } finally {
    await file.close()
  }
}

/** Undefined when a rotation has just renamed it. */
export async function openIfThere(disk: Disk, path: string): Promise<DiskFile | undefined> {
  try {
    return await disk.open(path, 'r')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    return undefined
  }
}

/**
 * Lines from `version` on, in order, up to the end that is durable when it gets there.
 * @param end number of the first line that is not on the disk
 * @throws Error when a line is missing
 */
export async function* linesFrom(
  disk: Disk,
  folder: string,
  pattern: RegExp,
  version: number,
  end: () => number,
): AsyncGenerator<Batch> {
  for (let next = version; next < end(); ) {
    // Looked for anew each time: files are renamed when the logs rotate.
    const files = await changelogsByAge(disk, folder, pattern)
    const file = files.findLast(({ firstVersion }) => firstVersion <= next)
    if (!file) throw new Error(`no changelog holds line ${next}`)
    const first = next
    for await (const batch of linesOf(new ChangelogFile(disk, file.path), next)) {
      next = batch.firstVersion + batch.count
      yield batch
    }
    if (next === first) throw new Error(`${file.path} ends before line ${next}`)
  }
}

/** The lines of one changelog from `from` on, in batches of whole requests. */
async function* linesOf(file: ChangelogFile, from: number): AsyncGenerator<Batch> {
  let texts: string[] = []
  let bytes = 0
  let next = from
  const batch = (): Batch => {
    const lines = Buffer.from(`${texts.join('\n')}\n`, 'latin1')
    return { firstVersion: next - texts.length, count: texts.length, lines, digest: NO_DIGEST }
  }
  for await (const { text } of file.lines()) {
    const id = changeIdOf(text)
    if (id === undefined || id > next) throw new Error(`${file.path}: line ${next} is missing`)
    if (id < next) continue
    texts.push(text)
    next++
    bytes += text.length + 1
    if (bytes < BATCH_BYTES || saysMore(text)) continue
    yield batch()
    texts = []
    bytes = 0
  }
  if (texts.length > 0) yield batch()
}
