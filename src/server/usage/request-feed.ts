import type { UsageRecord } from '../../routing/usage/record.ts'
import type { Db } from '../../storage/database/db.ts'
import { notify } from '../../storage/database/notifications.ts'
import { listRequestLogsByIds } from '../../storage/usage/request-log.ts'
import type { RecordObserver } from './observed-sink.ts'

/** The channel on which a gateway names the requests that it has stored. */
export const requestChannel = 'signalbox_requests'

/** Requests of clients as they end, in any gateway. Costs nothing without listeners. */
export interface RequestFeed {
  readonly onRequest: (listener: (record: UsageRecord) => void) => () => void
  /** Passes a request that ended in this process to the listeners. */
  readonly observe: RecordObserver
  /** Tells the other gateways of records that are in the database now. */
  readonly announce: (ids: readonly string[]) => Promise<void>
  /** What another gateway has announced. */
  hear(payload: string): void
}

/** PostgreSQL takes 7,999 bytes in a notice. */
const idsPerNotice = 200

export function createRequestFeed(options: {
  readonly gatewayId: string
  readonly db: Db
  readonly hasOthers: () => boolean
  readonly log: { warn(fields: object, message: string): void }
}): RequestFeed {
  const { gatewayId, db, hasOthers, log } = options
  const listeners = new Set<(record: UsageRecord) => void>()
  const tell = (record: UsageRecord) => listeners.forEach((listener) => listener(record))

  const hearIds = async (ids: readonly string[]) => {
    for (const record of await listRequestLogsByIds(db, ids)) tell(record)
  }
  return {
    onRequest(listener) {
      // Wrapped: the same function may listen twice.
      const own = (record: UsageRecord) => listener(record)
      listeners.add(own)
      return () => listeners.delete(own)
    },
    observe(record) {
      if (listeners.size > 0) tell(record)
    },
    async announce(ids) {
      if (!hasOthers()) return
      for (let i = 0; i < ids.length; i += idsPerNotice) {
        await notify(db, requestChannel, [gatewayId, ...ids.slice(i, i + idsPerNotice)].join(' '))
      }
    },
    hear(payload) {
      const [from, ...ids] = payload.split(' ')
      if (from === gatewayId || listeners.size === 0) return
      hearIds(ids).catch((error: unknown) => log.warn({ err: error }, 'requests of another gateway could not be read'))
    },
  }
}
