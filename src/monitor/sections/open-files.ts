// OF: which files are open, of one session or of all.
import type { Cluster, OpenFile } from '../cluster.ts'
import type { Choice, Section } from '../section.ts'
import { type Orders, sorted } from '../sorting.ts'
import { cell, numberColumn, textColumn } from '../table.ts'
import { pathTexts } from '../texts.ts'
import { type Holder, holderOf } from './holders.ts'

type Opened = OpenFile & { readonly holder: Holder; readonly paths: readonly string[] }

const orders: Orders<Opened> = {
  1: ({ sessionId }) => sessionId,
  3: ({ holder }) => [holder.ip, holder.host],
  4: ({ holder }) => holder.mountPoint,
  5: ({ inode }) => inode,
  6: ({ paths }) => paths,
}

/** A row for each path. */
async function fields(cluster: Cluster, choice: Choice): Promise<string[][]> {
  const files = await cluster.openFiles(choice.id ?? 0)
  const holders = await holderOf(cluster, choice)
  const pathsOf = await cluster.paths(files.map(({ inode }) => inode))
  const opened = files.map(file => {
    const paths = pathsOf(file.inode)
    return { ...file, holder: holders(file.sessionId), paths: paths === undefined ? [] : pathTexts(paths) }
  })
  const tie = ({ sessionId, inode }: Opened) => [sessionId, inode]
  const usual = ({ holder, sessionId, inode }: Opened) => [holder.ip, sessionId, inode]
  return sorted(opened, { orders, usual, tie }, choice).flatMap(({ sessionId, holder, inode, paths }) =>
    (paths.length > 0 ? paths : ['unknown']).map(path => [
      String(sessionId),
      holder.host,
      holder.mountPoint,
      String(inode),
      path,
    ]),
  )
}

const columns = [
  ...[numberColumn('session id', 1), textColumn('ip/host', 3), textColumn('mount point', 4)],
  ...[numberColumn('inode', 5), textColumn('path', 6)],
]

export const openFiles: Section = {
  async rows(cluster, choice) {
    return (await fields(cluster, choice)).map(row => ['open file:', ...row])
  },
  async tables(cluster, choice) {
    const rows = (await fields(cluster, choice)).map(row => row.map(text => cell(text)))
    return [{ title: 'Open Files', columns, rows }]
  },
}
