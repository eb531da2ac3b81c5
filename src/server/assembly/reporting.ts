import { createTrafficCounters, type TrafficCounters } from '../../gateway/traffic/traffic-counters.ts'
import { type KeyUse, openKeyUse } from '../usage/key-use.ts'
import type { Log } from '../log/log.ts'
import { createRequestFeed, type RequestFeed } from '../usage/request-feed.ts'
import { openTrafficHub, type TrafficHub } from '../traffic/hub.ts'
import type { Foundation } from './foundation.ts'

/** The exchange of ended requests among the processes of an installation, through the database. */
export interface ReportingServices extends AsyncDisposable {
  readonly counters: TrafficCounters
  readonly feed: RequestFeed
  readonly keyUse: KeyUse
  readonly traffic: TrafficHub
}

export function openReporting({ gatewayId, persistence, store, registry }: Foundation, log: Log): ReportingServices {
  const { db } = persistence.database
  const feed = createRequestFeed({ gatewayId, db, hasOthers: registry.hasPeers, log })
  const counters = createTrafficCounters({ now: Date.now })
  const otherGatewayIds = () => registry.others().map(({ id }) => id)
  const traffic = openTrafficHub({
    gatewayId,
    db,
    store,
    counters,
    otherGatewayIds,
    hasPeers: registry.hasPeers,
    now: Date.now,
    log,
  })
  const keyUse = openKeyUse({ db, log })
  return {
    counters,
    feed,
    keyUse,
    traffic,
    async [Symbol.asyncDispose]() {
      await traffic[Symbol.asyncDispose]()
      await keyUse[Symbol.asyncDispose]()
    },
  }
}
