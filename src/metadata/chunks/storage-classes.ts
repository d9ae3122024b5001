// Storage classes: how many copies, on servers of which labels (spec metadata 2.4, master-behaviour 5.4).

import { type Digest, Fact } from '../digest.ts'

export const OR_GROUPS = 4
export const CLASS_LIMIT = 255
export const PREDEFINED_CLASSES = 9

/** One wanted copy: up to four sets of labels, of which a server must have one whole (bit 0 = A); all 0 is any server. */
export type LabelMasks = readonly number[]

export interface StorageClass {
  name: string
  adminOnly: boolean
  /** 0 loose, 1 standard, 2 strict. */
  mode: number
  archiveDelayDays: number
  create: LabelMasks[]
  keep: LabelMasks[]
  archive: LabelMasks[]
}

function factOf({ name, adminOnly, mode, archiveDelayDays, create, keep, archive }: StorageClass): string {
  return `${name}|${adminOnly}|${mode}|${archiveDelayDays}|${create.join(';')}|${keep.join(';')}|${archive.join(';')}`
}

const anyServer = (copies: number): LabelMasks[] => Array.from({ length: copies }, () => [0, 0, 0, 0])

export interface ClassObserver {
  /** A class that there was before has become another one. */
  classChanged(): void
}

export class StorageClasses {
  readonly #digest: Digest
  readonly #classes = new Map<number, StorageClass>()
  observer: ClassObserver = { classChanged() {} }
  /** Numbers from here on were never used; deleted ones below are used again, lowest first. */
  #firstUnused = PREDEFINED_CLASSES + 1

  constructor(digest: Digest) {
    this.#digest = digest
    for (let copies = 1; copies <= PREDEFINED_CLASSES; copies++) {
      this.set(copies, {
        name: String(copies),
        adminOnly: false,
        mode: 1,
        archiveDelayDays: 0,
        create: anyServer(copies),
        keep: anyServer(copies),
        archive: anyServer(copies),
      })
    }
  }

  get(id: number): StorageClass | undefined {
    return this.#classes.get(id)
  }

  idOf(name: string): number | undefined {
    for (const [id, sclass] of this.#classes) if (sclass.name === name) return id
    return undefined
  }

  /** The number that the next new class will get; 256 when all are taken. */
  nextId(): number {
    for (let id = PREDEFINED_CLASSES + 1; id < this.#firstUnused; id++) if (!this.#classes.has(id)) return id
    return this.#firstUnused
  }

  set(id: number, sclass: StorageClass): void {
    const wasThere = this.#classes.has(id)
    this.#forget(id)
    this.#digest.add(Fact.STORAGE_CLASS, id, 0, 0, factOf(sclass))
    this.#classes.set(id, sclass)
    this.#firstUnused = Math.max(this.#firstUnused, id + 1)
    if (wasThere) this.observer.classChanged()
  }

  delete(id: number): void {
    this.#forget(id)
    this.#classes.delete(id)
  }

  #forget(id: number): void {
    const present = this.#classes.get(id)
    if (present) this.#digest.remove(Fact.STORAGE_CLASS, id, 0, 0, factOf(present))
  }

  /** Adds all facts of the table to a digest that is made from scratch. */
  fold(into: Digest): void {
    for (const [id, sclass] of this.#classes) into.add(Fact.STORAGE_CLASS, id, 0, 0, factOf(sclass))
  }

  /** max(keep, archive); 0 for class 0 and unknown ones. */
  copiesWanted(id: number): number {
    const sclass = this.#classes.get(id)
    return sclass ? Math.max(sclass.keep.length, sclass.archive.length) : 0
  }

  /** Ascending by number. */
  entries(): [number, StorageClass][] {
    return [...this.#classes].sort(([a], [b]) => a - b)
  }
}
