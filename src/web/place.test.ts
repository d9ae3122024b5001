import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Place } from './place.ts'

const placeOf = (query: string) => Place.of(new URL(`http://monitor/mfs.cgi?${query}`))
const codes = (query: string) => placeOf(query).tabs.map(({ code }) => code)

test('tabs are those of the URL, several with | between them; Info when there is none that is known', () => {
  assert.deepEqual(codes('sections=CS%7CMC'), ['CS', 'MC'])
  assert.deepEqual(codes('sections=MC|XX|CS'), ['CS', 'MC'])
  assert.deepEqual(codes(''), ['IN'])
  assert.deepEqual(codes('sections=<script>'), ['IN'])
})

test('what was chosen is kept in links; commands and what is not known are not', () => {
  const place = placeOf('masterhost=m&sections=CS&CSorder=3&CSrev=1&CSremove=10.0.0.1:9422&evil=1')
  assert.equal(place.url(), 'mfs.cgi?masterhost=m&sections=CS&CSorder=3&CSrev=1')
  assert.equal(place.withTabs(['MC']).url(), 'mfs.cgi?masterhost=m&sections=MC&CSorder=3&CSrev=1')
  assert.deepEqual(place.choice('CS'), { order: 3, isReversed: true })
  assert.equal(placeOf('').url(), 'mfs.cgi')
})

test('views of sections have the numbers that mfscli knows', () => {
  assert.equal(placeOf('HDperiod=2&HDtime=1').choice('HD').mode, 5)
  assert.equal(placeOf('INmatrix=1').choice('IC').mode, 1)
  assert.equal(placeOf('MOdata=1').choice('MO').mode, 1)
  assert.equal(placeOf('OFsessionid=7&ALinode=8').choice('OF').id, 7)
  assert.equal(placeOf('OFsessionid=7&ALinode=8').choice('AL').id, 8)
})

test('numbers that make no sense are as if they were not there', () => {
  for (const query of ['CSorder=x', 'CSorder=-1', 'CSorder=1e3', 'CSorder=0', `CSorder=${'1'.repeat(300)}`]) {
    assert.equal(placeOf(query).choice('CS').order, undefined, query)
  }
  assert.equal(placeOf('HDperiod=9&HDtime=7').choice('HD').mode, 0)
  assert.equal(placeOf('MFlimit=50000000000').missingMax, 100)
})
