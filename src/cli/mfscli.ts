// The command mfscli: what can be seen of a cluster from outside, and orders to it (spec tools-and-admin C).
import { runMonitor } from './monitor/run.ts'
import { say, writeOut } from './shared/terminal.ts'

const isUtf8 = /utf-?8/i.test(process.env.LC_ALL || process.env.LC_CTYPE || process.env.LANG || '')

// One thing after the other, and all of it before the end.
let written = Promise.resolve()

process.exitCode = await runMonitor(process.argv.slice(2), {
  print: text => {
    written = written.then(() => writeOut(Buffer.from(text).toString('latin1')))
  },
  complain: say,
  columns: process.stdout.isTTY ? process.stdout.columns : undefined,
  isUtf8,
})
await written
