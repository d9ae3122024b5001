// The data folder of a master in a cluster, while nothing runs on it: opening it, and what replication does to it
// (replica/log-folder.ts).
import type { Disk } from '../../env/disk.ts'
import type { Env } from '../../env/env.ts'
import type { RecordStore } from '../../ha/pair-arbiter.ts'
import type { CheckpointTarget, ReplicaStore } from '../../ha/replica.ts'
import { changelogName } from '../../journal/changelog-files.ts'
import { CHECKPOINT_BACK, settleCheckpoints } from '../../journal/checkpoint-files.ts'
import { settleTail } from '../../journal/commit-tail.ts'
import type { JournalError, JournalOptions } from '../../journal/journal.ts'
import { checkpointPattern, makeReady, type Recovered, recover } from '../../journal/recovery.ts'
import { openIfThere } from '../../replica/changelog-batches.ts'
import { isOfLog, LogFolder } from '../../replica/log-folder.ts'
import { writeWhole } from '../../replica/whole-file.ts'
import { Checkpointer, type CheckpointOptions } from '../checkpointer.ts'
import { LastLines } from '../last-lines.ts'
import { MetaloggerPort } from '../metaloggers/port.ts'
import { CHANGELOGS, DiskReplica } from './replica.ts'

const PAIR_FILE = 'pair.mfs'
/** As many changes are not replayed twice. */
const LONG_REPLAY = 10_000

/** What a master of a pair wrote as a leader, beside the log (ha/pair-arbiter.ts). */
export function pairRecord(disk: Disk, folder: string): RecordStore {
  return {
    read: async () => {
      if (!(await disk.list(folder)).includes(PAIR_FILE)) return undefined
      return (await disk.readFile(`${folder}/${PAIR_FILE}`)).toString('utf8')
    },
    write: text => writeWhole(disk, folder, PAIR_FILE, text),
  }
}

export interface DataFolderOptions extends JournalOptions {
  /** When a running replica makes checkpoints; never without it. */
  checkpoints?: CheckpointOptions
  /** Where a running replica serves metaloggers; nowhere without it. */
  metaloggers?: MetaloggerDoor
}

export interface MetaloggerDoor {
  readonly env: Env
  readonly host: string
  readonly port: number
  /** As in MetaloggerPortOptions. */
  readonly preserveSeconds: number
}

export class DataFolder implements ReplicaStore {
  readonly #env: Env
  readonly #folder: string
  readonly #files: LogFolder
  #options: DataFolderOptions
  #replica: DiskReplica | undefined
  readonly #onFailure: (error: JournalError) => void

  /** @param onFailure the journal of an open replica has failed */
  constructor(env: Env, folder: string, options: DataFolderOptions, onFailure: (error: JournalError) => void) {
    this.#env = env
    this.#folder = folder
    this.#files = new LogFolder(env, folder, {
      changelogs: CHANGELOGS,
      checkpoints: checkpointPattern,
      checkpoint: CHECKPOINT_BACK,
    })
    this.#options = options
    this.#onFailure = onFailure
  }

  /** @throws RecoveryError when the files do not add up to a state */
  async open(): Promise<DiskReplica> {
    const epochs = await this.#files.openEpochs()
    const recovered = await this.#recover()
    const { sync, checkpoints, metaloggers } = this.#options
    const state = recovered?.state
    const lastLines = state && (await LastLines.read(this.#env.disk, this.#folder, state.version))
    const replica = new DiskReplica(this.#env, this.#folder, state, lastLines, epochs, { sync }, this.#onFailure)
    this.#replica = replica
    if (recovered && metaloggers) await this.#serveMetaloggers(replica, metaloggers)
    if (!recovered || !checkpoints) return replica
    const { checkpointVersion, replayed } = recovered
    replica.checkpointer = new Checkpointer(this.#env, replica.journal, recovered.state, checkpointVersion, checkpoints)
    if (replayed > LONG_REPLAY) void replica.checkpointer.save()
    return replica
  }

  /** Whoever leads: what leaves is what is committed. */
  async #serveMetaloggers(replica: DiskReplica, { env, host, port, preserveSeconds }: MetaloggerDoor): Promise<void> {
    const metaloggers = new MetaloggerPort(env, replica, { dataFolder: this.#folder, preserveSeconds })
    replica.metaloggers = metaloggers
    replica.journal.onCut(() => metaloggers.rotated())
    await metaloggers.listen(host, port)
  }

  /** For the replica that is open and those that will be. */
  reconfigure(checkpoints: CheckpointOptions, preserveSeconds: number): void {
    const { metaloggers } = this.#options
    this.#options = {
      ...this.#options,
      checkpoints,
      ...(metaloggers && { metaloggers: { ...metaloggers, preserveSeconds } }),
    }
    this.#replica?.checkpointer?.reconfigure(checkpoints)
    this.#replica?.metaloggers?.keepChanges(preserveSeconds)
  }

  /** What the files hold; undefined when there are none. */
  async #recover(): Promise<Recovered | undefined> {
    const { disk, clock, log } = this.#env
    const putBack = await settleTail(disk, this.#folder)
    if (putBack) log.warning(putBack)
    if (!(await disk.list(this.#folder)).some(isOfLog)) return undefined
    const recovered = await recover(disk, this.#folder, { now: Math.floor(clock.nowMs() / 1000) })
    for (const note of recovered.notes) log.warning(note)
    for (const note of await makeReady(disk, this.#folder, recovered.torn)) log.warning(note)
    await this.#syncNewestChangelog()
    const { checkpoint, replayed, state } = recovered
    await settleCheckpoints(disk, this.#folder, checkpoint, state.version, this.#options.checkpoints?.keepPrevious ?? 1)
    log.notice(`loaded ${checkpoint} and ${replayed} changes of the changelogs`)
    return recovered
  }

  /** Lines that a killed process wrote may be in memory only; they are about to be acknowledged. */
  async #syncNewestChangelog(): Promise<void> {
    const file = await openIfThere(this.#env.disk, `${this.#folder}/${changelogName(0)}`)
    await file?.sync()
    await file?.close()
    await this.#env.disk.syncFolder(this.#folder)
  }

  receive(): Promise<CheckpointTarget> {
    return this.#files.receive()
  }

  cut(at: number): Promise<boolean> {
    return this.#files.cut(at)
  }
}
