// Checksums of changelogs. The changelog itself is the original's, line for line, and has none; so they lie in a file
// beside it, changelog.N.sums, that no other program looks at. It is a list of records, one a line:
//
//   <first change> <last change> <offset> <bytes> <crc:hex> <digest kind>:<digest:hex> <D or W> <crc of the record:hex>
//
// A record covers consecutive lines of the changelog, some batches of them: where they lie, their CRC-32, the digest of
// the state behind the last of them. D says that they were on the disk when the record was written: what is wrong with
// them, and with all before them, is damage. W says that they were only written: a power cut may have taken them back;
// a record without lines says D of them later. The last lines before the end of a master may have no record yet; they
// are as good as the original's.
import type { Disk, DiskFile } from '../env/disk.ts'
import { DIGEST_KIND } from '../metadata/digest.ts'
import { crc32 } from '../util/crc32.ts'
import { ageOf, changelogName, sumsName } from './changelog-files.ts'

/** A record is closed when it covers as much… */
const COVERED_BYTES = 1 << 16

export interface SumRecord {
  first: number
  last: number
  /** Of the lines in the changelog. */
  offset: number
  bytes: number
  crc: number
  /** Of the state that the last line leads to; undefined when it is not of our kind or not known. */
  digest: bigint | undefined
  isDurable: boolean
}

const hex = (value: number | bigint) => value.toString(16)

function printRecord({ first, last, offset, bytes, crc, digest, isDurable }: SumRecord): string {
  const state = digest === undefined ? '0:0' : `${DIGEST_KIND}:${hex(digest)}`
  const body = `${first} ${last} ${offset} ${bytes} ${hex(crc)} ${state} ${isDurable ? 'D' : 'W'}`
  return `${body} ${hex(crc32(Buffer.from(body)))}\n`
}

const RECORD =
  /^((\d{1,16}) (\d{1,16}) (\d{1,16}) (\d{1,16}) ([0-9a-f]{1,8}) (\d{1,9}):([0-9a-f]{1,16}) ([DW])) ([0-9a-f]{1,8})$/

/** Undefined for a line that is damaged or unfinished: what it covered is then unchecked. */
function parseRecord(line: string): SumRecord | undefined {
  const match = RECORD.exec(line)
  if (!match || Number.parseInt(match[10] as string, 16) !== crc32(Buffer.from(match[1] as string))) return undefined
  const [first, last, offset, bytes] = match.slice(2, 6).map(Number) as [number, number, number, number]
  const digest = Number(match[7]) === DIGEST_KIND ? BigInt(`0x${match[8]}`) : undefined
  return {
    first,
    last,
    offset,
    bytes,
    crc: Number.parseInt(match[6] as string, 16),
    digest,
    isDurable: match[9] === 'D',
  }
}

/** All records of a sums file that can be read. */
export async function readSums(disk: Disk, path: string): Promise<SumRecord[]> {
  const text = (await disk.readFile(path)).toString('latin1')
  return text.split('\n').flatMap(line => parseRecord(line) ?? [])
}

/** Writes the records that belong to a changelog as it grows. */
export class SumsWriter {
  readonly #disk: Disk
  readonly #path: string
  readonly #onFailure: (cause: unknown) => void
  #file: DiskFile | undefined
  #position = 0
  /** Covered lines that no record tells of yet. */
  #open: SumRecord | undefined
  #text = ''
  #isNew = false
  #writing: Promise<void> | undefined

  /** @param onFailure hears of a write that failed, once */
  constructor(disk: Disk, path: string, onFailure: (cause: unknown) => void) {
    this.#disk = disk
    this.#path = path
    this.#onFailure = onFailure
  }

