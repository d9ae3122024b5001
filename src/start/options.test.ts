import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseStartCommand } from './options.ts'

const parse = (...args: string[]) => parseStartCommand(args, '/home/anna')

test('without options, data and mount lie in the present folder', () => {
  assert.deepEqual(parse(), {
    kind: 'start',
    options: { data: '/home/anna/data', mount: '/home/anna/mnt', basePort: 9419, chunkservers: undefined },
  })
})

test('every option is taken', () => {
  const args = ['--data', '../d', '--mount=/m', '--base-port', '20000', '--chunkservers', '5']
  assert.deepEqual(parse(...args), {
    kind: 'start',
    options: { data: '/home/d', mount: '/m', basePort: 20000, chunkservers: 5 },
  })
  const { options } = parse('--no-mount') as { options: { mount?: string } }
  assert.equal(options.mount, undefined)
  assert.equal(parse('--help').kind, 'help')
})

test('nonsense is refused with what would be right', () => {
  for (const args of [
    ['--chunkservers', '0'],
    ['--base-port', 'x'],
    ['--base-port', '65534'],
    ['--mout', '/m'],
    ['x'],
  ]) {
    const command = parse(...args)
    assert.equal(command.kind, 'error', args.join(' '))
    assert.match((command as { message: string }).message, /see: npm start -- --help$/)
  }
})
