// Runs lines of shell on mounts of a cluster, and tells how they answer.
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster } from './cluster.ts'

/** `what`: a line of shell a line; `inTrash` in a mount of the trash, after them. */
export interface Script {
  /** In the root of the file system, or in new folders of these names. */
  what: string | Record<string, string>
  inTrash?: string
  /** In the root again. */
  after?: string
  exports?: string
}

/** Numbers that differ from cluster to cluster. */
const volatile = (text: string) => text.replace(/inode[ :]+\d+/g, 'inode N')

/** What every line answers, with its exit code, on a cluster with two real chunkservers. */
export async function toolAnswers(
  { what, inTrash, after = '', exports }: Script,
  startMaster: (cluster: Cluster) => Promise<void>,
  mount: (cluster: Cluster) => void = cluster => cluster.mountReal(),
): Promise<string[]> {
  const cluster = new Cluster()
  try {
    if (exports !== undefined) cluster.exports = exports
    await startMaster(cluster)
    for (const host of [2, 3]) cluster.startRealChunkserver(host)
    await sleep(3000)
    mount(cluster)
    const run = (folder: string, script: string) =>
      script
        .trim()
        .split('\n')
        .filter(line => line !== '')
        .map(line => {
          const { stdout, stderr, status } = cluster.shell(`cd ${folder} && { ${line}; }`)
          return volatile(`$ ${line}\n${stdout}${stderr}exit ${status}\n`.replaceAll(cluster.folder, ''))
        })
    const told: string[] = []
    if (typeof what === 'string') told.push(...run(cluster.mountPoint, what))
    else {
      for (const [name, script] of Object.entries(what)) {
        const folder = join(cluster.mountPoint, name)
        mkdirSync(folder)
        told.push(...run(folder, script))
      }
    }
    if (inTrash === undefined) return told
    const meta = join(cluster.folder, 'meta')
    mkdirSync(meta)
    cluster.mountRealMeta(meta)
    told.push(...run(meta, inTrash), ...run(cluster.mountPoint, after))
    spawnSync('umount', [meta])
    return told
  } finally {
    await cluster.close()
  }
}

/** The answers that are not the same, for people. */
export function differing(ours: readonly string[], real: readonly string[]): string {
  return ours.flatMap((answer, i) => (answer === real[i] ? [] : [`ours: ${answer}real: ${real[i]}`])).join('\n')
}
