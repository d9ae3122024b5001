// Imports point one way (ARCHITECTURE.md). This is the diagram that cannot go stale.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { test } from 'node:test'

const src = resolve(import.meta.dirname, '../../src')

const mayImport: Record<string, string[]> = {
  util: [],
  env: ['util'],
  protocol: ['util'],
  config: ['util'],
  metadata: ['util', 'protocol'],
  charts: ['util', 'env'],
  client: ['util', 'env', 'protocol'],
  daemon: ['util', 'env', 'config'],
  ha: ['util', 'env', 'protocol', 'config'],
  journal: ['util', 'env', 'metadata'],
  replica: ['util', 'env', 'metadata', 'journal', 'ha'],
  master: ['util', 'env', 'protocol', 'config', 'metadata', 'journal', 'ha', 'replica', 'daemon', 'charts'],
  chunkserver: ['util', 'env', 'protocol', 'config', 'daemon', 'charts'],
  metalogger: ['util', 'env', 'protocol', 'config', 'metadata', 'journal', 'ha', 'replica', 'daemon'],
  mount: ['util', 'env', 'protocol', 'config', 'client', 'daemon'],
  monitor: ['util', 'protocol'],
  web: ['util', 'protocol', 'config', 'daemon', 'monitor'],
  start: ['util', 'env', 'protocol', 'daemon'],
  // Each command starts one program.
  cli: [
    'util',
    'env',
    'protocol',
    'config',
    'metadata',
    'journal',
    'client',
    'ha',
    'daemon',
    'master',
    'chunkserver',
    'metalogger',
    'mount',
    'monitor',
    'web',
    'start',
  ],
}

/** Node's own modules that metadata/ may use: none of them touches the world. */
const pureModules = new Set(['node:assert', 'node:assert/strict', 'node:buffer', 'node:test', 'node:zlib'])

function sources(folder: string): string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter(path => path.endsWith('.ts'))
    .map(path => join(folder, path))
}

function importsOf(file: string): string[] {
  return [
    ...readFileSync(file, 'utf8').matchAll(/^(?:import|export)\b[^'"]*?from\s+'([^']+)'|^import\s+'([^']+)'/gm),
  ].map(match => (match[1] ?? match[2]) as string)
}

test('every folder of src imports only the folders below it', () => {
  const offences: string[] = []
  for (const file of sources(src)) {
    const [from = ''] = relative(src, file).split('/')
    assert.ok(mayImport[from], `src/${from} has no line in the table of allowed imports`)
    for (const specifier of importsOf(file)) {
      if (!specifier.startsWith('.')) continue
      const [to = ''] = relative(src, resolve(dirname(file), specifier)).split('/')
      if (to !== from && !mayImport[from].includes(to)) offences.push(`${relative(src, file)} imports ${specifier}`)
    }
  }
  assert.deepEqual(offences, [])
})

test('metadata/ and master/policy/ are pure: no I/O, no clock, no chance', () => {
  const offences: string[] = []
  for (const folder of ['metadata', 'master/policy']) {
    for (const file of sources(join(src, folder))) {
      if (file.endsWith('.test.ts')) continue
      const text = readFileSync(file, 'utf8')
      for (const specifier of importsOf(file)) {
        if (!specifier.startsWith('.') && !pureModules.has(specifier))
          offences.push(`${relative(src, file)}: ${specifier}`)
      }
      for (const impure of [
        'Date.now',
        'new Date(',
        'Math.random',
        'performance.now',
        'setTimeout',
        'setInterval',
        'process.',
      ]) {
        if (text.includes(impure)) offences.push(`${relative(src, file)}: ${impure}`)
      }
    }
  }
  assert.deepEqual(offences, [])
})
