import { stat } from 'node:fs/promises'

/** Is there a file or folder of that name, as far as this process may know? */
export async function pathExists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
