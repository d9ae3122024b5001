// Every packet that a real metalogger and the real master exchanged decodes, and encodes back to the same bytes.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Message, ProtocolError } from '../../src/protocol/codec.ts'
import * as matoml from '../../src/protocol/matoml.ts'
import * as mltoma from '../../src/protocol/mltoma.ts'

const folder = join(import.meta.dirname, 'metalogger')
const messages = (...from: object[]) =>
  new Map(
    from
      .flatMap(part => Object.values(part) as Message<unknown>[])
      .filter(value => typeof value?.decode === 'function')
      .map(message => [message.code, message]),
  )
const ways = { ml2m: messages(mltoma), m2ml: messages(matoml) }

for (const file of readdirSync(folder).filter(name => name.endsWith('.jsonl'))) {
  test(`${file} survives decoding and encoding`, () => {
    for (const line of readFileSync(join(folder, file), 'utf8').trim().split('\n')) {
      const { dir, type, hex } = JSON.parse(line) as { dir: keyof typeof ways; type: number; hex: string }
      if (type === 0) continue
      const message = ways[dir].get(type)
      assert.ok(message, `message ${type} ${dir} is declared`)
      const payload = Buffer.from(hex, 'hex')
      assert.equal(message.encode(message.decode(payload)).subarray(8).toString('hex'), hex, message.name)
      for (let length = 0; length < payload.length; length++) {
        try {
          message.decode(payload.subarray(0, length))
        } catch (error) {
          assert.ok(error instanceof ProtocolError)
        }
      }
    }
  })
}
