import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { extname, join, relative, sep } from 'node:path'

export type FileCoding = 'br' | 'gzip' | 'identity'

export interface ConsoleFile {
  readonly type: string
  /** Whether its name changes with its content. */
  readonly isHashed: boolean
  readonly bodies: Readonly<Partial<Record<FileCoding, Buffer>>>
  readonly digest: string
}

export interface ConsoleFiles {
  /** `index.html` as it was built; its `<base>` is put in for each address. */
  readonly page: string
  /** By the path below `/console/`, e.g. `assets/index-4f2a.js`. */
  readonly files: ReadonlyMap<string, ConsoleFile>
}

const folder = join(import.meta.dirname, '../../../console/dist')

const types: Readonly<Record<string, string>> = {
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
}

/** Everything that was built, in memory; undefined if the console is not built. */
export async function readConsoleFiles(from = folder): Promise<ConsoleFiles | undefined> {
  const page = await readFile(join(from, 'index.html'), 'utf8').catch(ifMissing)
  if (page === undefined) return undefined
  const entries = await readdir(from, { recursive: true, withFileTypes: true })
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  const known = paths.filter((path) => extname(path) in types)
  const files = await Promise.all(known.map(async (path) => [nameOf(from, path), await readOne(path)] as const))
  return { page, files: new Map(files) }
}

async function readOne(path: string): Promise<ConsoleFile> {
  const identity = await readFile(path)
  const [br, gzip] = await Promise.all([
    readFile(`${path}.br`).catch(ifMissing),
    readFile(`${path}.gz`).catch(ifMissing),
  ])
  return {
    type: types[extname(path)]!,
    isHashed: path.includes(`${sep}assets${sep}`),
    bodies: { identity, ...(br && { br }), ...(gzip && { gzip }) },
    digest: digestOf(identity),
  }
}

export function digestOf(content: Buffer | string): string {
  return createHash('sha256').update(content).digest('base64url').slice(0, 22)
}

function nameOf(from: string, path: string): string {
  return relative(from, path).split(sep).join('/')
}

function ifMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR') throw error
}
