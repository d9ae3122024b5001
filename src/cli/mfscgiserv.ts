// The command mfscgiserv: the monitor in the browser (spec daemons-and-config 10).
import { type CgiservConfig, cgiservConfigFile } from '../config/mfscgiserv.ts'
import { type Action, type CommandLine, defaultCommand } from '../daemon/command-line.ts'
import { explained } from '../daemon/explain.ts'
import { type DaemonContext, type RunningDaemon, runDaemon } from '../daemon/run-daemon.ts'
import { VERSION_TEXT } from '../protocol/constants.ts'
import { type WebOptions, WebServer } from '../web/server.ts'
import { parseArguments, UsageError } from './shared/arguments.ts'

const USAGE = `usage: mfscgiserv [-H host] [-P port] [-M master[:port]] [-c cfgfile] [-t locktimeout] [-f [-v]] [start|stop|restart|reload|test]

  -H HOST          address for browsers (default any)
  -P PORT          port for browsers (default 9425)
  -M MASTER[:PORT] master to show, or several: a,b,c (default mfsmaster:9421)
  -c FILE          configuration file (default /etc/mfs/mfscgiserv.cfg); the options above count more
  -t N             wait N seconds for a process to end (default 60)
  -f               stay in the foreground, messages on stderr
  -v               write each request to the log
  -R PATH          without effect: pages are in the program
  --version        print the version and exit
  -h, --help       this text and all options of the configuration file

actions:
  start            start in the background (when no action is given)
  stop             end the running process, and wait for it
  restart          stop, then start
  reload           make it read its configuration again
  test             say whether it runs: exit code 0 or 1
`
const LOCK_TIMEOUT_SECONDS = 60
const ACTIONS: readonly Action[] = ['start', 'stop', 'restart', 'reload', 'test']

/** Letters that stand for an option of the configuration file. */
const SETTINGS = { H: 'HTTP_LISTEN_HOST', P: 'HTTP_LISTEN_PORT' } as const

function parseCgiserv(args: readonly string[]): CommandLine {
  try {
    return parsed(args)
  } catch (error) {
    if (error instanceof UsageError) return { kind: 'usage' }
    throw error
  }
}

/** @throws UsageError */
function parsed(args: readonly string[]): CommandLine {
  const { options, operands } = parseArguments(args, 'fvh', 'HPMRtc', { version: false })
  if (options.has('h') || options.has('help')) return { kind: 'help' }
  if (options.has('version')) return { kind: 'version' }
  const [word = 'start', ...more] = operands
  const action = ACTIONS.find(name => name === word.toLowerCase())
  const timeout = options.get('t') ?? String(LOCK_TIMEOUT_SECONDS)
  if (!action || more.length > 0 || !/^\d{1,9}$/.test(timeout)) return { kind: 'usage' }
  return {
    kind: 'command',
    command: {
      ...defaultCommand,
      action,
      foreground: options.has('f'),
      lockTimeoutSeconds: Number(timeout),
      configFile: options.get('c'),
      notes: options.has('R') ? ['-R has no effect: pages are in the program'] : [],
      settings: settingsOf(options),
    },
  }
}

function settingsOf(options: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const settings = new Map<string, string>()
  for (const [letter, name] of Object.entries(SETTINGS)) {
    const value = options.get(letter)
    if (value !== undefined) settings.set(name, value)
  }
  const [, host, port] = /^([^:]*)(?::(.*))?$/s.exec(options.get('M') ?? '') ?? []
  if (host) settings.set('MASTER_HOST', host)
  if (port !== undefined) settings.set('MASTER_PORT', port)
  if (options.has('v')) settings.set('LOG_REQUESTS', '1')
  return settings
}

const webOptions = (config: CgiservConfig): WebOptions => ({
  masterHost: config.MASTER_HOST,
  masterPort: config.MASTER_PORT,
  allowsCommands: config.ALLOW_COMMANDS,
  logsRequests: config.LOG_REQUESTS,
})

async function start({ env, config }: DaemonContext<CgiservConfig>): Promise<RunningDaemon<CgiservConfig>> {
  const web = new WebServer(webOptions(config), message => env.log.info(message))
  const host = config.HTTP_LISTEN_HOST === '*' ? undefined : config.HTTP_LISTEN_HOST
  await web.listen(host, config.HTTP_LISTEN_PORT).catch(error => {
    throw explained(error)
  })
  env.log.info(
    `monitor of ${config.MASTER_HOST}:${config.MASTER_PORT} at http://${host ?? '*'}:${config.HTTP_LISTEN_PORT}/`,
  )
  return {
    stop: () => web.stop(),
    reload: async changed => web.reconfigure(webOptions(changed)),
  }
}

await runDaemon({
  name: 'mfscgiserv',
  version: VERSION_TEXT,
  description: 'The monitor in the browser: shows a cluster, and gives its numbers to Prometheus at /metrics.',
  configFile: cgiservConfigFile,
  openFiles: 4096,
  restoreSwitches: false,
  commandLine: { usage: USAGE, parse: parseCgiserv },
  reloads: Object.entries(cgiservConfigFile.options)
    .filter(([, option]) => !('needsRestart' in option))
    .map(([name]) => name),
  start,
})
