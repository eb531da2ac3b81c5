import { open } from 'node:fs/promises'

/** Waits until the names in the folder are on the disk: a file that was renamed or linked is else lost by a power cut. */
export async function syncFolder(folder: string): Promise<void> {
  await using handle = await open(folder)
  await handle.sync()
}
