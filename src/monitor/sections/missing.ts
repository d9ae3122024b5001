// MF: chunks of which no good copy is left, as the last round over all files found them.
import { MissingKind } from '../../protocol/monitors.ts'
import type { Cluster, MissingChunk } from '../cluster.ts'
import type { Choice, Section } from '../section.ts'
import { type Orders, sorted } from '../sorting.ts'
import { cell, numberColumn, textColumn } from '../table.ts'
import { hexText, pathTexts } from '../texts.ts'

const KINDS: Readonly<Record<number, string>> = {
  [MissingKind.NO_COPY]: 'NO COPY',
  [MissingKind.INVALID_COPIES]: 'INVALID COPIES',
  [MissingKind.WRONG_VERSIONS]: 'WRONG VERSIONS',
}
const NO_PATH = ' * unknown path * (deleted file)'

type Missing = MissingChunk & { readonly paths: readonly string[] }

const orders: Orders<Missing> = {
  1: ({ paths }) => paths,
  2: ({ inode }) => inode,
  3: ({ index }) => index,
  4: ({ chunkId }) => chunkId,
  5: ({ kind }) => kind,
}

const usual = ({ paths, inode, index, chunkId, kind }: Missing) => [paths, inode, index, chunkId, kind]

/** A row for each path. */
async function missingRows(cluster: Cluster, choice: Choice): Promise<string[][]> {
  const chunks = await cluster.missingChunks()
  const pathsOf = await cluster.paths(chunks.map(({ inode }) => inode))
  const missing = chunks.map(chunk => {
    const paths = pathsOf(chunk.inode)
    return { ...chunk, paths: paths === undefined ? [NO_PATH] : pathTexts(paths) }
  })
  return sorted(missing, { orders, usual }, choice).flatMap(({ paths, inode, index, chunkId, kind }) =>
    paths.map(path => [path, String(inode), String(index), hexText(chunkId, 16), KINDS[kind] ?? 'OTHER']),
  )
}

const columns = [
  ...[textColumn('path', 1), numberColumn('inode', 2), numberColumn('index', 3), textColumn('chunk id', 4)],
  textColumn('type of missing chunk', 5),
]

export const missing: Section = {
  async rows(cluster, choice) {
    return (await missingRows(cluster, choice)).map(row => ['missing files:', ...row])
  },
  async tables(cluster, choice) {
    const rows = (await missingRows(cluster, choice)).map(row => row.map(text => cell(text)))
    return [{ title: 'Missing Files/Chunks (gathered by previous file-loop)', columns, rows }]
  },
}
