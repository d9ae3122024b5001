import assert from 'node:assert/strict'
import { test } from 'node:test'
import { describeOptions } from './describe.ts'
import { cgiservConfigFile } from './mfscgiserv.ts'
import { chunkserverConfigFile } from './mfschunkserver.ts'
import { masterConfigFile } from './mfsmaster.ts'
import { metaloggerConfigFile } from './mfsmetalogger.ts'
import type { ConfigFile, Options } from './option.ts'
import { defaultConfig, parseConfig } from './parse.ts'
import { parseDuration, parseSize, printSize } from './units.ts'

const master = (contents: string) => parseConfig(masterConfigFile, 'm.cfg', contents)
/** Warnings about values; options without effect are another matter. */
const aboutValues = (warnings: string[]) => warnings.filter(warning => !warning.includes('has no effect'))
const chunkserver = (contents: string) => parseConfig(chunkserverConfigFile, 'c.cfg', contents)

test('comments, blanks and repeated options are read as the original reads them', () => {
  const { values, warnings, errors } = master(
    '# BACK_LOGS = 1\n\n  BACK_LOGS=7  \nBACK_LOGS\t= 8\r\nAUTH_CODE = a # b\nFILE_UMASK = 022\nNICE_LEVEL = -5\nATIME_MODE = 0x4\n',
  )
  assert.deepEqual([...aboutValues(warnings), ...errors], [])
  assert.equal(values.BACK_LOGS, 8)
  assert.equal(values.AUTH_CODE, 'a # b')
  assert.equal(values.FILE_UMASK, 0o22)
  assert.equal(values.NICE_LEVEL, -5)
  assert.equal(values.ATIME_MODE, 4)
})

test('an unknown option and an option without effect are named with file and line', () => {
  const { warnings } = master('\nBACK_LOG = 5\nno definition\nLIMIT_GLIBC_MALLOC_ARENAS = 1\nconstructor = 1\n')
  assert.match(warnings[0] ?? '', /^m\.cfg:2: unknown option BACK_LOG, ignored$/)
  assert.match(warnings[1] ?? '', /^m\.cfg:3: bad definition/)
  assert.match(warnings[2] ?? '', /^m\.cfg:4: LIMIT_GLIBC_MALLOC_ARENAS has no effect: /)
  assert.match(warnings[3] ?? '', /^m\.cfg:5: unknown option constructor/)
})

test('a value that cannot be read is an error that says what to write, and the value before stays', () => {
  const before = { ...defaultConfig(masterConfigFile), BACK_LOGS: 3 }
  const { values, errors } = parseConfig(masterConfigFile, 'm.cfg', 'BACK_LOGS = many\nMATOCL_LISTEN_PORT = 0', before)
  assert.deepEqual(errors, [
    'm.cfg:1: BACK_LOGS = many: cannot be read; write a whole number 0..1000 (default: 50)',
    'm.cfg:2: MATOCL_LISTEN_PORT = 0: cannot be read; write a port number 1..65535 (default: 9421)',
  ])
  assert.equal(values.BACK_LOGS, 3)
  assert.equal(values.MATOCL_LISTEN_PORT, 9421)
})

test('what the command line says of an option counts more than the file, and is checked as well', () => {
  const file = 'MASTER_HOST = a\nMASTER_PORT = 1'
  const parse = (settings: [string, string][]) =>
    parseConfig(cgiservConfigFile, 'c.cfg', file, undefined, new Map(settings))
  assert.deepEqual(parse([['MASTER_HOST', 'b,c']]).values, { ...parse([]).values, MASTER_HOST: 'b,c' })
  assert.deepEqual(parse([['MASTER_PORT', '70000']]).errors, [
    'command line: MASTER_PORT = 70000: cannot be read; write a port number 1..65535 (default: 9421)',
  ])
})

test('a secret never appears in a message', () => {
  const { warnings, errors } = chunkserver('AUTH_CODE = sesame\nAUTH_CODE sesame')
  assert.equal(warnings.length, 1)
  assert.doesNotMatch(warnings.join(), /sesame/)
  assert.deepEqual(errors, [])
})

