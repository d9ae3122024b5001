import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseCommandLine, usageText } from './command-line.ts'

function command(...args: string[]) {
  const line = parseCommandLine(args, true)
  assert.equal(line.kind, 'command', args.join(' '))
  if (line.kind !== 'command') throw new Error('no command')
  return line.command
}

test('without arguments a daemon starts in the background', () => {
  const { action, foreground, lockTimeoutSeconds, configFile } = command()
  assert.deepEqual([action, foreground, lockTimeoutSeconds, configFile], ['start', false, 1800, undefined])
})

test('switches may be joined, and stand before or after the action', () => {
  const joined = command('-fun', '-t5', '-c', 'x.cfg', 'RESTART')
  assert.equal(joined.action, 'restart')
  assert.deepEqual(
    [joined.foreground, joined.showDefaults, joined.keepCoreLimit, joined.lockTimeoutSeconds, joined.configFile],
    [true, true, true, 5, 'x.cfg'],
  )
  const after = command('stop', '-t', '7', '-cy.cfg')
  assert.deepEqual([after.action, after.lockTimeoutSeconds, after.configFile], ['stop', 7, 'y.cfg'])
})

test('switches of the restore are counted', () => {
  const { ignoreInconsistencies, autoRestore, verbosity } = command('-i', '-a', '-x', '-x')
  assert.deepEqual([ignoreInconsistencies, autoRestore, verbosity], [true, true, 2])
})

test('the old name of -f is accepted with a remark', () => {
  const { foreground, notes } = command('-d')
  assert.ok(foreground)
  assert.deepEqual(notes, ['-d is the old name of -f'])
})

test('what is not understood gives the usage', () => {
  for (const args of [['begin'], ['start', 'now'], ['-z'], ['-h'], ['-?'], ['-t'], ['-t', 'soon'], ['-c']]) {
    assert.equal(parseCommandLine(args, true).kind, 'usage', args.join(' '))
  }
  assert.equal(parseCommandLine(['-a'], false).kind, 'usage', 'only the master has -a')
})

test('help and version need nothing else', () => {
  assert.equal(parseCommandLine(['--help'], true).kind, 'help')
  assert.equal(parseCommandLine(['-fv'], true).kind, 'version')
  assert.match(
    usageText('mfsmaster', true),
    /^usage: mfsmaster \[-vfun\] \[-t locktimeout\] \[-c cfgfile\] \[-i\] \[-a\]/,
  )
})
