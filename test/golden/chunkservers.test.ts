// Every packet that real chunkservers exchanged with a master, with clients and with each other decodes, and encodes
// back to the same bytes.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import * as charts from '../../src/protocol/charts.ts'
import * as cltocs from '../../src/protocol/cltocs.ts'
import type { Message } from '../../src/protocol/codec.ts'
import * as cstocl from '../../src/protocol/cstocl.ts'
import * as cstoma from '../../src/protocol/cstoma.ts'
import * as matocs from '../../src/protocol/matocs.ts'

const folder = join(import.meta.dirname, 'chunkserver')

interface Packet {
  dir: 'cs2m' | 'm2cs' | 'c2cs' | 'cs2c' | 'cs2cs'
  type: number
  len: number
  hex: string
  truncated?: boolean
  to_server?: boolean
  step?: string
}

function messages(...parts: object[]): Map<number, Message<unknown>> {
  const found = parts.flatMap(part => Object.values(part)).filter(value => typeof value?.decode === 'function')
  return new Map((found as Message<unknown>[]).map(declared => [declared.code, declared]))
}

const toMaster = messages(cstoma, { blocks: cstocl.chunkBlocks })
const fromMaster = messages(matocs, { masterAck: matocs.masterAck, blocks: cltocs.getChunkBlocks })
const toServer = messages(cltocs, charts)
const fromServer = messages(cstocl, charts)

function declarationOf({ dir, type, len, to_server }: Packet): Message<unknown> | undefined {
  if (type === cstocl.version.code) return len === 13 ? cstocl.plainVersion : cstocl.version
  if (type === matocs.replicate.code) return len === 18 ? matocs.replicate : matocs.replicateFromMany
  const ways = { cs2m: toMaster, m2cs: fromMaster, c2cs: toServer, cs2c: fromServer }
  return (dir === 'cs2cs' ? (to_server ? toServer : fromServer) : ways[dir]).get(type)
}

/** Of a long packet only the first bytes were kept: the rest is made up, and left out of the comparison. */
function payloadOf({ hex, len }: Packet): Buffer {
  return Buffer.concat([Buffer.from(hex, 'hex')], len)
}

for (const file of readdirSync(folder).filter(name => name.endsWith('.jsonl'))) {
  test(`${file} survives decoding and encoding`, () => {
    const packets = readFileSync(join(folder, file), 'utf8').trim().split('\n')
    for (const line of packets) {
      const packet = JSON.parse(line) as Packet
      // What the scripted peers sent to see how a chunkserver takes nonsense.
      const nonsense = [999, 9999].includes(packet.type) || /bad length|cut chain/.test(packet.step ?? '')
      if (packet.type === 0 || nonsense || packet.len !== payloadOf(packet).length) continue
      const declared = declarationOf(packet)
      assert.ok(declared, `message ${packet.type} ${packet.dir} is declared`)
      const payload = payloadOf(packet)
      const again = declared.encode(declared.decode(payload))
      assert.equal(again.readUInt32BE(0), packet.type)
      assert.equal(again.subarray(8).toString('hex'), payload.toString('hex'), declared.name)
      for (let length = 0; length < Math.min(payload.length, 200); length++) {
        try {
          declared.decode(payload.subarray(0, length))
        } catch (error) {
          assert.equal((error as Error).name, 'ProtocolError', declared.name)
        }
      }
    }
  })
}
