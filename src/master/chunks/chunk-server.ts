/** A connected chunkserver as the chunk manager sees it. */
export interface ChunkServer {
  /** For messages: address and port. */
  readonly name: string
  /** IPv4 address as a big-endian number, as clients are told. */
  readonly ip: number
  readonly port: number
  readonly version: number
  labels: number
  /** It has told all its chunks once. */
  registered: boolean
  total: number
  /** Bytes that new chunks may use. */
  available: number
  /** Rows of chunks that it has a copy of. */
  readonly rows: Set<number>
  deletions: number
  incoming: number
  outgoing: number
  send(packet: Buffer): void
}
