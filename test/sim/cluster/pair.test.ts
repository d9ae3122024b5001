// Two masters, whole: the same applications and the same faults.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PairCluster } from './pair-cluster.ts'
import { simulate } from './simulation.ts'

const OPERATIONS = 60
const SERVERS = 3
/** Less than the former leader takes to let its clients go and to read its log. */
const ANSWER_MS = 100

test('two masters keep what they acknowledged, whatever goes wrong', async () => {
  for (const [seed, profile] of [
    [16, 'master'],
    [38, 'everything'],
    [12, 'disks'],
    [10, 'clients'],
  ] as const) {
    const { acknowledged, faults } = await simulate({ seed, profile, operations: OPERATIONS, pair: true })
    assert.ok(acknowledged > 0 && faults > 0)
  }
})

test('who asks for a switch-over hears of it as soon as the other master leads', async () => {
  const cluster = new PairCluster(1, { servers: SERVERS, syncChunks: false, sync: { kind: 'commit' } })
  cluster.start()
  await cluster.until(() => cluster.isUp && cluster.areBothUp, 60_000, 'the start')
  const former = cluster.masterHost
  let answer: { ok: boolean } | undefined
  void cluster.ask(former, { command: 'switchover' }).then(told => {
    answer = told
  })
  await cluster.until(() => cluster.master !== undefined && cluster.masterHost !== former, 20_000, 'the other one')
  await cluster.until(() => answer !== undefined, ANSWER_MS, 'the answer')
  assert.ok(answer?.ok)
})
