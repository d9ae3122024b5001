// Whatever bytes come, a decoder gives a message or says ProtocolError.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import * as charts from './charts.ts'
import * as cltocs from './cltocs.ts'
import * as cltoma from './cltoma.ts'
import { ANY_VERSION, ProtocolError, Reader } from './codec.ts'
import { VERSION, versionNumber } from './constants.ts'
import * as cstocl from './cstocl.ts'
import * as cstoma from './cstoma.ts'
import { FrameReader } from './frame.ts'
import * as matocl from './matocl.ts'
import * as matocs from './matocs.ts'
import * as matoma from './matoma.ts'

interface Decodes {
  decode(payload: Buffer, version?: number): unknown
}

/** Whatever decodes, by name. */
const decoders = Object.entries({ charts, cltocs, cltoma, cstocl, cstoma, matocl, matocs, matoma }).flatMap(
  ([module, all]) =>
    Object.entries(all).flatMap(([name, value]): [string, Decodes][] => {
      const title = `${module}.${name}`
      if (isMessage(value)) return [[title, value]]
      if (isCodec(value)) return [[title, { decode: payload => value.read(new Reader(payload)) }]]
      return []
    }),
)
const versions = [versionNumber(1, 5, 0), versionNumber(2, 1, 0), VERSION, ANY_VERSION]

function isMessage(value: unknown): value is Decodes {
  return typeof value === 'object' && value !== null && 'decode' in value
}

function isCodec(value: unknown): value is { read(input: Reader): unknown } {
  return typeof value === 'object' && value !== null && 'read' in value && 'layout' in value
}

/** Decodes and expects a message or a ProtocolError. @returns whether it was a message */
function decodes(name: string, decoder: Decodes, payload: Buffer, version: number): boolean {
  try {
    decoder.decode(payload, version)
    return true
  } catch (error) {
    const what = `${name}, version ${version}, ${payload.toString('hex')}: ${error}`
    assert.ok(error instanceof ProtocolError, what)
    return false
  }
}

test('every declared message is tried', () => assert.ok(decoders.length > 200, `${decoders.length} decoders`))

test('random bytes make a message or a ProtocolError', () => {
  // Small numbers are lengths and counts that fit, large ones such as cannot be true.
  const byte = fc.oneof(fc.constantFrom(0, 0, 1, 2, 3, 0xff), fc.integer({ min: 0, max: 255 }))
  const payloads = fc.array(byte, { maxLength: 120 }).map(bytes => Buffer.from(bytes))
  let messages = 0
  fc.assert(
    fc.property(payloads, payload => {
      for (const [name, decoder] of decoders) {
        for (const version of versions) if (decodes(name, decoder, payload, version)) messages++
      }
    }),
    { numRuns: 150 },
  )
  assert.ok(messages > 1000, `only ${messages} random payloads were messages`)
})

test('counts and lengths beyond the message are refused at once', () => {
  for (const [name, decoder] of decoders) {
    for (let prefix = 0; prefix <= 40; prefix++) {
      const payload = Buffer.concat([Buffer.alloc(prefix, 0), Buffer.alloc(12, 0xff)])
      for (const version of versions) decodes(name, decoder, payload, version)
    }
  }
})

test('a stream of random bytes makes packets or a ProtocolError, and holds no more than a packet', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 64 }), { maxLength: 30 }), pieces => {
      let bytes = 0
      const frames = new FrameReader(1000, (_type, payload) => {
        assert.ok(payload.length <= 1000)
        bytes += 8 + payload.length
      })
      let given = 0
      for (const piece of pieces) {
        given += piece.length
        try {
          frames.push(Buffer.from(piece))
        } catch (error) {
          assert.ok(error instanceof ProtocolError)
          return
        }
        assert.ok(given - bytes < 1008 + 64)
      }
    }),
  )
})