  /** Lines were written, right behind the ones before, or synced when `isDurable`. */
  cover(lines: Buffer, record: Omit<SumRecord, 'bytes' | 'crc'>): void {
    const before = this.#open
    if (before && before.isDurable !== record.isDurable) this.flush()
    const open = this.#open ?? { ...record, bytes: 0, crc: 0 }
    if (!this.#file && !this.#writing) this.#isNew = open.offset === 0
    open.crc = crc32(lines, open.crc)
    open.bytes += lines.length
    open.last = record.last
    open.digest = record.digest
    this.#open = open
    if (open.bytes >= COVERED_BYTES) this.flush()
  }

  /** The first `end` bytes of the changelog, up to the change `last`, are on the disk now, whatever was said of them. */
  settle(last: number, end: number): void {
    this.flush()
    this.#open = { first: last + 1, last, offset: end, bytes: 0, crc: 0, digest: undefined, isDurable: true }
    this.flush()
  }

  /** Closes the open record. It is on its way to the disk when this returns. */
  flush(): void {
    if (!this.#open) return
    this.#text += printRecord(this.#open)
    this.#open = undefined
    this.#writing ??= this.#write()
      .catch(this.#onFailure)
      .finally(() => {
        this.#writing = undefined
      })
  }

  async #write(): Promise<void> {
    if (!this.#file) {
      // What lies there beside a changelog that begins is of an older one.
      this.#file = await this.#disk.open(this.#path, this.#isNew ? 'w+' : 'a+')
      this.#position = (await this.#file.stat()).size
    }
    while (this.#text !== '') {
      const bytes = Buffer.from(this.#text, 'latin1')
      this.#text = ''
      await this.#file.write(bytes, this.#position)
      this.#position += bytes.length
    }
  }

  /** Puts everything on the disk. The next cover() begins a new file of the same name. */
  async close(): Promise<void> {
    this.flush()
    await this.#writing
    const file = this.#file
    this.#file = undefined
    await file?.sync()
    await file?.close()
  }
}

/** So many bytes of the changelog were known to be on the disk. */
function durableBytes(records: readonly SumRecord[]): number {
  return records.reduce((most, { isDurable, offset, bytes }) => (isDurable ? Math.max(most, offset + bytes) : most), 0)
}

/** Lines that are not as they were written. */
export interface Damage {
  first: number
  last: number
  /** Where they lie in the changelog. */
  offset: number
  bytes: number
  /** What is wrong, and where. */
  text: string
}

/** The records that tell of a changelog, which a kill in the middle of a rotation may have left beside its neighbour. */
async function recordsOf(disk: Disk, folder: string, name: string, file: DiskFile): Promise<SumRecord[]> {
  const present = new Set(await disk.list(folder))
  const age = ageOf(name)
  if (age === undefined) return []
  for (const near of [age, age + 1, age - 1]) {
    const sums = sumsName(near)
    if (!present.has(sums)) continue
    const records: SumRecord[] = []
    for (const record of await readSums(disk, `${folder}/${sums}`)) {
      if (record.bytes === 0 ? records.length > 0 : await beginsThere(file, record)) records.push(record)
    }
    if (records.length > 0) return records
  }
  return []
}

/** Whether a change that a record begins with stands where it says; else the record is of another file. */
async function beginsThere(file: DiskFile, { first, offset }: SumRecord): Promise<boolean> {
  const expected = Buffer.from(`${first}: `)
  const there = Buffer.alloc(expected.length)
  return (await file.read(there, offset)) === expected.length && there.equals(expected)
}

/**
 * Compares a changelog with its records.
 *
 * @param from older changes are passed over
 * @param isFinished whether all of the file was on the disk, because the next one was begun
 * @returns records, and every place that does not fit, but for an end that a power cut may have taken back
 */
export async function checkedChangelog(
  disk: Disk,
  folder: string,
  name: string,
  from: number,
  isFinished: boolean,
): Promise<{ damages: Damage[]; records: SumRecord[] }> {
  const path = `${folder}/${name}`
  const file = await disk.open(path, 'r')
  try {
    const records = (await recordsOf(disk, folder, name, file)).filter(({ last }) => last >= from)
    const durable = isFinished ? Infinity : durableBytes(records)
    const damages: Damage[] = []
    for (const record of records) {
      const what = await whatIsWrong(file, record, record.offset + record.bytes <= durable)
      if (what === undefined) continue
      const { first, last, offset, bytes } = record
      const where = `${path}, bytes ${offset} to ${offset + bytes - 1}, changes ${first} to ${last}`
      damages.push({ first, last, offset, bytes, text: `${where}: ${what}` })
    }
    return { damages, records }
  } finally {
    await file.close()
  }
}

async function whatIsWrong(file: DiskFile, record: SumRecord, wasOnDisk: boolean): Promise<string | undefined> {
  const { offset, bytes, crc } = record
  const target = Buffer.alloc(bytes)
  const count = await file.read(target, offset)
  if (count === bytes && crc32(target) === crc) return undefined
  // What the disk did not get in time is missing or zeros, and never anything else.
  if (!wasOnDisk && (count < bytes || target.includes(0))) return undefined
  return count < bytes ? `the file ends at byte ${offset + count}` : 'the checksum is wrong'
}

/** Forgets what records say of bytes that are not in a changelog: other lines will stand there. */
export async function cutSums(disk: Disk, folder: string, age: number): Promise<void> {
  const names = await disk.list(folder)
  if (!names.includes(sumsName(age))) return
  const path = `${folder}/${sumsName(age)}`
  const text = (await disk.readFile(path)).toString('latin1')
  const changelog = changelogName(age)
  const kept = names.includes(changelog) ? await fittingBytes(disk, `${folder}/${changelog}`, text) : 0
  if (kept === text.length) return
  const file = await disk.open(path, 'r+')
  try {
    await file.truncate(kept)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Length of the records at the beginning that tell of what is in the changelog. */
async function fittingBytes(disk: Disk, changelogPath: string, sums: string): Promise<number> {
  const file = await disk.open(changelogPath, 'r')
  try {
    const { size } = await file.stat()
    let kept = 0
    for (const line of sums.split('\n')) {
      const record = parseRecord(line)
      if (!record || record.offset + record.bytes > size) break
      if (record.bytes > 0 && !(await beginsThere(file, record))) break
      kept += line.length + 1
    }
    return Math.min(kept, sums.length)
  } finally {
    await file.close()
  }
}
