import type { UsageSink } from '../../gateway/ports.ts'
import type { UsageRecord } from '../../routing/usage/record.ts'

/** On the way of every request: cheap, never throws. */
export type RecordObserver = (record: UsageRecord) => void

/** A sink that first passes each record to the observers. `timely` corrects records whose clock was wrong. */
export function observedSink(
  sink: UsageSink,
  observers: readonly RecordObserver[],
  timely: (record: UsageRecord) => UsageRecord = (record) => record,
): UsageSink {
  return {
    open: (request) => sink.open(request),
    append(ended, opened, written) {
      const record = timely(ended)
      for (const observe of observers) observe(record)
      sink.append(record, opened, written)
    },
  }
}
