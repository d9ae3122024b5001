// An application of the laboratory that only makes, moves and removes names, as fast as it can: whenever the lead changes
// one of its requests is on its way. Every one must be carried out exactly once: done twice, it would fail.
// Arguments: a folder on the mount, a file that ends it, a file for errors, a file for the number of operations done.
import {
  appendFileSync,
  closeSync,
  existsSync,
  linkSync,
  mkdirSync,
  openSync,
  renameSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'

const [folder, stop, errors, pauses, done] = process.argv.slice(2) as [string, string, string, string, string]
/** What takes longer is a pause that somebody may ask for. */
const PAUSE_MS = 50
let count = 0

function round(n: number): void {
  const name = `${folder}/n${n}`
  const operations: Record<string, () => void> = {
    create: () => closeSync(openSync(`${name}.new`, 'wx')),
    rename: () => renameSync(`${name}.new`, name),
    link: () => linkSync(name, `${name}.link`),
    unlink: () => unlinkSync(`${name}.link`),
    mkdir: () => mkdirSync(`${name}.d`),
    rmdir: () => rmdirSync(`${name}.d`),
    symlink: () => symlinkSync('target', `${name}.s`),
    'unlink symlink': () => unlinkSync(`${name}.s`),
    'unlink file': () => unlinkSync(name),
  }
  for (const [what, operation] of Object.entries(operations)) {
    const begun = Date.now()
    try {
      operation()
      count++
    } catch (error) {
      const [from, to] = [new Date(begun), new Date()].map(time => time.toISOString())
      appendFileSync(errors, `${name}: ${what}: ${(error as Error).message}, ${from} to ${to}\n`)
    }
    const ms = Date.now() - begun
    if (ms > PAUSE_MS) appendFileSync(pauses, `${begun} ${ms}\n`)
  }
}

mkdirSync(folder)
for (let n = 1; !existsSync(stop); n++) round(n)
writeFileSync(done, String(count))
