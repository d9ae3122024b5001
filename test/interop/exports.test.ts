// mfsexports.cfg is understood as by the real master, and rules that change under connected clients have the same effect.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { systemNames } from '../../src/daemon/user.ts'
import { type ExportRule, parseExports } from '../../src/master/clients/exports.ts'
import * as cltoma from '../../src/protocol/cltoma.ts'
import { Reader, record, text, u8, u16, u32 } from '../../src/protocol/codec.ts'
import { formatIpv4 } from '../../src/util/ipv4.ts'
import { Cluster, MASTER_IP, whyNot } from './cluster.ts'
import { type Played, p, type Step, wireVersion } from './message-script.ts'
import { installPackages } from './packages.ts'

const skip = whyNot() ?? false
const OURS = join(import.meta.dirname, '../../bin/mfsmaster')
const EXPORTS_INFO = 520

before(() => {
  if (!skip) installPackages()
})

const grammar = readFileSync(join(import.meta.dirname, 'exports.cfg'), 'utf8')

function play(cluster: Cluster, steps: Step[]): Played[] {
  const program = join(import.meta.dirname, 'packet-player.ts')
  const { stdout, stderr, status } = cluster.feed(JSON.stringify(steps), process.execPath, program, MASTER_IP, '9421')
  if (status !== 0) throw new Error(stderr)
  return JSON.parse(stdout)
}

/** What the real master has made of the file, one text a line. */
function realRules(cluster: Cluster): string[] {
  const step = { on: 'monitor', send: p().u8(3).packet(EXPORTS_INFO), about: 'exports' }
  const [answer] = play(cluster, [step])
  const input = new Reader(Buffer.from(answer?.packets[0]?.payload ?? '', 'hex'))
  const rules: string[] = []
  while (input.left > 0) rules.push(told(ruleLayout.read(input)))
  return rules
}

/** As told to those who ask with 3 (spec tools-and-admin A.5.6). */
const ruleLayout = record({
  ...{ fromIp: u32, toIp: u32, path: text(u32, 4096), minVersion: u32, extra: u8, flags: u8, umask: u16 },
  ...{ rootUid: u32, rootGid: u32, mapallUid: u32, mapallGid: u32 },
  ...{ minGoal: u8, maxGoal: u8, minTrashSeconds: u32, maxTrashSeconds: u32, disables: u32 },
})
type Rule = ReturnType<typeof ruleLayout.read>

const told = ({ fromIp, toIp, path, ...rest }: Rule) =>
  `${formatIpv4(fromIp)}-${formatIpv4(toIp)} ${path} ${Object.values(rest).join(' ')}`

function ourRule(rule: ExportRule): string {
  const { rights, fromIp, toIp, minVersion } = rule
  const extra = (rule.alldirs ? 1 : 0) | (rule.passwordMd5 ? 2 : 0)
  const { flags, umask, ...limits } = rights
  return told({ fromIp, toIp, minVersion, path: rule.meta ? '.' : `/${rule.path}`, extra, flags, umask, ...limits })
}

test('every line of a file with all there is in the grammar comes to the same', { skip }, async () => {
  const cluster = new Cluster()
  try {
    cluster.exports = grammar
    cluster.startRealMaster()
    // The original keeps a rule for DEFAULTS itself, which fits nobody.
    const real = realRules(cluster).filter(rule => !rule.startsWith('0.0.0.0-0.0.0.0 / '))
    const ours = parseExports(grammar, 'exports.cfg', systemNames).rules.map(ourRule)
    assert.deepEqual(ours, real)
  } finally {
    await cluster.close()
  }
})

const BEFORE = [
  ...['* / rw,alldirs,maproot=0,disable=chmod', '* /folder rw,mapall=1:2,maproot=0,mingoal=2,maxtrashtime=1d'],
  ...['* /folder/below ro,umask=0027', '* /new rw,minversion=3.0.100', '* /secret rw,password=x', '* . ro,mingoal=2'],
  ...['10.99.0.0/16 /elsewhere rw', '* /gone rw', '* /twice ro', '* /twice rw,dynamicip', '* /twice/ ro,admin'],
].join('\n')
const AFTER = `${BEFORE.replace('* /folder rw', '* /folder ro').replace('* /gone rw\n', '')}\n`

