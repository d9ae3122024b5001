// Open folders: what is asked of the master for those who read them, and what is answered from that.
//
// Who reads a folder for the first time gets attributes with the names, as the kernel wants them with its first piece. Where
// nobody asked for attributes then, the next one is given names alone, and may find all of them in the kernel (kept-names.ts);
// if he asks for attributes after all, they are had with one question.
import type { Caller, Cluster, ListedPart, NodeAttributes, PartOfListing } from '../client/cluster.ts'
import { Status } from '../protocol/status.ts'
import { Recent } from '../util/recent.ts'
import type { DirectoryEntries, Entry, Errno, Opened, Request } from './file-system.ts'
import { allNames, firstNames, Listing } from './folder-listing.ts'
import { OpenAnswerFlag } from './fuse/abi.ts'
import * as errno from './fuse/errno.ts'
import { KeptNames } from './kept-names.ts'
import { errnoOf } from './status-errno.ts'

/** A listing answers lookups while its folder is open, but no longer than this. */
const LISTING_FRESH_MS = 10_000
/** How long it is known that a folder was read by name. */
const BY_NAME_MS = 600_000
/** Of larger folders the rest is only asked for when a reader has come so far. */
const NAMES_AT_ONCE_MAX = 100_000
/** A reader by name who looks at so many of the names wants the attributes of all. */
const LOOKUPS_OF_A_READER = 2

export interface OpenFoldersParts {
  cluster: Cluster
  nowMs: () => number
  callerOf(request: Request): Caller
  /** What the kernel is told of a listed node. */
  entryOf(inode: number, attributes: NodeAttributes): Entry
  unknownEntry(inode: number, type: number): Entry
  /** It may have grown since it was listed. */
  isOpenFile(inode: number): boolean
}

interface OpenFolder {
  readonly inode: number
  readonly pid: number
  listing: Listing
  /** The kernel may keep what it is told. */
  readonly keeps: boolean
  /** It was asked for names alone. */
  readonly byName: boolean
  /** Lookups of its names by its reader. */
  lookups: number
  /** Somebody wants the attributes of what is in it. */
  wantsAttributes: boolean
  /** Done when what was read until now is answered. */
  reading: Promise<void>
}

export class OpenFolders {
  readonly #parts: OpenFoldersParts
  readonly #folders = new Map<number, OpenFolder>()
  /** Listings with attributes. */
  readonly #listings: Recent<number, Listing>
  /** Folders of which only names were wanted, by those who read them last: the process. */
  readonly #byName: Recent<number, number>
  readonly #kept = new KeptNames()
  #nextHandle = 1

  constructor(parts: OpenFoldersParts) {
    this.#parts = parts
    this.#listings = new Recent(100, parts.nowMs)
    this.#byName = new Recent(10_000, parts.nowMs)
  }

