import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { realDisk } from '../env/real-disk.ts'
import { ChangelogFile } from './changelog-reader.ts'
import { mergedRuns, type StrangeLine } from './merged-changelogs.ts'

const folder = mkdtempSync(join(tmpdir(), 'elkfs-merged-'))
after(() => rmSync(folder, { recursive: true }))

/** A changelog with these lines: a number is the change of that number in this file. */
function changelog(name: string, ...lines: (number | string)[]): ChangelogFile {
  const path = join(folder, name)
  writeFileSync(path, lines.map(line => (typeof line === 'number' ? `${line}: ${name}\n` : `${line}\n`)).join(''))
  return new ChangelogFile(realDisk, path)
}

const shown = ({ text, path }: { text: string; path: string }) => (path.endsWith(text.split(' ')[1] ?? '') ? text : '?')

async function merge(files: ChangelogFile[], goesOn: boolean, isDamaged = (_: number) => false) {
  const story: string[] = []
  const onStrange = ({ text, id, previous }: StrangeLine) => {
    story.push(`strange ${text} (${id}) after ${previous}`)
    return goesOn
  }
  const merged = files.map(file => ({ file, isDamaged }))
  for await (const run of mergedRuns(merged, onStrange)) story.push(...run.map(shown))
  return story
}

test('lines of files that overlap come by their numbers, equal ones beside each other', async () => {
  const files = [changelog('b', 3, 4, 5, 9), changelog('a', 1, 2, 3, 4), changelog('none')]
  const lines = await merge(files, true)
  assert.deepEqual(
    lines.map(line => Number.parseInt(line, 10)),
    [1, 2, 3, 3, 4, 4, 5, 9],
  )
  assert.deepEqual(lines.toSorted(), ['1: a', '2: a', '3: a', '3: b', '4: a', '4: b', '5: b', '9: b'])
})

test('a line out of place is told when all before it are out, and the file goes on or ends as is wished', async () => {
  const files = () => [changelog('a', 1, 'rubbish', 2, 1, 3), changelog('b', 4)]
  assert.deepEqual(await merge(files(), true), [
    ...['1: a', 'strange rubbish (undefined) after 1', '2: a', 'strange 1: a (1) after 2', '3: a', '4: b'],
  ])
  assert.deepEqual(await merge(files(), false), ['1: a', 'strange rubbish (undefined) after 1', '4: b'])
})

test('a damaged part is passed over', async () => {
  // Lines of five bytes: the second and the third.
  const isDamaged = (offset: number) => offset === 5 || offset === 10
  assert.deepEqual(await merge([changelog('a', 1, 2, 3, 4)], false, isDamaged), ['1: a', '4: a'])
})
