import { randomBytes } from 'node:crypto'
import { chmod, link, mkdir, open, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type EncryptionKeys, parseEncryptionKey } from './config.ts'
import { pathExists } from '../files/path-exists.ts'
import { StartError } from '../start-error.ts'
import { syncFolder } from '../files/sync-folder.ts'

const FILE_NAME = 'encryption-key'

/**
 * The keys that wrap the stored secrets: those of the environment, and that of the data folder. If there is neither,
 * one is made and kept there, readable for its owner only (mode 0600).
 *
 * Throws `StartError` if a database is there already: its secrets could never be read again with a new key. To be
 * called before the embedded PostgreSQL is opened.
 */
export async function openEncryptionKeys(dataDir: string, configured?: EncryptionKeys): Promise<EncryptionKeys> {
  const path = join(dataDir, FILE_NAME)
  const [first, ...others] = await findEncryptionKeys(dataDir, configured)
  if (first) return [first, ...others]
  if (await pathExists(join(dataDir, 'postgres'))) {
    throw new StartError(
      `${path} is missing, and the database beside it has secrets that only its key can open. Put it back from a backup, ` +
        'or set SIGNALBOX_ENCRYPTION_KEY to the key that was used. With a new key all secrets must be entered again.',
    )
  }
  return [await keepEncryptionKey(dataDir, randomBytes(32))]
}

/** Those of the environment and that of the data folder, as far as there are any. Throws `StartError` if the file is damaged. */
export async function findEncryptionKeys(dataDir: string, configured: readonly Buffer[] = []): Promise<Buffer[]> {
  const kept = await readKey(join(dataDir, FILE_NAME))
  return kept ? [...configured, kept] : [...configured]
}

async function readKey(path: string): Promise<Buffer | undefined> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw new StartError(`${path} cannot be read: ${error.message}`)
  })
  if (text === undefined) return undefined
  const key = parseEncryptionKey(text.trim())
  if (!key) throw new StartError(`${path} is damaged: it must hold 32 bytes as base64. Put it back from a backup.`)
  // A file copied from a backup may be readable by every user.
  if (((await stat(path)).mode & 0o077) !== 0) await chmod(path, 0o600).catch(() => undefined)
  return key
}

/**
 * Keeps the key in the data folder, unless it has one already, and returns the one that it has. Written whole, synced, and then linked to
 * its name: of several processes that start at once all get the same key.
 */
export async function keepEncryptionKey(dataDir: string, made: Buffer): Promise<Buffer> {
  const path = join(dataDir, FILE_NAME)
  const unfinished = `${path}.new-${process.pid}-${randomBytes(4).toString('hex')}`
  try {
    await mkdir(dataDir, { recursive: true })
    await writeSynced(unfinished, `${made.toString('base64')}\n`)
    await link(unfinished, path).catch(ignoreExisting)
    await syncFolder(dataDir)
  } catch (error) {
    throw new StartError(`The encryption key cannot be written to ${path}: ${(error as Error).message}`)
  } finally {
    await rm(unfinished, { force: true })
  }
  const key = await readKey(path)
  if (!key) throw new StartError(`${path} has disappeared.`)
  return key
}

/** Takes back what `keepEncryptionKey` has done. */
export async function removeKeptEncryptionKey(dataDir: string): Promise<void> {
  await rm(join(dataDir, FILE_NAME), { force: true })
}

async function writeSynced(path: string, text: string): Promise<void> {
  await using file = await open(path, 'wx', 0o600)
  await file.writeFile(text)
  await file.sync()
}

function ignoreExisting(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error
}