  /** The listing is what the caller wants next, and tells whether it may be had. */
  async open(request: Request, inode: number): Promise<Opened | Errno> {
    const { cluster } = this.#parts
    // On a descriptor that is rewound the kernel tells by the time of the last change whether what it keeps is still true:
    // whole seconds are too long for that.
    const byName = cluster.extended && this.#byName.get(inode) !== undefined
    const listing = await (byName ? this.#listByName(request, inode) : this.#list(request, inode, firstNames))
    if (typeof listing === 'number') return listing
    // Who got a signal may have been told that there is no descriptor.
    const { names } = listing
    const flags = byName && names && !request.interrupted ? this.#kept.open(inode, names) : 0
    // What the kernel keeps is read without a word to us.
    if (flags & OpenAnswerFlag.KEEP_CACHE) listing.unread = false
    const handle = this.#nextHandle++
    const { pid } = request
    if (byName) this.#byName.set(inode, pid, BY_NAME_MS)
    const keeps = (flags & OpenAnswerFlag.CACHE_DIR) !== 0
    const state = { lookups: 0, wantsAttributes: false, reading: Promise.resolve() }
    this.#folders.set(handle, { inode, pid, listing, keeps, byName, ...state })
    return { handle, flags }
  }

  /** Entries from index `offset` on, as many as are known without another question. */
  async read(request: Request, handle: number, offset: number, plus: boolean): Promise<DirectoryEntries | Errno> {
    const folder = this.#folders.get(handle)
    if (!folder) return errno.EBADF
    // One after the other: two must not ask for the same part.
    const answer = folder.reading.then(() => this.#readPart(request, folder, offset, plus))
    folder.reading = answer.then(
      () => {},
      () => {},
    )
    return answer
  }

  async #readPart(
    request: Request,
    folder: OpenFolder,
    offset: number,
    plus: boolean,
  ): Promise<DirectoryEntries | Errno> {
    // The first reading has the listing of open(); a rewind reads anew.
    if (offset === 0 && !folder.listing.unread) {
      const { inode, byName } = folder
      const listing = await (byName ? this.#listByName(request, inode) : this.#list(request, inode, firstNames))
      if (typeof listing === 'number') return listing
      folder.listing = listing
      if (folder.keeps) this.#kept.reread(folder.inode, listing.names)
    }
    const { listing } = folder
    listing.unread = false
    const { rest } = listing
    const known = listing.partAt(offset)
    if (known || !rest) return known ?? []
    if (plus) folder.wantsAttributes = true
    const answer = await this.#ask(request, folder.inode, plus, rest)
    return answer.status !== undefined ? errnoOf(answer.status) : listing.add(answer)
  }

  close(handle: number): void {
    const folder = this.#folders.get(handle)
    if (!folder) return
    this.#folders.delete(handle)
    const { inode, pid, listing, keeps, wantsAttributes } = folder
    if (keeps) this.#kept.close(inode)
    if (wantsAttributes || listing.lookedAt) this.#byName.delete(inode)
    else if (!listing.unread && listing.length <= NAMES_AT_ONCE_MAX) this.#byName.set(inode, pid, BY_NAME_MS)
    if (!this.#openOf(inode)) this.forget(inode)
  }

  #openOf(inode: number, pid?: number): OpenFolder | undefined {
    for (const folder of this.#folders.values()) {
      if (folder.inode === inode && (pid === undefined || folder.pid === pid)) return folder
    }
    return undefined
  }

  /** The entry of a name, from a listing that the same process reads; undefined: ask the master. */
  lookup(request: Request, parent: number, name: string): Entry | Promise<Entry | undefined> | undefined {
    const listing = this.#listings.get(parent)
    if (listing?.isOf(request)) {
      listing.lookedAt = true
      return this.#listed(listing, name)
    }
    if (this.#byName.get(parent) !== request.pid) return undefined
    const folder = this.#openOf(parent, request.pid)
    if (folder && ++folder.lookups < LOOKUPS_OF_A_READER) return undefined
    if (!folder) this.#byName.delete(parent)
    return folder && !folder.wantsAttributes ? this.#listAll(request, folder, name) : undefined
  }

  async #listAll(request: Request, folder: OpenFolder, name: string): Promise<Entry | undefined> {
    folder.wantsAttributes = true
    const listing = await this.#list(request, folder.inode, allNames)
    return typeof listing === 'number' ? undefined : this.#listed(listing, name)
  }

  #listed(listing: Listing, name: string): Entry | undefined {
    const { entryOf, isOpenFile } = this.#parts
    const listed = listing.find(name)
    return listed?.attributes && !isOpenFile(listed.inode) ? entryOf(listed.inode, listed.attributes) : undefined
  }

  /** The folder has changed. */
  forget(inode: number): void {
    this.#listings.delete(inode)
  }

  /** Anything may have changed. */
  forgetAll(): void {
    this.#listings.clear()
  }

  async #listByName(request: Request, inode: number): Promise<Listing | Errno> {
    const answer = await this.#ask(request, inode, false, allNames)
    return answer.status !== undefined ? errnoOf(answer.status) : this.#listingOf(request, answer)
  }

  async #list(request: Request, inode: number, part: PartOfListing): Promise<Listing | Errno> {
    const answer = await this.#ask(request, inode, true, part)
    if (answer.status !== undefined) return errnoOf(answer.status)
    const listing = this.#listingOf(request, answer)
    this.#listings.set(inode, listing, LISTING_FRESH_MS)
    return listing
  }

  #listingOf(request: Request, answer: ListedPart): Listing {
    const { entryOf, unknownEntry } = this.#parts
    return new Listing(request, answer, ({ inode, type, attributes }) =>
      attributes ? entryOf(inode, attributes) : unknownEntry(inode, type),
    )
  }

  async #ask(request: Request, inode: number, withAttributes: boolean, part: PartOfListing) {
    const { cluster, callerOf } = this.#parts
    const caller = callerOf(request)
    const answer = await cluster.readdir(inode, withAttributes, caller, part)
    // Who may read the folder but not search it gets the names alone.
    return withAttributes && answer.status === Status.EACCES ? cluster.readdir(inode, false, caller, part) : answer
  }
}
