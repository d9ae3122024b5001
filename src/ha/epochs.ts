// Which leader wrote which part of the log. Lines of one epoch come from one leader, so two logs that hold the same
// epochs hold the same lines, as far as both go: comparing two small tables says where two logs part.
//
//   versions   1 ───────────► 500 ──────► 812 ───►
//   epoch      1, cobbler1     2, cobbler2  3, cobbler1

export interface Epoch {
  readonly epoch: number
  /** Number of the first line that was written in it; the line need not exist yet. */
  readonly firstVersion: number
  /** Who led: a member's full name. Tells epochs of one number apart where no third vote prevents a split brain. */
  readonly leader: string
}

/** Oldest first; epochs rise, first versions never fall. Immutable. */
export type EpochTable = readonly Epoch[]

export const lastEpoch = (table: EpochTable): number => table.at(-1)?.epoch ?? 0

/**
 * The epochs that say something of a log that ends at `end`: those with lines in it, and always the first, because a
 * table is taken over only together with what came before its first epoch.
 */
export function epochsWithin(table: EpochTable, end: number): EpochTable {
  return table.filter(({ firstVersion }, i) => i === 0 || firstVersion < end)
}

function isSameEpoch(a: Epoch, b: Epoch): boolean {
  return a.epoch === b.epoch && a.firstVersion === b.firstVersion && a.leader === b.leader
}

/** A log: the epochs in it, and the number that its next line will get. */
export interface LogShape {
  readonly epochs: EpochTable
  readonly end: number
}

/**
 * Where two logs part: every line below the result is the same in both.
 * @returns undefined when the tables have nothing in common, so that nothing is known of the lines
 */
export function partingPoint(mine: LogShape, theirs: LogShape): number | undefined {
  // An epoch without lines may be known to one side only and proves nothing.
  const [a, b] = [epochsWithin(mine.epochs, mine.end), epochsWithin(theirs.epochs, theirs.end)]
  let common = 0
  for (; common < a.length && common < b.length; common++) {
    if (!isSameEpoch(a[common] as Epoch, b[common] as Epoch)) break
  }
  if (common === 0) return undefined
  return Math.min(a[common]?.firstVersion ?? mine.end, b[common]?.firstVersion ?? theirs.end)
}

/** What a log must do to follow another one. */
export type JoinPlan =
  | { readonly kind: 'follow'; readonly from: number }
  /** Lines from `at` on were never acknowledged in the history that counts. */
  | { readonly kind: 'cut'; readonly at: number }
  | { readonly kind: 'fetch'; readonly why: string }

/** @param oldest first line that the leader can still send */
export function planJoin(mine: LogShape, leader: LogShape & { readonly oldest: number }): JoinPlan {
  if (mine.end === 0) return { kind: 'fetch', why: 'there is no metadata here yet' }
  const point = partingPoint(mine, leader)
  if (point === undefined) return { kind: 'fetch', why: 'its log has no epoch in common with the leader' }
  if (point < mine.end) return { kind: 'cut', at: point }
  if (point >= leader.oldest) return { kind: 'follow', from: point }
  return { kind: 'fetch', why: `the leader's changelogs begin with ${leader.oldest}, its log ends at ${point}` }
}

/** Text of the file that keeps the table beside the changelogs. */
export interface EpochFile {
  /** Drawn by chance for each new log; a folder that was lost or fetched anew is another log. */
  readonly logId: string
  /** Nothing of a lower epoch is taken any more. */
  readonly seen: number
  readonly epochs: EpochTable
  /** Set while the files beside it are being put aside. */
  readonly putAside?: string
}

export const EPOCH_FILE = 'epochs.mfs'

export function printEpochFile({ logId, seen, epochs, putAside }: EpochFile): string {
  const lines = [`log ${logId}`, `seen ${seen}`]
  if (putAside !== undefined) lines.push(`aside ${putAside}`)
  for (const { epoch, firstVersion, leader } of epochs) lines.push(`epoch ${epoch} ${firstVersion} ${leader}`)
  return `${lines.join('\n')}\n`
}

/** @throws Error saying which line cannot be read */
export function parseEpochFile(text: string): EpochFile {
  const lines = text.split('\n')
  if (lines.pop() !== '') throw new Error(`${EPOCH_FILE}: its last line is not finished`)
  const epochs: Epoch[] = []
  let logId = ''
  let seen = 0
  let putAside: string | undefined
  for (const [i, line] of lines.entries()) {
    const [, word, rest = ''] = /^(log|seen|aside|epoch) (.*)$/.exec(line) ?? []
    const [, epoch, firstVersion, leader] = /^(\d{1,15}) (\d{1,15}) (\S+)$/.exec(rest) ?? []
    if (word === 'log' && /^[0-9a-f]{16}$/.test(rest)) logId = rest
    else if (word === 'seen' && /^\d{1,15}$/.test(rest)) seen = Number(rest)
    else if (word === 'aside' && rest !== '') putAside = rest
    else if (word === 'epoch' && leader) {
      epochs.push({ epoch: Number(epoch), firstVersion: Number(firstVersion), leader })
    } else throw new Error(`${EPOCH_FILE}, line ${i + 1}: cannot be read: ${JSON.stringify(line.slice(0, 80))}`)
  }
  if (logId === '') throw new Error(`${EPOCH_FILE}: the line "log ID" is missing`)
  return { logId, seen, epochs, ...(putAside === undefined ? {} : { putAside }) }
}
