// How the mount comes by its password. The master wants the MD5 of it (spec client-master 2.4).
import { createHash } from 'node:crypto'
import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import type { MountValues } from './options.ts'

/** The MD5 of the password that the options give, or why there is none although one was named. */
export function passwordDigest(
  values: MountValues,
  typed: string,
  read: (path: string) => string | undefined,
): { digest: Buffer | undefined } | { problem: string } {
  if (typed !== '') return { digest: md5(typed) }
  if (values.mfspassfile !== undefined) return fromFile(values.mfspassfile, read)
  if (values.mfspassword !== undefined) return { digest: md5(values.mfspassword) }
  if (values.mfsmd5pass !== undefined) return { digest: Buffer.from(values.mfsmd5pass, 'hex') }
  return { digest: undefined }
}

function fromFile(path: string, read: (path: string) => string | undefined) {
  const content = read(path)
  if (content === undefined) return { problem: `error opening password file: ${path}` }
  if (content === '') return { problem: `password file (${path}) is empty` }
  const line = content.split(/\r?\n/)[0] ?? ''
  if (line === '') return { problem: `first line in password file (${path}) is empty` }
  return { digest: md5(line) }
}

function md5(text: string): Buffer {
  return createHash('md5').update(text, 'utf8').digest()
}

/** Asks on the terminal without showing what is typed. */
export function askPassword(): Promise<string> {
  process.stderr.write('MFS Password:')
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() })
  const terminal = createInterface({ input: process.stdin, output: silent, terminal: true })
  return new Promise(resolve => {
    terminal.question('', answer => {
      terminal.close()
      process.stderr.write('\n')
      resolve(answer)
    })
  })
}
