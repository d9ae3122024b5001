// The door to etcd: the few things that leadership needs of it. `Gateway` is the real one; test/sim has a model of it.
// Every read is linearizable. A call that throws may have been carried out all the same, now or later: whoever needs to
// know reads again, and guards what it writes with the revision that it read.

/** The outcome is unknown: no answer came, or not one that says. */
export class EtcdError extends Error {
  override readonly name = 'EtcdError'
}

export interface EtcdValue {
  readonly value: string
  /** Revision of the last change of this key; a guard for the next one. */
  readonly revision: number
  /** Undefined when the key is attached to no lease. */
  readonly lease?: string
}

/** Holds when the key was last changed at `revision`; 0: when there is no such key. */
export interface Guard {
  readonly key: string
  readonly revision: number
}

export type Change =
  | { readonly kind: 'put'; readonly key: string; readonly value: string; readonly lease?: string }
  | { readonly kind: 'delete'; readonly key: string }

/** `revision`: of the changes, when they were made. */
export type Outcome = { readonly done: true; readonly revision: number } | { readonly done: false }

export interface EtcdWatch {
  close(): void
}

export interface Etcd {
  /** The keys as they were at one moment, in the order asked for. @throws EtcdError */
  read(keys: readonly string[]): Promise<(EtcdValue | undefined)[]>
  /** Every key that begins with `prefix`. @throws EtcdError */
  list(prefix: string): Promise<(EtcdValue & { readonly key: string })[]>
  /** Makes all changes, or none when a guard does not hold. @throws EtcdError */
  commit(guards: readonly Guard[], changes: readonly Change[]): Promise<Outcome>
  /** @returns id of a new lease, and for how many seconds it was granted (etcd has a minimum). @throws EtcdError */
  grantLease(ttlSeconds: number): Promise<{ id: string; ttlSeconds: number }>
  /** @returns seconds that the lease lives from now on; 0 when it is over. @throws EtcdError */
  keepAlive(lease: string): Promise<number>
  /** Ends the lease and removes its keys. @throws EtcdError */
  revokeLease(lease: string): Promise<void>
  /** Calls `changed` soon after a change of the key. A hint that may be lost: whoever relies on a value polls too. */
  watch(key: string, changed: () => void): EtcdWatch
}
