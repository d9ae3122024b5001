import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import type { Connection, Listener } from './net.ts'
import { realEnv } from './real.ts'
import { realNet } from './real-net.ts'

/** A listener of ours that does `serve` with its connection, and everything that a client of it receives until the end. */
async function received(serve: (connection: Connection, listener: Listener) => void): Promise<Buffer> {
  const listener: Listener = await realNet.listen('127.0.0.1', 0, connection => serve(connection, listener))
  const client = await realNet.connect('127.0.0.1', listener.port, { timeoutMs: 5000 })
  const parts: Buffer[] = []
  await new Promise<void>(resolve => client.handle({ data: bytes => parts.push(bytes), closed: () => resolve() }))
  await listener.close()
  return Buffer.concat(parts)
}

const text = (bytes: Buffer) => bytes.toString('latin1')

test('small, large and several parts arrive in the order in which they were written', async () => {
  const large = 'L'.repeat(100_000)
  const all = await received(connection => {
    for (const part of ['a', 'b', large, 'c']) connection.write(Buffer.from(part))
    connection.writev([Buffer.from('d'), Buffer.from('e')])
    connection.write(Buffer.from('f'))
    connection.end()
  })
  assert.equal(text(all), `ab${large}cdef`)
})

test('what was written in the turn of destroy() is sent', async () => {
  const all = await received(connection => {
    connection.write(Buffer.from('last words'))
    connection.destroy()
  })
  assert.equal(text(all), 'last words')
})

test('what was written in the turn in which its listener closes is sent', async () => {
  const all = await received((connection, listener) => {
    connection.write(Buffer.from('last words'))
    void listener.close()
  })
  assert.equal(text(all), 'last words')
})

test('small messages of one turn come in one piece, those of a later turn without being asked for', async () => {
  const listener = await realNet.listen('127.0.0.1', 0, connection => {
    connection.handle({ data: () => {}, closed: () => {} })
    for (let i = 0; i < 1000; i++) connection.write(Buffer.from([i % 256]))
    setTimeout(() => connection.write(Buffer.from('later')), 20)
  })
  const client = await realNet.connect('127.0.0.1', listener.port, { timeoutMs: 5000 })
  const pieces: Buffer[] = []
  await new Promise<void>(resolve => {
    client.handle({ data: bytes => pieces.push(bytes) === 2 && resolve(), closed: () => resolve() })
  })
  client.destroy()
  await listener.close()
  assert.deepEqual(
    pieces.map(({ length }) => length),
    [1000, 5],
  )
})

test('bytes that wait for the end of the turn count as queued', async () => {
  const queued: number[] = []
  await received(connection => {
    connection.write(Buffer.from('four'))
    queued.push(connection.queuedBytes)
    connection.end()
  })
  assert.deepEqual(queued, [4])
})

test('drain() is told once what was written has gone, however little it was', async () => {
  const drained: number[] = []
  await received(connection => {
    connection.handle({
      data: () => {},
      drain: () => {
        drained.push(connection.queuedBytes)
        connection.end()
      },
      closed: () => {},
    })
    connection.write(Buffer.from('little'))
  })
  assert.deepEqual(drained, [0])
})

test('what was written in the turn in which the process exits is sent', async () => {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  const program = `
    const { realNet } = await import('${new URL('./real-net.ts', import.meta.url)}')
    const connection = await realNet.connect('127.0.0.1', ${port}, { timeoutMs: 5000 })
    connection.write(Buffer.from('last words'))
    process.exit(0)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: 'inherit' })
  const socket = await new Promise<Socket>(resolve => server.once('connection', resolve))
  const parts: Buffer[] = []
  for await (const part of socket) parts.push(part)
  assert.equal(text(Buffer.concat(parts)), 'last words')
  await new Promise(resolve => (child.exitCode === null ? child.once('exit', resolve) : resolve(0)))
  server.close()
})

test('messages go to and fro as well where both sides wait awake, and the loop ends', async () => {
  const silent = { debug() {}, info() {}, notice() {}, warning() {}, error() {} }
  const { net } = realEnv(silent, 400)
  const listener = await net.listen('127.0.0.1', 0, connection => {
    connection.handle({ data: bytes => connection.write(bytes), closed: () => {} })
  })
  const client = await net.connect('127.0.0.1', listener.port, { timeoutMs: 5000 })
  let answers = 0
  await new Promise<void>(resolve => {
    client.handle({
      data: bytes => {
        assert.equal(text(bytes), `message ${answers}`)
        if (++answers === 2000) resolve()
        else client.write(Buffer.from(`message ${answers}`))
      },
      closed: () => {},
    })
    client.write(Buffer.from('message 0'))
  })
  client.destroy()
  await listener.close()
})
