// The program mfsmount, from its arguments to its exit code.
import { readFileSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import type { Cluster, ClusterEvents, MetaCluster, SessionParameters } from '../client/cluster.ts'
import type { Env } from '../env/env.ts'
import { setPriorityOfThreads } from '../env/priority.ts'
import type { LogLevel } from '../env/real-log.ts'
import { SessionFlag, VERSION, VERSION_TEXT } from '../protocol/constants.ts'
import { isBackgroundProcess, receiveSecret, runInBackground, tellReady } from './background.ts'
import { CallerGroups } from './caller-groups.ts'
import { ClusterFileSystem } from './cluster-file-system.ts'
import { WHOLE_SECONDS_NS } from './fuse/dispatcher.ts'
import { MountError } from './fuse/kernel-mount.ts'
import { MountedFileSystem } from './fuse/mounted.ts'
import { MetaFileSystem } from './meta-file-system.ts'
import { checkMountPoint } from './mount-point.ts'
import { ObservedFileSystem, OperationLog } from './operation-log.ts'
import { cacheModeOf, helpText, type MountCommand, paramLines, parseCommand, sugidClearModeOf } from './options.ts'
import { askPassword, passwordDigest } from './password.ts'
import { sessionParamLines, sessionText } from './session-text.ts'
import { SpecialFiles } from './special-files.ts'
import { Statistics } from './statistics.ts'
import { type Forward, ToolsProxy } from './tools-proxy.ts'

/** A session with the master and all that comes with it. */
export interface ConnectedCluster {
  readonly cluster: Cluster & MetaCluster
  /** For the command line tools. */
  readonly forward: Forward
  readonly sessionId: number
  readonly masterVersion: number
  /** Finishes all writes, tells the master that the session is over, closes the connections. */
  close(): Promise<void>
}

/** Connects and registers. @throws ConnectError */
export type Connect = (
  command: MountCommand,
  mountPoint: string,
  passwordDigest: Buffer | undefined,
  env: Env,
  events: ClusterEvents,
) => Promise<ConnectedCluster>

/** Why there is no session, in words for the person who mounts. */
export class ConnectError extends Error {
  override readonly name = 'ConnectError'
}

const SEE_HELP = 'see: mfsmount -h for help\n'

/** Runs the program; resolves to the exit code once the file system is unmounted (or is up, in the background). */
export async function mfsmount(
  args: readonly string[],
  connect: Connect,
  makeEnv: (level: LogLevel, foreground: boolean, busyPollMicroseconds: number) => Env,
): Promise<number> {
  const parsed = parseCommand(args, readText)
  switch (parsed.kind) {
    case 'help':
      process.stdout.write(helpText())
      return 1
    case 'version':
      process.stderr.write(`MFS version: ${VERSION_TEXT}\n`)
      return 0
    case 'error':
      process.stderr.write(`${parsed.message}\n${SEE_HELP}`)
      return 1
    case 'mount':
      return mountCommand(args, parsed.command, connect, makeEnv)
  }
}

async function mountCommand(
  args: readonly string[],
  command: MountCommand,
  connect: Connect,
  makeEnv: (level: LogLevel, foreground: boolean, busyPollMicroseconds: number) => Env,
): Promise<number> {
  const inBackground = isBackgroundProcess()
  if (!inBackground) for (const warning of command.warnings) process.stderr.write(`${warning}\n`)
  // The second process runs in another folder: it is told the absolute path.
  const place = checkMountPoint(command.mountPoint, command.values.nonempty)
  if ('problem' in place) return fail(place.problem)
  const typed = inBackground ? receiveSecret() : command.askPassword ? await askPassword() : ''
  if (!command.foreground && !inBackground) {
    return runInBackground([...args.map(arg => (arg === command.mountPoint ? place.target : arg))], typed)
  }
  const password = passwordDigest(command.values, typed, readText)
  if ('problem' in password) return fail(password.problem)
  const env = makeEnv(command.debug ? 'debug' : 'info', command.foreground, command.values.busypoll)
  try {
    return await serve(command, place.target, password.digest, connect, env)
  } catch (error) {
    if (error instanceof ConnectError || error instanceof MountError) return fail(error.message)
    throw error
  }
}

function fail(message: string): number {
  process.stderr.write(`${message}\n`)
  return 1
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

async function serve(
  command: MountCommand,
  target: string,
  password: Buffer | undefined,
  connect: Connect,
  env: Env,
): Promise<number> {
  const { values } = command
  const news = new News()
  const connected = await connect(command, target, password, env, news)
  const { cluster } = connected
  process.stderr.write(`${sessionText(cluster.parameters)}\n`)
  const forward: Forward = (type, body) => connected.forward(type, body)
  const files: { system?: ClusterFileSystem } = {}
  const proxy = await ToolsProxy.listen(env.net, env.clock, values.mfsproxy, forward, () =>
    files.system?.forgetEverything(),
  )
  try {
    const log = new OperationLog()
    const statistics = new Statistics()
    const special = new SpecialFiles({
      masterInfo: () => ({
        host: values.mfsproxy,
        port: proxy.port,
        sessionId: connected.sessionId,
        masterVersion: connected.masterVersion,
      }),
      params: () => paramsText(command, connected),
      statistics,
      log,
      clock: env.clock,
    })
    if (values.mfsmeta) {
      const trash = new MetaFileSystem(cluster, special, values.mfsflattrash, env.clock)
      const mounted = await MountedFileSystem.mount(trash, mountRequest(command, target), env.log, env.clock)
      return await untilUnmounted(command, mounted, env)
    }
    const groups = new CallerGroups(env.clock, values.mfsgroupscacheto, () => cluster.parameters.rootUid === 0)
    const kernelPermissions = kernelMayJudge(cluster.parameters)
    const options = { ...fileSystemOptions(command), kernelPermissions }
    const system = new ClusterFileSystem(cluster, special, groups, options, env.clock, env.log)
    files.system = system
    const observed = new ObservedFileSystem(system, log, statistics, env.clock)
    const request = {
      ...mountRequest(command, target),
      kernelPermissions,
      timeGranularityNs: cluster.extended ? 1 : WHOLE_SECONDS_NS,
    }
    const mounted = await MountedFileSystem.mount(observed, request, env.log, env.clock)
    news.connect(system, mounted)
    return await untilUnmounted(command, mounted, env)
  } finally {
    await proxy.close()
    await connected.close()
  }
}

function fileSystemOptions({ values }: MountCommand) {
  return {
    attributeSeconds: values.mfsattrcacheto,
    entrySeconds: values.mfsentrycacheto,
    folderEntrySeconds: values.mfsdirentrycacheto,
    negativeEntrySeconds: values.mfsnegentrycacheto,
    xattrSeconds: values.mfsxattrcacheto,
    cacheMode: cacheModeOf(values.mfscachemode) ?? 'AUTO',
    copySgid: values.mfsmkdircopysgid !== 0,
    sugidClearMode: sugidClearModeOf(values.mfssugidclearmode) ?? 4,
    xattrs: !values.mfsnoxattrs,
    syncToDisk: values.fsync === 'disk',
  }
}

/**
 * Whether mode and ACL as this session is shown them tell what the master permits: not where everybody is shown as the
 * owner, nor where groups do not count.
 */
function kernelMayJudge({ flags }: SessionParameters): boolean {
  return (flags & (SessionFlag.MAPALL | SessionFlag.IGNOREGID)) === 0
}

function mountRequest(command: MountCommand, target: string) {
  const { values } = command
  const isRoot = process.geteuid?.() === 0
  return {
    target,
    source: `${values.mfsmeta ? 'mfsmeta' : 'mfs'}#${values.mfsmaster}:${values.mfsport}`,
    readOnly: command.readOnly,
    allowOther: command.allowOther,
    setUid: isRoot && values.mfssuid,
    devices: isRoot && values.mfsdev,
    noExec: command.noExec,
    noAtime: command.noAtime,
    writebackCache: values.writeback,
    posixLocks: !values.mfsnoposixlocks,
    flocks: !values.mfsnobsdlocks,
    maxReadAheadBytes: values.mfsreadaheadleng,
  }
}

/** Everything that .params shows. */
function paramsText(command: MountCommand, { cluster, masterVersion }: ConnectedCluster): string {
  const { values, given } = command
  return `${[
    ...paramLines(values, given),
    `working_keep_cache_mode: ${cacheModeOf(values.mfscachemode)}`,
    `working_sugid_clear_mode: ${values.mfssugidclearmode.toUpperCase()}`,
    `no_std_mount_options: ${command.allowOther ? '(not defined)' : '(defined)'}`,
    ...sessionParamLines(cluster.parameters),
    `moosefs_master_version: ${versionText(masterVersion)}`,
    `moosefs_mount_version: ${versionText(VERSION)}`,
  ].join('\n')}\n`
}

function versionText(version: number): string {
  const major = version >>> 16
  const minor = version & 255
  return `${major}.${(version >> 8) & 255}.${major >= 2 ? minor >> 1 : minor}`
}

/** Tells the world that the mount is up, then waits for the end of it. */
async function untilUnmounted(command: MountCommand, mounted: MountedFileSystem, env: Env): Promise<number> {
  becomeKnown(command, mounted.target)
  const end = (signal: string) => {
    env.log.notice(`${signal}: unmounting ${mounted.target}`)
    mounted.unmount().catch(error => {
      env.log.error(`${error instanceof Error ? error.message : error}; leaving without unmounting`)
      mounted.abort()
    })
  }
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, end)
  if (isBackgroundProcess()) tellReady()
  await mounted.closed
  return 0
}

/** Name, priority and luck with the memory killer of this process. */
function becomeKnown({ values }: MountCommand, target: string): void {
  process.title = `mfsmount (mounted on: ${target})`
  const attempt = (action: () => void) => {
    try {
      action()
    } catch {
      // Only root may; the mount works without.
    }
  }
  // The title has changed the short name too, which ps, pgrep and top show.
  attempt(() => writeFileSync('/proc/self/comm', 'mfsmount'))
  attempt(() => setPriorityOfThreads(Math.max(values.mfsnice, constants.priority.PRIORITY_HIGHEST)))
  if (!values.mfsallowoomkiller) attempt(() => writeFileSync('/proc/self/oom_score_adj', '-1000'))
}

/** Passes what the master tells on to the kernel and to what we remember; news from before the mount has no reader. */
class News implements ClusterEvents {
  #system: ClusterFileSystem | undefined
  #mounted: MountedFileSystem | undefined

  connect(system: ClusterFileSystem, mounted: MountedFileSystem): void {
    this.#system = system
    this.#mounted = mounted
  }

  dataChanged(inode: number, offset: number, length: number): void {
    if (this.#mounted) this.#system?.changedElsewhere(inode, this.#mounted.invalidateData(inode, offset, length))
  }

  lengthChanged(inode: number, length: number): void {
    this.dataChanged(inode, length, 0)
  }

  connectionRenewed(): void {
    if (!this.#system) return
    this.#system.forgetEverything()
    for (const inode of this.#system.openInodes) this.dataChanged(inode, 0, 0)
  }
}
