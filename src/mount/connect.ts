// A mount's session with the cluster, from its options.
import type { ClusterEvents } from '../client/cluster.ts'
import { ClusterSession } from '../client/cluster-session.ts'
import { SessionError } from '../client/master-session.ts'
import { giveUpMs } from '../client/retry.ts'
import type { Env } from '../env/env.ts'
import { splitHosts } from '../util/hosts.ts'
import { type Connect, ConnectError } from './main.ts'
import type { MountCommand } from './options.ts'

const MIB = 1 << 20

export const connectCluster: Connect = async (command, mountPoint, passwordDigest, env, events) => {
  try {
    return await connect(command, mountPoint, passwordDigest, env, events)
  } catch (error) {
    if (error instanceof SessionError) throw new ConnectError(error.message)
    throw error
  }
}

async function connect(
  { values }: MountCommand,
  mountPoint: string,
  passwordDigest: Buffer | undefined,
  env: Env,
  events: ClusterEvents,
) {
  const session = await ClusterSession.connect(
    env,
    {
      hosts: splitHosts(values.mfsmaster),
      port: Number(values.mfsport),
      bindHost: values.mfsbind,
      info: mountPoint,
      folder: values.mfssubfolder,
      meta: values.mfsmeta,
      passwordDigest,
      rememberPassword: !values.mfsdonotrememberpassword,
      patient: values.mfsdelayedinit,
      giveUpMs: giveUpMs(values.mfsioretries, values.mfstimeout),
      retry: {
        ioRetries: values.mfsioretries,
        failOnLostChunk: values.mfserroronlostchunk,
        failOnNoSpace: values.mfserroronnospace,
      },
      writeCacheBytes: values.mfswritecachesize * MIB,
      readAheadBytes: values.mfsreadaheadsize * MIB,
    },
    events,
  )
  return {
    cluster: session,
    forward: (type: number, body: Buffer) => session.forward(type, body),
    get sessionId() {
      return session.sessionId
    },
    get masterVersion() {
      return session.masterVersion
    },
    close: () => session.close(),
  }
}
