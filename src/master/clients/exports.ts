// mfsexports.cfg: who may mount what, and how (spec daemons-and-config 6, client-master 2.4). Pure.
import { createHash } from 'node:crypto'
import { SessionFlag } from '../../metadata/decision.ts'
import { Status } from '../../protocol/status.ts'
import { crc32 } from '../../util/crc32.ts'
import { parseIpv4, parseNetwork } from '../../util/ipv4.ts'

/** One line of the file. */
export interface ExportRule {
  fromIp: number
  toIp: number
  /** Without slashes at the ends; the root is empty. */
  path: string
  /** For mounts of the trash and the sustained files. */
  meta: boolean
  alldirs: boolean
  minVersion: number
  /** MD5 of the password. */
  passwordMd5: Buffer | undefined
  rights: ExportRights
}

export interface ExportRights {
  flags: number
  rootUid: number
  rootGid: number
  mapallUid: number
  mapallGid: number
  umask: number
  minGoal: number
  maxGoal: number
  minTrashSeconds: number
  maxTrashSeconds: number
  disables: number
}

export interface Exports {
  rules: ExportRule[]
  /** Changes with any rule; sessions remember it. */
  checksum: bigint
  /** What was wrong, one message a line: file, line, what, and what was done about it. */
  warnings: string[]
}

/** Numbers of users and groups by name. */
export interface Names {
  uid(name: string): { uid: number; gid: number } | undefined
  gid(name: string): number | undefined
}

const NOBODY = 999

const operations = [
  ...['chown', 'chmod', 'symlink', 'mkfifo', 'mkdev', 'mksock', 'mkdir', 'unlink', 'rmdir', 'rename', 'move', 'link'],
  ...['create', 'readdir', 'read', 'write', 'truncate', 'setlength', 'appendchunks', 'snapshot', 'settrash'],
  ...['setsclass', 'seteattr', 'setxattr', 'setfacl'],
]

interface Options {
  flags: number
  alldirs: boolean
  minVersion: number
  passwordMd5: Buffer | undefined
  maproot: [number, number] | undefined
  mapall: [number, number] | undefined
  umask: number
  minGoal: number
  maxGoal: number
  minTrashSeconds: number
  maxTrashSeconds: number
  disables: number
}

const noOptions: Options = {
  flags: SessionFlag.READONLY,
  alldirs: false,
  minVersion: 0,
  passwordMd5: undefined,
  maproot: undefined,
  mapall: undefined,
  umask: 0,
  minGoal: 1,
  maxGoal: 9,
  minTrashSeconds: 0,
  maxTrashSeconds: 0xffffffff,
  disables: 0,
}

class LineError extends Error {}

/**
 * Parses the whole file. A bad line is dropped and a bad option ignored, each with a warning.
 * @param file its name, for the warnings
 */
export function parseExports(text: string, file: string, names: Names): Exports {
  const rules: ExportRule[] = []
  const warnings: string[] = []
  let defaults = noOptions
  text.split('\n').forEach((raw, index) => {
    const line = raw.trim()
    if (line === '' || line.startsWith('#')) return
    const warn = (what: string) => warnings.push(`${file}, line ${index + 1}: ${what}`)
    const [, net = '', rest = ''] = /^(\S+)\s*(.*)$/s.exec(line) ?? []
    const [, path = '', optionText = ''] = /^(\S+)\s*(.*)$/s.exec(rest) ?? []
    try {
      if (net === 'DEFAULTS') defaults = parseOptions(rest, noOptions, names, warn)
      else rules.push(parseRule(net, path, parseOptions(optionText, defaults, names, warn), warn))
    } catch (error) {
      if (!(error instanceof LineError)) throw error
      warn(`${error.message}: the line is left out`)
    }
  })
  return { rules, checksum: checksumOf(rules), warnings }
}

/** Flags of sessions that a rule for the trash can give. */
const META_FLAGS = SessionFlag.READONLY | SessionFlag.DYNAMICIP

function parseRule(net: string, path: string, options: Options, warn: (what: string) => void): ExportRule {
  const [fromIp, toIp] = parseNet(net, warn)
  if (path === '') throw new LineError('there must be an address, a path and options')
  const meta = path === '.'
  const { minGoal, maxGoal, minTrashSeconds, maxTrashSeconds, umask } = options
  if (maxGoal < minGoal) throw new LineError(`maxgoal ${maxGoal} is below mingoal ${minGoal}`)
  if (maxTrashSeconds < minTrashSeconds) {
    throw new LineError(`maxtrashtime ${maxTrashSeconds} is below mintrashtime ${minTrashSeconds} (seconds)`)
  }
  if (meta) warnOfMeta(options, warn)
  const mapall = meta ? undefined : options.mapall
  const root = meta ? [0, 0] : (options.maproot ?? mapall ?? [NOBODY, NOBODY])
  const all = mapall ?? [NOBODY, NOBODY]
  return {
    ...{ fromIp, toIp, path: meta ? '' : trimSlashes(path), meta, alldirs: options.alldirs && !meta },
    minVersion: options.minVersion,
    passwordMd5: options.passwordMd5,
    rights: {
      flags: meta ? options.flags & META_FLAGS : options.flags | (mapall ? SessionFlag.MAPALL : 0),
      ...{ rootUid: root[0] as number, rootGid: root[1] as number, mapallUid: all[0] as number },
      ...{ mapallGid: all[1] as number, umask, minGoal, maxGoal, minTrashSeconds, maxTrashSeconds },
      disables: meta ? 0 : options.disables,
    },
  }
}

