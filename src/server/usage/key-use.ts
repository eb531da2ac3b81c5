import { updateLastUsed } from '../../storage/api-key/write.ts'
import type { Db } from '../../storage/database/db.ts'
import type { RecordObserver } from './observed-sink.ts'

/** When each API key was last used, to the minute. */
export interface KeyUse extends AsyncDisposable {
  /** The key was used now. Cheap: a key costs something once in a minute. */
  readonly note: (apiKeyId: string) => void
  /** Notes the key of a record. */
  readonly observe: RecordObserver
}

const minuteMs = 60_000
const flushEveryMs = 2_000

/** Writes the noted uses every two seconds. If the database is unreachable, the next use is written instead. */
export function openKeyUse(options: {
  readonly db: Db
  readonly log: { warn(fields: object, message: string): void }
}): KeyUse {
  const { db, log } = options
  let minute = 0
  /** Of this minute: all, and those that were not written yet. */
  let noted = new Set<string>()
  let waiting = new Set<string>()
  let flushing = Promise.resolve()

  const note = (apiKeyId: string) => {
    const now = Math.floor(Date.now() / minuteMs)
    if (now !== minute) {
      flush()
      minute = now
      noted = new Set()
    }
    if (noted.has(apiKeyId)) return
    noted.add(apiKeyId)
    waiting.add(apiKeyId)
  }
  const flush = () => {
    if (waiting.size === 0) return
    const ids = [...waiting]
    const at = new Date(minute * minuteMs)
    waiting = new Set()
    flushing = flushing
      .then(() => updateLastUsed(db, ids, at))
      .catch((error: unknown) => {
        for (const id of ids) noted.delete(id)
        log.warn({ err: error }, 'when keys were last used could not be written')
      })
  }
  const timer = setInterval(flush, flushEveryMs).unref()
  return {
    note,
    observe({ apiKeyId }) {
      if (apiKeyId !== null) note(apiKeyId)
    },
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      flush()
      await flushing
    },
  }
}
