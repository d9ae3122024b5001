// AUTH_CODE and REMAP_BITS: masters and chunkservers of both kinds agree on who may register, and under which address.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster, MASTER_IP, whyNot } from './cluster.ts'
import { installPackages } from './packages.ts'

const skip = whyNot() ?? false
const ours = (program: string) => join(import.meta.dirname, '../../bin', program)

const pairs = [
  { what: 'our master and real chunkservers', master: ours('mfsmaster'), chunkserver: 'mfschunkserver' },
  { what: 'a real master and our chunkservers', master: 'mfsmaster', chunkserver: ours('mfschunkserver') },
]

/** Hosts of the chunkservers that a monitor sees connected. */
function connected(cluster: Cluster): string[] {
  const { stdout } = cluster.shell(`mfscli -n -H ${MASTER_IP} -s '|' -SCS`)
  return [...stdout.matchAll(/^chunk servers:\|([^|]*)\|/gm)].map(([, host]) => host as string)
}

for (const { what, master, chunkserver } of pairs) {
  test(`only who knows AUTH_CODE may register, and addresses are remapped: ${what}`, { skip }, async () => {
    installPackages({ mfscli: 'moosefs-cli' })
    const cluster = new Cluster()
    try {
      cluster.masterLines.push('AUTH_CODE = open sesame # it')
      cluster.masterLines.push(
        'REMAP_BITS=24',
        'REMAP_SOURCE_IP_CLASS=10.88.0.0',
        'REMAP_DESTINATION_IP_CLASS=10.77.7.0',
      )
      cluster.chunkserverLines.set(2, ['AUTH_CODE = open sesame # it'])
      cluster.chunkserverLines.set(3, ['AUTH_CODE = guess'])
      cluster.startMasterWith(master)
      for (const host of [2, 3, 4]) cluster.startChunkserverWith(chunkserver, host)
      for (let tries = 0; tries < 60 && connected(cluster).length === 0; tries++) await sleep(500)
      // The others have tried as often meanwhile.
      await sleep(3000)
      assert.deepEqual(connected(cluster), ['10.77.7.2'])
    } finally {
      await cluster.close()
    }
  })
}