function warnOfMeta({ alldirs, flags, maproot, mapall, disables }: Options, warn: (what: string) => void): void {
  const given = {
    ...{ alldirs, ignoregid: flags & SessionFlag.IGNOREGID, admin: flags & SessionFlag.ADMIN },
    ...{ maproot, mapall, disable: disables },
  }
  const names = Object.entries(given).filter(([, value]) => value)
  if (names.length > 0) warn(`${names.map(([name]) => name).join(', ')} mean nothing for the path "."`)
}

export const trimSlashes = (path: string) => path.replace(/^\/+|\/+$/g, '')

function parseNet(net: string, warn: (what: string) => void): [number, number] {
  const network = parseNetwork(net)
  if (!network) {
    const forms = '*, 10.1.2.3, 10.1.0.0/16, 10.1.0.0/255.255.0.0 or 10.1.0.1-10.1.0.9'
    throw new LineError(`"${net}" is no address: use ${forms}`)
  }
  if (!net.endsWith('/0')) return network
  // Under the original such a line let nobody else in, so under us it must not let in the world.
  warn(`"${net}" stands for that one address, as it always has; all addresses are "*"`)
  const only = parseIpv4(net.slice(0, -2)) as number
  return [only, only]
}

function parseOptions(text: string, defaults: Options, names: Names, warn: (what: string) => void): Options {
  const options = { ...defaults }
  const given = text.split(',').map(option => option.trim())
  for (const option of given.filter(option => option !== '')) {
    const [name = '', value = ''] = option.split(/=(.*)/s)
    if (!applyOption(options, name, value, names, warn)) warn(`unknown option "${option}" is ignored`)
  }
  return options
}

function applyOption(
  options: Options,
  name: string,
  value: string,
  names: Names,
  warn: (what: string) => void,
): boolean {
  switch (name) {
    case 'ro':
    case 'readonly':
      options.flags |= SessionFlag.READONLY
      return true
    case 'rw':
    case 'readwrite':
      options.flags &= ~SessionFlag.READONLY
      return true
    case 'alldirs':
      options.alldirs = true
      return true
    case 'dynamicip':
      options.flags |= SessionFlag.DYNAMICIP
      return true
    case 'ignoregid':
      options.flags |= SessionFlag.IGNOREGID
      return true
    case 'admin':
    case 'canchangequota':
      options.flags |= SessionFlag.ADMIN
      return true
    case 'maproot':
      options.maproot = parseOwner(name, value, names)
      return true
    case 'mapall':
      options.mapall = parseOwner(name, value, names)
      return true
    case 'password':
      options.passwordMd5 = createHash('md5').update(value).digest()
      return true
    case 'md5pass':
      if (!/^[0-9a-fA-F]{32}$/.test(value)) throw new LineError('md5pass needs 32 hexadecimal digits')
      options.passwordMd5 = Buffer.from(value, 'hex')
      return true
    case 'minversion':
      options.minVersion = parseVersion(value)
      return true
    case 'mingoal':
    case 'maxgoal':
      options[name === 'mingoal' ? 'minGoal' : 'maxGoal'] = parseGoal(name, value)
      return true
    case 'mintrashtime':
    case 'maxtrashtime':
      options[name === 'mintrashtime' ? 'minTrashSeconds' : 'maxTrashSeconds'] = parseSeconds(name, value)
      return true
    case 'umask':
      if (!/^0[0-7]{3}$/.test(value)) throw new LineError(`umask "${value}" must be four octal digits, such as 0027`)
      options.umask = Number.parseInt(value, 8)
      return true
    case 'disable':
      for (const operation of value.split(':')) {
        const bit = operations.indexOf(operation)
        if (bit < 0) warn(`unknown operation "${operation}" in disable is ignored`)
        else options.disables |= 1 << bit
      }
      return true
    default:
      return false
  }
}