test('numbers out of range are replaced with a warning', () => {
  const { values, warnings, errors } = master('BACK_LOGS = 5000\nATIME_MODE = 9\nCHUNKS_LOOP_TIME = 1')
  assert.equal(values.BACK_LOGS, 1000)
  assert.equal(values.ATIME_MODE, 0)
  assert.equal(values.CHUNKS_LOOP_MIN_TIME, 60)
  assert.equal(aboutValues(warnings).length, 4)
  assert.deepEqual(errors, [])
})

test('limits, reserves and sync modes have their own ways to be written', () => {
  const { values, errors } = master(
    'CHUNKS_WRITE_REP_LIMIT = 3\nCHUNKS_READ_REP_LIMIT = 1, 2,3,4\nRESERVE_SPACE = 1.5C\nCHANGELOG_SYNC = interval 100',
  )
  assert.deepEqual(errors, [])
  assert.deepEqual(values.CHUNKS_WRITE_REP_LIMIT, [3, 3, 3, 3])
  assert.deepEqual(values.CHUNKS_READ_REP_LIMIT, [1, 2, 3, 4])
  assert.deepEqual(values.RESERVE_SPACE, { kind: 'largestCapacity', times: 1.5 })
  assert.deepEqual(values.CHANGELOG_SYNC, { kind: 'interval', ms: 100 })
  assert.equal(master('CHANGELOG_SYNC = interval 0').errors.length, 1)
  assert.equal(master('CHUNKS_READ_REP_LIMIT = 1,2').errors.length, 1)
})

test('options that depend on each other are reconciled', () => {
  assert.equal(master('CHUNKS_SOFT_DEL_LIMIT = 20').values.CHUNKS_HARD_DEL_LIMIT, 60)
  assert.equal(master('CHUNKS_SOFT_DEL_LIMIT = 20\nCHUNKS_HARD_DEL_LIMIT = 5').values.CHUNKS_SOFT_DEL_LIMIT, 5)
  assert.equal(master('BACK_LOGS = 10\nMETADATA_SAVE_FREQ = 8').values.METADATA_SAVE_FREQ, 5)
  assert.equal(master('REMAP_BITS = 8').values.REMAP_BITS, 0)
})

test('labels are a set of letters', () => {
  assert.equal(chunkserver('LABELS = a, C;').values.LABELS, 0b101)
  assert.equal(chunkserver('LABELS = AB,C').values.LABELS, 0b100)
  assert.equal(chunkserver('LABELS = AB,C').warnings.length, 1)
})

test('every default reads back as itself, and every option is described', () => {
  const check = <O extends Options>(file: ConfigFile<O>) => {
    const help = describeOptions(file)
    for (const [name, { kind, default: standard }] of Object.entries(file.options)) {
      assert.ok(help.includes(`  ${name}\n`))
      if (standard === undefined) continue
      const parsed = kind.parse(kind.print(standard))
      assert.deepEqual(parsed, { value: standard }, name)
    }
  }
  check(masterConfigFile)
  check(chunkserverConfigFile)
  check(metaloggerConfigFile)
  check(cgiservConfigFile)
})

test('durations and sizes', () => {
  assert.equal(parseDuration('90'), 90)
  assert.equal(parseDuration('2h30m'), 9000)
  assert.equal(parseDuration('11d13h46m40s'), 1000000)
  assert.equal(parseDuration('48H'), 172800)
  for (const wrong of ['', '1h1d', '1h1h', '1h30', 'x', '8000w']) assert.equal(parseDuration(wrong), undefined, wrong)
  assert.equal(parseSize('1.5GiB'), 1.5 * 2 ** 30)
  assert.equal(parseSize('250k'), 250000)
  assert.equal(parseSize('12'), 12)
  assert.equal(parseSize('4TB'), 4e12)
  for (const wrong of ['', '1K', '1XiB', '-1', 'GiB']) assert.equal(parseSize(wrong), undefined, wrong)
  assert.equal(printSize(256 * 2 ** 20), '256MiB')
  assert.equal(printSize(3000), '3000')
})
