// Systematic tables of system calls do on our mount what they do on a local ext4: renames of every kind onto every
// kind, sticky folders, rights of every mode, set-id bits, inheritance and ACLs, limits of names and sizes, what changes
// times, files without names.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster, whyNot } from './cluster.ts'
import { installPackages } from './packages.ts'
import { compileSyscalls, execute, normalized } from './posix/differential.ts'
import { LocalDisk } from './posix/local-disk.ts'
import { isMeant } from './posix/meant-differences.ts'
import { pathTables } from './posix/path-tables.ts'
import { tableIdentities, tables } from './posix/tables.ts'

test('tables of system calls', { skip: whyNot() ?? false }, async t => {
  installPackages({ 'mkfs.ext4': 'e2fsprogs' })
  const cluster = new Cluster()
  let disk: LocalDisk | undefined
  try {
    disk = new LocalDisk(cluster.folder)
    const program = compileSyscalls(cluster.folder)
    await cluster.startOurMaster()
    await cluster.startOurChunkserver(2)
    await sleep(2000)
    cluster.mountOurs('-o', 'mfsdev,mfssuid')
    const places = [disk.mountPoint, cluster.mountPoint]
    const tolerates = isMeant('ours')
    for (const [name, build] of Object.entries({ ...tables, ...pathTables })) {
      await t.test(name, () => {
        const lines = build().flatMap(each => each.lines)
        const [expected = [], found = []] = places.map(place => execute(program, place, lines, tableIdentities))
        const differences = lines.flatMap((line, i) => {
          const [a, b] = [normalized(expected[i] ?? ''), normalized(found[i] ?? '')]
          return a === b || tolerates(line, a, b) ? [] : [`${line}\n  ext4: ${a}\n  ours: ${b}`]
        })
        assert.equal(differences.slice(0, 20).join('\n'), '')
      })
    }
  } finally {
    disk?.close()
    await cluster.close()
  }
})
