import { randomUUID } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/** A folder that no other process uses as long as this one lives. */
export interface SpoolFolder {
  readonly path: string
  /** Stays the same over restarts. */
  readonly id: string
  /** Where segments are: the adopted folders, which are in this one now, and the folder itself, last. */
  readonly parts: readonly string[]
  /** Ids of other folders that were adopted, in any process, and that were not forgotten since. */
  readonly adoptedIds: readonly string[]
  /** Nobody needs to be told any more what became of them. */
  forgetAdopted(): void
  /** Lets another process have it. */
  release(): void
}

/** Processes on one machine that share a spool. */
const maxFolders = 256

/** Of adopted folders. */
const partPrefix = 'part-'
/** In an adopted folder: it has been forgotten, but not all of its segments are shipped. */
const forgottenMark = 'forgotten'
/** Of the files that an earlier version named after adopted ids. */
const adoptedPrefix = 'adopted-'

const segmentPattern = /^(\d{16})(?:-([0-9a-f-]{36}))?\.seg$/

/**
 * Takes the first free folder of the spool, and adopts the others that are free: of processes that died, or were more than now. Throws if
 * the file system refuses, or if all folders are taken.
 */
export function takeSpoolFolder(root: string): SpoolFolder {
  for (let number = 0; number < maxFolders; number++) {
    const taken = tryFolder(join(root, String(number)))
    if (!taken) continue
    const { path, id } = taken
    const locks = [taken, ...adoptOthers(root, path)]
    return {
      path,
      id,
      parts: [...listParts(path), path],
      adoptedIds: listAdoptedIds(path),
      forgetAdopted: () => forgetAdopted(path),
      release: () => locks.forEach((lock) => lock.release()),
    }
  }
  throw new Error(`All ${maxFolders} folders of the spool ${root} are in use by other processes.`)
}

interface TakenFolder {
  readonly path: string
  readonly id: string
  release(): void
}

function tryFolder(path: string): TakenFolder | undefined {
  mkdirSync(path, { recursive: true, mode: 0o700 })
  const lockPath = join(path, 'lock')
  const lock = tryLock(lockPath)
  if (!lock) return undefined
  if (existsSync(lockPath)) return { path, id: readId(join(path, 'id')), release: () => lock.close() }
  // Another process has adopted it meanwhile.
  lock.close()
  return undefined
}

/**
 * SQLite for its one virtue here: a lock that the kernel lets go when its holder dies, however it dies. Node has no other
 * such lock.
 */
function tryLock(path: string): DatabaseSync | undefined {
  const database = new DatabaseSync(path, { timeout: 0 })
  try {
    database.exec('BEGIN EXCLUSIVE')
    return database
  } catch (error) {
    database.close()
    if (error instanceof Error && /database is locked/.test(error.message)) return undefined
    throw error
  }
}

function readId(path: string): string {
  try {
    const id = readFileSync(path, 'utf8')
    if (id.length === 36) return id
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  const id = randomUUID()
  writeFileSync(`${path}.new`, id, { flush: true })
  renameSync(`${path}.new`, path)
  return id
}

/**
 * A folder is adopted whole, by one rename: what one segment says of a request, another one of the same folder may take back. If two
 * processes had a part of it each, a request whose record is in the one part would look cut off in the other, and get a second record.
 *
 * The locks are kept: until the rename is seen, a process that starts now may still try the old path.
 */
function adoptOthers(root: string, path: string): TakenFolder[] {
  const adopted: TakenFolder[] = []
  for (const name of readdirSync(root).filter((entry) => /^\d+$/.test(entry))) {
    const otherPath = join(root, name)
    if (otherPath === path || !existsSync(join(otherPath, 'id'))) continue
    const other = tryFolder(otherPath)
    if (!other) continue
    renameSync(otherPath, join(path, `${partPrefix}${other.id}`))
    adopted.push(other)
  }
  return adopted
}

/** Those within a folder, and within them. */
function listParts(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => name.startsWith(partPrefix))
    .map((name) => join(folder, name))
    .sort((a, b) => statSync(a).mtimeMs - statSync(b).mtimeMs)
    .flatMap((path) => [...listParts(path), path])
}

function listAdoptedIds(folder: string): string[] {
  const parts = listParts(folder)
  const ids = parts.filter(isRemembered).map((path) => basename(path).slice(partPrefix.length))
  return [...ids, ...[...parts, folder].flatMap(listAdoptedFiles).map((name) => name.slice(adoptedPrefix.length))]
}

function isRemembered(part: string): boolean {
  return !existsSync(join(part, forgottenMark))
}

function listAdoptedFiles(folder: string): string[] {
  return readdirSync(folder).filter((name) => name.startsWith(adoptedPrefix))
}

function forgetAdopted(folder: string): void {
  for (const part of [...listParts(folder), folder]) {
    for (const name of listAdoptedFiles(part)) unlinkSync(join(part, name))
    if (part !== folder && isRemembered(part)) markForgotten(part)
  }
  removeEmptyParts(folder)
}

function markForgotten(part: string): void {
  try {
    writeFileSync(join(part, forgottenMark), '')
  } catch {
    // The disk is full: it is told again at the next start, which changes nothing.
  }
}

/** Removes the adopted folders in which no segment is left. */
export function removeEmptyParts(folder: string): void {
  // Those within others come first.
  for (const part of listParts(folder)) {
    if (listSegments(part).length === 0 && listParts(part).length === 0) rmSync(part, { recursive: true, force: true })
  }
}

export interface SegmentFile {
  readonly number: number
  /** Of the process that wrote it; null: an earlier version did. */
  readonly runId: string | null
  readonly path: string
}

/** The segments of a folder, oldest first. */
export function listSegments(folder: string): SegmentFile[] {
  return readdirSync(folder)
    .map((name) => ({ name, match: segmentPattern.exec(name) }))
    .filter(({ match }) => match !== null)
    .map(({ name, match }) => ({ number: Number(match![1]), runId: match![2] ?? null, path: join(folder, name) }))
    .sort((a, b) => a.number - b.number)
}

export function segmentPath(folder: string, number: number, runId: string): string {
  return join(folder, `${String(number).padStart(16, '0')}-${runId}.seg`)
}
