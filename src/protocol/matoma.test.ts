import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as matoma from './matoma.ts'

const HEADER_BYTES = 8
const hello = {
  protocol: matoma.HA_PROTOCOL,
  proof: Buffer.alloc(matoma.PROOF_BYTES),
  nonce: Buffer.alloc(matoma.NONCE_BYTES),
  ...{ software: 1, cluster: 'c', member: 'a/1', metaId: 7n, seen: 3, version: 50, digest: Buffer.alloc(0) },
}

test('the HELLO of a master has nothing of a witness in it, that of a witness says where it is reached', () => {
  const witness = { address: '10.0.0.3', port: 9423 }
  const [ofMaster, ofWitness] = [undefined, witness].map(where => matoma.hello.encode({ ...hello, witness: where }))
  assert.ok(ofMaster && ofWitness)
  assert.equal(matoma.hello.decode(ofMaster.subarray(HEADER_BYTES)).witness, undefined)
  assert.deepEqual(matoma.hello.decode(ofWitness.subarray(HEADER_BYTES)).witness, witness)
  assert.equal(ofWitness.length - ofMaster.length, 2 + witness.address.length + 2)
})
