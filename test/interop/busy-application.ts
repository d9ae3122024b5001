// An application that changes names and writes files without pause: busy-application.ts FOLDER SECONDS.
// It does nothing that may fail, and ends with one JSON object: what failed all the same, and how long it had to wait.
import * as fs from 'node:fs'
import { join } from 'node:path'

const [folder = '', seconds = '10'] = process.argv.slice(2)
const end = Date.now() + Number(seconds) * 1000
const failures: string[] = []
let operations = 0
let slowestMs = 0
let slowest = ''

function attempt<T>(what: string, operation: () => T): T | undefined {
  const begun = Date.now()
  try {
    operations++
    return operation()
  } catch (error) {
    failures.push(`${what}: ${(error as Error).message}`)
    return undefined
  } finally {
    const took = Date.now() - begun
    if (took > slowestMs) [slowestMs, slowest] = [took, what]
  }
}

fs.mkdirSync(folder)
for (let i = 0; Date.now() < end; i++) {
  const at = (name: string) => join(folder, `${name}${i % 50}`)
  attempt('mkdir', () => fs.mkdirSync(at('d')))
  attempt('create', () => fs.writeFileSync(at('f'), `contents ${i}`, { flag: 'wx' }))
  attempt('link', () => fs.linkSync(at('f'), at('l')))
  attempt('symlink', () => fs.symlinkSync(at('f'), at('s')))
  attempt('rename', () => fs.renameSync(at('f'), join(at('d'), 'moved')))
  attempt('chmod', () => fs.chmodSync(at('l'), 0o600))
  attempt('append', () => fs.appendFileSync(at('l'), ', more'))
  const contents = attempt('read', () => fs.readFileSync(join(at('d'), 'moved'), 'utf8'))
  if (contents !== undefined && contents !== `contents ${i}, more`) failures.push(`read: "${contents}"`)
  attempt('truncate', () => fs.truncateSync(at('l'), 4))
  attempt('unlink', () => fs.unlinkSync(at('s')))
  attempt('unlink', () => fs.unlinkSync(at('l')))
  attempt('unlink', () => fs.unlinkSync(join(at('d'), 'moved')))
  attempt('rmdir', () => fs.rmdirSync(at('d')))
}
process.stdout.write(JSON.stringify({ operations, failures, slowestMs, slowest }))
