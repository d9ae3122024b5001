import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CheckpointOutput } from './output.ts'

const MIB = 2 ** 20

const writers: Record<string, [write: (out: CheckpointOutput) => void, bytes: number[]]> = {
  u8: [out => out.u8(0xa1), [0xa1]],
  u16: [out => out.u16(0xa1a2), [0xa1, 0xa2]],
  u32: [out => out.u32(0xa1a2a3a4), [0xa1, 0xa2, 0xa3, 0xa4]],
  u64: [out => out.u64(0xa1a2a3a4a5a6a7a8n), [0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8]],
  u64n: [out => out.u64n(0x01020304050607), [0, 1, 2, 3, 4, 5, 6, 7]],
  text: [out => out.text('abc'), [0x61, 0x62, 0x63]],
  zeros: [out => out.zeros(3), [0, 0, 0]],
}

for (const [name, [write, bytes]] of Object.entries(writers)) {
  test(`${name} that does not fit into a piece begins the next one and leaves the full one as it was`, () => {
    for (let free = 0; free < bytes.length; free++) {
      const out = new CheckpointOutput()
      const before = Buffer.alloc(MIB - free, 0xee)
      for (const byte of before) out.u8(byte)
      write(out)
      out.u8(0xff)
      const all = Buffer.concat(out.takeAll())
      assert.equal(all.compare(Buffer.concat([before, Buffer.from([...bytes, 0xff])])), 0, `${free} bytes free`)
      assert.equal(out.bytes, all.length)
    }
  })
}
