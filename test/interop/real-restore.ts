// The real master as a judge of files: its `restore` opens no ports and needs no cluster.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Difference } from '../../src/metadata/diff/diff.ts'

/** The metadata.mfs that the real master makes of a data folder with these files. @throws Error with its messages */
export function restoredByRealMaster(files: Record<string, string | Buffer>): Buffer {
  const folder = mkdtempSync(join(tmpdir(), 'elkfs-real-restore-'))
  try {
    for (const [name, contents] of Object.entries(files)) writeFileSync(join(folder, name), contents, 'latin1')
    const [config, exports] = [join(folder, 'master.cfg'), join(folder, 'exports.cfg')]
    const options = ['WORKING_USER=root', 'WORKING_GROUP=root', `DATA_PATH=${folder}`, `EXPORTS_FILENAME=${exports}`]
    writeFileSync(config, `${options.join('\n')}\n`)
    writeFileSync(exports, '* / rw\n')
    const { status, stderr } = spawnSync('mfsmaster', ['-c', config, '-f', 'restore'], { encoding: 'latin1' })
    if (status !== 0) throw new Error(`the real master could not restore: ${stderr}`)
    return readFileSync(join(folder, 'metadata.mfs'))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/**
 * What differs in a state that the real master has replayed, and should not.
 * @param all from ours to its
 */
export function unexpected(all: Iterable<Difference>): Difference[] {
  return [...all].filter(({ sign, title, name, facts }) => {
    if (sign !== '~') return true
    // Leases that are over are written as 0.
    if (title === 'chunk') delete facts['locked until']
    // The original forgets which chunks were shared in the middle of a write.
    if (facts['behind the end'] === 'not known -> zeros') delete facts['behind the end']
    // Other rights mean for us that a client is back.
    if (title === 'session') delete facts.disconnected
    // The original's root is as old as the replay until somebody reads it.
    if (title === 'inode' && name === '1 (/)') delete facts.atime
    return Object.keys(facts).length > 0
  })
}
