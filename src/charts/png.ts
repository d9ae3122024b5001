// PNG images of at most 256 colours (RFC 2083).
import { deflateSync } from 'node:zlib'
import { crc32 } from '../util/crc32.ts'

const SIGNATURE = Buffer.from('89504e470d0a1a0a', 'hex')
const PALETTE_COLOURS = 3
const BITS = 8

/** A picture in memory: one byte a pixel, the number of its colour. */
export class Bitmap {
  readonly width: number
  readonly height: number
  readonly #pixels: Buffer

  /** All of colour 0. */
  constructor(width: number, height: number) {
    this.width = width
    this.height = height
    this.#pixels = Buffer.alloc(width * height)
  }

  /** Outside of the picture nothing is set. */
  set(x: number, y: number, colour: number): void {
    if (x >= 0 && x < this.width && y >= 0 && y < this.height) this.#pixels[y * this.width + x] = colour
  }

  row(y: number): Buffer {
    return this.#pixels.subarray(y * this.width, (y + 1) * this.width)
  }
}

/** @param palette 0xRRGGBB by number of colour; the first one is not seen */
export function png(bitmap: Bitmap, palette: readonly number[]): Buffer {
  const { width, height } = bitmap
  const head = Buffer.alloc(13)
  head.writeUInt32BE(width, 0)
  head.writeUInt32BE(height, 4)
  head[8] = BITS
  head[9] = PALETTE_COLOURS
  const colours = Buffer.from(palette.flatMap(colour => [colour >>> 16, (colour >>> 8) & 0xff, colour & 0xff]))
  const unfiltered = Buffer.alloc(1)
  const rows = Array.from({ length: height }, (_, y) => [unfiltered, bitmap.row(y)]).flat()
  return Buffer.concat([
    SIGNATURE,
    part('IHDR', head),
    part('PLTE', colours),
    part('tRNS', Buffer.alloc(1)),
    part('IDAT', deflateSync(Buffer.concat(rows))),
    part('IEND', Buffer.alloc(0)),
  ])
}

function part(type: string, data: Buffer): Buffer {
  const out = Buffer.alloc(data.length + 12)
  out.writeUInt32BE(data.length, 0)
  out.write(type, 4, 'latin1')
  data.copy(out, 8)
  out.writeUInt32BE(crc32(out.subarray(4, 8 + data.length)), 8 + data.length)
  return out
}
