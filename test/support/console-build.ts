import { execFile } from 'node:child_process'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const folder = join(import.meta.dirname, '../../console')

/** Builds the console if a source of it is newer than what was built: a test must not look at the console of yesterday. */
export async function buildConsoleIfStale(): Promise<void> {
  const builtAtMs = await changedAtMs(join(folder, 'dist/index.html'))
  const entries = await readdir(join(folder, 'src'), { recursive: true, withFileTypes: true })
  const sources = entries.filter((entry) => entry.isFile() && !entry.name.endsWith('.d.ts'))
  const paths = [...sources.map(({ parentPath, name }) => join(parentPath, name)), join(folder, 'index.html')]
  const newest = Math.max(...(await Promise.all(paths.map(changedAtMs))))
  if (newest > builtAtMs) await promisify(execFile)(process.execPath, [join(folder, 'build.ts'), '--strict'])
}

async function changedAtMs(path: string): Promise<number> {
  return stat(path).then(
    ({ mtimeMs }) => mtimeMs,
    () => 0,
  )
}
