// `npm start`: a whole cluster on this machine.
import { relative } from 'node:path'
import { LockFile } from '../daemon/lock-file.ts'
import { checkAll, makeFolder, Refusal } from '../start/checks.ts'
import { clientsPort, HOST, type Layout, lockFile, monitorPort, serverPort, serversPort } from '../start/layout.ts'
import { LocalCluster, StartFailure } from '../start/local-cluster.ts'
import { helpText, parseStartCommand, type StartOptions } from '../start/options.ts'
import { healthText, StatusDisplay } from '../start/status.ts'

const REFRESH_MS = 1000
/** Where nobody looks at it all the time, a change may wait. */
const REFRESH_PLAIN_MS = 5000
/** One Ctrl-C may come twice, straight from the terminal and by way of npm. */
const SAME_INTERRUPT_MS = 1000

/** As a person would type it from here. */
function shown(path: string): string {
  const short = relative(process.cwd(), path)
  return short === '' || short.startsWith('..') ? path : `./${short}`
}

function summary(layout: Layout, options: StartOptions, cluster: LocalCluster, seconds: number): string {
  const { data, chunkservers } = layout
  const mount = options.mount && shown(options.mount)
  const noMount = mount ? `none: ${cluster.mountProblem}` : 'none, as wanted'
  return `
ElkFS is up after ${seconds.toFixed(1)} s: a master, ${chunkservers} chunkserver${chunkservers === 1 ? '' : 's'}${cluster.isMounted ? ' and a mount' : ''}

  mount         ${cluster.isMounted ? `${options.mount}   (your files go here; two copies of each)` : noMount}
  data          ${data}   (logs in ${shown(data)}/log)
  master        ${HOST}:${clientsPort(layout)} for clients, ${HOST}:${serversPort(layout)} for chunkservers
  chunkservers  ${HOST}:${serverPort(layout, 1)}${chunkservers > 1 ? ` to ${serverPort(layout, chunkservers)}` : ''}
  monitor       http://${HOST}:${monitorPort(layout)}/   (in a browser)

  ${cluster.isMounted ? `Try: cp -r docs ${mount}/ && ls -l ${mount}/docs` : `Mount elsewhere: bin/mfsmount -H ${HOST} -P ${clientsPort(layout)} DIR`}
  Ctrl-C stops everything in order; the next start has all files again.
`
}

async function start(options: StartOptions, display: StatusDisplay): Promise<number> {
  const layout = await checkAll(options)
  const began = performance.now()
  makeFolder(layout.data)
  if (!new LockFile(lockFile(layout.data)).tryTake()) throw new Refusal(`${layout.data} is in use by another npm start`)
  const cluster = new LocalCluster(layout, options.mount, text => display.say(text))
  handleSignals(cluster, display)
  try {
    await cluster.start()
  } catch (error) {
    if (!(error instanceof StartFailure)) throw error
    display.say(error.message)
    await cluster.stop(1)
    return cluster.finished
  }
  display.say(summary(layout, options, cluster, (performance.now() - began) / 1000))
  const refresh = keepShowing(cluster, layout, display)
  const code = await cluster.finished
  clearInterval(refresh)
  return code
}

function keepShowing(cluster: LocalCluster, layout: Layout, display: StatusDisplay): NodeJS.Timeout {
  const update = async () => {
    const text = healthText(await cluster.health(), layout.chunkservers)
    if (!cluster.isStopping) display.show(text)
  }
  void update()
  return setInterval(() => void update(), process.stdout.isTTY ? REFRESH_MS : REFRESH_PLAIN_MS)
}

function handleSignals(cluster: LocalCluster, display: StatusDisplay): void {
  let stopping = 0
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (cluster.isStopping) {
        if (signal !== 'SIGINT' || performance.now() - stopping < SAME_INTERRUPT_MS) return
        display.say('interrupted again: killing what is left')
        cluster.killAll()
        return
      }
      stopping = performance.now()
      display.close()
      display.say(`${signal}: stopping (mount, monitor, chunkservers, master) ...`)
      void cluster.stop(0)
    })
  }
}

const display = new StatusDisplay(
  text => process.stdout.write(text),
  process.stdout.isTTY === true,
  () => process.stdout.columns ?? 80,
)
process.stdout.on('error', () => {})
const command = parseStartCommand(process.argv.slice(2), process.cwd())
if (command.kind === 'help') process.stdout.write(helpText)
else if (command.kind === 'error') {
  process.stderr.write(`elkfs: ${command.message}\n`)
  process.exitCode = 1
} else {
  try {
    const code = await start(command.options, display)
    if (code === 0) display.say('stopped; everything is on disk')
    process.exit(code)
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    process.stderr.write(`elkfs: ${error.message}\n`)
    process.exitCode = 1
  }
}
