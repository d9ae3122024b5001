import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Folder } from './folder.ts'
import { rebalanceSides } from './rebalance.ts'

const GB = 1e9

function folder(name: string, usedShare: number, more: { balance?: 'fill' | 'empty'; totalGb?: number } = {}): Folder {
  const totalBytes = (more.totalGb ?? 100) * GB
  const line = { path: name, markedForRemoval: name.startsWith('*'), balance: more.balance }
  const availableBytes = totalBytes * (1 - usedShare)
  return { line, state: 'ready', totalBytes, availableBytes, chunkCount: 10 } as unknown as Folder
}

function sides(folders: Folder[], running = false): string {
  const { sources, destinations } = rebalanceSides(folders, running)
  const names = (side: Folder[]) => side.map(({ line }) => line.path).join(',')
  return `${names(sources)}>${names(destinations)}`
}

test('fuller disks give to emptier ones, and even ones are left alone', () => {
  assert.equal(sides([folder('a', 0.8), folder('b', 0.5), folder('c', 0.2)]), 'a>c')
  assert.equal(sides([folder('a', 0.51), folder('b', 0.5), folder('c', 0.505)]), '>')
  assert.equal(sides([folder('a', 0.9), folder('b', 0.8), folder('c', 0.8), folder('d', 0.8)]), 'a>b,c,d')
  assert.equal(sides([folder('a', 0.9), folder('b', 0.1, { totalGb: 0.5 })]), '>', 'small disks take no part')
  assert.equal(sides([folder('*a', 0.9), folder('b', 0.1)]), '>', 'what is to be removed takes no part')
})

test('once begun it goes on until the disks are nearer than what begins it', () => {
  const nearly = [folder('a', 0.507), folder('b', 0.493)]
  assert.equal(sides(nearly), '>')
  assert.equal(sides(nearly, true), 'a>b')
})

test('disks that are to be emptied or filled come first', () => {
  assert.equal(sides([folder('a', 0.2, { balance: 'empty' }), folder('b', 0.9), folder('c', 0.995)]), 'a>b')
  assert.equal(sides([folder('a', 0.9, { balance: 'fill' }), folder('b', 0.1)]), 'b>a')
  assert.equal(
    sides([folder('a', 0.995, { balance: 'fill' }), folder('b', 0.1)]),
    'a>b',
    'a full disk is filled no more',
  )
})
