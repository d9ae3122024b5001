// Files as the daemons see them. Errors are those of Node: `code` is ENOENT, ENOSPC, EIO, …
// What was written survives a power cut only after sync() of the file, and a new, renamed or removed name only after
// syncFolder() of its folder.

export interface FileStat {
  readonly size: number
  readonly blocksBytes: number
  readonly mtimeMs: number
  readonly kind: 'file' | 'folder' | 'other'
}

export interface DiskSpace {
  readonly totalBytes: number
  readonly availableBytes: number
  /** Free, with what only the superuser may use. */
  readonly freeBytes: number
}

/** A lock on a file, held until release() or the end of the process. */
export interface DiskLock {
  release(): Promise<void>
}

/** What is to become of a file: another size, or the buffers one after the other from `position`. */
export type FileChange = { readonly size: number } | { readonly position: number; readonly parts: readonly Buffer[] }

export interface DiskFile {
  /** Reads up to `target.length` bytes at `position`; returns how many there were. */
  read(target: Buffer, position: number): Promise<number>
  /** Writes all of `source` at `position`. */
  write(source: Buffer, position: number): Promise<void>
  /** Writes the buffers one after the other from `position`, with one system call where possible. */
  writev(sources: readonly Buffer[], position: number): Promise<void>
  /**
   * read() of what is in memory, at once and without waiting for the disk.
   *
   * @returns how many bytes there were, from the first on; fewer than wanted say nothing about what the disk has
   */
  readNow(target: Buffer, position: number): number
  writeSync(source: Buffer, position: number): void
  truncate(size: number): Promise<void>
  /**
   * truncate() and writev() in this order, in one go where possible: the way to another thread and back takes longer
   * than most of them. When one fails those after it are not done.
   */
  change(changes: readonly FileChange[]): Promise<void>
  /** fdatasync: contents and size are on disk when this resolves. */
  sync(): Promise<void>
  /**
   * write() and sync() of little data: while the disk answers at once both are done when they return (undefined),
   * without the way to another thread and back.
   */
  writeLittle(source: Buffer, position: number): Promise<void> | undefined
  syncLittle(): Promise<void> | undefined
  stat(): Promise<FileStat>
  close(): Promise<void>
}

/** `r` existing, reading; `r+` existing, both; `w+` created or emptied; `wx+` created, EEXIST when there; `a+` created when missing, reading and appending. */
export type OpenMode = 'r' | 'r+' | 'w+' | 'wx+' | 'a+'

export interface Disk {
  open(path: string, mode: OpenMode): Promise<DiskFile>
  /** open() with `wx+` and change(). A file that could not be written stays as it is. */
  create(path: string, changes: readonly FileChange[]): Promise<DiskFile>
  readFile(path: string): Promise<Buffer>
  rename(from: string, to: string): Promise<void>
  /** `gently`: the space of a large file comes back little by little, so that others' syncs need not wait for that. */
  unlink(path: string, gently?: 'gently'): Promise<void>
  /** Creates the folder and its parents; no error when it is there. */
  makeFolder(path: string): Promise<void>
  /** Names in the folder, unordered, without `.` and `..`. */
  list(path: string): Promise<string[]>
  stat(path: string): Promise<FileStat>
  syncFolder(path: string): Promise<void>
  /**
   * Whether sync() of a file that was made here by create() or `wx+` puts its name on the disk, too, so that syncFolder()
   * is not needed for it. Names that came by rename() are another matter.
   */
  syncsNewNames(path: string): Promise<boolean>
  space(path: string): Promise<DiskSpace>
  /** An empty folder. @throws Error with code ENOTEMPTY, … */
  removeFolder(path: string): Promise<void>
  /** Creates or empties the file and locks it as lockf does. @throws Error with code EAGAIN when another process has it */
  lock(path: string): Promise<DiskLock>
}
