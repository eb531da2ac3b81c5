import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/** A folder that no other process uses as long as this one lives. */
export interface SpoolFolder {
  readonly path: string
  /** Stays the same over restarts. */
  readonly id: string
  /** Ids of other folders whose segments were moved here, in any process, and that were not forgotten since. */
  readonly adoptedIds: readonly string[]
  /** Nobody needs to be told any more what became of them. */
  forgetAdopted(): void
  /** Lets another process have it. */
  release(): void
}

/** Processes on one machine that share a spool. */
const maxFolders = 256

/** Of the files that are named after adopted ids. */
const adoptedPrefix = 'adopted-'

const segmentPattern = /^\d{16}\.seg$/

/**
 * Takes the first free folder of the spool, and moves into it what the others that are free have left: processes that died,
 * or were more than now. Throws if the file system refuses, or if all folders are taken.
 */
export function takeSpoolFolder(root: string): SpoolFolder {
  for (let number = 0; number < maxFolders; number++) {
    const taken = tryFolder(join(root, String(number)))
    if (!taken) continue
    adoptOthers(root, taken)
    const adopted = listAdopted(taken.path)
    return {
      ...taken,
      adoptedIds: adopted.map((name) => name.slice(adoptedPrefix.length)),
      forgetAdopted: () => adopted.splice(0).forEach((name) => unlinkSync(join(taken.path, name))),
    }
  }
  throw new Error(`All ${maxFolders} folders of the spool ${root} are in use by other processes.`)
}

type TakenFolder = Omit<SpoolFolder, 'adoptedIds' | 'forgetAdopted'>

function tryFolder(path: string): TakenFolder | undefined {
  mkdirSync(path, { recursive: true, mode: 0o700 })
  const lock = tryLock(join(path, 'lock'))
  return lock && { path, id: readId(join(path, 'id')), release: () => lock.close() }
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

/** Segments keep their order among themselves, and come behind those that are there. */
function adoptOthers(root: string, folder: TakenFolder): void {
  for (const name of readdirSync(root).filter((entry) => /^\d+$/.test(entry))) {
    const path = join(root, name)
    // What was adopted lost its id: there is nothing in it any more.
    if (path === folder.path || !existsSync(join(path, 'id'))) continue
    const other = tryFolder(path)
    if (!other) continue
    let number = (listSegments(folder.path).at(-1)?.number ?? 0) + 1
    for (const segment of listSegments(path)) renameSync(segment.path, segmentPath(folder.path, number++))
    for (const file of listAdopted(path)) renameSync(join(path, file), join(folder.path, file))
    renameSync(join(path, 'id'), join(folder.path, `${adoptedPrefix}${other.id}`))
    other.release()
  }
}

function listAdopted(folder: string): string[] {
  return readdirSync(folder).filter((name) => name.startsWith(adoptedPrefix))
}

export interface SegmentFile {
  readonly number: number
  readonly path: string
}

/** The segments of a folder, oldest first. */
export function listSegments(folder: string): SegmentFile[] {
  return readdirSync(folder)
    .filter((name) => segmentPattern.test(name))
    .sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10))
    .map((name) => ({ number: Number.parseInt(name, 10), path: join(folder, name) }))
}

export function segmentPath(folder: string, number: number): string {
  return join(folder, `${String(number).padStart(16, '0')}.seg`)
}
