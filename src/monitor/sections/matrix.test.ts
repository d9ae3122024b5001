// What a chunk is called by the copies that it should have and those that are good.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { classOf, classSums } from './matrix.ts'

test('chunks are called by wanted and good copies', () => {
  const expected: [goal: number, copies: number, name: string][] = [
    [0, 0, 'to be removed'],
    [0, 1, 'pending deletion'],
    [0, 10, 'pending deletion'],
    [1, 0, 'missing'],
    [10, 0, 'missing'],
    [2, 1, 'endangered'],
    [1, 1, 'stable'],
    [3, 2, 'undergoal'],
    [2, 2, 'stable'],
    [10, 10, 'stable'],
    [1, 2, 'overgoal'],
    [9, 10, 'overgoal'],
  ]
  for (const [goal, copies, name] of expected) assert.equal(classOf(goal, copies), name, `${goal} ${copies}`)
})

test('every chunk of a matrix is in one of the sums', () => {
  const matrix = Array.from({ length: 11 }, (_, goal) => Array.from({ length: 11 }, (_, copies) => 100 * goal + copies))
  const sums = Object.fromEntries(classSums(matrix))
  const all = matrix.flat().reduce((sum, each) => sum + each, 0)
  assert.equal(
    Object.values(sums).reduce((sum, each) => sum + each, 0),
    all,
  )
  assert.equal(sums['to be removed'], 0)
  assert.equal(sums['pending deletion'], 55)
  assert.equal(sums.missing, 5500)
  assert.equal(sums.stable, 55 * 101)
})
