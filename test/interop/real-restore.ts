// The real master as a judge of files: its `restore` opens no ports and needs no cluster.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

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
