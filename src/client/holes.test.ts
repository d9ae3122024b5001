import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { MFSCHUNKSIZE } from '../protocol/constants.ts'
import { type Slot, seek } from './holes.ts'

/** Bytes of data in a chunk, by index; undefined is no chunk. */
const chunk = fc.option(fc.constantFrom(1, MFSCHUNKSIZE / 2, MFSCHUNKSIZE), { nil: undefined })
/** Offsets worth looking at, about the edges of chunks. */
const edge = fc
  .tuple(fc.nat(6), fc.constantFrom(-1, 0, 1, MFSCHUNKSIZE / 2))
  .map(([i, by]) => Math.max(0, i * MFSCHUNKSIZE + by))

type Chunks = readonly (number | undefined)[]

function isData(chunks: Chunks, length: number, at: number): boolean {
  return at < length && at % MFSCHUNKSIZE < (chunks[Math.floor(at / MFSCHUNKSIZE)] ?? 0)
}

/** Places where something may begin or end. */
const places = (offset: number, length: number) =>
  [
    offset,
    length,
    ...Array.from({ length: 8 }, (_, i) => [0, 1, MFSCHUNKSIZE / 2].map(by => i * MFSCHUNKSIZE + by)).flat(),
  ]
    .filter(at => at >= offset && at <= length)
    .sort((a, b) => a - b)

function slots(chunks: Chunks, tellsNext: boolean): (index: number) => Promise<Slot> {
  return async index => {
    const dataBytes = chunks[index] ?? 0
    if (dataBytes > 0 || !tellsNext) return { dataBytes }
    const next = chunks.findIndex((bytes, i) => i >= index && bytes !== undefined)
    return { dataBytes, next: next < 0 ? Infinity : next }
  }
}

test('data and holes are found where they are, whether or not the master tells of the next chunk', () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(chunk, { maxLength: 6 }),
      edge,
      edge,
      fc.boolean(),
      async (chunks, offset, length, tells) => {
        const found = (what: 'data' | 'hole') => seek(what, offset, length, slots(chunks, tells))
        const wanted = (data: boolean) =>
          places(offset, length).find(at => at !== length && isData(chunks, length, at) === data)
        assert.equal(await found('data'), wanted(true))
        assert.equal(await found('hole'), offset >= length ? undefined : (wanted(false) ?? length))
      },
    ),
  ))

test('a hole of any size is passed over with one question', async () => {
  let questions = 0
  const slotAt = async (index: number) => {
    questions++
    return index === 0 || index === 1e8 ? { dataBytes: 5 } : { dataBytes: 0, next: index < 1e8 ? 1e8 : Infinity }
  }
  assert.equal(await seek('data', MFSCHUNKSIZE, 2e8 * MFSCHUNKSIZE, slotAt), 1e8 * MFSCHUNKSIZE)
  assert.equal(await seek('data', 1e8 * MFSCHUNKSIZE + 5, 2e8 * MFSCHUNKSIZE, slotAt), undefined)
  assert.equal(questions, 4)
})

test('where the next chunk is not told, so many holes in a row count as data', async () => {
  const found = await seek('data', 0, 1e9 * MFSCHUNKSIZE, async () => ({ dataBytes: 0 }))
  assert.equal(found, 1024 * MFSCHUNKSIZE)
})
