import assert from 'node:assert/strict'
import { createServer, type Server, type Socket } from 'node:net'
import { test } from 'node:test'
import * as cltoma from '../../protocol/cltoma.ts'
import { FrameReader } from '../../protocol/frame.ts'
import * as matocl from '../../protocol/matocl.ts'
import { Failure, Refusal } from './failure.ts'
import { MasterLink, MSGID } from './master-link.ts'

type Answer = (socket: Socket) => void

/** A mount's proxy that registers everybody, and answers the first, second, ... question like this. */
async function withProxy(answers: Answer[], use: (master: MasterLink) => Promise<void>): Promise<void> {
  const left = [...answers]
  const server: Server = createServer(socket => {
    const reader = new FrameReader(1000, type => {
      if (type === cltoma.fuseRegister.code) socket.write(matocl.fuseRegister.encode({ body: Buffer.from([0]) }))
      else left.shift()?.(socket)
    })
    socket.on('data', (bytes: Buffer) => reader.push(bytes))
    socket.on('error', () => {})
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  const master = new MasterLink({ host: '127.0.0.1', port, sessionId: 7 })
  try {
    await use(master)
  } finally {
    master.close()
    server.close()
  }
}

const question = cltoma.fuseGettrashtime.encode({ msgid: MSGID, inode: 1, recursive: 0 })
const ask = (master: MasterLink) => master.query(question, matocl.fuseGettrashtime)
const data = { fileCount: 0, directoryCount: 1, items: [{ value: 3600, count: 1 }] }
const good = matocl.fuseGettrashtime.encode({ msgid: MSGID, ...data })

test('a question is asked again when the connection is cut, and what keeps connections alive is no answer', async () => {
  const nop = matocl.nop.encode({ msgid: 0 })
  await withProxy([socket => socket.destroy(), socket => socket.write(Buffer.concat([nop, good]))], async master => {
    assert.deepEqual((await ask(master)).items, data.items)
  })
})

test('a status is a refusal, in words', async () => {
  const refused = matocl.fuseGettrashtime.encode({ msgid: MSGID, status: 3 })
  await withProxy([socket => socket.write(refused)], async master => {
    await assert.rejects(ask(master), new Refusal(3))
    assert.equal(new Refusal(3).message, 'No such file or directory')
  })
})

test('another answer than that to the question is refused, and so is one for somebody else', async () => {
  const other = matocl.fuseGeteattr.encode({ msgid: MSGID, fileCount: 0, directoryCount: 0, items: [] })
  const strange = matocl.fuseGettrashtime.encode({ msgid: MSGID + 1, ...data })
  for (const answer of [other, strange]) {
    await withProxy([socket => socket.write(answer)], async master => {
      await assert.rejects(ask(master), new Failure('master query: unexpected answer'))
    })
  }
})

test('where nobody listens the tool says so', async () => {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise(resolve => server.close(resolve))
  const master = new MasterLink({ host: '127.0.0.1', port, sessionId: 7 })
  await assert.rejects(ask(master), /can't connect to master \(\.masterinfo\)/)
})
