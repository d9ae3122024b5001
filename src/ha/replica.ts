// What replication needs of the master's log and state. src/master/replica.ts gives it on the journal and the metadata.
import type { EpochTable } from './epochs.ts'

/** Changelog lines as they stand in the file, each with its newline; whole requests. */
export interface Batch {
  readonly firstVersion: number
  readonly count: number
  readonly lines: Buffer
  /** Of the state after the last line, its kind first; empty: not known. */
  readonly digest: Buffer
}

/** Lines that do not fit to the state here: the two masters' states differ, or the lines are damaged. */
export class ReplicaError extends Error {
  override readonly name = 'ReplicaError'
}

/** A checkpoint file, read piece by piece. */
export interface CheckpointSource {
  readonly version: number
  readonly size: number
  /** @returns how many bytes there were */
  read(target: Buffer, position: number): Promise<number>
  close(): Promise<void>
}

/** A checkpoint on its way in. Nothing of what is there is touched before install(). */
export interface CheckpointTarget {
  write(piece: Buffer): Promise<void>
  /** Checks the file, puts what was there aside, and makes it the state of the next open(). @throws ReplicaError */
  install(epochs: EpochTable, seen: number): Promise<void>
  discard(): Promise<void>
}

/** Log and state of this master while it runs. */
export interface Replica {
  /** Of this log, see EpochFile. */
  readonly logId: string
  /** 0: no metadata yet. */
  readonly metaId: bigint
  /** Number that the next line will get; 0: there is no metadata. */
  readonly version: number
  /** Every line below it is on the disk. */
  readonly durable: number
  readonly epochs: EpochTable
  /** Highest epoch that was ever seen here, on disk. */
  readonly seen: number
  /** Of the state at `version`; empty: not known. */
  digest(): Buffer
  /** Called with lines that this master wrote, when they go to the disk. */
  onBatch: ((batch: Batch) => void) | undefined
  /** Called when `durable` has risen. */
  onDurable: (() => void) | undefined
  /** Every line below `committed` is on the disk of all that could be elected, as the leader knows just now. */
  settled(committed: number): void
  /** Applies the leader's lines and queues them for the disk. @throws ReplicaError: the state must not be used on */
  append(batch: Batch): void
  /** Resolves when the table is on the disk. */
  setEpochs(epochs: EpochTable, seen: number): Promise<void>
  /** First line that linesFrom() can give. */
  oldest(): Promise<number>
  /** What the disk holds from `version` on, in order, to the end that is durable when it gets there. */
  linesFrom(version: number): AsyncGenerator<Batch>
  /** The newest checkpoint. @throws Error when there is none */
  checkpoint(): Promise<CheckpointSource>
  /**
   * A newer checkpoint that comes beside the lines, for a log that makes none itself; `install` puts it in the place of
   * the older one.
   */
  receive?(): Promise<CheckpointTarget>
  /** Waits for what was appended and lets go of the files. */
  close(): Promise<void>
}

/** The data folder, while no replica is open on it. */
export interface ReplicaStore {
  open(): Promise<Replica>
  /** Puts the lines from `at` on aside. @returns false when a checkpoint holds them: then nothing was changed */
  cut(at: number): Promise<boolean>
  receive(): Promise<CheckpointTarget>
}
