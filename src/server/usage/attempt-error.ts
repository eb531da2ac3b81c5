import type { UsageRecord } from '../../routing/usage/record.ts'
import { statusIndex, statusLabels } from '../metrics/status-label.ts'

/**
 * Why attempt number `index` of a request was no answer, as one of a small set of words (`error.type` of OpenTelemetry's
 * conventions); the empty string if it was one.
 */
export function attemptErrorOf({ attempts, outcome }: UsageRecord, index: number): string {
  const { status, trigger } = attempts[index]!
  if (trigger !== null) return trigger.toLowerCase()
  // The last one has no trigger, whatever became of it.
  if (outcome === 'CANCELLED' || outcome === 'TRUNCATED' || outcome === 'TIMEOUT') return outcome.toLowerCase()
  if (status === null) return 'no_response'
  return status >= 400 ? statusLabels[statusIndex(status)]! : ''
}
