import assert from 'node:assert/strict'
import { test } from 'node:test'
import { masterConfigFile } from '../../config/mfsmaster.ts'
import { parseConfig } from '../../config/parse.ts'
import { formatIpv4, parseIpv4 } from '../../util/ipv4.ts'
import { admissionRules, knowsCode, remapped } from './admission.ts'

const rules = (text: string) => admissionRules(parseConfig(masterConfigFile, 'file', text).values)

test('the digest of a chunkserver proves that it knows the code', () => {
  // Of a real chunkserver, spec chunkserver 2.3.1.
  const challenge = Buffer.from('d1467a59dc7b968b47113a47b3d4516870db7714db75cf7ec2e5aea012ac6c68', 'hex')
  const digest = Buffer.from('1075a82fbfab3039c00375466fbf096a', 'hex')
  assert.equal(knowsCode('mfspassword', challenge, digest), true)
  assert.equal(knowsCode('mfspasswort', challenge, digest), false)
  assert.equal(rules('AUTH_CODE = mfspassword').authCode, 'mfspassword')
  assert.equal(rules('').authCode, undefined)
})

test('addresses of the source class get the leading bits of the destination', () => {
  const of = (bits: number, ip: string) => {
    const text = `REMAP_BITS=${bits}\nREMAP_SOURCE_IP_CLASS=192.168.1.0\nREMAP_DESTINATION_IP_CLASS=200.10.20.0\n`
    return formatIpv4(remapped(parseIpv4(ip) as number, rules(text)))
  }
  assert.equal(of(24, '192.168.1.77'), '200.10.20.77')
  assert.equal(of(24, '192.168.2.77'), '192.168.2.77')
  assert.equal(of(16, '192.168.2.77'), '200.10.2.77')
  assert.equal(of(32, '192.168.1.0'), '200.10.20.0')
  assert.equal(of(32, '192.168.1.1'), '192.168.1.1')
  assert.equal(formatIpv4(remapped(parseIpv4('192.168.1.77') as number, rules('REMAP_BITS = 24'))), '192.168.1.77')
})
