// Master to metalogger, in the order of their codes (spec metadata 8, where they are called MATOAN).
import { type Codec, message, messageOf, ProtocolError, rest, u8, u32, u64n } from './codec.ts'

/** A change, or `rotate`: begin a new changelog. */
export type Change = { id: number; body: string } | 'rotate'

const CHANGE = 0xff
const ROTATE = 0x55

const changeCodec: Codec<Change> = {
  layout: '255:8 change:64 text NUL | 85:8',
  write(out, change) {
    u8.write(out, change === 'rotate' ? ROTATE : CHANGE)
    if (change === 'rotate') return
    u64n.write(out, change.id)
    const at = out.reserve(change.body.length + 1)
    out.buffer.write(change.body, at, 'latin1')
    out.buffer[at + change.body.length] = 0
  },
  read(input) {
    const form = u8.read(input)
    if (form === ROTATE) return 'rotate'
    if (form !== CHANGE) throw new ProtocolError(`unknown form ${form} of a change`)
    const id = u64n.read(input)
    const text = rest.read(input)
    if (text.length === 0 || text.indexOf(0) !== text.length - 1) throw new ProtocolError(`change ${id} has no end`)
    return { id, body: text.toString('latin1', 0, text.length - 1) }
  },
}
export const metachangesLog = messageOf(51, 'MATOAN_METACHANGES_LOG', changeCodec)

/** Undefined: the file can't be had. */
const sizeCodec: Codec<number | undefined> = {
  layout: 'size:64 | 255:8',
  write(out, size) {
    if (size === undefined) u8.write(out, 0xff)
    else u64n.write(out, size)
  },
  read(input) {
    if (input.left > 1) return u64n.read(input)
    u8.read(input)
    return undefined
  },
}
export const downloadInfo = messageOf(61, 'MATOAN_DOWNLOAD_INFO', sizeCodec)

/** `crc`: CRC-32 of the data. */
export const downloadData = message(63, 'MATOAN_DOWNLOAD_DATA', { offset: u64n, length: u32, crc: u32, data: rest })
