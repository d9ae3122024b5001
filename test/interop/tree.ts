// Trees of files for tests, and what became of them.
import { execFileSync } from 'node:child_process'
import { linkSync, mkdirSync, readdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export const FILES = 10_500
/** Enough where the same programs meet in another test with all of them. */
export const FEW_FILES = 4000

/** A tree with what file systems meet: many files, links of both kinds, special files, odd names, old times. */
export function makeTree(root: string, files: number): void {
  mkdirSync(root)
  for (let i = 0; i < files; i++) {
    const folder = join(root, `d${i % 100}`)
    if (i < 100) mkdirSync(folder)
    writeFileSync(join(folder, `f${i}`), i % 10 === 0 ? 'x'.repeat((i * 37) % 100_000) : '', {
      mode: 0o600 | (i & 0o77),
    })
  }
  const at = (name: string) => join(root, name)
  symlinkSync('d0/f0', at('link'))
  linkSync(at('d0/f0'), at('hard'))
  execFileSync('mkfifo', [at('fifo')])
  execFileSync('mknod', [at('null'), 'c', '1', '3'])
  writeFileSync(Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0xff, 0xfe, 0x0a, 0x25, 0x2c])]), 'odd')
  writeFileSync(at('n'.repeat(255)), 'long')
  utimesSync(at('d1/f1'), 1_000_000_000, 1_100_000_000)
}

/** Hard links stay: both names of the file are copied by the first. */
const COPY = `
mkdir "$1" || exit 1
pids= failed=0
for names in 'd0 [!d]*' 'd[1-9] d[1-2]?' 'd[3-4]?' 'd[5-6]?' 'd[7-9]?'; do
  cp -a $names "$1" & pids="$pids $!"
done
for pid in $pids; do wait $pid || failed=1; done
touch -r . "$1"
exit $failed`

/** Copies a tree of makeTree() with some programs at a time: each waits for disks most of its time. */
export function copyTree(source: string, target: string): void {
  execFileSync('sh', ['-c', COPY, 'copy', target], { cwd: source, env: { ...process.env, LC_ALL: 'C' } })
}

/** What rsync would still have to do; nothing when the trees are equal. */
export function differences(source: string, target: string): string {
  const args = ['-aHc', '--delete', '--dry-run', '--itemize-changes', `${source}/`, `${target}/`]
  return execFileSync('rsync', args, { encoding: 'utf8' })
}

/** For each chunk that lies on the disks of these servers, on how many of them it does. */
export function chunkCounts(folder: string, hosts: number[]): number[] {
  const counts = new Map<string, number>()
  for (const host of hosts) {
    const names = readdirSync(join(folder, `disk${host}`), { recursive: true, encoding: 'utf8' })
    for (const name of new Set(names.map(name => /chunk_([0-9A-F]{16})_/.exec(name)?.[1]))) {
      if (name) counts.set(name, (counts.get(name) ?? 0) + 1)
    }
  }
  return [...counts.values()]
}

/** What is read next comes from the servers. */
export const dropCaches = () => writeFileSync('/proc/sys/vm/drop_caches', '3')
