import assert from 'node:assert/strict'
import { test } from 'node:test'
import { helpText, type MountCommand, paramLines, parseCommand } from './options.ts'

function parse(args: string[], files: Record<string, string> = {}): MountCommand {
  const parsed = parseCommand(args, path => files[path])
  assert.equal(parsed.kind, 'mount', JSON.stringify(parsed))
  return parsed.kind === 'mount' ? parsed.command : assert.fail()
}

function refusal(args: string[], files: Record<string, string> = {}): string {
  const parsed = parseCommand(args, path => files[path])
  return parsed.kind === 'error' ? parsed.message : assert.fail(`taken: ${JSON.stringify(parsed)}`)
}

test('defaults are those of the original', () => {
  const { values, allowOther, foreground, mountPoint } = parse(['/mnt/mfs'])
  assert.equal(mountPoint, '/mnt/mfs')
  assert.equal(values.mfsmaster, 'mfsmaster')
  assert.equal(values.mfsport, '9421')
  assert.equal(values.mfssubfolder, '/')
  assert.equal(values.mfsattrcacheto, 1)
  assert.equal(values.mfswritecachesize, 256)
  assert.equal(values.mfspassword, undefined)
  assert.deepEqual([allowOther, foreground], [true, false])
})

test('switches stand for options, joined or apart', () => {
  for (const args of [
    ['-H', 'host', '-P', '9999', '-S', '/sub', '-B', '1.2.3.4', '/mnt'],
    ['-Hhost', '-P9999', '/mnt', '-S/sub', '-B1.2.3.4'],
    ['/mnt', '-o', 'mfsmaster=host,mfsport=9999,mfssubfolder=/sub', '-omfsbind=1.2.3.4'],
    ['host:9999:/sub', '/mnt', '-o', 'rw,mfsbind=1.2.3.4'],
    ['mfs#host:9999:/sub', '/mnt', '-fs', '-o', 'rw,_netdev,noauto,mfsbind=1.2.3.4'],
  ]) {
    const { values, mountPoint } = parse(args)
    const { mfsmaster, mfsport, mfssubfolder, mfsbind } = values
    assert.deepEqual(
      [mfsmaster, mfsport, mfssubfolder, mfsbind, mountPoint],
      ['host', '9999', '/sub', '1.2.3.4', '/mnt'],
      args.join(' '),
    )
  }
  assert.equal(parse(['host:', '/mnt']).values.mfssubfolder, '/')
  assert.equal(parse(['host:/a', '/mnt']).values.mfssubfolder, '/a')
  assert.equal(parse(['-d', '/mnt']).foreground, true)
  assert.equal(parse(['-n', '/mnt']).allowOther, false)
  assert.equal(parse(['-o', 'ro', '/mnt']).readOnly, true)
})

test('-h and -V', () => {
  assert.equal(parseCommand(['-h'], () => undefined).kind, 'help')
  assert.equal(parseCommand(['/mnt', '--version'], () => undefined).kind, 'version')
  assert.match(helpText(), /-o mfsattrcacheto=SEC/)
})

test('the file wins over the command line, and may give the mount point', () => {
  const file = '# a comment\n; another\n\n/mnt/from-file\nmfsmaster=filehost,mfsioretries=7\n-P 9555\n'
  for (const path of ['/etc/mfs/mfsmount.cfg', '/etc/mfsmount.cfg']) {
    const { values, mountPoint } = parse(['-H', 'cmdhost'], { [path]: file })
    assert.deepEqual([values.mfsmaster, values.mfsioretries, values.mfsport], ['filehost', 7, '9555'])
    assert.equal(mountPoint, '/mnt/from-file')
  }
  const { mountPoint } = parse(['-c', '/my.cfg', '/other'], { '/my.cfg': file })
  assert.equal(mountPoint, '/other')
  assert.equal(refusal(['-c', '/my.cfg', '/mnt']), "cfg file (/my.cfg) doesn't exist")
})

test('values out of range are moved into it, with a message', () => {
  const { values, warnings } = parse(['-o', 'mfswritecachesize=1,mfsattrcacheto=100000', '/mnt'])
  assert.equal(values.mfswritecachesize, 16)
  assert.equal(values.mfsattrcacheto, 86400)
  assert.deepEqual(warnings, [
    'write cache size too low (1 MiB) - increased to 16 MiB',
    'attribute cache timeout too big (100000.00) - decreased to 86400.00',
  ])
})

test('what has no effect says so by name', () => {
  assert.match(parse(['-o', 'mfsmemlock', '/mnt']).warnings.join(), /'mfsmemlock' has no effect/)
  assert.match(parse(['-o', 'mfsfsyncmintime=5', '/mnt']).warnings.join(), /'mfsfsyncmintime' has no effect: close/)
})

test('wrong command lines are refused with the original texts', () => {
  assert.equal(refusal([]), 'no mount point')
  assert.equal(refusal(['/mnt', '-o', 'mfscachemode=SOMETIMES']), 'unrecognized cachemode option')
  assert.equal(refusal(['/mnt', '-o', 'mfssugidclearmode=X']), 'unrecognized sugidclearmode option')
  assert.equal(refusal(['/mnt', '-o', 'mfspreflabels=A+']), 'error parsing preferred labels expression')
  assert.equal(
    refusal(['/mnt', '-o', 'mfspassfile=/x,mfspassword=y']),
    'mfspassfile option is mutually exclusive with mfspassword and mfsmd5pass',
  )
  assert.equal(
    refusal(['/mnt', '-o', 'mfscachefiles,mfscachemode=NO']),
    'mfscachemode and mfscachefiles options are exclusive - use only mfscachemode',
  )
  assert.equal(refusal(['/mnt', '-o', 'mfsnonsense']), "unknown option: 'mfsnonsense'")
  assert.equal(refusal(['/mnt', '-H']), "missing argument after '-H'")
  assert.equal(refusal(['/mnt', '-o', 'mfsioretries=many']), "option 'mfsioretries': 'many' is not a number")
  assert.equal(parse(['/mnt', '-o', 'mfspreflabels=(A+B)C;[D]']).values.mfspreflabels, '(A+B)C;[D]')
})

test('.params shows what holds and hides passwords', () => {
  const { values, given } = parse(['-o', 'mfspassword=secret,mfscachemode=NO', '/mnt'])
  const lines = paramLines(values, given)
  assert.ok(lines.includes('mfsmaster: mfsmaster'))
  assert.ok(lines.includes('mfsattrcacheto: 1.000'))
  assert.ok(lines.includes('mfspassword: (defined)'))
  assert.ok(lines.includes('mfsbind: (not defined)'))
  assert.ok(lines.includes('mfssugidclearmode: (not defined)'))
  assert.doesNotMatch(lines.join('\n'), /secret/)
})
