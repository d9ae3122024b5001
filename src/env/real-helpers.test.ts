import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { realHelpers } from './real-helpers.ts'
import { textLog } from './real-log.ts'

const folder = mkdtempSync(join(tmpdir(), 'elkfs-helpers-'))
after(() => rmSync(folder, { recursive: true }))

/** A job whose run() has this body. */
function jobOf<I, O>(name: string, body: string) {
  const path = join(folder, `${name}.mjs`)
  writeFileSync(path, `export default { run: async ({ disk, clock, log }, input) => { ${body} } }\n`)
  const run = (): Promise<O> => Promise.reject(new Error('only the helper runs it'))
  return { module: pathToFileURL(path).href, run: run as (env: unknown, input: I) => Promise<O> }
}

const lines: string[] = []
const helpers = realHelpers(textLog('test', 'debug', line => lines.push(line)))

test('a helper gets its input, logs through us and gives its output back', async () => {
  const job = jobOf<{ n: number }, { twice: number; pid: number }>(
    'double',
    "log.warning('at work'); return { twice: input.n * 2, pid: process.pid }",
  )
  const { twice, pid } = await helpers.start(job, { n: 21 }).result
  assert.equal(twice, 42)
  assert.notEqual(pid, process.pid)
  assert.match(lines.join(), /warning: at work/)
})

test('what a job throws comes back, with its code', async () => {
  const job = jobOf('fail', "throw Object.assign(new Error('no room'), { code: 'ENOSPC' })")
  await assert.rejects(helpers.start(job, {}).result, { message: 'no room', code: 'ENOSPC' })
})

test('a helper that dies says how and what it wrote last', async () => {
  const job = jobOf(
    'die',
    "process.stderr.write('last words'); await clock.sleep(50); process.kill(process.pid, 'SIGKILL')",
  )
  await assert.rejects(helpers.start(job, {}).result, /ended with SIGKILL: last words/)
})

test('a cancelled helper ends and its result fails', async () => {
  const helper = helpers.start(jobOf('wait', 'await clock.sleep(1e6)'), {})
  helper.cancel()
  await assert.rejects(helper.result, /ended with SIGKILL/)
})

test('a helper ends with the process that started it', async () => {
  const pidFile = join(folder, 'pid')
  const job = jobOf(
    'long',
    `(await import('node:fs')).writeFileSync(input, String(process.pid)); await clock.sleep(1e6)`,
  )
  const program = `
    import { realHelpers } from ${JSON.stringify(new URL('./real-helpers.ts', import.meta.url).href)}
    realHelpers({}).start({ module: ${JSON.stringify(job.module)} }, ${JSON.stringify(pidFile)})`
  const starter = spawn(process.execPath, ['--input-type=module-typescript', '-e', program], { stdio: 'inherit' })
  const sleep = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))
  for (let i = 0; i < 600 && !(existsSync(pidFile) && readFileSync(pidFile, 'utf8') !== ''); i++) await sleep(50)
  const pid = Number(readFileSync(pidFile, 'utf8'))
  starter.kill('SIGKILL')
  const isGone = () => !existsSync(`/proc/${pid}`) || /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  for (let i = 0; i < 600 && !isGone(); i++) await sleep(50)
  assert.ok(isGone(), `helper ${pid} still runs`)
})
