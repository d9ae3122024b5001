// Small files that are replaced as a whole.
import type { Disk } from '../env/disk.ts'

/** Resolves when the file is on the disk; until then a power cut leaves what was there before. */
export async function writeWhole(disk: Disk, folder: string, name: string, text: string): Promise<void> {
  const temporary = `${folder}/${name}.tmp`
  const file = await disk.open(temporary, 'w+')
  try {
    await file.write(Buffer.from(text, 'latin1'), 0)
    await file.sync()
  } finally {
    await file.close()
  }
  await disk.rename(temporary, `${folder}/${name}`)
  await disk.syncFolder(folder)
}