const ROOT_CALLER = { uid: 0, gids: [0] }
const ROOT = 1

const registration = (kind: number) => p().raw(cltoma.REGISTER_BLOB_ACL).u8(kind)
const REGISTER = cltoma.fuseRegister.code

/** A request for a session; with `id` for one that there is. */
function register(on: string, path: string | undefined, version = '3.0.117', id?: number): Step {
  const { NEWSESSION, NEWMETASESSION } = cltoma.RegisterCode
  const body = registration(path === undefined ? NEWMETASESSION : NEWSESSION)
  body.u32(wireVersion(version)).text('/mnt\0')
  if (path !== undefined) body.text(`${path}\0`)
  if (id !== undefined) body.u32(id)
  return { on, about: `${path ?? 'meta'} for ${version}`, send: body.packet(REGISTER) }
}

function mkdir(parent: number, name: string): Step {
  const body = { msgid: 1, parent, name, mode: 0o755, umask: 0, caller: ROOT_CALLER, copySgid: 0 }
  return { on: 'root', about: `mkdir ${name}`, send: cltoma.fuseMkdir.encode(body).toString('hex') }
}

const PATHS = ['/', '/folder', '/folder/', 'folder/below', '/folder/below', '/folder/other', '/new', '/secret']
const MORE_PATHS = [
  '/elsewhere',
  '/nowhere',
  '/twice',
  '/gone',
  '/folder/file',
  '//folder',
  '/folder//below',
  '/..',
  '',
]

/** What two clients are told, the second time by the other rules. */
function steps(round: string): Step[] {
  const paths = [...PATHS, ...MORE_PATHS].map(path => register(`${round} ${path}`, path))
  const reconnect = registration(cltoma.RegisterCode.RECONNECT).u32(2, wireVersion('3.0.117'))
  return [
    ...paths,
    register(`${round} old`, '/new', '3.0.40'),
    register(`${round} meta`, undefined),
    { on: `${round} again`, about: 'back to session 2', send: reconnect.packet(REGISTER) },
    register(`${round} changed`, '/folder', '3.0.117', 2),
  ]
}

/** Without the ids of the session and of the file system. */
function comparable(played: Played[]): string[] {
  return played.map(({ packets, closed }) => {
    const texts = packets.map(({ type, payload }) => {
      const bytes = Buffer.from(payload, 'hex')
      if (type === 401 && bytes.length > 20) bytes.fill(0, 8, 16)
      // Folders are as old as the test.
      return `${type} ${type === 401 ? bytes.toString('hex') : bytes.length}`
    })
    return `${texts.join(' | ')}${closed ? ' closed' : ''}`
  })
}

async function story(program: string): Promise<string[]> {
  const cluster = new Cluster()
  try {
    cluster.exports = BEFORE
    cluster.startMasterWith(program)
    const folders = ['folder', 'new', 'secret', 'elsewhere', 'twice', 'gone'].map(name => mkdir(ROOT, name))
    const first = play(cluster, [register('root', '/'), ...folders, mkdir(2, 'below'), ...steps('before')])
    cluster.reloadExports(program, AFTER)
    await new Promise(resolve => setTimeout(resolve, 1500))
    return comparable([...first, ...play(cluster, steps('after'))])
  } finally {
    await cluster.close()
  }
}

test('sessions are granted, refused and changed by the same rules, also by those of a reload', { skip }, async () => {
  const [real, ours] = [await story('mfsmaster'), await story(OURS)]
  const abouts = ['root', ...Array(7).fill('mkdir'), ...steps('before'), ...steps('after')].map(step =>
    typeof step === 'string' ? step : `${step.on}: ${step.about}`,
  )
  const differing = abouts.flatMap((about, i) => (ours[i] === real[i] ? [] : [`${about}\n ${ours[i]}\n ${real[i]}`]))
  assert.equal(differing.join('\n'), '')
})
