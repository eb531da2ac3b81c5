import { rmSync } from 'node:fs'
import { link, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { syncFolder } from '../files/sync-folder.ts'

/** A file that gets its name when all of it is on disk. Disposing before that leaves nothing. */
export interface WholeFile extends AsyncDisposable {
  readonly writeAll: (bytes: AsyncIterable<Buffer>) => Promise<void>
  /** Throws with the code `EEXIST` if there is a file of that name and it must not be replaced. */
  keep(): Promise<void>
}

/** Readable for its owner only: it may hold what others must not see. */
export async function openWholeFile(path: string, { replaces }: { readonly replaces: boolean }): Promise<WholeFile> {
  const unfinished = `${path}.unfinished-${process.pid}`
  const handle = await open(unfinished, 'wx', 0o600)
  // A second Ctrl-C ends the process at once.
  const removeAtOnce = () => rmSync(unfinished, { force: true })
  process.once('exit', removeAtOnce)
  return {
    async writeAll(bytes) {
      for await (const piece of bytes) await handle.appendFile(piece)
    },
    async keep() {
      await handle.sync()
      if (replaces) await rename(unfinished, path)
      else await link(unfinished, path)
      await syncFolder(dirname(path))
    },
    async [Symbol.asyncDispose]() {
      await handle.close().catch(() => undefined)
      await rm(unfinished, { force: true })
      process.off('exit', removeAtOnce)
    },
  }
}
