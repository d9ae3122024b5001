import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mountedAt, parseMountinfo } from './mountinfo.ts'

test('a line of the table, with and without further fields, blanks in the name', () => {
  const text = [
    '22 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard',
    '40 22 0:35 / /a\\040b\\134c rw,nosuid shared:7 master:1 - fuse mfs#10.0.0.1:9421 ro,user_id=0',
    '',
  ].join('\n')
  assert.deepEqual(parseMountinfo(text), [
    { device: '254:0', folder: '/', type: 'ext4', options: ['rw', 'relatime', 'rw', 'discard'] },
    { device: '0:35', folder: '/a b\\c', type: 'fuse', options: ['rw', 'nosuid', 'ro', 'user_id=0'] },
  ])
})

test('this system has something at its root, and nothing in a folder that is not there', () => {
  assert.notEqual(mountedAt('/')?.type ?? '', '')
  assert.equal(mountedAt('/there is no such folder'), undefined)
})
