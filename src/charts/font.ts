// The letters that stand beside a chart: 5 by 7 points, a number for each row, the leftmost point highest.
import type { Bitmap } from './png.ts'

export const LETTER_WIDTH = 6
export const LETTER_HEIGHT = 7
const LEFTMOST = 1 << 4

const letters: Record<string, string> = {
  '0': '0e11131519110e',
  '1': '040c040404040e',
  '2': '0e11010204081f',
  '3': '1f02040201110e',
  '4': '02060a121f0202',
  '5': '1f101e0101110e',
  '6': '0608101e11110e',
  '7': '1f010204080808',
  '8': '0e11110e11110e',
  '9': '0e11110f01020c',
  '.': '00000000000c0c',
  ':': '000c0c000c0c00',
  '%': '18190204081303',
  n: '00001619111111',
  u: '0000111111131d',
  m: '00001a15151111',
  k: '10101214181412',
  M: '111b1515111111',
  G: '0e11101711110f',
  T: '1f040404040404',
  P: '1e11111e101010',
  E: '1f10101e10101f',
}

/** @param x, y the upper left corner of the first letter */
export function writeText(bitmap: Bitmap, x: number, y: number, text: string, colour: number): void {
  for (const [i, letter] of [...text].entries()) {
    for (const [dy, row] of Buffer.from(letters[letter] ?? '', 'hex').entries()) {
      for (let dx = 0; dx < LETTER_WIDTH - 1; dx++) {
        if (row & (LEFTMOST >>> dx)) bitmap.set(x + i * LETTER_WIDTH + dx, y + dy, colour)
      }
    }
  }
}
