import { open } from 'node:fs/promises'
import { type DumpOptions, dumpMetadata } from '../../metadata/dump/dump.ts'
import { writeOut } from '../shared/terminal.ts'

const PIECE_BYTES = 4 << 20

/**
 * Prints a metadata file as text.
 * @param told hears how much of the file has been read, 0..1
 * @throws CheckpointError at the first damage, Error of the system when the file cannot be read
 */
export async function dumpFile(path: string, options: DumpOptions, told: (part: number) => void): Promise<void> {
  const file = await open(path, 'r')
  try {
    const { size } = await file.stat()
    let position = 0
    const pull = async () => {
      const piece = Buffer.allocUnsafeSlow(PIECE_BYTES)
      const { bytesRead } = await file.read(piece, 0, PIECE_BYTES, position)
      position += bytesRead
      told(position / size)
      return bytesRead > 0 ? piece.subarray(0, bytesRead) : undefined
    }
    await dumpMetadata(pull, options, writeOut)
  } finally {
    await file.close()
  }
}
