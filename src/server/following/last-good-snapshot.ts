import { join } from 'node:path'
import { compileSnapshot } from '../../routing/config/compile.ts'
import type { Configuration } from '../../routing/config/configuration.ts'
import { configurationParts, joinConfiguration } from '../../routing/config/join-configuration.ts'
import type { Snapshot } from '../../routing/config/snapshot.ts'
import type { SecretBox } from '../../storage/secret/box.ts'
import { completeConfiguration } from './complete-configuration.ts'
import { readSealedFile, writeSealedFile } from '../files/sealed-file.ts'
import type { SnapshotStore } from './snapshot-store.ts'

const fileName = 'last-good-snapshot'
/** Binds the file's content to its purpose: a sealed secret of the database does not open here, nor the other way round. */
const context = 'last-good-snapshot'
const shortestPauseMs = 50
/** Writing costs time that grows with the configuration: it is given a tenth of it at the most. */
const pauseFactor = 10

interface Log {
  debug(fields: object, message: string): void
  warn(fields: object, message: string): void
}

/**
 * The last good snapshot that this data folder has, so that a gateway starts without its database; undefined if there is none
 * that can be read with this encryption key.
 */
export async function readLastGoodSnapshot(dataDir: string, box: SecretBox, log: Log): Promise<Snapshot | undefined> {
  try {
    const texts = await readSealedFile(join(dataDir, fileName), box, context)
    const compiled = compileSnapshot(
      joinConfiguration(texts.map((text) => completeConfiguration(JSON.parse(text) as Configuration))),
    )
    if (compiled.ok) return compiled.snapshot
    log.warn({ problems: compiled.problems.slice(0, 20) }, 'the last good snapshot on disk does not compile')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
      log.warn({ err: error }, 'the last good snapshot on disk cannot be read')
  }
  return undefined
}

/** Keeps the store's snapshot on disk, encrypted. A disk that refuses is logged and tried again with the next change. */
export function openSnapshotKeeper(options: {
  readonly dataDir: string
  readonly box: SecretBox
  readonly store: SnapshotStore
  readonly log: Log
}): AsyncDisposable {
  const { dataDir, box, store, log } = options
  let timer: NodeJS.Timeout | undefined
  let writing = Promise.resolve()
  let pauseMs = shortestPauseMs

  const write = async () => {
    timer = undefined
    const startedAtMs = performance.now()
    const snapshot = store.current()
    const texts = configurationParts(snapshot).map((part) => JSON.stringify(part))
    await writeSealedFile(join(dataDir, fileName), texts, box, context)
    log.debug({ version: snapshot.version }, 'the last good snapshot is on disk')
    pauseMs = Math.max(shortestPauseMs, pauseFactor * (performance.now() - startedAtMs))
  }
  const writeInTurn = () => {
    writing = writing
      .then(write)
      .catch((error: unknown) => log.warn({ err: error }, 'the last good snapshot could not be written to disk'))
  }
  const unsubscribe = store.subscribe(() => {
    timer ??= setTimeout(writeInTurn, pauseMs).unref()
  })
  return {
    async [Symbol.asyncDispose]() {
      unsubscribe()
      if (timer) {
        clearTimeout(timer)
        writeInTurn()
      }
      await writing
    },
  }
}