function parseOwner(option: string, value: string, names: Names): [number, number] {
  const [user = '', group] = value.split(/:(.*)/s)
  const known = /^\d+$/.test(user) ? undefined : names.uid(user)
  const uid = known?.uid ?? (/^\d+$/.test(user) ? Number(user) : undefined)
  if (uid === undefined) throw new LineError(`${option}: there is no user "${user}"`)
  if (group === undefined) {
    const gid = known?.gid ?? names.uid(user)?.gid
    if (gid === undefined)
      throw new LineError(`${option}: user ${user} is not in passwd, so a group must be given: ${user}:GROUP`)
    return [uid, gid]
  }
  const gid = /^\d+$/.test(group) ? Number(group) : names.gid(group)
  if (gid === undefined) throw new LineError(`${option}: there is no group "${group}"`)
  return [uid, gid]
}

function parseVersion(value: string): number {
  const match = /^(\d+)(?:\.(\d+))?(?:\.(\d+))?$/.exec(value)
  if (!match) throw new LineError(`minversion "${value}" must look like 3.0.117`)
  return Number(match[1]) * 65536 + Number(match[2] ?? 0) * 256 + Number(match[3] ?? 0)
}

function parseGoal(name: string, value: string): number {
  if (!/^[1-9]$/.test(value)) throw new LineError(`${name} "${value}" must be 1 to 9`)
  return Number(value)
}

const DURATION = /^(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$/i
const UNIT_SECONDS = [604_800, 86_400, 3600, 60, 1]

/** Seconds, or a duration such as `1h30m` or `2w`, units falling, each once (spec daemons-and-config 12.1). */
function parseSeconds(name: string, value: string): number {
  const parts = DURATION.exec(value)?.slice(1)
  const plain = /^\d+$/.test(value) ? Number(value) : undefined
  const sum = parts?.reduce((total, n, i) => total + Number(n ?? 0) * (UNIT_SECONDS[i] as number), 0)
  const seconds = plain ?? sum
  if (value === '' || seconds === undefined || seconds > 0xffffffff) {
    throw new LineError(`${name} "${value}" must be a duration such as 3600, 12h or 1d12h`)
  }
  return seconds
}

function checksumOf(rules: ExportRule[]): bigint {
  let sum = 0n
  for (const rule of rules) {
    const text = JSON.stringify({ ...rule, passwordMd5: rule.passwordMd5?.toString('hex') })
    const digest = createHash('sha256').update(text).digest()
    sum += (BigInt(crc32(Buffer.from(text))) << 32n) | BigInt(digest.readUInt32BE(0))
  }
  return BigInt.asUintN(64, sum)
}

export interface MountRequest {
  ip: number
  version: number
  meta: boolean
  path: string
  /** What the client was challenged with, and what it answered. */
  challenge: Buffer | undefined
  passcode: Buffer | undefined
}

/** The rule for a mount, or why there is none: EACCES, NOPASSWORD or BADPASSWORD. */
export function chooseRule(rules: readonly ExportRule[], request: MountRequest): ExportRule | Exclude<Status, 0> {
  let chosen: ExportRule | undefined
  let refusal: Exclude<Status, 0> = Status.EACCES
  for (const rule of rules) {
    if (!appliesTo(rule, request)) continue
    const password = passwordFits(rule, request)
    if (password !== true) {
      refusal = password
      continue
    }
    if (!chosen || isBetter(rule, chosen)) chosen = rule
  }
  return chosen ?? refusal
}

function appliesTo(rule: ExportRule, { ip, version, meta, path }: MountRequest): boolean {
  if (ip < rule.fromIp || ip > rule.toIp || version < rule.minVersion || meta !== rule.meta) return false
  const wanted = trimSlashes(path)
  if (meta || wanted === rule.path) return true
  return rule.alldirs && (rule.path === '' || wanted.startsWith(`${rule.path}/`))
}

function passwordFits({ passwordMd5 }: ExportRule, { challenge, passcode }: MountRequest): true | Exclude<Status, 0> {
  if (!passwordMd5) return true
  if (!challenge || !passcode) return Status.NOPASSWORD
  const hash = createHash('md5').update(challenge.subarray(0, 16)).update(passwordMd5).update(challenge.subarray(16))
  return hash.digest().equals(passcode) ? true : Status.BADPASSWORD
}

function isBetter(later: ExportRule, present: ExportRule): boolean {
  const has = (rule: ExportRule, flag: number) => (rule.rights.flags & flag) !== 0
  if (!has(later, SessionFlag.READONLY) && has(present, SessionFlag.READONLY)) return true
  if (later.rights.rootUid === 0 && present.rights.rootUid !== 0) return true
  if (has(later, SessionFlag.ADMIN) && !has(present, SessionFlag.ADMIN)) return true
  if (later.passwordMd5 && !present.passwordMd5) return true
  return later.path.length > present.path.length
}
