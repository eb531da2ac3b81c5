import type { Snapshot } from '../../routing/config/snapshot.ts'
import type { RecordObserver } from '../usage/observed-sink.ts'
import { configuredNames } from './configured-names.ts'
import type { MetricFamily } from './metric-family.ts'
import { RequestCounts } from './request-counts.ts'
import { RequestTimes } from './request-times.ts'

/** Sums over the gateway's requests since this process started. */
export interface RequestMetrics {
  readonly count: RecordObserver
  readonly families: readonly MetricFamily[]
  /** Forgets the series of what has been gone from the configuration for an hour. Called with each scrape. */
  readonly sweep: () => void
}

const sweepEveryMs = 3_600_000

export function createRequestMetrics({ snapshot }: { readonly snapshot: () => Snapshot }): RequestMetrics {
  const counts = new RequestCounts()
  const times = new RequestTimes(snapshot)
  let sweptAtMs = performance.now()
  return {
    count(record) {
      counts.count(record)
      times.count(record)
    },
    families: [...counts.families(), ...times.families()],
    sweep() {
      if (performance.now() - sweptAtMs < sweepEveryMs) return
      sweptAtMs = performance.now()
      const names = configuredNames(snapshot())
      counts.sweep(names)
      times.sweep(names)
    },
  }
}
