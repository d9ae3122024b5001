import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { Disable, SessionFlag } from '../../metadata/decision.ts'
import { Status } from '../../protocol/status.ts'
import { parseIpv4 } from '../../util/ipv4.ts'
import { chooseRule, type ExportRule, parseExports } from './exports.ts'

const names = {
  uid: (name: string) => ({ root: { uid: 0, gid: 0 }, '0': { uid: 0, gid: 0 }, anna: { uid: 1000, gid: 100 } })[name],
  gid: (name: string) => ({ users: 100 })[name],
}
const parse = (text: string) => parseExports(text, 'mfsexports.cfg', names)
const ip = (text: string) => parseIpv4(text) as number
const request = {
  ip: ip('10.1.0.5'),
  version: 0x300ea,
  meta: false,
  path: '/',
  challenge: undefined,
  passcode: undefined,
}

test('without options a line is read-only and maps everybody but plain users to nobody', () => {
  const { rules } = parse('* /')
  assert.equal(rules[0]?.rights.flags, SessionFlag.READONLY)
  assert.equal(rules[0]?.rights.rootUid, 999)
})

test('addresses come as one, a network, a mask or a range', () => {
  const { rules } = parse('10.1.2.3 /\n10.1.0.0/16 /\n10.1.0.0/255.255.255.0 /\n10.1.0.1-10.1.0.9 /')
  assert.deepEqual(
    rules.map(({ fromIp, toIp }) => [fromIp, toIp]),
    [
      [ip('10.1.2.3'), ip('10.1.2.3')],
      [ip('10.1.0.0'), ip('10.1.255.255')],
      [ip('10.1.0.0'), ip('10.1.0.255')],
      [ip('10.1.0.1'), ip('10.1.0.9')],
    ],
  )
})

test('every option is understood', () => {
  const { rules, warnings } = parse(
    '* /a rw,alldirs,dynamicip,ignoregid,admin,maproot=root,mapall=anna:users,mingoal=2,maxgoal=3,mintrashtime=1h,maxtrashtime=1w,umask=0027,disable=chmod:rename',
  )
  assert.deepEqual(warnings, [])
  assert.deepEqual(rules[0]?.rights, {
    flags: SessionFlag.DYNAMICIP | SessionFlag.IGNOREGID | SessionFlag.ADMIN | SessionFlag.MAPALL,
    rootUid: 0,
    rootGid: 0,
    mapallUid: 1000,
    mapallGid: 100,
    umask: 0o027,
    minGoal: 2,
    maxGoal: 3,
    minTrashSeconds: 3600,
    maxTrashSeconds: 604800,
    disables: Disable.CHMOD | Disable.RENAME,
  })
})

test('bad lines are left out and bad options ignored, each with file and line', () => {
  const { rules, warnings } = parse('* / badopt\n# comment\n* / mingoal=12\n10.0.0.300 /\n* / disable=foo\n*')
  assert.equal(rules.length, 2)
  assert.equal(warnings.length, 5)
  assert.match(warnings[1] ?? '', /^mfsexports\.cfg, line 3: mingoal "12" must be 1 to 9/)
})

test('what stands behind the options is none of them: a line that means to be read-only does not become writable', () => {
  const { rules } = parse('* /a rw # comment\n* /b rw more\n* /c rw, alldirs')
  assert.deepEqual(
    rules.map(({ rights }) => rights.flags),
    [SessionFlag.READONLY, SessionFlag.READONLY, 0],
  )
  assert.equal(rules[2]?.alldirs, true)
})

test('a rule for the trash has no owners, no administrators and no forbidden operations', () => {
  const { rules, warnings } = parse('* . rw,admin,ignoregid,alldirs,maproot=1:1,mapall=2:2,disable=chmod,mingoal=2')
  assert.equal(warnings.length, 1)
  const { flags, rootUid, disables, minGoal } = (rules[0] as ExportRule).rights
  assert.deepEqual([flags, rootUid, disables, minGoal, rules[0]?.alldirs], [0, 0, 0, 2, false])
})

test('an address with no bits of network stands for itself, never for the world', () => {
  const { rules, warnings } = parse('10.1.2.3/0 / rw')
  assert.deepEqual([rules[0]?.fromIp, rules[0]?.toIp, warnings.length], [ip('10.1.2.3'), ip('10.1.2.3'), 1])
})

test('durations have falling units, each once, and limits leave room between them', () => {
  const seconds = (value: string) => parse(`* / mintrashtime=${value}`).rules[0]?.rights.minTrashSeconds
  assert.deepEqual(['2h30m', '11D13H46M40S', '90', '1w'].map(seconds), [9000, 1_000_000, 90, 604_800])
  assert.deepEqual(['1.5h', '30m2h', '1h1h', '2h30', '5000000000', ''].map(seconds), Array(6).fill(undefined))
  assert.equal(parse('* / mintrashtime=2h,maxtrashtime=1h\n* / mingoal=3,maxgoal=2').rules.length, 0)
})

test('DEFAULTS hold for the lines after it', () => {
  const { rules } = parse('DEFAULTS rw,maproot=0:0\n* /')
  assert.equal(rules[0]?.rights.flags, 0)
  assert.equal(rules[0]?.rights.rootUid, 0)
})

test('of several matching lines the one that grants more wins', () => {
  const { rules } = parse('* / ro\n10.1.0.0/16 / rw\n10.2.0.0/16 / rw,admin')
  assert.equal((chooseRule(rules, request) as ExportRule).rights.flags, 0)
})

test('sub-folders need alldirs, and a foreign address is refused', () => {
  const { rules } = parse('10.1.0.0/16 /data rw,alldirs\n10.1.0.0/16 /one rw')
  assert.notEqual(typeof chooseRule(rules, { ...request, path: '/data/x' }), 'number')
  assert.equal(chooseRule(rules, { ...request, path: '/database' }), Status.EACCES)
  assert.equal(chooseRule(rules, { ...request, path: '/one/x' }), Status.EACCES)
  assert.equal(chooseRule(rules, { ...request, path: '/one', ip: ip('10.9.0.1') }), Status.EACCES)
})

test('a password is asked for and checked', () => {
  const { rules } = parse('* / rw,password=secret')
  const challenge = Buffer.alloc(32, 7)
  const md5 = createHash('md5').update('secret').digest()
  const right = createHash('md5').update(challenge.subarray(0, 16)).update(md5).update(challenge.subarray(16)).digest()
  assert.equal(chooseRule(rules, request), Status.NOPASSWORD)
  assert.equal(chooseRule(rules, { ...request, challenge, passcode: Buffer.alloc(16) }), Status.BADPASSWORD)
  assert.notEqual(typeof chooseRule(rules, { ...request, challenge, passcode: right }), 'number')
})

test('any change of the rules changes the checksum', () => {
  assert.notEqual(parse('* / rw').checksum, parse('* / ro').checksum)
  assert.equal(parse('* / rw').checksum, parse('# again\n* / rw').checksum)
})
