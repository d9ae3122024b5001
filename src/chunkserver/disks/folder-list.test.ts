import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseFolderList } from './folder-list.ts'

const plain = {
  markedForRemoval: false,
  ignoreSize: false,
  balance: undefined,
  limitBytes: undefined,
  leaveBytes: undefined,
}

test('one folder a line, with prefixes and limits', () => {
  const text = '# a comment\n\n/mnt/a\n*/mnt/b/  \n~>/mnt/c d 10GiB\n<>/mnt/e -1.5G\n/mnt/f g h\n/mnt/i 12Q\n/mnt/j 0\n'
  assert.deepEqual(parseFolderList(text), [
    { ...plain, path: '/mnt/a/' },
    { ...plain, path: '/mnt/b/', markedForRemoval: true },
    { ...plain, path: '/mnt/c d/', ignoreSize: true, balance: 'fill', limitBytes: 10 * 2 ** 30 },
    { ...plain, path: '/mnt/e/', balance: 'fill', leaveBytes: 1_500_000_000 },
    { ...plain, path: '/mnt/f g h/' },
    { ...plain, path: '/mnt/i 12Q/' },
    { ...plain, path: '/mnt/j/' },
  ])
})
