import type { UsageSink } from '../gateway/ports.ts'
import type { UsageRecord } from '../routing/usage-record.ts'

/** On the way of every request: cheap, never throws. */
export type RecordObserver = (record: UsageRecord) => void

/** The sink, with the observers told of each record before it. */
export function observedSink(sink: UsageSink, observers: readonly RecordObserver[]): UsageSink {
  return {
    open: (request) => sink.open(request),
    append(record, opened, written) {
      for (const observe of observers) observe(record)
      sink.append(record, opened, written)
    },
  }
}
